"""The exchange's own history of margin movements, as values: the strongest witness of what happened to a step.

It stands apart from the adapters so that the pure core can judge ledgers without importing anything that does I/O.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Cause(StrEnum):
    """Why isolated margin moved, as far as the exchange's ledger says."""

    MANUAL = "manual"  # an add or reduce call: ours, another program's or a person's
    FUNDING = "funding"
    FILL = "fills"
    AUTO = "automatic"  # auto-add, leverage lowered
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """One movement of isolated margin.

    ``row_id`` is unique for the account; ``side`` is None where the ledger names none; ``change`` is signed (positive:
    the position gained margin); ``time_ms`` is the exchange's.
    """

    row_id: str
    symbol: str
    side: str | None
    asset: str
    cause: Cause
    change: Decimal
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRead:
    """A complete read: every page was followed to its end. ``reaches_back`` is False when ``since`` is out of reach."""

    rows: tuple[LedgerRow, ...]
    reaches_back: bool
