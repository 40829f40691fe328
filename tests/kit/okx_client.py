"""A client that signs as the OKX guide says, on a demo account in memory."""

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from reconcile.sandbox.books import Books
from reconcile.sandbox.demo import account_of, new_books
from reconcile.sandbox.http import FRESH, Answer, Lag, Request, SandboxAccount
from reconcile.sandbox.okx.demo import seed_okx
from reconcile.sandbox.okx.dialect import SimulatedOkx
from reconcile.sandbox.okx.gate import OkxSwitches
from reconcile.sandbox.okx.rules import OkxRules
from tests.kit.binance_client import NOW, D

MARGIN = "/api/v5/account/position/margin-balance"


def okx_books(*, mode: str = "hedge", keep_ms: int = 0) -> Books:
    """The demo account; in one-way mode it is short 50 contracts of BTC-USDT-SWAP, isolated, with 4000 USDT."""
    demo = new_books("demo", OkxRules(), seed_okx, now_ms=NOW, keep_ms=keep_ms)
    if mode == "hedge":
        return demo
    books = Books(uid="7", position_mode="one-way", rules=OkxRules(), keep_ms=keep_ms)
    for symbol in ("BTC-USDT-SWAP", "ETH-USDT-SWAP"):
        books.add_market(demo.markets[symbol], setting=demo.settings[symbol])
    books.deposit("USDT", D(10_000), now_ms=NOW)
    symbol, price = "BTC-USDT-SWAP", D(60000)
    books.open_position(symbol, "net", D(-50), now_ms=NOW, price=price, margin=D(4000), margin_type="isolated")
    return books


@dataclass(slots=True, kw_only=True)
class OkxClient:
    """Signs requests for one account and hands them to the dialect."""

    books: Books = field(default_factory=okx_books)
    switches: OkxSwitches = field(default_factory=OkxSwitches)
    now_ms: int = NOW + 1000
    signed_ms: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    serial: int = 0
    account: SandboxAccount = field(init=False)
    okx: SimulatedOkx = field(init=False)

    def __post_init__(self) -> None:
        self.account = account_of("okx", "demo", self.books)
        self.okx = SimulatedOkx([self.account], switches=self.switches)

    def request(self, method: str, path: str, query: Mapping[str, object], body: bytes) -> Request:
        """A signed request."""
        moment = datetime.fromtimestamp((self.signed_ms or self.now_ms) / 1000, UTC)
        stamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        text = urlencode(query)
        payload = f"{stamp}{method}{path}{'?' if text else ''}{text}".encode() + body
        sign = base64.b64encode(hmac.digest(self.account.secret.encode(), payload, "sha256")).decode()
        self.serial += 1
        headers = {
            "ok-access-key": self.account.key,
            "ok-access-sign": sign,
            "ok-access-timestamp": stamp,
            "ok-access-passphrase": self.account.passphrase,
            "content-type": "application/json",
            **self.headers,
        }
        return Request(method=method, path=path, query=text, headers=headers, body=body, serial=self.serial)

    def ask(self, path: str, *, lag: Lag = FRESH, **params: object) -> tuple[int, dict[str, Any]]:
        """Status and body of a read."""
        return self._told(self.okx.handle(self.request("GET", path, params, b""), self.now_ms, lag))

    def get(self, path: str, *, lag: Lag = FRESH, **params: object) -> list[dict[str, Any]]:
        """The rows of a read that must succeed."""
        status, body = self.ask(path, lag=lag, **params)
        if status != 200 or body["code"] != "0":
            raise AssertionError(body)
        rows: list[dict[str, Any]] = body["data"]
        return rows

    def post(self, path: str, **body: object) -> tuple[int, dict[str, Any]]:
        """Status and body of a write."""
        return self._told(self.okx.handle(self.request("POST", path, {}, json.dumps(body).encode()), self.now_ms))

    def margin(self, symbol: str, side: str, kind: str, amount: str) -> tuple[int, str]:
        """Status and code of the margin call."""
        status, body = self.post(MARGIN, instId=symbol, posSide=side, type=kind, amt=amount)
        return status, body["code"]

    def send(self, request: Request, **changes: Any) -> tuple[int, dict[str, Any]]:
        """Hand over a request, changed."""
        return self._told(self.okx.handle(replace(request, **changes), self.now_ms))

    @staticmethod
    def _told(answer: Answer) -> tuple[int, dict[str, Any]]:
        body: dict[str, Any] = json.loads(answer.body)
        return answer.status, body
