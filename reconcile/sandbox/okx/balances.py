"""Cash as OKX shows it: isolated margin has left ``cashBal``, and ``frozenBal`` says how much equity is bound there."""

from decimal import Decimal

from reconcile.money import ZERO
from reconcile.sandbox.okx.gate import OkxCall
from reconcile.sandbox.okx.shapes import RULES, number
from reconcile.sandbox.values import CROSSED, ISOLATED, View


def balance(call: OkxCall) -> list[dict[str, object]]:
    """Cash and what it is bound by, per currency; currencies without anything are left out."""
    view = call.books.as_of(call.now_ms - call.lag.balances_ms) if call.lag.balances_ms else call.books.view()
    wanted = call.listed("ccy")
    shown = [asset for asset, wallet in view.wallet.items() if wallet and (wanted is None or asset in wanted)]
    details = [_detail(view, asset, empty=call.switches.free_balance_empty) for asset in shown]
    blank = dict.fromkeys(
        ("adjEq", "availEq", "borrowFroz", "delta", "deltaLever", "deltaNeutralStatus", "imr", "mgnRatio", "mmr"), ""
    )
    dollars = sum((Decimal(str(row["eqUsd"])) for row in details), ZERO)
    more = {"notionalUsd": "", "notionalUsdForBorrow": "", "ordFroz": "", "upl": ""}
    isolated = sum((Decimal(str(row["isoEq"])) for row in details if row["ccy"] in {"USDT", "USDC"}), ZERO)
    return [
        {
            **blank,
            **more,
            "isoEq": number(isolated),
            "totalEq": number(dollars),
            "details": details,
            "uTime": str(view.time_ms),
        }
    ]


def _detail(view: View, asset: str, *, empty: str) -> dict[str, object]:
    held = [position for position in view.positions.values() if view.markets[position.symbol].asset == asset]
    profits = {
        position.key: view.markets[position.symbol].profit(position, view.markets[position.symbol].mark)
        for position in held
    }
    iso_profit = sum((profits[each.key] for each in held if each.margin_type == ISOLATED), ZERO)
    margins = sum((each.margin for each in held if each.margin_type == ISOLATED), ZERO)
    cross_profit = sum((profits[each.key] for each in held if each.margin_type == CROSSED), ZERO)
    cash, needed = view.cross[asset], RULES.crossed_initial(view, asset)
    owed = sum(
        (RULES.maintenance(view.markets[each.symbol], each) for each in held if each.margin_type == CROSSED), ZERO
    )
    equity = cash + margins + iso_profit + cross_profit
    free = number(RULES.available(view, asset))
    price = next((market.mark for market in view.markets.values() if market.base == asset), Decimal(1))
    return {
        "ccy": asset,
        "eq": number(equity),
        "eqUsd": number(equity * price),
        "cashBal": number(cash),
        "availBal": "" if empty in {"availBal", "both"} else free,
        "availEq": "" if empty == "both" else free,
        "frozenBal": number(margins + iso_profit),
        "ordFrozen": "0",
        "isoEq": number(margins + iso_profit),
        "isoUpl": number(iso_profit),
        "upl": number(iso_profit + cross_profit),
        "imr": number(needed),
        "mmr": number(owed),
        "mgnRatio": "" if not owed else number(RULES.cross_ratio(view, asset)),
        "disEq": number(equity * price),
        "crossLiab": "",
        "interest": "",
        "liab": "",
        "maxLoan": "",
        "notionalLever": "",
        "uplLiab": "",
        "uTime": str(view.time_ms),
    }


def max_avail_size(call: OkxCall) -> list[dict[str, object]]:
    """The amount that could back a new position; with ``tdMode=isolated`` the margin that could be added."""
    names, mode = call.need("instId").split(","), call.one_of("tdMode", "isolated", "cross", "cash")
    rows: list[dict[str, object]] = []
    for name in names:
        asset = call.view.markets[name].asset if name in call.view.markets else ""
        free = RULES.addable(call.view, asset) if mode == "isolated" else RULES.available(call.view, asset)
        rows.append({"instId": name, "availBuy": number(free), "availSell": number(free)})
    return rows
