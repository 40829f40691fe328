"""One world in which the real program is run: its time, its wire and its disk are simulated, everything else is as is.

``Simulation`` plays a schedule: it starts the program as often as the schedule says, lets happen what the schedule
says, and writes down every margin call with its moment, so that the oracle can judge. Nothing is random but what the
schedule's seed decides. A process that is dead does nothing any more: its disk answers nothing, its wire sends
nothing, and what it still runs is only Python unwinding.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from reconcile.concurrency import Stop
from reconcile.connect.secrets import Credentials
from reconcile.errors import InDoubt, NotSent, ReconcileError
from reconcile.exchanges.base import Call, Writer
from reconcile.exchanges.catalogue import TRAITS
from reconcile.exchanges.http.limits import Limits
from reconcile.exchanges.http.wire import HttpRequest, HttpResponse
from reconcile.exchanges.registry import connect
from reconcile.journal.file.store import CHANGED_MS, FileStore
from reconcile.journal.identity import identity, is_notes
from reconcile.journal.records import Intent, Unsettled
from reconcile.model.account import DesiredAccount, Position
from reconcile.model.drift import AccountDrift
from reconcile.model.plan import AccountPlan, AccountResult, Entry, Plan, Step
from reconcile.money import ZERO
from reconcile.sandbox import faults
from reconcile.sandbox.demo import account_of
from reconcile.sandbox.faults import NO_FAULT, Ending, Fault
from reconcile.sandbox.http import FRESH, Answer, Lag, Request, Responder, SandboxAccount
from reconcile.sandbox.registry import simulated
from reconcile.sandbox.values import View
from reconcile.sandbox.venue import SentRequest, TimelineEvent, Venue
from reconcile.usecases import apply as applying
from reconcile.usecases import plan as planning
from reconcile.usecases import status
from reconcile.usecases.drift import drift
from reconcile.usecases.further import Further
from reconcile.usecases.watch.news import is_urgent
from reconcile.usecases.world import Connection, World
from tests.simulation.declare import address_of, declared
from tests.simulation.disk import SimulatedDisk, SimulatedProcess
from tests.simulation.hits import VALIDITY_MS, in_span, read_fault, write_fault
from tests.simulation.loop import VirtualLoop
from tests.simulation.machine import EPOCH_MS, Killed, MachineClock
from tests.simulation.others import act
from tests.simulation.schedule import CRASHES, DISK, FORGETS, MACHINE, SPAN, TIME, WRITE, Go, Happening, Schedule
from tests.simulation.small import ASSET, small_books

T = TypeVar("T")
HOME = Path("/home/reconcile")
NAME = "main"
URL = "https://exchange.example"
LONGEST_MS = 3_600_000
"""No run takes longer than an hour of virtual time; one that does is a failure."""
PUT_BACK_MS = 2 * CHANGED_MS
"""How long after a record nobody has put back a journal yet: by the file's time of change it would not show."""
CALM_LATENCY_MS = 20
LOOK_MS = 5_100
"""How old a look may be when something is sent on it, and a little for clocks that run wrong."""
NEVER_LEFT = faults.NEVER_LEFT
_MOVES = {"write", "truncate", "flush", "flush_folder", "rename"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One margin call that left (or tried to): the oracle's own record of it."""

    run: int
    home: int
    address: str
    action: str
    amount: Decimal | None
    signed_ms: int
    sent_ms: int = 0
    serial: int = 0
    arrives: tuple[int, ...] = ()
    answered: bool = False
    queued_ms: int = 0
    """How long after its arrival an accepted call takes effect."""


@dataclass(slots=True, kw_only=True)
class Ran:
    """One run of the program and how it ended; ``result`` None where it was killed or failed with ``error``."""

    number: int
    go: Go
    calm: bool
    started_ms: int
    ended_ms: int = 0
    killed: bool = False
    result: AccountResult | None = None
    plan: Plan | None = None
    drift: AccountDrift | None = None
    error: BaseException | None = None
    writes: int = 0
    troubles: int = 0
    """How many happenings hit it."""
    looks: int = 0
    """How many looks at positions there were before it."""
    stopped_ms: int | None = None
    """When it was asked to stop."""
    free: Decimal = ZERO
    """The free balance at its end."""
    holds: list[tuple[int, str]] = field(default_factory=list)
    """When it said that it waits since a reading does not add up, and what it said."""
    missing: Decimal = ZERO
    """What all additions together were still short of at its end."""


@dataclass(slots=True, eq=False)
class _Process:
    run: Ran
    disk: SimulatedProcess
    clock: MachineClock
    task: "asyncio.Task[None] | None" = None
    stop: Stop = field(default_factory=Stop)
    dead: bool = False


class Simulation:
    """A world on its way through a schedule."""

    def __init__(self, schedule: Schedule, *, watch: bool = False) -> None:
        """``watch`` keeps a timeline, which costs time."""
        self.schedule = schedule
        self.loop = VirtualLoop()
        self.loop.set_exception_handler(_quiet)
        self.books = small_books(schedule)
        kind = simulated(schedule.exchange)
        self.account: SandboxAccount = account_of(schedule.exchange, NAME, self.books)
        self.venue = Venue(
            dialect=_Watched(self, kind.dialect([self.account], kind.switched(dict(schedule.switches)))),
            faults=self,
            clock=self.exchange_ms,
            latency_ms=schedule.latency,
            timeline=[] if watch else None,
        )
        self.desired: DesiredAccount = declared(schedule)
        """The state file as runs that are not ``revised`` read it."""
        self.disks: dict[int, SimulatedDisk] = {}
        self.ran: list[Ran] = []
        self.written: list[Written] = []
        self.spoilt: list[tuple[int, int, str]] = []
        """Homes whose journal was spoilt, when, and how."""
        self.broken: list[str] = []
        """What the world itself noticed to be wrong, while it went on."""
        self.reached: list[tuple[str, int]] = []
        """Every point that a happening could have named, in order: kind and number."""
        self.lines: list[tuple[int, str, str]] | None = [] if watch else None
        """With ``watch``: when (ms), who, what."""
        self.last_fault = ""
        """The kind of the last fault: where it happened and how; empty before the first."""
        self.calm = False
        self.free_after: dict[int, Decimal] = {}
        """By request: the free balance once it had arrived."""
        self.seen: dict[int, tuple[View, ...]] = {}
        """By request, in a schedule with bands: every state that the look before it can have shown."""
        self._spans = [each for each in schedule.happenings if each.where == SPAN]
        self._armed = {(each.where, each.n): each for each in schedule.happenings if each.where not in {TIME, SPAN}}
        self._counts: Counter[str] = Counter()
        self._calls: dict[int, Written] = {}
        self._kept: list[Call] = []
        self._fault: Fault = NO_FAULT
        self._processes: list[_Process] = []
        self._replica = 0
        self._copies: dict[int, list[bytes]] = {}
        for each in schedule.happenings:
            if each.where == TIME and each.how not in MACHINE:
                self.venue.at(each.n, self._other(each))

    def exchange_ms(self, now_ms: int) -> int:
        """What the exchange's clock shows at a true moment."""
        return EPOCH_MS + self.schedule.ahead + now_ms + now_ms * self.schedule.drift // 1000

    # ---- what the explorers call ---------------------------------------------------------------------------------

    def play(self) -> "Simulation":
        """The schedule's own runs, to their end."""
        self.loop.run_until_complete(self._own_runs())
        return self

    def go(self, go: Go) -> Ran:
        """One run, to its end."""
        return self.loop.run_until_complete(self._start(go))

    def then(self, go: Go) -> Ran:
        """One more run of the schedule's own, to its end."""
        self.schedule = replace(self.schedule, runs=(*self.schedule.runs, go))
        return self.go(go)

    def arm(self, each: Happening) -> None:
        """Add a happening, to the schedule too; ``n`` counts from now on."""
        if each.where == TIME:
            each = replace(each, n=self.loop.now_ms() + each.n)
            self.venue.at(each.n, self._other(each))
        self.schedule = replace(self.schedule, happenings=(*self.schedule.happenings, each))
        if each.where != TIME:
            self._armed[each.where, self._counts[each.where] + each.n] = each

    def pass_time(self, milliseconds: int) -> None:
        """Let nothing be done for so long."""
        self.loop.run_until_complete(asyncio.sleep(milliseconds / 1000))

    def rest(self) -> None:
        """Let everything be over that others were to do; from then on nothing goes wrong any more."""
        last = max((each.n for each in self.schedule.happenings if each.where == TIME), default=0)
        self.pass_time(max(0, last - self.loop.now_ms()) + 1)
        self.venue.advance(self.loop.now_ms())
        self.venue.latency_ms = min(self.venue.latency_ms, CALM_LATENCY_MS)
        self.calm = True

    def undisturbed(self) -> Ran | None:
        """The last of the schedule's own runs, if it was as one after them is: nothing happened while it ran, or was
        still to happen or to arrive when it began. None where that is not sure."""
        if not self.ran or not self.schedule.runs:
            return None
        ran, go = self.ran[-1], self.schedule.runs[-1]
        alone = ran.go is go and (go.command, go.beside) == ("apply", False)
        if not alone or self.schedule.replicas or ran.killed or ran.troubles:
            return None
        moments = [each.n for each in self.schedule.happenings if each.where == TIME]
        moments += [moment for call in self.written for moment in call.arrives if call.run != ran.number]
        return ran if max(moments, default=-1) < ran.started_ms else None

    def let_arrive(self) -> None:
        """Let everything that is under way arrive."""
        while (due := self.venue.next_due()) is not None:
            self.pass_time(max(0, due - self.loop.now_ms()) + 1)
            self.venue.advance(self.loop.now_ms())

    def close(self) -> None:
        """Give the loop back."""
        self.loop.end()

    def journal(self, home: int = 0) -> bytes:
        """The journal's file as a reader sees it now; empty where there is none."""
        disk = self.disks.get(home)
        if disk is None:
            return b""
        path = next((path for path in disk.paths() if path.suffix == ".jsonl" and not is_notes(path.stem)), None)
        return b"" if path is None else disk.content(path)

    # ---- runs ----------------------------------------------------------------------------------------------------

    async def _own_runs(self) -> None:
        before: asyncio.Task[Ran] | None = None
        started: list[asyncio.Task[Ran]] = []
        for number, go in enumerate(self.schedule.runs):
            if before is not None and not go.beside:
                await before
            if any((each.where, each.n) == ("journal", number) for each in self.schedule.happenings):
                await asyncio.sleep(PUT_BACK_MS / 1000)
            self._spoil_journal(number, go)
            task = asyncio.ensure_future(self._start(go))
            started.append(task)
            before = task
            if number + 1 < len(self.schedule.runs) and self.schedule.runs[number + 1].beside:
                await asyncio.sleep(0)
        for task in started:
            await task

    async def _start(self, go: Go) -> Ran:
        await asyncio.sleep(go.wait / 1000)
        number = len(self.ran)
        ran = Ran(number=number, go=go, calm=self.calm, started_ms=self.loop.now_ms(), looks=self._counts["positions"])
        self.ran.append(ran)
        clock = MachineClock(self.loop, drift=go.drift, wall_error_ms=go.wall)
        process = _Process(ran, self._disk(go.home).process(str(number), wall_ms=clock.wall_ms), clock)
        self._processes.append(process)
        self._say(number, f"starts on host {go.host}")
        commands = {"apply": self._apply, "plan": self._plan, "drift": self._drift, "resolve": self._resolve}
        process.task = asyncio.ensure_future(commands[go.command](process))
        timers = [] if self.calm else self._timers(process)
        done, _ = await asyncio.wait([process.task], timeout=LONGEST_MS / 1000)
        for timer in timers:
            timer.cancel()
        self._ended(process, over=bool(done))
        return ran

    def _ended(self, process: _Process, *, over: bool) -> None:
        ran, task = process.run, process.task
        ran.ended_ms = self.loop.now_ms()
        ran.killed = process.dead
        self.venue.advance(ran.ended_ms)
        ran.free, ran.missing = self.books.cross[ASSET], self._missing(ran.go)
        if not over:
            self.broken.append(f"run {ran.number} took longer than {LONGEST_MS} ms")
        elif task is not None and not process.dead:
            ran.error = None if task.cancelled() else task.exception()
        self._processes.remove(process)
        if not process.dead:
            self._disk_of(process).kill(process.disk)
        code = ran.result.exit_code if ran.result else ran.go.command
        how = "is dead" if ran.killed else f"ends with {ran.error or code}"
        self._say(ran.number, how)

    def _missing(self, go: Go) -> Decimal:
        """How much all addresses together have less than a run declares."""
        books, missing = self.books, ZERO
        for number, aim in enumerate(self.schedule.aims):
            address = address_of(self.schedule, number)
            live = books.margin(address.symbol, address.side.value)
            missing += max(ZERO, aim.declared(revised=go.revised) - live)
        return missing

    async def _apply(self, process: _Process) -> None:
        desired = self._declared(process)
        limits = self.schedule.limits
        every_ms = 0 if limits is None else limits.meanwhile_ms
        result = await applying.apply(
            self._world(process),
            [desired],
            reason=None,
            git_commit=None,
            confirm=None,
            further=Further(every_ms=every_ms, wants=_urgent) if every_ms else None,
        )
        process.run.result = result.accounts[0]

    async def _plan(self, process: _Process) -> None:
        process.run.plan = await planning.plan(
            self._world(process), [self._declared(process)], targets=(), overrides={}, expires_ms=1, git_commit=None
        )

    async def _drift(self, process: _Process) -> None:
        (process.run.drift,) = await drift(self._world(process), [self._declared(process)])

    async def _resolve(self, process: _Process) -> None:
        """A person says of the first open step what its request has done by now."""
        world = self._world(process)
        with suppress(ReconcileError):
            item = next(self._open_steps(world), None)
            if item is not None:
                address, applied = str(item.intent.address), self._took_effect(item.intent)
                await status.resolve(world, address=address, applied=applied, reason="looked")

    @staticmethod
    def _open_steps(world: World) -> Iterator[Unsettled]:
        for name in world.store.identities():
            if not is_notes(name):
                yield from world.store.read(name).unsettled.values()

    def _took_effect(self, intent: Intent) -> bool:
        self.venue.advance(self.loop.now_ms())
        signed = (str(intent.address), intent.signed_at_ms)
        mine = {call.serial for call in self.written if (call.address, call.signed_ms) == signed}
        return any(effect.request in mine for effect in self.books.effects if effect.actor == "api")

    def _declared(self, process: _Process) -> DesiredAccount:
        go = process.run.go
        desired = declared(self.schedule, revised=True) if go.revised else self.desired
        return replace(desired, name=go.label)

    def _world(self, process: _Process) -> World:
        dice = random.Random(self.schedule.seed * 1_000 + process.run.number)
        limits = Limits(process.clock)
        secrets = Credentials(
            key=self.account.key, secret=self.account.secret, passphrase=self.account.passphrase or None
        )
        wire = _Wire(self, process)

        def connected(desired: DesiredAccount, read_only: bool) -> Connection[Writer]:  # noqa: FBT001 - as World has it
            writer = connect(
                desired.exchange,
                wire=wire,
                credentials=secrets,
                clock=process.clock,
                url=URL,
                demo=False,
                product=desired.product,
                limits=limits,
                dice=dice,
                read_only=read_only,
            )
            if reach := self.schedule.ledger.reach:
                writer.traits = replace(writer.traits, ledger_reach_ms=reach)
            prepare = writer.prepare

            def spy(step: Step, amount: Decimal | None, position: Position | None, *, signed_at_ms: int) -> Call:
                call = prepare(step, amount, position, signed_at_ms=signed_at_ms)
                self._kept.append(call)
                self._calls[id(call.request)] = Written(
                    run=process.run.number,
                    home=process.run.go.home,
                    address=str(step.address),
                    action=step.action,
                    amount=amount,
                    signed_ms=signed_at_ms,
                )
                return call

            writer.prepare = spy  # type: ignore[method-assign]
            return Connection(
                adapter=writer, identify=lambda uid: self._identify(uid, process.run.go.label), cold_fence=True
            )

        return World(
            env={},
            home=HOME,
            clock=process.clock,
            store=FileStore(HOME, process.disk, process.clock, run_blocking=self._blocking),
            dice=dice,
            connect=connected,
            progress=self._progress(process),
            stop=process.stop,
            host=process.run.go.host,
            actor=f"run {process.run.number}",
            version="0",
            parallelism=4,
            lock_timeout_ms=600_000,
        )

    def _identify(self, uid: str | None, label: str) -> str:
        return identity(
            account_name=label,
            exchange=self.schedule.exchange,
            endpoint_kind="live",
            product=self.desired.product,
            uid=uid,
            api_key=self.account.key,
        )

    async def _blocking(self, work: Callable[[], T]) -> T:
        """The disk's work, done at the end of the time it takes, or by an odd seed at its start: what is written in
        that time is then not covered by a flush."""
        slow_ms = 0 if self.calm else self.schedule.flush
        if self.schedule.seed % 2:
            done = work()
            if slow_ms:
                await asyncio.sleep(slow_ms / 1000)
            return done
        if slow_ms:
            await asyncio.sleep(slow_ms / 1000)
        return work()

    # ---- what happens --------------------------------------------------------------------------------------------

    def happening(self, where: str) -> Happening | None:
        """Count a point that was reached; what the schedule has for it."""
        if self.calm:
            return None
        number = self._counts[where] = self._counts[where] + 1
        self.reached.append((where, number))
        each = self._armed.get((where, number)) or self._armed.get((where, 0)) or self._in_span(where)
        if each is not None:
            self.last_fault = each.kind
            for process in self._processes:
                process.run.troubles += 1
        return each

    def _in_span(self, where: str) -> Happening | None:
        """What a span of time does to a request that is sent now."""
        now = self.loop.now_ms()
        spans = (each for each in self._spans if each.n <= now < each.n + each.value)
        found = (in_span(each, where, self.schedule.grace) for each in spans if where not in DISK)
        return next((each for each in found if each is not None), None)

    def pick(self, request: Request) -> Fault:  # noqa: ARG002 - the venue asks through the protocol of its faults
        """The fault of the request that is being sent right now."""
        return self._fault

    def die(self, process: _Process, *, power: bool) -> None:
        """The process ends here, or all of its machine."""
        disk = self.disks[process.run.go.home]
        victims = [each for each in self._processes if each is process or (power and self._disk_of(each) is disk)]
        for victim in victims:
            victim.dead = True
            self._say(victim.run.number, "loses power" if power else "is killed")
            disk.kill(victim.disk)
        if power:
            disk.power_loss()
        for victim in victims:
            if victim.task is not None:
                victim.task.cancel()

    def _timers(self, process: _Process) -> list[asyncio.TimerHandle]:
        """What the schedule does to this run's process at a moment."""
        now = self.loop.now_ms()
        wanted = [
            each
            for each in self.schedule.happenings
            if each.where == TIME and each.how in MACHINE and each.on == process.run.number and each.n >= now
        ]
        return [self.loop.call_later((each.n - now) / 1000, self._machine, process, each) for each in wanted]

    def _machine(self, process: _Process, each: Happening) -> None:
        if process.dead:
            return
        self.last_fault = each.kind
        match each.how:
            case "stop":
                self._say(process.run.number, "is asked to stop")
                process.run.stopped_ms = self.loop.now_ms()
                process.stop.set()
            case "suspend":
                self._say(process.run.number, f"is suspended for {each.value} ms")
                process.clock.suspended_until_ms = self.loop.now_ms() + each.value
            case "wall":
                process.clock.wall_error_ms += each.value
            case "lock_replaced":
                disk = self.disks[process.run.go.home]
                for path in [path for path in disk.paths() if path.suffix == ".lock"]:
                    disk.remove(path)
            case _:
                self.die(process, power=each.how == "power")

    def _other(self, each: Happening) -> Callable[[int], None]:
        def happen(exchange_ms: int) -> None:
            self.last_fault = each.kind
            act(self.books, self.schedule, each, exchange_ms)
            self._say(None, f"{each.how} {each.value or ''}")

        return happen

    def _disk(self, home: int) -> SimulatedDisk:
        if home not in self.disks:
            disk = SimulatedDisk(self.schedule.seed + home)
            disk.before = self._before_disk
            self.disks[home] = disk
        return self.disks[home]

    def _disk_of(self, process: _Process) -> SimulatedDisk:
        return self.disks[process.run.go.home]

    def _before_disk(self, name: str, operation: str, path: Path) -> None:
        if self.calm or operation not in _MOVES:
            return
        is_flush = operation in {"flush", "flush_folder"}
        where = "lock" if path.suffix == ".lock" else "flush" if is_flush else "line"
        each = self.happening(where)
        if each is None:
            return
        process = next(each for each in self._processes if str(each.run.number) == name)
        disk = self._disk_of(process)
        self._say(process.run.number, f"{operation} {path.name}: {each.how}")
        match each.how:
            case "full":
                raise OSError(28, "no space left on device")
            case "failing":
                disk.failing_flushes = 1 if operation == "flush" else 0
            case _:
                self.die(process, power=each.how.startswith("power"))
                raise Killed

    def _spoil_journal(self, number: int, go: Go) -> None:
        """What happens to the journal's file between two runs: lost, put back as it was, or cut."""
        disk = self.disks.get(go.home)
        if disk is None:
            return
        path = next((path for path in disk.paths() if path.suffix == ".jsonl" and not is_notes(path.stem)), None)
        if path is None:
            return
        copies = self._copies.setdefault(go.home, [])
        copies.append(disk.content(path))
        for each in self.schedule.happenings:
            if each.where != "journal" or each.n != number:
                continue
            self.last_fault = each.kind
            self._say(None, f"the journal is {each.how}")
            self.spoilt.append((go.home, self.loop.now_ms(), each.how))
            if each.how == "lost":
                disk.remove(path)
            elif each.how == "rolled_back":
                disk.replace(path, copies[0], changed_ms=EPOCH_MS + self.loop.now_ms())
            else:
                lines = copies[-1].splitlines(keepends=True)
                cut = b"".join(lines[: max(1, len(lines) - max(1, each.value))])
                disk.replace(path, cut, changed_ms=EPOCH_MS + self.loop.now_ms())

    def has_lost(self, call: Written, ran: Ran, *, how: Collection[str]) -> bool:
        """Whether the journal that a run reads was spoilt in one of these ways after a call."""
        return any(
            home == ran.go.home and call.sent_ms <= at_ms <= ran.started_ms and way in how
            for home, at_ms, way in self.spoilt
        )

    # ---- sending -------------------------------------------------------------------------------------------------

    def submit(self, process: _Process, request: HttpRequest, where: str, each: Happening | None) -> SentRequest:
        """Hand a request to the venue, with what the schedule has for it, and note a margin call."""
        now = self.loop.now_ms()
        self._fault = self._fault_of(where, each, request.body)
        self.venue.advance(now)
        path, _, query = request.url.removeprefix(URL).partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        sent = self.venue.send(
            Request(method=request.method, path=path, query=query, headers=headers, body=request.body), now
        )
        if where == WRITE:
            self._note(process, request, sent)
        return sent

    def _fault_of(self, where: str, each: Happening | None, body: bytes) -> Fault:
        if where == WRITE:
            if each is None:
                return NO_FAULT
            if each.how in CRASHES:
                return Fault(arrives_ms=(each.value,))
            return write_fault(self.schedule.exchange, each, body)
        crashes = each is None or each.how in CRASHES
        fault = NO_FAULT if each is None or crashes else read_fault(self.schedule.exchange, each)
        if fault.lag is not FRESH or self.calm or not self.schedule.replicas:
            return fault
        return replace(fault, lag=self._replica_lag())

    def _replica_lag(self) -> Lag:
        """How far behind the replica is whose turn it is."""
        replicas = self.schedule.replicas
        self._replica += 1
        positions, ledger = replicas[(self._replica - 1) % len(replicas)]
        return Lag(positions_ms=positions, balances_ms=positions, ledger_ms=ledger)

    def _note(self, process: _Process, request: HttpRequest, sent: SentRequest) -> None:
        process.run.writes += 1
        call = replace(
            self._calls[id(request)],
            sent_ms=self.loop.now_ms(),
            serial=sent.request.serial,
            arrives=tuple(moment + sent.fault.queued_ms for moment in sent.arrives),
            answered=sent.ending is Ending.TRUE and sent.fault.reply is None,
            queued_ms=sent.fault.queued_ms,
        )
        self._check_alone(call)
        self.written.append(call)

    def _check_alone(self, call: Written) -> None:
        """Nothing that was sent on this lane before may still take effect, whatever the journal knows of it.

        Outside the assumptions only what the journal knows counts.
        """
        outside = self.schedule.outside
        traits = TRAITS[self.schedule.exchange]
        now = self.loop.now_ms()
        for earlier in self.written:
            same = call.address == earlier.address
            if traits.lane.value == "symbol":
                same = call.address.rpartition(".")[0] == earlier.address.rpartition(".")[0]
            if not same or earlier.amount is None:
                continue
            ran = self.ran[call.run]
            if outside and (earlier.home != call.home or self.has_lost(earlier, ran, how=FORGETS)):
                continue
            end = earlier.signed_ms + VALIDITY_MS[self.schedule.exchange] + earlier.queued_ms
            known = earlier.arrives[:1] if earlier.answered else earlier.arrives  # nobody tells of a repetition
            if any(now < moment and self.exchange_ms(moment) <= end for moment in known):
                self.broken.append(
                    f"two margin calls under way on {call.address}: requests {earlier.serial}, {call.serial}"
                )

    # ---- watching ------------------------------------------------------------------------------------------------

    def note(self, process: _Process, text: str) -> None:
        """A line of the timeline, from a process."""
        self._say(process.run.number, text)

    def _progress(self, process: _Process) -> Callable[[str], None]:
        def tell(line: str) -> None:
            if " is held: the margin reads " in line:
                process.run.holds.append((self.loop.now_ms(), line))
            self._say(process.run.number, f"says: {line}")

        return tell

    def _say(self, run: int | None, text: str) -> None:
        if self.lines is not None:
            self.lines.append((self.loop.now_ms(), "others" if run is None else f"run {run}", text))

    def events(self) -> list[TimelineEvent]:
        """What the venue saw, with ``watch``."""
        return self.venue.timeline or []


class _Watched:
    """The exchange, and what each margin call leaves of the free balance."""

    def __init__(self, simulation: Simulation, dialect: Responder) -> None:
        self._simulation = simulation
        self._dialect = dialect

    def handle(self, request: Request, now_ms: int, lag: Lag = FRESH) -> Answer:
        """See ``Responder.handle``."""
        simulation = self._simulation
        if request.method != "GET" and simulation.schedule.limits is not None:
            simulation.seen[request.serial] = tuple(states(simulation, now_ms))
        answer = self._dialect.handle(request, now_ms, lag)
        if request.method != "GET":
            simulation.free_after[request.serial] = simulation.books.cross[ASSET]
        return answer


def states(simulation: Simulation, now_ms: int) -> Iterator[View]:
    """Every state of the account that a look can have shown on which a call was sent that arrives now."""
    schedule = simulation.schedule
    since = now_ms - LOOK_MS - schedule.lag - VALIDITY_MS[schedule.exchange]
    moments = {simulation.exchange_ms(each.n) for each in schedule.happenings if each.where == TIME}
    moments |= {effect.time_ms for effect in simulation.books.effects}
    for moment in sorted({since, now_ms, *(each for each in moments if since < each < now_ms)}):
        state = simulation.books.as_of(moment)
        yield replace(state, markets=dict(state.markets), positions=dict(state.positions))


class _Wire:
    """The wire of one process."""

    def __init__(self, simulation: Simulation, process: _Process) -> None:
        self._simulation = simulation
        self._process = process

    async def send(self, request: HttpRequest) -> HttpResponse:
        """See ``Wire.send``."""
        simulation, process = self._simulation, self._process
        self._live()
        where = point_of(request)
        each = simulation.happening(where)
        crash = each.how if each is not None and each.how in {*CRASHES, "kill_queued_sent"} else ""
        if crash in {"kill", "power"}:
            self._die(crash)
        await process.clock.awake()
        sent = simulation.submit(process, request, where, each)
        if crash.endswith("_sent"):
            self._die(crash)
        while (missing := sent.at_ms - simulation.loop.now_ms()) > 0:  # noqa: ASYNC110 - time is what is waited for
            await asyncio.sleep(missing / 1000)
        simulation.venue.advance(simulation.loop.now_ms())
        await process.clock.awake()
        self._live()
        if crash:
            self._die(crash)
        return self._answer(sent)

    def _answer(self, sent: SentRequest) -> HttpResponse:
        delivery = sent.delivery()
        if self._simulation.lines is not None:
            self._simulation.note(self._process, f"gets {_shown(sent)}")
        if delivery.trouble is None and delivery.answer is not None:
            answer = delivery.answer
            return HttpResponse(status=answer.status, headers=dict(answer.headers), body=answer.body)
        if delivery.trouble in NEVER_LEFT:
            raise NotSent(f"{sent.request.method}: no connection ({delivery.trouble})")
        raise InDoubt(f"{sent.request.method}: no whole answer ({delivery.trouble or Ending.TIMEOUT})")

    def _live(self) -> None:
        if self._process.dead:
            raise Killed

    def _die(self, crash: str) -> None:
        self._simulation.die(self._process, power=crash.startswith("power"))
        raise Killed


def _shown(sent: SentRequest) -> str:
    delivery = sent.delivery()
    answer = "" if delivery.answer is None else f"{delivery.answer.status} {delivery.answer.body[:400]!r}"
    return f"{sent.request.method} {sent.request.path}: {delivery.trouble or ''} {answer}"


_POINTS = {
    "position": "positions",
    "positions": "positions",
    "positionRisk": "positions",
    "all-position": "positions",
    "balance": "balance",
    "accounts": "balance",
    "history": "ledger",
    "income": "ledger",
    "bills": "ledger",
    "bills-archive": "ledger",
    "bill": "ledger",
    "time": "time",
}


def point_of(request: HttpRequest) -> str:
    """What kind of request it is, in the words of schedules."""
    if request.method != "GET":
        return WRITE
    path = request.url.partition("?")[0]
    return _POINTS.get(path.rpartition("/")[2], "setup")


def _quiet(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What the dead leave behind is nobody's business."""


def _urgent(plan: AccountPlan) -> list[Entry]:
    """What a watch would begin while other steps of the run are under way."""
    return [entry for entry in plan.entries if is_urgent(entry)]
