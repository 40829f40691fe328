"""One small account per exchange and mode, and two ways to run the program against it: in virtual time, over sockets.

The account has five symbols: two with an isolated position of 10 at 100 and a margin of 300 (100 of which must stay),
one flat and isolated, one flat and crossed, one with an open crossed position; 1000 USDT are free. The first symbol
holds both sides in hedge mode; in one-way mode the second position is short.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, TypeVar

from reconcile.clock import SystemClock
from reconcile.connect.secrets import Credentials
from reconcile.exchanges.base import Writer
from reconcile.exchanges.catalogue import TRAITS
from reconcile.exchanges.http.limits import Limits
from reconcile.exchanges.http.wire import HttpRequest, RequestsWire, http_adapter
from reconcile.exchanges.registry import connect
from reconcile.journal.file.disk import SystemDisk
from reconcile.journal.file.store import FileStore
from reconcile.model.account import Address, DesiredAccount, MarginType, Policy, PositionMode, Target, Tolerance
from reconcile.model.plan import Plan, Result
from reconcile.sandbox.books import Books
from reconcile.sandbox.demo import account_of
from reconcile.sandbox.faults import NO_FAULT, Fault
from reconcile.sandbox.http import Request
from reconcile.sandbox.registry import simulated
from reconcile.sandbox.server import SandboxServer
from reconcile.sandbox.values import CROSSED, HEDGE, ISOLATED, Market, Setting, brackets
from reconcile.sandbox.venue import SentRequest, Venue
from reconcile.usecases import apply as applying
from reconcile.usecases import plan as planning
from reconcile.usecases.world import Connection, World
from tests.kit.connection import live_connection
from tests.kit.scene import finish
from tests.simulation.loop import VirtualLoop
from tests.simulation.machine import EPOCH_MS
from tests.simulation.world import NAME, Place

T = TypeVar("T")
D = Decimal
EXCHANGES = ("binance", "okx", "bitget")
MODES = ("hedge", "one-way")
HOUR_MS = 3_600_000
TOLERANCE = D("0.01")
FREE, MARGIN, SIZE, MARK = D(1000), D(300), D(10), D(100)
QUICK_MS = 400
"""Validity and grace over sockets, where a fence would otherwise take half a minute: nothing is late there."""
_BASES = ("BTC", "ETH", "SOL", "XRP", "ADA")
_TIERS = brackets([("50000", "0.005", 75), ("600000", "0.0065", 50)])


@dataclass(frozen=True, slots=True)
class Names:
    """How the account's places are called on one exchange in one mode."""

    exchange: str
    mode: str

    def symbol(self, number: int) -> str:
        """The exchange's name of a symbol."""
        base = _BASES[number]
        return f"{base}-USDT-SWAP" if self.exchange == "okx" else f"{base}USDT"

    def side(self, wanted: str) -> str:
        """A side, as the mode has it."""
        return wanted if self.mode == HEDGE else "net"

    @property
    def first(self) -> str:
        """Long, isolated, 300."""
        return f"{self.symbol(0)}.{self.side('long')}"

    @property
    def other_side(self) -> str:
        """Short, isolated, 300, on the first symbol: in hedge mode only."""
        return f"{self.symbol(0)}.short"

    @property
    def second(self) -> str:
        """Short, isolated, 300."""
        return f"{self.symbol(1)}.{self.side('short')}"

    @property
    def flat(self) -> str:
        """No position; the symbol is isolated."""
        return f"{self.symbol(2)}.{self.side('long')}"

    @property
    def flat_crossed(self) -> str:
        """No position; the symbol is crossed, where a symbol has a type."""
        return f"{self.symbol(3)}.{self.side('long')}"

    @property
    def crossed(self) -> str:
        """Long, crossed, open."""
        return f"{self.symbol(4)}.{self.side('long')}"


def small_account(names: Names) -> Books:
    """The account as it was an hour ago."""
    opened_ms = EPOCH_MS - HOUR_MS
    books = Books(uid="100000001", position_mode=names.mode, rules=simulated(names.exchange).rules)
    for number, base in enumerate(_BASES):
        kind = CROSSED if number > 2 else ISOLATED
        market = Market(symbol=names.symbol(number), asset="USDT", mark=MARK, tiers=_TIERS, base=base, quote="USDT")
        books.add_market(market, setting=Setting(margin_type=kind, leverage=D(10)))
    books.deposit("USDT", D(10_000), now_ms=opened_ms)
    held = [(0, "long", ISOLATED), (1, "short", ISOLATED), (4, "long", CROSSED)]
    if names.mode == HEDGE:
        held.insert(1, (0, "short", ISOLATED))
    for number, side, kind in held:
        sign = -1 if names.mode != HEDGE and side == "short" else 1
        books.open_position(
            names.symbol(number),
            names.side(side),
            SIZE * sign,
            now_ms=opened_ms,
            margin=MARGIN if kind == ISOLATED else None,
            margin_type=kind,
        )
    books.deposit("USDT", FREE - books.rules.available(books.view(), "USDT"), now_ms=opened_ms)
    books.effects.clear()
    return books


def declare(names: Names, targets: Mapping[str, str | None], *, auto_add: bool | None = None) -> DesiredAccount:
    """A state file: isolated margins by address, None for the type alone; ``auto_add`` for all of them."""
    products = TRAITS[names.exchange].products
    return DesiredAccount(
        name=NAME,
        exchange=names.exchange,
        position_mode=PositionMode(names.mode),
        endpoint="live",
        product=products[0] if products else None,
        credentials="MAIN",
        targets=tuple(
            Target(
                address=Address.parse(address),
                margin_type=MarginType.ISOLATED,
                isolated_margin=None if margin is None else D(margin),
                tolerance=Tolerance(value=TOLERANCE, percent=False),
                auto_add=auto_add,
            )
            for address, margin in targets.items()
        ),
        policy=Policy(allow_reduce=True, min_liquidation_distance=None, max_margin=None),
        amount_step=None,
        grace_ms=None,
        path="/nowhere/main.toml",
        sha256="0" * 64,
    )


Happening = Fault | Callable[[Books, int], object]
"""What happens to a write: a fault, or something in the account just before it arrives."""


@dataclass(slots=True)
class Script:
    """What happens to the first, second, … write; after that nothing any more. Counts the writes."""

    happenings: tuple[Happening, ...]
    books: Books
    writes: int = 0

    def pick(self, request: Request) -> Fault:
        """See ``Faults``."""
        if request.method == "GET":
            return NO_FAULT
        self.writes += 1
        each = self.happenings[self.writes - 1] if self.writes <= len(self.happenings) else NO_FAULT
        if isinstance(each, Fault):
            return each
        each(self.books, self.books.now_ms)
        return NO_FAULT


class Stage(Protocol):
    """A running account. ``play`` lets something happen to its end."""

    names: Names
    books: Books
    script: Script

    def play(self, work: Coroutine[Any, Any, T]) -> T:
        """To its end."""
        ...

    async def plan(self, desired: DesiredAccount) -> Plan:
        """``reconcile plan`` in a process of its own."""
        ...

    async def apply(self, desired: DesiredAccount) -> Result:
        """``reconcile apply --auto-approve`` in a process of its own."""
        ...


@dataclass(slots=True)
class Virtual:
    """The program in virtual time. ``flights`` are the writes: body and query, when sent, when answered."""

    names: Names
    happenings: tuple[Happening, ...] = ()
    switches: Mapping[str, object] = field(default_factory=dict)
    latency_ms: int = 40
    books: Books = field(init=False)
    script: Script = field(init=False)
    loop: VirtualLoop = field(default_factory=VirtualLoop)
    place: Place = field(init=False)
    flights: list[tuple[str, int, int]] = field(default_factory=list)
    _processes: int = 0

    def __post_init__(self) -> None:
        self.books = small_account(self.names)
        self.script = Script(self.happenings, self.books)
        self.place = Place(
            exchange=self.names.exchange,
            books=self.books,
            loop=self.loop,
            seed=1,
            faults=self.script,
            cold_fence=False,
            switches=self.switches,
            latency_ms=self.latency_ms,
        )

    def play(self, work: Coroutine[Any, Any, T]) -> T:
        """See ``Stage``."""
        return finish(work, self.loop)

    def _world(self) -> World:
        self._processes += 1
        process = self.place.process(f"p{self._processes}")
        process.after = self._seen
        return process.world()

    def _seen(self, request: HttpRequest, sent: SentRequest) -> None:
        if request.method == "POST":
            self.flights.append((f"{request.url} {request.body.decode()}", sent.sent_ms, sent.at_ms))

    async def plan(self, desired: DesiredAccount) -> Plan:
        """See ``Stage``."""
        return await _plan(self._world(), desired)

    async def apply(self, desired: DesiredAccount) -> Result:
        """See ``Stage``."""
        return await _apply(self._world(), desired)


@dataclass(slots=True)
class Sockets:
    """The program over real HTTP on loopback, in real time."""

    names: Names
    home: Path
    happenings: tuple[Happening, ...] = ()
    books: Books = field(init=False)
    script: Script = field(init=False)
    _server: SandboxServer = field(init=False)

    def __post_init__(self) -> None:
        self.books = small_account(self.names)
        self.script = Script(self.happenings, self.books)
        kind = simulated(self.names.exchange)
        dialect = kind.dialect([account_of(self.names.exchange, NAME, self.books)], kind.switched({}))
        self._server = SandboxServer(Venue(dialect=dialect, faults=self.script))

    def play(self, work: Coroutine[Any, Any, T]) -> T:
        """See ``Stage``."""
        with self._server:
            return asyncio.run(work)

    def _world(self) -> World:
        clock, dice = SystemClock(), random.Random(1)
        account = account_of(self.names.exchange, NAME, self.books)
        secrets = Credentials(key=account.key, secret=account.secret, passphrase=account.passphrase or None)
        traits = replace(TRAITS[self.names.exchange], validity_ms=QUICK_MS, grace_ms=QUICK_MS)

        def connected(desired: DesiredAccount, read_only: bool) -> Connection[Writer]:  # noqa: FBT001 - as World has it
            writer = connect(
                desired.exchange,
                wire=RequestsWire(http_adapter(8), threads=None),
                credentials=secrets,
                clock=clock,
                url=self._server.url,
                demo=False,
                product=desired.product,
                limits=Limits(clock),
                dice=dice,
                traits=traits,
                read_only=read_only,
            )
            return live_connection(desired, writer, secrets.key)

        return World(
            env={},
            home=self.home,
            clock=clock,
            store=FileStore(self.home, SystemDisk(), clock),
            dice=dice,
            connect=connected,
            progress=lambda _line: None,
            host="host",
            actor="conformance",
            version="0",
        )

    async def plan(self, desired: DesiredAccount) -> Plan:
        """See ``Stage``."""
        return await _plan(self._world(), desired)

    async def apply(self, desired: DesiredAccount) -> Result:
        """See ``Stage``."""
        return await _apply(self._world(), desired)


async def _plan(world: World, desired: DesiredAccount) -> Plan:
    return await planning.plan(world, [desired], targets=(), overrides={}, expires_ms=HOUR_MS, git_commit=None)


async def _apply(world: World, desired: DesiredAccount) -> Result:
    return await applying.apply(world, [desired], reason=None, git_commit=None, confirm=None)
