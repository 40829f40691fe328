"""One account's apply in this process and in virtual time: the real program, the simulated exchange, a real disk."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from reconcile.connect.secrets import Credentials
from reconcile.errors import InDoubt
from reconcile.exchanges.base import Writer
from reconcile.exchanges.http.limits import Budget, Limit, Limits
from reconcile.exchanges.http.wire import HttpRequest, HttpResponse
from reconcile.exchanges.registry import connect
from reconcile.journal.file.disk import SystemDisk
from reconcile.journal.file.store import FileStore
from reconcile.model.account import DesiredAccount
from reconcile.model.plan import Result
from reconcile.sandbox.binance.rules import BinanceRules
from reconcile.sandbox.books import Books
from reconcile.sandbox.demo import fleet
from reconcile.sandbox.http import Request
from reconcile.sandbox.registry import simulated
from reconcile.sandbox.values import View
from reconcile.sandbox.venue import Venue
from reconcile.usecases import apply as applying
from reconcile.usecases.world import Connection, World

T = TypeVar("T")
PLENTY = 10**9
EPOCH_MS = 1_767_225_600_000
HOUR_MS = 3_600_000
LATENCY_MS = 20


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer when nothing is ready."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self._now = max(self._now, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


class VirtualClock:
    """The loop's time as the machine's and the exchange's."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def monotonic_ms(self) -> int:
        """Virtual milliseconds."""
        return round(self._loop.time() * 1000)

    def wall_ms(self) -> int:
        """The same as a time of day."""
        return EPOCH_MS + self.monotonic_ms()

    async def sleep(self, milliseconds: int) -> None:
        """Costs nothing."""
        await asyncio.sleep(milliseconds / 1000 + 1e-6)


class VenueWire:
    """The way to a venue, in virtual time."""

    def __init__(self, venue: Venue, clock: VirtualClock) -> None:
        self._venue = venue
        self._clock = clock
        self.cpu_seconds = 0.0
        """What the exchange itself has used."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """See ``Wire.send``."""
        parts, now = urlsplit(request.url), self._clock.wall_ms()
        headers = {name.lower(): value for name, value in request.headers.items()}
        began = time.process_time()
        self._venue.advance(now)
        sent = self._venue.send(
            Request(method=request.method, path=parts.path, query=parts.query, headers=headers, body=request.body), now
        )
        self.cpu_seconds += time.process_time() - began
        while (missing := sent.at_ms - self._clock.wall_ms()) > 0:
            await self._clock.sleep(missing)
        began = time.process_time()
        self._venue.advance(self._clock.wall_ms())
        self.cpu_seconds += time.process_time() - began
        answer = sent.delivery().answer
        if answer is None:
            raise InDoubt(f"{request.method}: no answer")
        return HttpResponse(status=answer.status, headers=dict(answer.headers), body=answer.body)


class Unbound(Limits):
    """Limits so wide that none ever binds."""

    def budget(self, limit: Limit, *, host: str, owner: str) -> Budget:
        """As asked for, but never full."""
        return super().budget(replace(limit, capacity=PLENTY), host=host, owner=owner)


def applied(desired: DesiredAccount, *, positions: int, home: Path) -> tuple[Result, float]:
    """``reconcile apply --auto-approve`` of one account of a fleet, nothing goes wrong; its result and CPU seconds,
    without those of the exchange."""
    audit, Books.check = Books.check, _unaudited  # type: ignore[method-assign]
    try:
        loop = VirtualLoop()  # without asyncio's runner, which prints the result to look up a signal handler
        found = loop.run_until_complete(_applied(desired, positions, home))
        loop.close()
        return found
    finally:
        Books.check = audit  # type: ignore[method-assign]


async def _applied(desired: DesiredAccount, positions: int, home: Path) -> tuple[Result, float]:
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise TypeError("this is for virtual time")
    clock = VirtualClock(loop)
    row = simulated(desired.exchange)
    (account,) = fleet(desired.exchange, _AllIsolated(), accounts=1, positions=positions, now_ms=EPOCH_MS - HOUR_MS)
    switches = row.switched({"weight_limit": None, "weight_header_lost": True})
    wire = VenueWire(Venue(dialect=row.dialect([account], switches), latency_ms=LATENCY_MS), clock)
    dice = random.Random(1)

    def connected(wanted: DesiredAccount, read_only: bool) -> Connection[Writer]:  # noqa: FBT001 - as World has it
        writer = connect(
            wanted.exchange,
            wire=wire,
            credentials=Credentials(key=account.key, secret=account.secret, passphrase=account.passphrase),
            clock=clock,
            url="https://exchange.example",
            demo=False,
            product=wanted.product,
            limits=Unbound(clock),
            dice=dice,
            read_only=read_only,
        )
        return Connection(adapter=writer, identify=lambda _: "fleet", cold_fence=False)

    world = World(
        env={},
        home=home,
        clock=clock,
        store=FileStore(home, SystemDisk(), clock, run_blocking=_inline),
        dice=dice,
        connect=connected,
        progress=lambda _: None,
        host="here",
        actor="benchmark",
        version="0",
    )
    began = time.process_time()
    result = await applying.apply(world, [desired], reason=None, git_commit=None, confirm=None)
    return result, time.process_time() - began - wire.cpu_seconds


class _AllIsolated(BinanceRules):
    """The rules of an account without a crossed position, which need not look for one at every call."""

    def addable(self, view: View, asset: str) -> Decimal:
        """All that is free."""
        return view.cross[asset]


def _unaudited(self: Books, asset: str) -> None:
    """What the sandbox looks for after every operation, and finds in the tests."""


async def _inline(work: Callable[[], T]) -> T:
    return work()
