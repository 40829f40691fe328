"""What the sandbox tests share: a demo account in memory and a client that signs as the exchange's documents say."""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from reconcile.sandbox.binance.demo import seed_binance
from reconcile.sandbox.binance.dialect import SimulatedBinance
from reconcile.sandbox.binance.gate import BinanceSwitches
from reconcile.sandbox.binance.rules import BinanceRules
from reconcile.sandbox.books import Books
from reconcile.sandbox.demo import account_of, new_books
from reconcile.sandbox.http import FRESH, Answer, Lag, Request, SandboxAccount

NOW = 1_767_225_600_000
D = Decimal


def demo_books(*, keep_ms: int = 0, mode: str = "hedge") -> Books:
    """The demo account; in one-way mode it holds BTCUSDT.net and ETHUSDT flat, both isolated."""
    if mode == "hedge":
        return new_books("demo", BinanceRules(), seed_binance, now_ms=NOW, keep_ms=keep_ms)
    books = Books(uid="7", position_mode="one-way", rules=BinanceRules(), keep_ms=keep_ms)
    demo = demo_books()
    for symbol in ("BTCUSDT", "ETHUSDT"):
        books.add_market(demo.markets[symbol], setting=demo.settings[symbol])
    books.deposit("USDT", D(10_000), now_ms=NOW)
    books.open_position("BTCUSDT", "net", D("-0.5"), now_ms=NOW, price=D(60000), margin=D(4000))
    return books


@dataclass(slots=True, kw_only=True)
class Client:
    """Signs requests for one Binance account and hands them to the dialect."""

    books: Books = field(default_factory=demo_books)
    switches: BinanceSwitches = field(default_factory=BinanceSwitches)
    now_ms: int = NOW + 1000
    serial: int = 0
    account: SandboxAccount = field(init=False)
    binance: SimulatedBinance = field(init=False)

    def __post_init__(self) -> None:
        self.account = account_of("binance", "demo", self.books)
        self.binance = SimulatedBinance([self.account], switches=self.switches)

    def request(self, method: str, path: str, **params: object) -> Request:
        """A signed request, everything in the query."""
        query = urlencode({**params, "timestamp": params.get("timestamp", self.now_ms)})
        signature = hmac.digest(self.account.secret.encode(), query.encode(), "sha256").hex()
        self.serial += 1
        return Request(
            method=method,
            path=path,
            query=f"{query}&signature={signature}",
            headers={"x-mbx-apikey": self.account.key},
            serial=self.serial,
        )

    def answer(self, request: Request, *, lag: Lag = FRESH) -> Answer:
        """What the dialect says."""
        return self.binance.handle(request, self.now_ms, lag)

    def get(self, path: str, *, lag: Lag = FRESH, **params: object) -> Any:
        """The body of a read that must succeed."""
        answer = self.answer(self.request("GET", path, **params), lag=lag)
        if answer.status != 200:
            raise AssertionError(answer.body)
        return json.loads(answer.body)

    def post(self, path: str, **params: object) -> tuple[int, Mapping[str, Any]]:
        """Status and body of a write."""
        answer = self.answer(self.request("POST", path, **params))
        return answer.status, json.loads(answer.body)

    def margin(self, symbol: str, side: str, amount: str, kind: int) -> tuple[int, Mapping[str, Any]]:
        """The margin call."""
        return self.post("/fapi/v1/positionMargin", symbol=symbol, positionSide=side, amount=amount, type=kind)
