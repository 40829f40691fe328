"""The turns that lead out of doubt: pass the fence, then read ledger and margin until two looks in a row agree.

No turn here sends a call. ``evidence/verdict.py`` judges each look. The turns serve steps of this run and of earlier
runs alike.
"""

from collections.abc import Mapping
from dataclasses import replace

from reconcile.evidence.rows import ledger_from
from reconcile.evidence.verdict import (
    Sight,
    Verdict,
    judge,
    judge_setting,
    sight,
)
from reconcile.journal.records import Intent, IntentStatus, Outcome
from reconcile.protocol import sending
from reconcile.protocol.life import Doing, Life, Search, SettingSight, Turned
from reconcile.protocol.lifecycle import Event, State
from reconcile.protocol.outcomes import outcome_of, setting
from reconcile.protocol.sending import Turn
from reconcile.protocol.signals import (
    CannotRead,
    Command,
    Count,
    Done,
    KnowTime,
    Leave,
    LedgerCame,
    Look,
    Looked,
    Memory,
    Now,
    Pause,
    ReadLedger,
    Release,
    Say,
    SomeEvent,
    Take,
    WaitPast,
    Write,
)
from reconcile.protocol.timing import BETWEEN_LOOKS_MS, LEAST_LOOKS, LONG_AFTER_GRACES, SETTLE_GRACES, unsure_since


def begin(life: Life) -> Turned:
    """Take up a step that an earlier run left open."""
    item, intent = life.earlier, life.the_intent
    if item is None:
        raise LookupError("taking up an earlier step: there is none; this is a bug")
    take = (Take(intent),) if intent.action == "add_margin" else ()
    if not item.said_yes:  # a call that was never accepted is in doubt, however many looks came before
        return _fence(replace(life, search=Search(was=None, effect_ms=None)), *take)
    effect_ms = item.effect_ms if item.known is IntentStatus.ACCEPTED else None
    life = replace(life, search=Search(was=item.known, effect_ms=effect_ms))
    return know_time(life, *take) if item.known is IntentStatus.ACCEPTED else _fence(life, *take)


# In doubt: fence, then look.


def _in_doubt(life: Life, _: SomeEvent) -> Turned:
    address = life.the_intent.address
    say = Say(f"{life.task.name}: {address}: no clear answer ({life.detail}); checking what it did")
    return _fence(replace(life, search=Search(was=None, effect_ms=None)), Leave(), say)


def _fence(life: Life, *at_once: Command) -> Turned:
    intent = life.the_intent
    why = f"{intent.address}: the request may still take effect"
    return replace(life, doing=Doing.FENCE), (*at_once, WaitPast(intent.fence_ms, why))


def know_time(life: Life, *at_once: Command) -> Turned:
    """Begin the search for a call that the exchange accepted."""
    return replace(life, doing=Doing.TIME), (*at_once, KnowTime())


def _may_look(life: Life, event: SomeEvent) -> Turned:
    """The fence is passed, or, for an accepted call, the exchange's time is known."""
    if isinstance(event, CannotRead):
        return _undecided(life, f"no look was taken: {event.reason}")
    if life.state is State.DOUBT:
        life = life.turned(Event.FENCE_PASSED)
    search = _the_search(life)
    from_ms = max(_not_before(life), event.at.earliest_ms)
    deadline_ms = from_ms + SETTLE_GRACES * life.task.grace_ms
    return _seek(replace(life, search=replace(search, deadline_ms=deadline_ms)), event.at)


def _seek(life: Life, now: Now) -> Turned:
    """Ask for the next look, later than the one before it."""
    search = _the_search(life)
    before_ms = life.look.sent_at_ms if search.previous is not None and life.look is not None else 0
    asked_ms = max(_not_before(life), now.earliest_ms - 1, before_ms)
    search = replace(search, asked_ms=asked_ms, looks=search.looks + 1)
    return replace(life, doing=Doing.SIGHT, search=search), (Look(asked_ms),)


def _sighted(life: Life, event: SomeEvent) -> Turned:
    if isinstance(event, CannotRead):
        return _failed_look(life, event)
    if not isinstance(event, Looked):
        raise life.no_answer(event)
    intent, look = life.the_intent, event.look
    life = replace(life, look=look, memory=event.memory)
    if intent.amount is None:
        return _weigh(life, SettingSight(live=setting(intent, look)), event.at)
    from_ms = ledger_from(intent, event.memory.others, slack_ms=life.task.slack_ms)
    since_ms = min(_unsure_ms(life, event.memory), from_ms)
    return replace(life, doing=Doing.SIGHT_LEDGER), (ReadLedger(since_ms),)


def _ledger_came(life: Life, event: SomeEvent) -> Turned:
    if isinstance(event, CannotRead):
        return _failed_look(life, event)
    if not isinstance(event, LedgerCame):
        raise life.no_answer(event)
    look, memory = life.seen
    seen = sight(
        life.the_intent,
        look.position,
        event.ledger,
        claims=memory.claims,
        step_size=life.task.step_size,
        shared=look.shared,
        unsure_since_ms=_unsure_ms(life, memory),
        slack_ms=life.task.slack_ms,
        known=memory.others,
        older=memory.around_others,
    )
    return _weigh(life, seen, event.at)


def _failed_look(life: Life, event: CannotRead) -> Turned:
    search = replace(_the_search(life), trouble=f"a look failed: {event.reason}")
    return _go_on(replace(life, search=search), None, event.at)


def _weigh(life: Life, seen: Sight | SettingSight, now: Now) -> Turned:
    """Conclude if two looks in a row gave the same answer, and that answer is conclusive."""
    search = _the_search(life)
    if seen == search.previous:
        judgement = _judgement(life, seen, late=_is_late(life, now))
        settles_in_ms = None if search.effect_ms is None else search.effect_ms + life.task.grace_ms
        is_early = settles_in_ms is not None and search.asked_ms <= settles_in_ms
        if judgement is not Verdict.LOOK_AGAIN and not (is_early and judgement is Verdict.UNKNOWN):
            said_yes = search.was is not None  # accepted, also where an earlier run could not determine the rest
            intent, effect_ms = life.the_intent, _not_before(life)
            return _end(life, outcome_of(intent, seen, judgement, effect_ms=effect_ms, said_yes=said_yes))
    return _go_on(life, seen, now)


def _go_on(life: Life, seen: Sight | SettingSight | None, now: Now) -> Turned:
    search = _the_search(life)
    if _is_late(life, now):
        return _undecided(life, search.trouble)
    life = replace(life, doing=Doing.SIGHT_PAUSE, search=replace(search, previous=seen))
    return life, (Pause(BETWEEN_LOOKS_MS),)


def _paused(life: Life, event: SomeEvent) -> Turned:
    return _seek(life, event.at)


def _is_late(life: Life, now: Now) -> bool:
    search = _the_search(life)
    return now.earliest_ms > search.deadline_ms and search.looks >= LEAST_LOOKS


def _judgement(life: Life, seen: Sight | SettingSight, *, late: bool) -> Verdict:
    search, intent = _the_search(life), life.the_intent
    if isinstance(seen, SettingSight):
        return judge_setting(intent, seen.live)
    long_after = search.asked_ms > intent.fence_ms + LONG_AFTER_GRACES * life.task.grace_ms
    return judge(seen, was=search.was, long_after=long_after, deadline_passed=late)


def _not_before(life: Life) -> int:
    effect_ms = _the_search(life).effect_ms
    return life.the_intent.fence_ms if effect_ms is None else effect_ms


def _unsure_ms(life: Life, memory: Memory) -> int:
    return unsure_since(life.the_intent.signed_at_ms, memory.later_than_ms, behind_ms=life.task.grace_ms)


def _the_search(life: Life) -> Search:
    if life.search is None:
        raise LookupError("looking for a step before its search began; this is a bug")
    return life.search


# The end of the search.


def _undecided(life: Life, evidence: str) -> Turned:
    """End a search without a verdict: an accepted call stays accepted but unseen, doubt becomes ``unknown``."""
    known = IntentStatus.ACCEPTED if _the_search(life).was is IntentStatus.ACCEPTED else IntentStatus.UNKNOWN
    intent_id = life.the_intent.intent_id
    return _end(life, Outcome(intent_id=intent_id, known=known, effect_ms=_not_before(life), evidence=evidence))


_ENDS = {
    IntentStatus.APPLIED: Event.FOUND,
    IntentStatus.ACCEPTED: Event.STILL_ACCEPTED,
    IntentStatus.NOT_APPLIED: Event.NOT_FOUND,
}


def _end(life: Life, outcome: Outcome) -> Turned:
    """Journal the outcome, release or count the free balance, and start over if nothing happened."""
    intent = life.the_intent
    life = life.turned(
        _ENDS.get(outcome.known, Event.CANNOT_TELL),
        doing=Doing.END,
        after=outcome.after,
        evidence=outcome.evidence,
        detail=life.detail if outcome.known is IntentStatus.NOT_APPLIED else outcome.message,
    )
    item, balance = life.earlier, _balance(intent, outcome)
    if item is None:
        return life, (*balance, Write(outcome))
    what = f"{intent.action} {intent.wanted if intent.amount is None else intent.amount}"
    say = Say(f"{life.task.name}: {intent.address}: earlier {what}: {outcome.known} ({outcome.evidence})")
    if outcome.known is item.known and outcome.evidence == item.evidence:  # the journal has this already
        return replace(life, doing=Doing.OVER), (*balance, say, Done())
    return life, (*balance, say, Write(outcome, durable=True))


def _balance(intent: Intent, outcome: Outcome) -> tuple[Command, ...]:
    if outcome.known is IntentStatus.APPLIED:
        return (Count(intent.intent_id, outcome.effect_ms or intent.fence_ms),)
    return (Release(intent.intent_id),) if outcome.known.settles else ()


def _ended(life: Life, _: SomeEvent) -> Turned:
    if life.state is State.PLANNED and life.earlier is None:
        anew = replace(life, attempts=life.attempts + 1, not_before_ms=life.the_intent.fence_ms, search=None)
        return sending.enter(anew)
    return replace(life, doing=Doing.OVER), (Done(),)


TURNS: Mapping[Doing, Turn] = {
    Doing.DOUBT: _in_doubt,
    Doing.FENCE: _may_look,
    Doing.TIME: _may_look,
    Doing.SIGHT: _sighted,
    Doing.SIGHT_LEDGER: _ledger_came,
    Doing.SIGHT_PAUSE: _paused,
    Doing.END: _ended,
}
"""The turn to take for each event, by what the life was waiting for."""
