"""A client of a simulated exchange that signs in its headers, as the guides of OKX and Bitget say alike."""

import base64
import hmac
import json
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from urllib.parse import urlencode

from reconcile.sandbox.http import FRESH, Answer, Lag, Request, SandboxAccount, SimulatedExchange
from tests.kit.binance_client import NOW


@dataclass(slots=True, kw_only=True)
class SignedClient:
    """Signs requests for one account and hands them to the dialect.

    ``prefix`` leads the names of its headers; ``success`` is the code of a read that succeeded.
    """

    prefix: ClassVar[str]
    success: ClassVar[str]
    now_ms: int = NOW + 1000
    signed_ms: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    serial: int = 0
    account: SandboxAccount = field(init=False)
    dialect: SimulatedExchange = field(init=False)

    @abstractmethod
    def stamp(self, time_ms: int) -> str:
        """A time as the exchange signs it."""

    def request(self, method: str, path: str, query: Mapping[str, object], body: bytes) -> Request:
        """A signed request."""
        stamp, text = self.stamp(self.signed_ms or self.now_ms), urlencode(query)
        payload = f"{stamp}{method}{path}{'?' if text else ''}{text}".encode() + body
        sign = base64.b64encode(hmac.digest(self.account.secret.encode(), payload, "sha256")).decode()
        self.serial += 1
        headers = {
            f"{self.prefix}access-key": self.account.key,
            f"{self.prefix}access-sign": sign,
            f"{self.prefix}access-timestamp": stamp,
            f"{self.prefix}access-passphrase": self.account.passphrase,
            "content-type": "application/json",
            **self.headers,
        }
        return Request(method=method, path=path, query=text, headers=headers, body=body, serial=self.serial)

    def ask(self, path: str, *, lag: Lag = FRESH, **params: object) -> tuple[int, dict[str, Any]]:
        """Status and body of a read."""
        return self._told(self.dialect.handle(self.request("GET", path, params, b""), self.now_ms, lag))

    def get(self, path: str, *, lag: Lag = FRESH, **params: object) -> Any:
        """The data of a read that must succeed."""
        status, body = self.ask(path, lag=lag, **params)
        if status != 200 or body["code"] != self.success:
            raise AssertionError(body)
        return body["data"]

    def post(self, path: str, **body: object) -> tuple[int, dict[str, Any]]:
        """Status and body of a write."""
        return self.send(self.request("POST", path, {}, json.dumps(body).encode()))

    def send(self, request: Request, **changes: Any) -> tuple[int, dict[str, Any]]:
        """Hand over a request, changed."""
        return self._told(self.dialect.handle(replace(request, **changes), self.now_ms))

    @staticmethod
    def _told(answer: Answer) -> tuple[int, dict[str, Any]]:
        body: dict[str, Any] = json.loads(answer.body)
        return answer.status, body
