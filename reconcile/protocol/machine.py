"""The state machine of a step: ``on(life, event)`` returns the life after the event, and the next commands.

It has no clock, no I/O and no randomness. The same life and event give the same result, so a test can walk every path.
``step.py`` executes the commands and decides nothing. Every turn goes through the table in ``lifecycle.py``. The turns
up to the answer are in ``sending.py``, those after the exchange accepted are in ``confirming.py``. ``searching.py`` has
the turns that lead out of doubt, for steps of this run and of earlier ones.
"""

from collections.abc import Mapping
from dataclasses import replace

from reconcile.journal.records import IntentStatus
from reconcile.protocol import confirming, searching, sending
from reconcile.protocol.life import Doing, Life, Turned
from reconcile.protocol.lifecycle import OUTCOMES, Event, ImpossibleError, State
from reconcile.protocol.signals import BrokenOff, Command, Done, Leave, SomeEvent

TURNS: Mapping[Doing, sending.Turn] = {**sending.TURNS, **confirming.TURNS, **searching.TURNS}
"""The turn to take for the event that a life waits for."""


def begin(life: Life) -> Turned:
    """The first commands of a life: a look to compute from; for a step of an earlier run, the wait for its fence."""
    return sending.enter(life) if life.earlier is None else searching.begin(life)


def on(life: Life, event: SomeEvent) -> Turned:
    """The life after an event, and the next commands. Raises ImpossibleError for an event that cannot happen in it."""
    if isinstance(event, BrokenOff):
        return _broken_off(life, event)
    turn = TURNS.get(life.doing)
    if turn is None:
        raise ImpossibleError(f"running a step: {event} cannot happen while it waits for {life.doing}; this is a bug")
    return turn(life, event)


_SENT = {State.SENT, State.DOUBT, State.LOOKING}
"""Sent, with no known outcome."""


def _broken_off(life: Life, event: BrokenOff) -> Turned:
    """End a step that cannot go on; an outcome that it reached before stays true.

    If ``event.journals``, an intent that never left is journalled as not sent, one without a clear answer as in doubt.
    Otherwise the intent stays open, and the next run settles it.
    """
    if life.state in OUTCOMES:
        return replace(life, doing=Doing.OVER, detail=life.detail or event.detail), (Leave(), Done())
    detail = f"not sent: {event.detail}" if life.state is State.JOURNALLED else event.detail
    records: tuple[Command, ...] = ()
    if event.journals and life.state is State.JOURNALLED:
        records = sending.proof(life, IntentStatus.NOT_SENT, detail)
    elif event.journals and life.state in _SENT:
        records = (sending.in_doubt(life, detail),)
    intent = None if life.state in {State.PLANNED, State.JOURNALLED} else life.intent
    life = life.turned(Event.INTERRUPTED, doing=Doing.END, detail=detail, intent=intent)
    if not records:
        return replace(life, doing=Doing.OVER), (Leave(), Done())
    return life, (Leave(), *records)
