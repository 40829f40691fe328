"""Positions and settings as Binance USD-M shows them, with real field names and spellings.

v2 rows spell the margin type ``isolated``/``cross``, symbolConfig ``ISOLATED``/``CROSSED``. Every number comes from the
call's view, so that a replica that is behind is behind in all of them.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from reconcile.money import ZERO, plain
from reconcile.sandbox.binance.gate import BinanceCall, BinanceSwitches
from reconcile.sandbox.binance.shapes import RULES, SPELLED, markets_of, money, open_position, sides_of, signed_size
from reconcile.sandbox.values import CROSSED, HEDGE, ISOLATED, BookPosition, Market, View


def _max_notional(market: Market, leverage: Decimal) -> str:
    caps = [tier.cap for tier in market.tiers if tier.leverage >= leverage]
    return plain(caps[-1] if caps else market.tiers[0].cap)


def _moved_ms(position: BookPosition | None, switches: BinanceSwitches) -> int:
    if position is None:
        return 0
    return position.updated_ms if switches.update_time_moves else position.opened_ms


def _risk(view: View, market: Market, position: BookPosition | None) -> dict[str, str]:
    """The fields that both versions of a position row share."""
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
        "positionAmt": plain(signed_size(position)),
        "entryPrice": plain(position.entry),
        "breakEvenPrice": plain(position.entry),
        "markPrice": money(market.mark),
        "unRealizedProfit": money(profit),
        "liquidationPrice": "0" if liquidation is None else money(liquidation),
        "isolatedMargin": money(position.margin + profit) if isolated else money(ZERO),
        "isolatedWallet": money(position.margin) if isolated else "0",
        "notional": money(market.notional(position.size, market.mark) * position.direction),
    }


def position_risk_v2(call: BinanceCall) -> object:
    """Every symbol and side, flat or not."""
    if call.lag.empty:
        return []
    view, rows = call.view, []
    for market in markets_of(call):
        setting = view.settings[market.symbol]
        for side in sides_of(view, both=call.switches.both_rows_in_hedge):
            position = open_position(view, market.symbol, side)
            rows.append(
                {
                    "symbol": market.symbol,
                    "positionSide": SPELLED[side],
                    **_risk(view, market, position),
                    "leverage": plain(setting.leverage),
                    "maxNotionalValue": _max_notional(market, setting.leverage),
                    "marginType": "cross" if setting.margin_type == CROSSED else "isolated",
                    "isAutoAddMargin": "true" if setting.auto_add else "false",
                    "updateTime": _moved_ms(position, call.switches),
                }
            )
    return rows


def position_risk_v3(call: BinanceCall) -> object:
    """Only symbols with a position or open orders, without the symbol's settings."""
    if call.lag.empty:
        return []
    view, rows = call.view, []
    for market in markets_of(call):
        held = [(side, open_position(view, market.symbol, side)) for side in sides_of(view, both=False)]
        some = any(position for _, position in held)
        if not some and not view.settings[market.symbol].open_orders:
            continue
        for side, position in held:
            if position is None and some and not call.switches.twin_rows_in_v3:
                continue
            rows.append(_risk_v3_row(view, market, side, position, call.switches))
    return rows


def _risk_v3_row(
    view: View, market: Market, side: str, position: BookPosition | None, switches: BinanceSwitches
) -> dict[str, Any]:
    initial = "0" if position is None else money(RULES.initial_margin(market, position))
    return {
        "symbol": market.symbol,
        "positionSide": SPELLED[side],
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


def symbol_config(call: BinanceCall) -> object:
    """The settings of each symbol."""
    rows = []
    for market in markets_of(call):
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


def account_config(call: BinanceCall) -> object:
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


def position_mode(call: BinanceCall) -> object:
    """Hedge or one-way."""
    return {"dualSidePosition": call.view.position_mode == HEDGE}


def multi_assets(call: BinanceCall) -> object:
    """Multi-Assets mode."""
    return {"multiAssetsMargin": call.view.multi_assets}


def leverage_bracket(call: BinanceCall) -> object:
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


def open_orders(call: BinanceCall) -> object:
    """The resting orders; the sandbox only knows how many there are."""
    return [
        {"orderId": 1000 + number, "symbol": symbol, "status": "NEW", "type": "LIMIT", "side": "BUY", "price": "1"}
        for symbol, number in _counted(call, "open_orders")
    ]


def open_algo_orders(call: BinanceCall) -> object:
    """The resting conditional orders."""
    return [
        {"algoId": 2000 + number, "symbol": symbol, "algoStatus": "NEW", "algoType": "CONDITIONAL", "side": "SELL"}
        for symbol, number in _counted(call, "algo_orders")
    ]


def _counted(call: BinanceCall, what: str) -> Iterable[tuple[str, int]]:
    wanted = call.symbol()
    for symbol, setting in call.view.settings.items():
        if wanted in {None, symbol}:
            for number in range(getattr(setting, what)):
                yield symbol, number
