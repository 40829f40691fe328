"""New positions at the end of a state file: everything that stands there stays as it is, comments and order included.

The result is read back before it is returned. It therefore declares the old file and the new positions, and nothing
else.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import tomli_w

from reconcile.errors import InputError, StateFileErrors
from reconcile.model.account import DesiredAccount, Target
from reconcile.statefile import files
from reconcile.statefile.writing import positions


def appended(path: Path, text: str, new: Sequence[Target], *, note: str) -> str:
    """The text of the state file at ``path`` with these positions below it, under a comment ``note``.

    Raises InputError where the file's own form or defaults make something else of them.
    """
    end = "\r\n" if "\r\n" in text else "\n"
    added = f"\n# {note}\n{tomli_w.dumps({'positions': positions(new)})}".replace("\n", end)
    whole = text + ("" if text.endswith(end) or not text else end) + added
    before, after = _read(path, text), _read(path, whole)
    known = {target.address: _declared(target) for target in new}
    found = {target.address: _declared(target) for target in after.targets if target.address in known}
    kept = tuple(target for target in after.targets if target.address not in known)
    if found != known or replace(after, targets=kept, sha256="") != replace(before, sha256=""):
        raise InputError(
            f"adding to {path}: with its [defaults] the new positions would not match the account; "
            "import into a new file with --out, and copy what fits"
        )
    return whole


def _declared(target: Target) -> tuple[object, ...]:
    """The declaration of a position; the rounding of its band is the file's, and no bound."""
    band = None if target.band is None else replace(target.band, rounding=None)
    return target.margin_type, target.isolated_margin, band, target.auto_add


def _read(path: Path, text: str) -> DesiredAccount:
    try:
        return files.from_content(path, text.encode())
    except StateFileErrors as error:
        raise InputError(
            f"adding to {path}: tables cannot stand at its end ({error.problems[0].message}); write its positions as "
            "[positions.SYMBOL.side] tables first, or import with --out"
        ) from error
