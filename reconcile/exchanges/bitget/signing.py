"""How Bitget wants a request signed: HMAC-SHA256 over time, method, path with query and body, in four headers.

Source: Bitget API doc, signature. The timestamp is Unix milliseconds; query keys are sorted; the query is signed as it
reads before percent-encoding, and the body is signed as the very bytes that are sent.
"""

import base64
import hmac
from collections.abc import Mapping
from urllib.parse import unquote

from reconcile.connect.secrets import Credentials

DEMO = {"paptrading": "1"}
"""Sent with every request of a demo account (Bitget API doc, RestAPI demo trading)."""


def signature(secret: str, stamp: str, method: str, target: str, body: bytes) -> str:
    """Base64 of the HMAC; ``target`` is the path with its query as sent."""
    signed = f"{stamp}{method}{unquote(target)}".encode() + body
    return base64.b64encode(hmac.digest(secret.encode(), signed, "sha256")).decode()


def headers(credentials: Credentials, *, method: str, target: str, body: bytes, moment_ms: int) -> Mapping[str, str]:
    """The headers that make a request this account's; ``locale`` keeps error texts in English."""
    stamp = str(moment_ms)
    return {
        "ACCESS-KEY": credentials.key,
        "ACCESS-SIGN": signature(credentials.secret, stamp, method, target, body),
        "ACCESS-TIMESTAMP": stamp,
        "ACCESS-PASSPHRASE": credentials.passphrase or "",
        "Content-Type": "application/json",
        "locale": "en-US",
    }
