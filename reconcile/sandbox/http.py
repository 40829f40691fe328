"""Requests and answers of a simulated exchange, and the age of the data in an answer.

A dialect is a function from request to answer. It knows nothing of sockets, delays or losses; those are the venue's.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from reconcile.money import plain
from reconcile.sandbox.books import Books


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it reached the exchange; header names in lower case, ``query`` exactly as sent.

    ``serial`` numbers the requests of a venue and ``delivery`` counts the arrivals of one request, both from 1.
    ``accepted_ms`` is the exchange's time at which it was accepted, where that is before it takes effect: its validity
    is judged by that. None: as it takes effect.
    """

    method: str
    path: str
    query: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    serial: int = 0
    delivery: int = 0
    accepted_ms: int | None = None

    def judged_at(self, now_ms: int) -> int:
        """The exchange's time by which its validity is judged; ``now_ms`` is when it takes effect."""
        return now_ms if self.accepted_ms is None else self.accepted_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer of the exchange."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """The lag of a replica that answers a read, for each kind of data by itself; milliseconds.

    ``empty`` makes it answer a read of positions with none at all.
    """

    positions_ms: int = 0
    balances_ms: int = 0
    ledger_ms: int = 0
    empty: bool = False


FRESH = Lag()


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxAccount:
    """One account as a dialect serves it: its credentials, its books, and what its key may do."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    passphrase: str = field(default="", repr=False)
    books: Books = field(repr=False)
    can_trade: bool = True


class Responder(Protocol):
    """Answers requests: a dialect, or a dialect that is kept in a store."""

    def handle(self, request: Request, now_ms: int, lag: Lag = FRESH) -> Answer:
        """Answer a request that arrives at ``now_ms`` by the exchange's clock. Never raises for what a client sends."""
        ...


class SimulatedExchange(Responder, Protocol):
    """One exchange's paths, shapes, signatures and codes over the account rules."""

    exchange: str

    def serve(self, account: SandboxAccount) -> None:
        """Serve an account from now on, in place of one with the same key."""
        ...


_NUMBER = re.compile(r'"#(-?[0-9.]+)#"')


def _marked(amount: object) -> str:
    if not isinstance(amount, Decimal):
        raise TypeError(f"{type(amount).__name__} has no place in an answer")
    return f"#{plain(amount)}#"


_ENCODER = json.JSONEncoder(separators=(",", ":"), default=_marked)


def dumps(value: object) -> bytes:
    """JSON without spaces; a Decimal becomes a JSON number in plain notation, exactly."""
    text = _ENCODER.encode(value)
    return (_NUMBER.sub(r"\1", text) if '"#' in text else text).encode()


def answer(status: int, value: object, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a JSON body."""
    return Answer(status=status, headers={"content-type": "application/json", **(headers or {})}, body=dumps(value))
