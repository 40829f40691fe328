"""The turns after the exchange accepted a call: look until the change shows.

If it does not show in time, or an earlier step of ours had left the same margin, ledger and margin are read to find out
what the call did.
"""

from collections.abc import Mapping
from dataclasses import replace

from reconcile.journal.records import IntentStatus, Outcome
from reconcile.protocol import searching
from reconcile.protocol.life import Doing, Life, Search, Turned
from reconcile.protocol.lifecycle import Event
from reconcile.protocol.outcomes import visible
from reconcile.protocol.sending import Turn
from reconcile.protocol.signals import Leave, Look, Looked, Pause, SomeEvent, Write
from reconcile.protocol.timing import BETWEEN_LOOKS_MS, VISIBLE_GRACES


def _said_yes(life: Life, _: SomeEvent) -> Turned:
    return _watch(life, after_ms=life.yes_ms, leave=(Leave(),))


def _watch(life: Life, *, after_ms: int, leave: tuple[Leave, ...] = ()) -> Turned:
    return replace(life, doing=Doing.VISIBLE), (*leave, Look(after_ms, batched=True))


def _is_visible(life: Life, event: SomeEvent) -> Turned:
    if not isinstance(event, Looked):
        return _not_visible_in_time(life)
    intent = life.the_intent
    seen = visible(intent, event.look)
    if seen is None:
        return replace(life, doing=Doing.VISIBLE_PAUSE), (Pause(BETWEEN_LOOKS_MS // 2),)
    if visible(intent, event.look, older=event.memory.around_others) is None:
        return _not_visible_in_time(life)
    evidence = f"{intent.before} → {seen} seen after the exchange said yes"
    outcome = Outcome(
        intent_id=intent.intent_id, known=IntentStatus.APPLIED, effect_ms=life.effect_ms, after=seen, evidence=evidence
    )
    life = life.turned(Event.SEEN, doing=Doing.END, after=seen, evidence=evidence, detail="")
    return life, (Write(outcome),)


def _look_again_for_it(life: Life, event: SomeEvent) -> Turned:
    if event.at.earliest_ms > life.effect_ms + VISIBLE_GRACES * life.task.grace_ms:
        return _not_visible_in_time(life)
    return _watch(life, after_ms=event.at.earliest_ms - 1)


def _not_visible_in_time(life: Life) -> Turned:
    search = Search(was=IntentStatus.ACCEPTED, effect_ms=life.effect_ms)
    return searching.know_time(life.turned(Event.DEADLINE, search=search))


TURNS: Mapping[Doing, Turn] = {
    Doing.YES: _said_yes,
    Doing.VISIBLE: _is_visible,
    Doing.VISIBLE_PAUSE: _look_again_for_it,
}
"""The turn to take for each event, by what the life was waiting for."""
