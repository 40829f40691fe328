"""The look just before sending: the plan is a ceiling."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.model.account import Position
from reconcile.planning.fresh import FreshMove, InSync, Send, Stale, fresh_move
from tests.kit.desk import CROSSED, D, move, position, target

STEP = D("1e-8")
PLACE = "BTCUSDT.long"


@pytest.mark.parametrize(
    ("live", "sent"),
    [
        ("1200", Send(amount=D(300))),
        ("1205", Send(amount=D(295))),
        ("1195", Send(amount=D(300))),
        ("1199.999999991", Send(amount=D(300))),
        ("1200.000000001", Send(amount=D("299.99999999"))),
    ],
)
def test_an_addition_is_the_fresh_gap_but_never_more_than_planned(live: str, sent: FreshMove) -> None:
    found = fresh_move(target(PLACE, "1500", tolerance="5"), move(tolerance="5"), position(PLACE, live), STEP)
    assert found == sent


@pytest.mark.parametrize(("live", "amount"), [("1500", "300"), ("1495", "295"), ("1505", "300")])
def test_a_reduction_is_the_fresh_gap_but_never_more_than_planned(live: str, amount: str) -> None:
    step = move(before="1500", after="1200", tolerance="5")
    found = fresh_move(target(PLACE, "1200", tolerance="5"), step, position(PLACE, live), STEP)
    assert found == Send(amount=D(amount))


@pytest.mark.parametrize(
    ("live", "tolerance"), [("1493", "7.5"), ("1499.999999991", "2000"), ("1500", "400")], ids=["near", "dust", "there"]
)
def test_what_is_near_enough_already_is_not_sent(live: str, tolerance: str) -> None:
    step = move(before="1492", tolerance="10")
    wanted = target(PLACE, "1500", tolerance=tolerance)
    assert fresh_move(wanted, step, position(PLACE, live), STEP) == InSync()


def test_a_gap_smaller_than_one_step_is_not_sent() -> None:
    step = move(before="1499.99999", after="1500", tolerance="0")
    found = fresh_move(target(PLACE, "1500"), step, position(PLACE, "1499.99999"), D("0.0001"))
    assert found == InSync()


def test_a_planned_amount_below_one_step_is_not_sent() -> None:
    step = move(before="1499.99999", after="1500", tolerance="0.1")
    found = fresh_move(target(PLACE, "1500"), step, position(PLACE, "1499.9"), D("0.0001"))
    assert found == InSync()


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (None, "closed"),
        (position(PLACE, "0", size="0"), "closed"),
        (position(PLACE, "0", kind=CROSSED), "crossed"),
        (position(PLACE, "1200", auto_add=True), "auto-add"),
        (position(PLACE, "1210"), "from 1200 to 1210"),
        (position(PLACE, "1189"), "from 1200 to 1189"),
        (position(PLACE, "1500"), "from 1200 to 1500"),
    ],
)
def test_what_was_not_planned_from_is_stale_and_says_why(found: Position | None, reason: str) -> None:
    fresh = fresh_move(target(PLACE, "1500", tolerance="5"), move(tolerance="5"), found, STEP)
    assert isinstance(fresh, Stale)
    assert reason in fresh.reason


def test_a_step_never_turns_around() -> None:
    fresh = fresh_move(target(PLACE, "1100"), move(), position(PLACE, "1200"), STEP)
    assert isinstance(fresh, Stale)
    assert "other side" in fresh.reason


def test_a_target_without_margin_moves_none() -> None:
    with pytest.raises(ValueError, match="declares none"):
        fresh_move(target(PLACE), move(), position(PLACE), STEP)


AMOUNTS = st.decimals(min_value=Decimal(0), max_value=Decimal(10**9), places=10)
STEPS = st.sampled_from([Decimal("1e-8"), Decimal("1e-6"), Decimal("1e-4"), Decimal("0.07")])
TOLERANCES = st.decimals(min_value=Decimal(0), max_value=Decimal(1000), places=4)


@given(wanted=AMOUNTS, before=AMOUNTS, after=AMOUNTS, live=AMOUNTS, tolerance=TOLERANCES, step_size=STEPS)
def test_nothing_is_ever_sent_past_the_target_or_the_plan(
    *, wanted: Decimal, before: Decimal, after: Decimal, live: Decimal, tolerance: Decimal, step_size: Decimal
) -> None:
    step = move(before=str(before), after=str(after), tolerance=str(tolerance))
    found = fresh_move(target(PLACE, str(wanted)), step, position(PLACE, str(live)), step_size)
    if isinstance(found, Send):
        reached = live + found.amount if step.action == "add_margin" else live - found.amount
        assert 0 < found.amount <= step.amount
        assert min(live, wanted) <= reached <= max(live, wanted)
        assert found.amount % step_size == 0
