"""Bands: in sync inside, the smallest margin that reaches the target outside, and what is in the way of it."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.model.account import Position, Target
from reconcile.model.measures import Band, Measure, Thresholds
from reconcile.model.plan import MoveMargin
from reconcile.model.risk import Exposure, Risk
from reconcile.planning.bands import Assessment, assess, floor_margin, is_inside, measure_at, value_of
from reconcile.planning.diff import diff
from reconcile.planning.fresh import InSync, Send, Stale, fresh_move
from tests.kit.desk import BINANCE, D, desired, observed, position, target
from tests.kit.measured import POSITIONS, with_margin

STEP = D("0.000001")
LONG = "BTCUSDT.long"


def banded(
    measure: Measure = Measure.LIQUIDATION_DISTANCE,
    *,
    floor: str = "0.08",
    aim: str = "0.12",
    ceiling: str | None = "0.25",
    at_most: str = "4000",
    at_least: str = "0",
    rounding: str | None = None,
    place: str = LONG,
) -> Target:
    band = Band(
        measure=measure,
        bounds=Thresholds(floor=D(floor), target=D(aim), ceiling=None if ceiling is None else D(ceiling)),
        at_most=D(at_most),
        at_least=D(at_least),
        rounding=None if rounding is None else D(rounding),
    )
    return replace(target(place), band=band)


def held_with(margin: str, *, told: str | None = None, mark: str | None = "10000", **others: Any) -> Position:
    """One coin bought at 10 000; the exchange shows the price that the formula gives, unless said otherwise."""
    held = position(LONG, margin, mark=mark, told=told, notional=mark or "10000", **others)
    return held if told else replace(held, liquidation_price=held.liquidation_at(held.isolated_margin))


def found(declared: Target, held: Position, *, allow_reduce: bool = True) -> Assessment:
    return assess(declared, held, STEP, allow_reduce=allow_reduce)


# One coin at 10 000: the margin is the distance in price, so 800 is 8 %.


@pytest.mark.parametrize(
    ("declared", "margin", "is_below"),
    [
        (banded(), "799.99", True),
        (banded(), "800", False),
        (banded(), "2501", False),
        (target(LONG, "9000"), "799.99", False),
    ],
    ids=["below the floor", "at the floor", "above the ceiling", "an amount has no floor"],
)
def test_an_entry_tells_whether_its_measure_is_below_its_floor(declared: Target, margin: str, is_below: bool) -> None:  # noqa: FBT001
    (entry,) = diff(desired(declared), observed((held_with(margin),)), held={}, traits=BINANCE)
    assert entry.is_below_floor is is_below


@pytest.mark.parametrize("margin", ["800", "1000", "1200", "2500"])
def test_inside_the_band_the_margin_stays(margin: str) -> None:
    assert found(banded(), held_with(margin)).wanted is None


@pytest.mark.parametrize(
    ("margin", "declared", "wanted"),
    [
        ("799.99", banded(), "1200"),
        ("700", banded(rounding="70"), "1260"),
        ("700", banded(at_least="1500"), "1500"),
        ("700", banded(at_most="1100"), "1100"),
        ("700", banded(Measure.EQUITY_SHARE, floor="0.1", aim="0.15"), "1500"),
        ("140", banded(Measure.MAINTENANCE_COVER, floor="3", aim="5", ceiling=None), "250"),
        ("2501", banded(), "1200"),
        ("2501", banded(rounding="70"), "1260"),
        ("2501", banded(at_least="1300"), "1300"),
        ("2501", banded(at_most="1000"), "1200"),  # never below the target
    ],
)
def test_outside_the_band_the_smallest_margin_that_reaches_the_target_is_wanted(
    margin: str, declared: Target, wanted: str
) -> None:
    assert found(declared, held_with(margin)).wanted == D(wanted)


@pytest.mark.parametrize("at_most", ["700", "500"])
def test_a_value_below_the_floor_is_blocked_where_at_most_is_reached_and_never_reduced(at_most: str) -> None:
    result = found(banded(at_most=at_most), held_with("700"))
    assert (result.blocked_by, result.wanted) == ("at_most", D(1200))
    assert "the floor needs 800 USDT, target 12% needs 1200" in result.text


def test_at_most_under_the_present_margin_takes_out_only_what_is_above_the_target() -> None:
    held = held_with("1500")
    assert found(banded(at_most="1000"), held).wanted == D(1200)
    assert found(banded(at_most="1400"), held).wanted == D(1400)
    assert found(banded(at_most="1000"), held, allow_reduce=False).wanted is None
    between = found(banded(at_most="1000"), held_with("1100"))
    assert (between.wanted, between.blocked_by) == (None, None)
    assert "above at_most 1000" in between.text


def test_above_the_ceiling_without_allow_reduce_is_in_sync_with_a_note() -> None:
    result = found(banded(), held_with("3000"), allow_reduce=False)
    assert (result.wanted, result.blocked_by) == (None, None)
    assert result.text == "30% is above ceiling 25%; 1800 USDT could be taken out with allow_reduce"


@pytest.mark.parametrize(
    ("most", "wanted", "text"),
    [
        ("300", None, "30% is above ceiling 25%; the exchange lets out less than 10% of the margin"),
        ("300.2", "2699.810001", "30% is above ceiling 25%"),
        ("0", None, "30% is above ceiling 25%; the exchange lets none of it out"),
    ],
)
def test_a_part_is_taken_out_from_a_tenth_of_the_margin_on(most: str, wanted: str | None, text: str) -> None:
    result = found(banded(), held_with("3000", most=most))
    assert (result.wanted, result.text) == (None if wanted is None else D(wanted), text)


def test_above_the_ceiling_no_more_is_taken_out_than_the_exchange_lets_out() -> None:
    wanted = found(banded(), held_with("3000", most="500")).wanted
    assert wanted == D(2500) + D("0.000001") + D("0.01")  # one step, and a millionth of the notional
    assert found(banded(), held_with("3000", most="0")).wanted is None


def test_an_exchange_that_prints_another_liquidation_price_blocks_the_entry_with_both_numbers() -> None:
    result = found(banded(), held_with("700", told="9200"))
    assert (result.blocked_by, result.wanted) == ("formula", None)
    assert "our formula gives 9300 and the exchange shows 9200" in result.text
    assert found(banded(), held_with("700", told="9260")).blocked_by is None


@pytest.mark.parametrize("held", [held_with("700", risk=False), held_with("700", mark=None)])
def test_what_cannot_be_measured_is_blocked_by_formula(held: Position) -> None:
    assert found(banded(), held).blocked_by == "formula"


def test_the_distance_is_measured_by_the_price_that_the_exchange_shows() -> None:
    assert found(banded(), held_with("801", told="9201")).value == D("0.0799")


# The same on every exchange's own formula.

MEASURES = st.sampled_from(list(Measure))
FLOORS = {
    Measure.LIQUIDATION_DISTANCE: st.decimals("0.01", "0.4", places=3),
    Measure.MAINTENANCE_COVER: st.decimals("1.1", 40, places=2),
    Measure.EQUITY_SHARE: st.decimals("0.01", "0.6", places=3),
}


@pytest.mark.parametrize("name", sorted(POSITIONS))
@given(data=st.data(), measure=MEASURES)
def test_one_step_brings_a_position_into_its_band_and_the_next_plan_is_empty(
    name: str, data: st.DataObject, measure: Measure
) -> None:
    held = POSITIONS[name]
    scale = held.isolated_margin
    floor = data.draw(FLOORS[measure])
    aim = floor * data.draw(st.decimals("1.02", 2, places=2))
    ceiling = aim * data.draw(st.decimals("1.02", 2, places=2))
    unit = data.draw(st.none() | st.sampled_from([scale / 100, scale / 7]))
    held = with_margin(held, scale * data.draw(st.decimals("0.05", 6, places=3)))
    declared = replace(
        target(str(held.address)),
        band=Band(
            measure=measure,
            bounds=Thresholds(floor=floor, target=aim, ceiling=ceiling),
            at_most=scale * data.draw(st.decimals("0.1", 10, places=2)),
            rounding=unit,
        ),
    )
    allow_reduce = data.draw(st.booleans())
    step = D("1e-8")
    first = assess(declared, held, step, allow_reduce=allow_reduce)
    band = declared.band
    assert band is not None
    assert first.blocked_by in {None, "at_most"}
    if first.blocked_by or first.wanted is None:
        return
    if first.value is not None and first.value < floor:
        assert held.isolated_margin < first.wanted <= band.at_most
    else:
        assert allow_reduce
        assert first.wanted < held.isolated_margin
    after = with_margin(held, first.wanted)
    value = measure_at(declared, after, first.wanted)
    if first.wanted < band.at_most or first.wanted < held.isolated_margin:
        assert value is None or value >= aim
    again = assess(declared, after, step, allow_reduce=allow_reduce)
    assert again.wanted is None or again.blocked_by is not None


# Just before it is sent.


def test_the_wanted_margin_is_computed_anew_and_the_plan_is_a_ceiling() -> None:
    declared = banded()
    planned = _step(declared, held_with("700"))
    assert planned.amount == 500
    fallen = held_with("700", mark="9800")
    grown = held_with("700", mark="10050")
    assert fresh_move(declared, planned, fallen, STEP) == Send(amount=D(500))
    assert fresh_move(declared, planned, grown, STEP) == Send(amount=D(456))  # 12 % of 10 050, less 50 and 700
    assert fresh_move(declared, planned, held_with("700", mark="10200"), STEP) == InSync()
    gone = fresh_move(declared, planned, held_with("700", told="9200"), STEP)
    assert isinstance(gone, Stale)
    assert gone.reason.startswith("blocked by formula")


def _step(declared: Target, held: Position) -> MoveMargin:
    (entry,) = diff(desired(declared), observed((held,)), held={}, traits=BINANCE)
    (step,) = entry.steps
    assert isinstance(step, MoveMargin)
    return step


# The other measures, and what keeps a margin from being computed.


@pytest.mark.parametrize(
    ("measure", "floor", "aim", "ceiling"),
    [(Measure.EQUITY_SHARE, "0.08", "0.12", "0.25"), (Measure.MAINTENANCE_COVER, "2", "3", "1000")],
)
@pytest.mark.parametrize("margin", ["1000", "1200"])
def test_is_inside_agrees_with_what_is_asked_for(
    measure: Measure, floor: str, aim: str, ceiling: str, margin: str
) -> None:
    declared, held = banded(measure, floor=floor, aim=aim, ceiling=ceiling), held_with(margin)
    assert is_inside(declared, held) == (found(declared, held).wanted is None)


def test_a_measure_without_a_bound_is_inside_only_where_there_is_no_ceiling() -> None:
    """A margin of more than the notional is never liquidated."""
    held = held_with("10500", told=None)
    assert held.liquidation_price is None or held.liquidation_price <= 0 or measure_at(banded(), held, D("10500"))
    assert is_inside(banded(ceiling=None, at_most="20000"), held)


def test_without_a_band_nothing_is_measured() -> None:
    plain_target, held = target(LONG), held_with("1000")
    assert is_inside(plain_target, held)
    assert measure_at(plain_target, held, D("1000")) is None
    assert floor_margin(plain_target, held, STEP) is None
    with pytest.raises(ValueError, match=r"measuring BTCUSDT\.long: the state file declares no measure"):
        assess(plain_target, held, STEP, allow_reduce=True)


def test_a_position_without_its_mark_price_is_not_measured() -> None:
    held = replace(held_with("1000"), mark_price=None)
    assert found(banded(), held).blocked_by == "formula"
    assert is_inside(banded(), held)
    assert floor_margin(banded(), held, STEP) is None


def test_a_formula_that_wants_less_than_there_is_moves_nothing() -> None:
    """The exchange shows 7.95 %, below the floor; by the formula the margin is enough for the target."""
    asked = found(banded(floor="0.08", aim="0.0801"), held_with("802", told="9205"))
    assert (asked.blocked_by, asked.wanted) == ("formula", None)
    assert asked.text.startswith("the exchange shows 7.95%, and our own formula wants no more than the present 802")


@dataclass(frozen=True)
class Short:
    """A formula whose margin is a little less than what its own price needs."""

    own: Risk
    by: Decimal
    fitted: bool = False

    def liquidation_price(self, margin: Decimal) -> Decimal | None:
        return self.own.liquidation_price(margin)

    def margin_at(self, price: Decimal) -> Decimal:
        return self.own.margin_at(price) - self.by

    def removable(self) -> Decimal:
        return self.own.removable()

    def exposure(self) -> Exposure | None:
        return self.own.exposure()

    def moved(self, mark: Decimal, margin: Decimal) -> Risk:
        return self.own.moved(mark, margin)

    def unfitted(self) -> Risk | None:
        return None if self.fitted else self.own


@pytest.mark.parametrize(("steps_short", "margin"), [("0.5", "800"), ("1.5", "800"), ("5", "799.999997")])
def test_what_division_takes_off_is_added_again_within_two_steps(steps_short: str, margin: str) -> None:
    held = held_with("700")
    assert held.risk is not None
    found_margin = floor_margin(banded(), replace(held, risk=Short(held.risk, D(steps_short) * STEP)), STEP)
    assert found_margin == D(margin)


def test_without_the_tiers_of_a_position_no_margin_is_computed() -> None:
    held = held_with("700")
    assert held.risk is not None
    asked = found(banded(), replace(held, risk=Short(held.risk, D(0), fitted=True)))
    assert (asked.blocked_by, asked.text[:32]) == ("formula", "the maintenance tiers of the pos")


def test_a_liquidation_price_so_near_to_zero_that_none_is_shown_is_no_contradiction() -> None:
    held = replace(held_with("9990"), liquidation_price=None)
    assert measure_at(banded(), held, D("9990")) == D("0.999")


def test_a_measure_that_cannot_be_computed_is_told_with_its_reason() -> None:
    assert value_of(Measure.EQUITY_SHARE, held_with("1000")) == D("0.1")
    told = value_of(Measure.EQUITY_SHARE, replace(held_with("1000"), mark_price=None))
    assert str(told).startswith("the exchange does not show all that the measure is computed from")
