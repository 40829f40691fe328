"""The turns of a step up to its answer: look, decide, reserve, journal and flush, send once, classify."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import assert_never

from reconcile.errors import InDoubt, NotSent, RefusalKind, Refused
from reconcile.exchanges.base import Accepted
from reconcile.journal.records import IntentStatus, NoteRecord, Outcome
from reconcile.model.ledger import LedgerRead
from reconcile.model.notes import AnswerNote
from reconcile.protocol import decision, rules
from reconcile.protocol.decision import NotStarted
from reconcile.protocol.holds import hold_of
from reconcile.protocol.life import Doing, Life, Turned
from reconcile.protocol.lifecycle import Event
from reconcile.protocol.rules import AskLedger, LookLater, Question, Sound
from reconcile.protocol.signals import (
    Answered,
    AwaitFunds,
    CannotRead,
    Command,
    Count,
    Done,
    Enter,
    Halted,
    Leave,
    LedgerCame,
    Look,
    Looked,
    Now,
    OnWire,
    Pause,
    ReadLedger,
    Release,
    Reserve,
    Reserved,
    Say,
    SendCall,
    Short,
    SomeEvent,
    TakePlace,
    TakeWire,
    WaitUntil,
    Write,
)
from reconcile.protocol.timing import ATTEMPTS, BETWEEN_LOOKS_MS, FRESH_LOOKS, MAX_READ_AGE_MS

Turn = Callable[[Life, SomeEvent], Turned]


_AGAIN = {RefusalKind.THROTTLE, RefusalKind.CLOCK}


def enter(life: Life) -> Turned:
    """Start, or start over after proof that nothing happened."""
    if life.attempts >= ATTEMPTS:
        return give_up(life, f"given up after {ATTEMPTS} attempts: {life.detail}")
    pause = Pause(life.attempts * BETWEEN_LOOKS_MS)
    return replace(life, doing=Doing.PAUSE, placed=False, intents=0), (Leave(), pause)


def give_up(life: Life, detail: str, event: Event = Event.GIVEN_UP) -> Turned:
    """End without a call: nothing of this attempt was sent."""
    return life.turned(event, doing=Doing.OVER, detail=detail, intent=None), (Leave(), Done())


# Look.


def _paused(life: Life, _: SomeEvent) -> Turned:
    return replace(life, doing=Doing.ENTRY), (Enter(),)


def _entered(life: Life, event: SomeEvent) -> Turned:
    return _cannot_read(life, event) or _look(life, after_ms=life.not_before_ms, looks=0)


def _look(life: Life, *, after_ms: int, looks: int) -> Turned:
    asked = Look(after_ms, max_age_ms=MAX_READ_AGE_MS, to_send=True)
    return replace(life, doing=Doing.LOOK, after_ms=after_ms, looks=looks), (asked,)


def _looked(life: Life, event: SomeEvent) -> Turned:
    if isinstance(event, Halted):
        return give_up(life, f"not started: {event.reason}")
    if not isinstance(event, Looked):
        return _unreadable(life, event)
    if event.memory.open_step is not None:
        return give_up(life, f"not started: the step before it on {life.task.lane} is {event.memory.open_step}")
    return _judge(replace(life, look=event.look, memory=event.memory, new_id=event.new_id), event.at, None)


def _ledger_came(life: Life, event: SomeEvent) -> Turned:
    if not isinstance(event, LedgerCame):
        return _unreadable(life, event)
    return _judge(life, event.at, event.ledger)


def _judge(life: Life, now: Now, ledger: LedgerRead | None) -> Turned:
    look, memory = life.seen
    question = Question(look=look, memory=memory, ledger=ledger, grace_ms=life.task.grace_ms, at=now)
    found = rules.judge(question)
    match found:
        case Sound():
            if life.placed:
                return _decide(life, now)
            return replace(life, doing=Doing.PLACE), (TakePlace(),)
        case AskLedger(since_ms=since_ms):
            return replace(life, doing=Doing.LEDGER), (ReadLedger(since_ms),)
        case LookLater(than_ms=than_ms):
            if life.looks + 1 >= FRESH_LOOKS:
                return give_up(life, hold_of(question).reason)
            later = replace(life, doing=Doing.LATER_LOOK, after_ms=than_ms, looks=life.looks + 1)
            return later, (WaitUntil(than_ms, at_least_ms=BETWEEN_LOOKS_MS),)
        case _:
            assert_never(found)


def _time_for_a_later_look(life: Life, event: SomeEvent) -> Turned:
    return _cannot_read(life, event) or _look(life, after_ms=life.after_ms, looks=life.looks)


def _placed(life: Life, _: SomeEvent) -> Turned:
    """Decide, or look again if the look grew old while this step waited for its place."""
    return _look(replace(life, placed=True), after_ms=life.not_before_ms, looks=0)


# Decide, reserve, journal.


def _decide(life: Life, now: Now) -> Turned:
    (look, memory), step = life.seen, life.task.the_step
    found = decision.decide(life.task, step, look)
    if isinstance(found, NotStarted):
        return give_up(life, found.detail, found.event)
    intent = decision.intent_of(life.task, step, found, new_id=life.new_id, now=now, calls_seen_ms=memory.calls_seen_ms)
    life = replace(life, intent=intent)
    if intent.amount is not None and look.available is not None:
        return replace(life, doing=Doing.RESERVATION), (Reserve(intent, look.available, look.sent_at_ms),)
    if intent.action == "add_margin":
        return give_up(life, f"the exchange does not tell the free balance of {intent.asset}, so nothing is added")
    return _journal(life)


def _reserved(life: Life, event: SomeEvent) -> Turned:
    if isinstance(event, Reserved):
        return _journal(replace(life, intent=replace(life.the_intent, free=event.free)))
    if not isinstance(event, Short):
        raise life.no_answer(event)
    life = replace(life, placed=False, intents=0)
    if event.awaits_reductions:
        return replace(life, doing=Doing.FUNDS), (Leave(), AwaitFunds())
    missing = decision.shortage(life.the_intent, event.free)
    if (until_ms := event.unseen_until_ms) is None:
        return give_up(life, f"not enough free balance: {missing}")
    is_long = until_ms > event.at.latest_ms + life.task.grace_ms
    say = Say(f"{life.task.name}: {life.the_intent.address}: {decision.wait_for_funds(missing, until_ms)}")
    life = replace(life, doing=Doing.SEEN_FUNDS, not_before_ms=until_ms)
    return life, (Leave(), *([say] if is_long else []), WaitUntil(until_ms, at_least_ms=0))


def _funds_came(life: Life, event: SomeEvent) -> Turned:
    return enter(replace(life, not_before_ms=event.at.earliest_ms - 1))


def _funds_are_seen(life: Life, event: SomeEvent) -> Turned:
    return _cannot_read(life, event) or enter(life)


def _journal(life: Life) -> Turned:
    return replace(life, doing=Doing.INTENT), (Write(life.the_intent, durable=True),)


# Send once.


def _journalled(life: Life, _: SomeEvent) -> Turned:
    look = life.seen[0]
    position = None if life.the_intent.action == "set_margin_type" else look.position
    return life.turned(Event.INTENT_WRITTEN, doing=Doing.WIRE), (TakeWire(life.the_intent, position),)


def _on_wire(life: Life, event: SomeEvent) -> Turned:
    if not isinstance(event, OnWire):
        raise life.no_answer(event)
    look = life.seen[0]
    if event.halted is not None:
        return _hold_back(life, event.halted)
    if event.at.latest_ms - look.sent_at_ms > MAX_READ_AGE_MS:
        return _hold_back(life, "the look grew old before its turn came")
    life = life.turned(Event.SEND, doing=Doing.ANSWER, sent_amount=life.the_intent.amount)
    return life, (SendCall(),)


def _hold_back(life: Life, why: str) -> Turned:
    life = replace(life, doing=Doing.HELD_BACK)
    return life, proof(life, IntentStatus.NOT_SENT, f"not sent: {why}")


def _held_back(life: Life, _: SomeEvent) -> Turned:
    """Keep the place, and take a new look at once."""
    life = life.turned(Event.NOT_SENT, intents=life.intents + 1)
    if life.intents >= ATTEMPTS:
        return give_up(life, "not sent: no look stayed young until its intent was on disk; is the disk very slow?")
    return _look(life, after_ms=life.not_before_ms, looks=0)


def proof(life: Life, known: IntentStatus, message: str, code: str | None = None) -> tuple[Command, ...]:
    """Nothing was executed: release the free balance, and journal the reason."""
    intent_id = life.the_intent.intent_id
    outcome = Outcome(intent_id=intent_id, known=known, effect_ms=None, code=code, message=message)
    return Release(intent_id), Write(outcome)


def in_doubt(life: Life, message: str, code: str | None = None) -> Write:
    """The call may or may not have been executed: journal the answer, and leave the intent open."""
    told = AnswerNote(intent_id=life.the_intent.intent_id, code=code, message=message)
    return Write(NoteRecord(what=told.what, details=told))


# Classify.


def _answered(life: Life, event: SomeEvent) -> Turned:
    if not isinstance(event, Answered):
        raise life.no_answer(event)
    answer = event.answer
    if isinstance(answer, Accepted):
        other = decision.another_amount(life.the_intent, answer)
        if other is None:
            return _accepted(life, answer, event)
        answer = InDoubt(other)
    life = replace(life, detail=str(answer))
    match answer:
        case NotSent():
            return replace(life, doing=Doing.NOT_SENT), proof(life, IntentStatus.NOT_SENT, life.detail)
        case Refused(kind=kind, code=code):
            doing = Doing.REFUSED_FOR_NOW if kind in _AGAIN else Doing.REFUSED
            return replace(life, doing=doing), proof(life, IntentStatus.REFUSED, life.detail, code)
        case InDoubt(code=code):
            life = life.turned(Event.LOST, doing=Doing.DOUBT)
            return life, (in_doubt(life, life.detail, code),)
        case _:
            assert_never(answer)


def _accepted(life: Life, yes: Accepted, event: Answered) -> Turned:
    intent_id, effect_ms = life.the_intent.intent_id, event.at.latest_ms
    life = life.turned(Event.YES, doing=Doing.YES, yes_ms=event.asked_after_ms, effect_ms=effect_ms, detail=yes.note)
    outcome = Outcome(intent_id=intent_id, known=IntentStatus.ACCEPTED, effect_ms=effect_ms, message=yes.note)
    return life, (Count(intent_id, effect_ms), Write(outcome))


def _proven_not_sent(life: Life, _: SomeEvent) -> Turned:
    return enter(life.turned(Event.NOT_SENT, attempts=life.attempts + 1))


def _refused_for_now(life: Life, _: SomeEvent) -> Turned:
    return enter(life.turned(Event.REFUSED_FOR_NOW, attempts=life.attempts + 1))


def _refused(life: Life, _: SomeEvent) -> Turned:
    return life.turned(Event.REFUSED, doing=Doing.OVER), (Leave(), Done())


# Reads that fail.


def _cannot_read(life: Life, event: SomeEvent) -> Turned | None:
    return _unreadable(life, event) if isinstance(event, CannotRead) else None


def _unreadable(life: Life, event: SomeEvent) -> Turned:
    if not isinstance(event, CannotRead):
        raise life.no_answer(event)
    return give_up(life, f"the account could not be read: {event.reason}")


TURNS: Mapping[Doing, Turn] = {
    Doing.PAUSE: _paused,
    Doing.ENTRY: _entered,
    Doing.LOOK: _looked,
    Doing.LEDGER: _ledger_came,
    Doing.LATER_LOOK: _time_for_a_later_look,
    Doing.PLACE: _placed,
    Doing.RESERVATION: _reserved,
    Doing.FUNDS: _funds_came,
    Doing.SEEN_FUNDS: _funds_are_seen,
    Doing.INTENT: _journalled,
    Doing.WIRE: _on_wire,
    Doing.HELD_BACK: _held_back,
    Doing.ANSWER: _answered,
    Doing.NOT_SENT: _proven_not_sent,
    Doing.REFUSED_FOR_NOW: _refused_for_now,
    Doing.REFUSED: _refused,
}
"""The turn to take for each event, by what the life was waiting for."""
