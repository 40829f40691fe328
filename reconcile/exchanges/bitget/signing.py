"""Sign a Bitget request: HMAC-SHA256 over time, method, path with query and body, in four headers.

Source: Bitget API doc, signature. The timestamp is in Unix milliseconds, and query keys are sorted. The signature
covers the query before percent-encoding, and the exact bytes of the body.
"""

from collections.abc import Mapping
from urllib.parse import unquote

from reconcile.connect.secrets import Credentials
from reconcile.exchanges.http.header_signed import access_headers, signature

DEMO = {"paptrading": "1"}
"""Sent with every request of a demo account (Bitget API doc, RestAPI demo trading)."""


def headers(credentials: Credentials, *, method: str, target: str, body: bytes, moment_ms: int) -> Mapping[str, str]:
    """The headers that make a request this account's; ``locale`` keeps error texts in English."""
    stamp = str(moment_ms)
    sign = signature(credentials.secret, stamp, method, unquote(target), body)
    return {**access_headers(credentials, prefix="ACCESS", stamp=stamp, sign=sign), "locale": "en-US"}
