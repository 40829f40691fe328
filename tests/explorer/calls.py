"""The one call: its turn to be sent, every answer that it may have, and the promises that sending it may break."""

from collections.abc import Iterator
from decimal import Decimal

from reconcile.errors import InDoubt, NotSent, RefusalKind, Refused
from reconcile.evidence.rows import signed_amount
from reconcile.exchanges.base import Accepted
from reconcile.journal.records import Intent
from reconcile.protocol.signals import Answered, LaneLook, Now, OnWire
from reconcile.protocol.timing import MAX_READ_AGE_MS
from tests.explorer.model import (
    ADDRESS,
    ANSWER_MS,
    TIMEOUT_MS,
    Flight,
    Kind,
    Row,
    Scope,
    Stage,
    World,
    is_too_near,
    slot_at,
)
from tests.explorer.turns import Move, Turns


class Calls(Turns):
    """What becomes of a call."""

    def _late_turn(self, world: World) -> Iterator[Move]:
        faults, crashes, others = world.left
        if faults:
            later = world._replace(at_ms=world.at_ms + MAX_READ_AGE_MS + 1, left=(faults - 1, crashes, others))
            for each in (later, *(move.world for move in self._others(later))):
                yield self._told(each, "on wire", on_wire, "its turn comes late")

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
        if is_too_late(self.scope, intent, arrives):
            yield from self._too_late(world, what)
            return
        done = tuple(sorted([*world.rows, Row(arrives, change, intent.intent_id, kind)]))
        yes = Accepted(note="ok", amount=intent.amount)
        yield self._answer(world._replace(rows=done), answered, yes, f"{what}: yes")
        for slept, later in self._slept(world._replace(rows=done)) if self.scope.sleeps else ():
            yield self._answer(later, later.at_ms + ANSWER_MS, yes, f"{what}: yes, read {slept} later")
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

    def _too_late(self, world: World, what: str) -> Iterator[Move]:
        """The call comes when its validity has passed: the exchange refuses it."""
        late = Refused("too late", kind=RefusalKind.CLOCK, code="3")
        yield self._answer(world, world.at_ms + ANSWER_MS, late, f"{what}: refused, it comes too late")
        faults, crashes, others = world.left
        if faults:
            world = world._replace(left=(faults - 1, crashes, others))
            lost = world.at_ms + TIMEOUT_MS
            yield self._answer(world, lost, InDoubt("timeout"), f"{what}: it comes too late, the answer is lost")

    def _slept(self, world: World) -> Iterator[tuple[str, World]]:
        """The process is suspended: how long, and the world after that."""
        faults, crashes, others = world.left
        if not crashes:
            return
        for ms in self.scope.sleeps:
            for later in self._flown(world._replace(left=(faults, crashes - 1, others)), world.at_ms + ms):
                yield f"{ms / 1000:g} s", later

    def _answer(
        self,
        world: World,
        at_ms: int,
        answer: Accepted | NotSent | Refused | InDoubt,
        what: str,
    ) -> Move:
        def answered(now: Now) -> Answered:
            return Answered(at=now, answer=answer, asked_after_ms=now.earliest_ms)

        return self._told(world._replace(at_ms=at_ms), what, answered, what)._replace(wrong=self._wrong)

    def _wrong_to_send(self, world: World, stage: Stage) -> str:
        """Which promise about what is sent, and on what, a call breaks; empty: none."""
        look, intent = stage.life.look, stage.life.the_intent
        if world.flights:
            return "sent while an earlier call may still take effect"
        if look is None or look.position is None or intent.amount is None:
            return "sent without a look"
        if self._is_old(look, world.at_ms):
            return "sent on a look that had grown old"
        left = int(look.position.isolated_margin - intent.amount)
        if intent.action == "reduce_margin" and is_too_near(
            self.scope, margin=left, mark=int(look.position.mark_price or 0)
        ):
            return "sent although it leaves the liquidation price too near"
        return ""

    def _is_old(self, look: LaneLook, at_ms: int) -> bool:
        """Whether a look is too old for a call, by all that our clocks may have been off by. A process that was
        suspended after it asked for its turn sends for as long as the request is valid."""
        scope = self.scope
        early_ms = max(each.early_ms for each in self.clocks)
        is_judged = not scope.sleeps and not scope.loses_lock
        return is_judged and at_ms - early_ms - look.sent_at_ms > MAX_READ_AGE_MS


def is_too_late(scope: Scope, intent: Intent, arrives_ms: int) -> bool:
    """Whether the exchange refuses a request because its validity has passed."""
    return arrives_ms > intent.signed_at_ms + scope.validity_ms


def on_wire(now: Now) -> OnWire:
    """Its turn to send."""
    return OnWire(at=now, halted=None)
