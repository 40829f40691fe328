"""Balances and the whole account as Binance USD-M shows them."""

from decimal import Decimal
from typing import Any

from reconcile.money import ZERO, plain
from reconcile.sandbox.binance.gate import BinanceCall
from reconcile.sandbox.binance.shapes import RULES, SPELLED, money, open_position, sides_of, signed_size
from reconcile.sandbox.values import CROSSED, ISOLATED, BookPosition, Market, Setting, View


def _balances(call: BinanceCall) -> View:
    return call.books.as_of(call.now_ms - call.lag.balances_ms) if call.lag.balances_ms else call.books.view()


def _crossed_profit(view: View, asset: str) -> Decimal:
    held = (position for position in view.positions.values() if position.margin_type == CROSSED)
    markets = ((view.markets[position.symbol], position) for position in held)
    return sum((market.profit(position, market.mark) for market, position in markets if market.asset == asset), ZERO)


def alias_of(uid: str) -> str:
    """An account's code: letters alone, the same for every key of the account."""
    return uid.translate(str.maketrans("0123456789", "FzsRuXqTgW"))


def balance(call: BinanceCall) -> object:
    """One row per asset; v2 and v3 look the same."""
    view = _balances(call)
    rows = []
    for asset, wallet in view.wallet.items():
        free = money(RULES.available(view, asset))
        rows.append(
            {
                "accountAlias": alias_of(call.books.uid),
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


def _account_position(market: Market, side: str, position: BookPosition | None) -> dict[str, Any]:
    profit = ZERO if position is None else market.profit(position, market.mark)
    margin = ZERO if position is None else position.margin
    isolated = position is not None and position.margin_type == ISOLATED
    return {
        "symbol": market.symbol,
        "positionSide": SPELLED[side],
        "positionAmt": plain(signed_size(position)),
        "unrealizedProfit": money(profit),
        "isolatedMargin": money(margin + profit) if isolated else money(ZERO),
        "isolatedWallet": money(margin),
        "notional": "0" if position is None else money(market.notional(position.size, market.mark)),
        "initialMargin": "0" if position is None else money(RULES.initial_margin(market, position)),
        "maintMargin": "0" if position is None else money(RULES.maintenance(market, position)),
        "updateTime": 0 if position is None else position.updated_ms,
    }


def account_v3(call: BinanceCall) -> object:
    """Totals, assets, and the positions that exist."""
    view = call.view
    rows = [
        _account_position(view.markets[position.symbol], position.side, position)
        for position in view.positions.values()
    ]
    return {**_totals(call), "positions": rows}


def account_v2(call: BinanceCall) -> object:
    """As v3, with a row for every symbol and its settings."""
    view, rows = call.view, []
    for market in view.markets.values():
        setting: Setting = view.settings[market.symbol]
        for side in sides_of(view, both=True):
            row = _account_position(market, side, open_position(view, market.symbol, side))
            isolated = setting.margin_type == ISOLATED
            rows.append({**row, "isolated": isolated, "leverage": plain(setting.leverage)})
    config = {"feeTier": 0, "canTrade": True, "canDeposit": True, "canWithdraw": True, "updateTime": 0}
    return {**config, "multiAssetsMargin": view.multi_assets, **_totals(call), "positions": rows}


def _totals(call: BinanceCall) -> dict[str, Any]:
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
