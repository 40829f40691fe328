"""The history of an account: movements of a symbol's margin, and income."""

from collections.abc import Mapping
from typing import Any

from reconcile.sandbox.binance.gate import BinanceCall, BinanceRefusal, BinanceSwitches, missing
from reconcile.sandbox.binance.shapes import SPELLED, money
from reconcile.sandbox.values import BookRow

DAY_MS = 86_400_000
HISTORY_REACH_MS = 30 * DAY_MS
INCOME_REACH_MS = 90 * DAY_MS


def _window(call: BinanceCall, reach_ms: int) -> tuple[int, int]:
    end = call.number("endTime")
    end = call.now_ms if end is None else end
    start = call.number("startTime")
    oldest = call.now_ms - reach_ms
    start = max(oldest, end - reach_ms) if start is None else start
    if end < start or end - start > reach_ms:
        raise BinanceRefusal(400, -1130, "Data sent for parameter 'startTime' is not valid.")
    return max(start, oldest), end


def _page(call: BinanceCall, rows: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    newest = call.switches.history_page_newest or call.text("startTime") is None
    page = (rows[-limit:] if newest else rows[:limit]) if limit else []
    return page[::-1] if call.switches.history_descending else page


def margin_history(call: BinanceCall) -> object:
    """The movements of a symbol's isolated margin; ``BinanceSwitches`` says which are shown."""
    symbol = call.symbol()
    if symbol is None:
        raise missing("symbol")
    wanted, limit = call.text("type"), call.number("limit")
    if wanted not in {None, "1", "2"}:
        raise BinanceRefusal(400, -1130, "Data sent for parameter 'type' is not valid.")
    start, end = _window(call, HISTORY_REACH_MS)
    named = _delta_types(call.switches)
    rows = []
    for row in call.books.rows_as_of(call.now_ms - call.lag.ledger_ms):
        shown = named.get(row.cause) if row.symbol == symbol and row.change and start <= row.time_ms <= end else None
        if shown is not None and wanted in {None, "1" if row.change > 0 else "2"}:
            rows.append(_history_row(row, shown, call.switches))
    return _page(call, rows, min(call.switches.history_max_limit, 500 if limit is None else limit))


def _delta_types(switches: BinanceSwitches) -> Mapping[str, str | None]:
    return {
        "add": "USER_ADJUST",
        "reduce": "USER_ADJUST",
        "fill": switches.history_fill_rows,
        "auto": switches.history_auto_rows,
        "funding": switches.history_funding_rows,
    }


def _history_row(row: BookRow, delta_type: str, switches: BinanceSwitches) -> dict[str, Any]:
    signed = delta_type != "USER_ADJUST" or switches.negative_reductions
    return {
        "symbol": row.symbol,
        "type": 1 if row.change > 0 else 2,
        "deltaType": delta_type,
        "amount": money(row.change if signed else abs(row.change)),
        "asset": row.asset,
        "time": row.time_ms,
        "positionSide": SPELLED[row.side],
        "clientTranId": "",
    }


_INCOME = {"funding": "FUNDING_FEE", "fill": "REALIZED_PNL"}


def income(call: BinanceCall) -> object:
    """Funding and realised profit; seven days back unless asked for more, 100 rows unless asked for up to 1000."""
    symbol, kind = call.symbol(), call.text("incomeType")
    limit, page = call.number("limit"), call.number("page")
    if call.text("startTime") is None and call.text("endTime") is None:
        start, end = call.now_ms - 7 * DAY_MS, call.now_ms
    else:
        start, end = _window(call, INCOME_REACH_MS)
    rows = []
    for row in call.books.rows_as_of(call.now_ms - call.lag.ledger_ms):
        name = _INCOME.get(row.cause)
        if name is None or not row.paid or symbol not in {None, row.symbol} or kind not in {None, name}:
            continue
        if start <= row.time_ms <= end:
            rows.append(_income_row(row, name))
    size = min(1000, 100 if limit is None else limit)
    first = ((page or 1) - 1) * size
    return rows[first : first + size]


def _income_row(row: BookRow, name: str) -> dict[str, Any]:
    return {
        "symbol": row.symbol,
        "incomeType": name,
        "income": money(row.paid),
        "asset": row.asset,
        "info": name,
        "time": row.time_ms,
        "tranId": row.row_id,
        "tradeId": "",
    }
