"""Binance's two histories as one ledger: margin movements with their side, funding without one.

``positionMargin/history`` documents neither the order of its rows nor the largest page, so a page is not followed by
its last row. A window whose page came back full is read again as two halves, until none is full. A page whose length is
a round number that servers stop at counts as full too. In a window of one millisecond only our own limit does.

Rows have no id. Ours is made of all their fields, and of the place among rows that are equal in all of them. Those have
the same millisecond, so every read holds all of them or none. The sign of reductions is not documented: it is taken
from ``type``, never from the amount. Sources: Binance docs, Get Position Margin Change History and Get Income History;
TRADE rows from a captured answer, named by ccxt as well.
"""

from collections import Counter
from collections.abc import Awaitable, Callable

from reconcile.errors import ReadFailed
from reconcile.exchanges.binance.account import SIDES
from reconcile.exchanges.http.rows import Row, rows
from reconcile.model.ledger import Cause, LedgerRow
from reconcile.money import ZERO, plain

HISTORY_PAGE = 500
INCOME_PAGE = 1000
_ROUND_PAGES = {50, 100, 200, 500, 1000}
_CAUSES = {"USER_ADJUST": Cause.MANUAL, "TRADE": Cause.FILL}

Page = Callable[[int, int], Awaitable[object]]


async def read_all(what: str, page: Page, *, start_ms: int, end_ms: int, limit: int) -> list[Row]:
    """All rows of a window, both ends included, whatever their order; raises ReadFailed."""
    windows = [(start_ms, end_ms)]
    found: list[Row] = []
    while windows:
        start, end = windows.pop()
        got = rows(what, await page(start, end))
        full = len(got) >= limit
        if start < end and (full or len(got) in _ROUND_PAGES):
            middle = (start + end) // 2
            windows += [(middle + 1, end), (start, middle)]
        elif full:
            raise ReadFailed(f"{what}: more than {limit} rows in one millisecond cannot be told apart", again=False)
        else:
            found += got
    return found


def movements(what: str, table: list[Row]) -> list[LedgerRow]:
    """Rows of positionMargin/history; raises ReadFailed."""
    seen: Counter[str] = Counter()
    return [_movement(what, row, seen) for row in table]


def funding(table: list[Row]) -> list[LedgerRow]:
    """Rows of income, asked for with FUNDING_FEE; they name no side. Raises ReadFailed."""
    return [
        LedgerRow(
            row_id=f"income:{row.text('symbol')}:{row.whole('tranId')}",
            symbol=row.name("symbol"),
            side=None,
            asset=row.name("asset"),
            cause=Cause.FUNDING,
            change=row.number("income"),
            time_ms=row.time("time"),
        )
        for row in table
    ]


def merged(symbol: str, moved: list[LedgerRow], paid: list[LedgerRow]) -> tuple[LedgerRow, ...]:
    """A symbol's rows of both histories, oldest first; ``paid`` may hold those of other symbols as well."""
    own = [row for row in paid if row.symbol == symbol]
    if any(row.cause is Cause.FUNDING for row in moved):
        own = []  # the history tells it too, with its side: count it once
    return tuple(sorted(moved + own, key=lambda row: (row.time_ms, row.row_id)))


def _movement(what: str, row: Row, seen: "Counter[str]") -> LedgerRow:
    symbol, side, kind = row.name("symbol"), row.text("positionSide"), row.whole("type")
    delta, time_ms, amount = row.text("deltaType"), row.time("time"), abs(row.number("amount"))
    if kind not in {1, 2} or side not in SIDES:
        raise ReadFailed(f"{what}: a row has type {kind} and side {side}; neither is documented so", again=False)
    key = f"margin:{symbol}:{time_ms}:{kind}:{side}:{plain(amount)}:{delta}"
    seen[key] += 1
    return LedgerRow(
        row_id=f"{key}:{seen[key]}",
        symbol=symbol,
        side=SIDES[side].value,
        asset=row.name("asset"),
        cause=_cause(delta),
        change=amount if kind == 1 else ZERO - amount,
        time_ms=time_ms,
    )


def _cause(delta: str) -> Cause:
    known = _CAUSES.get(delta)
    if known is not None:
        return known
    if "FUNDING" in delta:
        return Cause.FUNDING
    return Cause.AUTO if "AUTO" in delta else Cause.OTHER
