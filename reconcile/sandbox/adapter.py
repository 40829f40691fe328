"""The in-process wire: a ``requests`` transport adapter in front of a venue, with no socket in between.

It raises what a real connection raises for the same trouble, down to the ``urllib3`` reason inside. From that reason
the program judges whether a request can have reached the exchange. ``as_error`` and ``as_response`` serve other wires
that are made of a venue, such as a simulation that owns time.
"""

import socket
from collections.abc import Callable, Mapping
from http.client import IncompleteRead
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)
from urllib3.exceptions import SSLError as BrokenTls

from reconcile.sandbox.faults import Ending
from reconcile.sandbox.http import Answer, Request
from reconcile.sandbox.venue import READ_TIMEOUT_MS, Venue

_HOST = "sandbox.invalid"
_POOL = HTTPConnectionPool(_HOST)
_CONNECTION = HTTPConnection(_HOST)


def as_request(prepared: requests.PreparedRequest) -> Request:
    """A prepared request as the exchange reads it."""
    parts = urlsplit(prepared.url or "")
    body = prepared.body or b""
    return Request(
        method=prepared.method or "GET",
        path=parts.path or "/",
        query=parts.query,
        headers={name.lower(): str(value) for name, value in prepared.headers.items()},
        body=body.encode() if isinstance(body, str) else bytes(body),
    )


def as_response(answer: Answer, prepared: requests.PreparedRequest) -> requests.Response:
    """An answer as ``requests`` presents it, read to its end."""
    response = requests.Response()
    response.status_code = answer.status
    response.headers = CaseInsensitiveDict(answer.headers)
    response.encoding = "utf-8"
    response.url = prepared.url or ""
    response.request = prepared
    response._content = answer.body  # how a response is made without a socket
    return response


def _no_connection(url: str, reason: Exception) -> requests.exceptions.ConnectionError:
    return requests.exceptions.ConnectionError(MaxRetryError(_POOL, url, reason))


def _reset(_: str) -> requests.exceptions.RequestException:
    reset = ConnectionResetError(104, "Connection reset by peer")
    return requests.exceptions.ConnectionError(ProtocolError("Connection aborted.", reset))


_ERRORS: Mapping[Ending, Callable[[str], requests.exceptions.RequestException]] = {
    Ending.REFUSED: lambda url: _no_connection(url, NewConnectionError(_CONNECTION, "[Errno 111] Connection refused")),
    Ending.NAME: lambda url: _no_connection(
        url, NameResolutionError(_HOST, _CONNECTION, socket.gaierror(-2, "Name or service not known"))
    ),
    Ending.CONNECT_TIMEOUT: lambda url: requests.exceptions.ConnectTimeout(
        MaxRetryError(_POOL, url, ConnectTimeoutError(_CONNECTION, "Connection timed out."))
    ),
    Ending.TIMEOUT: lambda url: requests.exceptions.ReadTimeout(ReadTimeoutError(_POOL, url, "Read timed out.")),
    Ending.TLS: lambda url: requests.exceptions.SSLError(MaxRetryError(_POOL, url, BrokenTls("record layer failure"))),
    Ending.CUT: lambda _: requests.exceptions.ChunkedEncodingError(
        ProtocolError("Connection broken: IncompleteRead", IncompleteRead(b""))
    ),
    Ending.LOST: _reset,
}


def as_error(ending: Ending, url: str) -> requests.exceptions.RequestException:
    """The exception that a real connection raises for a request that ended so."""
    return _ERRORS[ending](url)


class SandboxAdapter(BaseAdapter):
    """Sends to a venue. One request at a time: each call lets the venue's time pass until its answer."""

    def __init__(
        self, venue: Venue, *, now_ms: Callable[[], int], wait_until: Callable[[int], None] | None = None
    ) -> None:
        """``now_ms`` is true time; ``wait_until`` is told when each answer comes (None: nothing waits)."""
        super().__init__()
        self._venue = venue
        self._now_ms = now_ms
        self._wait_until = wait_until

    def send(
        self,
        request: requests.PreparedRequest,
        *_: object,
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        **_others: object,
    ) -> requests.Response:
        """Answer, or raise what a real connection would."""
        read = timeout[1] if isinstance(timeout, tuple) else timeout
        timeout_ms = READ_TIMEOUT_MS if read is None else int(read * 1000)
        delivery = self._venue.submit(as_request(request), self._now_ms(), timeout_ms=timeout_ms)
        if self._wait_until is not None:
            self._wait_until(delivery.at_ms)
        if delivery.trouble is not None or delivery.answer is None:
            raise as_error(delivery.trouble or Ending.LOST, request.url or "")
        return as_response(delivery.answer, request)

    def close(self) -> None:
        """Nothing is held."""
