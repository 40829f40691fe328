"""What can happen next in a world: every choice that the exchange, the network, a crash or another person has."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from reconcile.errors import InDoubt, NotSent, RefusalKind, Refused
from reconcile.evidence.rows import signed_amount
from reconcile.exchanges.base import Accepted
from reconcile.model.account import Address
from reconcile.model.ledger import LedgerRead
from reconcile.protocol import machine
from reconcile.protocol.earlier import calls_seen, unseen_until
from reconcile.protocol.freshness import memory_of
from reconcile.protocol.life import Life, Turned
from reconcile.protocol.lifecycle import State
from reconcile.protocol.signals import (
    Answered,
    BrokenOff,
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
    TakeWire,
    WaitPast,
    WaitUntil,
    Write,
)
from reconcile.protocol.timing import MAX_READ_AGE_MS
from tests.explorer.model import (
    ADDRESS,
    ANSWER_MS,
    START_MS,
    STEP,
    TIMEOUT_MS,
    Flight,
    Kind,
    Library,
    Row,
    Scope,
    Slot,
    Stage,
    World,
    is_too_near,
    lane_look,
    ledger_rows,
    search_task,
    slot_at,
    task,
)

COLD_FENCE = True
"""Whether a run with a new journal waits until no earlier request can arrive."""


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
        self._memories: dict[Memory, Memory] = {}
        self._remembered: dict[object, Memory] = {}
        self._wrong = ""
        self.turned: dict[tuple[int, int, object], int] = {}
        """The lives after each event that was told."""

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

    # What nobody of ours does.

    def _others(self, world: World) -> Iterator[Move]:
        faults, crashes, others = world.left
        if not others:
            return
        after = world._replace(left=(faults, crashes, others - 1))
        slot = slot_at(self.scope, world.rows, world.at_ms)
        for what, row in self._their_rows(world.at_ms, slot):
            yield Move(what, after._replace(rows=(*world.rows, row)))

    def _their_rows(self, at_ms: int, slot: Slot) -> Iterator[tuple[str, Row]]:
        scope = self.scope
        for amount in scope.other_side:
            yield f"the other side's margin moves {amount:+}", Row(at_ms, amount, kind=Kind.OTHER_SIDE)
        for price in scope.marks:
            yield f"the mark price is {price}", Row(at_ms, price, kind=Kind.MARK)
        if slot.margin is None:
            if scope.reopens:
                yield "the position is opened again", Row(at_ms, scope.before, kind=Kind.OPEN)
            return
        for amount in scope.by_hand:
            if slot.margin + amount > 0:
                yield f"a person moves {amount:+}", Row(at_ms, amount)
        for amount in scope.fills:
            if slot.margin + amount > 0 and (amount > 0 or slot.size > 1):
                yield f"a fill moves {amount:+}", Row(at_ms, amount, kind=Kind.FILL)
        for amount in scope.funding:
            yield f"funding of {amount:+}", Row(at_ms, amount, kind=Kind.FUNDING)
        if scope.reopens:
            yield "the position is closed", Row(at_ms, -slot.margin, kind=Kind.CLOSE)

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
        elif flight.said_ms is None:
            yield later._replace(flights=world.flights[1:])  # it never arrives
        for moment in sorted({world.at_ms, (world.at_ms + last) // 2, last}):
            if world.at_ms <= moment <= flight.until_ms:
                yield self._effect(later, flight, moment)

    def _effect(self, world: World, flight: Flight, moment: int) -> World:
        rows = world.rows
        if flight.kind is not Kind.CALL or slot_at(self.scope, rows, moment).margin is not None:
            early_ms = 0 if flight.said_ms is None else moment - flight.said_ms
            rows = tuple(sorted([*rows, Row(moment, flight.change, flight.intent, flight.kind, early_ms)]))
        return world._replace(rows=rows, flights=tuple(each for each in world.flights if each is not flight))

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

    # Reads.

    def _readings(self, world: World, sent_ms: int, address: Address) -> list[Slot]:
        """What a read sent then may show."""
        since = sent_ms - self.scope.positions_late * self.scope.grace_ms
        rows = [row for row in world.rows if since < row.time_ms <= sent_ms]
        since = max([since, *(row.time_ms for row in rows if row.said_ms <= since)])
        moments = {since, *(row.time_ms for row in rows if row.time_ms > since)}
        return list(dict.fromkeys(slot_at(self.scope, world.rows, moment, address) for moment in sorted(moments)))

    def _ledger(self, world: World, sent_ms: int) -> list[tuple[Row, ...]]:
        """The rows that a ledger read sent then may show."""
        since = sent_ms - self.scope.ledger_late * self.scope.grace_ms
        seen = tuple(row for row in world.rows if row.time_ms <= sent_ms)
        sure = max([0, *(number for number, row in enumerate(seen, start=1) if row.said_ms <= since)])
        return [seen[:count] for count in range(sure, len(seen) + 1)]

    def _memory(self, world: World, look: LaneLook, key: object, *, asks: bool) -> Memory:
        """What is known of the lane at a look; equal memories are one object."""
        found = self._remembered.get(key)
        if found is None:
            made = self._made_memory(world, look, asks=asks)
            found = self._remembered[key] = self._memories.setdefault(made, made)
        return found

    def _made_memory(self, world: World, look: LaneLook, *, asks: bool) -> Memory:
        scope, state = self.scope, self.library.state(world.journal)
        address = ADDRESS if look.position is None else look.position.address
        memory = memory_of(state, scope.lane, address, look.sent_at_ms, grace_ms=scope.grace_ms)
        memory = replace(memory, claims=frozenset(memory.claims), others=tuple(memory.others))
        if not asks or look.position is None:
            return memory
        asked_ms = world.asked_ms - scope.clock_ms
        unseen_until_ms = unseen_until(
            look.position,
            LedgerRead(rows=ledger_rows(scope, world.asked), reaches_back=True),
            sent_at_ms=look.sent_at_ms,
            known=state.calls.get(scope.lane, ()),
            move=state.moves.get(str(address)),
            step_size=STEP,
            shared=look.shared,
            grace_ms=scope.grace_ms,
        )
        seen_ms = calls_seen(asked_ms=asked_ms, sent_at_ms=look.sent_at_ms, grace_ms=scope.grace_ms)
        return replace(memory, unseen_until_ms=unseen_until_ms, calls_seen_ms=seen_ms)

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
                yield self._told(world, "on wire", _on_wire, "")
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

    def _told(self, world: World, told: object, event: Callable[[Now], SomeEvent], what: str) -> Move:
        """The world after an event of its moment. ``told`` tells it from every other event that the life can take then:
        what one world has found out is not asked of the machine again for the next."""
        key = (world.life, world.at_ms, told)
        number = self.turned.get(key)
        if number is None:
            life = self.library.stage(world.life).life
            number = self.turned[key] = self._number(machine.on(life, event(self._now(world))))
        return Move(what, world._replace(life=number))

    def _on(self, what: str, world: World, turned: Turned) -> Move:
        return Move(what, world._replace(life=self._number(turned)))

    def _number(self, turned: Turned) -> int:
        life, commands = turned
        return self.library.number(Stage(life, commands[-1]))  # type: ignore[arg-type]

    def _wait(self, world: World, until_ms: int) -> Iterator[Move]:
        what = f"{(until_ms - world.at_ms) / 1000:g} s pass" if until_ms > world.at_ms else ""
        for later in self._flown(world, until_ms):
            yield self._told(later, "resumed", _resumed, what)

    def _look(self, world: World, stage: Stage, asked: Look) -> Iterator[Move]:
        kept = stage.life.look
        if kept is not None and _serves(kept, asked, world.at_ms):
            yield self._looked(world, stage, kept, "")
            return
        sent_ms, address = max(world.at_ms, asked.after_ms + 1 + self.scope.clock_ms), stage.life.task.address
        for later in self._flown(world, sent_ms):
            for slot in self._readings(later, sent_ms, address):
                answered = later._replace(at_ms=sent_ms + ANSWER_MS)
                what = f"a look shows {'no position' if slot.margin is None else slot.margin}"
                yield self._looked(answered, stage, self._seen(sent_ms, slot, address), what)
            if asked.to_send:
                yield from self._slow_look(later, stage, sent_ms)
            yield from self._failed(later)

    def _slow_look(self, world: World, stage: Stage, sent_ms: int) -> Iterator[Move]:
        """A look whose answer takes so long that it is hardly young enough to send on."""
        if not self.scope.slow_ms:
            return
        later = world._replace(at_ms=sent_ms + self.scope.slow_ms)
        address = stage.life.task.address
        for slot in self._readings(world, sent_ms, address):
            if slot.margin is not None:
                what = f"a slow look shows {slot.margin}"
                yield self._looked(later, stage, self._seen(sent_ms, slot, address), what)

    def _seen(self, sent_ms: int, slot: Slot, address: Address) -> LaneLook:
        return lane_look(self.scope, sent_ms - self.scope.clock_ms, slot, address)

    def _looked(self, world: World, stage: Stage, look: LaneLook, what: str) -> Move:
        asks = stage.life.state is State.PLANNED and look.position is not None
        known = (world.journal, look.sent_at_ms, id(look.position), asks and (world.asked, world.asked_ms))

        def looked(now: Now) -> Looked:
            new_id = f"i{len(self.library.records[world.journal])}.{world.run}"
            return Looked(at=now, look=look, memory=self._memory(world, look, known, asks=asks), new_id=new_id)

        return self._told(world, (world.run, known), looked, what)

    def _read_ledger(self, world: World, since_ms: int) -> Iterator[Move]:
        for shown in self._ledger(world, world.at_ms):
            later = world._replace(at_ms=world.at_ms + ANSWER_MS)
            what = f"the ledger shows {', '.join(f'{row.change:+}' for row in shown) or 'nothing'}"
            yield self._told(later, shown, partial(self._ledger_came, shown, since_ms), what)
            yield from self._cut(later, shown, since_ms)
        yield from self._failed(world)

    def _cut(self, later: World, shown: tuple[Row, ...], since_ms: int) -> Iterator[Move]:
        """A read that does not reach back so far: it has no row, or the last one."""
        if not self.scope.is_cut:
            return
        for kept in dict.fromkeys((shown[len(shown) :], shown[-1:])):
            what = f"a ledger that does not reach back shows {f'{kept[0].change:+}' if kept else 'nothing'}"
            came = partial(self._ledger_came, kept, since_ms, lacks=shown[: len(shown) - len(kept)])
            yield self._told(later, (shown, kept), came, what)

    def _ledger_came(
        self, shown: tuple[Row, ...], since_ms: int, now: Now, *, lacks: tuple[Row, ...] | None = None
    ) -> LedgerCame:
        """What a read shows; ``lacks`` are the rows before that it does not reach back to, None: it reaches back."""
        missing = lacks or ()
        rows = ledger_rows(self.scope, (*missing, *shown))[len(ledger_rows(self.scope, missing)) :]
        rows = tuple(row for row in rows if row.time_ms >= since_ms)
        return LedgerCame(at=now, ledger=LedgerRead(rows=rows, reaches_back=lacks is None))

    def _failed(self, world: World) -> Iterator[Move]:
        faults, crashes, others = world.left
        if faults:
            later = world._replace(at_ms=world.at_ms + TIMEOUT_MS, left=(faults - 1, crashes, others))
            yield self._told(later, "cannot read", lambda now: CannotRead(at=now, reason="timeout"), "a read fails")

    def _write(self, world: World, asked: Write) -> Move:
        journal = self.library.appended(world.journal, asked.record)
        durable = len(self.library.records[journal]) if asked.durable else world.durable
        return self._told(world._replace(journal=journal, durable=durable), "resumed", _resumed, "")

    # The one call.

    def _late_turn(self, world: World) -> Iterator[Move]:
        faults, crashes, others = world.left
        if faults:
            later = world._replace(at_ms=world.at_ms + MAX_READ_AGE_MS + 1, left=(faults - 1, crashes, others))
            for each in (later, *(move.world for move in self._others(later))):
                yield self._told(each, "on wire", _on_wire, "its turn comes late")

    def _send(self, world: World, stage: Stage) -> Iterator[Move]:
        intent = stage.life.the_intent
        if intent.amount is None:
            return
        change = int(signed_amount(intent) / self.scope.unit)
        self._wrong = self._wrong_to_send(world, stage)
        arrives, answered = world.at_ms + ANSWER_MS // 2, world.at_ms + ANSWER_MS
        what = f"sends {change:+}"
        never = Refused("no", kind=RefusalKind.STATE, code="2")
        kind = Kind.CALL if intent.address == ADDRESS else Kind.OTHER_SIDE
        if slot_at(self.scope, world.rows, arrives, intent.address).margin is None:
            yield self._answer(world, answered, never, f"{what}: refused")
            return
        done = tuple(sorted([*world.rows, Row(arrives, change, intent.intent_id, kind)]))
        yes = Accepted(note="ok", amount=intent.amount)
        yield self._answer(world._replace(rows=done), answered, yes, f"{what}: yes")
        if self.scope.hollow:
            yield self._answer(world, answered, yes, f"{what}: yes, and never done")
        if self.scope.early_ms:
            queued = Flight(intent.intent_id, change, arrives + self.scope.early_ms, kind, arrives)
            yield self._answer(
                world._replace(flights=(*world.flights, queued)), answered, yes, f"{what}: yes, done later"
            )
        faults, crashes, others = world.left
        if not faults:
            return
        world = world._replace(left=(faults - 1, crashes, others))
        lost = world.at_ms + TIMEOUT_MS
        yield self._answer(world._replace(rows=done), lost, InDoubt("timeout"), f"{what}: done, the answer is lost")
        last = intent.signed_at_ms + self.scope.validity_ms  # reads are late from its acceptance on
        flying = world._replace(flights=(*world.flights, Flight(intent.intent_id, change, last, kind)))
        yield self._answer(flying, lost, InDoubt("timeout"), f"{what}: under way, no answer")
        yield self._answer(world, lost, NotSent("refused"), f"{what}: never left")
        yield self._answer(world, answered, never, f"{what}: refused")
        busy = Refused("busy", kind=RefusalKind.THROTTLE, code="1")
        yield self._answer(world, answered, busy, f"{what}: refused for now")
        if self.scope.other_yes:
            other = Accepted(note="ok", amount=Decimal(self.scope.other_yes))
            said = f"{what}: yes to another amount"
            yield self._answer(world._replace(rows=done), answered, other, f"{said}, done")
            yield self._answer(flying, answered, other, f"{said}, under way")
            yield self._answer(world, answered, other, f"{said}, never done")

    def _answer(
        self,
        world: World,
        at_ms: int,
        answer: Accepted | NotSent | Refused | InDoubt,
        what: str,
    ) -> Move:
        def answered(now: Now) -> Answered:
            return Answered(at=now, answer=answer, asked_after_ms=at_ms - self.scope.clock_ms)

        return self._told(world._replace(at_ms=at_ms), what, answered, what)._replace(wrong=self._wrong)

    def _wrong_to_send(self, world: World, stage: Stage) -> str:
        """Which promise about what is sent, and on what, a call breaks; empty: none."""
        look, intent = stage.life.look, stage.life.the_intent
        if world.flights:
            return "sent while an earlier call may still take effect"
        if look is None or look.position is None or intent.amount is None:
            return "sent without a look"
        if world.at_ms - self.scope.clock_ms - look.sent_at_ms > MAX_READ_AGE_MS:
            return "sent on a look that had grown old"
        left = int(look.position.isolated_margin - intent.amount)
        if intent.action == "reduce_margin" and is_too_near(
            self.scope, margin=left, mark=int(look.position.mark_price or 0)
        ):
            return "sent although it leaves the liquidation price too near"
        return ""

    def _now(self, world: World) -> Now:
        return Now(world.at_ms - self.scope.clock_ms, world.at_ms + self.scope.clock_ms)

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


def _on_wire(now: Now) -> OnWire:
    return OnWire(at=now, halted=None)


def _broken_off(now: Now) -> BrokenOff:
    return BrokenOff(at=now, detail="asked to stop", journals=False)


def _serves(look: LaneLook, asked: Look, at_ms: int) -> bool:
    """Whether a look that was taken before is late enough and young enough."""
    is_young = asked.max_age_ms is None or at_ms - look.sent_at_ms <= asked.max_age_ms
    return asked.to_send and look.sent_at_ms > asked.after_ms and is_young
