"""Templates: which positions they stand for, which of several declares one, and which globs can mean them."""

from dataclasses import replace
from decimal import Decimal
from fnmatch import fnmatchcase
from itertools import product
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.errors import Declined, UsageError
from reconcile.model.account import DesiredAccount, MarginType, Position, Side, Target
from reconcile.model.plan import Status
from reconcile.model.traits import Traits
from reconcile.planning import target_globs, templates
from reconcile.planning.order import plan_account
from reconcile.planning.templates import expanded, is_template, overlap, template_of
from tests.kit.desk import BINANCE, OKX, at, desired, observed, position, symbol, target

CROSSED = MarginType.CROSSED


def account(*targets: Target, made: tuple[Target, ...] = ()) -> DesiredAccount:
    return replace(desired(*targets), templates=made)


def declared(found: DesiredAccount) -> dict[str, tuple[Decimal | None, str | None]]:
    return {str(each.address): (each.isolated_margin, each.template) for each in found.targets}


ANY, BTC = target("*.long", "500"), target("BTC*.long", "900")


def test_a_template_stands_for_open_isolated_positions_that_no_entry_names() -> None:
    look = observed(
        [
            position("ETHUSDT.long"),
            position("BTCUSDT.long"),
            position("SOLUSDT.long"),
            position("XRPUSDT.long", size="0", margin="0"),
            position("ADAUSDT.long", kind=CROSSED),
            position("ETHUSDT.short"),
        ]
    )
    found = expanded(account(target("SOLUSDT.long", "1"), made=(ANY, BTC)), look, by_symbol=True)
    assert declared(found) == {
        "SOLUSDT.long": (Decimal(1), None),
        "BTCUSDT.long": (Decimal(900), "BTC*.long"),
        "ETHUSDT.long": (Decimal(500), "*.long"),
    }


@pytest.mark.parametrize(
    ("positions", "traits"),
    [
        ([], BINANCE),  # closed, and the symbol switched to crossed by hand
        ([position("BTCUSDT.long", kind=CROSSED)], BINANCE),
        ([position("BTCUSDT.long", kind=CROSSED)], OKX),
    ],
)
def test_what_is_crossed_since_a_template_made_an_entry_of_it_is_left_alone(
    positions: list[Position], traits: Traits
) -> None:
    found = expanded(account(made=(BTC,)), observed([position("BTCUSDT.long")]), by_symbol=True)
    later = observed(positions, [symbol("BTCUSDT", CROSSED)])
    made = plan_account(found, later, held={}, traits=traits, plan_id="p", observed_wall_ms=0, identity="i")
    assert [(entry.status, entry.steps) for entry in made.entries] == [(Status.WAITING, ())]
    assert (made.order, made.errors) == ((), ())


def test_an_account_without_templates_is_left_as_it_is() -> None:
    plain = account(target("ETHUSDT.long", "1"))
    assert expanded(plain, observed([position("BTCUSDT.long")]), by_symbol=True) is plain


@pytest.mark.parametrize(("symbol", "expected"), [("BTC*", True), ("*", True), ("BTCUSDT", False)])
def test_a_star_makes_a_symbol_a_template(symbol: str, *, expected: bool) -> None:
    assert is_template(symbol) is expected


def test_what_cannot_be_read_is_left_alone() -> None:
    look = replace(observed([position("ETHUSDT.long")]), unusable={at("ETHUSDT.long"): "odd"})
    assert expanded(account(made=(ANY,)), look, by_symbol=True).targets == ()


@pytest.mark.parametrize(("by_symbol", "made"), [(True, False), (False, True)])
def test_a_symbol_that_is_declared_crossed_is_left_alone_where_both_sides_share_a_type(
    *, by_symbol: bool, made: bool
) -> None:
    look = observed([position("ETHUSDT.long")])
    found = expanded(account(target("ETHUSDT.short", kind=CROSSED), made=(ANY,)), look, by_symbol=by_symbol)
    assert (len(found.targets) == 2) is made


def test_too_many_entries_are_refused() -> None:
    look = observed([position("ETHUSDT.long"), position("BTCUSDT.long")])
    with patch.object(templates, "MOST_EXPANDED", 1), pytest.raises(Declined) as caught:
        expanded(account(made=(ANY,)), look, by_symbol=True)
    assert caught.value.key == "templates"


def test_a_template_without_a_match_declares_nothing() -> None:
    assert template_of([ANY, BTC], at("ETHUSDT.short")) is None
    assert template_of([BTC], at("ETHBTC.long")) is None


PART = st.text("AB*", max_size=4)


@given(PART, PART)
def test_two_templates_overlap_where_one_symbol_can_match_both(one: str, other: str) -> None:
    one, other = f"{one}*", f"{other}*"[::-1]
    symbols = ("".join(letters) for length in range(9) for letters in product("AB", repeat=length))
    both = any(fnmatchcase(symbol, one) and fnmatchcase(symbol, other) for symbol in symbols)
    assert both is overlap(one, other)


@pytest.mark.parametrize(
    ("glob", "is_known"),
    [
        ("ETHUSDT.long", True),
        ("main:ETHUSDT.long", True),
        ("*.long", True),
        ("E?HUSDT.long", True),
        ("[EB]*", True),
        ("*", True),
        ("ETHUSDT.short", False),
        ("*.short", False),
        ("main*", True),
        ("other*.short", False),
        ("other:*.long", False),
    ],
)
def test_a_target_may_name_what_a_template_will_declare(glob: str, *, is_known: bool) -> None:
    known = [account(made=(ANY,))]
    if is_known:
        target_globs.check([glob], known)
    else:
        with pytest.raises(UsageError):
            target_globs.check([glob], known)


def test_sides_are_those_of_the_template() -> None:
    assert template_of([ANY], at("ETHUSDT.net")) is None
    assert ANY.address.side is Side.LONG


def test_a_template_with_many_wildcards_costs_no_time() -> None:
    worst = target("*A" * 31 + "*B.long", "1")
    assert template_of([worst], at("A" * 64 + ".long")) is None
