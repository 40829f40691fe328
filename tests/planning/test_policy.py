"""The limits, each at its edge."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.model.account import Limit, Percent, Policy, Position, Target, Unmanaged
from reconcile.model.plan import Entry, MoveMargin, Status
from reconcile.planning import amounts, policy
from reconcile.planning.diff import diff
from tests.kit.desk import BINANCE, CROSSED, D, desired, move, observed, position, symbol, target

PLACE = "BTCUSDT.long"
OPEN = Policy(allow_reduce=True, min_liquidation_distance=None, max_margin=None)


def one(limits: Policy, margin: str, live: Position) -> Entry:
    wanted = desired(target(PLACE, margin), policy=limits)
    account = observed([live])
    return policy.check(diff(wanted, account, held={}, traits=BINANCE), limits, account).entries[0]


def limited(**limits: object) -> Policy:
    settings: dict[str, object] = {"allow_reduce": True, "min_liquidation_distance": None, "max_margin": None}
    return Policy(**{**settings, **limits})  # type: ignore[arg-type]


PERCENT = {text: Percent(value=D(text)) for text in ("5", "10", "100")}

ENTRY_CASES = [
    # what may be added or taken out, the limits, whether the entry is stopped and what it says
    ("1300", {}, None, ""),
    ("1300", {"max_add": D(300)}, None, ""),
    ("1300", {"max_add": D("299.99")}, "max_add", "adding 300 USDT is over max_add 299.99"),
    ("1300", {"max_add": {"USDT": D(299), "BTC": D(1)}}, "max_add", "over max_add 299"),
    ("1300", {"max_margin": D(1300)}, None, ""),
    ("1300", {"max_margin": D("1299.9")}, "max_margin", "1300 USDT would be over max_margin 1299.9"),
    ("1300", {"max_margin": {"USDT": D(1200)}}, "max_margin", "1200"),
    ("10000", {"max_margin": PERCENT["100"]}, None, ""),
    ("10000.1", {"max_margin": PERCENT["100"]}, "max_margin", "100% of the position's notional 10000"),
    ("1300", {"max_add": D(1), "max_margin": D(1)}, "max_add", "max_margin 1;"),
    ("900", {"allow_reduce": False}, "allow_reduce", "taking out 100 USDT needs allow_reduce = true"),
    ("900", {"allow_reduce": True, "max_add": D(1), "max_margin": D(1)}, None, ""),
    ("500", {"min_liquidation_distance": PERCENT["5"]}, None, ""),
    (
        "499",
        {"min_liquidation_distance": PERCENT["5"]},
        "min_liquidation_distance",
        "only 4.99% from the mark price 10000",
    ),
    ("900", {"allow_reduce": False, "min_liquidation_distance": PERCENT["10"]}, "allow_reduce", "nearer than"),
]


@pytest.mark.parametrize(("margin", "limits", "key", "says"), ENTRY_CASES)
def test_a_limit_stops_its_own_entry_and_keeps_its_numbers(
    margin: str, limits: Mapping[str, object], key: str | None, says: str
) -> None:
    entry = one(limited(**limits), margin, position(PLACE, "1000"))
    stopped = key is not None
    assert (entry.blocked_by, entry.status) == (key, Status.BLOCKED if stopped else Status.CHANGE)
    assert says in entry.reason
    assert bool(entry.wanted) is stopped
    assert bool(entry.steps) is not stopped


def test_a_computed_price_is_told_as_prices_are_shown() -> None:
    near = limited(allow_reduce=True, min_liquidation_distance=PERCENT["10"])
    entry = one(near, "499", position(PLACE, "1000", size="3", notional="30000"))
    assert "it would leave the liquidation price 9833.6667 only 1.66% from the mark price 10000" in entry.reason


def test_nothing_is_added_on_a_free_balance_that_the_exchange_does_not_tell() -> None:
    account = replace(observed([position(PLACE, "1000")], available={}), unknown_balances=["USDT"])
    (entry,) = diff(desired(target(PLACE, "1200")), account, held={}, traits=BINANCE)
    checked = policy.check([entry], Policy(max_margin=None), account)
    assert (checked.entries[0].blocked_by, checked.errors) == ("min_available", ())
    assert "does not tell the free balance of USDT" in checked.entries[0].reason


def test_the_defaults_take_nothing_out_and_never_pass_the_notional() -> None:
    assert one(Policy(), "900", position(PLACE)).blocked_by == "allow_reduce"
    assert one(Policy(), "10001", position(PLACE)).blocked_by == "max_margin"
    assert one(Policy(), "9999", position(PLACE)).status is Status.CHANGE


@pytest.mark.parametrize(
    "live",
    [position(PLACE, risk=False), position(PLACE, mark=None), position(PLACE, mark="0")],
    ids=["risk", "mark", "0"],
)
def test_a_reduction_whose_risk_cannot_be_computed_is_stopped(live: Position) -> None:
    entry = one(limited(min_liquidation_distance=PERCENT["5"]), "900", live)
    assert (entry.blocked_by, "cannot be computed" in entry.reason) == ("min_liquidation_distance", True)


def test_a_position_that_is_never_liquidated_may_be_reduced() -> None:
    entry = one(limited(min_liquidation_distance=PERCENT["5"]), "10500", position(PLACE, "11000"))
    assert entry.status is Status.CHANGE


def test_a_short_is_measured_upward() -> None:
    live = position("BTCUSDT.short", "1000")
    assert policy.recheck(limited(min_liquidation_distance=PERCENT["5"]), move("BTCUSDT.short", "1000", "499"), D(501),
                          live, "USDT") is not None  # fmt: skip
    assert policy.recheck(limited(min_liquidation_distance=PERCENT["5"]), move("BTCUSDT.short", "1000", "500"), D(500),
                          live, "USDT") is None  # fmt: skip


def test_type_changes_and_what_stands_still_are_no_matter_of_limits() -> None:
    limits = limited(max_add=D(0))
    wanted = desired(target(PLACE), target("ETHUSDT.long", "1000"), target("XRPUSDT.long", "5"), policy=limits)
    account = observed([position("ETHUSDT.long")], [symbol("BTCUSDT", CROSSED), symbol("XRPUSDT")])
    entries = diff(wanted, account, held={}, traits=BINANCE)
    assert policy.check(entries, limits, account).entries == entries


# The whole account.

BOTH = (
    target("AUSDT.long", "1500"),
    target("BUSDT.long", "1200"),
    target("CUSDT.long", "600"),
    target("DUSD.long", "1001"),
    target("EUSD.long", "998"),
)
SLOTS = tuple(position(str(wanted.address)) for wanted in BOTH)
FREE = {"USDT": D(10_000), "BTC": D(10)}

ACCOUNT_CASES: list[tuple[dict[str, object], dict[str, Decimal], list[tuple[str, str | None, str, str]]]] = [
    ({}, FREE, []),
    ({"max_total_add": {"USDT": D(700), "BTC": D(1)}}, FREE, []),
    ({"max_total_add": {"USDT": D(699), "BTC": D("0.5")}}, FREE,
     [("max_total_add", "BTC", "0.5", "1"), ("max_total_add", "USDT", "699", "700")]),
    ({"max_total_reduce": {"USDT": D(400), "BTC": D(1)}}, FREE, [("max_total_reduce", "BTC", "1", "2")]),
    ({"max_changes": 5}, FREE, []),
    ({"max_changes": 4}, FREE, [("max_changes", None, "4", "5")]),
    ({"min_available": {"USDT": D(9_700), "BTC": D(11)}}, FREE, []),
    ({"min_available": {"USDT": D(9_701), "BTC": D(0)}}, FREE, [("min_available", "USDT", "9701", "9700")]),
    ({}, {"USDT": D(300)}, []),
    ({}, {"USDT": D("299.5")}, [("min_available", "USDT", "0", "-0.5")]),
    ({}, {}, [("min_available", "USDT", "0", "-300")]),
    ({"unmanaged": Unmanaged.REFUSE}, FREE, [("unmanaged", None, "0", "1")]),
    ({"max_changes": 0, "unmanaged": Unmanaged.REFUSE, "max_total_reduce": {"USDT": D(0), "BTC": D(9)}}, {},
     [("max_total_reduce", "USDT", "0", "400"), ("max_changes", None, "0", "5"), ("min_available", "USDT", "0", "-300"),
      ("unmanaged", None, "0", "1")]),
]  # fmt: skip


@pytest.mark.parametrize(("limits", "available", "errors"), ACCOUNT_CASES)
def test_limits_on_a_run_refuse_the_account_with_all_reasons_at_once(
    limits: dict[str, object], available: dict[str, Decimal], errors: list[tuple[str, str | None, str, str]]
) -> None:
    wanted = desired(*BOTH, policy=limited(**limits))
    account = observed([*SLOTS, position("ZUSDT.long")], available=available)
    found = policy.check(diff(wanted, account, held={}, traits=BINANCE), wanted.policy, account)
    assert [(error.key, error.asset, error.limit, error.value) for error in found.errors] == errors
    assert all(error.message for error in found.errors)
    assert {error.key for error in found.errors} <= set(policy.ACCOUNT_LIMITS)


def test_what_a_limit_blocks_does_not_count_toward_the_run() -> None:
    wanted = desired(target(PLACE, "1500"), policy=limited(max_add=D(1), max_total_add=D(1), max_changes=0))
    account = observed([position(PLACE)])
    assert policy.check(diff(wanted, account, held={}, traits=BINANCE), wanted.policy, account).errors == ()


@given(st.lists(st.decimals(min_value=Decimal("0.001"), max_value=Decimal(10**6), places=8), min_size=1, max_size=8))
def test_a_run_is_refused_exactly_when_the_sum_of_its_additions_is_over(amounts: list[Decimal]) -> None:
    places = [f"S{number}USDT.long" for number in range(len(amounts))]
    account = observed([position(place, "0") for place in places], available={"USDT": Decimal(10**9)})
    targets = [target(place, str(amount)) for place, amount in zip(places, amounts, strict=True)]
    entries = diff(desired(*targets), account, held={}, traits=BINANCE)
    added = sum(amounts, Decimal(0))
    assert policy.check(entries, limited(max_total_add=added), account).errors == ()
    assert len(policy.check(entries, limited(max_total_add=added - Decimal("1e-8")), account).errors) == 1


# Once more before sending.


@pytest.mark.parametrize(
    ("limits", "step", "amount", "reason"),
    [
        (OPEN, move(PLACE, "1000", "1300"), "300", None),
        (limited(max_add=D(100)), move(PLACE, "1000", "1300"), "100", None),
        (limited(max_add=D(100)), move(PLACE, "1000", "1300"), "101", "max_add"),
        (limited(max_margin=PERCENT["10"]), move(PLACE, "1000", "1300"), "1", "max_margin"),
        (OPEN, move(PLACE, "1000", "900"), "100", None),
        (Policy(), move(PLACE, "1000", "900"), "100", "allow_reduce"),
        (OPEN, move(PLACE, "1000", "100"), "801", "only 800 USDT can be taken out now"),
    ],
)
def test_a_step_is_held_against_its_limits_again(
    limits: Policy, step: MoveMargin, amount: str, reason: str | None
) -> None:
    said = policy.recheck(limits, step, D(amount), position(PLACE, "1000", most="800"), "USDT")
    assert (said is None) is (reason is None)
    assert reason is None or reason in str(said)


def test_a_reduction_without_a_risk_model_is_left_to_the_exchange_where_no_distance_is_asked_for() -> None:
    assert policy.recheck(OPEN, move(PLACE, "1000", "900"), D(100), position(PLACE, risk=False), "USDT") is None


# Amounts and assets.


@pytest.mark.parametrize(
    ("limit", "asset", "amount"),
    [(None, "USDT", None), (D(5), "BTC", D(5)), ({"BTC": D(1), "USDT": D(2)}, "BTC", D(1))],
)
def test_a_limit_is_one_amount_or_one_per_asset(limit: Limit | None, asset: str, amount: Decimal | None) -> None:
    assert amounts.limit_for(limit, asset) == amount


def test_a_limit_that_leaves_an_asset_out_limits_nothing_silently() -> None:
    with pytest.raises(LookupError, match="BTC is left out"):
        amounts.limit_for({"USDT": D(1)}, "BTC")


@pytest.mark.parametrize(
    ("limits", "targets", "assets", "errors"),
    [
        ({"max_add": D(5)}, (), {"USDT"}, []),
        ({"max_add": D(5)}, (), set(), []),
        ({"max_add": D(5)}, (), {"USDT", "BTC"}, [("max_add", None, "max_add = {BTC = …, USDT = …}")]),
        ({"max_add": {"USDT": D(5)}}, (), {"USDT"}, []),
        ({"max_add": {"USDT": D(5), "ETH": D(1)}}, (), {"USDT"}, []),
        ({"max_add": {"USDT": D(5)}}, (), {"USDT", "BTC"}, [("max_add", "BTC", "leaves out BTC")]),
        ({"max_margin": Percent(value=D(5)), "max_changes": 1}, (), {"USDT", "BTC"}, []),
        (
            {"max_margin": D(1), "max_total_add": D(1), "max_total_reduce": D(1), "min_available": D(1)},
            (),
            {"USDT", "BTC"},
            [(key, None, "one amount") for key in ("max_margin", "max_total_add", "max_total_reduce", "min_available")],
        ),
        ({}, (target(PLACE, "5", tolerance="1"),), {"USDT", "BTC"}, []),
        ({}, (target(PLACE, "5", tolerance="1", shared=D(1)),), {"USDT"}, []),
        ({}, (target(PLACE, "5", tolerance="1", shared=D(1)),), {"USDT", "BTC"}, [("tolerance", None, "[defaults]")]),
        ({}, (target(PLACE, "5", shared={"USDT": D(1)}),), {"USDT", "BTC"}, [("tolerance", "BTC", "leaves out BTC")]),
    ],
)
def test_amounts_must_fit_the_margin_assets(
    limits: dict[str, object], targets: tuple[Target, ...], assets: set[str], errors: list[tuple[str, str | None, str]]
) -> None:
    found = amounts.amount_errors(limited(**limits), targets, assets)
    assert [(error.key, error.asset) for error in found] == [(key, asset) for key, asset, _ in errors]
    assert all(says in error.message for error, (_, _, says) in zip(found, errors, strict=True))
