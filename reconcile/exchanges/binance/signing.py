"""Build and sign a Binance request: everything in the query, an empty body, the signature last.

Source: Binance derivatives docs, USD-M General Info (HMAC-SHA256 in hex over the query exactly as sent). Symbols may
hold characters outside ASCII, and are sent percent-encoded as UTF-8 (change log of 2025-10-09).
"""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote

from reconcile.connect.secrets import Credentials
from reconcile.exchanges.http.wire import HttpRequest


def public(url: str, path: str, params: Mapping[str, str]) -> HttpRequest:
    """A GET without any credential."""
    query = _encoded(params)
    return HttpRequest(method="GET", url=f"{url}{path}?{query}" if query else f"{url}{path}", headers=_READ_HEADERS)


def signed(
    method: str,
    url: str,
    path: str,
    params: Mapping[str, str],
    *,
    credentials: Credentials,
    signed_at_ms: int,
    valid_ms: int,
) -> HttpRequest:
    """A request that the exchange accepts until ``signed_at_ms + valid_ms`` of its own clock."""
    query = _encoded({**params, "recvWindow": str(valid_ms), "timestamp": str(signed_at_ms)})
    signature = sign(credentials.secret, query)
    headers = {"X-MBX-APIKEY": credentials.key} | (_READ_HEADERS if method == "GET" else {})
    return HttpRequest(method=method, url=f"{url}{path}?{query}&signature={signature}", headers=headers)


def sign(secret: str, payload: str) -> str:
    """HMAC-SHA256 in hex."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


_READ_HEADERS = {"Accept-Encoding": "gzip"}
"""positionRisk lists every symbol there is; it shrinks to a tenth."""


def _encoded(params: Mapping[str, str]) -> str:
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in params.items())
