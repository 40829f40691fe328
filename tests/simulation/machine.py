"""One simulated machine: a clock that runs a little wrong, a wire to a venue, and processes that can die.

A process that is dead does nothing any more: whatever it awaits never comes back, its disk answers nothing, its wire
sends nothing. Times are virtual milliseconds of the loop ("true time").
"""

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from reconcile.errors import InDoubt, NotSent
from reconcile.exchanges.wire import HttpRequest, HttpResponse
from reconcile.sandbox.faults import NEVER_LEFT, Ending
from reconcile.sandbox.http import Request
from reconcile.sandbox.venue import Sent, Venue
from tests.simulation.loop import VirtualLoop

EPOCH_MS = 1_767_225_600_000
"""True time 0 of the simulation as the exchange's clock shows it: 2026-01-01."""


class Killed(BaseException):
    """The process was killed at this instruction."""


class MachineClock:
    """A machine's clocks: ``drift`` in parts per thousand, a wall clock that is wrong by ``wall_error_ms``."""

    def __init__(self, loop: VirtualLoop, *, drift: int = 0, started_ms: int = 0, wall_error_ms: int = 0) -> None:
        self._loop = loop
        self._drift = drift
        self._started_ms = started_ms
        self.wall_error_ms = wall_error_ms
        self.suspended_until_ms = 0
        """True time until which the machine stands still: nothing that sleeps wakes before."""

    def monotonic_ms(self) -> int:
        """Elapsed time as this machine measures it."""
        true = self._loop.now_ms()
        return self._started_ms + true + true * self._drift // 1000

    def wall_ms(self) -> int:
        """What the machine takes for the time of day."""
        return EPOCH_MS + self.wall_error_ms + self.monotonic_ms()

    async def sleep(self, milliseconds: int) -> None:
        """Let that much of the machine's time pass."""
        await asyncio.sleep(max(0, milliseconds) / 1000 * 1000 / (1000 + self._drift) + 0.0005)
        await self.awake()

    async def awake(self) -> None:
        """Wait while the machine is suspended."""
        while self.suspended_until_ms > self._loop.now_ms():
            await asyncio.sleep((self.suspended_until_ms - self._loop.now_ms()) / 1000 + 0.0005)


class VenueWire:
    """The wire of one process to a venue, in virtual time. ``before`` and ``after`` are called around each request."""

    def __init__(
        self,
        venue: Venue,
        loop: VirtualLoop,
        clock: MachineClock,
        *,
        before: Callable[[HttpRequest], None] | None = None,
        after: Callable[[HttpRequest, Sent], None] | None = None,
    ) -> None:
        self._venue = venue
        self._loop = loop
        self._clock = clock
        self._before = before
        self._after = after

    async def send(self, request: HttpRequest) -> HttpResponse:
        """See ``Wire.send``."""
        if self._before is not None:
            self._before(request)
        await self._clock.awake()
        parts = urlsplit(request.url)
        now = self._loop.now_ms()
        self._venue.advance(now)
        headers = {name.lower(): value for name, value in request.headers.items()}
        sent = self._venue.send(
            Request(method=request.method, path=parts.path, query=parts.query, headers=headers, body=request.body), now
        )
        while (missing := sent.at_ms - self._loop.now_ms()) > 0:
            await asyncio.sleep(missing / 1000)
        self._venue.advance(self._loop.now_ms())
        await self._clock.awake()
        if self._after is not None:
            self._after(request, sent)
        return _answer(sent)


def _answer(sent: Sent) -> HttpResponse:
    delivery = sent.delivery()
    if delivery.trouble is None and delivery.answer is not None:
        return HttpResponse(
            status=delivery.answer.status, headers=dict(delivery.answer.headers), body=delivery.answer.body
        )
    if delivery.trouble in NEVER_LEFT:
        raise NotSent(f"{sent.request.method}: no connection ({delivery.trouble})")
    raise InDoubt(f"{sent.request.method}: no whole answer ({delivery.trouble or Ending.TIMEOUT})")
