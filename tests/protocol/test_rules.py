"""Which looks may be computed from: what each rule finds of a question, in the order of the table, and what it says."""

from dataclasses import replace

import pytest

from reconcile.journal.records import Effect
from reconcile.model.ledger import LedgerRead
from reconcile.protocol.rules import RULES, AskLedger, Finding, LookLater, Question, Rule, Sound, judge
from reconcile.protocol.signals import Memory, Now
from reconcile.protocol.timing import LET_GO_GRACES, LONG_AFTER_GRACES
from tests.kit.desk import D, at
from tests.protocol.test_decision import LONG, look

GRACE_MS = 5_000
TOOK_MS = 1_000_000
"""When our last step took effect."""
BY_NAME = {rule.name: rule for rule in RULES}
OURS = Effect(
    address=at(LONG),
    effect_ms=TOOK_MS,
    signed_ms=TOOK_MS - 100,
    before=D(900),
    after=D(1200),
    size=D(1),
    identity=None,
    claim=None,
    asset="USDT",
)
NO_ROWS = LedgerRead(rows=(), reaches_back=True)


def asked(
    graces: int, margin: str | None = "1200", *, memory: Memory | None = None, ledger: LedgerRead | None = None
) -> Question:
    """A look so many graces, and a second, after our step."""
    sent_ms = TOOK_MS + graces * GRACE_MS + 1_000
    return Question(
        look=look(margin, sent_at_ms=sent_ms),
        memory=memory or Memory(move=OURS),
        ledger=ledger,
        grace_ms=GRACE_MS,
        at=Now(sent_ms + 50, sent_ms + 60),
    )


def without(graces: int) -> Question:
    return asked(graces, memory=Memory())


@pytest.mark.parametrize(
    ("name", "question", "found"),
    [
        ("within the grace", asked(0, memory=Memory(effect=OURS)), LookLater(TOOK_MS + GRACE_MS)),
        ("within the grace", asked(1, memory=Memory(effect=OURS)), None),
        ("within the grace", without(0), None),
        ("unknown call", asked(1, memory=Memory(unseen_until_ms=9)), LookLater(9)),
        ("unknown call", without(1), None),
        ("no step of ours", without(1), Sound()),
        ("no step of ours", asked(1, None), Sound()),
        ("no step of ours", asked(1), None),
        ("let go", asked(LET_GO_GRACES), Sound()),
        ("let go", asked(LET_GO_GRACES - 1), None),
        ("past our step", asked(LONG_AFTER_GRACES), Sound()),
        ("past our step", asked(LONG_AFTER_GRACES, "900"), None),
        ("past our step", asked(LONG_AFTER_GRACES - 1), None),
        ("past our step", without(LONG_AFTER_GRACES), None),
        ("adds up", asked(2, ledger=NO_ROWS), Sound()),
        ("adds up", asked(2, "900", ledger=NO_ROWS), LookLater(asked(2).at.earliest_ms - 1)),
        (
            "adds up",
            asked(2, "900", ledger=replace(NO_ROWS, reaches_back=False)),
            LookLater(asked(2).at.earliest_ms - 1),
        ),
        ("adds up", without(2), None),
    ],
)
def test_a_rule_finds_something_only_where_it_is_about_the_look(
    name: str, question: Question, found: Finding | None
) -> None:
    assert BY_NAME[name].finds(question) == found


def test_the_ledger_is_asked_for_every_row_that_the_steps_margin_may_lack() -> None:
    found = BY_NAME["adds up"].finds(asked(2))
    assert isinstance(found, AskLedger)
    assert found.since_ms < OURS.signed_ms - LONG_AFTER_GRACES * GRACE_MS


@pytest.mark.parametrize(
    ("question", "found"),
    [
        (asked(0, memory=Memory(effect=OURS, unseen_until_ms=9)), LookLater(TOOK_MS + GRACE_MS)),
        (asked(1, memory=Memory(effect=OURS, unseen_until_ms=9)), LookLater(9)),
        (without(1), Sound()),
        (asked(2, ledger=NO_ROWS), Sound()),
    ],
)
def test_the_first_rule_that_finds_anything_decides(question: Question, found: Finding) -> None:
    assert judge(question) == found


@pytest.mark.parametrize(
    ("name", "question", "words"),
    [
        ("within the grace", asked(0, memory=Memory(effect=OURS)), "a reading may be 5 s late"),
        ("within the grace", asked(-9, memory=Memory(effect=OURS)), "it was set back, or is wrong"),
        ("unknown call", without(1), "a margin call that this journal does not know"),
        ("adds up", asked(2, "900"), "do not prove that this reading is from after it"),
        ("adds up", asked(LONG_AFTER_GRACES, "900"), "the step does not show in it, and no ledger row explains that"),
    ],
)
def test_a_rule_that_wants_a_later_look_says_what_it_saw(name: str, question: Question, words: str) -> None:
    assert words in BY_NAME[name].says(question)


@pytest.mark.parametrize(
    ("rule", "question"),
    [
        (BY_NAME["within the grace"], without(0)),
        (BY_NAME["adds up"], without(2)),
        (BY_NAME["adds up"], asked(2, memory=Memory(move=replace(OURS, before=None)))),
        (BY_NAME["let go"], asked(2)),
    ],
)
def test_a_rule_that_saw_nothing_says_nothing(rule: Rule, question: Question) -> None:
    assert rule.says(question) == ""
