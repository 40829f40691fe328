"""The Bitget v2 dialect of classic futures accounts: its paths, limits, envelope and codes over the account rules.

Facts come from the exchange's documents and public clients; what no source settles is a field of ``BitgetSwitches``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from reconcile.sandbox.bitget import positions, reads, writes
from reconcile.sandbox.bitget.gate import (
    BitgetCall,
    BitgetLimits,
    BitgetRefusal,
    BitgetSwitches,
    authenticate,
    invalid,
    missing,
    read_params,
)
from reconcile.sandbox.bitget.rules import PRODUCTS
from reconcile.sandbox.gate import ServedAccounts
from reconcile.sandbox.http import FRESH, Answer, Lag, Request, SandboxAccount, answer

EXCHANGE = "bitget"
OLD_DEMO = frozenset({"SUSDT-FUTURES", "SCOIN-FUTURES", "SUSDC-FUTURES"})
"""Products of the former demo trading: clients still ask for their contracts, and nothing is listed there any more."""
_MIX = "/api/v2/mix"


@dataclass(frozen=True, slots=True, kw_only=True)
class BitgetRoute:
    """The handler of a path, and the number of calls a second that each user may make."""

    answers: Callable[[BitgetCall], object]
    rate: int = 10


ROUTES: Mapping[tuple[str, str], BitgetRoute] = {
    ("POST", f"{_MIX}/account/set-margin"): BitgetRoute(answers=writes.set_margin, rate=5),
    ("POST", f"{_MIX}/account/set-margin-mode"): BitgetRoute(answers=writes.set_margin_mode, rate=5),
    ("POST", f"{_MIX}/account/set-position-mode"): BitgetRoute(answers=writes.set_position_mode, rate=5),
    ("POST", f"{_MIX}/account/set-leverage"): BitgetRoute(answers=writes.set_leverage, rate=5),
    ("POST", f"{_MIX}/account/set-auto-margin"): BitgetRoute(answers=writes.set_auto_margin, rate=5),
    ("GET", f"{_MIX}/position/all-position"): BitgetRoute(answers=positions.all_positions, rate=5),
    ("GET", f"{_MIX}/position/single-position"): BitgetRoute(answers=positions.single_position),
    ("GET", "/api/v2/spot/account/info"): BitgetRoute(answers=reads.information, rate=1),
    ("GET", f"{_MIX}/account/account"): BitgetRoute(answers=positions.account),
    ("GET", f"{_MIX}/account/accounts"): BitgetRoute(answers=positions.accounts),
    ("GET", f"{_MIX}/account/bill"): BitgetRoute(answers=reads.bills),
    ("GET", f"{_MIX}/account/isolated-symbols"): BitgetRoute(answers=reads.isolated_symbols),
    ("GET", f"{_MIX}/order/orders-pending"): BitgetRoute(answers=reads.orders_pending),
    ("GET", f"{_MIX}/order/orders-plan-pending"): BitgetRoute(answers=reads.plan_orders_pending),
}
PUBLIC: Mapping[str, int] = {
    "/api/v2/public/time": 20,
    f"{_MIX}/market/contracts": 20,
    f"{_MIX}/market/query-position-lever": 10,
}


class SimulatedBitget(ServedAccounts[BitgetSwitches]):
    """The exchange: accounts by API key, one address's limits."""

    exchange = EXCHANGE

    def __init__(self, accounts: Iterable[SandboxAccount], *, switches: BitgetSwitches | None = None) -> None:
        """``switches`` None is the exchange as documented."""
        super().__init__(accounts, switches or BitgetSwitches())
        self.limits = BitgetLimits(self.switches)

    def handle(self, request: Request, now_ms: int, lag: Lag = FRESH) -> Answer:
        """Answer one request; see ``http.SimulatedExchange``."""
        code, message, status = "00000", "success", 200
        data: object = None
        try:
            data = self._answer(request, now_ms, lag)
        except BitgetRefusal as fail:
            code, message = str(fail.code), fail.message
            status = self.switches.error_status if fail.status is None else fail.status
        when: object = str(now_ms) if self.switches.request_time_as_text else now_ms
        headers = {"x-mbx-used-remain-limit": str(self.limits.left)} if self.switches.rate_header else {}
        return answer(status, {"code": code, "msg": message, "requestTime": when, "data": data}, headers)

    def _answer(self, request: Request, now_ms: int, lag: Lag) -> object:
        self.limits.charge_address(now_ms)
        if request.method == "GET" and request.path in PUBLIC:
            return self._public(request, now_ms)
        route = ROUTES.get((request.method, request.path))
        if route is None:
            raise BitgetRefusal("40404", "Request URL NOT FOUND", status=404)
        account = authenticate(request, self.accounts, now_ms, self.switches)
        self.limits.charge(account.books.uid, request.path, route.rate, now_ms)
        call = BitgetCall.of(request, account, read_params(request), now_ms=now_ms, lag=lag, switches=self.switches)
        return route.answers(call)

    def _public(self, request: Request, now_ms: int) -> object:
        self.limits.charge("address", request.path, PUBLIC[request.path], now_ms)
        if request.path == "/api/v2/public/time":
            return {"serverTime": str(now_ms)}
        params = {name: str(value) for name, value in read_params(request).items()}
        product = params.get("productType", "").upper()
        if not product:
            raise missing("productType")
        if product not in PRODUCTS and product not in OLD_DEMO:
            raise invalid("productType")
        symbol = params.get("symbol", "").upper() or None
        if request.path.endswith("/contracts"):
            return reads.contracts(self.markets(), product, symbol)
        if symbol is None:
            raise missing("symbol")
        found = next((market for market in self.markets() if market.symbol == symbol), None)
        if found is None:
            raise BitgetRefusal("40034", f"Parameter {symbol} does not exist")
        return reads.tiers(found)
