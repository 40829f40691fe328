"""``-v``: one line on stderr for each request, with what an operator asks about and nothing that is secret."""

from collections.abc import Callable
from urllib.parse import urlsplit

from reconcile.clock import Clock
from reconcile.errors import InDoubt, NotSent
from reconcile.exchanges.http.wire import HttpRequest, HttpResponse, Wire

_WEIGHT = "x-mbx-used-weight-1m"
"""Binance's count of the weight used in this minute; OKX and Bitget tell none."""

Log = Callable[..., None]
"""Takes a level, a message, and the fields that a line of JSON has besides."""


class LoggedWire:
    """A wire that tells each request: method, path, status, milliseconds and weight; never a query, header or body."""

    def __init__(self, wire: Wire, log: Log, clock: Clock) -> None:
        self._wire = wire
        self._log = log
        self._clock = clock

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Pass it on. Raises what the wire raises."""
        begun_ms = self._clock.monotonic_ms()
        try:
            response = await self._wire.send(request)
        except (NotSent, InDoubt) as error:
            kind = "not sent" if isinstance(error, NotSent) else "no answer"
            self._tell(request, begun_ms, status=None, words=kind, weight=None)
            raise
        weight = response.headers.get(_WEIGHT)
        self._tell(request, begun_ms, status=response.status, words=str(response.status), weight=weight)
        return response

    def _tell(self, request: HttpRequest, begun_ms: int, *, status: int | None, words: str, weight: str | None) -> None:
        path = urlsplit(request.url).path
        took_ms = self._clock.monotonic_ms() - begun_ms
        more = "" if weight is None else f", weight {weight}"
        self._log(
            "debug",
            f"{request.method} {path}: {words}, {took_ms} ms{more}",
            event="request",
            method=request.method,
            path=path,
            status=status,
            ms=took_ms,
            weight=weight,
        )
