"""A Markdown document with a size limit, cut by priority: what a person must see has its room first.

First come headings, errors and heads of journals, then every row that needs a person. The other rows share the room
that is left, each table in proportion. Each table says how many of its rows are missing, and the end how many in all.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

_T = TypeVar("_T")

LIMIT = 65_536
"""The most characters that a comment may have on the forges we know."""

_RESERVE = 500  # for the line that says how much is missing
_NOTE = 60  # for the line of one table that says how many of its rows are
_SAMPLE = 20  # rows that tell how long those of a table are


class _Lines:
    """Lines that stand together or not at all."""

    def __init__(self, text: tuple[str, ...]) -> None:
        self.text = text
        self.is_kept = False

    @property
    def size(self) -> int:
        return sum(map(len, self.text)) + len(self.text)


class _Table:
    """A table: its head with what opens it, what closes it, and which of its rows are kept, by their number."""

    def __init__(
        self,
        *,
        opening: tuple[str, ...],
        closing: tuple[str, ...],
        rows: Sequence[Any],
        shown: Callable[[Any], str],
        urgent: list[int],
        other: list[int],
    ) -> None:
        self.opening = opening
        self.closing = closing
        self.rows = rows
        self.shown = shown
        self.urgent = urgent
        self.other = other
        self.kept: dict[int, str] = {}

    @property
    def overhead(self) -> int:
        return sum(map(len, (*self.opening, *self.closing))) + len(self.opening) + len(self.closing) + _NOTE

    def length(self, numbers: Sequence[int]) -> int:
        """About how many characters these rows take."""
        sample = [len(self.shown(self.rows[number])) + 1 for number in numbers[:_SAMPLE]]
        return sum(sample) * len(numbers) // len(sample) if sample else 0

    def keep(self, numbers: Sequence[int], room: int) -> int:
        """Keep as many of these rows as have room; what that takes. Of the rest it is not even asked how it looks."""
        taken = 0 if self.kept else self.overhead
        for number in numbers:
            text = self.shown(self.rows[number])
            if taken + len(text) + 1 > room:
                break
            taken += len(text) + 1
            self.kept[number] = text
        return taken if self.kept else 0

    def lines(self) -> list[str]:
        """The table as far as it is kept, with a count of the rows that are missing."""
        missing = len(self.rows) - len(self.kept)
        if not self.kept:
            return ["", f"_{missing} rows are not shown here._"] if missing > 1 else []
        note = ["", f"_{missing} more row{'s are' if missing > 1 else ' is'} not shown here._"] if missing else []
        return [*self.opening, *(self.kept[number] for number in sorted(self.kept)), *self.closing, *note]


class Page:
    """Lines and tables up to a limit."""

    def __init__(self, limit: int = LIMIT) -> None:
        """``limit`` is in characters."""
        self._limit = limit
        self._items: list[_Lines | _Table] = []

    def add(self, *lines: str) -> None:
        """Lines that stand together; they have their room before every table."""
        self._items.append(_Lines(lines))

    def table(self, head: str, rows: Iterable[str]) -> None:
        """A table of rows that are text already; nothing when there are no rows."""
        self.rows(head, list(rows), str)

    def rows(
        self,
        head: str,
        rows: Sequence[_T],
        shown: Callable[[_T], str],
        *,
        urgent: Callable[[_T], bool] | None = None,
        summary: str | None = None,
    ) -> None:
        """A table of what ``shown`` makes of each row; of a row that is cut it is not asked.

        ``urgent`` tells which rows need a person; with a ``summary`` the table is collapsed under it.
        """
        if not rows:
            return
        numbers = range(len(rows))
        first = [number for number in numbers if urgent is not None and urgent(rows[number])]
        others = sorted(set(numbers).difference(first)) if first else list(numbers)
        opening = ("", f"<details><summary>{summary}</summary>", "") if summary is not None else ()
        self._items.append(
            _Table(
                opening=(*opening, head),
                closing=("", "</details>") if summary is not None else (),
                rows=rows,
                shown=shown,
                urgent=first,
                other=others,
            )
        )

    def finish(self, tail: Sequence[str]) -> str:
        """The whole document."""
        room = self._limit - _RESERVE - sum(len(line) + 1 for line in tail)
        for item in self._items:
            if isinstance(item, _Lines) and item.size <= room:
                item.is_kept = True
                room -= item.size
        tables = [item for item in self._items if isinstance(item, _Table)]
        room -= _share([(table, table.urgent) for table in tables if table.urgent], room)
        _share([(table, table.other) for table in tables if table.other], room)
        missing = sum(len(table.rows) - len(table.kept) for table in tables)
        missing += sum(1 for item in self._items if isinstance(item, _Lines) and not item.is_kept and any(item.text))
        lines = [line for item in self._items for line in _shown(item)]
        if missing:
            told = f"**Cut: {missing} more lines do not fit into a comment; the JSON or text output has them.**"
            lines += ["", told]
        return "\n".join([*lines, "", *tail]).rstrip() + "\n"


def _shown(item: _Lines | _Table) -> Sequence[str]:
    if isinstance(item, _Table):
        return item.lines()
    return item.text if item.is_kept else ()


def _share(wanted: Sequence[tuple[_Table, list[int]]], room: int) -> int:
    """Give each table its share of the room, in proportion to its rows; what they take in all."""
    sizes = [table.length(numbers) for table, numbers in wanted]
    whole = sum(sizes) + sum(table.overhead for table, _ in wanted if not table.kept)
    left = room
    for (table, numbers), size in zip(wanted, sizes, strict=True):
        needed = size + (0 if table.kept else table.overhead)
        share = left if whole <= room else min(left, needed * room // whole)
        left -= table.keep(numbers, share)
    return room - left
