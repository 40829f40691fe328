"""The OKX v5 dialect: its paths, buckets, envelope and codes over the account rules.

Facts come from the exchange's guide and from public measurements on its demo; what no source settles is a field of
``OkxSwitches``. The margin type belongs to each position, so there is no call that changes it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from reconcile.sandbox.http import FRESH, Account, Answer, Lag, Request, answer
from reconcile.sandbox.okx import balances, public, writes
from reconcile.sandbox.okx import bills as ledger
from reconcile.sandbox.okx import positions as reads
from reconcile.sandbox.okx.gate import Call, Fail, Limits, OkxSwitches, authenticate, invalid, read_params
from reconcile.sandbox.values import By, Market

EXCHANGE = "okx"
IP = "address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What answers a path, and how many calls it takes within how many milliseconds for each user."""

    answers: Callable[[Call], object]
    rate: tuple[int, int] = (20, 2_000)


def _orders(call: Call) -> list[dict[str, str]]:
    """The resting orders; the sandbox only knows how many there are."""
    kind = call.text("instId")
    return [
        {"instId": name, "ordId": str(1_000_000 + index), "state": "live", "ordType": "limit", "side": "buy"}
        for name, setting in call.view.settings.items()
        if kind in {None, name}
        for index in range(setting.open_orders)
    ]


def _algo_orders(call: Call) -> list[dict[str, str]]:
    call.need("ordType")
    kind = call.text("instId")
    return [
        {"instId": name, "algoId": str(2_000_000 + index), "state": "live", "ordType": "conditional", "side": "sell"}
        for name, setting in call.view.settings.items()
        if kind in {None, name}
        for index in range(setting.algo_orders)
    ]


def _account_instruments(call: Call) -> object:
    return public.instruments(call.view.markets.values(), {name: str(value) for name, value in call.params.items()})


ROUTES: Mapping[tuple[str, str], Route] = {
    ("POST", "/api/v5/account/position/margin-balance"): Route(answers=writes.adjust_margin),
    ("POST", "/api/v5/account/set-leverage"): Route(answers=writes.set_leverage),
    ("POST", "/api/v5/account/set-position-mode"): Route(answers=writes.set_position_mode, rate=(5, 2_000)),
    ("POST", "/api/v5/account/set-isolated-mode"): Route(answers=writes.set_isolated_mode, rate=(5, 2_000)),
    ("GET", "/api/v5/account/positions"): Route(answers=reads.positions, rate=(10, 2_000)),
    ("GET", "/api/v5/account/config"): Route(answers=reads.config, rate=(5, 2_000)),
    ("GET", "/api/v5/account/balance"): Route(answers=balances.balance, rate=(10, 2_000)),
    ("GET", "/api/v5/account/max-avail-size"): Route(answers=balances.max_avail_size),
    ("GET", "/api/v5/account/leverage-info"): Route(answers=reads.leverage_info),
    ("GET", "/api/v5/account/adjust-leverage-info"): Route(answers=reads.adjust_leverage_info, rate=(5, 2_000)),
    ("GET", "/api/v5/account/bills"): Route(answers=ledger.bills, rate=(5, 1_000)),
    ("GET", "/api/v5/account/bills-archive"): Route(answers=ledger.archive, rate=(5, 2_000)),
    ("GET", "/api/v5/account/subtypes"): Route(answers=ledger.subtypes, rate=(5, 2_000)),
    ("GET", "/api/v5/account/instruments"): Route(answers=_account_instruments),
    ("GET", "/api/v5/trade/orders-pending"): Route(answers=_orders, rate=(60, 2_000)),
    ("GET", "/api/v5/trade/orders-algo-pending"): Route(answers=_algo_orders),
}
PUBLIC: Mapping[str, tuple[int, int]] = {
    "/api/v5/public/time": (10, 2_000),
    "/api/v5/public/instruments": (20, 2_000),
    "/api/v5/public/position-tiers": (10, 2_000),
    "/api/v5/public/mark-price": (10, 2_000),
    "/api/v5/system/status": (1, 5_000),
}
_PATHS = {path for _, path in ROUTES} | set(PUBLIC)


class Okx:
    """The exchange: accounts by API key, one address's limits."""

    exchange = EXCHANGE

    def __init__(self, accounts: Iterable[Account], *, switches: OkxSwitches | None = None) -> None:
        """``switches`` None is the exchange as documented."""
        self.accounts = {account.key: account for account in accounts}
        self.switches = switches or OkxSwitches()
        self.limits = Limits(self.switches)

    def serve(self, account: Account) -> None:
        """See ``http.Dialect``."""
        self.accounts[account.key] = account

    def handle(self, request: Request, now_ms: int, lag: Lag = FRESH) -> Answer:
        """Answer one request; see ``http.Dialect``."""
        try:
            rows = self._answer(request, now_ms, lag)
        except Fail as fail:
            return fail.answer()
        return answer(200, {"code": "0", "msg": "", "data": rows})

    def _answer(self, request: Request, now_ms: int, lag: Lag) -> object:
        if request.method == "GET" and request.path in PUBLIC:
            return self._public(request, now_ms)
        route = ROUTES.get((request.method, request.path))
        if route is None and request.path in _PATHS:
            raise Fail(405, "50115", "Invalid request method.")
        if route is None:
            raise Fail(404, "404", "Not Found", bare=True)
        account = authenticate(request, self.accounts, now_ms, self.switches)
        self.limits.charge(account.books.uid, request.path, route.rate, now_ms)
        books = account.books
        call = Call(
            params=read_params(request),
            account=account,
            view=books.as_of(now_ms - lag.positions_ms) if lag.positions_ms else books.view(),
            now_ms=now_ms,
            lag=lag,
            by=By(actor="api", request=request.serial, delivery=request.delivery),
            switches=self.switches,
        )
        return route.answers(call)

    def _public(self, request: Request, now_ms: int) -> object:
        params = {name: str(value) for name, value in read_params(request).items()}
        kind = params.get("instType", "")
        self.limits.charge(IP, f"{request.path} {kind}", PUBLIC[request.path], now_ms)
        match request.path.rpartition("/")[2]:
            case "time":
                return [{"ts": str(now_ms)}]
            case "instruments":
                return public.instruments(self._markets(), params)
            case "position-tiers":
                return public.tiers(self._markets(), params)
            case "mark-price":
                return public.mark_prices(self._markets(), params, now_ms)
            case "status":
                return []
            case _:
                raise invalid("path")

    def _markets(self) -> list[Market]:
        every = (market for account in self.accounts.values() for market in account.books.markets.values())
        return list({market.symbol: market for market in every}.values())
