"""What can happen next in a world: every choice that the exchange, the network, a crash or another person has."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from reconcile.errors import InDoubt, NotSent, RefusalKind, Refused
from reconcile.exchanges.base import Accepted
from reconcile.journal.records import IntentStatus, Outcome
from reconcile.model.ledger import LedgerRead
from reconcile.protocol import machine
from reconcile.protocol.earlier import unseen_until
from reconcile.protocol.lateness import LET_GO_GRACES, LONG_AFTER_GRACES
from reconcile.protocol.life import Life, Turned
from reconcile.protocol.lifecycle import State
from reconcile.protocol.signals import (
    Answered,
    AwaitFunds,
    CannotRead,
    Done,
    Enter,
    KnowTime,
    LaneLook,
    LedgerCame,
    Look,
    Looked,
    Memory,
    Now,
    OnWire,
    Pause,
    ReadLedger,
    Reserve,
    Reserved,
    Resumed,
    SendCall,
    SomeEvent,
    TakePlace,
    TakeWire,
    WaitPast,
    WaitUntil,
    Write,
)
from tests.explorer.model import (
    ADDRESS,
    ANSWER_MS,
    LANE,
    STEP,
    TIMEOUT_MS,
    Flight,
    Library,
    Row,
    Scope,
    Stage,
    World,
    ledger_rows,
    margin_at,
    position,
    search_task,
    task,
)


class Move(NamedTuple):
    """One thing that happened, and the world after it. ``wrong`` says which promise it broke, empty: none."""

    what: str
    world: World
    wrong: str = ""


class Exchange:
    """The successors of a world, in one scope."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.library = Library()

    def start(self) -> World:
        """The world before the first run."""
        from tests.explorer.model import START_MS

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

    # What nobody of ours does.

    def _others(self, world: World) -> Iterator[Move]:
        faults, crashes, others = world.left
        if not others:
            return
        for amount in self.scope.by_hand:
            if margin_at(self.scope, world.rows, world.at_ms) + amount > 0:
                rows = (*world.rows, Row(world.at_ms, amount, ""))
                yield Move(f"a person moves {amount:+}", world._replace(rows=rows, left=(faults, crashes, others - 1)))

    def _crash(self, world: World) -> Iterator[Move]:
        faults, crashes, others = world.left
        if not crashes:
            return
        dead = world._replace(life=-1, run=world.run + 1, asked=(), left=(faults, crashes - 1, others))
        kept = self.library.cut(world.journal, world.durable)
        yield Move("killed", dead)
        if kept != world.journal:
            yield Move("power cut", dead._replace(journal=kept))
        if self.scope.forgets and world.journal:
            yield Move("the machine is lost", dead._replace(journal=0, durable=0))

    def _flown(self, world: World, until_ms: int) -> Iterator[World]:
        """The world at a later moment: what is under way arrives at once, in the middle, at the end, or not yet."""
        later = world._replace(at_ms=until_ms)
        if not world.flights:
            yield later
            return
        flight = world.flights[0]
        last = min(flight.until_ms, until_ms)
        if flight.until_ms > until_ms:
            yield later
        else:
            yield later._replace(flights=world.flights[1:])  # it never arrives
        for moment in sorted({world.at_ms, (world.at_ms + last) // 2, last}):
            if world.at_ms <= moment <= flight.until_ms:
                yield self._effect(later, flight, moment)

    def _effect(self, world: World, flight: Flight, moment: int) -> World:
        rows = tuple(sorted([*world.rows, Row(moment, flight.change, flight.intent)]))
        return world._replace(rows=rows, flights=tuple(each for each in world.flights if each is not flight))

    # Runs.

    def _run_begins(self, world: World) -> Iterator[Move]:
        scope = self.scope
        if world.run >= scope.runs:
            return
        for wait in scope.waits if world.run else (0,):
            for later in self._flown(world, world.at_ms + wait):
                state = self.library.state(later.journal)
                item = state.unsettled.get(LANE)
                if item is not None:
                    life = Life.from_journal(search_task(scope), item)
                    yield self._on(f"run {world.run + 1} settles", later, machine.begin(life))
                else:
                    yield from self._plan(later)

    def _plan(self, world: World) -> Iterator[Move]:
        """A plan, what it takes before the first call, and the first turn of a life."""
        scope = self.scope
        cold = not self.library.records[world.journal] and world.run > 0
        begins = world.at_ms + (scope.validity_ms + scope.grace_ms + 1 if cold else 0)
        target = scope.targets[min(world.run, len(scope.targets) - 1)]
        for later in self._flown(world, begins):
            asked_ms = later.at_ms
            for shown in self._ledger(later, asked_ms):
                for margin in self._readings(later, asked_ms):
                    if margin == target:
                        continue
                    life = Life(task=task(scope, target, margin))
                    ready = later._replace(asked=shown)
                    what = f"run {world.run + 1} plans {margin} → {target}"
                    yield self._on(what, ready, machine.begin(life))

    # Reads.

    def _readings(self, world: World, sent_ms: int) -> list[int]:
        """The margins that a read sent then may show."""
        since = sent_ms - self.scope.positions_late * self.scope.grace_ms
        moments = {since, *(row.time_ms for row in world.rows if since < row.time_ms <= sent_ms)}
        return sorted({margin_at(self.scope, world.rows, moment) for moment in moments})

    def _ledger(self, world: World, sent_ms: int) -> list[tuple[Row, ...]]:
        """The rows that a ledger read sent then may show."""
        since = sent_ms - self.scope.ledger_late * self.scope.grace_ms
        seen = tuple(row for row in world.rows if row.time_ms <= sent_ms)
        sure = sum(row.time_ms <= since for row in seen)
        return [seen[:count] for count in range(sure, len(seen) + 1)]

    def _memory(self, world: World, margin: int, sent_ms: int, life: Life) -> Memory:
        state = self.library.state(world.journal)
        item = state.unsettled.get(LANE)
        move = state.moves.get(LANE)
        is_recent = move is not None and sent_ms - move.effect_ms <= LET_GO_GRACES * self.scope.grace_ms
        since = sent_ms - (LONG_AFTER_GRACES + 1) * self.scope.grace_ms
        unseen = unseen_until(
            position(margin),
            LedgerRead(rows=ledger_rows(self.scope, tuple(row for row in world.asked)), reaches_back=since is not None),
            sent_at_ms=sent_ms,
            known=state.calls.get(LANE, ()),
            move=move if is_recent else None,
            step_size=STEP,
            shared=False,
            grace_ms=self.scope.grace_ms,
        )
        return Memory(
            effect=state.effects.get(LANE),
            move=move,
            unseen_until_ms=unseen if life.state is State.PLANNED else None,
            open_step=None if item is None else str(item.known or "unsettled"),
            later_than_ms=None if item is None else item.later_than_ms,
            claims=frozenset(state.claims),
        )

    # Turns.

    def _turn(self, world: World, stage: Stage) -> Iterator[Move]:
        match stage.todo:
            case Pause(ms=ms):
                yield from self._wait(world, stage, world.at_ms + ms)
            case WaitUntil(moment_ms=moment_ms, at_least_ms=at_least_ms):
                yield from self._wait(world, stage, max(world.at_ms + at_least_ms, moment_ms))
            case WaitPast(moment_ms=moment_ms):
                yield from self._wait(world, stage, max(world.at_ms, moment_ms + 1))
            case KnowTime() | Enter() | TakePlace() | AwaitFunds():
                yield from self._wait(world, stage, world.at_ms)
            case Look():
                yield from self._look(world, stage, stage.todo)
            case ReadLedger(since_ms=since_ms):
                yield from self._read_ledger(world, stage, since_ms)
            case Reserve():
                yield self._told(world, stage, Reserved(at=_now(world)), "")
            case Write():
                yield self._write(world, stage, stage.todo)
            case TakeWire():
                yield self._told(world, stage, OnWire(at=_now(world), halted=None), "")
            case SendCall():
                yield from self._send(world, stage)
            case Done():
                yield self._over(world, stage)

    def _told(self, world: World, stage: Stage, event: SomeEvent, what: str) -> Move:
        return self._on(what, world, machine.on(stage.life, event))

    def _on(self, what: str, world: World, turned: Turned) -> Move:
        life, commands = turned
        return Move(what, world._replace(life=self.library.number(Stage(life, commands[-1]))))  # type: ignore[arg-type]

    def _wait(self, world: World, stage: Stage, until_ms: int) -> Iterator[Move]:
        what = f"{(until_ms - world.at_ms) / 1000:g} s pass" if until_ms > world.at_ms else ""
        for later in self._flown(world, until_ms):
            yield self._told(later, stage, Resumed(at=_now(later)), what)

    def _look(self, world: World, stage: Stage, asked: Look) -> Iterator[Move]:
        kept = stage.life.look
        if kept is not None and asked.to_send and kept.sent_at_ms > asked.after_ms:
            if asked.max_age_ms is None or world.at_ms - kept.sent_at_ms <= asked.max_age_ms:
                yield self._looked(world, stage, kept.sent_at_ms, int(kept.position.isolated_margin), "")  # type: ignore[union-attr]
                return
        sent_ms = max(world.at_ms, asked.after_ms + 1)
        for later in self._flown(world, sent_ms):
            for margin in self._readings(later, sent_ms):
                answered = later._replace(at_ms=sent_ms + ANSWER_MS)
                yield self._looked(answered, stage, sent_ms, margin, f"a look shows {margin}")
            yield from self._failed(later, stage)

    def _looked(self, world: World, stage: Stage, sent_ms: int, margin: int, what: str) -> Move:
        look = LaneLook(
            sent_at_ms=sent_ms,
            position=position(margin),
            symbol=None,
            shared=False,
            is_open=True,
            available=Decimal(10**6),
        )
        memory = self._memory(world, margin, sent_ms, stage.life)
        new_id = f"i{len(self.library.records[world.journal])}.{world.run}"
        return self._told(world, stage, Looked(at=_now(world), look=look, memory=memory, new_id=new_id), what)

    def _read_ledger(self, world: World, stage: Stage, since_ms: int) -> Iterator[Move]:
        for shown in self._ledger(world, world.at_ms):
            rows = ledger_rows(self.scope, shown)
            ledger = LedgerRead(rows=tuple(row for row in rows if row.time_ms >= since_ms), reaches_back=True)
            later = world._replace(at_ms=world.at_ms + ANSWER_MS)
            what = f"the ledger shows {', '.join(f'{row.change:+}' for row in shown) or 'nothing'}"
            yield self._told(later, stage, LedgerCame(at=_now(later), ledger=ledger), what)
        yield from self._failed(world, stage)

    def _failed(self, world: World, stage: Stage) -> Iterator[Move]:
        faults, crashes, others = world.left
        if faults:
            later = world._replace(at_ms=world.at_ms + TIMEOUT_MS, left=(faults - 1, crashes, others))
            yield self._told(later, stage, CannotRead(at=_now(later), reason="timeout"), "a read fails")

    def _write(self, world: World, stage: Stage, asked: Write) -> Move:
        journal = self.library.appended(world.journal, asked.record)
        durable = len(self.library.records[journal]) if asked.durable else world.durable
        return self._told(world._replace(journal=journal, durable=durable), stage, Resumed(at=_now(world)), "")

    # The one call.

    def _send(self, world: World, stage: Stage) -> Iterator[Move]:
        intent = stage.life.the_intent
        if intent.amount is None:
            return
        change = int(intent.amount) * (1 if intent.action == "add_margin" else -1)
        wrong = "sent while an earlier call may still take effect" if world.flights else ""
        arrives, answered = world.at_ms + ANSWER_MS // 2, world.at_ms + ANSWER_MS
        done = tuple(sorted([*world.rows, Row(arrives, change, intent.intent_id)]))
        what = f"sends {change:+}"
        yield self._answer(world._replace(rows=done), stage, answered, Accepted(note="ok"), f"{what}: yes", wrong)
        faults, crashes, others = world.left
        if not faults:
            return
        world = world._replace(left=(faults - 1, crashes, others))
        lost = world.at_ms + TIMEOUT_MS
        yield self._answer(
            world._replace(rows=done), stage, lost, InDoubt("timeout"), f"{what}: done, the answer is lost", wrong
        )
        last = intent.signed_at_ms + self.scope.validity_ms  # reads are late from its acceptance on
        flying = world._replace(flights=(*world.flights, Flight(intent.intent_id, change, last)))
        yield self._answer(flying, stage, lost, InDoubt("timeout"), f"{what}: under way, no answer", wrong)
        yield self._answer(world, stage, lost, NotSent("refused"), f"{what}: never left", wrong)
        busy = Refused("busy", kind=RefusalKind.THROTTLE, code="1")
        yield self._answer(world, stage, answered, busy, f"{what}: refused for now", wrong)

    def _answer(
        self, world: World, stage: Stage, at_ms: int, answer: Accepted | NotSent | Refused | InDoubt, what: str, wrong: str
    ) -> Move:
        for later in self._flown_to(world, at_ms):
            told = Answered(at=_now(later), answer=answer, asked_after_ms=later.at_ms)
            move = self._told(later, stage, told, what)
            return move._replace(wrong=wrong)
        raise LookupError(what)

    def _flown_to(self, world: World, at_ms: int) -> Iterator[World]:
        yield world._replace(at_ms=at_ms)

    def _over(self, world: World, stage: Stage) -> Move:
        settled = stage.life.earlier is not None and world.run < self.scope.runs
        following = world.run if settled and not self.library.state(world.journal).unsettled else world.run + 1
        return Move(f"run {world.run + 1} ends: {stage.life.state}", world._replace(life=-1, run=following, asked=()))


def _now(world: World) -> Now:
    return Now(world.at_ms, world.at_ms)
