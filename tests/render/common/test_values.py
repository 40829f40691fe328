"""Safe text, times, amounts, sums."""

import unicodedata
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.model.times import LAST_MS, unix_ms
from reconcile.render.common.values import (
    clean,
    liquidation,
    percent,
    price,
    rfc3339,
    signed,
    signed_text,
    summary_line,
)
from tests.kit.documents_sample import account, every_entry, move, plan


@given(st.text())
def test_cleaned_text_is_one_line_without_control_format_or_surrogate_characters(text: str) -> None:
    shown = clean(text)
    assert all(unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for char in shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("BTCUSDT.long", "BTCUSDT.long"),
        ("a → b", "a → b"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("two\nlines\r", "two\\x0alines\\x0d"),
        ("\u202eevil", "\\u202eevil"),
        ("\u200b", "\\u200b"),
        ("\U000e0041", "\\U000e0041"),
        ("::add-mask::x", "\\x3a:add-mask::x"),
        ("a \u3000::error::x", "a \u3000\\x3a:error::x"),
        ("at [::1]:80 and fe80::1", "at [::1]:80 and fe80::1"),
        ("##[error]x ###[group]", "\\x23#[error]x #\\x23#[group]"),
        ("##vso[task.complete]", "\\x23#vso[task.complete]"),
        ("## heading", "## heading"),
    ],
)
def test_what_could_deceive_a_terminal_or_a_runner_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(st.integers(0, LAST_MS))
def test_a_time_survives_rfc_3339(moment_ms: int) -> None:
    assert unix_ms(rfc3339(moment_ms)) == moment_ms


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T00:00:00",
        "2026-01-01",
        "yesterday",
        "",
        "2026-W01-1T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "2100-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "\u0662026-01-01T00:00:00Z",
    ],
)
def test_a_time_without_zone_or_outside_the_bounds_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        unix_ms(text)


@pytest.mark.parametrize(
    ("amount", "shown"), [("300", "+300"), ("-14.20", "-14.2"), ("0", "0"), ("-0.0", "0"), ("1E+3", "+1000")]
)
def test_a_difference_shows_its_sign(amount: str, shown: str) -> None:
    assert signed(Decimal(amount)) == shown
    assert signed_text(Decimal(amount)) == shown.replace("-", "−")


def test_a_missing_price_and_distance_are_named() -> None:
    assert (price(None), percent(None)) == ("none", "none")
    assert (price(Decimal("48012.345678")), percent(Decimal("0.0397"))) == ("48012.346", "4.0%")


def test_the_summary_adds_up_by_asset_and_leaves_out_what_there_is_none_of() -> None:
    assert summary_line(plan(account(every_entry()[:2]))) == "2 to change (+300 −100.25 USDT)"


@pytest.mark.parametrize(
    ("share", "shown"),
    [("1e35", "over 100000000%"), ("-1e160", "below -100000000%"), ("0.05", "5.0%"), ("7", "700.0%")],
)
def test_a_share_that_no_market_has_is_shown_and_crashes_nothing(share: str, shown: str) -> None:
    assert percent(Decimal(share)) == shown


def test_a_price_that_no_market_has_is_shown_with_an_exponent() -> None:
    assert price(Decimal("1e120")) == "1E+120"
    assert price(Decimal("12345.678901")) == "12345.679"


def test_a_position_without_a_liquidation_price_after_the_step_has_no_distance_after_it() -> None:
    step = replace(move("s", "A.long", "1", "9"), liquidation_price_after=None, liquidation_distance_after=None)
    assert liquidation(step) == "liq 48012.346 → none (4.0% from mark before)"
