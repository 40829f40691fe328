"""What a look shows of an accepted step, and what the journal is told at the end of one."""

from dataclasses import replace

import pytest

from reconcile.evidence.possible import MarginEvidence
from reconcile.evidence.verdict import Sight, Verdict
from reconcile.journal.records import Intent, IntentStatus
from reconcile.model.account import MarginType
from reconcile.protocol.life import SettingSight
from reconcile.protocol.outcomes import outcome_of, visible
from reconcile.protocol.signals import LaneLook
from tests.kit.desk import D, intent, position
from tests.protocol.test_decision import LONG, look

TYPE = intent(None, action="set_margin_type", before="crossed", wanted="isolated")


SWITCH = intent(None, action="set_auto_add", before="on", wanted="off")
CROSSED = MarginType.CROSSED


@pytest.mark.parametrize(
    ("sent", "seen", "shown"),
    [
        (intent(), look("1500"), "1500"),
        (intent(), look("1496.5"), "1496.5"),
        (intent(), look("1200"), None),
        (intent(), look(None), None),
        (intent(), replace(look(), position=position(LONG, "1500", size="0")), None),
        (TYPE, look(None), "isolated"),
        (TYPE, look(None, MarginType.CROSSED), None),
        (TYPE, replace(look(None), symbol=None), None),
        (SWITCH, look(), "off"),
        (SWITCH, look(position=position(LONG, auto_add=True)), None),
        (SWITCH, look(position=position(LONG, kind=CROSSED)), None),
        (SWITCH, look(position=position(LONG, size="0")), None),
        (SWITCH, look(None), None),
    ],
)
def test_a_change_is_visible_where_the_look_shows_it(sent: Intent, seen: LaneLook, shown: str | None) -> None:
    assert visible(sent, seen) == shown


@pytest.mark.parametrize(
    ("sent", "seen", "older", "is_told"),
    [
        (intent(), look("1500"), (), False),
        (intent(), look("1500"), ("1200", "1000"), False),
        (intent(), look("1500"), ("1500",), True),
        (intent(), look("1496.5"), ("1495",), True),
        (intent(), look("1496.5"), ("1490",), False),
        (TYPE, look(None), ("1500",), False),
    ],
)
def test_a_margin_that_an_earlier_step_left_may_be_older(
    sent: Intent, seen: LaneLook, older: tuple[str, ...], *, is_told: bool
) -> None:
    assert (visible(sent, seen, older=[D(each) for each in older]) is None) is is_told


def sight(*rows: str, margin: MarginEvidence = MarginEvidence.MOVED, live: str | None = "1500") -> Sight:
    return Sight(rows=rows, margin=margin, complete=True, live=None if live is None else D(live))


BEHIND = sight("r1", margin=MarginEvidence.NOT_MOVED, live="1200")
"""A look whose margin is not there yet, though the ledger has the row."""


@pytest.mark.parametrize(
    ("seen", "verdict", "known", "after", "claim"),
    [
        (sight("r1"), Verdict.APPLIED, IntentStatus.APPLIED, "1500", "r1"),
        (sight("r1", live="1490"), Verdict.APPLIED, IntentStatus.APPLIED, "1490", "r1"),
        (
            sight("r1", margin=MarginEvidence.NOT_MOVED, live="1200"),
            Verdict.APPLIED,
            IntentStatus.APPLIED,
            "1500",
            "r1",
        ),
        (sight(), Verdict.APPLIED_ON_MARGIN, IntentStatus.APPLIED, "1500", None),
        (
            sight(margin=MarginEvidence.NOT_MOVED, live="1200"),
            Verdict.NOT_APPLIED,
            IntentStatus.NOT_APPLIED,
            None,
            None,
        ),
        (sight(live=None), Verdict.RELEASED, IntentStatus.RELEASED, None, None),
        (sight("r1", "r2"), Verdict.UNKNOWN, IntentStatus.UNKNOWN, None, None),
        (SettingSight(live="isolated"), Verdict.APPLIED, IntentStatus.APPLIED, "isolated", None),
    ],
)
def test_the_journal_is_told_what_is_known(
    seen: Sight | SettingSight, verdict: Verdict, known: IntentStatus, after: str | None, claim: str | None
) -> None:
    told = outcome_of(intent(), seen, verdict, effect_ms=9, said_yes=False)
    assert (told.known, told.after, told.claim) == (known, after, claim)
    assert told.effect_ms == (None if verdict is Verdict.NOT_APPLIED else 9)


@pytest.mark.parametrize(
    ("seen", "said_yes", "evidence"),
    [
        (sight("r1", "r2"), False, "2 ledger rows fit (r1, r2); margin 1200 → 1500, moved"),
        (sight(live=None), True, "the exchange said yes, but no ledger row; no open position"),
        (
            replace(sight(), complete=False),
            False,
            "no ledger row (the ledger does not reach back that far); margin 1200 → 1500, moved",
        ),
        (
            sight("r1", margin=MarginEvidence.NOT_MOVED, live="1200"),
            False,
            "ledger row r1; margin 1200 → 1200, not seen to move",
        ),
        (
            sight("r1", margin=MarginEvidence.CANNOT_TELL),
            False,
            "ledger row r1; margin 1200 → 1500, which alone does not tell",
        ),
        (SettingSight(live=None), False, "margin type reads nothing after the fence"),
    ],
)
def test_the_evidence_names_rows_reach_and_margin(seen: Sight | SettingSight, said_yes: bool, evidence: str) -> None:  # noqa: FBT001
    assert outcome_of(intent(), seen, Verdict.UNKNOWN, effect_ms=9, said_yes=said_yes).evidence == evidence


def test_the_evidence_names_the_setting_and_rows_that_may_be_ours() -> None:
    switched = outcome_of(SWITCH, SettingSight(live="on"), Verdict.UNKNOWN, effect_ms=9, said_yes=False)
    assert switched.evidence == "auto-add reads on after the fence"
    unsure = replace(sight(), maybe=("r7",))
    told = outcome_of(intent(), unsure, Verdict.UNKNOWN, effect_ms=9, said_yes=False)
    assert told.evidence == "ledger row r7 may be ours; margin 1200 → 1500, moved"
