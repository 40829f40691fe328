"""The calls that change a Bitget account: margin, margin mode, position mode, leverage, automatic margin.

The order of the margin call's checks is assumed: parameters, symbol, position, margin mode, precision of the amount,
free balance, removable margin.
"""

import re
from decimal import Decimal
from typing import Any

from reconcile.money import cut, plain
from reconcile.sandbox.bitget.gate import BitgetCall, BitgetRefusal, invalid, missing
from reconcile.sandbox.bitget.positions import hold_side
from reconcile.sandbox.values import CROSSED, HEDGE, ISOLATED, ONE_WAY, BookPosition, Denied, Market, Refusal

STABLE = frozenset({"USDT", "USDC"})
_TEXTS = {
    "22002": "No position to close",
    "43043": "There is no position currently, so it is impossible to set the stop profit or stop loss",
    "40802": "Position does not exist",
    "40875": "The margin cannot be adjusted in crossed margin mode",
    "40808": "Parameter verification exception margin mode == FIXED",
    "40798": "Insufficient contract account balance",
    "40800": "Insufficient margin",
    "40801": "The transfer amount exceeds the maximum transferable amount",
}


def _fail(code: str) -> BitgetRefusal:
    return BitgetRefusal(code, _TEXTS.get(code, "Request failed"))


def set_margin(call: BitgetCall) -> object:
    """Add margin to an isolated position (amount > 0) or take some out (< 0)."""
    product = call.product()
    market = call.market(product=product)
    call.margin_coin(market)
    given, asked = call.need("amount"), _hold_side(call, product)
    if not re.fullmatch(r"[+-]?\d{1,20}(\.\d{1,30})?", given):
        raise invalid("amount")
    amount = Decimal(given)
    held = _held(call, market, asked)
    if held is None:
        raise _fail(call.switches.no_position_code)
    if held.margin_type == CROSSED:
        raise _fail(call.switches.crossed_code)
    _check_amount(call, market, amount)
    try:
        call.books.move_margin(market.symbol, held.side, amount, now_ms=call.now_ms, by=call.by)
    except Denied as denied:
        funds = denied.why is Refusal.FUNDS
        raise _fail(call.switches.funds_code if funds else call.switches.removable_code) from None
    return ""


def _hold_side(call: BitgetCall, product: str) -> str | None:
    side = call.text("holdSide")
    if side is None and (call.switches.hold_side_required or call.mode_of(product) == HEDGE):
        raise missing("holdSide")
    if side not in {None, "long", "short"}:
        raise invalid("holdSide")
    return side


def _held(call: BitgetCall, market: Market, asked: str | None) -> BookPosition | None:
    if call.books.mode_of(market.symbol) == HEDGE:
        return call.books.position(market.symbol, asked or "long")
    held = call.books.position(market.symbol, "net")
    checked = call.switches.one_way_side_checked and asked is not None and held is not None
    return None if checked and held is not None and hold_side(held) != asked else held


def _check_amount(call: BitgetCall, market: Market, amount: Decimal) -> None:
    switches = call.switches
    scale = switches.stable_decimals if market.asset in STABLE else switches.coin_decimals
    if cut(amount, Decimal(10) ** -scale) != amount:
        raise BitgetRefusal(
            "40808", f"Parameter verification exception amount checkBDScale error value={amount} checkScale={scale}"
        )
    if amount == 0:
        raise invalid("amount")
    if abs(amount) < Decimal(switches.minimum):
        raise BitgetRefusal("40799", "Cannot be less than the minimum transfer amount")


def set_margin_mode(call: BitgetCall) -> object:
    """Change a symbol's margin mode; only while nothing is open on it."""
    product = call.product()
    market = call.market(product=product)
    call.margin_coin(market)
    wanted = call.one_of("marginMode", ISOLATED, CROSSED)
    books, setting = call.books, call.books.settings[market.symbol]
    busy = bool(books.open_on(market.symbol)) or bool(setting.open_orders)
    if setting.margin_type == wanted and busy and not call.switches.same_mode_when_open:
        raise BitgetRefusal("45117", "Currently holding positions or orders, the margin mode cannot be adjusted")
    try:
        blocking = call.switches.plan_orders_block_mode
        books.set_margin_type(market.symbol, wanted, now_ms=call.now_ms, by=call.by, algo_orders=blocking)
    except Denied as denied:
        _mode_refused(call, denied.why, orders=bool(setting.open_orders))
    lever = plain(setting.leverage)
    shown = {"symbol": market.symbol, "marginCoin": market.asset, "marginMode": wanted}
    return {**shown, "longLeverage": lever, "shortLeverage": lever}


def _mode_refused(call: BitgetCall, why: Refusal, *, orders: bool) -> None:
    """Raise what stands in the way; the same mode again is no mistake."""
    match why:
        case Refusal.SAME_TYPE:
            return
        case Refusal.MULTI_ASSETS:
            raise BitgetRefusal("22071", "The union margin mode supports the crossed margin mode only")
        case Refusal.OPEN_ORDERS if not orders:
            raise BitgetRefusal(call.switches.plan_orders_code, "Please close positions or cancel plan orders first")
        case _:
            raise BitgetRefusal("45117", "Currently holding positions or orders, the margin mode cannot be adjusted")


def set_position_mode(call: BitgetCall) -> object:
    """Hedge or one-way, for a whole product."""
    product = call.product()
    mode = call.one_of("posMode", "hedge_mode", "one_way_mode")
    orders = any(
        call.books.settings[market.symbol].open_orders or call.books.settings[market.symbol].algo_orders
        for market in call.listed(product)
    )
    blocked = BitgetRefusal("40920", "The position mode cannot be changed while there are positions or orders")
    if orders:
        raise blocked
    try:
        wanted = HEDGE if mode == "hedge_mode" else ONE_WAY
        call.books.set_position_mode(wanted, now_ms=call.now_ms, scope=product)
    except Denied:
        raise blocked from None
    return {"posMode": mode}


def set_leverage(call: BitgetCall) -> object:
    """Change the leverage of a symbol, or of one side of it; lowering it pulls margin in."""
    product = call.product()
    market = call.market(product=product)
    call.margin_coin(market)
    side, levers = call.text("holdSide"), _levers(call)
    setting = call.books.settings[market.symbol]
    for place, lever in levers.items():
        if not 1 <= lever <= market.tiers[0].leverage:
            raise BitgetRefusal("40797", "Exceeded the maximum settable leverage")
        only = side if place == "both" else place
        if call.books.mode_of(market.symbol) != HEDGE or setting.margin_type == CROSSED:
            only = None
        try:
            call.books.set_leverage(market.symbol, lever, now_ms=call.now_ms, by=call.by, side=only)
        except Denied:
            raise BitgetRefusal("40893", "The leverage cannot be adjusted: insufficient margin") from None
    last = call.books.settings[market.symbol]
    shown: dict[str, Any] = {"symbol": market.symbol, "marginCoin": market.asset, "marginMode": last.margin_type}
    long, short = levers.get("long", last.leverage), levers.get("short", last.leverage)
    return {**shown, "longLeverage": plain(long), "shortLeverage": plain(short)}


def _levers(call: BitgetCall) -> dict[str, Decimal]:
    names = {"leverage": "both", "longLeverage": "long", "shortLeverage": "short"}
    levers = {}
    for name, place in names.items():
        given = call.text(name)
        if given is not None and not re.fullmatch(r"\d{1,4}(\.\d{1,4})?", given):
            raise invalid(name)
        if given is not None:
            levers[place] = Decimal(given)
    if not levers:
        raise missing("leverage")
    return levers


def set_auto_margin(call: BitgetCall) -> object:
    """Let the exchange top up a side's isolated margin, or not."""
    market = call.market(product=call.product() if call.switches.auto_margin_product else None)
    call.margin_coin(market, required=False)
    switch, asked = call.one_of("autoMargin", "on", "off"), call.one_of("holdSide", "long", "short")
    held = _held(call, market, asked)
    if held is None:
        raise BitgetRefusal("40838", "No position, auto margin cannot be set")
    if held.margin_type == CROSSED:
        raise BitgetRefusal("40874", "Crossed margin mode does not support automatic margin call")
    others = tuple(side for side in call.books.settings[market.symbol].auto_add if side != held.side)
    sides = (*others, held.side) if switch == "on" else others
    call.books.set_auto_add(market.symbol, sides, now_ms=call.now_ms)
    return call.switches.auto_margin_data
