"""A mark only takes away, at most nine steps, and is never within one step of a round amount."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.exchanges.marking import MOST_STEPS, distinctive

STEPS = st.sampled_from([Decimal("1e-4"), Decimal("1e-6"), Decimal("1e-8"), Decimal(1)])


@given(units=st.integers(1, 10**15), step=STEPS, seed=st.text())
def test_a_mark_takes_away_at_most_nine_steps_and_leaves_something(units: int, step: Decimal, seed: str) -> None:
    marked = distinctive(units * step, step, seed)
    assert units * step - MOST_STEPS * step <= marked <= units * step
    assert marked > 0


@given(units=st.integers(10, 10**15), step=STEPS, seed=st.text())
def test_a_marked_amount_is_a_multiple_of_the_step_that_ends_in_two_to_eight(
    units: int, step: Decimal, seed: str
) -> None:
    steps = distinctive(units * step, step, seed) / step
    assert steps == steps.to_integral_value()
    assert 2 <= steps % 10 <= 8


def test_the_same_seed_marks_the_same_way_and_seeds_spread_over_all_seven_digits() -> None:
    amounts = [distinctive(Decimal(300), Decimal("1e-6"), f"intent-{number}") for number in range(200)]
    again = [distinctive(Decimal(300), Decimal("1e-6"), f"intent-{number}") for number in range(200)]
    assert amounts == again
    assert len(set(amounts)) == 7


@pytest.mark.parametrize(("amount", "left"), [("0.00095", "0.0009"), ("0.0009", "0.0009"), ("0.00001", "0")])
def test_an_amount_of_fewer_than_ten_steps_is_only_cut(amount: str, left: str) -> None:
    assert distinctive(Decimal(amount), Decimal("1e-4"), "seed") == Decimal(left)
