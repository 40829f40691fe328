"""OKX's ledger: the bills of isolated positions, and what each says about margin.

Source: OKX API guide v5, Get bills details. Bills name neither side nor position. A margin transfer is type 6 (subtype
160 increase, 161 decrease, 162 automatic increase), funding is type 8 (173 paid, 174 received). An increase was seen to
print ``posBalChg`` positive; no decrease was seen. So the direction is the subtype's, and the amount is taken without
its sign.
"""

from decimal import Decimal

from reconcile.exchanges.http.rows import Row
from reconcile.model.ledger import Cause, LedgerRow
from reconcile.money import ZERO

PAGE = 100
WEEK_MS = 7 * 86_400_000
"""The reach of ``bills``; ``bills-archive`` reaches three months."""
TRANSFER = "6"
_TYPES = {"2": Cause.FILL, "5": Cause.FILL, TRANSFER: Cause.OTHER, "8": Cause.FUNDING}
"""2 is a trade, 5 a liquidation."""
_DIRECTED = {
    (TRANSFER, "160"): (Cause.MANUAL, 1),
    (TRANSFER, "161"): (Cause.MANUAL, -1),
    (TRANSFER, "162"): (Cause.AUTO, 1),
    ("8", "173"): (Cause.FUNDING, -1),
    ("8", "174"): (Cause.FUNDING, 1),
}


def movement(row: Row) -> LedgerRow | None:
    """The movement of isolated margin in a bill; None if it moved none."""
    if row.text("mgnMode") != "isolated":
        return None
    kind = row.text("type")
    cause, sign = _DIRECTED.get((kind, row.text("subType")), (_TYPES.get(kind, Cause.OTHER), 0))
    change = _amount(row, transfer=cause in {Cause.MANUAL, Cause.AUTO})
    if change == 0:
        return None
    return LedgerRow(
        row_id=str(row.whole("billId")),
        symbol=row.name("instId"),
        side=None,
        asset=row.name("ccy"),
        cause=cause,
        change=abs(change) * sign if sign else change,
        time_ms=row.time("ts"),
    )


def _amount(row: Row, *, transfer: bool) -> Decimal:
    """A margin transfer that prints no change of the position is as large as ``sz``."""
    change = row.optional("posBalChg") or ZERO
    return row.number("sz") if transfer and change == 0 else change
