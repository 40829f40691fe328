"""Parts that the gates of the simulated exchanges share: a call that passed, parameters, moving limits, a signature.

A gate checks a request before anything is done. Order, codes and messages are each exchange's own.
"""

import base64
import hmac
import json
import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, Self, TypeVar
from urllib.parse import parse_qsl

from reconcile.sandbox.books import Books
from reconcile.sandbox.http import Lag, Request, SandboxAccount
from reconcile.sandbox.values import Market, RequestOrigin, View

Switches = TypeVar("Switches")


class ErrorAnswer(Exception):
    """An error answer of an exchange: HTTP status, code and message; ``status`` None is the usual one."""

    def __init__(self, code: str | int, message: str, *, status: int | None) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCall(ABC, Generic[Switches]):
    """A request that passed the gate. ``view`` is as old as the replica that answers; ``by`` names the request."""

    params: Mapping[str, Any]
    account: SandboxAccount
    view: View
    now_ms: int
    lag: Lag
    by: RequestOrigin
    switches: Switches

    @classmethod
    def of(
        cls,
        request: Request,
        account: SandboxAccount,
        params: Mapping[str, Any],
        *,
        now_ms: int,
        lag: Lag,
        switches: Switches,
    ) -> Self:
        """The call of an account, with a view of its books as old as the answering replica."""
        books = account.books
        return cls(
            params=params,
            account=account,
            view=books.as_of(now_ms - lag.positions_ms) if lag.positions_ms else books.view(),
            now_ms=now_ms,
            lag=lag,
            by=RequestOrigin(actor="api", request=request.serial, delivery=request.delivery),
            switches=switches,
        )

    @property
    def books(self) -> Books:
        """The account's books."""
        return self.account.books

    @staticmethod
    @abstractmethod
    def missing(name: str) -> ErrorAnswer:
        """The answer that refuses a missing parameter."""

    @staticmethod
    @abstractmethod
    def invalid(name: str) -> ErrorAnswer:
        """The answer that refuses a value outside of those allowed."""

    def text(self, name: str) -> str | None:
        """A parameter, or None where it is not there or empty."""
        value = self.params.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, Decimal):
            return format(value, "f")
        if not isinstance(value, str):
            raise self.invalid(name)
        return value

    def need(self, name: str) -> str:
        """A mandatory parameter."""
        value = self.text(name)
        if value is None:
            raise self.missing(name)
        return value

    def one_of(self, name: str, *allowed: str) -> str:
        """A mandatory parameter with few values."""
        value = self.need(name)
        if value not in allowed:
            raise self.invalid(name)
        return value

    def number(self, name: str) -> int | None:
        """A whole number, or None."""
        value = self.text(name)
        if value is not None and not re.fullmatch(r"[0-9]{1,19}", value):
            raise self.invalid(name)
        return None if value is None else int(value)


class ServedAccounts(Generic[Switches]):
    """The accounts that a simulated exchange serves, by API key, and its switches."""

    def __init__(self, accounts: Iterable[SandboxAccount], switches: Switches) -> None:
        self.accounts = {account.key: account for account in accounts}
        self.switches = switches

    def serve(self, account: SandboxAccount) -> None:
        """See ``http.SimulatedExchange``."""
        self.accounts[account.key] = account

    def markets(self) -> list[Market]:
        """The markets that any of the accounts can trade, each symbol once."""
        every = (market for account in self.accounts.values() for market in account.books.markets.values())
        return list({market.symbol: market for market in every}.values())


class MovingWindow:
    """The calls that each caller may make to each path within a moving window; refused calls do not count."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], deque[int]] = {}

    def left(self, who: str, path: str, *, most: int, within_ms: int, now_ms: int) -> int | None:
        """Count a call and return how many more are free; None where there were ``most`` already."""
        times = self._seen.setdefault((who, path), deque())
        while times and times[0] <= now_ms - within_ms:
            times.popleft()
        if len(times) >= most:
            return None
        times.append(now_ms)
        return most - len(times)


def signature(secret: str, stamp: str, request: Request, *, query: str | None = None) -> str:
    """Base64 of the HMAC-SHA256 over time, method, path with query (None: as sent), and body: OKX and Bitget alike."""
    query = request.query if query is None else query
    path = f"{request.path}?{query}" if query else request.path
    payload = f"{stamp}{request.method}{path}".encode() + request.body
    return base64.b64encode(hmac.digest(secret.encode(), payload, "sha256")).decode()


def json_params(request: Request, unreadable: ErrorAnswer) -> dict[str, Any]:
    """The query of a GET, the JSON object of a POST; numbers in JSON stay exact. Raises ``unreadable``."""
    if request.method == "GET":
        return dict(parse_qsl(request.query, keep_blank_values=True))
    try:
        body = json.loads(request.body, parse_float=Decimal, parse_int=Decimal)
    except ValueError:
        raise unreadable from None
    if not isinstance(body, dict):
        raise unreadable
    return body
