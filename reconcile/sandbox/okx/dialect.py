"""The OKX v5 dialect: its paths, buckets, envelope and codes over the account rules.

Facts come from the exchange's guide and from public measurements on its demo; what no source settles is a field of
``OkxSwitches``. The margin type belongs to each position, so there is no call that changes it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from reconcile.sandbox.gate import ServedAccounts
from reconcile.sandbox.http import FRESH, Answer, Lag, Request, SandboxAccount, answer
from reconcile.sandbox.okx import balances, bills, positions, public, writes
from reconcile.sandbox.okx.gate import OkxCall, OkxLimits, OkxRefusal, OkxSwitches, authenticate, invalid, read_params

EXCHANGE = "okx"
IP = "address"


@dataclass(frozen=True, slots=True, kw_only=True)
class OkxRoute:
    """The handler of a path, and its limit for each user: a number of calls within milliseconds."""

    answers: Callable[[OkxCall], object]
    rate: tuple[int, int] = (20, 2_000)


def _orders(call: OkxCall) -> list[dict[str, str]]:
    """The resting orders; the sandbox only knows how many there are."""
    kind = call.text("instId")
    return [
        {"instId": name, "ordId": str(1_000_000 + index), "state": "live", "ordType": "limit", "side": "buy"}
        for name, setting in call.view.settings.items()
        if kind in {None, name}
        for index in range(setting.open_orders)
    ]


def _algo_orders(call: OkxCall) -> list[dict[str, str]]:
    call.need("ordType")
    kind = call.text("instId")
    return [
        {"instId": name, "algoId": str(2_000_000 + index), "state": "live", "ordType": "conditional", "side": "sell"}
        for name, setting in call.view.settings.items()
        if kind in {None, name}
        for index in range(setting.algo_orders)
    ]


def _account_instruments(call: OkxCall) -> object:
    return public.instruments(call.view.markets.values(), {name: str(value) for name, value in call.params.items()})


ROUTES: Mapping[tuple[str, str], OkxRoute] = {
    ("POST", "/api/v5/account/position/margin-balance"): OkxRoute(answers=writes.adjust_margin),
    ("POST", "/api/v5/account/set-leverage"): OkxRoute(answers=writes.set_leverage),
    ("POST", "/api/v5/account/set-position-mode"): OkxRoute(answers=writes.set_position_mode, rate=(5, 2_000)),
    ("POST", "/api/v5/account/set-isolated-mode"): OkxRoute(answers=writes.set_isolated_mode, rate=(5, 2_000)),
    ("GET", "/api/v5/account/positions"): OkxRoute(answers=positions.positions, rate=(10, 2_000)),
    ("GET", "/api/v5/account/config"): OkxRoute(answers=positions.config, rate=(5, 2_000)),
    ("GET", "/api/v5/account/balance"): OkxRoute(answers=balances.balance, rate=(10, 2_000)),
    ("GET", "/api/v5/account/max-avail-size"): OkxRoute(answers=balances.max_avail_size),
    ("GET", "/api/v5/account/leverage-info"): OkxRoute(answers=positions.leverage_info),
    ("GET", "/api/v5/account/adjust-leverage-info"): OkxRoute(answers=positions.adjust_leverage_info, rate=(5, 2_000)),
    ("GET", "/api/v5/account/bills"): OkxRoute(answers=bills.bills, rate=(5, 1_000)),
    ("GET", "/api/v5/account/bills-archive"): OkxRoute(answers=bills.archive, rate=(5, 2_000)),
    ("GET", "/api/v5/account/subtypes"): OkxRoute(answers=bills.subtypes, rate=(5, 2_000)),
    ("GET", "/api/v5/account/instruments"): OkxRoute(answers=_account_instruments),
    ("GET", "/api/v5/trade/orders-pending"): OkxRoute(answers=_orders, rate=(60, 2_000)),
    ("GET", "/api/v5/trade/orders-algo-pending"): OkxRoute(answers=_algo_orders),
}
PUBLIC: Mapping[str, tuple[int, int]] = {
    "/api/v5/public/time": (10, 2_000),
    "/api/v5/public/instruments": (20, 2_000),
    "/api/v5/public/position-tiers": (10, 2_000),
    "/api/v5/public/mark-price": (10, 2_000),
    "/api/v5/system/status": (1, 5_000),
}
_PATHS = {path for _, path in ROUTES} | set(PUBLIC)


class SimulatedOkx(ServedAccounts[OkxSwitches]):
    """The exchange: accounts by API key, one address's limits."""

    exchange = EXCHANGE

    def __init__(self, accounts: Iterable[SandboxAccount], *, switches: OkxSwitches | None = None) -> None:
        """``switches`` None is the exchange as documented."""
        super().__init__(accounts, switches or OkxSwitches())
        self.limits = OkxLimits(self.switches)

    def handle(self, request: Request, now_ms: int, lag: Lag = FRESH) -> Answer:
        """Answer one request; see ``http.SimulatedExchange``."""
        try:
            rows = self._answer(request, now_ms, lag)
        except OkxRefusal as fail:
            return fail.answer()
        return answer(200, {"code": "0", "msg": "", "data": rows})

    def _answer(self, request: Request, now_ms: int, lag: Lag) -> object:
        if request.method == "GET" and request.path in PUBLIC:
            return self._public(request, now_ms)
        route = ROUTES.get((request.method, request.path))
        if route is None and request.path in _PATHS:
            raise OkxRefusal(405, "50115", "Invalid request method.")
        if route is None:
            raise OkxRefusal(404, "404", "Not Found", bare=True)
        account = authenticate(request, self.accounts, now_ms, self.switches)
        self.limits.charge(account.books.uid, request.path, route.rate, now_ms)
        call = OkxCall.of(request, account, read_params(request), now_ms=now_ms, lag=lag, switches=self.switches)
        return route.answers(call)

    def _public(self, request: Request, now_ms: int) -> object:
        params = {name: str(value) for name, value in read_params(request).items()}
        kind = params.get("instType", "")
        self.limits.charge(IP, f"{request.path} {kind}", PUBLIC[request.path], now_ms)
        match request.path.rpartition("/")[2]:
            case "time":
                return [{"ts": str(now_ms)}]
            case "instruments":
                return public.instruments(self.markets(), params)
            case "position-tiers":
                return public.tiers(self.markets(), params)
            case "mark-price":
                return public.mark_prices(self.markets(), params, now_ms)
            case "status":
                return []
            case _:
                raise invalid("path")
