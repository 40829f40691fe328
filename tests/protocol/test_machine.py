"""What the machine does about an event that ends a step from outside, and about one that cannot come."""

from dataclasses import replace

import pytest

from reconcile.exchanges.base import Accepted
from reconcile.protocol.life import Doing, Life
from reconcile.protocol.lifecycle import ImpossibleError, State
from reconcile.protocol.machine import on
from reconcile.protocol.signals import (
    Answered,
    BrokenOff,
    CannotRead,
    Done,
    Leave,
    Look,
    Looked,
    Memory,
    Now,
    Pause,
    Resumed,
    Write,
)
from reconcile.protocol.timing import BETWEEN_LOOKS_MS, VISIBLE_GRACES
from tests.kit.desk import D, intent, move
from tests.protocol.test_decision import look, task

NOW = Now(1_000, 1_200)
LIFE = Life(task=task(step=move()))


def broken_off(*, journals: bool = True) -> BrokenOff:
    return BrokenOff(at=NOW, detail="asked to stop", journals=journals)


@pytest.mark.parametrize("doing", [Doing.NOTHING, Doing.OVER])
def test_an_event_for_a_life_that_waits_for_none_is_a_bug_that_is_named(doing: Doing) -> None:
    with pytest.raises(ImpossibleError, match="cannot happen while it waits for"):
        on(replace(LIFE, doing=doing), Resumed(at=NOW))


@pytest.mark.parametrize("journals", [True, False])
def test_a_step_that_was_not_journalled_ends_without_a_record(journals: bool) -> None:  # noqa: FBT001
    life, commands = on(replace(LIFE, doing=Doing.LOOK), broken_off(journals=journals))
    assert (life.doing, life.intent, commands) == (Doing.OVER, None, (Leave(), Done()))


@pytest.mark.parametrize("state", [State.JOURNALLED, State.SENT, State.DOUBT, State.LOOKING])
@pytest.mark.parametrize("journals", [True, False])
def test_a_step_with_an_intent_is_journalled_as_what_it_is(state: State, journals: bool) -> None:  # noqa: FBT001
    """Nothing left before it was sent; after that its effect is open. Without a record the intent stays open."""
    life, commands = on(replace(LIFE, state=state, doing=Doing.ANSWER, intent=intent()), broken_off(journals=journals))
    records = [command for command in commands if isinstance(command, Write)]
    assert bool(records) == journals
    assert life.detail.startswith("not sent: ") == (state is State.JOURNALLED)


def test_a_step_that_has_ended_stays_as_it_ended() -> None:
    ended = replace(LIFE, state=State.APPLIED, doing=Doing.END, intent=intent())
    life, commands = on(ended, broken_off())
    assert (life.state, life.doing, life.detail, commands) == (
        State.APPLIED,
        Doing.OVER,
        "asked to stop",
        (Leave(), Done()),
    )


@pytest.mark.parametrize("name", ["seen", "the_intent"])
def test_a_life_without_a_look_or_an_intent_says_so(name: str) -> None:
    with pytest.raises(LookupError, match="running a step that is planned: it has no"):
        getattr(LIFE, name)


def test_an_earlier_runs_step_is_never_sent() -> None:
    with pytest.raises(LookupError, match=r"sending to BTCUSDT\.long: the step was an earlier run's"):
        _ = task().the_step


SENT = replace(LIFE, state=State.SENT, doing=Doing.ANSWER, intent=intent("300.000001"))


@pytest.mark.parametrize(
    ("repeated", "state"),
    [
        (None, State.ACCEPTED),
        ("300.000001", State.ACCEPTED),
        ("300.0000010000000003", State.ACCEPTED),  # a binary float
        ("300", State.DOUBT),
        ("600.000002", State.DOUBT),
    ],
)
def test_a_yes_to_another_amount_than_was_sent_is_doubt(repeated: str | None, state: State) -> None:
    answer = Accepted(note="200", amount=None if repeated is None else D(repeated))
    life, _ = on(SENT, Answered(at=NOW, answer=answer, asked_after_ms=900))
    assert life.state is state
    assert life.detail == (
        "200" if state is State.ACCEPTED else f"the exchange said yes to {repeated}, and 300.000001 was sent"
    )


# After a yes: a look that shows the change, or the search.

CONFIRMING = replace(LIFE, state=State.ACCEPTED, doing=Doing.VISIBLE, intent=intent(), effect_ms=1_000)


def at_ms(time_ms: int) -> Now:
    return Now(time_ms, time_ms)


def looked(margin: str) -> Looked:
    return Looked(at=at_ms(1_500), look=look(margin), memory=Memory())


def test_a_yes_that_is_journalled_is_looked_for() -> None:
    life, commands = on(replace(CONFIRMING, doing=Doing.YES, yes_ms=900), Resumed(at=NOW))
    assert (life.doing, commands) == (Doing.VISIBLE, (Leave(), Look(900, batched=True)))


def test_a_look_that_shows_the_change_ends_the_step() -> None:
    life, commands = on(CONFIRMING, looked("1500"))
    (record,) = commands
    assert isinstance(record, Write)
    assert (life.state, life.doing, life.after) == (State.APPLIED, Doing.END, "1500")
    assert life.evidence == "1200 → 1500 seen after the exchange said yes"


def test_a_look_that_does_not_show_it_is_repeated_until_its_time_is_over() -> None:
    waiting, commands = on(CONFIRMING, looked("1200"))
    assert (waiting.doing, commands) == (Doing.VISIBLE_PAUSE, (Pause(BETWEEN_LOOKS_MS // 2),))
    last_ms = CONFIRMING.effect_ms + VISIBLE_GRACES * CONFIRMING.task.grace_ms
    again, commands = on(waiting, Resumed(at=at_ms(last_ms)))
    assert (again.doing, commands) == (Doing.VISIBLE, (Look(last_ms - 1, batched=True),))
    over, _ = on(waiting, Resumed(at=at_ms(last_ms + 1)))
    assert over.state is State.CONFIRMING


def test_an_account_that_cannot_be_read_is_asked_with_both_witnesses() -> None:
    life, _ = on(CONFIRMING, CannotRead(at=NOW, reason="timeout"))
    assert (life.state, life.search is not None) == (State.CONFIRMING, True)
