"""What can happen next in a world: every choice that the exchange, the network, a crash or another person has."""

from collections.abc import Iterable, Iterator

from reconcile.protocol.signals import (
    Done,
    Enter,
    KnowTime,
    Look,
    Pause,
    ReadLedger,
    Reserve,
    Reserved,
    SendCall,
    TakeWire,
    WaitPast,
    WaitUntil,
    Write,
)
from tests.explorer.calls import on_wire
from tests.explorer.model import START_MS, Reckoning, Stage, World
from tests.explorer.runs import Runs
from tests.explorer.turns import Move, resumed


class Exchange(Runs):
    """The successors of a world, in one scope."""

    def start(self) -> World:
        """The world before the first run."""
        return World(START_MS, (), (), 0, 0, 0, -1, (), (self.scope.faults, self.scope.crashes, self.scope.others))

    def moves(self, world: World) -> Iterator[Move]:
        """Everything that can happen next; nothing once all runs are over."""
        _, crashes, others = world.left
        if others:
            yield from self._others(world)
        if world.rare is not None:
            yield from self._goes_on(world)
        if world.life < 0:
            yield from self._run_begins(world)
            return
        if crashes:
            yield from self._crash(world)
        if others and self.scope.reckonings:
            yield from self._set_clocks(world)
        stage = self.library.stage(world.life)
        yield from self._turn(world, stage)

    def forget_all_but(self, worlds: Iterable[World]) -> None:
        """Forget what serves none of these worlds."""
        lives, journals = set[int](), set[int]()
        for world in worlds:
            lives.add(world.life)
            journals.add(world.journal)
            if world.rare is not None and world.rare.asleep is not None:
                lives.add(world.rare.asleep.life)
                journals.add(world.rare.asleep.journal)
        self.library.forget_all_but(lives, journals)
        self._remembered.clear()
        self.turned.clear()
        known = {id(stage.life.memory) for stage in self.library.stages()}
        self._memories = {each: each for each in self._memories if id(each) in known}

    def _set_clocks(self, world: World) -> Iterator[Move]:
        """Our reckoning of the exchange's time changes: clocks drift, and each answer of the exchange sets it anew."""
        faults, crashes, others = world.left
        now = 0 if world.rare is None else world.rare.clock
        for number, reckoning in enumerate(self.clocks):
            if number != now:
                left = world._replace(left=(faults, crashes, others - 1))
                yield Move(f"our clocks are {_said(reckoning)}", left.with_rare(clock=number))

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
        reckoning, until_ms = self._reckoning(world), world.at_ms
        match stage.todo:
            case Pause(ms=ms):
                until_ms += ms
            case WaitUntil(moment_ms=moment_ms, at_least_ms=at_least_ms):
                until_ms = max(until_ms + at_least_ms, moment_ms + reckoning.early_ms)
            case WaitPast(moment_ms=moment_ms):
                until_ms = max(until_ms, past(moment_ms, reckoning))
        yield from self._wait(world, until_ms)
        if isinstance(stage.todo, WaitPast | KnowTime | Enter):
            yield from self._failed(world)

    def _wait(self, world: World, until_ms: int) -> Iterator[Move]:
        what = f"{(until_ms - world.at_ms) / 1000:g} s pass" if until_ms > world.at_ms else ""
        for later in self._flown(world, until_ms):
            yield self._told(later, "resumed", resumed, what)


def past(moment_ms: int, reckoning: Reckoning) -> int:
    """When a wait for the exchange itself to report a later time than that ends."""
    return moment_ms + 1 + reckoning.early_ms


def _said(reckoning: Reckoning) -> str:
    """``340 ms behind to 0 ms ahead``."""
    day = f", the time of day {reckoning.day_ms / 1000:g} s ahead" if reckoning.day_ms else ""
    return f"{reckoning.early_ms} ms behind to {reckoning.late_ms} ms ahead{day}"
