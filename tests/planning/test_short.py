"""Which additions get how much of a free balance that does not cover all of them, in every way to share it."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.model.account import Percent, Policy, Position, Target, WhenShort
from reconcile.model.measures import Band, Measure, Thresholds
from reconcile.model.plan import AccountPlan, Entry, MoveMargin, Status
from reconcile.money import ZERO, total
from reconcile.planning.moves import resized
from reconcile.planning.order import plan_account
from tests.kit.desk import BINANCE, D, desired, observed, position, target

PLACES = ("AUSDT.long", "BUSDT.long", "CUSDT.long")
# margins of 300, 500, 700 are 3 %, 5 % and 7 % from liquidation; the floor is 8 % (800), the target 12 % (1200)
MARGINS = ("300", "500", "700")


def banded(place: str, priority: int | None = None) -> Target:
    band = Band(
        measure=Measure.LIQUIDATION_DISTANCE,
        bounds=Thresholds(floor=D("0.08"), target=D("0.12"), ceiling=D("0.25")),
        at_most=D(5000),
    )
    return replace(target(place), band=band, priority=priority)


def held(place: str, margin: str) -> Position:
    found = position(place, margin)
    return replace(found, liquidation_price=found.liquidation_at(found.isolated_margin))


def planned(
    way: WhenShort,
    free: str,
    *,
    least: str | None = None,
    priorities: tuple[int | None, ...] = (None, None, None),
    headroom: Percent | None = None,
) -> AccountPlan:
    limits = Policy(
        allow_reduce=True,
        min_liquidation_distance=None,
        max_margin=None,
        when_short=way,
        min_available=None if least is None else D(least),
    )
    targets = [banded(place, rank) for place, rank in zip(PLACES, priorities, strict=True)]
    positions = [held(place, margin) for place, margin in zip(PLACES, MARGINS, strict=True)]
    return plan_account(
        desired(*targets, policy=limits),
        observed(positions, available={"USDT": D(free)}),
        held={},
        traits=BINANCE,
        plan_id="p",
        observed_wall_ms=0,
        identity="i",
        headroom=headroom,
    )


def given_to(plan: AccountPlan) -> list[Decimal]:
    return [total(step.amount for step in entry.steps if isinstance(step, MoveMargin)) for entry in plan.entries]


def missing(entries: tuple[Entry, ...]) -> list[Decimal]:
    return [entry.missing or ZERO for entry in entries]


@pytest.mark.parametrize(
    ("way", "free", "amounts"),
    [
        (WhenShort.NEAREST_FIRST, "2100", (900, 700, 500)),  # enough for all
        (WhenShort.NEAREST_FIRST, "400", (400, 0, 0)),
        (WhenShort.NEAREST_FIRST, "600", (500, 100, 0)),
        (WhenShort.NEAREST_FIRST, "900", (500, 300, 100)),  # all at their floors
        (WhenShort.NEAREST_FIRST, "1200", (800, 300, 100)),  # then to targets, the nearest first
        (WhenShort.NEAREST_FIRST, "1500", (900, 500, 100)),
        (WhenShort.PRIORITY, "600", (100, 0, 500)),
        (WhenShort.PRIORITY, "1500", (900, 100, 500)),
        (WhenShort.PRO_RATA, "210", (90, 70, 50)),
        (WhenShort.PRO_RATA, "0", (0, 0, 0)),
    ],
)
def test_the_free_balance_is_shared_out(way: WhenShort, free: str, amounts: tuple[int, ...]) -> None:
    priorities = (2, None, 1) if way is WhenShort.PRIORITY else (None, None, None)
    plan = planned(way, free, priorities=priorities)
    assert (plan.exit_code, given_to(plan)) == (0, [D(amount) for amount in amounts])
    needs = [D(900), D(700), D(500)]
    assert missing(plan.entries) == [need - D(amount) for need, amount in zip(needs, amounts, strict=True)]
    statuses = [Status.CHANGE if amount else Status.BLOCKED for amount in amounts]
    assert [entry.status for entry in plan.entries] == statuses
    assert {entry.blocked_by for entry in plan.entries if entry.status is Status.BLOCKED} <= {"short"}


@pytest.mark.parametrize("way", [WhenShort.NEAREST_FIRST, WhenShort.PRIORITY, WhenShort.PRO_RATA])
def test_a_balance_for_all_additions_but_not_for_their_headroom_takes_the_headroom_alone(way: WhenShort) -> None:
    plan = planned(way, "2300", headroom=Percent(value=D(20)))
    assert given_to(plan) == [D(900), D(700), D(500)]
    assert [(entry.status, entry.missing) for entry in plan.entries] == [(Status.CHANGE, None)] * 3
    assert {step.ceiling for entry in plan.entries for step in entry.steps if isinstance(step, MoveMargin)} == {None}


def test_refuse_refuses_the_account_as_before() -> None:
    plan = planned(WhenShort.REFUSE, "900")
    assert (plan.exit_code, [error.key for error in plan.errors], plan.order) == (4, ["min_available"], ())


def test_what_is_missing_is_said() -> None:
    nearest = planned(WhenShort.NEAREST_FIRST, "600")
    assert nearest.entries[1].reason == (
        "the free balance covers 100 of 700 USDT, 600 is missing; fund the account, or free margin elsewhere"
    )
    partly = nearest.entries[1].steps[0]
    assert isinstance(partly, MoveMargin)
    assert (partly.after, partly.liquidation_price_after, partly.measure_after) == (D(600), D(9400), D("0.06"))


@given(
    way=st.sampled_from([WhenShort.NEAREST_FIRST, WhenShort.PRIORITY, WhenShort.PRO_RATA]),
    free=st.decimals(0, 3000, places=3),
    least=st.decimals(0, 1500, places=3),
)
def test_min_available_is_left_in_every_way(way: WhenShort, free: Decimal, least: Decimal) -> None:
    plan = planned(way, str(free), least=str(least))
    added = total(given_to(plan))
    assert plan.exit_code == 0
    assert added <= max(ZERO, free - least)
    assert max(ZERO, min(free - least, D(2100))) - added < D("0.001")  # and nothing is left over but dust


def test_a_plain_amount_is_its_own_floor_and_what_needs_no_addition_takes_nothing() -> None:
    targets = [target(PLACES[0], "800"), banded(PLACES[1]), target(PLACES[2], "700")]
    positions = [held(place, margin) for place, margin in zip(PLACES, MARGINS, strict=True)]
    limits = Policy(
        allow_reduce=True, min_liquidation_distance=None, max_margin=None, when_short=WhenShort.NEAREST_FIRST
    )
    plan = plan_account(
        desired(*targets, policy=limits),
        observed(positions, available={"USDT": D(600)}),
        held={},
        traits=BINANCE,
        plan_id="p",
        observed_wall_ms=0,
        identity="i",
    )
    assert given_to(plan) == [D(500), D(100), D(0)]


def test_a_step_without_a_position_is_resized_without_prices() -> None:
    plan = planned(WhenShort.NEAREST_FIRST, "2100")
    step = plan.entries[0].steps[0]
    assert isinstance(step, MoveMargin)
    smaller = resized(step, D(10), None, None)
    assert (smaller.amount, smaller.after) == (D(10), D(310))
    assert smaller.liquidation_price_after == step.liquidation_price_after
