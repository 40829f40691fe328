"""What a read may show, by how late it may be, and what a life makes of it."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from reconcile.model.account import Address
from reconcile.model.ledger import LedgerRead
from reconcile.protocol.earlier import calls_seen, unseen_until
from reconcile.protocol.freshness import memory_of
from reconcile.protocol.lifecycle import State
from reconcile.protocol.signals import LaneLook, LedgerCame, Look, Looked, Memory, Now
from tests.explorer.model import ADDRESS, ANSWER_MS, STEP, Row, Slot, Stage, World, lane_look, ledger_rows, slot_at
from tests.explorer.turns import Move, Turns


class Reads(Turns):
    """Looks and ledger reads."""

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
        seen_ms = calls_seen(asked_ms=world.asked_ms, sent_at_ms=look.sent_at_ms, grace_ms=scope.grace_ms)
        return replace(memory, unseen_until_ms=unseen_until_ms, calls_seen_ms=seen_ms)

    def _look(self, world: World, stage: Stage, asked: Look) -> Iterator[Move]:
        kept = stage.life.look
        if kept is not None and _serves(kept, asked, world.at_ms):
            yield self._looked(world, stage, kept, "")
            return
        early_ms, address = self._reckoning(world).early_ms, stage.life.task.address
        sent_ms = max(world.at_ms, asked.after_ms + 1 + early_ms)
        for later in self._flown(world, sent_ms):
            for slot in self._readings(later, sent_ms, address):
                answered = later._replace(at_ms=sent_ms + ANSWER_MS)
                what = f"a look shows {'no position' if slot.margin is None else slot.margin}"
                yield self._looked(answered, stage, lane_look(self.scope, sent_ms - early_ms, slot, address), what)
            if asked.to_send:
                yield from self._slow_look(later, stage, sent_ms, early_ms)
            yield from self._failed(later)

    def _slow_look(self, world: World, stage: Stage, sent_ms: int, early_ms: int) -> Iterator[Move]:
        """A look whose answer takes so long that it is hardly young enough to send on."""
        if not self.scope.slow_ms:
            return
        later = world._replace(at_ms=sent_ms + self.scope.slow_ms)
        address = stage.life.task.address
        for slot in self._readings(world, sent_ms, address):
            if slot.margin is not None:
                what = f"a slow look shows {slot.margin}"
                yield self._looked(later, stage, lane_look(self.scope, sent_ms - early_ms, slot, address), what)

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


def _serves(look: LaneLook, asked: Look, at_ms: int) -> bool:
    """Whether a look that was taken before is late enough and young enough."""
    is_young = asked.max_age_ms is None or at_ms - look.sent_at_ms <= asked.max_age_ms
    return asked.to_send and look.sent_at_ms > asked.after_ms and is_young
