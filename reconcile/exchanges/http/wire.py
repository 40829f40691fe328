"""One request, once: what every transport must be, and the one over real HTTP.

There is no retry, no redirect, no cookie and no credential file here. A prepared request goes straight to a
``requests`` transport adapter with all of its retries off. Errors say what is known about the account.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import NameResolutionError, NewConnectionError

from reconcile.errors import InDoubt, NotSent
from reconcile.exchanges.http.bounded import BoundedAdapter, Bounds, OutOfBounds, body_of

_QUERY = re.compile(r"\?\S*")
CONNECT_TIMEOUT_S = 5
REQUEST_TIMEOUT_S = 60
"""The longest a request may take in all, with its wait for a thread, its name lookup and its connection."""
BOUNDS = Bounds()
"""The limits of one answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """Exactly the bytes to send. ``headers`` carry credentials, so they never show in a repr."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """The answer to a request; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire(Protocol):
    """Sends one request once."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Any HTTP answer is returned, whatever its status.

        Raises NotSent when no byte can have reached the exchange (name lookup, refused or timed-out connect). Raises
        InDoubt for every other failure: a TLS error or a reset may come after the request was read.
        """
        ...


class ReadOnlyWire:
    """A wire that cannot write: plan, drift and import are given nothing else."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Pass on a GET; anything else is a bug of ours and never reaches the network."""
        if request.method != "GET":
            raise NotSent(f"sending {request.method}: this command only reads; nothing was sent")
        return await self._wire.send(request)


def http_adapter(connections: int, bounds: Bounds = BOUNDS) -> BoundedAdapter:
    """A pooled ``requests`` adapter that never repeats anything, and whose answers are bounded."""
    return BoundedAdapter(connections, bounds)


class RequestsWire:
    """The wire over a ``requests`` transport adapter, real or in-process, run on an executor's threads."""

    def __init__(
        self,
        adapter: BaseAdapter,
        *,
        threads: Executor | None,
        writers: Executor | None = None,
        verify: bool | str = True,
        longest_s: float = REQUEST_TIMEOUT_S,
        bounds: Bounds = BOUNDS,
        explain: Callable[[Exception, str], str | None] = lambda _error, _url: None,
    ) -> None:
        """``threads`` None sends in the calling thread, for an in-process adapter. ``writers`` are threads for writes
        alone, so that none grows old behind reads (None: they share). ``longest_s`` bounds the wait for an answer,
        ``bounds`` what it may take once it comes. ``explain`` says of a failure and its URL what was wrong on the way
        (certificates, a proxy) and what to do, None where it cannot."""
        self._adapter = adapter
        self._threads = threads
        self._writers = writers or threads
        self._verify = verify
        self._longest_s = longest_s
        self._bounds = bounds
        self._explain = explain

    async def send(self, request: HttpRequest) -> HttpResponse:
        """See ``Wire.send``."""
        threads = self._threads if request.method == "GET" else self._writers
        if threads is None:
            return self._send(request)
        sending = asyncio.get_running_loop().run_in_executor(threads, self._send, request)
        try:
            return await asyncio.wait_for(sending, self._longest_s)
        except TimeoutError as error:
            raise InDoubt(f"{request.method}: no complete answer within {self._longest_s:g} s") from error

    def _send(self, request: HttpRequest) -> HttpResponse:
        timeouts = (CONNECT_TIMEOUT_S, self._bounds.silence_ms / 1000)
        try:
            response = self._adapter.send(_prepared(request), stream=True, timeout=timeouts, verify=self._verify)
            with closing(response):
                return HttpResponse(
                    status=response.status_code,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    body=body_of(response, self._bounds),
                )
        except requests.exceptions.ConnectTimeout as error:
            problem = f"{request.method}: the connection timed out before anything was sent"
            raise NotSent(problem) from _bare(error)
        except requests.exceptions.ConnectionError as error:
            reason, told = _never_connected(error), self._explain(error, request.url)
            if reason is not None:
                raise NotSent(f"{request.method}: {told or f'no connection could be made: {reason}'}") from _bare(error)
            broke = told or f"the connection broke ({type(error).__name__})"
            raise InDoubt(f"{request.method}: {broke}") from _bare(error)
        except OutOfBounds as error:
            raise InDoubt(f"{request.method}: {error}; nothing more of it was read") from error
        except Exception as error:  # noqa: BLE001 - libraries that read hostile bytes raise more than they document
            told = self._explain(error, request.url) or f"no complete answer ({type(error).__name__})"
            raise InDoubt(f"{request.method}: {told}") from _bare(error)


def _prepared(request: HttpRequest) -> requests.PreparedRequest:
    """As ``requests`` would prepare it, but for its search for things to change in what is signed already."""
    prepared = requests.PreparedRequest()
    prepared.method, prepared.url, prepared.body = request.method, request.url, request.body or None
    prepared.headers = CaseInsensitiveDict(request.headers)
    if request.body or request.method != "GET":
        prepared.headers["Content-Length"] = str(len(request.body))
    return prepared


def _never_connected(error: requests.exceptions.ConnectionError) -> str | None:
    """The reason for no connection at all: name lookup or refused, which urllib3 reports as NewConnectionError."""
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    if isinstance(reason, NameResolutionError):
        return "the host's name is not known"
    return "refused, or no route to the host" if isinstance(reason, NewConnectionError) else None


def _bare(error: Exception) -> Exception:
    """The cause to chain: its type and words without the query, which is signed."""
    return OSError(f"{type(error).__name__}: {_QUERY.sub('?…', str(error))}")
