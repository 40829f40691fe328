"""The operator's settings of a watch."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a watch.

    ``needed`` of the last ``of`` looks must agree before a state is believed. ``undo_limit`` is how often in a row
    a change may be undone before we leave an address alone. ``skip_locked`` leaves an account that another run holds
    for the next round; else its own turn waits for the lock. ``rounds`` None goes on until it is stopped. ``near`` is
    the distance to liquidation, as a share of the mark price, below which a position is told; None tells of none.
    """

    interval_ms: int
    apply: bool
    needed: int = 2
    of: int = 3
    undo_limit: int = 5
    skip_locked: bool = True
    reason: str | None = None
    rounds: int | None = None
    near: Decimal | None = None
