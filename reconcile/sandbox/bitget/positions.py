"""Positions and accounts as Bitget shows them, each product by itself; rows name a direction in one-way mode too."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from reconcile.money import ZERO, plain
from reconcile.sandbox.bitget.gate import RULES, BitgetCall
from reconcile.sandbox.values import CROSSED, HEDGE, ISOLATED, BookPosition, Market, View, flat_position

_PRECISION = Decimal("1e-16")
MODES = {HEDGE: "hedge_mode"}


def number(amount: Decimal) -> str:
    """Plain notation, at most 16 decimals."""
    exponent = amount.as_tuple().exponent
    return plain(amount.quantize(_PRECISION) if isinstance(exponent, int) and exponent < -16 else amount)


def hold_side(position: BookPosition) -> str:
    """The direction of a position, whatever the mode."""
    return "long" if position.direction > 0 else "short"


def shown_mode(mode: str) -> str:
    """As Bitget spells a position mode."""
    return MODES.get(mode, "one_way_mode")


def all_positions(call: BitgetCall) -> object:
    """The open positions of a product."""
    product, coin = call.product(), call.text("marginCoin")
    rows = [
        row
        for market in call.listed(product)
        if coin is None or market.asset == coin.upper()
        for row in _rows(call, market, product)
    ]
    return _listed(call, rows)


def single_position(call: BitgetCall) -> object:
    """The open positions of one symbol: two rows at most."""
    product = call.product()
    market = call.market(product=product)
    call.margin_coin(market)
    return _listed(call, list(_rows(call, market, product)))


def _listed(call: BitgetCall, rows: list[dict[str, Any]]) -> object:
    if call.lag.empty:
        rows = []
    rows.sort(key=lambda row: -int(row["cTime"]))
    return None if not rows and call.switches.null_when_empty else rows


def _rows(call: BitgetCall, market: Market, product: str) -> Iterable[dict[str, Any]]:
    held = {position.side: position for position in call.view.positions.values() if position.symbol == market.symbol}
    for position in held.values():
        yield _row(call, market, position, product)
    if call.switches.zero_rows:
        sides = ("long", "short") if call.mode_of(product) == HEDGE else ("net",)
        kind = call.view.settings[market.symbol].margin_type
        for side in set(sides) - set(held):
            yield {
                **_row(call, market, flat_position((market.symbol, side, kind), entry=market.mark), product),
                "liquidationPrice": "0",
            }


def _size(call: BitgetCall, market: Market, position: BookPosition) -> str:
    size = abs(position.size)
    if market.inverse and call.switches.coin_size_in_base:
        size = market.notional(size, position.entry)
    return number(size)


def _row(call: BitgetCall, market: Market, position: BookPosition, product: str) -> dict[str, Any]:
    view, size = call.view, _size(call, market, position)
    profit = market.profit(position, market.mark)
    setting, crossed = view.settings[market.symbol], position.margin_type == CROSSED
    price = None if crossed or not position.size else RULES.liquidation_price(market, position)
    tier = market.tier(market.notional(position.size, market.mark))
    side = hold_side(position) if position.size else ("short" if position.side == "short" else "long")
    moved = position.updated_ms if call.switches.update_time_moves else position.opened_ms
    return {
        "symbol": market.symbol,
        "marginCoin": market.asset,
        "holdSide": side,
        "openDelegateSize": "0",
        "marginSize": number(RULES.shown_margin(market, position)),
        "available": size,
        "locked": "0",
        "total": size,
        "leverage": plain(position.leverage),
        "achievedProfits": "0",
        "openPriceAvg": plain(position.entry),
        "marginMode": position.margin_type,
        "posMode": shown_mode(call.mode_of(product)),
        "unrealizedPL": number(profit),
        "liquidationPrice": "0" if price is None else number(price),
        "keepMarginRate": plain(tier.mmr),
        "markPrice": plain(market.mark),
        "marginRatio": number(_rate(view, market, position)),
        "breakEvenPrice": plain(position.entry),
        "totalFee": "",
        "deductedFee": "0",
        "grant": "",
        "assetMode": "union" if view.multi_assets else "single",
        "autoMargin": "on" if position.side in setting.auto_add else "off",
        "takeProfit": "",
        "stopLoss": "",
        "takeProfitId": "",
        "stopLossId": "",
        "cTime": str(position.opened_ms),
        "uTime": str(moved),
    }


def _rate(view: View, market: Market, position: BookPosition) -> Decimal:
    if not position.size:
        return ZERO
    return RULES.risk_rate(market, position) if position.margin_type == ISOLATED else _crossed_rate(view, market.asset)


def _crossed_rate(view: View, asset: str) -> Decimal:
    equity, owed = view.cross.get(asset, ZERO), ZERO
    for position in view.positions.values():
        market = view.markets[position.symbol]
        if position.margin_type == CROSSED and market.asset == asset:
            equity += market.profit(position, market.mark)
            owed += RULES.maintenance(market, position)
    return owed / equity if equity > 0 else Decimal(1)


def account(call: BitgetCall) -> object:
    """One symbol's settings and its margin coin's money: the only read of a flat symbol's margin mode."""
    product = call.product()
    market = call.market(product=product)
    call.margin_coin(market)
    view = _balances(call)
    setting = view.settings[market.symbol]
    levers: dict[str, Any] = {
        "crossedMarginLeverage": int(setting.leverage),
        "isolatedLongLever": int(setting.leverage),
        "isolatedShortLever": int(setting.leverage),
    }
    if call.switches.leverages_as_text:
        levers = {name: str(value) for name, value in levers.items()}
    mode = view.modes.get(product, view.position_mode)
    return {
        **_money(view, market.asset),
        **levers,
        "marginMode": setting.margin_type,
        "posMode": shown_mode(mode),
    }


def accounts(call: BitgetCall) -> object:
    """The money of each margin coin of a product."""
    view, product = _balances(call), call.product()
    coins = dict.fromkeys(market.asset for market in call.listed(product))
    return [_money(view, asset) for asset in coins]


def _balances(call: BitgetCall) -> View:
    return call.books.as_of(call.now_ms - call.lag.balances_ms) if call.lag.balances_ms else call.books.view()


def _money(view: View, asset: str) -> dict[str, Any]:
    profits = {ISOLATED: ZERO, CROSSED: ZERO}
    margin = need = ZERO
    for position in view.positions.values():
        market = view.markets[position.symbol]
        if market.asset != asset:
            continue
        profits[position.margin_type] += market.profit(position, market.mark)
        margin += position.margin
        if position.margin_type == CROSSED:
            need += market.notional(position.size, market.mark) / position.leverage
    every = sum(profits.values(), ZERO)
    equity = view.wallet.get(asset, ZERO) + every
    price = next((market.mark for market in view.markets.values() if market.base == asset), Decimal(1))
    return {
        "marginCoin": asset,
        "locked": "0",
        "available": number(view.cross.get(asset, ZERO)),
        "crossedMaxAvailable": number(RULES.available(view, asset)),
        "isolatedMaxAvailable": number(RULES.addable(view, asset)),
        "maxTransferOut": number(RULES.addable(view, asset)),
        "accountEquity": number(equity),
        "usdtEquity": number(equity * price),
        "btcEquity": "0",
        "crossedRiskRate": number(_crossed_rate(view, asset) if need else ZERO),
        "unrealizedPL": number(every),
        "coupon": "0",
        "grant": "",
        "crossedUnrealizedPL": number(profits[CROSSED]),
        "isolatedUnrealizedPL": number(profits[ISOLATED]),
        "isolatedMargin": number(margin),
        "crossedMargin": number(need),
        "assetMode": "union" if view.multi_assets else "single",
    }
