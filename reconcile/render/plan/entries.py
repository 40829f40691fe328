"""The entries of a plan as lines for a terminal: one line each where it fits, else the facts behind it indented below.

Changes and what is in their way come first, what is in sync last. Amounts stand under each other by their decimal
points and are exact. On a narrow terminal the liquidation and the reason have an indented line of their own.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from reconcile.model.auto_add import SetAutoAdd
from reconcile.model.plan import Entry, MoveMargin, SetMarginType, Status, Step
from reconcile.render.common.columns import aligned, fit, padded, width
from reconcile.render.common.values import by_attention, clean, declared, liquidation, now, painted, step_amounts, why
from reconcile.render.plan.measures import measure

ADD, TAKE_OUT, RETYPE = "+", "-", "~"
MARKS: Mapping[Status, str] = {
    Status.CHANGE: RETYPE,
    Status.BLOCKED: "!",
    Status.HELD: "?",
    Status.WAITING: ".",
    Status.UNMANAGED: "*",
    Status.IN_SYNC: "=",
}
LEGEND: Mapping[str, str] = {
    ADD: "add",
    TAKE_OUT: "take out",
    RETYPE: "margin type",
    "!": "blocked",
    "?": "held: a step or a reading is in doubt",
    ".": "waiting for a position",
    "*": "unmanaged",
    "=": "in sync",
}
"""The meaning of each mark at the beginning of a line."""
COLOURS: Mapping[str, str] = {"+": "32", "-": "33", "~": "36", "!": "31", "?": "35", ".": "2", "*": "2", "=": "2"}
_INDENT = " " * 6


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryLine:
    """One line: its mark, its first cells, then numbers with what stands between them, and notes behind."""

    mark: str
    address: str
    before: str
    arrow: str
    after: str
    difference: str
    asset: str
    notes: tuple[str, ...]


def legend(listed: Collection[Entry]) -> str:
    """The marks that these entries have, each with its meaning; empty where there is no entry."""
    used = {row.mark for entry in listed for row in _rows(entry)}
    switches = any(isinstance(step, SetAutoAdd) for entry in listed for step in entry.steps)
    meanings = {**LEGEND, RETYPE: f"{LEGEND[RETYPE]} or auto-add"} if switches else LEGEND
    shown = ", ".join(f"{mark} {words}" for mark, words in meanings.items() if mark in used)
    return f"signs: {shown}" if shown else ""


def entries(listed: Sequence[Entry], *, color: bool, columns: int | None = None) -> list[str]:
    """The lines of these entries, in the order of what to look at first."""
    return laid_out([row for entry in by_attention(listed) for row in _rows(entry)], color=color, columns=columns)


def laid_out(rows: Sequence[EntryLine], *, color: bool, columns: int | None) -> list[str]:
    """Rows as lines of a terminal of so many columns (None: as long as they are)."""
    cells = _cells(rows)
    room = columns is None or all(width(head) + 2 + width(amounts) <= columns for head, amounts in cells)
    lines = []
    for row, (head, amounts) in zip(rows, cells, strict=True):
        first = [f"{head}  {amounts}"] if room else [head, f"{_INDENT}{amounts.strip()}"]
        whole = "  ".join([first[-1], *row.notes])
        if columns is None or width(whole) <= columns:
            shown = [*first[:-1], whole]
        else:
            shown = [*first, *(fit(f"{_INDENT}{note}", columns) for note in row.notes)]
        lines += [
            painted(line.rstrip(), COLOURS.get(row.mark, "0"), color=color)
            for each in shown
            for line in each.split("\n")
            if line.strip()
        ]
    return lines


def _cells(rows: Sequence[EntryLine]) -> list[tuple[str, str]]:
    """Mark and address, and the amounts, each padded to stand under those of the other rows."""
    place = max((width(row.address) for row in rows), default=0)
    asset = max((width(row.asset) for row in rows), default=0)
    arrow = max((width(row.arrow) for row in rows), default=0)
    numbers = zip(
        aligned([row.before for row in rows]),
        aligned([row.after for row in rows]),
        aligned([row.difference for row in rows]),
        strict=True,
    )
    return [
        (
            f"  {row.mark} {padded(row.address, place)}",
            f"{before} {padded(row.arrow, arrow)} {after}  {difference} {padded(row.asset, asset)}",
        )
        for row, (before, after, difference) in zip(rows, numbers, strict=True)
    ]


def _rows(entry: Entry) -> Iterable[EntryLine]:
    """One row per step of an entry, nearly always one."""
    steps: tuple[Step | None, ...] = entry.steps or (entry.wanted,)
    for step in steps:
        mark = _mark(step) if step is not None and entry.status is Status.CHANGE else MARKS[entry.status]
        notes = [] if isinstance(step, SetAutoAdd) and entry.move is not None else [measure(entry), why(entry)]
        if step is None:
            before, after, difference = now(entry), declared(entry), ""
            arrow = "→" if after else ""
        else:
            before, after, difference = step_amounts(step)
            arrow = "→"
            notes.insert(0, liquidation(step))
        said = tuple(clean(note) for note in notes if note)
        yield EntryLine(
            mark=mark,
            address=clean(str(entry.address)),
            before=before,
            arrow=arrow,
            after=after,
            difference=difference,
            asset="" if isinstance(step, SetMarginType | SetAutoAdd) else clean(entry.asset or ""),
            notes=said or (("in sync",) if entry.status is Status.IN_SYNC else ()),
        )


def _mark(step: Step) -> str:
    match step:
        case SetMarginType() | SetAutoAdd():
            return RETYPE
        case MoveMargin():
            return ADD if step.action == "add_margin" else TAKE_OUT
