"""The turns of the machine that lead out of doubt: fence, two equal looks at both witnesses, and what is journalled."""

from dataclasses import replace

import pytest

from reconcile.journal.records import Intent, IntentStatus, Outcome, Unsettled
from reconcile.model.account import MarginType
from reconcile.model.ledger import LedgerRead, LedgerRow
from reconcile.protocol import searching
from reconcile.protocol.life import Doing, Life
from reconcile.protocol.lifecycle import ImpossibleError, State
from reconcile.protocol.machine import on
from reconcile.protocol.signals import (
    CannotRead,
    Command,
    Count,
    Done,
    KnowTime,
    LaneLook,
    LedgerCame,
    Look,
    Looked,
    Memory,
    Now,
    Pause,
    ReadLedger,
    Release,
    Resumed,
    Say,
    Take,
    WaitPast,
    Write,
)
from reconcile.protocol.timing import BETWEEN_LOOKS_MS, LEAST_LOOKS, SETTLE_GRACES
from tests.kit.desk import FENCE_MS, SIGNED_MS, intent, move, row
from tests.protocol.test_decision import look, task

AFTER_MS = FENCE_MS + 1
TASK = task(step=move())
DOUBT = Life(task=TASK, state=State.DOUBT, doing=Doing.DOUBT, intent=intent(), detail="reset")
TYPE = intent(None, action="set_margin_type", before="crossed", wanted="isolated")


def at_ms(time_ms: int) -> Now:
    return Now(time_ms, time_ms)


def last(commands: tuple[Command, ...]) -> type[Command]:
    return type(commands[-1])


def earlier(
    known: IntentStatus | None, *, said_yes: bool = False, evidence: str = "", of: Intent | None = None
) -> Unsettled:
    """A step as the journal has it from an earlier run."""
    return Unsettled(
        intent=of or intent(),
        known=known,
        effect_ms=SIGNED_MS + 100 if said_yes else None,
        evidence=evidence,
        since="2026-01-01T00:00:00.000Z",
        said_yes=said_yes,
    )


def begun(item: Unsettled) -> tuple[Life, tuple[Command, ...]]:
    return searching.begin(Life.from_journal(TASK, item))


def one_look(life: Life, seen: LaneLook, *rows: LedgerRow, time_ms: int, reaches_back: bool = True) -> Life:
    """What a life is after one look at both witnesses, the pause behind it included."""
    life, commands = on(life, Looked(at=at_ms(time_ms), look=seen, memory=Memory()))
    if last(commands) is ReadLedger:
        life, commands = on(
            life, LedgerCame(at=at_ms(time_ms), ledger=LedgerRead(rows=rows, reaches_back=reaches_back))
        )
    if last(commands) is Pause:
        life, _ = on(life, Resumed(at=at_ms(time_ms + BETWEEN_LOOKS_MS)))
    return life


def looking(life: Life = DOUBT) -> Life:
    """A life whose fence is passed, asking for its first look."""
    life, commands = on(life, Resumed(at=at_ms(SIGNED_MS + 200)))
    assert isinstance(commands[-1], WaitPast)
    assert commands[-1].moment_ms == FENCE_MS
    life, commands = on(life, Resumed(at=at_ms(AFTER_MS)))
    assert (life.state, commands) == (State.LOOKING, (Look(FENCE_MS),))
    return life


# What an earlier run left.


@pytest.mark.parametrize(
    ("item", "state", "commands"),
    [
        (earlier(None), State.DOUBT, (Take, WaitPast)),
        (earlier(IntentStatus.UNKNOWN), State.DOUBT, (Take, WaitPast)),
        (earlier(IntentStatus.ACCEPTED, said_yes=True), State.CONFIRMING, (Take, KnowTime)),
        (earlier(IntentStatus.UNKNOWN, said_yes=True), State.CONFIRMING, (Take, WaitPast)),
        (earlier(None, of=intent(action="reduce_margin")), State.DOUBT, (WaitPast,)),
    ],
)
def test_what_an_earlier_run_left_begins_where_nothing_can_be_sent(
    item: Unsettled, state: State, commands: tuple[type[Command], ...]
) -> None:
    life, made = begun(item)
    assert (life.state, tuple(map(type, made))) == (state, commands)


def test_taking_up_nothing_is_a_bug_that_is_named() -> None:
    with pytest.raises(LookupError, match="taking up an earlier step: there is none"):
        searching.begin(replace(DOUBT, doing=Doing.NOTHING))


# Fence, then two equal looks.


def test_doubt_is_told_and_nothing_is_looked_at_before_the_fence() -> None:
    life, commands = on(DOUBT, Resumed(at=at_ms(SIGNED_MS)))
    assert life.doing is Doing.FENCE
    (said,) = [command for command in commands if isinstance(command, Say)]
    assert said.text == "main: BTCUSDT.long: no clear answer (reset); checking what it did"


@pytest.mark.parametrize(
    ("margin", "rows", "known", "balance", "state"),
    [
        ("1500", (row(),), IntentStatus.APPLIED, Count("i1", FENCE_MS), State.APPLIED),
        ("1200", (), IntentStatus.NOT_APPLIED, Release("i1"), State.PLANNED),
    ],
)
def test_two_equal_looks_settle_a_step(
    margin: str, rows: tuple[LedgerRow, ...], known: IntentStatus, balance: Command, state: State
) -> None:
    life = looking()
    life = one_look(life, look(margin, sent_at_ms=AFTER_MS), *rows, time_ms=AFTER_MS)
    assert life.doing is Doing.SIGHT
    later = look(margin, sent_at_ms=AFTER_MS + 1_500)
    life, _ = on(life, Looked(at=at_ms(AFTER_MS + 1_600), look=later, memory=Memory()))
    life, commands = on(life, LedgerCame(at=at_ms(AFTER_MS + 1_700), ledger=LedgerRead(rows=rows, reaches_back=True)))
    assert (life.state, life.doing, commands[0]) == (state, Doing.END, balance)
    assert isinstance(commands[-1], Write)
    assert isinstance(commands[-1].record, Outcome)
    assert commands[-1].record.known is known
    after, commands = on(life, Resumed(at=at_ms(AFTER_MS + 1_800)))
    assert after.doing is (Doing.OVER if state is State.APPLIED else Doing.PAUSE)
    assert (after.attempts, after.search) == ((0, life.search) if state is State.APPLIED else (1, None))


def test_looks_that_differ_go_on_until_the_deadline_and_end_unknown() -> None:
    life = looking()
    for number in range(LEAST_LOOKS - 1):
        seen = look("1200" if number % 2 else "1500", sent_at_ms=AFTER_MS + number)
        life = one_look(life, seen, time_ms=AFTER_MS + number)
        assert life.doing is Doing.SIGHT
    over_ms = AFTER_MS + SETTLE_GRACES * TASK.grace_ms + 1
    life = one_look(life, look("1500" if LEAST_LOOKS % 2 else "1200", sent_at_ms=over_ms), time_ms=over_ms)
    assert (life.state, life.doing, life.evidence) == (
        State.UNKNOWN,
        Doing.END,
        "no two looks in a row gave the same answer",
    )


def test_a_type_is_looked_at_without_a_ledger() -> None:
    life = looking(replace(DOUBT, intent=TYPE))
    life = one_look(life, look(None, sent_at_ms=AFTER_MS), time_ms=AFTER_MS)
    life = one_look(life, look(None, sent_at_ms=AFTER_MS + 1_500), time_ms=AFTER_MS + 1_600)
    assert (life.state, life.after) == (State.APPLIED, "isolated")


def test_a_type_that_has_not_changed_is_begun_anew() -> None:
    life = looking(replace(DOUBT, intent=TYPE))
    for time_ms in (AFTER_MS, AFTER_MS + 1_600):
        life = one_look(life, look(None, MarginType.CROSSED, sent_at_ms=time_ms), time_ms=time_ms)
    assert life.state is State.PLANNED


# Reads that fail are no evidence.


def test_a_look_that_fails_is_repeated_and_named_at_the_deadline() -> None:
    life = looking()
    failed = CannotRead(at=at_ms(AFTER_MS), reason="timeout")
    for _ in range(LEAST_LOOKS - 1):
        life, commands = on(life, failed)
        assert (life.doing, commands) == (Doing.SIGHT_PAUSE, (Pause(BETWEEN_LOOKS_MS),))
        life, _ = on(life, Resumed(at=at_ms(AFTER_MS + 10)))
    life, _ = on(life, Looked(at=at_ms(AFTER_MS + 20), look=look(), memory=Memory()))
    over = CannotRead(at=at_ms(AFTER_MS + SETTLE_GRACES * TASK.grace_ms + 1), reason="HTTP 502")
    life, _ = on(life, over)
    assert (life.state, life.evidence) == (State.UNKNOWN, "a look failed: HTTP 502")


@pytest.mark.parametrize(
    ("item", "known"),
    [
        (earlier(None), IntentStatus.UNKNOWN),
        (earlier(IntentStatus.ACCEPTED, said_yes=True), IntentStatus.ACCEPTED),
    ],
)
def test_a_fence_that_cannot_be_passed_leaves_what_was_known(item: Unsettled, known: IntentStatus) -> None:
    life, _ = begun(item)
    life, commands = on(life, CannotRead(at=at_ms(SIGNED_MS), reason="unreachable"))
    assert life.evidence == "no look was taken: unreachable"
    assert [type(command) for command in commands] == [Say, Write]
    record = commands[-1]
    assert isinstance(record, Write)
    assert isinstance(record.record, Outcome)
    assert record.record.known is known


def test_what_is_no_news_to_the_journal_is_not_written_again() -> None:
    life, _ = begun(earlier(IntentStatus.UNKNOWN, evidence="no look was taken: unreachable"))
    life, commands = on(life, CannotRead(at=at_ms(SIGNED_MS), reason="unreachable"))
    assert (life.doing, [type(command) for command in commands]) == (Doing.OVER, [Say, Done])


def test_an_unknown_answer_to_a_yes_waits_for_the_grace() -> None:
    life, _ = begun(earlier(IntentStatus.ACCEPTED, said_yes=True))
    life, commands = on(life, Resumed(at=at_ms(SIGNED_MS + 150)))
    assert commands == (Look(SIGNED_MS + 149),)
    for time_ms in (SIGNED_MS + 200, SIGNED_MS + 1_400):
        life = one_look(life, look("1200", sent_at_ms=time_ms), time_ms=time_ms)
    assert life.doing is Doing.SIGHT


def test_a_step_of_an_earlier_run_that_did_nothing_is_not_begun_anew() -> None:
    life, _ = begun(earlier(None))
    life, _ = on(life, Resumed(at=at_ms(AFTER_MS)))
    for time_ms in (AFTER_MS, AFTER_MS + 1_600):
        life = one_look(life, look("1200", sent_at_ms=time_ms), time_ms=time_ms)
    assert (life.state, life.detail) == (State.PLANNED, "")
    over, commands = on(life, Resumed(at=at_ms(AFTER_MS + 2_000)))
    assert (over.doing, commands) == (Doing.OVER, (Done(),))


@pytest.mark.parametrize("doing", [Doing.SIGHT, Doing.SIGHT_LEDGER])
def test_an_event_that_answers_something_else_is_a_bug_that_is_named(doing: Doing) -> None:
    with pytest.raises(ImpossibleError, match="Resumed is no answer to it; this is a bug"):
        on(replace(looking(), doing=doing), Resumed(at=at_ms(AFTER_MS)))


def test_looking_before_the_search_began_is_a_bug_that_is_named() -> None:
    with pytest.raises(LookupError, match="looking for a step before its search began"):
        on(replace(DOUBT, doing=Doing.FENCE), Resumed(at=at_ms(AFTER_MS)))
