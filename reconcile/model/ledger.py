"""The exchange's own history of margin movements, as values: the strongest witness of what happened to a step.

It stands apart from the adapters so that the pure core can judge ledgers without importing anything that does I/O.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import combinations

from reconcile.money import decimals, minus, total, whole

MOST_SUMMED = 12
"""Among how many rows those are looked for that add up to an amount."""


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


def by_symbol(
    symbols: Collection[str], rows: Iterable[LedgerRow], *, since_ms: int, reaches_back: bool
) -> Mapping[str, LedgerRead]:
    """Each symbol's own rows since then, oldest first, out of rows whose ids are numbers that only grow."""
    several = sorted((row for row in rows if row.time_ms >= since_ms), key=lambda row: (row.time_ms, whole(row.row_id)))
    return {
        symbol: LedgerRead(rows=tuple(row for row in several if row.symbol == symbol), reaches_back=reaches_back)
        for symbol in symbols
    }


def summing(
    rows: Sequence[LedgerRow], amount: Decimal, *, most: bool = False, rounding: bool = False
) -> Sequence[LedgerRow] | None:
    """As few of the rows as add up to an amount, or as many (``most``); None if none do, or there are too many to try.

    ``rounding``: each row may be rounded to its last digit, zeros at its end not counted. All rows, all those that take
    margin, and all those that add some are tried first.
    """
    if amount == 0:
        return ()

    def is_sum(chosen: Sequence[LedgerRow]) -> bool:
        short = abs(minus(total(row.change for row in chosen), amount))
        return short <= (total(map(_rounding, chosen)) if rounding else 0)

    for chosen in (rows, [row for row in rows if row.change < 0], [row for row in rows if row.change > 0]):
        if chosen and is_sum(chosen):
            return chosen
    if len(rows) > MOST_SUMMED:
        return None
    sizes = range(len(rows) - 1, 0, -1) if most else range(1, len(rows))
    return next((chosen for size in sizes for chosen in combinations(rows, size) if is_sum(chosen)), None)


def _rounding(row: LedgerRow) -> Decimal:
    """How much rounding may have changed a row at most."""
    return Decimal(1).scaleb(-decimals(row.change.normalize())) / 2
