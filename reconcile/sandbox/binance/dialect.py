"""The Binance USD-M dialect: its paths, weights, two writes and error codes over the account rules.

Facts come from the exchange's documentation; what no source settles is a field of ``BinanceSwitches``. The order of the
checks is inferred: ban and limit, key, signature, time, parameters, position side, margin type, position, funds. For a
change of margin type "already so" comes before everything else that could be in the way.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconcile.sandbox.binance import balances, history, positions
from reconcile.sandbox.binance.gate import (
    BinanceCall,
    BinanceLimits,
    BinanceRefusal,
    BinanceSwitches,
    amount_of,
    authenticate,
    check_signature,
    check_time,
    invalid,
    missing,
    read_params,
)
from reconcile.sandbox.binance.shapes import SIDES
from reconcile.sandbox.gate import ServedAccounts
from reconcile.sandbox.http import FRESH, Answer, Lag, Request, SandboxAccount, answer
from reconcile.sandbox.values import CROSSED, HEDGE, Denied, Refusal

EXCHANGE = "binance"
VALIDITY_MS = 3_000
"""The recvWindow of the program's own writes: how late one can arrive and still count."""

Params = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BinanceRoute:
    """The handler of a path. ``heavy`` is the weight without a symbol, None where that makes no difference."""

    answers: Callable[[BinanceCall], object]
    weight: int = 5
    heavy: int | None = None
    v2: str | None = None  # the successor's path, for a call that can be retired


def _move_margin(call: BinanceCall) -> object:
    text = {name: call.need(name) for name in ("symbol", "amount", "type")}
    symbol = call.symbol()
    amount = amount_of(call)
    if text["type"] not in {"1", "2"}:
        raise invalid("type")
    adding = text["type"] == "1"
    side = _side(call, adding=adding)
    if symbol is None:
        raise missing("symbol")
    setting = call.books.settings[symbol]
    if setting.margin_type == CROSSED:
        raise BinanceRefusal(400, -4049, "Add margin only support for isolated position.")
    try:
        call.books.move_margin(symbol, side, amount if adding else -amount, now_ms=call.now_ms, by=call.by)
    except Denied as denied:
        raise _refused(denied.why, adding=adding) from None
    message = "Successfully modify position margin."
    return {"code": 200, "msg": message, "amount": amount, "type": int(text["type"])}


def _side(call: BinanceCall, *, adding: bool) -> str:
    side = call.text("positionSide") or "BOTH"
    if side not in SIDES:
        raise BinanceRefusal(400, -4060, "Invalid position side.")
    hedge = call.books.position_mode == HEDGE
    if hedge and side == "BOTH":
        raise _refused(Refusal.NO_POSITION, adding=adding)
    if not hedge and side != "BOTH":
        code = call.switches.wrong_side_code
        raise BinanceRefusal(400, code, "Order's position side does not match user's setting.")
    return SIDES[side]


def _refused(why: Refusal, *, adding: bool) -> BinanceRefusal:
    match why:
        case Refusal.FUNDS:
            return BinanceRefusal(400, -4050, "Cross balance insufficient.")
        case Refusal.NO_POSITION if adding:
            return BinanceRefusal(400, -4054, "Cannot add position margin: position is 0.")
        case Refusal.NO_POSITION | Refusal.REMOVABLE:
            return BinanceRefusal(400, -4051, "Isolated balance insufficient.")
        case _:
            return BinanceRefusal(400, -4049, "Add margin only support for isolated position.")


_TYPE_CODES = {
    Refusal.SAME_TYPE: (-4046, "No need to change margin type."),
    Refusal.MULTI_ASSETS: (-4168, "Unable to adjust to isolated-margin mode under the Multi-Assets mode."),
    Refusal.OPEN_ORDERS: (-4047, "Margin type cannot be changed if there exists open orders."),
    Refusal.OPEN_POSITION: (-4048, "Margin type cannot be changed if there exists position."),
}


def _change_type(call: BinanceCall) -> object:
    call.need("symbol")
    wanted = call.need("marginType")
    symbol = call.symbol()
    if wanted not in {"ISOLATED", "CROSSED"}:
        raise invalid("marginType")
    if symbol is None:
        raise missing("symbol")
    books, switches = call.books, call.switches
    try:
        books.set_margin_type(
            symbol, wanted.lower(), now_ms=call.now_ms, by=call.by, algo_orders=switches.algo_orders_block_type
        )
    except Denied as denied:
        code, message = _TYPE_CODES[denied.why]
        flat = not books.open_on(symbol) and not books.settings[symbol].open_orders
        if denied.why is Refusal.SAME_TYPE and switches.position_side_quirk and flat and books.position_mode != HEDGE:
            code, message = -4067, "Position side cannot be changed if there exists open orders."
        raise BinanceRefusal(400, code, message) from None
    return {"code": 200, "msg": "success"}


ROUTES: Mapping[tuple[str, str], BinanceRoute] = {
    ("POST", "/fapi/v1/positionMargin"): BinanceRoute(answers=_move_margin, weight=1),
    ("POST", "/fapi/v1/marginType"): BinanceRoute(answers=_change_type, weight=1),
    ("GET", "/fapi/v1/positionMargin/history"): BinanceRoute(answers=history.margin_history, weight=1),
    ("GET", "/fapi/v1/income"): BinanceRoute(answers=history.income, weight=30),
    ("GET", "/fapi/v2/positionRisk"): BinanceRoute(answers=positions.position_risk_v2, v2="/fapi/v3/positionRisk"),
    ("GET", "/fapi/v3/positionRisk"): BinanceRoute(answers=positions.position_risk_v3),
    ("GET", "/fapi/v1/symbolConfig"): BinanceRoute(answers=positions.symbol_config),
    ("GET", "/fapi/v1/accountConfig"): BinanceRoute(answers=positions.account_config),
    ("GET", "/fapi/v1/positionSide/dual"): BinanceRoute(answers=positions.position_mode, weight=30),
    ("GET", "/fapi/v1/multiAssetsMargin"): BinanceRoute(answers=positions.multi_assets, weight=30),
    ("GET", "/fapi/v2/balance"): BinanceRoute(answers=balances.balance, v2="/fapi/v3/balance"),
    ("GET", "/fapi/v3/balance"): BinanceRoute(answers=balances.balance),
    ("GET", "/fapi/v2/account"): BinanceRoute(answers=balances.account_v2, v2="/fapi/v3/account"),
    ("GET", "/fapi/v3/account"): BinanceRoute(answers=balances.account_v3),
    ("GET", "/fapi/v1/leverageBracket"): BinanceRoute(answers=positions.leverage_bracket, weight=1),
    ("GET", "/fapi/v1/openOrders"): BinanceRoute(answers=positions.open_orders, weight=1, heavy=40),
    ("GET", "/fapi/v1/openAlgoOrders"): BinanceRoute(answers=positions.open_algo_orders, weight=1, heavy=40),
}


class SimulatedBinance(ServedAccounts[BinanceSwitches]):
    """The exchange: accounts by API key, one IP's limits."""

    exchange = EXCHANGE

    def __init__(self, accounts: Iterable[SandboxAccount], *, switches: BinanceSwitches | None = None) -> None:
        """``switches`` None is the exchange as documented."""
        super().__init__(accounts, switches or BinanceSwitches())
        self.limits = BinanceLimits(self.switches)

    def handle(self, request: Request, now_ms: int, lag: Lag = FRESH) -> Answer:
        """Answer one request; see ``http.SimulatedExchange``."""
        extra: Mapping[str, str] = {}
        try:
            throttled = self.limits.charge(self._weight(request), now_ms)
            if throttled is not None:
                fail, extra = throttled
                raise fail
            given = answer(200, self._answer(request, now_ms, lag), self.limits.headers())
        except BinanceRefusal as fail:
            plain = fail.answer()
            headers = {**plain.headers, **self.limits.headers(), **extra}
            given = Answer(status=plain.status, headers=headers, body=plain.body)
        return given

    def _weight(self, request: Request) -> int:
        route = ROUTES.get((request.method, request.path))
        if route is None:
            return 1
        if route.heavy is not None and "symbol=" not in request.query:
            return route.heavy
        return self.switches.v2_weight if route.v2 else route.weight

    def _answer(self, request: Request, now_ms: int, lag: Lag) -> object:
        if request.method == "GET" and request.path == "/fapi/v1/time":
            return {"serverTime": now_ms}
        if request.method == "GET" and request.path == "/fapi/v1/ping":
            return {}
        if request.method == "GET" and request.path == "/fapi/v1/exchangeInfo":
            return self._exchange_info(now_ms)
        route = ROUTES.get((request.method, request.path))
        switches, as_page = self.switches, self.switches.gone_as_page
        if route is None or (switches.v3_missing and request.path == "/fapi/v3/positionRisk"):
            text = f"Path {request.path}, Method {request.method} is invalid"
            raise BinanceRefusal(404, -5000, text, as_page=as_page)
        if route.v2 and switches.v2_retired:
            text = f"The endpoint {request.path} is retired, please use {route.v2}"
            raise BinanceRefusal(switches.retired_status, -5000, text, as_page=as_page)
        account = authenticate(request, self.accounts)
        check_signature(request, account.secret)
        params = read_params(request)
        check_time(params, request.judged_at(now_ms), self.switches)
        call = BinanceCall.of(request, account, params, now_ms=now_ms, lag=lag, switches=self.switches)
        return route.answers(call)

    def _exchange_info(self, now_ms: int) -> dict[str, Any]:
        markets = self.markets()
        limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
        symbols = [
            {
                "symbol": market.symbol,
                "pair": market.symbol,
                "contractType": "PERPETUAL",
                "status": "TRADING",
                "baseAsset": market.base,
                "quoteAsset": market.quote,
                "marginAsset": market.asset,
                "pricePrecision": 2,
                "quantityPrecision": 3,
                "baseAssetPrecision": 8,
                "quotePrecision": 8,
                "liquidationFee": "0.015000",
                "filters": [],
            }
            for market in markets
        ]
        assets = [
            {"asset": asset, "marginAvailable": True, "autoAssetExchange": "0"}
            for asset in sorted({market.asset for market in markets})
        ]
        rates = [{**limit, "limit": self.switches.weight_limit or 2400}]
        info = {"timezone": "UTC", "serverTime": now_ms, "rateLimits": rates, "exchangeFilters": []}
        return {**info, "assets": assets, "symbols": symbols}
