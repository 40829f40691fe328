"""Exact decimals."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.money import ZERO, cut, minus, parse, plain, plus, total, writable

AMOUNTS = st.decimals(min_value=Decimal("-1e12"), max_value=Decimal("1e12"), places=18)
STEPS = st.sampled_from([Decimal("1e-8"), Decimal("1e-6"), Decimal("1e-4"), Decimal("0.03"), Decimal(5)])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1500", "1500"),
        ("900.50", "900.5"),
        ("1e3", "1000"),
        ("-0.00000001", "-0.00000001"),
        ("341.7333333333333248", "341.7333333333333248"),
        ("0E-900", "0"),
        ("9" * 40, "9" * 40),
        ("1e-40", "0." + "0" * 39 + "1"),
    ],
)
def test_parse_reads_a_literal_exactly(text: str, value: str) -> None:
    assert plain(parse(text)) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "NaN",
        "sNaN",
        "Infinity",
        "-inf",
        "1,5",
        "1e40",
        "1e-41",
        "1e999999",
        " 1",
        "1 ",
        "1_000",
        "١٢",
        "１",
        "1e99999999999999999999",
        "0e9999",
        "9" * 101,
        "--1",
        ".",
        "1e",
        "0x1",
    ],
)
def test_parse_refuses_what_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a|has more than"):
        parse(text)


@pytest.mark.parametrize(
    ("amount", "step", "kept"),
    [
        ("1.239", "0.01", "1.23"),
        ("-1.239", "0.01", "-1.23"),
        ("0.009", "0.01", "0"),
        ("0.99999999999999999999999999999999999999", "1", "0"),
        ("7", "3", "6"),
    ],
)
def test_cut_goes_toward_zero(amount: str, step: str, kept: str) -> None:
    assert plain(cut(Decimal(amount), Decimal(step))) == kept


@given(AMOUNTS, STEPS)
def test_cut_never_grows_an_amount_and_loses_less_than_one_step(amount: Decimal, step: Decimal) -> None:
    kept = cut(amount, step)
    assert abs(kept) <= abs(amount)
    assert abs(minus(amount, kept)) < step
    assert cut(kept, step) == kept


@given(AMOUNTS, AMOUNTS)
def test_a_difference_added_back_is_exact(first: Decimal, second: Decimal) -> None:
    assert plus(minus(first, second), second) == first


def test_sums_are_exact_beyond_28_digits() -> None:
    small, large = Decimal("1e-18"), Decimal("1e18")
    assert minus(total([large, small]), large) == small
    assert total([]) == ZERO


@pytest.mark.parametrize(
    ("amount", "text"), [("-0", "0"), ("1E+3", "1000"), ("900.50", "900.5"), ("0.000", "0"), ("1E-8", "0.00000001")]
)
def test_plain_has_no_exponent_and_no_trailing_zero(amount: str, text: str) -> None:
    assert plain(Decimal(amount)) == text


@given(AMOUNTS)
def test_plain_is_read_back_as_the_same_amount(amount: Decimal) -> None:
    assert parse(plain(amount)) == amount


@pytest.mark.parametrize(
    ("value", "written"), [("1.5", "1.5"), ("1e40", None), ("1e-45", "0"), ("0.5e-40", "0"), ("9e39", "9e39")]
)
def test_a_computed_value_is_written_only_as_it_can_be_read_back(value: str, written: str | None) -> None:
    found = writable(Decimal(value))
    assert found == (None if written is None else Decimal(written))
    assert found is None or parse(plain(found)) == found
