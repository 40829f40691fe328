"""The switch of the exchange's own additions: what is declared of it, what is seen, and whether a call turns it."""

from dataclasses import replace

import pytest

from reconcile.exchanges.catalogue import TRAITS
from reconcile.model.account import Address, MarginType, Policy, Unmanaged
from reconcile.model.auto_add import AutoAdd, SetAutoAdd
from reconcile.model.plan import AccountPlan, Entry, MoveMargin, Status
from reconcile.money import plain
from reconcile.planning.auto_add import with_switch
from reconcile.planning.fresh import Send, Stale, fresh_move
from reconcile.planning.order import plan_account
from tests.kit.desk import D, at, desired, observed, position, symbol, target

PLACE = "BTCUSDT.long"
BITGET, BINANCE, OKX = TRAITS["bitget"], TRAITS["binance"], TRAITS["okx"]


def planned(
    *, exchange: str, live: bool, wanted: bool | None, margin: str | None, policy: Policy | None = None
) -> AccountPlan:
    account = desired(replace(target(PLACE, margin), auto_add=wanted))
    account = replace(account, exchange=exchange, policy=policy or account.policy)
    return plan_account(
        account,
        observed([position(PLACE, auto_add=live)]),
        held={},
        traits=TRAITS[exchange],
        plan_id="p",
        observed_wall_ms=0,
        identity="i",
    )


def told(entry: Entry) -> tuple[Status, str | None, list[str]]:
    steps = []
    for step in entry.steps:
        if isinstance(step, SetAutoAdd):
            steps.append(f"{step.before}>{step.after}")
        elif isinstance(step, MoveMargin):
            steps.append(plain(step.amount))
    return entry.status, entry.blocked_by, steps


SAME, MORE = "1000", "1200"


@pytest.mark.parametrize(
    ("live", "wanted", "margin", "expected"),
    [
        (False, None, SAME, (Status.IN_SYNC, None, [])),
        (True, None, SAME, (Status.IN_SYNC, None, [])),
        (True, None, MORE, (Status.BLOCKED, "auto_add", [])),
        (True, True, SAME, (Status.IN_SYNC, None, [])),
        (True, True, MORE, (Status.CHANGE, None, ["200"])),
        (False, True, SAME, (Status.CHANGE, None, ["off>on"])),
        (False, True, MORE, (Status.CHANGE, None, ["off>on", "200"])),
        (True, False, SAME, (Status.CHANGE, None, ["on>off"])),
        (True, False, MORE, (Status.CHANGE, None, ["on>off", "200"])),
        (False, False, MORE, (Status.CHANGE, None, ["200"])),
        (True, False, None, (Status.CHANGE, None, ["on>off"])),
        (False, False, None, (Status.IN_SYNC, None, [])),
    ],
)
def test_where_a_call_turns_the_switch(
    *, live: bool, wanted: bool | None, margin: str | None, expected: tuple[Status, str | None, list[str]]
) -> None:
    plan = planned(exchange="bitget", live=live, wanted=wanted, margin=margin)
    (entry,) = plan.entries
    assert told(entry) == expected
    assert [step.action for step in plan.steps] == [step.action for step in entry.steps]


@pytest.mark.parametrize("exchange", ["binance", "okx"])
@pytest.mark.parametrize(
    ("live", "wanted", "margin", "expected"),
    [
        (True, True, SAME, (Status.IN_SYNC, None, [])),
        (True, True, MORE, (Status.BLOCKED, "auto_add", [])),
        (True, False, SAME, (Status.BLOCKED, "auto_add", [])),
        (False, True, SAME, (Status.BLOCKED, "auto_add", [])),
        (False, True, MORE, (Status.BLOCKED, "auto_add", [])),
        (False, False, MORE, (Status.CHANGE, None, ["200"])),
    ],
)
def test_where_no_call_turns_the_switch(
    exchange: str, *, live: bool, wanted: bool, margin: str, expected: tuple[Status, str | None, list[str]]
) -> None:
    plan = planned(exchange=exchange, live=live, wanted=wanted, margin=margin)
    assert told(plan.entries[0]) == expected


def test_a_blocked_margin_keeps_the_switch_as_it_is_and_says_so() -> None:
    limits = Policy(max_add=D(100), max_margin=None)
    plan = planned(exchange="bitget", live=True, wanted=False, margin=MORE, policy=limits)
    (entry,) = plan.entries
    assert (entry.status, entry.blocked_by, entry.steps) == (Status.BLOCKED, "max_add", ())
    assert isinstance(entry.wanted, MoveMargin)


def test_the_switch_waits_with_a_margin_that_is_blocked_before_any_limit_is_asked() -> None:
    declared, live = replace(target(PLACE, MORE), auto_add=False), position(PLACE, auto_add=True)
    entry = Entry(
        address=at(PLACE),
        status=Status.BLOCKED,
        asset="USDT",
        target=declared,
        observed=live,
        observed_type=MarginType.ISOLATED,
        reason="why",
    )
    found = with_switch(entry, declared, live, BITGET, lambda address, action: f"{address} {action}")
    assert (found.status, found.steps, found.reason) == (Status.BLOCKED, (), "why; auto-add stays on until then")


def test_the_switch_counts_as_a_change() -> None:
    plan = planned(
        exchange="bitget", live=False, wanted=True, margin=MORE, policy=Policy(max_changes=1, max_margin=None)
    )
    assert [error.key for error in plan.errors] == ["max_changes"]


@pytest.mark.parametrize("margin", [None, SAME])
def test_a_flat_position_waits(margin: str | None) -> None:
    account = replace(desired(replace(target(PLACE, margin), auto_add=True)), policy=Policy(unmanaged=Unmanaged.IGNORE))
    look = observed([], [symbol("BTCUSDT")])
    plan = plan_account(account, look, held={}, traits=BITGET, plan_id="p", observed_wall_ms=0, identity="i")
    assert told(plan.entries[0]) == (Status.WAITING, None, [])


@pytest.mark.parametrize(("wanted", "kind"), [(None, Stale), (False, Stale), (True, Send)])
def test_just_before_a_send_the_switch_must_be_as_declared(*, wanted: bool | None, kind: type) -> None:
    plan = planned(exchange="bitget", live=False, wanted=None, margin=MORE)
    step = next(step for step in plan.steps if isinstance(step, MoveMargin))
    fresh = fresh_move(replace(target(PLACE, MORE), auto_add=wanted), step, position(PLACE, auto_add=True), D(1))
    assert isinstance(fresh, kind)


def test_a_second_plan_has_nothing_to_do() -> None:
    first = planned(exchange="bitget", live=True, wanted=False, margin=SAME)
    (step,) = first.steps
    assert isinstance(step, SetAutoAdd)
    assert (step.address, step.after) == (Address.parse(PLACE), AutoAdd.OFF)
    assert planned(exchange="bitget", live=False, wanted=False, margin=SAME).steps == ()


def test_only_isolated_positions_have_the_switch() -> None:
    assert at(PLACE).side.value == "long"
    look = observed([position(PLACE, kind=MarginType.CROSSED)])
    account = desired(replace(target(PLACE, kind=MarginType.CROSSED), auto_add=None))
    plan = plan_account(account, look, held={}, traits=BITGET, plan_id="p", observed_wall_ms=0, identity="i")
    assert plan.steps == ()
