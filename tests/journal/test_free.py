"""What is free by our own arithmetic: every proof counts, and nothing that a read may show already."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from reconcile.journal.records import Intent, IntentStatus, Outcome, Resolved
from reconcile.journal.state import JournalState
from tests.kit.journals import intent, outcome

D = Decimal


def added(number: int, free: str | None) -> Intent:
    """An addition of 300 on a lane of its own, reserved from this free balance."""
    return replace(intent(number), amount=D(300), free=None if free is None else D(free))


def reduced(number: int, free: str | None) -> Intent:
    """A reduction by 50, with this free balance before it."""
    return replace(added(number, free), amount=D(50), action="reduce_margin")


def switched(number: int) -> Intent:
    return replace(intent(number), action="set_auto_add", asset=None, amount=None, free=None)


def ended(number: int, known: IntentStatus) -> Outcome:
    return outcome(number, known, effect_ms=9_000 if known.moved else None)


def stated(number: int, *, is_applied: bool) -> Resolved:
    return Resolved(intent_id=f"intent-{number}", applied=is_applied, reason="r", actor="a", effect_ms=9_000)


APPLIED, ACCEPTED, UNKNOWN = IntentStatus.APPLIED, IntentStatus.ACCEPTED, IntentStatus.UNKNOWN
NOT_APPLIED, RELEASED = IntentStatus.NOT_APPLIED, IntentStatus.RELEASED


@pytest.mark.parametrize(
    ("records", "free"),
    [
        pytest.param((), None, id="an empty journal"),
        pytest.param((added(1, "1000"),), "700", id="an addition under way"),
        pytest.param((added(1, "1000"), added(2, "700")), "400", id="two of them"),
        pytest.param((added(1, "1000"), ended(1, APPLIED)), "700", id="applied"),
        *(
            pytest.param((added(1, "1000"), ended(1, known)), "1000", id=f"given back: {known}")
            for known in (IntentStatus.REFUSED, IntentStatus.NOT_SENT, NOT_APPLIED)
        ),
        pytest.param(
            (added(1, "1000"), ended(1, UNKNOWN), ended(1, NOT_APPLIED)), "1000", id="unknown, then not applied"
        ),
        pytest.param((added(1, "1000"), ended(1, UNKNOWN), ended(1, RELEASED)), "700", id="released is no proof"),
        pytest.param((added(1, "1000"), ended(1, ACCEPTED), ended(1, NOT_APPLIED)), "700", id="accepted before"),
        pytest.param((added(1, "1000"), stated(1, is_applied=False)), "700", id="a person's word is no proof"),
        pytest.param((added(1, "1000"), reduced(2, "700")), "700", id="a reduction under way"),
        pytest.param((added(1, "1000"), reduced(2, "700"), ended(2, APPLIED)), "750", id="applied, it frees balance"),
        pytest.param((added(1, "1000"), reduced(2, "700"), ended(2, ACCEPTED)), "700", id="accepted, it does not yet"),
        pytest.param(
            (added(1, "1000"), reduced(2, "700"), ended(2, ACCEPTED), ended(2, APPLIED)), "750", id="but then it does"
        ),
        pytest.param(
            (added(1, "1000"), reduced(2, "700"), ended(2, NOT_APPLIED)), "700", id="a reduction that did nothing"
        ),
        pytest.param(
            (added(1, "1000"), reduced(2, "700"), stated(2, is_applied=True)), "700", id="one that a person states"
        ),
        pytest.param(
            (added(1, "1000"), reduced(2, "700"), added(3, "700"), ended(2, APPLIED)),
            "450",
            id="it is in no sum before it",
        ),
        pytest.param(
            (added(1, "1000"), reduced(2, "700"), added(3, "750"), ended(2, APPLIED)),
            "450",
            id="a look may show it already",
        ),
        pytest.param((reduced(1, "1000"), added(2, "1000"), ended(1, APPLIED)), "750", id="a reduction comes first"),
        pytest.param((reduced(1, "1000"), added(2, "1050"), ended(1, APPLIED)), "750", id="and its look shows it"),
        pytest.param((added(1, "1000"), reduced(2, "650"), ended(2, APPLIED)), "700", id="a look before it shows less"),
        pytest.param((added(1, "1000"), reduced(2, None)), None, id="an earlier version reduced"),
        pytest.param((added(1, "1000"), added(2, None)), None, id="an earlier version added"),
        pytest.param((added(1, "1000"), added(2, None), ended(1, NOT_APPLIED)), None, id="and nothing makes it known"),
        pytest.param((added(1, "1000"), switched(2), ended(2, APPLIED)), "700", id="a call that moves no margin"),
    ],
)
def test_what_is_free_by_our_own_arithmetic(records: Sequence[Intent | Outcome | Resolved], free: str | None) -> None:
    state = JournalState()
    for record in records:
        state.add(record, at="2026-01-01T00:00:00.000Z")
    assert state.free.amounts.get("USDT") == (None if free is None else D(free))


def test_a_look_shows_the_reductions_of_its_own_asset_alone() -> None:
    state = JournalState()
    for record in (added(1, "1000"), reduced(2, "700"), replace(added(3, "5"), asset="USDC"), ended(2, APPLIED)):
        state.add(record, at="2026-01-01T00:00:00.000Z")
    assert state.free.amounts == {"USDT": D(750), "USDC": D(-295)}
