"""The runs: how they begin, die, stand still and end, and which of two of them writes the journal."""

from collections.abc import Iterator

from reconcile.protocol import machine
from reconcile.protocol.life import Life
from reconcile.protocol.lifecycle import State
from reconcile.protocol.signals import BrokenOff, Now, SendCall, TakeWire, Write
from tests.explorer.calls import Calls
from tests.explorer.model import ANSWER_MS, Asleep, Rare, Scope, Stage, World, is_too_near, search_task, task
from tests.explorer.reading import Reads
from tests.explorer.turns import Move, resumed

COLD_FENCE = True
"""Whether a run with a new journal, or one that was put back, waits until no earlier request can arrive."""
CHAIN = True
"""Whether a record is refused where another run has written to the journal, or has the lock."""
_PUT_BACK_MS = 2_001
"""How long after its last record a journal is put back at the soonest: sooner, the program cannot notice it."""


class Runs(Reads, Calls):
    """What becomes of the runs."""

    def _crash(self, world: World) -> Iterator[Move]:
        faults, crashes, others = world.left
        if world.rare is not None and world.is_robbed:
            return
        if self.scope.sleeps or self.scope.loses_lock:
            yield from self._suspended(world)
        dead = world._replace(life=-1, run=world.run + 1, asked=(), asked_ms=0, left=(faults, crashes - 1, others))
        kept = self.library.cut(world.journal, world.durable)
        yield Move("killed", dead)
        if dead.rare is not None:
            dead = dead.with_rare(asleep=None)  # which is on the same machine
        if kept != world.journal:
            yield Move("power cut", dead._replace(journal=kept))
        if self.scope.forgets and world.journal:
            yield Move("the machine is lost", dead._replace(journal=0, durable=0, is_cold=True))
        if not isinstance(self.library.stage(world.life).todo, SendCall):
            stopped = world._replace(left=(faults, crashes - 1, others))
            yield self._told(stopped, "stop", _stopped, "asked to stop")

    def _suspended(self, world: World) -> Iterator[Move]:
        """The process stands still for a time; or until it goes on beside a run that has its lock by then."""
        scope = self.scope
        for slept, later in self._slept(world):
            yield Move(f"suspended for {slept}", later)
        if not scope.loses_lock or world.run + 1 >= scope.runs or (world.rare is not None and world.rare.asleep):
            return
        faults, crashes, others = world.left
        free = world._replace(life=-1, run=world.run + 1, asked=(), asked_ms=0, left=(faults, crashes - 1, others))
        yield Move("suspended, and its lock is lost", free.with_rare(asleep=_asleep(world, holds=False)))

    def _goes_on(self, world: World) -> Iterator[Move]:
        """The run that lost its lock goes on while the one that has it stands still: at once, or when its request is
        valid for the last moment."""
        asleep = None if world.rare is None else world.rare.asleep
        if asleep is None or asleep.holds:
            return
        other = _awake(world, asleep).with_rare(asleep=_asleep(world, holds=True))
        yield Move("the suspended run goes on", other)
        stage = self.library.stage(asleep.life)
        if not isinstance(stage.todo, TakeWire | SendCall):
            return
        last_ms = stage.life.the_intent.signed_at_ms + self.scope.validity_ms - ANSWER_MS // 2
        if last_ms > world.at_ms:
            for later in self._flown(other, last_ms):
                yield Move("the suspended run goes on at the last moment", later)

    def _run_begins(self, world: World) -> Iterator[Move]:
        scope = self.scope
        if world.run >= scope.runs:
            return
        for wait in scope.waits if world.run or world.rows else (0,):
            for later in self._flown(world, world.at_ms + wait):
                if later.rare is not None and later.rare.cold_ms < 0:
                    later = later.with_rare(cold_ms=self._fence_ms(later))  # noqa: PLW2901
                yield from self._settle_or_plan(later)
        if scope.puts_back and world.journal and not world.is_cold and _has_no_rare_run(world.rare):
            yield from self._put_back(world)

    def _settle_or_plan(self, world: World) -> Iterator[Move]:
        item = self.library.state(world.journal).unsettled.get(self.scope.lane)
        if item is None:
            yield from self._plan(world)
            return
        life = Life.from_journal(search_task(self.scope, item.intent.address), item)
        yield self._on(f"run {world.run + 1} settles", world, machine.begin(life))

    def _put_back(self, world: World) -> Iterator[Move]:
        """The journal is an earlier state of itself when a run begins."""
        for later in self._flown(world, world.at_ms + _PUT_BACK_MS):
            for count in range(len(self.library.records[world.journal])):
                back = later._replace(journal=self.library.cut(world.journal, count), durable=count)
                yield Move(f"the journal is put back to its first {count} records", back.with_rare(cold_ms=-1))

    def _fence_ms(self, world: World) -> int:
        """The moment after which no request can take effect or become visible that the journal lacks."""
        early_ms, late_ms, _ = self._reckoning(world)
        return world.at_ms + late_ms + self.scope.validity_ms + self.scope.grace_ms + 1 + early_ms

    def _plan(self, world: World) -> Iterator[Move]:
        """A plan, what it takes before the first call, and the first turn of a life."""
        scope, begins = self.scope, world.at_ms
        if COLD_FENCE and world.is_cold:
            begins += scope.validity_ms + scope.grace_ms + 1
        elif COLD_FENCE and world.rare is not None:
            begins = max(begins, world.rare.cold_ms)
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
                    ready = later._replace(asked=shown, asked_ms=asked_ms - self._reckoning(later).early_ms)
                    what = f"run {world.run + 1} plans {slot.margin} → {target}"
                    yield self._on(what, ready, machine.begin(life))

    def _write(self, world: World, asked: Write) -> Move:
        if world.rare is not None and world.is_robbed and CHAIN:
            return self._told(world, "journal", _journal_failed, "its journal is another run's by now")
        journal = self.library.appended(world.journal, asked.record)
        is_flushed = asked.durable and not world.is_robbed
        durable = len(self.library.records[journal]) if is_flushed else world.durable
        return self._told(world._replace(journal=journal, durable=durable), "resumed", resumed, "")

    def _over(self, world: World, stage: Stage) -> Move:
        life, asleep = stage.life, None if world.rare is None else world.rare.asleep
        if asleep is not None and asleep.holds:
            return Move("the suspended run ends", _awake(world, asleep).with_rare(asleep=None))
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


def _has_no_rare_run(rare: Rare | None) -> bool:
    """Whether no run is asleep, and no journal was put back."""
    return rare is None or (rare.asleep is None and not rare.cold_ms)


def _asleep(world: World, *, holds: bool) -> Asleep:
    return Asleep(world.life, world.run, world.journal, world.asked, world.asked_ms, holds)


def _awake(world: World, run: Asleep) -> World:
    return world._replace(life=run.life, run=run.run, journal=run.journal, asked=run.asked, asked_ms=run.asked_ms)


def _stopped(now: Now) -> BrokenOff:
    return BrokenOff(at=now, detail="asked to stop", journals=False)


def _journal_failed(now: Now) -> BrokenOff:
    return BrokenOff(at=now, detail="the journal failed", journals=False)
