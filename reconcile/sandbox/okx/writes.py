"""The calls that change an OKX account: margin, leverage and the two modes.

For the margin call the checks run in this order: parameters, account, instrument, side, position, pending close orders,
amount against what there is. The order is inferred; the codes are documented or measured, but for those in switches.
"""

from collections.abc import Mapping
from decimal import Decimal

from reconcile.money import cut, plain
from reconcile.sandbox.okx.bills import amount_of
from reconcile.sandbox.okx.gate import OkxCall, OkxRefusal, invalid
from reconcile.sandbox.okx.shapes import MODES, STABLE
from reconcile.sandbox.values import HEDGE, ISOLATED, ONE_WAY, BookPosition, Denied, Market, Refusal

_FUNDS: Mapping[str, str] = {
    "59303": "Increase margin failed: insufficient available balance.",
    "59301": "Margin adjustment failed because it exceeds the max limit.",
    "59200": "Insufficient account balance.",
    "51008": "Order failed. Insufficient balance in account.",
}


def adjust_margin(call: OkxCall) -> list[dict[str, str]]:
    """Add margin to an isolated position or take some out; unknown keys are ignored."""
    name = call.need("instId")
    side = _side(call)
    adding = call.one_of("type", "add", "reduce") == "add"
    given = call.need("amt")
    amount = amount_of(given)
    if amount is None or amount <= 0:
        raise invalid("amt")
    market = _market(call, name)
    amount = _precise(call, market, amount)
    held = _held(call, name, side)
    _no_close_orders(call, name, adding=adding)
    try:
        held = call.books.move_margin(name, held.side, amount if adding else -amount, now_ms=call.now_ms, by=call.by)
    except Denied as denied:
        raise _refused(denied.why, call) from None
    real = market.notional(held.size, market.mark) / (held.margin + market.profit(held, market.mark))
    return [
        {
            "instId": name,
            "posSide": side,
            "type": "add" if adding else "reduce",
            "amt": given,
            "leverage": plain(round(real, 2)) if call.switches.leverage_told else "",
            "ccy": market.asset,
        }
    ]


def _side(call: OkxCall) -> str:
    if call.text("posSide") is None and call.switches.side_defaults_to_net:
        return "net"
    side = call.one_of("posSide", "long", "short", "net")
    hedge = call.books.position_mode == HEDGE
    if hedge == (side == "net") and not (hedge and call.switches.net_in_hedge):
        raise invalid("posSide")
    return side


def _market(call: OkxCall, name: str) -> Market:
    level = call.switches.account_level
    if level == 1:
        raise OkxRefusal(200, "51010", "Request unsupported under current account mode")
    if level > 2 and call.switches.isolated_ended:
        raise OkxRefusal(200, "50072", "Isolated margin is no longer supported in this account mode")
    market = call.books.markets.get(name)
    if market is None:
        raise OkxRefusal(200, "51001", "Instrument ID doesn't exist.")
    return market


def _precise(call: OkxCall, market: Market, amount: Decimal) -> Decimal:
    switches = call.switches
    step = Decimal(10) ** -(switches.stable_decimals if market.asset in STABLE else switches.coin_decimals)
    kept = cut(amount, step)
    if (kept != amount and not switches.cut_amounts) or kept == 0 or amount < Decimal(switches.minimum):
        raise invalid("amt")
    return kept


def _held(call: OkxCall, name: str, side: str) -> BookPosition:
    """The isolated position that is meant; 59300 when there is none."""
    sides = ("long", "short") if side == "net" and call.books.position_mode == HEDGE else (side,)
    found = [held for each in sides if (held := call.books.position(name, each, ISOLATED)) is not None]
    if len(found) != 1:
        raise OkxRefusal(200, "59300", "Margin call failed. Position does not exist.")
    return found[0]


def _no_close_orders(call: OkxCall, name: str, *, adding: bool) -> None:
    setting = call.books.settings[name]
    counted = {"algo": setting.algo_orders, "open": setting.open_orders}.get(call.switches.close_orders, 0)
    if counted and (not adding or call.switches.close_orders_block_add):
        raise OkxRefusal(200, "59302", "Margin adjustment failed due to pending close order.")


def _refused(why: Refusal, call: OkxCall) -> OkxRefusal:
    match why:
        case Refusal.FUNDS:
            code = call.switches.over_add_code
            return OkxRefusal(200, code, _FUNDS.get(code, "Insufficient balance"))
        case Refusal.REMOVABLE:
            return OkxRefusal(200, "59301", _FUNDS["59301"])
        case _:
            return OkxRefusal(200, "59300", "Margin call failed. Position does not exist.")


def set_leverage(call: OkxCall) -> list[dict[str, str]]:
    """Change the leverage of an instrument in one mode, or of one side; it converts no position."""
    name, mode = call.need("instId"), call.one_of("mgnMode", "isolated", "cross")
    text = call.need("lever")
    lever = amount_of(text)
    if lever is None or lever < 1:
        raise invalid("lever")
    side = call.text("posSide")
    hedge = call.books.position_mode == HEDGE
    if side not in {None, "long", "short", "net"} or (side in {"long", "short"} and not hedge):
        raise invalid("posSide")
    if hedge and mode == "isolated" and side not in {"long", "short"}:
        raise invalid("posSide")
    market = _market(call, name)
    if lever > market.tiers[0].leverage:
        raise OkxRefusal(200, "59102", "Leverage exceeds the maximum limit. Please lower the leverage.")
    if call.books.settings[name].open_orders:
        raise OkxRefusal(200, "59101", "Leverage cannot be modified. Please cancel all pending isolated margin orders.")
    one_side = side if hedge and side in {"long", "short"} else None
    try:
        call.books.set_leverage(name, lever, now_ms=call.now_ms, by=call.by, side=one_side, margin_type=MODES[mode])
    except Denied:
        raise OkxRefusal(200, "59108", "Low leverage and insufficient margin, please adjust the leverage.") from None
    return [{"instId": name, "mgnMode": mode, "posSide": side or "net", "lever": text}]


def set_position_mode(call: OkxCall) -> list[dict[str, str]]:
    """Hedge or one-way, for the whole account."""
    mode = call.one_of("posMode", "long_short_mode", "net_mode")
    _nothing_open(call)
    call.books.set_position_mode(HEDGE if mode == "long_short_mode" else ONE_WAY, now_ms=call.now_ms)
    return [{"posMode": mode}]


def set_isolated_mode(call: OkxCall) -> list[dict[str, str]]:
    """Set how margin follows positions; only the automatic mode is left."""
    mode = call.one_of("isoMode", "automatic", "autonomy", "quick_margin")
    call.one_of("type", "MARGIN", "CONTRACTS")
    if mode != "automatic":
        raise OkxRefusal(200, "59005", "The value of the assets in the isolated margin mode is below 10,000 USDT")
    _nothing_open(call)
    return [{"isoMode": mode}]


def _nothing_open(call: OkxCall) -> None:
    orders = any(setting.open_orders or setting.algo_orders for setting in call.books.settings.values())
    if call.books.positions or orders:
        raise OkxRefusal(200, "59000", "Setting failed. Cancel any open orders, close positions, and stop bots first.")
