"""The real program on a simulated machine: everything from ``apply`` down runs unchanged.

A ``Place`` is one exchange account in one world: books, venue, disk and loop. ``Place.process`` starts a fresh process
of the program on a machine of that place, the way a cron job does. What the scenes and the conformance suite stand on.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from reconcile.concurrency import Stop
from reconcile.connect.secrets import Credentials
from reconcile.errors import InDoubt, NotSent
from reconcile.exchanges.base import Writer
from reconcile.exchanges.catalogue import TRAITS
from reconcile.exchanges.http.bans import Bans, NoBans
from reconcile.exchanges.http.limits import Limits
from reconcile.exchanges.http.wire import HttpRequest, HttpResponse
from reconcile.exchanges.registry import connect
from reconcile.journal.file.store import FileStore
from reconcile.model.account import Address, DesiredAccount, MarginType, Policy, PositionMode, Target, Tolerance
from reconcile.model.plan import Plan, Result
from reconcile.sandbox.books import Books
from reconcile.sandbox.demo import account_of
from reconcile.sandbox.faults import NEVER_LEFT, Ending, Faults, NoFaults
from reconcile.sandbox.http import Request
from reconcile.sandbox.registry import simulated
from reconcile.sandbox.venue import SentRequest, Venue
from reconcile.usecases import apply as applying
from reconcile.usecases import plan as planning
from reconcile.usecases.world import Connection, World
from tests.kit.connection import live_connection
from tests.simulation.disk import SimulatedDisk, SimulatedProcess
from tests.simulation.loop import VirtualLoop
from tests.simulation.machine import EPOCH_MS, MachineClock

T = TypeVar("T")
HOME = Path("/home/reconcile")
NAME = "main"
URL = "https://exchange.example"


def _nothing(_: object) -> None:
    """Nobody watches."""


def inline_error(*_: object) -> None:
    """Nobody watches."""


class VenueWire:
    """The wire of one process to a venue, in virtual time. ``before`` and ``after`` are called around each request."""

    def __init__(
        self,
        venue: Venue,
        loop: VirtualLoop,
        clock: MachineClock,
        *,
        before: Callable[[HttpRequest], None] | None = None,
        after: Callable[[HttpRequest, SentRequest], None] | None = None,
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
        while (missing := sent.at_ms - self._loop.now_ms()) > 0:  # noqa: ASYNC110 - time is what is waited for
            await asyncio.sleep(missing / 1000)
        self._venue.advance(self._loop.now_ms())
        await self._clock.awake()
        if self._after is not None:
            self._after(request, sent)
        return _answer(sent)


def _answer(sent: SentRequest) -> HttpResponse:
    delivery = sent.delivery()
    if delivery.trouble is None and delivery.answer is not None:
        return HttpResponse(
            status=delivery.answer.status, headers=dict(delivery.answer.headers), body=delivery.answer.body
        )
    if delivery.trouble in NEVER_LEFT:
        raise NotSent(f"{sent.request.method}: no connection ({delivery.trouble})")
    raise InDoubt(f"{sent.request.method}: no whole answer ({delivery.trouble or Ending.TIMEOUT})")


@dataclass(slots=True, kw_only=True)
class Place:
    """One account's world. ``progress`` collects what the program would have told a person."""

    exchange: str
    books: Books
    loop: VirtualLoop
    seed: int
    faults: Faults = field(default_factory=NoFaults)
    latency_ms: int = 20
    cold_fence: bool = True
    switches: Mapping[str, object] = field(default_factory=dict)
    progress: list[str] = field(default_factory=list)
    bans: Bans = field(default_factory=NoBans)
    venue: Venue = field(init=False)
    disk: SimulatedDisk = field(init=False)

    def __post_init__(self) -> None:
        kind = simulated(self.exchange)
        dialect = kind.dialect([account_of(self.exchange, NAME, self.books)], kind.switched(self.switches))
        self.venue = Venue(
            dialect=dialect, faults=self.faults, clock=lambda now: EPOCH_MS + now, latency_ms=self.latency_ms
        )
        self.disk = SimulatedDisk(self.seed)

    def process(self, name: str = "p", *, host: str = "host", clock: MachineClock | None = None) -> "Process":
        """A fresh process."""
        return Process(place=self, name=name, host=host, clock=clock or MachineClock(self.loop))


@dataclass(slots=True, kw_only=True)
class Process:
    """One run of the program. ``before`` and ``after`` are called around each of its requests."""

    place: Place
    name: str
    host: str
    clock: MachineClock
    before: Callable[[HttpRequest], None] | None = None
    after: Callable[[HttpRequest, SentRequest], None] | None = None
    disk: SimulatedProcess = field(init=False)
    stop: Stop = field(default_factory=Stop)

    def __post_init__(self) -> None:
        self.disk = self.place.disk.process(self.name, wall_ms=self.clock.wall_ms)

    def world(self) -> World:
        """Everything outside, simulated."""
        dice = random.Random(f"{self.place.seed} {self.name}")
        limits = Limits(self.clock, tell=self.place.progress.append, bans=self.place.bans)
        account = account_of(self.place.exchange, NAME, self.place.books)
        secrets = Credentials(key=account.key, secret=account.secret, passphrase=account.passphrase or None)

        def connected(desired: DesiredAccount, read_only: bool) -> Connection[Writer]:  # noqa: FBT001 - as World has it
            writer = connect(
                desired.exchange,
                wire=VenueWire(self.place.venue, self.place.loop, self.clock, before=self.before, after=self.after),
                credentials=secrets,
                clock=self.clock,
                url=URL,
                demo=False,
                product=desired.product,
                limits=limits,
                dice=dice,
                read_only=read_only,
            )
            return live_connection(desired, writer, secrets.key, cold_fence=self.place.cold_fence)

        return World(
            env={},
            home=HOME,
            clock=self.clock,
            store=FileStore(HOME, self.disk, self.clock, run_blocking=inline),
            dice=dice,
            connect=connected,
            progress=self.place.progress.append,
            stop=self.stop,
            host=self.host,
            actor="simulation",
            version="0",
            parallelism=4,
            lock_timeout_ms=600_000,
        )

    async def apply(self, desired: DesiredAccount) -> Result:
        """``reconcile apply --auto-approve``."""
        return await applying.apply(self.world(), [desired], reason=None, git_commit=None, confirm=None)

    async def plan(self, desired: DesiredAccount) -> Plan:
        """``reconcile plan``."""
        return await planning.plan(
            self.world(), [desired], targets=(), overrides={}, expires_ms=3_600_000, git_commit=None
        )


async def inline(work: Callable[[], T]) -> T:
    """What would block a thread happens at once."""
    return work()


def declared(
    exchange: str, targets: Mapping[str, str], *, policy: Policy | None = None, mode: str = "hedge"
) -> DesiredAccount:
    """A state file that declares isolated margins by address; tolerance 0.01 of the asset."""
    return DesiredAccount(
        name=NAME,
        exchange=exchange,
        position_mode=PositionMode(mode),
        endpoint="live",
        product=TRAITS[exchange].products[0] if TRAITS[exchange].products else None,
        credentials="MAIN",
        targets=tuple(
            Target(
                address=Address.parse(address),
                margin_type=MarginType.ISOLATED,
                isolated_margin=Decimal(margin),
                tolerance=Tolerance(value=Decimal("0.01"), percent=False),
            )
            for address, margin in targets.items()
        ),
        policy=policy or Policy(allow_reduce=True, min_liquidation_distance=None, max_margin=None),
        amount_step=None,
        grace_ms=None,
        path="/states/main.toml",
        sha256="0" * 64,
    )
