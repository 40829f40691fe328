"""Requests that are signed in headers: HMAC-SHA256 over time, method, path with query and body (OKX, Bitget)."""

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import urlencode

from reconcile.connect.secrets import Credentials
from reconcile.exchanges.http.answers import ResponseFormat, read_answer
from reconcile.exchanges.http.limits import Limit
from reconcile.exchanges.http.transport import Params, Setup
from reconcile.exchanges.http.wire import HttpRequest, HttpResponse


class Sign(Protocol):
    """The signing function of an exchange."""

    def __call__(
        self, credentials: Credentials, *, method: str, target: str, body: bytes, moment_ms: int
    ) -> Mapping[str, str]:
        """The headers that make a request this account's; ``target`` is the path with its query as sent."""
        ...


def signature(secret: str, stamp: str, method: str, target: str, body: bytes) -> str:
    """Base64 of the HMAC; ``target`` is the path with its query as the exchange signs it."""
    return base64.b64encode(hmac.digest(secret.encode(), f"{stamp}{method}{target}".encode() + body, "sha256")).decode()


def access_headers(credentials: Credentials, *, prefix: str, stamp: str, sign: str) -> Mapping[str, str]:
    """Key, signature, time and passphrase, under names that begin with ``prefix``."""
    return {
        f"{prefix}-KEY": credentials.key,
        f"{prefix}-SIGN": sign,
        f"{prefix}-TIMESTAMP": stamp,
        f"{prefix}-PASSPHRASE": credentials.passphrase or "",
        "Content-Type": "application/json",
    }


def query_of(params: Params) -> str:
    """The query as it is sent; commas separate several values."""
    return urlencode(params, safe=",")


class HeaderSigned:
    """The facts that the transport needs of such an exchange, except its time."""

    sign: Sign
    demo_headers: Mapping[str, str]
    """Sent with every request of a demo account."""
    reading: ResponseFormat
    query: Callable[[Params], str] = staticmethod(query_of)

    def __init__(self, setup: Setup) -> None:
        self._url = setup.url
        self._credentials = setup.credentials
        self._demo = self.demo_headers if setup.demo else {}

    def get(self, path: str, params: Params, *, signed_at_ms: int | None) -> HttpRequest:
        """A read; public reads carry no credential."""
        return self._request("GET", f"{path}?{self.query(params)}" if params else path, b"", signed_at_ms)

    def post(self, path: str, body: Mapping[str, str], *, signed_at_ms: int) -> HttpRequest:
        """A signed write."""
        return self._request("POST", path, json.dumps(body, separators=(",", ":")).encode(), signed_at_ms)

    def _request(self, method: str, target: str, body: bytes, signed_at_ms: int | None) -> HttpRequest:
        signed: Mapping[str, str] = {}
        if signed_at_ms is not None:
            signed = self.sign(self._credentials, method=method, target=target, body=body, moment_ms=signed_at_ms)
        return HttpRequest(method=method, url=self._url + target, headers={**signed, **self._demo}, body=body)

    def read(self, what: str, response: HttpResponse, *, now_ms: int | None) -> object:
        """The payload; raises ReadFailed."""
        return read_answer(what, response, self.reading, now_ms=now_ms)

    def used(self, headers: Mapping[str, str]) -> Mapping[Limit, int]:  # noqa: ARG002  (no document names such a header)
        """Nothing: the exchange does not say what is used."""
        return {}
