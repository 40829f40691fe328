"""How OKX wants a request signed: HMAC-SHA256 over time, method, path with query and body, in four headers.

Source: OKX API guide v5, Making Requests. The timestamp is ISO 8601 in UTC with milliseconds; the path is signed as
sent.
"""

import base64
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from reconcile.connect.secrets import Credentials

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DEMO = {"x-simulated-trading": "1"}
"""Sent with every request of a demo account (OKX API guide v5, Demo Trading Services)."""


def timestamp(moment_ms: int) -> str:
    """Unix milliseconds as OKX writes them: ``2026-01-02T03:04:05.678Z``."""
    moment = _EPOCH + timedelta(milliseconds=moment_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def signature(secret: str, stamp: str, method: str, target: str, body: bytes) -> str:
    """Base64 of the HMAC; ``target`` is the path with its query as sent."""
    signed = f"{stamp}{method}{target}".encode() + body
    return base64.b64encode(hmac.digest(secret.encode(), signed, "sha256")).decode()


def headers(credentials: Credentials, *, method: str, target: str, body: bytes, moment_ms: int) -> Mapping[str, str]:
    """The headers that make a request this account's."""
    stamp = timestamp(moment_ms)
    return {
        "OK-ACCESS-KEY": credentials.key,
        "OK-ACCESS-SIGN": signature(credentials.secret, stamp, method, target, body),
        "OK-ACCESS-TIMESTAMP": stamp,
        "OK-ACCESS-PASSPHRASE": credentials.passphrase or "",
        "Content-Type": "application/json",
    }
