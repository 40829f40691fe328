"""The whole program under every switch of what no document settles: the books end the same."""

from typing import Any

import pytest

from tests.conformance.scenarios import SCENARIOS, Scenario
from tests.conformance.stage import MODES, Names, Virtual
from tests.conformance.test_conformance import judge, play

OKX: list[dict[str, Any]] = [
    {"key_kind": "live"},
    {"cut_amounts": True},
    {"close_orders_block_add": False, "close_orders": "open"},
    {"leverage_told": True},
    {"update_time_moves": False},
    {"new_position_ids": True},
    {"zero_rows": False},
    {"reduce_bills_positive": True},
    {"leverage_sub_type": "160"},
    {"page_before_newest": False},
    {"archive_has_recent": False},
    {"bill_delay_ms": 3_000},
    {"account_level": 3},
    {"throttle_status": 429},
    {"free_balance_empty": "availBal"},
]
BINANCE: list[dict[str, Any]] = [
    {"v2_retired": True, "gone_as_page": True},
    {"v3_missing": True},
    {"v3_missing": True, "gone_as_page": True},
]
BITGET: list[dict[str, Any]] = [
    {"key_kind": "live"},
    {"error_status": 200},
    {"any_case": False},
    {"zero_rows": True},
    {"null_when_empty": True},
    {"hold_side_required": False},
    {"one_way_side_checked": True},
    {"same_mode_when_open": True},
    {"bill_amounts": "absolute"},
    {"bill_amounts": "account"},
    {"bill_coin_error": True},
    {"bill_delay_ms": 3_000},
    {"update_time_moves": False},
    {"leverages_as_text": True},
    {"request_time_as_text": True},
    {"rate_header": False},
]
PLAYED = (
    "both",
    "lost after its effect",
    "a reduction lost after its effect",
    "position closed between plan and apply",
)
SWITCHED = "automatic margin is switched off before margin moves"
"""The scenario of Bitget's call for automatic margin."""
CASES = [
    pytest.param(exchange, values, id=f"{exchange}-{values}")
    for exchange, table in (("binance", BINANCE), ("okx", OKX), ("bitget", BITGET))
    for values in table
]


def named(name: str) -> Scenario:
    """A scenario by its name."""
    return next(each for each in SCENARIOS if each.name == name)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PLAYED)
@pytest.mark.parametrize(("exchange", "switches"), CASES)
def test_what_no_document_settles_changes_nothing(
    exchange: str, switches: dict[str, Any], name: str, mode: str
) -> None:
    scenario, names = named(name), Names(exchange, mode)
    judge(play(Virtual(names, scenario.happenings(names), switches), scenario), scenario)


@pytest.mark.parametrize(("exchange", "code"), [("okx", "59303"), ("okx", "59301"), ("okx", "59200"), ("okx", "51008")])
def test_any_of_the_codes_for_too_little_money_is_a_refusal(exchange: str, code: str) -> None:
    scenario, names = named("insufficient funds"), Names(exchange, "hedge")
    judge(play(Virtual(names, scenario.happenings(names), {"over_add_code": code}), scenario), scenario)


@pytest.mark.parametrize(
    ("name", "switches"),
    [
        *[("insufficient funds", {"funds_code": code}) for code in ("40798", "40800", "40754", "43012")],
        *[("over removable", {"removable_code": code}) for code in ("40801", "40800")],
        *[
            ("position closed between plan and apply", {"no_position_code": code})
            for code in ("22002", "43043", "40802")
        ],
    ],
)
def test_any_of_the_codes_bitget_may_give_is_a_refusal(name: str, switches: dict[str, Any]) -> None:
    scenario, names = named(name), Names("bitget", "hedge")
    judge(play(Virtual(names, scenario.happenings(names), switches), scenario), scenario)


def test_any_data_of_the_call_for_automatic_margin_is_a_yes() -> None:
    scenario, names = named(SWITCHED), Names("bitget", "hedge")
    judge(play(Virtual(names, (), {"auto_margin_data": "success"}), scenario), scenario)


def test_a_call_for_automatic_margin_that_needs_a_product_is_refused_and_no_margin_moves() -> None:
    scenario, names = named(SWITCHED), Names("bitget", "hedge")
    stage = Virtual(names, (), {"auto_margin_product": True})
    played = play(stage, scenario)
    assert (played.first.exit_code, played.sent) == (3, 1)
    assert [effect for effect in stage.books.effects if effect.actor == "api"] == []


@pytest.mark.parametrize(
    ("exchange", "switches", "words"),
    [
        ("bitget", {"unified": True}, "unified account"),
        ("okx", {"key_kind": "demo"}, "50101"),
        ("bitget", {"key_kind": "demo"}, 'a demo key needs endpoint = "testnet"'),
    ],
)
def test_an_account_that_cannot_be_read_is_refused_with_its_reason(
    exchange: str, switches: dict[str, Any], words: str
) -> None:
    names = Names(exchange, "hedge")
    stage = Virtual(names, (), switches)
    played = play(stage, Scenario(name="unread", targets=named("add").targets))
    assert (played.first.exit_code, played.sent) == (1, 0)
    assert words in played.first.accounts[0].errors[0].message


def test_a_spot_account_of_okx_has_nothing_to_manage() -> None:
    names = Names("okx", "hedge")
    played = play(Virtual(names, (), {"account_level": 1}), named("add"))
    assert (played.first.exit_code, played.sent) == (3, 0)
    assert {entry.blocked_by for entry in played.first.accounts[0].remaining} == {"account"}


def test_nothing_is_added_on_a_free_balance_that_okx_does_not_tell() -> None:
    names = Names("okx", "hedge")
    played = play(Virtual(names, (), {"free_balance_empty": "both"}), named("add"))
    assert (played.first.exit_code, played.sent) == (3, 0)
    assert {entry.blocked_by for entry in played.first.accounts[0].remaining} == {"min_available"}


def test_a_level_at_which_okx_no_longer_offers_isolated_margin_is_a_refusal() -> None:
    names = Names("okx", "hedge")
    played = play(Virtual(names, (), {"account_level": 3, "isolated_ended": True}), named("add"))
    assert (played.first.exit_code, played.sent) == (3, 1)
    assert "50072" in played.first.accounts[0].steps[0].detail
