"""CSV for a spreadsheet: with a byte order mark, so that its text is read as UTF-8, and without formulas.

Reasons, symbols and exchange messages were written by others. A spreadsheet runs a cell that begins with ``=``, ``+``,
``-`` or ``@``. An apostrophe leads such a cell unless it is a plain number.
"""

import csv
import re
from collections.abc import Iterable, Sequence

from reconcile.render.common.values import clean

BOM = "\ufeff"
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Also in full width, which some spreadsheets read alike."""
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A header and one line per row."""
    out = _Text([BOM])
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell(value) for value in row])
    return "".join(out)


class _Text(list[str]):
    def write(self, text: str) -> int:
        """Keep it; what the csv module asks of a file."""
        self.append(text)
        return len(text)


def cell(text: str) -> str:
    """One cell without control characters and without a formula."""
    shown = clean(text)
    is_formula = shown.lstrip().startswith(_FORMULA) and not _NUMBER.fullmatch(shown)
    return f"'{shown}" if is_formula else shown
