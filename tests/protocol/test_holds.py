"""Each rule that holds an address says so, and the page lists it with its end and its words."""

from dataclasses import replace
from pathlib import Path

import pytest

from reconcile.journal.records import Effect
from reconcile.model.holds import AT_WORK, UNSEEN, UNSETTLED
from reconcile.model.ledger import LedgerRead
from reconcile.protocol.holds import hold_of, step_text, unproven
from reconcile.protocol.rules import RULES, LookLater, Question
from reconcile.protocol.signals import LaneLook, Memory, Now
from tests.kit.desk import D, at, position

PAGE = (Path(__file__).parents[2] / "docs" / "exactly-once.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.partition("## How long an address is held")[2].partition("\n## ")[0].splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| Situation"))
]
GRACE_MS, STEP_MS = 5_000, 1_767_225_600_000
MOVE = Effect(
    address=at("BTCUSDT.long"),
    effect_ms=STEP_MS,
    signed_ms=STEP_MS - 100,
    before=D(1200),
    after=D(1500),
    size=D(1),
    identity=None,
    claim=None,
)


def asked(
    *, after_ms: int, margin: str = "1200", memory: Memory | None = None, ledger: LedgerRead | None = None
) -> Question:
    """A look that was sent so long after our step."""
    sent_ms = STEP_MS + after_ms
    look = LaneLook(
        sent_at_ms=sent_ms,
        position=position("BTCUSDT.long", margin),
        symbol=None,
        shared=False,
        is_open=True,
        available=D(0),
    )
    known = Memory(effect=MOVE, move=MOVE) if memory is None else memory
    return Question(look=look, memory=known, ledger=ledger, grace_ms=GRACE_MS, at=Now(sent_ms, sent_ms))


EMPTY = LedgerRead(rows=(), reaches_back=True)
HELD = {
    # what holds: the question, how long after the step it ends
    "within the grace": (asked(after_ms=2_000), 5_000),
    "within the grace, the clock set back": (asked(after_ms=-300_000), 5_000),
    "unknown call": (asked(after_ms=9_000, memory=Memory(unseen_until_ms=STEP_MS + 51_000)), 51_000),
    "adds up": (asked(after_ms=9_000, margin="1350", ledger=EMPTY), 50_000),
    "adds up, the margin from before": (asked(after_ms=9_000, ledger=EMPTY), 500_000),
    "adds up, long after": (asked(after_ms=60_000, ledger=EMPTY), 500_000),
}


@pytest.mark.parametrize("case", HELD)
def test_a_hold_has_its_rule_its_end_and_the_words_of_the_page(case: str) -> None:
    question, ends_ms = HELD[case]
    hold = hold_of(question)
    assert (hold.by, hold.until_ms) == (case.partition(",")[0], STEP_MS + ends_ms)
    assert (f"`{hold.by}`", hold.reason) in [(row[1], row[4]) for row in ROWS]
    assert not hold.is_unknown


@pytest.mark.parametrize("case", HELD)
def test_the_same_reading_is_held_until_the_end_and_no_longer(case: str) -> None:
    question, _ = HELD[case]
    hold = hold_of(question)
    assert hold.until_ms is not None
    unseen_ms = question.memory.unseen_until_ms
    for sent_ms, is_held in ((hold.until_ms, True), (hold.until_ms + 1, False)):
        memory = replace(
            question.memory, unseen_until_ms=unseen_ms if unseen_ms is None or unseen_ms >= sent_ms else None
        )
        later = replace(question, look=replace(question.look, sent_at_ms=sent_ms), memory=memory)
        found = [isinstance(rule.finds(later), LookLater) for rule in RULES]
        first = next((rule.finds(later) for rule in RULES if rule.finds(later) is not None), None)
        assert isinstance(first, LookLater) is is_held, found


def test_the_page_lists_everything_that_holds() -> None:
    holding = {case.partition(",")[0] for case in HELD}
    others = {rule.name for rule in RULES} - holding
    for rule in RULES:
        if rule.name in others:
            assert not any(isinstance(rule.finds(question), LookLater) for question, _ in HELD.values())
            assert not any(rule.says(question) for question, _ in HELD.values())
    assert {row[1].strip("`") for row in ROWS} == holding | {UNSETTLED, UNSEEN, AT_WORK}


@pytest.mark.parametrize(("margin", "ends_ms"), [("1350", 50_000), ("1200", 500_000)])
def test_a_last_look_that_no_ledger_proves_is_held_as_the_next_run_will_say(margin: str, ends_ms: int) -> None:
    hold = unproven(MOVE, position("BTCUSDT.long", margin), grace_ms=GRACE_MS)
    assert (hold.by, hold.until_ms) == ("adds up", STEP_MS + ends_ms)
    assert hold.until_ms == hold_of(asked(after_ms=9_000, margin=margin, ledger=EMPTY)).until_ms
    assert hold.reason.startswith(
        "the last look of the run may be from before our last step (1200 → 1500 at 2026-01-01T00:00:00Z); "
    )


def test_a_step_that_moved_no_margin_is_not_told_as_one() -> None:
    with pytest.raises(LookupError, match=r"telling of a step on BTCUSDT\.long: it moved no margin"):
        step_text(replace(MOVE, before=None, after=None))
