"""One account's plan: order, ids, totals, refusals and exit codes."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.model.account import DesiredAccount, ObservedAccount, Policy, PositionMode, Unmanaged
from reconcile.model.plan import AccountPlan, Entry, MoveMargin, PlanError, Status
from reconcile.money import plain
from reconcile.planning import order
from tests.kit.desk import BINANCE, CROSSED, D, asset_of, at, desired, hold, observed, position, symbol, target

PLACE = "BTCUSDT.long"
OPEN = Policy(allow_reduce=True, min_liquidation_distance=None, max_margin=None)


def plan(
    wanted: DesiredAccount, account: ObservedAccount, *, plan_id: str = "p1", held: dict[str, str] | None = None
) -> AccountPlan:
    return order.plan_account(
        wanted,
        account,
        held={at(place): hold(reason) for place, reason in (held or {}).items()},
        traits=BINANCE,
        plan_id=plan_id,
        observed_wall_ms=1_700_000_000_000,
        identity="binance/live/abc",
    )


def told(found: AccountPlan) -> list[str]:
    """The steps in order, as ``ADDRESS amount`` or ``ADDRESS type``."""
    return [
        f"{step.address} {step.after}" if not isinstance(step, MoveMargin) else f"{step.address} {plain(step.signed)}"
        for step in found.steps
    ]


def test_a_plan_says_what_it_was_made_from() -> None:
    wanted, account = (
        desired(target(PLACE, "1300")),
        observed([position(PLACE)], available={"USDT": D(8000), "BTC": D(1)}),
    )
    found = plan(wanted, account)
    assert (found.desired, found.observed, found.identity) == (wanted, account, "binance/live/abc")
    assert (found.observed_wall_ms, found.exit_code, found.errors) == (1_700_000_000_000, 0, ())
    assert found.available_after == {"USDT": D(7700), "BTC": D(1)}


def test_step_ids_follow_from_plan_account_address_and_action() -> None:
    wanted = desired(target(PLACE, "1300"), target("ETHUSDT.long", "1300"), target("SOLUSDT.long"))
    account = observed([position(PLACE), position("ETHUSDT.long")], [symbol("SOLUSDT", CROSSED)])
    ids = plan(wanted, account).order
    assert ids == plan(wanted, account).order
    assert len({*ids, *plan(wanted, account, plan_id="p2").order, *plan(replace(wanted, name="b"), account).order}) == 9
    assert all(len(step_id) == 16 and set(step_id) <= set("0123456789abcdef") for step_id in ids)


def test_what_is_blocked_keeps_its_step_under_an_id_of_its_own() -> None:
    found = plan(desired(target(PLACE, "900"), policy=Policy()), observed([position(PLACE)]))
    (entry,) = found.entries
    assert (entry.status, found.order) == (Status.BLOCKED, ())
    assert entry.wanted is not None
    assert len(entry.wanted.step_id) == 16


ORDERS = [
    # free balance, min_available, declared margins (1000 each now, the first the farthest from its liquidation), order
    ("1000", None, {"A": "1300", "B": "1200", "C": "700"}, ["B 200", "A 300", "C -300"]),
    ("500", None, {"A": "1300", "B": "1200", "C": "700"}, ["B 200", "A 300", "C -300"]),
    ("499", None, {"A": "1300", "B": "1200", "C": "700"}, ["C -300", "B 200", "A 300"]),
    ("700", "201", {"A": "1300", "B": "1200", "C": "700"}, ["C -300", "B 200", "A 300"]),
    ("200", None, {"A": "1300", "B": "900", "C": "800", "D": "300"}, ["D -700", "A 300", "B -100", "C -200"]),
    ("0", None, {"A": "1300", "B": "900", "C": "800", "D": "950"}, ["C -200", "B -100", "A 300", "D -50"]),
    ("0", None, {"A": "900", "B": "800"}, ["A -100", "B -200"]),
]


@pytest.mark.parametrize(("free", "least", "margins", "order"), ORDERS)
def test_additions_come_first_where_the_balance_covers_them_else_what_frees_it(
    free: str, least: str | None, margins: dict[str, str], order: list[str]
) -> None:
    limits = replace(OPEN, min_available=None if least is None else D(least))
    places = {letter: f"{letter}USDT.long" for letter in margins}
    live = [position(place, told=str(5000 + 1000 * number)) for number, place in enumerate(places.values())]
    wanted = desired(*(target(places[letter], margin) for letter, margin in margins.items()), policy=limits)
    found = plan(wanted, observed(live, available={"USDT": D(free)}))
    assert [line.replace("USDT.long", "") for line in told(found)] == order


def test_type_changes_come_before_everything_and_unknown_risk_after_known() -> None:
    wanted = desired(target("AUSDT.long", "1100"), target("BUSDT.long", "1100"), target("CUSDT.long"))
    account = observed([position("AUSDT.long", risk=False), position("BUSDT.long")], [symbol("CUSDT", CROSSED)])
    assert told(plan(wanted, account)) == ["CUSDT.long isolated", "BUSDT.long 100", "AUSDT.long 100"]


def test_each_asset_frees_its_own_balance() -> None:
    margins = {"AUSDT.long": "1100", "BUSDT.long": "900", "CUSD.long": "1100", "DUSD.long": "900"}
    wanted = desired(*(target(place, margin) for place, margin in margins.items()))
    found = plan(wanted, observed([position(place) for place in margins], available={"USDT": D(0), "BTC": D(500)}))
    assert told(found) == ["BUSDT.long -100", "AUSDT.long 100", "CUSD.long 100", "DUSD.long -100"]
    assert found.available_after == {"USDT": D(0), "BTC": D(500)}


# What refuses an account.


def test_an_unknown_symbol_blocks_its_own_entries_and_no_other() -> None:
    account = observed([position(PLACE)])
    found = plan(desired(target("QQQ.long", "5"), target("QQQ.short", "5"), target(PLACE, "1300")), account)
    assert (found.exit_code, found.errors) == (0, ())
    assert [(entry.status, entry.blocked_by) for entry in found.entries] == [
        (BLOCKED, "instrument"),
        (BLOCKED, "instrument"),
        (CHANGE, None),
    ]
    assert [step.address for step in found.steps] == [at(PLACE)]
    assert order.account_exit_code(found, detailed=False) == 3
    assert order.account_exit_code(found, detailed=True) == 3


def test_another_position_mode_refuses_the_account() -> None:
    account = observed([position("BTCUSDT.net")], mode=PositionMode.ONE_WAY)
    found = plan(desired(target(PLACE, "5")), account)
    assert (found.exit_code, found.entries) == (4, ())
    assert [(error.key, error.limit, error.value) for error in found.errors] == [("position_mode", "hedge", "one-way")]


def test_an_amount_without_its_asset_is_an_error_beside_all_others() -> None:
    limits = replace(OPEN, max_add=D(5))
    wanted = desired(target(PLACE, "5"), target("ETHUSD.long", "5"), target("QQQ.long", "5"), policy=limits)
    account = observed([position(PLACE), position("ETHUSD.long")], mode=PositionMode.ONE_WAY)
    found = plan(wanted, account)
    assert found.exit_code == 1
    assert [error.key for error in found.errors] == ["max_add", "position_mode"]


def test_a_limit_on_the_run_leaves_the_plan_readable_and_nothing_to_send() -> None:
    wanted = desired(target(PLACE, "1300"), policy=replace(OPEN, max_total_add=D(299)))
    found = plan(wanted, observed([position(PLACE)], available={"USDT": D(1000)}))
    assert (found.exit_code, [error.key for error in found.errors]) == (4, ["max_total_add"])
    assert (len(found.entries[0].steps), found.order, found.steps) == (1, (), ())
    assert found.available_after == {"USDT": D(700)}


# Exit codes.


def account(*statuses: Status, exit_code: int = 0, error: str | None = None) -> AccountPlan:
    entries = tuple(
        Entry(address=at(PLACE), status=status, asset=None, target=None, observed=None, observed_type=None)
        for status in statuses
    )
    errors = () if error is None else (PlanError(key=error, message="…"),)
    made = plan(desired(), observed())
    return replace(made, entries=entries, exit_code=exit_code, errors=errors)


IN_SYNC, CHANGE, BLOCKED, WAITING, HELD = Status.IN_SYNC, Status.CHANGE, Status.BLOCKED, Status.WAITING, Status.HELD
EXITS = [
    # accounts, the code without and with --detailed-exitcode
    ([], 0, 0),
    ([account()], 0, 0),
    ([account(IN_SYNC, WAITING, Status.UNMANAGED)], 0, 0),
    ([account(IN_SYNC, CHANGE)], 0, 2),
    ([account(CHANGE, BLOCKED)], 0, 2),
    ([account(BLOCKED, IN_SYNC)], 0, 3),
    ([account(CHANGE), account(BLOCKED)], 0, 3),
    ([account(HELD, CHANGE)], 0, 5),
    ([account(CHANGE, exit_code=4, error="max_total_add")], 0, 4),
    ([account(HELD, exit_code=4, error="unmanaged")], 0, 5),
    ([account(exit_code=4, error="position_mode")], 4, 4),
    ([account(exit_code=4, error="lock")], 4, 4),
    ([account(exit_code=1, error="exchange")], 1, 1),
    ([account(exit_code=1, error="max_add"), account(exit_code=4, error="position_mode"), account(CHANGE)], 1, 1),
    ([account(exit_code=1, error="exchange"), account(HELD)], 1, 5),
    ([account(exit_code=130), account(HELD)], 130, 130),
]


@pytest.mark.parametrize(("accounts", "plainly", "detailed"), EXITS)
def test_a_plan_ends_with_the_code_of_its_most_serious_account(
    accounts: list[AccountPlan], plainly: int, detailed: int
) -> None:
    assert order.plan_exit_code(accounts, detailed=False) == plainly
    assert order.plan_exit_code(accounts, detailed=True) == detailed


def test_the_most_serious_code_wins() -> None:
    codes = [0, 2, 3, 4, 1, 5, 130]
    assert [order.worst(codes[: end + 1]) for end in range(len(codes))] == codes
    assert order.worst([]) == 0


def test_a_code_that_no_account_ends_with_is_a_bug() -> None:
    with pytest.raises(ValueError, match="64"):
        order.worst([0, 64])


# Properties.


@st.composite
def accounts(draw: st.DrawFn) -> tuple[DesiredAccount, ObservedAccount]:
    margins = st.decimals(min_value=Decimal(0), max_value=Decimal(10**6), places=6)
    names = draw(st.lists(st.sampled_from(["AUSDT", "BUSDT", "CUSDT", "DUSD", "EUSD"]), unique=True, max_size=5))
    live = [position(f"{name}.long", str(draw(margins)), risk=draw(st.booleans())) for name in names]
    wanted = [target(f"{name}.long", str(draw(margins))) for name in names]
    free = {asset_of(name): draw(margins) for name in names}
    return desired(*wanted, policy=OPEN), observed(live, available=free)


@given(accounts())
def test_at_no_point_of_its_order_does_a_plan_use_balance_that_is_not_there(
    drawn: tuple[DesiredAccount, ObservedAccount],
) -> None:
    found = plan(*drawn)
    free = dict(drawn[1].available)
    for step in found.steps:
        assert isinstance(step, MoveMargin)
        free[step.asset] -= step.signed
        assert free[step.asset] >= 0
    if not found.errors:
        assert free == found.available_after


@given(accounts())
def test_the_order_holds_every_step_once_or_none_at_all(drawn: tuple[DesiredAccount, ObservedAccount]) -> None:
    found = plan(*drawn)
    planned = sorted(step.step_id for entry in found.entries for step in entry.steps)
    assert sorted(found.order) == ([] if found.errors else planned)


@given(accounts())
def test_balance_after_is_balance_before_less_the_sum_of_all_moves(
    drawn: tuple[DesiredAccount, ObservedAccount],
) -> None:
    found = plan(*drawn)
    moved = {asset: Decimal(0) for asset in found.available_after}
    for step in (step for entry in found.entries for step in entry.steps if isinstance(step, MoveMargin)):
        moved[step.asset] += step.signed
    assert {asset: after + moved[asset] for asset, after in found.available_after.items()} == drawn[1].available


def test_an_unmanaged_position_is_refused_only_where_the_file_says_so() -> None:
    for wanted, code in ((Unmanaged.REPORT, 0), (Unmanaged.IGNORE, 0), (Unmanaged.REFUSE, 4)):
        assert plan(desired(policy=replace(OPEN, unmanaged=wanted)), observed([position(PLACE)])).exit_code == code
