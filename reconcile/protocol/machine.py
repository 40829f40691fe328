"""The machine of a step: ``on(life, event)`` gives the life after the event, and what to do next.

No clock, no I/O, no chance: the same life and the same event give the same answer, so every path can be walked.
``step.py`` does what the commands say and decides nothing. Every turn goes through the table in ``lifecycle.py``; what
is not in it cannot happen. ``sending.py`` has the turns up to the answer, ``confirming.py`` those after a yes,
``searching.py`` those that lead out of doubt, whether this run sent the step or an earlier one.
"""

from collections.abc import Mapping
from dataclasses import replace

from reconcile.journal.records import IntentStatus
from reconcile.protocol import confirming, searching, sending
from reconcile.protocol.life import Doing, Life, Turned
from reconcile.protocol.lifecycle import OUTCOMES, Event, ImpossibleError, State
from reconcile.protocol.signals import BrokenOff, Command, Done, Leave, SomeEvent

TURNS: Mapping[Doing, sending.Turn] = {**sending.TURNS, **confirming.TURNS, **searching.TURNS}
"""What is done about the event that a life waited for."""


def begin(life: Life) -> Turned:
    """The first commands of a life: a look in order to send, or for what an earlier run left the wait for its fence."""
    return sending.enter(life) if life.earlier is None else searching.begin(life)


def on(life: Life, event: SomeEvent) -> Turned:
    """The life after an event, and what to do now. Raises ImpossibleError for an event that cannot happen in it."""
    if isinstance(event, BrokenOff):
        return _broken_off(life, event)
    turn = TURNS.get(life.doing)
    if turn is None:
        raise ImpossibleError(f"living a step: {event} cannot happen while it waits for {life.doing}; this is a bug")
    return turn(life, event)


_SENT = {State.SENT, State.DOUBT, State.LOOKING}
"""Sent, and nothing is known of it."""


def _broken_off(life: Life, event: BrokenOff) -> Turned:
    """The step cannot go on: what it ended in before that stays true, and what is open is journalled as that.

    Where ``event.journals`` is False the intent stays open, and the next run settles it.
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
