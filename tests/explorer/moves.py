"""What can happen next in a world: every choice that the exchange, the network, a crash or another person has."""

from collections.abc import Iterable, Iterator

from reconcile.protocol import machine
from reconcile.protocol.life import Life
from reconcile.protocol.lifecycle import State
from reconcile.protocol.signals import (
    BrokenOff,
    Done,
    Enter,
    KnowTime,
    Look,
    Now,
    Pause,
    ReadLedger,
    Reserve,
    Reserved,
    Resumed,
    SendCall,
    TakeWire,
    WaitPast,
    WaitUntil,
    Write,
)
from tests.explorer.calls import Calls, on_wire
from tests.explorer.model import START_MS, Scope, Stage, World, is_too_near, search_task, task
from tests.explorer.reading import Reads
from tests.explorer.turns import Move

COLD_FENCE = True
"""Whether a run with a new journal waits until no earlier request can arrive."""


class Exchange(Reads, Calls):
    """The successors of a world, in one scope."""

    def start(self) -> World:
        """The world before the first run."""
        return World(START_MS, (), (), 0, 0, 0, -1, (), (self.scope.faults, self.scope.crashes, self.scope.others))

    def moves(self, world: World) -> Iterator[Move]:
        """Everything that can happen next; nothing once all runs are over."""
        yield from self._others(world)
        if world.life < 0:
            yield from self._run_begins(world)
            return
        yield from self._crash(world)
        stage = self.library.stage(world.life)
        yield from self._turn(world, stage)

    def forget_all_but(self, worlds: Iterable[World]) -> None:
        """Forget what serves none of these worlds."""
        lives, journals = set[int](), set[int]()
        for world in worlds:
            lives.add(world.life)
            journals.add(world.journal)
        self.library.forget_all_but(lives, journals)
        self._remembered.clear()
        self.turned.clear()
        known = {id(stage.life.memory) for stage in self.library.stages()}
        self._memories = {each: each for each in self._memories if id(each) in known}

    def _crash(self, world: World) -> Iterator[Move]:
        faults, crashes, others = world.left
        if not crashes:
            return
        dead = world._replace(life=-1, run=world.run + 1, asked=(), asked_ms=0, left=(faults, crashes - 1, others))
        kept = self.library.cut(world.journal, world.durable)
        yield Move("killed", dead)
        if kept != world.journal:
            yield Move("power cut", dead._replace(journal=kept))
        if self.scope.forgets and world.journal:
            yield Move("the machine is lost", dead._replace(journal=0, durable=0, is_cold=True))
        if not isinstance(self.library.stage(world.life).todo, SendCall):
            stopped = world._replace(left=(faults, crashes - 1, others))
            yield self._told(stopped, "stop", _broken_off, "asked to stop")

    # Runs.

    def _run_begins(self, world: World) -> Iterator[Move]:
        scope = self.scope
        if world.run >= scope.runs:
            return
        for wait in scope.waits if world.run or world.rows else (0,):
            for later in self._flown(world, world.at_ms + wait):
                state = self.library.state(later.journal)
                item = state.unsettled.get(self.scope.lane)
                if item is not None:
                    life = Life.from_journal(search_task(scope, item.intent.address), item)
                    yield self._on(f"run {world.run + 1} settles", later, machine.begin(life))
                else:
                    yield from self._plan(later)

    def _plan(self, world: World) -> Iterator[Move]:
        """A plan, what it takes before the first call, and the first turn of a life."""
        scope = self.scope
        begins = world.at_ms + (scope.validity_ms + scope.grace_ms + 1 if world.is_cold and COLD_FENCE else 0)
        target, address = scope.targets[min(world.run, len(scope.targets) - 1)], scope.address(world.run)
        for later in self._flown(world, begins):
            asked_ms = later.at_ms
            for shown in self._ledger(later, asked_ms):
                for slot in self._readings(later, asked_ms, address):
                    if slot.margin is None or slot.margin == target:
                        continue
                    if target < slot.margin and is_too_near(scope, margin=target, mark=slot.mark):
                        continue
                    life = Life(task=task(scope, target, slot.margin, address))
                    ready = later._replace(asked=shown, asked_ms=asked_ms)
                    what = f"run {world.run + 1} plans {slot.margin} → {target}"
                    yield self._on(what, ready, machine.begin(life))

    # Turns.

    def _turn(self, world: World, stage: Stage) -> Iterator[Move]:
        match stage.todo:
            case Look():
                yield from self._look(world, stage, stage.todo)
            case ReadLedger(since_ms=since_ms):
                yield from self._read_ledger(world, since_ms)
            case Reserve(available=free):
                yield self._told(world, "reserved", lambda now: Reserved(at=now, free=free), "")
            case Write():
                yield self._write(world, stage.todo)
            case TakeWire():
                yield self._told(world, "on wire", on_wire, "")
                yield from self._late_turn(world)
            case SendCall():
                yield from self._send(world, stage)
            case Done():
                yield self._over(world, stage)
            case _:
                yield from self._pass(world, stage)

    def _pass(self, world: World, stage: Stage) -> Iterator[Move]:
        """What takes time, or may."""
        clock_ms, until_ms = self.scope.clock_ms, world.at_ms
        match stage.todo:
            case Pause(ms=ms):
                until_ms += ms
            case WaitUntil(moment_ms=moment_ms, at_least_ms=at_least_ms):
                until_ms = max(until_ms + at_least_ms, moment_ms + clock_ms)
            case WaitPast(moment_ms=moment_ms):
                until_ms = max(until_ms, moment_ms + 1 + clock_ms)
        yield from self._wait(world, until_ms)
        if isinstance(stage.todo, WaitPast | KnowTime | Enter):
            yield from self._failed(world)

    def _wait(self, world: World, until_ms: int) -> Iterator[Move]:
        what = f"{(until_ms - world.at_ms) / 1000:g} s pass" if until_ms > world.at_ms else ""
        for later in self._flown(world, until_ms):
            yield self._told(later, "resumed", _resumed, what)

    def _write(self, world: World, asked: Write) -> Move:
        journal = self.library.appended(world.journal, asked.record)
        durable = len(self.library.records[journal]) if asked.durable else world.durable
        return self._told(world._replace(journal=journal, durable=durable), "resumed", _resumed, "")

    def _over(self, world: World, stage: Stage) -> Move:
        life = stage.life
        settled = life.earlier is not None and world.run < self.scope.runs
        following = world.run if settled and not self.library.state(world.journal).unsettled else world.run + 1
        return Move(
            f"run {world.run + 1} ends: {stage.life.state}",
            world._replace(life=-1, run=following, asked=(), asked_ms=0),
            _wrong_to_refuse(self.scope, life) or _wrong_not_to_know(self.scope, life),
        )


def _wrong_not_to_know(scope: Scope, life: Life) -> str:
    """Whether a run left it open what its call did, with no trouble but the call's own answer."""
    return "left unknown, though only we move margin" if scope.knows and life.state is State.UNKNOWN else ""


def _wrong_to_refuse(scope: Scope, life: Life) -> str:
    """Whether a step was given up for a limit that permits it."""
    look = life.look
    if (
        "policy no longer permits" not in life.detail
        or look is None
        or look.position is None
        or life.task.target is None
    ):
        return ""
    target = int(life.task.target.isolated_margin or 0)
    permits = not is_too_near(scope, margin=target, mark=int(look.position.mark_price or 0))
    return "given up although the policy permits it" if permits else ""


def _resumed(now: Now) -> Resumed:
    return Resumed(at=now)


def _broken_off(now: Now) -> BrokenOff:
    return BrokenOff(at=now, detail="asked to stop", journals=False)
