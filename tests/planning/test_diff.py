"""Declared against observed, case by case and as properties."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.model.account import (
    Address,
    MarginType,
    ObservedAccount,
    Policy,
    Position,
    PositionMode,
    SymbolState,
    Target,
    Unmanaged,
)
from reconcile.model.plan import Entry, MoveMargin, SetMarginType, Status
from reconcile.model.traits import Traits
from reconcile.money import minus, plus
from reconcile.planning.diff import diff
from tests.kit.desk import (
    BINANCE,
    BITGET,
    CROSSED,
    ISOLATED,
    NOTHING_HELD,
    OKX,
    D,
    at,
    desired,
    hold,
    observed,
    position,
    symbol,
    target,
)

PLACE, OTHER = "BTCUSDT.long", "BTCUSDT.short"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One declared address and one account; what it comes to."""

    name: str
    target: Target
    status: Status
    positions: tuple[Position, ...] = ()
    symbols: tuple[SymbolState, ...] = ()
    traits: Traits = BINANCE
    multi_assets: bool = False
    account_block: str | None = None
    unusable: Mapping[Address, str] = field(default_factory=dict)
    blocked_by: str | None = None
    says: str = ""
    would: str | None = None
    """The action of the step, or of the step that is blocked."""


CASES = [
    Case(
        name="crossed and crossed",
        target=target(PLACE, kind=CROSSED),
        symbols=(symbol("BTCUSDT", CROSSED),),
        status=Status.IN_SYNC,
    ),
    Case(
        name="crossed, open and crossed",
        target=target(PLACE, kind=CROSSED),
        positions=(position(PLACE, "0", kind=CROSSED),),
        status=Status.IN_SYNC,
    ),
    Case(name="type only, flat", target=target(PLACE), symbols=(symbol("BTCUSDT"),), status=Status.IN_SYNC),
    Case(
        name="type only leaves margin alone",
        target=target(PLACE),
        positions=(position(PLACE, "77"),),
        status=Status.IN_SYNC,
    ),
    Case(
        name="margin equal", target=target(PLACE, "1000"), positions=(position(PLACE, "1000"),), status=Status.IN_SYNC
    ),
    Case(
        name="at the edge of the tolerance",
        target=target(PLACE, "1000", tolerance="5"),
        positions=(position(PLACE, "995"),),
        status=Status.IN_SYNC,
    ),
    Case(
        name="at the edge of a share",
        target=target(PLACE, "1000", tolerance="0.5", percent=True),
        positions=(position(PLACE, "1005"),),
        status=Status.IN_SYNC,
    ),
    Case(
        name="dust", target=target(PLACE, "1000"), positions=(position(PLACE, "999.999999991"),), status=Status.IN_SYNC
    ),
    Case(
        name="in sync although auto-add is on",
        target=target(PLACE, "1000"),
        positions=(position(PLACE, auto_add=True),),
        status=Status.IN_SYNC,
        says="auto-add",
    ),
    Case(
        name="add",
        target=target(PLACE, "1500"),
        positions=(position(PLACE, "1200"),),
        status=Status.CHANGE,
        would="add_margin",
    ),
    Case(
        name="just outside the tolerance",
        target=target(PLACE, "1000", tolerance="5"),
        positions=(position(PLACE, "994.99"),),
        status=Status.CHANGE,
        would="add_margin",
    ),
    Case(
        name="reduce",
        target=target(PLACE, "900"),
        positions=(position(PLACE, "1000"),),
        status=Status.CHANGE,
        would="reduce_margin",
    ),
    Case(
        name="all that is removable",
        target=target(PLACE, "900"),
        positions=(position(PLACE, "1000", most="100"),),
        status=Status.CHANGE,
        would="reduce_margin",
    ),
    Case(
        name="reduce without a risk model",
        target=target(PLACE, "900"),
        positions=(position(PLACE, "1000", risk=False),),
        status=Status.CHANGE,
        would="reduce_margin",
    ),
    Case(
        name="short in one-way mode",
        target=target("BTCUSDT.net", "1500"),
        positions=(position("BTCUSDT.net", size="-2"),),
        status=Status.CHANGE,
        would="add_margin",
    ),
    Case(
        name="type change",
        target=target(PLACE),
        symbols=(symbol("BTCUSDT", CROSSED),),
        status=Status.CHANGE,
        would="set_margin_type",
    ),
    Case(
        name="type change to crossed",
        target=target(PLACE, kind=CROSSED),
        symbols=(symbol("BTCUSDT"),),
        status=Status.CHANGE,
        would="set_margin_type",
        multi_assets=True,
    ),
    Case(
        name="type change, margin waits",
        target=target(PLACE, "1500"),
        symbols=(symbol("BTCUSDT", CROSSED),),
        status=Status.CHANGE,
        would="set_margin_type",
        says="waits for an open position",
    ),
    Case(
        name="flat",
        target=target(PLACE, "1500"),
        symbols=(symbol("BTCUSDT"),),
        status=Status.WAITING,
        says="no open position",
    ),
    Case(
        name="flat slot with a leftover",
        target=target(PLACE, "1500"),
        positions=(position(PLACE, "3", size="0"),),
        status=Status.WAITING,
        says="no open position",
    ),
    Case(
        name="flat, isolated is expected",
        target=target(PLACE),
        symbols=(symbol("BTCUSDT", None),),
        traits=OKX,
        status=Status.WAITING,
        says="isolated is expected",
    ),
    Case(
        name="flat, crossed is expected",
        target=target(PLACE, kind=CROSSED),
        symbols=(symbol("BTCUSDT", None),),
        traits=OKX,
        status=Status.WAITING,
        says="crossed is expected",
    ),
    Case(
        name="open, closes the symbol's type",
        target=target(PLACE, "1500"),
        positions=(position(PLACE, "0", kind=CROSSED),),
        status=Status.BLOCKED,
        blocked_by="open_position",
        says="BTCUSDT.long (1) is open; close it, then",
        would="set_margin_type",
    ),
    Case(
        name="the other side is open",
        target=target(PLACE),
        positions=(position(OTHER, "0", kind=CROSSED, size="0.5"),),
        status=Status.BLOCKED,
        blocked_by="open_position",
        says="BTCUSDT.short (0.5)",
        would="set_margin_type",
    ),
    Case(
        name="open and crossed where positions have types",
        target=target(PLACE, "1500"),
        traits=OKX,
        positions=(position(PLACE, "0", kind=CROSSED), position(OTHER, "5")),
        status=Status.BLOCKED,
        blocked_by="open_position",
        says="BTCUSDT.long (1) is open; close it and reopen it as isolated",
        would="set_margin_type",
    ),
    Case(
        name="open orders",
        target=target(PLACE),
        symbols=(symbol("BTCUSDT", CROSSED, open_orders=True),),
        status=Status.BLOCKED,
        blocked_by="open_orders",
        says="BTCUSDT has open orders; cancel them",
        would="set_margin_type",
    ),
    Case(
        name="open orders not read",
        target=target(PLACE),
        symbols=(symbol("BTCUSDT", CROSSED, open_orders=None),),
        status=Status.BLOCKED,
        blocked_by="open_orders",
        says="were not read",
        would="set_margin_type",
    ),
    Case(
        name="multi-assets",
        target=target(PLACE, "1000"),
        positions=(position(PLACE),),
        multi_assets=True,
        status=Status.BLOCKED,
        blocked_by="multi_assets",
        says="switch it",
    ),
    Case(
        name="account",
        target=target(PLACE),
        symbols=(symbol("BTCUSDT"),),
        account_block="the account is closed",
        status=Status.BLOCKED,
        blocked_by="account",
        says="the account is closed",
    ),
    Case(
        name="account, type change to crossed",
        target=target(PLACE, kind=CROSSED),
        symbols=(symbol("BTCUSDT"),),
        account_block="the account is closed",
        status=Status.BLOCKED,
        blocked_by="account",
        would="set_margin_type",
    ),
    Case(
        name="unknown symbol",
        target=target(PLACE),
        status=Status.BLOCKED,
        blocked_by="instrument",
        says="not one of the exchange's instruments",
    ),
    Case(
        name="its row cannot be used",
        target=target(PLACE, "1500"),
        symbols=(symbol("BTCUSDT"),),
        unusable={at(PLACE): "field 'margin' is not a number"},
        status=Status.BLOCKED,
        blocked_by="unusable",
        says="field 'margin' is not a number",
    ),
    Case(
        name="the row of its other side cannot be used",
        target=target(PLACE, "1500"),
        positions=(position(PLACE),),
        unusable={at("BTCUSDT.short"): "field 'margin' is not a number"},
        status=Status.CHANGE,
        would="add_margin",
    ),
    Case(
        name="another type, and the row of the other side cannot be used",
        target=target(PLACE),
        symbols=(symbol("BTCUSDT", CROSSED),),
        unusable={at("BTCUSDT.short"): "field 'margin' is not a number"},
        status=Status.BLOCKED,
        blocked_by="open_position",
        says="its size cannot be read",
        would="set_margin_type",
    ),
    Case(
        name="auto-add",
        target=target(PLACE, "1500"),
        positions=(position(PLACE, auto_add=True),),
        status=Status.BLOCKED,
        blocked_by="auto_add",
        says="switch it off",
        would="add_margin",
    ),
    Case(
        name="more than removable",
        target=target(PLACE, "900"),
        positions=(position(PLACE, "1000", most="60.5"),),
        status=Status.BLOCKED,
        blocked_by="removable",
        says="declare 939.5 or more",
        would="reduce_margin",
    ),
    Case(
        name="a long of less than nothing",
        target=target(PLACE, "900"),
        positions=(position(PLACE, size="-1"),),
        status=Status.BLOCKED,
        blocked_by="account",
        says="size of -1",
    ),
]


def only(case: Case) -> Entry:
    account = observed(case.positions, case.symbols, multi_assets=case.multi_assets, account_block=case.account_block)
    account = replace(account, unusable=case.unusable)
    found = diff(desired(case.target), account, held=NOTHING_HELD, traits=case.traits)
    return next(entry for entry in found if entry.address == case.target.address)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_has_its_status_and_says_why(case: Case) -> None:
    entry = only(case)
    step = entry.steps[0] if entry.steps else entry.wanted
    assert (entry.status, entry.blocked_by) == (case.status, case.blocked_by)
    assert case.says in entry.reason
    assert (None if step is None else step.action) == case.would
    assert bool(entry.steps) is (case.status is Status.CHANGE)


def test_the_cases_show_every_status_and_every_reason_to_block() -> None:
    extra = {Status.HELD, Status.UNMANAGED}
    assert {case.status for case in CASES} | extra == set(Status)
    assert {case.blocked_by for case in CASES} == {
        None, "open_position", "open_orders", "multi_assets", "auto_add", "removable", "instrument", "unusable",
        "account",
    }  # fmt: skip


def test_an_addition_carries_all_its_numbers() -> None:
    account = observed([position(PLACE, "1200", told="8799")])
    (entry,) = diff(desired(target(PLACE, "1500", tolerance="0.5", percent=True)), account, held={}, traits=BINANCE)
    assert entry.asset == "USDT"
    assert entry.steps == (
        MoveMargin(
            step_id="BTCUSDT.long/add_margin",
            address=at(PLACE),
            asset="USDT",
            amount=D(300),
            before=D(1200),
            after=D(1500),
            tolerance=D("7.5"),
            action="add_margin",
            liquidation_price_before=D(8799),
            liquidation_price_after=D(8500),
            liquidation_distance_before=D("0.1201"),
            liquidation_distance_after=D("0.15"),
        ),
    )


def test_a_reduction_computes_the_price_that_the_exchange_did_not_tell() -> None:
    (entry,) = diff(desired(target(OTHER, "900")), observed([position(OTHER)]), held={}, traits=BINANCE)
    (step,) = entry.steps
    assert isinstance(step, MoveMargin)
    assert (step.signed, step.liquidation_price_before, step.liquidation_price_after) == (D(-100), D(11000), D(10900))


@pytest.mark.parametrize(
    ("traits", "place", "step", "amount"),
    [
        (BINANCE, PLACE, None, "300.12345678"),
        (OKX, PLACE, None, "300.123456"),
        (BITGET, PLACE, None, "300.1234"),
        (BITGET, "BTCUSD.long", None, "300.12345678"),
        (BINANCE, PLACE, "0.01", "300.12"),
    ],
)
def test_an_amount_is_cut_toward_zero_to_its_step(traits: Traits, place: str, step: str | None, amount: str) -> None:
    wanted = desired(target(place, "1300.123456789"), amount_step=step)
    (entry,) = diff(wanted, observed([position(place)]), held={}, traits=traits)
    assert [found.amount for found in entry.steps if isinstance(found, MoveMargin)] == [D(amount)]


def test_one_type_step_serves_both_sides_of_a_symbol() -> None:
    account = observed(symbols=[symbol("BTCUSDT", CROSSED)])
    first, second = diff(desired(target(PLACE), target(OTHER, "5")), account, held={}, traits=BINANCE)
    assert first.steps == (
        SetMarginType(step_id="BTCUSDT.long/set_margin_type", address=at(PLACE), before=CROSSED, after=ISOLATED),
    )
    assert (second.status, second.steps) == (Status.CHANGE, ())
    assert second.reason == "its type changes together with BTCUSDT.long; its margin waits for an open position"


def test_the_second_side_needs_no_reason_beyond_the_first() -> None:
    account = observed(symbols=[symbol("BTCUSDT", CROSSED)])
    _, second = diff(desired(target(PLACE), target(OTHER)), account, held={}, traits=BINANCE)
    assert second.reason == "its type changes together with BTCUSDT.long"


def test_a_restricted_diff_moves_the_type_step_to_the_first_side_it_shows() -> None:
    account = observed(symbols=[symbol("BTCUSDT", CROSSED)])
    (entry,) = diff(desired(target(PLACE), target(OTHER)), account, held={}, traits=BINANCE, targets=[at(OTHER)])
    assert [step.address for step in entry.steps] == [at(OTHER)]


@pytest.mark.parametrize(("traits", "held"), [(BINANCE, [PLACE]), (OKX, [PLACE, OTHER]), (BITGET, [PLACE, OTHER])])
def test_an_unsettled_outcome_holds_its_lane(traits: Traits, held: list[str]) -> None:
    account = observed([position(PLACE), position(OTHER), position("ETHUSDT.long")])
    wanted = desired(target(PLACE, "1500"), target(OTHER, "1500"), target("ETHUSDT.long", "1500"))
    found = diff(wanted, account, held={at(PLACE): hold("an earlier step is unknown")}, traits=traits)
    assert [str(entry.address) for entry in found if entry.status is Status.HELD] == held
    assert all("an earlier step is unknown" in entry.reason for entry in found if entry.status is Status.HELD)
    assert not any(entry.steps for entry in found if entry.status is Status.HELD)


def test_a_type_change_is_held_where_any_side_of_its_symbol_is() -> None:
    account = observed(symbols=[symbol("BTCUSDT", CROSSED)])
    found = diff(desired(target(PLACE), target(OTHER)), account, held={at(OTHER): hold("unknown")}, traits=BINANCE)
    assert [entry.status for entry in found] == [Status.HELD, Status.HELD]
    assert found[0].reason == "BTCUSDT.short is held: unknown"


def test_what_is_held_is_shown_although_not_asked_for_or_not_declared() -> None:
    held = {at(PLACE): hold("unknown"), at("XRPUSDT.long"): hold("unknown too"), at("SOLUSDT.long"): hold("and this")}
    account = observed([position(PLACE), position("ETHUSDT.long"), position("SOLUSDT.long")])
    wanted = desired(target(PLACE, "1500"), target("ETHUSDT.long", "1"))
    found = diff(wanted, account, held=held, traits=BINANCE, targets=[at("ETHUSDT.long")])
    assert [(str(entry.address), entry.status, entry.reason) for entry in found if entry.status is Status.HELD] == [
        (PLACE, Status.HELD, "unknown"),
        ("SOLUSDT.long", Status.HELD, "and this"),
        ("XRPUSDT.long", Status.HELD, "unknown too"),
    ]


def test_an_open_isolated_position_that_nobody_declares_is_unmanaged() -> None:
    account = observed(
        [
            position("ETHUSDT.short", "70"),
            position("SOLUSDT.long", "0", kind=CROSSED),
            position("XRPUSDT.long", "3", size="0"),
            position("ADAUSDT.long", "40", size="0.1"),
        ]
    )
    found = diff(desired(), account, held=NOTHING_HELD, traits=BINANCE)
    assert [(str(entry.address), entry.status, entry.asset) for entry in found] == [
        ("ADAUSDT.long", Status.UNMANAGED, "USDT"),
        ("ETHUSDT.short", Status.UNMANAGED, "USDT"),
    ]
    assert "70 isolated margin" in found[1].reason


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ((), "opened since this run or plan began, the next one declares it from BTC*.long"),
        ((target("BTCUSDT.short", kind=CROSSED),), "not declared in any state file"),
    ],
)
def test_a_position_that_a_template_will_declare_says_so(declared: tuple[Target, ...], words: str) -> None:
    account = replace(desired(*declared), templates=(target("BTC*.long", "500"),))
    entries = diff(account, observed([position("BTCUSDT.long", "70")]), held=NOTHING_HELD, traits=BINANCE)
    (found,) = [entry for entry in entries if entry.status is Status.UNMANAGED]
    assert found.reason == f"open with 70 isolated margin; {words}"


def test_a_row_that_cannot_be_used_is_unmanaged_where_no_file_declares_it() -> None:
    account = replace(observed([position(PLACE)]), unusable={at("ETHUSDT.short"): "field 'margin' is not a number"})
    wanted = desired(target(PLACE, "1000"))
    (_, other) = diff(wanted, account, held={}, traits=BINANCE)
    assert (str(other.address), other.status, other.observed) == ("ETHUSDT.short", Status.UNMANAGED, None)
    assert "field 'margin' is not a number" in other.reason
    quiet = replace(wanted, policy=replace(wanted.policy, unmanaged=Unmanaged.IGNORE))
    assert len(diff(quiet, account, held={}, traits=BINANCE)) == 1


def test_the_asset_is_the_one_the_open_position_is_in() -> None:
    held = replace(position(PLACE, "1200"), asset="USDC")
    (entry,) = diff(desired(target(PLACE, "1500")), observed([held]), held={}, traits=BINANCE)
    assert (entry.asset, entry.steps[0].asset if isinstance(entry.steps[0], MoveMargin) else None) == ("USDC", "USDC")


def test_what_is_declared_but_not_asked_for_is_not_unmanaged() -> None:
    account = observed([position(PLACE), position(OTHER)])
    found = diff(desired(target(PLACE, "1"), target(OTHER, "1")), account, held={}, traits=BINANCE, targets=[at(PLACE)])
    assert [str(entry.address) for entry in found] == [PLACE]


def test_a_file_may_ignore_what_it_does_not_declare() -> None:
    account = observed([position(PLACE)])
    assert diff(desired(policy=Policy(unmanaged=Unmanaged.IGNORE)), account, held={}, traits=BINANCE) == ()


def test_the_type_of_a_position_comes_from_where_it_lives() -> None:
    flat = observed([position(PLACE, "0", size="0")], [symbol("BTCUSDT", CROSSED)])
    on_symbol, on_position = (
        diff(desired(target(PLACE)), flat, held={}, traits=traits)[0].observed_type for traits in (BINANCE, OKX)
    )
    assert (on_symbol, on_position) == (CROSSED, None)


# Properties over whole accounts.

MARGINS = st.decimals(min_value=Decimal(0), max_value=Decimal(10**7), places=9)
SIZES = st.sampled_from(["0", "0.001", "1", "25"])


@st.composite
def slots(draw: st.DrawFn) -> tuple[Target, Position]:
    """One declared address with its slot; several symbols come from drawing several."""
    name = draw(st.sampled_from(["AUSDT", "BUSDT", "CUSDT", "DUSD"]))
    place = f"{name}.{draw(st.sampled_from(['long', 'short']))}"
    wanted = draw(st.none() | MARGINS)
    kind: MarginType = ISOLATED if wanted is not None else draw(st.sampled_from(list(MarginType)))
    live = draw(st.sampled_from(list(MarginType)))
    return (
        target(
            place, None if wanted is None else str(wanted), kind, tolerance=draw(st.sampled_from(["0", "0.5", "20"]))
        ),
        position(
            place,
            "0" if live is CROSSED else str(draw(MARGINS)),
            size=draw(SIZES),
            kind=live,
            auto_add=draw(st.booleans()),
            most=str(draw(MARGINS)),
        ),
    )


@st.composite
def worlds(draw: st.DrawFn) -> tuple[tuple[Target, ...], ObservedAccount]:
    drawn = draw(st.lists(slots(), max_size=6, unique_by=lambda pair: pair[0].address))
    states = [symbol(place.address.symbol, draw(st.sampled_from(list(MarginType)))) for _, place in drawn]
    return tuple(wanted for wanted, _ in drawn), observed([place for _, place in drawn], states)


def carried_out(account: ObservedAccount, entries: tuple[Entry, ...]) -> ObservedAccount:
    """The account after every step of a diff, done exactly."""
    positions, symbols = dict(account.positions), dict(account.symbols)
    for step in (step for entry in entries for step in entry.steps):
        if isinstance(step, SetMarginType):
            name = step.address.symbol
            symbols[name] = replace(symbols[name], margin_type=step.after)
        elif isinstance(step, MoveMargin):
            before = positions[step.address]
            positions[step.address] = replace(before, isolated_margin=plus(before.isolated_margin, step.signed))
    return replace(account, positions=positions, symbols=symbols)


@given(worlds(), st.sampled_from([BINANCE, OKX, BITGET]))
def test_a_second_diff_has_nothing_to_do(world: tuple[tuple[Target, ...], ObservedAccount], traits: Traits) -> None:
    wanted, account = desired(*world[0]), world[1]
    after = carried_out(account, diff(wanted, account, held={}, traits=traits))
    assert [entry.address for entry in diff(wanted, after, held={}, traits=traits) if entry.steps] == []


@given(worlds(), st.sampled_from([BINANCE, OKX, BITGET]))
def test_no_step_passes_its_target(world: tuple[tuple[Target, ...], ObservedAccount], traits: Traits) -> None:
    for entry in diff(desired(*world[0]), world[1], held={}, traits=traits):
        for step in entry.steps:
            if isinstance(step, MoveMargin) and entry.target is not None and entry.target.isolated_margin is not None:
                goal = entry.target.isolated_margin
                assert step.amount > 0
                assert step.after == plus(step.before, step.signed)
                assert min(step.before, goal) <= step.after <= max(step.before, goal)
                assert abs(minus(goal, step.after)) < traits.amount_step(step.asset)
                assert abs(minus(goal, step.before)) > step.tolerance


@given(worlds(), st.randoms(use_true_random=False))
def test_the_answer_does_not_depend_on_the_order_of_a_reading(
    world: tuple[tuple[Target, ...], ObservedAccount], dice: Random
) -> None:
    wanted, account = desired(*world[0]), world[1]
    positions, symbols = list(account.positions.items()), list(account.symbols.items())
    dice.shuffle(positions)
    dice.shuffle(symbols)
    shuffled = replace(account, positions=dict[Address, Position](positions), symbols=dict[str, SymbolState](symbols))
    assert diff(wanted, shuffled, held={}, traits=BINANCE) == diff(wanted, account, held={}, traits=BINANCE)


def test_one_way_accounts_have_one_side() -> None:
    account = observed([position("BTCUSDT.net")], mode=PositionMode.ONE_WAY)
    (entry,) = diff(desired(target("BTCUSDT.net", "1000")), account, held={}, traits=BINANCE)
    assert entry.status is Status.IN_SYNC
