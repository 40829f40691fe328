"""Bitget's bills, resting orders, contracts, tiers: everything that is read beside positions and money.

Bills are the one trace that a margin call leaves. They name no side, and one query reaches 30 days.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from reconcile.money import plain
from reconcile.sandbox.bitget.gate import RULES, BitgetCall, BitgetRefusal, invalid
from reconcile.sandbox.bitget.positions import number, shown_mode
from reconcile.sandbox.values import HEDGE, BookRow, Market

DAY_MS = 86_400_000
WINDOW_MS = 30 * DAY_MS
REACH_MS = 90 * DAY_MS
FIRST_BILL = 1_300_000_000_000_000_000
BUSINESS = {
    "add": "append_margin",
    "reduce": "reduce_margin",
    "auto": "auto_append_margin",
    "leverage": "adjust_down_lever_append_margin",
    "funding": "contract_settle_fee",
}
_MARGIN = frozenset({"append_margin", "reduce_margin", "auto_append_margin", "adjust_down_lever_append_margin"})


def information(call: BitgetCall) -> object:
    """The owner of the key; 40014 if the key may not read the spot section."""
    if not call.switches.spot_read:
        raise BitgetRefusal("40014", "Incorrect permissions, need spot account read permissions")
    return {
        "userId": call.books.uid,
        "inviterId": "",
        "ips": "",
        "authorities": ["coow", "stow"],
        "parentId": int(call.books.uid),
        "traderType": "not_trader",
        "channelCode": "",
        "channel": "",
        "regisTime": "1246566789345",
    }


def bills(call: BitgetCall) -> object:
    """One page, the newest first."""
    product = call.product()
    limit, older, coin = call.number("limit"), call.number("idLessThan"), call.text("coin")
    wanted, only_funding = call.text("businessType"), (call.text("onlyFunding") or "no") == "yes"
    size = 20 if limit is None else limit
    if not 1 <= size <= 100:
        raise invalid("limit")
    if coin is not None and call.switches.bill_coin_error:
        raise invalid("coin")
    first, last = _window(call)
    seen_ms = call.now_ms - max(call.lag.ledger_ms, call.switches.bill_delay_ms)
    found = []
    for row in reversed(call.books.rows_as_of(seen_ms)):
        inside = first <= row.time_ms <= last and RULES.scope(call.books.known_market(row.symbol)) == product
        if not inside or (older is not None and FIRST_BILL + row.row_id >= older):
            continue
        bill = _bill(call, row)
        hidden = only_funding and bill["businessType"] in _MARGIN
        if not hidden and wanted in {None, bill["businessType"]} and coin in {None, row.asset}:
            found.append(bill)
    page = found[:size]
    return {"bills": page, "endId": page[-1]["billId"] if page else None}


def _window(call: BitgetCall) -> tuple[int, int]:
    start, end = call.number("startTime"), call.number("endTime")
    last = call.now_ms if end is None else end
    first = last - WINDOW_MS if start is None else start
    if last - first > WINDOW_MS or last < first:
        raise BitgetRefusal("00001", "startTime and endTime interval cannot be greater than 30 days")
    return max(first, call.now_ms - REACH_MS), last


def _bill(call: BitgetCall, row: BookRow) -> dict[str, Any]:
    kind = BUSINESS.get(row.cause) or _fill(row)
    amount = row.paid if row.cause in {"funding", "fill"} else row.change
    if kind in _MARGIN:
        amount = {"absolute": abs(amount), "account": -amount}.get(call.switches.bill_amounts, amount)
    return {
        "billId": str(FIRST_BILL + row.row_id),
        "symbol": row.symbol,
        "amount": number(amount),
        "fee": "0",
        "feeByCoupon": "",
        "businessType": kind,
        "coin": row.asset,
        "balance": number(row.balance),
        "cTime": str(row.time_ms),
    }


def _fill(row: BookRow) -> str:
    opening = row.change > 0 or (row.change == 0 and row.paid == 0)
    if row.side == "net":
        return "buy" if opening else "sell"
    return f"{'open' if opening else 'close'}_{row.side}"


def orders_pending(call: BitgetCall) -> object:
    """The resting orders; the sandbox only knows how many there are."""
    return _orders(call, "open_orders", 1_000_000)


def plan_orders_pending(call: BitgetCall) -> object:
    """The resting conditional orders."""
    call.one_of("planType", "normal_plan", "track_plan", "profit_loss")
    return _orders(call, "algo_orders", 2_000_000)


def _orders(call: BitgetCall, what: str, first: int) -> object:
    product, wanted = call.product(), call.text("symbol")
    limit, older = call.number("limit"), call.number("idLessThan")
    mode = call.mode_of(product)
    rows = []
    for place, market in enumerate(call.listed(product)):
        setting = call.view.settings[market.symbol]
        for index in range(getattr(setting, what)):
            order = str(first + 1_000 * place + index)
            row = {"symbol": market.symbol, "orderId": order, "size": "1", "status": "live", "cTime": "1700000000000"}
            side = "long" if mode == HEDGE else "net"
            shared = {"marginMode": setting.margin_type, "posMode": shown_mode(mode), "posSide": side}
            rows.append({**row, **shared, "marginCoin": market.asset, "uTime": "1700000000000"})
    if wanted is not None:
        rows = [row for row in rows if row["symbol"] == wanted.upper()]
    rows = [row for row in reversed(rows) if older is None or int(row["orderId"]) < older]
    page = rows[: min(100, 100 if limit is None else limit)]
    return {"entrustedList": page or None, "endId": page[-1]["orderId"] if page else None}


def isolated_symbols(call: BitgetCall) -> object:
    """Symbols that are isolated for good: none here."""
    call.product()
    return []


def contracts(markets: Iterable[Market], product: str, symbol: str | None) -> list[dict[str, Any]]:
    """Contract metadata of a product."""
    rows = []
    for market in markets:
        if RULES.scope(market) != product or symbol not in {None, market.symbol}:
            continue
        place = max(0, -int(market.tick.normalize().as_tuple().exponent))
        rows.append(
            {
                "symbol": market.symbol,
                "baseCoin": market.base,
                "quoteCoin": market.quote,
                "supportMarginCoins": [market.asset],
                "buyLimitPriceRatio": "0.05",
                "sellLimitPriceRatio": "0.05",
                "feeRateUpRatio": "0.005",
                "makerFeeRate": "0.0002",
                "takerFeeRate": plain(market.taker_fee),
                "openCostUpRatio": "0.01",
                "minTradeNum": "1" if market.inverse else "0.001",
                "priceEndStep": str(market.tick.normalize().as_tuple().digits[0]),
                "pricePlace": str(place),
                "volumePlace": "0" if market.inverse else "3",
                "sizeMultiplier": "1" if market.inverse else "0.001",
                "symbolType": "perpetual",
                "symbolStatus": "normal",
                "minTradeUSDT": "5",
                "maxSymbolOrderNum": "200",
                "maxProductOrderNum": "400",
                "maxPositionNum": "150",
                "minLever": "1",
                "maxLever": str(market.tiers[0].leverage),
                "fundInterval": "8",
                "posLimit": "0.05",
                "deliveryPeriod": "",
                "deliveryTime": "",
                "limitOpenTime": "-1",
                "maintainTime": "",
                "offTime": "-1",
                "launchTime": "",
            }
        )
    return rows


def tiers(market: Market) -> list[dict[str, Any]]:
    """The brackets of one symbol, by value."""
    return [
        {
            "symbol": market.symbol,
            "level": str(level),
            "startUnit": plain(tier.floor),
            "endUnit": plain(tier.cap),
            "leverage": str(Decimal(tier.leverage)),
            "keepMarginRate": plain(tier.mmr),
        }
        for level, tier in enumerate(market.tiers, start=1)
    ]
