"""The reads of Binance USD-M: real field names, and real spellings of the same thing in different places.

Amounts are strings with eight decimals; v2 rows spell the margin type ``isolated``/``cross``, symbolConfig
``ISOLATED``/``CROSSED``. A row's numbers come from the call's view, so that a replica that is behind is behind in all.
"""

from collections.abc import Iterable, Mapping
from decimal import ROUND_DOWN, Decimal
from typing import Any

from reconcile.money import ZERO, plain
from reconcile.sandbox.binance_gate import BinanceSwitches, Call, Fail, missing
from reconcile.sandbox.binance_rules import BinanceRules
from reconcile.sandbox.values import CROSSED, HEDGE, ISOLATED, Market, Position, Row, Setting, View

DAY_MS = 86_400_000
HISTORY_REACH_MS = 30 * DAY_MS
INCOME_REACH_MS = 90 * DAY_MS
SIDES = {"LONG": "long", "SHORT": "short", "BOTH": "net"}
_SPELLED = {side: spelled for spelled, side in SIDES.items()}
_CENT = Decimal("0.00000001")
RULES = BinanceRules()


def money(amount: Decimal) -> str:
    """Eight decimals, cut."""
    return format(amount.quantize(_CENT, rounding=ROUND_DOWN) + 0, "f")


def _sides(view: View, *, both: bool) -> tuple[str, ...]:
    if view.position_mode != HEDGE:
        return ("net",)
    return ("net", "long", "short") if both else ("long", "short")


def _open(view: View, symbol: str, side: str) -> Position | None:
    return view.positions.get((symbol, side, ISOLATED)) or view.positions.get((symbol, side, CROSSED))


def _signed(position: Position | None) -> Decimal:
    if position is None:
        return ZERO
    return -position.size if position.side == "short" else position.size


def _max_notional(market: Market, leverage: Decimal) -> str:
    caps = [tier.cap for tier in market.tiers if tier.leverage >= leverage]
    return plain(caps[-1] if caps else market.tiers[0].cap)


def _moved_ms(position: Position | None, switches: BinanceSwitches) -> int:
    if position is None:
        return 0
    return position.updated_ms if switches.update_time_moves else position.opened_ms


def _risk(view: View, market: Market, position: Position | None) -> dict[str, str]:
    """What both versions of a position row share."""
    if position is None:
        zero = money(ZERO)
        return {
            "positionAmt": "0.000",
            "entryPrice": "0.0",
            "breakEvenPrice": "0.0",
            "markPrice": money(market.mark),
            "unRealizedProfit": zero,
            "liquidationPrice": "0",
            "isolatedMargin": zero,
            "isolatedWallet": "0",
            "notional": "0",
        }
    profit, isolated = market.profit(position, market.mark), position.margin_type == ISOLATED
    if isolated:
        liquidation = RULES.liquidation_price(market, position)
    else:
        liquidation = RULES.crossed_liquidation_price(view, position)
    return {
        "positionAmt": plain(_signed(position)),
        "entryPrice": plain(position.entry),
        "breakEvenPrice": plain(position.entry),
        "markPrice": money(market.mark),
        "unRealizedProfit": money(profit),
        "liquidationPrice": "0" if liquidation is None else money(liquidation),
        "isolatedMargin": money(position.margin + profit) if isolated else money(ZERO),
        "isolatedWallet": money(position.margin) if isolated else "0",
        "notional": money(market.notional(position.size, market.mark) * position.direction),
    }


def _markets(call: Call) -> list[Market]:
    symbol = call.symbol()
    found = [call.view.markets[symbol]] if symbol is not None else list(call.view.markets.values())
    return found[::-1] if call.switches.rows_reversed else found


def position_risk_v2(call: Call) -> object:
    """Every symbol and side, flat or not."""
    if call.lag.empty:
        return []
    view, rows = call.view, []
    for market in _markets(call):
        setting = view.settings[market.symbol]
        for side in _sides(view, both=call.switches.both_rows_in_hedge):
            position = _open(view, market.symbol, side)
            rows.append(
                {
                    "symbol": market.symbol,
                    "positionSide": _SPELLED[side],
                    **_risk(view, market, position),
                    "leverage": plain(setting.leverage),
                    "maxNotionalValue": _max_notional(market, setting.leverage),
                    "marginType": "cross" if setting.margin_type == CROSSED else "isolated",
                    "isAutoAddMargin": "true" if setting.auto_add else "false",
                    "updateTime": _moved_ms(position, call.switches),
                }
            )
    return rows


def position_risk_v3(call: Call) -> object:
    """Only symbols with a position or open orders, without the symbol's settings."""
    if call.lag.empty:
        return []
    view, rows = call.view, []
    for market in _markets(call):
        held = [(side, _open(view, market.symbol, side)) for side in _sides(view, both=False)]
        some = any(position for _, position in held)
        if not some and not view.settings[market.symbol].open_orders:
            continue
        for side, position in held:
            if position is None and some and not call.switches.twin_rows_in_v3:
                continue
            rows.append(_risk_v3_row(view, market, side, position, call.switches))
    return rows


def _risk_v3_row(
    view: View, market: Market, side: str, position: Position | None, switches: BinanceSwitches
) -> dict[str, Any]:
    initial = "0" if position is None else money(RULES.initial_margin(market, position))
    return {
        "symbol": market.symbol,
        "positionSide": _SPELLED[side],
        **_risk(view, market, position),
        "marginAsset": market.asset,
        "initialMargin": initial,
        "maintMargin": "0" if position is None else money(RULES.maintenance(market, position)),
        "positionInitialMargin": initial,
        "openOrderInitialMargin": "0",
        "adl": 0 if position is None else 2,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": _moved_ms(position, switches),
    }


def symbol_config(call: Call) -> object:
    """The settings of each symbol."""
    rows = []
    for market in _markets(call):
        setting = call.view.settings[market.symbol]
        auto_add: object = bool(setting.auto_add)
        if call.switches.auto_add_as_text:
            auto_add = "true" if setting.auto_add else "false"
        rows.append(
            {
                "symbol": market.symbol,
                "marginType": setting.margin_type.upper(),
                "isAutoAddMargin": auto_add,
                "leverage": int(setting.leverage),
                "maxNotionalValue": _max_notional(market, setting.leverage),
            }
        )
    return rows


def account_config(call: Call) -> object:
    """Both account-wide modes in one answer."""
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": call.view.position_mode == HEDGE,
        "updateTime": 0,
        "multiAssetsMargin": call.view.multi_assets,
        "tradeGroupId": -1,
    }


def position_mode(call: Call) -> object:
    """Hedge or one-way."""
    return {"dualSidePosition": call.view.position_mode == HEDGE}


def multi_assets(call: Call) -> object:
    """Multi-Assets mode."""
    return {"multiAssetsMargin": call.view.multi_assets}


def _balances(call: Call) -> View:
    return call.books.as_of(call.now_ms - call.lag.balances_ms) if call.lag.balances_ms else call.books.view()


def _crossed_profit(view: View, asset: str) -> Decimal:
    held = (position for position in view.positions.values() if position.margin_type == CROSSED)
    markets = ((view.markets[position.symbol], position) for position in held)
    return sum((market.profit(position, market.mark) for market, position in markets if market.asset == asset), ZERO)


def balance(call: Call) -> object:
    """One row per asset; v2 and v3 look the same."""
    view = _balances(call)
    rows = []
    for asset, wallet in view.wallet.items():
        free = money(RULES.available(view, asset))
        rows.append(
            {
                "accountAlias": "SgsR",
                "asset": asset,
                "balance": money(wallet),
                "crossWalletBalance": money(view.cross[asset]),
                "crossUnPnl": money(_crossed_profit(view, asset)),
                "availableBalance": free,
                "maxWithdrawAmount": free,
                "marginAvailable": True,
                "updateTime": view.time_ms,
            }
        )
    return rows


def _account_position(market: Market, side: str, position: Position | None) -> dict[str, Any]:
    profit = ZERO if position is None else market.profit(position, market.mark)
    margin = ZERO if position is None else position.margin
    isolated = position is not None and position.margin_type == ISOLATED
    return {
        "symbol": market.symbol,
        "positionSide": _SPELLED[side],
        "positionAmt": plain(_signed(position)),
        "unrealizedProfit": money(profit),
        "isolatedMargin": money(margin + profit) if isolated else money(ZERO),
        "isolatedWallet": money(margin),
        "notional": "0" if position is None else money(market.notional(position.size, market.mark)),
        "initialMargin": "0" if position is None else money(RULES.initial_margin(market, position)),
        "maintMargin": "0" if position is None else money(RULES.maintenance(market, position)),
        "updateTime": 0 if position is None else position.updated_ms,
    }


def account_v3(call: Call) -> object:
    """Totals, assets, and the positions that exist."""
    view = call.view
    rows = [
        _account_position(view.markets[position.symbol], position.side, position)
        for position in view.positions.values()
    ]
    return {**_totals(call), "positions": rows}


def account_v2(call: Call) -> object:
    """As v3, with a row for every symbol and its settings."""
    view, rows = call.view, []
    for market in view.markets.values():
        setting: Setting = view.settings[market.symbol]
        for side in _sides(view, both=True):
            row = _account_position(market, side, _open(view, market.symbol, side))
            isolated = setting.margin_type == ISOLATED
            rows.append({**row, "isolated": isolated, "leverage": plain(setting.leverage)})
    config = {"feeTier": 0, "canTrade": True, "canDeposit": True, "canWithdraw": True, "updateTime": 0}
    return {**config, "multiAssetsMargin": view.multi_assets, **_totals(call), "positions": rows}


def _totals(call: Call) -> dict[str, Any]:
    view = _balances(call)
    assets = []
    for asset, wallet in view.wallet.items():
        free = money(RULES.available(view, asset))
        assets.append(
            {
                "asset": asset,
                "walletBalance": money(wallet),
                "crossWalletBalance": money(view.cross[asset]),
                "crossUnPnl": money(_crossed_profit(view, asset)),
                "availableBalance": free,
                "maxWithdrawAmount": free,
                "updateTime": view.time_ms,
            }
        )
    dollars = next((row for row in assets if row["asset"] == "USDT"), None)
    zero = money(ZERO)
    return {
        "totalWalletBalance": dollars["walletBalance"] if dollars else zero,
        "totalCrossWalletBalance": dollars["crossWalletBalance"] if dollars else zero,
        "availableBalance": dollars["availableBalance"] if dollars else zero,
        "assets": assets,
    }


def leverage_bracket(call: Call) -> object:
    """Maintenance brackets, as JSON numbers."""
    symbol = call.symbol()
    rows = []
    for market in call.view.markets.values():
        if symbol in {None, market.symbol}:
            brackets = [
                {
                    "bracket": number,
                    "initialLeverage": tier.leverage,
                    "notionalCap": tier.cap,
                    "notionalFloor": tier.floor,
                    "maintMarginRatio": tier.mmr,
                    "cum": tier.cum,
                }
                for number, tier in enumerate(market.tiers, start=1)
            ]
            rows.append({"symbol": market.symbol, "brackets": brackets})
    return rows[0] if symbol is not None and call.switches.bare_bracket else rows


def open_orders(call: Call) -> object:
    """The resting orders; the sandbox only knows how many there are."""
    return [
        {"orderId": 1000 + number, "symbol": symbol, "status": "NEW", "type": "LIMIT", "side": "BUY", "price": "1"}
        for symbol, number in _counted(call, "open_orders")
    ]


def open_algo_orders(call: Call) -> object:
    """The resting conditional orders."""
    return [
        {"algoId": 2000 + number, "symbol": symbol, "algoStatus": "NEW", "algoType": "CONDITIONAL", "side": "SELL"}
        for symbol, number in _counted(call, "algo_orders")
    ]


def _counted(call: Call, what: str) -> Iterable[tuple[str, int]]:
    wanted = call.symbol()
    for symbol, setting in call.view.settings.items():
        if wanted in {None, symbol}:
            for number in range(getattr(setting, what)):
                yield symbol, number


def _window(call: Call, reach_ms: int) -> tuple[int, int]:
    end = call.number("endTime")
    end = call.now_ms if end is None else end
    start = call.number("startTime")
    oldest = call.now_ms - reach_ms
    start = max(oldest, end - reach_ms) if start is None else start
    if end < start or end - start > reach_ms:
        raise Fail(400, -1130, "Data sent for parameter 'startTime' is not valid.")
    return max(start, oldest), end


def _page(call: Call, rows: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    newest = call.switches.history_page_newest or call.text("startTime") is None
    page = (rows[-limit:] if newest else rows[:limit]) if limit else []
    return page[::-1] if call.switches.history_descending else page


def margin_history(call: Call) -> object:
    """What moved a symbol's isolated margin; see ``BinanceSwitches`` for what shows."""
    symbol = call.symbol()
    if symbol is None:
        raise missing("symbol")
    wanted, limit = call.text("type"), call.number("limit")
    if wanted not in {None, "1", "2"}:
        raise Fail(400, -1130, "Data sent for parameter 'type' is not valid.")
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


def _history_row(row: Row, delta_type: str, switches: BinanceSwitches) -> dict[str, Any]:
    signed = delta_type != "USER_ADJUST" or switches.negative_reductions
    return {
        "symbol": row.symbol,
        "type": 1 if row.change > 0 else 2,
        "deltaType": delta_type,
        "amount": money(row.change if signed else abs(row.change)),
        "asset": row.asset,
        "time": row.time_ms,
        "positionSide": _SPELLED[row.side],
        "clientTranId": "",
    }


_INCOME = {"funding": "FUNDING_FEE", "fill": "REALIZED_PNL"}


def income(call: Call) -> object:
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


def _income_row(row: Row, name: str) -> dict[str, Any]:
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
