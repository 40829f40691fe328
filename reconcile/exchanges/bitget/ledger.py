"""Bitget's ledger: the account bills that concern isolated margin, and what each says.

Source: Bitget API doc, Get Account Bills. Bills name neither side nor request. ``onlyFunding`` is never sent: it hides
the margin rows. Whether the amount of a margin row has a sign is not documented, so the direction is that of its type;
funding keeps its sign. A query may span 30 days; 90 days are kept.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from reconcile.exchanges.http.rows import Row
from reconcile.model.ledger import Cause, LedgerRow

PAGE = 100
WINDOW_MS = 29 * 86_400_000
TYPES: Mapping[str, tuple[Cause, int]] = MappingProxyType(
    {
        "append_margin": (Cause.MANUAL, 1),
        "reduce_margin": (Cause.MANUAL, -1),
        "auto_append_margin": (Cause.AUTO, 1),
        "adjust_down_lever_append_margin": (Cause.AUTO, 1),
        "contract_settle_fee": (Cause.FUNDING, 0),
    }
)
"""The business types that move isolated margin, with the sign of the change; 0 keeps the row's own."""


def movement(row: Row) -> LedgerRow | None:
    """The movement of isolated margin in a bill; None for any other business."""
    found = TYPES.get(row.text("businessType"))
    if found is None:
        return None
    cause, sign = found
    amount = row.number("amount")
    return LedgerRow(
        row_id=str(row.whole("billId")),
        symbol=row.name("symbol"),
        side=None,
        asset=row.name("coin"),
        cause=cause,
        change=abs(amount) * sign if sign else amount,
        time_ms=row.time("cTime"),
    )


def windows(start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
    """The range in pieces that one query may span, both ends included, the oldest first."""
    while start_ms <= end_ms:
        last = min(start_ms + WINDOW_MS, end_ms)
        yield start_ms, last
        start_ms = last + 1
