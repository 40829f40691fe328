"""What may be late together with what, as data: docs/exactly-once.md prints it, and the judge computes with it.

A world is inside the assumptions when one row of ``TOGETHER`` allows its journal and both of its delays. Delays are in
graces. A journal is what the run that sends can know of what was sent before.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from reconcile.protocol.timing import LONG_AFTER_GRACES


class Knows(StrEnum):
    """What a run's journal says of the calls that were sent before it."""

    ALL = "all of them"
    NONE = "none of them: it is new, or another machine's"
    SOME = "not the last of them: it was put back to an older state, or cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Delays that may come together: position reads and ledger reads may both be as late as this, in graces.

    ``words`` says that the journal's word on each step is true as well as the margin right.
    """

    journal: Knows
    positions: int
    ledger: int
    words: bool = True


SLACK_MS: Mapping[str, int] = {"binance": 1_000, "okx": 30_000, "bitget": 30_000}
"""How far before its signature the row of a call of ours may be dated, by exchange; the grace at least."""
STRANGERS_MS = 1_000
"""How far before its effect the row of a call that a journal does not know may be dated, where positions are late."""
LATE = LONG_AFTER_GRACES
"""How many graces late one witness may be while the other one is in time."""

TOGETHER = (
    Together(journal=Knows.ALL, positions=LATE, ledger=1),
    Together(journal=Knows.ALL, positions=1, ledger=LATE),
    Together(journal=Knows.NONE, positions=LATE, ledger=1),
    Together(journal=Knows.NONE, positions=1, ledger=LATE),
    Together(journal=Knows.SOME, positions=LATE, ledger=1, words=False),
    Together(journal=Knows.SOME, positions=1, ledger=LATE, words=False),
)
"""Each row stands for every world whose delays are no longer than its own. What is in no row is outside."""


def allowed(journal: Knows, *, positions_ms: int, ledger_ms: int, grace_ms: int) -> Together | None:
    """The first row that allows these delays (milliseconds) together; None where the world is outside."""
    return next(
        (
            row
            for row in TOGETHER
            if row.journal is journal
            and positions_ms <= row.positions * grace_ms
            and ledger_ms <= row.ledger * grace_ms
        ),
        None,
    )


def page_lines(rows: Iterable[Together] = TOGETHER) -> list[str]:
    """The table as the page has it, in Markdown."""
    head = ["| The journal knows of earlier calls | Positions late by up to | Ledger late by up to | What holds |"]
    head.append("| --- | --- | --- | --- |")
    return [*head, *(_line(row) for row in rows)]


def _line(row: Together) -> str:
    holds = "the margin, and the journal's word" if row.words else "the margin"
    return f"| {row.journal} | {_graces(row.positions)} | {_graces(row.ledger)} | {holds} |"


def _graces(count: int) -> str:
    return "1 grace" if count == 1 else f"{count} graces"
