"""The turns of the machine up to the answer: every reason to stop before a call, and what each answer leads to."""

from dataclasses import replace

import pytest

from reconcile.errors import InDoubt, NotSent, RefusalKind, Refused
from reconcile.exchanges.base import Accepted
from reconcile.journal.records import Effect, IntentStatus, Outcome
from reconcile.model.ledger import LedgerRead
from reconcile.protocol.life import Doing, Life
from reconcile.protocol.lifecycle import ImpossibleError, State
from reconcile.protocol.machine import on
from reconcile.protocol.signals import (
    Answered,
    AwaitFunds,
    CannotRead,
    Command,
    Done,
    Enter,
    Halted,
    Leave,
    LedgerCame,
    Look,
    Looked,
    Memory,
    Now,
    OnWire,
    Pause,
    ReadLedger,
    Release,
    Reserve,
    Reserved,
    Resumed,
    Say,
    SendCall,
    Short,
    SomeEvent,
    TakePlace,
    TakeWire,
    WaitUntil,
    Write,
)
from reconcile.protocol.timing import ATTEMPTS, FRESH_LOOKS, MAX_READ_AGE_MS
from tests.kit.desk import D, at, intent, move
from tests.protocol.test_decision import LONG, look, task

NOW = Now(1_000, 1_200)
LIFE = Life(task=task(step=move()))
SEEN = replace(LIFE, doing=Doing.LOOK, placed=True, look=look(), memory=Memory())
READY = replace(SEEN, intent=intent())
OURS = Effect(
    address=at(LONG),
    effect_ms=500,
    signed_ms=400,
    before=D(900),
    after=D(1200),
    size=D(1),
    identity=None,
    claim=None,
    asset="USDT",
)


def looked(margin: str = "1200", memory: Memory | None = None) -> Looked:
    return Looked(at=NOW, look=look(margin), memory=memory or Memory(), new_id="n")


def short(*, awaits: bool = False, until_ms: int | None = None) -> Short:
    return Short(at=NOW, free=D(7), awaits_reductions=awaits, unseen_until_ms=until_ms)


UNREADABLE = CannotRead(at=NOW, reason="timeout")


# What is asked for, one after the other.


@pytest.mark.parametrize(
    ("life", "event", "doing", "last"),
    [
        (replace(LIFE, doing=Doing.PAUSE), Resumed(at=NOW), Doing.ENTRY, Enter()),
        (
            replace(LIFE, doing=Doing.ENTRY, not_before_ms=5),
            Resumed(at=NOW),
            Doing.LOOK,
            Look(5, max_age_ms=MAX_READ_AGE_MS, to_send=True),
        ),
        (replace(LIFE, doing=Doing.LOOK), looked(), Doing.PLACE, TakePlace()),
        (
            replace(LIFE, doing=Doing.PLACE, not_before_ms=5),
            Resumed(at=NOW),
            Doing.LOOK,
            Look(5, max_age_ms=MAX_READ_AGE_MS, to_send=True),
        ),
        (
            replace(LIFE, doing=Doing.LATER_LOOK, after_ms=8),
            Resumed(at=NOW),
            Doing.LOOK,
            Look(8, max_age_ms=MAX_READ_AGE_MS, to_send=True),
        ),
        (replace(READY, doing=Doing.INTENT), Resumed(at=NOW), Doing.WIRE, TakeWire(intent(), look().position)),
        (
            replace(READY, doing=Doing.WIRE, state=State.JOURNALLED),
            OnWire(at=NOW, halted=None),
            Doing.ANSWER,
            SendCall(),
        ),
        (
            replace(READY, doing=Doing.RESERVATION),
            Reserved(at=NOW, free=D(900)),
            Doing.INTENT,
            Write(replace(intent(), free=D(900)), durable=True),
        ),
        (replace(READY, doing=Doing.RESERVATION), short(awaits=True), Doing.FUNDS, AwaitFunds()),
        (
            replace(READY, doing=Doing.RESERVATION),
            short(until_ms=77),
            Doing.SEEN_FUNDS,
            WaitUntil(77, at_least_ms=0),
        ),
        (replace(READY, doing=Doing.FUNDS), Resumed(at=NOW), Doing.PAUSE, Pause(0)),
        (replace(READY, doing=Doing.SEEN_FUNDS), Resumed(at=NOW), Doing.PAUSE, Pause(0)),
    ],
)
def test_each_event_asks_for_the_next(life: Life, event: SomeEvent, doing: Doing, last: Command) -> None:
    turned, commands = on(life, event)
    assert (turned.doing, commands[-1]) == (doing, last)


def test_a_sound_look_in_its_place_reserves_what_it_adds() -> None:
    life, commands = on(SEEN, looked())
    assert (life.doing, life.the_intent.amount) == (Doing.RESERVATION, D(300))
    assert commands == (Reserve(life.the_intent, D(10_000), looked().look.sent_at_ms),)


def untold(margin: str) -> Looked:
    """A look at this margin without a free balance."""
    return replace(looked(margin), look=replace(look(margin), available=None))


def test_without_a_free_balance_that_is_told_only_a_reduction_goes_on() -> None:
    life, commands = on(SEEN, untold("1200"))
    assert (life.state, life.intent, commands) == (State.SKIPPED, None, (Leave(), Done()))
    assert life.detail == "the exchange does not tell the free balance of USDT, so nothing is added"

    less = replace(SEEN, task=task(step=move(LONG, "1800", "1500")))
    life, commands = on(less, untold("1800"))
    assert (life.doing, life.the_intent.free) == (Doing.INTENT, None)
    assert commands == (Write(life.the_intent, durable=True),)


@pytest.mark.parametrize(("later_ms", "is_told"), [(0, False), (1, True)])
def test_a_wait_for_funds_of_more_than_a_grace_is_told(later_ms: int, *, is_told: bool) -> None:
    until_ms = NOW.latest_ms + READY.task.grace_ms + later_ms
    _, commands = on(replace(READY, doing=Doing.RESERVATION), short(until_ms=until_ms))
    texts = [command.text for command in commands if isinstance(command, Say)]
    missing = "main: BTCUSDT.long: 300 USDT is needed, 7 may be added; the balance may still lack our last additions"
    assert [text.startswith(missing) for text in texts] == [True] * is_told


def test_a_reduction_asks_what_is_free_for_its_intent() -> None:
    less = replace(SEEN, task=task(step=move(LONG, "1800", "1500")))
    life, commands = on(less, looked("1800"))
    assert (life.doing, commands) == (
        Doing.RESERVATION,
        (Reserve(life.the_intent, D(10_000), looked().look.sent_at_ms),),
    )
    life, commands = on(life, Reserved(at=NOW, free=D(-5)))
    assert (life.the_intent.free, commands) == (D(-5), (Write(life.the_intent, durable=True),))


# A look that is not sound.


def test_a_look_within_the_grace_is_taken_later_and_at_last_given_up() -> None:
    memory = Memory(effect=OURS)
    life, commands = on(SEEN, looked(memory=memory))
    assert (life.doing, life.looks, commands[-1].__class__) == (Doing.LATER_LOOK, 1, WaitUntil)
    over, commands = on(replace(SEEN, looks=FRESH_LOOKS - 1), looked(memory=memory))
    assert (over.doing, over.state, commands) == (Doing.OVER, State.SKIPPED, (Leave(), Done()))


def test_a_look_after_our_own_step_asks_the_ledger_and_is_believed_where_it_adds_up() -> None:
    late = Looked(at=Now(9_000, 9_000), look=look(sent_at_ms=8_900), memory=Memory(move=OURS), new_id="n")
    life, commands = on(SEEN, late)
    assert (life.doing, commands[-1].__class__) == (Doing.LEDGER, ReadLedger)
    sound, _ = on(life, LedgerCame(at=Now(9_000, 9_000), ledger=LedgerRead(rows=(), reaches_back=True)))
    assert sound.doing is Doing.RESERVATION


# Every reason to send nothing.


@pytest.mark.parametrize(
    ("life", "event", "detail"),
    [
        (SEEN, Halted(at=NOW, reason="frozen: no"), "not started: frozen: no"),
        (SEEN, UNREADABLE, "the account could not be read: timeout"),
        (replace(SEEN, doing=Doing.ENTRY), UNREADABLE, "the account could not be read: timeout"),
        (replace(SEEN, doing=Doing.LEDGER), UNREADABLE, "the account could not be read: timeout"),
        (replace(SEEN, doing=Doing.LATER_LOOK), UNREADABLE, "the account could not be read: timeout"),
        (replace(READY, doing=Doing.SEEN_FUNDS), UNREADABLE, "the account could not be read: timeout"),
        (
            SEEN,
            looked(memory=Memory(open_step="unknown")),
            "not started: the step before it on BTCUSDT.long is unknown",
        ),
        (SEEN, looked("1000"), "stale: "),
        (
            replace(READY, doing=Doing.RESERVATION),
            short(),
            "not enough free balance: 300 USDT is needed, 7 may be added",
        ),
        (
            replace(READY, doing=Doing.HELD_BACK, state=State.JOURNALLED, intents=ATTEMPTS - 1),
            Resumed(at=NOW),
            "not sent: no look stayed young until its intent was on disk; is the disk very slow?",
        ),
    ],
)
def test_a_step_that_cannot_be_sent_is_skipped_and_leaves_nothing(life: Life, event: SomeEvent, detail: str) -> None:
    over, commands = on(life, event)
    assert (over.state, over.doing, over.intent, commands) == (State.SKIPPED, Doing.OVER, None, (Leave(), Done()))
    assert over.detail.startswith(detail)


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (OnWire(at=NOW, halted="frozen"), "not sent: frozen"),
        (OnWire(at=Now(9_000, 9_000), halted=None), "not sent: the look grew old before its turn came"),
    ],
)
def test_a_turn_that_comes_too_late_is_journalled_as_not_sent_and_looks_again(event: OnWire, why: str) -> None:
    life, commands = on(replace(READY, doing=Doing.WIRE, state=State.JOURNALLED), event)
    assert (life.doing, told(commands)) == (Doing.HELD_BACK, (IntentStatus.NOT_SENT, why))
    again, commands = on(life, Resumed(at=NOW))
    assert (again.state, again.doing, again.intents, commands[-1].__class__) == (State.PLANNED, Doing.LOOK, 1, Look)


# Answers.


def told(commands: tuple[Command, ...]) -> tuple[IntentStatus, str]:
    """What the journal is told, once the free balance was given back."""
    release, record = commands
    assert release == Release("i1")
    assert isinstance(record, Write)
    assert isinstance(record.record, Outcome)
    return record.record.known, record.record.message


ASKED = replace(READY, state=State.SENT, doing=Doing.ANSWER)


@pytest.mark.parametrize(
    ("answer", "known", "doing", "state"),
    [
        (NotSent("no connection"), IntentStatus.NOT_SENT, Doing.NOT_SENT, Doing.PAUSE),
        (
            Refused("too fast", kind=RefusalKind.THROTTLE, code="1"),
            IntentStatus.REFUSED,
            Doing.REFUSED_FOR_NOW,
            Doing.PAUSE,
        ),
        (Refused("no funds", kind=RefusalKind.FUNDS, code="2"), IntentStatus.REFUSED, Doing.REFUSED, Doing.OVER),
    ],
)
def test_an_answer_that_proves_nothing_happened_gives_the_balance_back(
    answer: NotSent | Refused, known: IntentStatus, doing: Doing, state: Doing
) -> None:
    life, commands = on(ASKED, Answered(at=NOW, answer=answer))
    assert (life.doing, told(commands)) == (doing, (known, str(answer)))
    after, _ = on(life, Resumed(at=NOW))
    assert after.doing is state
    assert after.attempts == (0 if state is Doing.OVER else 1)


@pytest.mark.parametrize("answer", [InDoubt("reset"), Accepted(note="200 ok", amount=D(301))])
def test_an_answer_that_is_not_clear_is_doubt_and_keeps_the_balance_taken(answer: InDoubt | Accepted) -> None:
    life, commands = on(ASKED, Answered(at=NOW, answer=answer))
    assert (life.state, life.doing, [type(command) for command in commands]) == (State.DOUBT, Doing.DOUBT, [Write])


@pytest.mark.parametrize("doing", [Doing.RESERVATION, Doing.WIRE, Doing.ANSWER, Doing.LOOK, Doing.LEDGER])
def test_an_event_that_answers_something_else_is_a_bug_that_is_named(doing: Doing) -> None:
    state = {Doing.WIRE: State.JOURNALLED, Doing.ANSWER: State.SENT}.get(doing, State.PLANNED)
    with pytest.raises(ImpossibleError, match="Resumed is no answer to it; this is a bug"):
        on(replace(READY, doing=doing, state=state), Resumed(at=NOW))


def test_the_last_attempt_that_did_nothing_ends_the_step() -> None:
    life, _ = on(replace(ASKED, attempts=ATTEMPTS - 1), Answered(at=NOW, answer=NotSent("no connection")))
    over, commands = on(life, Resumed(at=NOW))
    assert (over.doing, over.state, commands) == (Doing.OVER, State.SKIPPED, (Leave(), Done()))


def test_a_yes_is_journalled_with_its_latest_time() -> None:
    life, commands = on(ASKED, Answered(at=NOW, answer=Accepted(note="200 ok"), asked_after_ms=900))
    assert (life.state, life.doing, life.effect_ms, life.yes_ms) == (State.ACCEPTED, Doing.YES, 1_200, 900)
    assert isinstance(commands[-1], Write)
