"""Sign an OKX request: HMAC-SHA256 over time, method, path with query and body, in four headers.

Source: OKX API guide v5, Making Requests. The timestamp is ISO 8601 in UTC with milliseconds; the path is signed as
sent.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from reconcile.connect.secrets import Credentials
from reconcile.exchanges.http.header_signed import access_headers, signature

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DEMO = {"x-simulated-trading": "1"}
"""Sent with every request of a demo account (OKX API guide v5, Demo Trading Services)."""


def timestamp(moment_ms: int) -> str:
    """Unix milliseconds as OKX writes them: ``2026-01-02T03:04:05.678Z``."""
    moment = _EPOCH + timedelta(milliseconds=moment_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def headers(credentials: Credentials, *, method: str, target: str, body: bytes, moment_ms: int) -> Mapping[str, str]:
    """The headers that make a request this account's."""
    stamp = timestamp(moment_ms)
    sign = signature(credentials.secret, stamp, method, target, body)
    return access_headers(credentials, prefix="OK-ACCESS", stamp=stamp, sign=sign)
