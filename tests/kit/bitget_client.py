"""A client that signs as the Bitget documents say, on a demo account in memory."""

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from reconcile.sandbox.bitget.demo import seed_bitget
from reconcile.sandbox.bitget.dialect import SimulatedBitget
from reconcile.sandbox.bitget.gate import BitgetSwitches
from reconcile.sandbox.bitget.rules import BitgetRules
from reconcile.sandbox.books import Books
from reconcile.sandbox.demo import account_of, new_books
from reconcile.sandbox.http import FRESH, Answer, Lag, Request, SandboxAccount
from tests.kit.binance_client import NOW, D

MIX = "/api/v2/mix"
USDT, COIN, USDC = "USDT-FUTURES", "COIN-FUTURES", "USDC-FUTURES"
COINS = {"BTCUSD": (COIN, "BTC"), "ETHUSD": (COIN, "ETH"), "BTCPERP": (USDC, "USDC")}


def bitget_books(*, mode: str = "hedge", keep_ms: int = 0) -> Books:
    """The demo account; in one-way mode it is short 0.5 BTCUSDT, isolated, with 4000 USDT."""
    demo = new_books("demo", BitgetRules(), seed_bitget, now_ms=NOW, keep_ms=keep_ms)
    if mode == "hedge":
        return demo
    books = Books(uid="7", position_mode="one-way", rules=BitgetRules(), keep_ms=keep_ms)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        books.add_market(demo.markets[symbol], setting=demo.settings[symbol])
    books.deposit("USDT", D(10_000), now_ms=NOW)
    books.open_position("BTCUSDT", "net", D("-0.5"), now_ms=NOW, price=D(60000), margin=D(4000))
    return books


def symbol_of(symbol: str) -> dict[str, Any]:
    """The three parameters that name a symbol."""
    product, coin = COINS.get(symbol, (USDT, "USDT"))
    return {"symbol": symbol, "productType": product, "marginCoin": coin}


@dataclass(slots=True, kw_only=True)
class BitgetClient:
    """Signs requests for one account and hands them to the dialect."""

    books: Books = field(default_factory=bitget_books)
    switches: BitgetSwitches = field(default_factory=BitgetSwitches)
    now_ms: int = NOW + 1000
    signed_ms: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    serial: int = 0
    account: SandboxAccount = field(init=False)
    bitget: SimulatedBitget = field(init=False)

    def __post_init__(self) -> None:
        self.account = account_of("bitget", "demo", self.books)
        self.bitget = SimulatedBitget([self.account], switches=self.switches)

    def request(self, method: str, path: str, query: Mapping[str, object], body: bytes) -> Request:
        """A signed request."""
        stamp, text = str(self.signed_ms or self.now_ms), urlencode(query)
        payload = f"{stamp}{method}{path}{'?' if text else ''}{text}".encode() + body
        sign = base64.b64encode(hmac.digest(self.account.secret.encode(), payload, "sha256")).decode()
        self.serial += 1
        headers = {
            "access-key": self.account.key,
            "access-sign": sign,
            "access-timestamp": stamp,
            "access-passphrase": self.account.passphrase,
            "content-type": "application/json",
            **self.headers,
        }
        return Request(method=method, path=path, query=text, headers=headers, body=body, serial=self.serial)

    def ask(self, path: str, *, lag: Lag = FRESH, **params: object) -> tuple[int, dict[str, Any]]:
        """Status and body of a read."""
        return self._told(self.bitget.handle(self.request("GET", path, params, b""), self.now_ms, lag))

    def get(self, path: str, *, lag: Lag = FRESH, **params: object) -> Any:
        """The data of a read that must succeed."""
        status, body = self.ask(path, lag=lag, **params)
        if status != 200 or body["code"] != "00000":
            raise AssertionError(body)
        return body["data"]

    def post(self, path: str, **body: object) -> tuple[int, dict[str, Any]]:
        """Status and body of a write."""
        return self.send(self.request("POST", path, {}, json.dumps(body).encode()))

    def send(self, request: Request, **changes: Any) -> tuple[int, dict[str, Any]]:
        """Hand over a request, changed."""
        return self._told(self.bitget.handle(replace(request, **changes), self.now_ms))

    def margin(self, symbol: str, side: str, amount: str) -> tuple[int, str]:
        """Status and code of the margin call."""
        path = f"{MIX}/account/set-margin"
        status, body = self.post(path, **symbol_of(symbol), holdSide=side, amount=amount)
        return status, body["code"]

    def mode(self, symbol: str, mode: str) -> tuple[int, str]:
        """Status and code of the margin mode call."""
        status, body = self.post(f"{MIX}/account/set-margin-mode", **symbol_of(symbol), marginMode=mode)
        return status, body["code"]

    @staticmethod
    def _told(answer: Answer) -> tuple[int, dict[str, Any]]:
        body: dict[str, Any] = json.loads(answer.body)
        return answer.status, body
