"""From Bitget's answers to an observed account: every edge of the rows, the requests made, what fails a read."""

from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from reconcile.errors import ReadFailed
from reconcile.exchanges.bitget.risk import InverseRisk, LinearRisk
from reconcile.exchanges.http.wire import HttpRequest, HttpResponse
from reconcile.model.account import Address, MarginType, ObservedAccount, PositionMode, Side
from tests.kit.bitget_account import (
    ACCOUNT,
    ACCOUNTS,
    CONTRACTS,
    ETH,
    ETH_NET,
    ETH_SHORT,
    INFO,
    ORDERS,
    PLAN_ORDERS,
    POSITIONS,
    TIERS,
    Desk,
    account_row,
    balance_row,
    contract_row,
    data,
    position_row,
    refusal,
)
from tests.kit.fakes import SERVED_MS, answer, params_of, run

ISOLATED, CROSSED = MarginType.ISOLATED, MarginType.CROSSED
NO_POSITION = {POSITIONS: data([])}


def observe(
    declared: Mapping[str, MarginType] | None = None,
    answers: Mapping[str, Any] | None = None,
    *,
    product: str | None = None,
) -> ObservedAccount:
    desk = Desk(answers, product=product)
    return run(lambda: desk.adapter.observe({"ETHUSDT": ISOLATED} if declared is None else declared))


def test_an_isolated_position_is_read_exactly() -> None:
    position = observe().positions[ETH]
    assert position.isolated_margin == Decimal("101.2500000000000001")
    assert (position.asset, position.size, position.mark_price) == ("USDT", Decimal("0.5"), Decimal(4010))
    assert position.notional == Decimal("2005.0")
    assert position.identity == "1767000000000"
    assert position.liquidation_price == Decimal("3818.886")
    assert not position.auto_add


def test_numbers_may_be_json_numbers_and_empty_fields_may_be_null() -> None:
    rows = [position_row(total=0.5, leverage=20, liquidationPrice=None, markPrice="", takeProfit=None)]
    position = observe(answers={POSITIONS: data(rows)}).positions[ETH]
    assert position.size == Decimal("0.5")
    assert position.liquidation_price is None
    assert position.mark_price is None
    assert position.notional == 0


@pytest.mark.parametrize("payload", [None, []])
def test_no_positions_is_a_good_answer(payload: object) -> None:
    assert observe(answers={POSITIONS: data(payload)}).positions == {}


def test_a_row_of_size_zero_is_flat() -> None:
    assert observe(answers={POSITIONS: data([position_row(total="0", marginSize="0")])}).positions == {}


def test_a_crossed_position_has_no_isolated_margin_and_no_risk() -> None:
    position = observe(answers={POSITIONS: data([position_row(marginMode="crossed")])}).positions[ETH]
    assert position.margin_type is CROSSED
    assert position.isolated_margin == 0
    assert position.risk is None


@pytest.mark.parametrize("price", ["0", "-12.5", "", None])
def test_a_liquidation_price_of_zero_or_below_is_none(price: str | None) -> None:
    assert (
        observe(answers={POSITIONS: data([position_row(liquidationPrice=price)])}).positions[ETH].liquidation_price
        is None
    )


@pytest.mark.parametrize(("side", "size"), [("long", "0.5"), ("short", "-0.5")])
def test_a_one_way_position_is_net_and_signed(side: str, size: str) -> None:
    seen = observe(answers={POSITIONS: data([position_row(posMode="one_way_mode", holdSide=side)])})
    assert seen.position_mode is PositionMode.ONE_WAY
    assert seen.positions[ETH_NET].size == Decimal(size)


def test_both_sides_of_a_hedged_symbol_are_read() -> None:
    seen = observe(answers={POSITIONS: data([position_row(), position_row(holdSide="short", total="2")])})
    assert {address.side: position.size for address, position in seen.positions.items()} == {
        Side.LONG: Decimal("0.5"),
        Side.SHORT: Decimal(2),
    }
    assert ETH_SHORT in seen.positions


def test_auto_margin_is_seen() -> None:
    assert observe(answers={POSITIONS: data([position_row(autoMargin="on")])}).positions[ETH].auto_add


@pytest.mark.parametrize(
    "answers",
    [
        {POSITIONS: data([position_row(assetMode="union")])},
        {ACCOUNTS: data([balance_row(assetMode="union")])},
        {**NO_POSITION, ACCOUNT: data(account_row(assetMode="union"))},
    ],
)
def test_multi_asset_mode_is_seen_wherever_it_shows(answers: dict[str, Any]) -> None:
    assert observe(answers=answers).multi_assets


def test_free_balance_is_what_isolated_positions_may_take_else_what_is_available() -> None:
    rows = [
        balance_row(),
        balance_row(marginCoin="BTC", isolatedMaxAvailable="", available="2"),
        {"marginCoin": "X", "available": "3"},
    ]
    assert observe(answers={ACCOUNTS: data(rows)}).available == {"USDT": Decimal("800.25"), "BTC": 2, "X": 3}


@pytest.mark.parametrize("told", ["7", 7])
def test_the_spot_section_tells_the_user_id(told: object) -> None:
    desk = Desk({INFO: data({"userId": told})})
    assert run(desk.adapter.account_uid) == "7"
    assert run(lambda: desk.adapter.observe({})).uid == "7"


def test_a_key_that_may_not_read_the_spot_section_tells_no_user_id() -> None:
    refused = answer({"code": "40014", "msg": "Incorrect permissions", "data": None}, 400)
    desk = Desk({INFO: refused})
    assert run(desk.adapter.account_uid) is None
    assert run(lambda: desk.adapter.observe({})).uid is None


@pytest.mark.parametrize("told", ["", None, True, "a b"])
def test_an_answer_without_a_user_id_is_a_failed_read(told: object) -> None:
    with pytest.raises(ReadFailed, match="does not name the account"):
        run(Desk({INFO: data({"userId": told})}).adapter.account_uid)


def test_a_user_id_that_is_not_read_for_another_reason_is_a_failed_read() -> None:
    with pytest.raises(ReadFailed):
        run(Desk({INFO: answer({"code": "40725", "msg": "service error", "data": None}, 500)}).adapter.account_uid)


def test_the_type_of_a_symbol_with_a_position_is_read_from_its_row() -> None:
    desk = Desk({POSITIONS: data([position_row(marginMode="crossed")])})
    seen = run(lambda: desk.adapter.observe({"ETHUSDT": ISOLATED}))
    assert seen.symbols["ETHUSDT"].margin_type is CROSSED
    assert desk.asked(ACCOUNT) == []
    assert seen.symbols["ETHUSDT"].open_orders is None


def test_the_type_of_a_flat_declared_symbol_is_asked_for() -> None:
    desk = Desk({ACCOUNT: data(account_row(marginMode="crossed"))})
    seen = run(lambda: desk.adapter.observe({"ETHUSDT": ISOLATED, "BTCUSDT": CROSSED}))
    assert seen.symbols["BTCUSDT"].margin_type is CROSSED
    assert [params_of(request) for request in desk.asked(ACCOUNT)] == [
        {"marginCoin": "USDT", "productType": "USDT-FUTURES", "symbol": "BTCUSDT"}
    ]


def test_an_unknown_symbol_is_missing_and_nothing_is_asked_about_it() -> None:
    desk = Desk()
    seen = run(lambda: desk.adapter.observe({"NOPEUSDT": ISOLATED, "ETHUSDT": ISOLATED}))
    assert set(seen.symbols) == {"ETHUSDT"}
    assert desk.asked(ACCOUNT) == []


@pytest.mark.parametrize(
    ("orders", "plans", "found"),
    [
        ([], None, False),
        (None, None, False),
        ([{"orderId": "1"}], None, True),
        (None, [{"orderId": "2"}], True),
    ],
)
def test_orders_are_read_for_a_flat_symbol_whose_type_must_change(
    orders: object, plans: object, *, found: bool
) -> None:
    answers = {
        **NO_POSITION,
        ACCOUNT: data(account_row(marginMode="crossed")),
        ORDERS: data({"entrustedList": orders, "endId": None}),
        PLAN_ORDERS: data({"entrustedList": plans, "endId": None}),
    }
    assert observe(answers=answers).symbols["ETHUSDT"].open_orders is found


def test_orders_are_not_read_for_a_flat_symbol_that_is_as_declared() -> None:
    desk = Desk(NO_POSITION)
    run(lambda: desk.adapter.observe({"ETHUSDT": ISOLATED}))
    assert desk.asked(ORDERS) == []
    assert desk.asked(PLAN_ORDERS) == []


def test_the_mode_of_an_empty_account_is_read_from_any_symbol() -> None:
    seen = observe({}, {**NO_POSITION, ACCOUNT: data(account_row(posMode="one_way_mode"))})
    assert seen.position_mode is PositionMode.ONE_WAY


def test_the_first_look_takes_three_requests_and_a_later_one_two() -> None:
    desk = Desk()

    async def looks() -> None:
        first = await desk.adapter.observe({"ETHUSDT": ISOLATED})
        before = len(desk.paths())
        await desk.adapter.observe({"ETHUSDT": ISOLATED}, reuse=first)
        assert sorted(desk.paths()[:before]) == sorted([POSITIONS, ACCOUNTS, CONTRACTS])
        assert sorted(desk.paths()[before:]) == sorted([POSITIONS, ACCOUNTS])

    run(looks)


def test_a_later_look_asks_again_for_a_type_until_it_is_as_declared() -> None:
    told = [data(account_row(marginMode=mode)) for mode in ("crossed", "crossed", "isolated")]
    desk = Desk({**NO_POSITION, ACCOUNT: told})

    async def looks() -> list[MarginType | None]:
        seen = None
        types = []
        for _ in range(5):
            seen = await desk.adapter.observe({"ETHUSDT": ISOLATED}, reuse=seen)
            types.append(seen.symbols["ETHUSDT"].margin_type)
        return types

    assert run(looks) == [CROSSED, CROSSED, ISOLATED, ISOLATED, ISOLATED]
    assert len(desk.asked(ACCOUNT)) == 3


def test_a_look_is_dated_no_later_than_its_first_request() -> None:
    desk = Desk()
    seen = run(lambda: desk.adapter.observe({}))
    first = min(at for at, request in desk.wire.sent if "/mix/" in request.url)
    assert seen.sent_at_ms <= SERVED_MS + first


def test_every_read_of_the_account_names_the_product() -> None:
    desk = Desk(
        {**NO_POSITION, CONTRACTS: data([contract_row("ETHPERP", supportMarginCoins=["USDC"])])}, product="USDC-FUTURES"
    )
    seen = run(lambda: desk.adapter.observe({"ETHPERP": ISOLATED}))
    assert seen.symbols["ETHPERP"].asset == "USDC"
    named = {params_of(request)["productType"] for request in desk.requests() if "/mix/" in request.url}
    assert named == {"USDC-FUTURES"}


def coin_desk(**fields: Any) -> Desk:
    row = position_row(
        symbol="BTCUSD", marginCoin="BTC", total="0.1", openPriceAvg="50000", markPrice="50000", marginSize="0.025"
    ) | {"leverage": "5", "unrealizedPL": "0", "keepMarginRate": "0.0094", "liquidationPrice": "40400"}
    contract = contract_row("BTCUSD", baseCoin="BTC", quoteCoin="USD", supportMarginCoins=["ETH", "BTC"])
    return Desk({POSITIONS: data([row | fields]), CONTRACTS: data([contract])}, product="COIN-FUTURES")


@pytest.mark.parametrize("size", ["0.1", "50"])
def test_a_coin_margined_position_is_valued_by_its_shown_price_whatever_its_unit(size: str) -> None:
    desk = coin_desk(total=size)
    seen = run(lambda: desk.adapter.observe({"BTCUSD": ISOLATED}))
    position = seen.positions[Address("BTCUSD", Side.LONG)]
    assert seen.symbols["BTCUSD"].asset == "BTC"
    assert isinstance(position.risk, InverseRisk)
    assert position.risk.removable() == Decimal("0.005")
    assert position.notional == Decimal("0.1")
    assert desk.asked(TIERS) == []


@pytest.mark.parametrize(
    ("size", "mark", "profit", "value"),
    [
        ("0.1", "40000", "-0.025", "5000"),
        ("0.1", "40000", "-0.0245", "5000"),  # by another mark price than the row's
        ("5000", "40000", "-0.025", None),  # contracts of one dollar
        ("5000", "0.5", "0.05", None),
        ("0.1", "50000", "0", None),  # no profit tells the unit
        ("0.1", "", "-0.025", None),
    ],
)
def test_a_coin_margined_size_without_a_price_is_taken_as_coins_where_its_profit_says_so(
    size: str, mark: str, profit: str, value: str | None
) -> None:
    desk = coin_desk(liquidationPrice="0", total=size, markPrice=mark, unrealizedPL=profit)
    position = run(lambda: desk.adapter.observe({"BTCUSD": ISOLATED})).positions[Address("BTCUSD", Side.LONG)]
    if value is None:
        assert position.risk is None
    else:
        assert isinstance(position.risk, InverseRisk)
        assert position.risk.value == Decimal(value)


def test_the_shown_price_is_reproduced_and_moves_with_the_margin() -> None:
    position = observe().positions[ETH]
    at_present, with_more = position.liquidation_at(position.isolated_margin), position.liquidation_at(Decimal(200))
    assert at_present is not None
    assert with_more is not None
    assert abs(at_present - Decimal("3818.886")) < Decimal("1e-9")
    assert with_more < at_present


@pytest.mark.parametrize(
    ("opened", "rate", "offset", "reads"),
    [
        ("1767000000000", "0.005", "1", 1),
        ("1767000000000", "0.01", "26", 1),
        ("1762761600000", "0.01", "26", 1),
        ("1762761599999", "0.01", "0", 0),
    ],
)
def test_the_tiers_give_the_offset_where_no_price_is_shown(opened: str, rate: str, offset: str, reads: int) -> None:
    row = position_row(liquidationPrice="0", keepMarginRate=rate, cTime=opened)
    desk = Desk({POSITIONS: data([row])})

    async def looks() -> ObservedAccount:
        first = await desk.adapter.observe({"ETHUSDT": ISOLATED})
        return await desk.adapter.observe({"ETHUSDT": ISOLATED}, reuse=first)

    risk = run(looks).positions[ETH].risk
    assert isinstance(risk, LinearRisk)
    assert (risk.offset, risk.rate) == (Decimal(offset), Decimal(rate) + Decimal("0.0006"))
    assert len(desk.asked(TIERS)) == reads


@pytest.mark.parametrize("missing", ["openPriceAvg", "leverage", "keepMarginRate"])
def test_a_row_without_a_field_of_the_formula_has_no_risk(missing: str) -> None:
    assert observe(answers={POSITIONS: data([position_row(**{missing: ""})])}).positions[ETH].risk is None


@pytest.mark.parametrize(
    "answers",
    [
        {POSITIONS: data([position_row(), position_row()])},
        {POSITIONS: data([position_row(), position_row(posMode="one_way_mode", symbol="BTCUSDT")])},
        {
            POSITIONS: data(
                [position_row(posMode="one_way_mode"), position_row(posMode="one_way_mode", holdSide="short")]
            )
        },
        {POSITIONS: data([position_row(marginMode="cross")])},
        {POSITIONS: data([position_row(posMode="both")])},
        {POSITIONS: data([position_row(holdSide="net")])},
        {POSITIONS: data({"list": []})},
        {POSITIONS: answer({"code": "00000", "msg": "success"})},
        {POSITIONS: HttpResponse(status=200, headers={}, body=b"")},
        {ACCOUNTS: data([{"available": "1"}])},
        {ACCOUNTS: refusal("40015")},
        {**NO_POSITION, CONTRACTS: data([])},
        {**NO_POSITION, ACCOUNT: refusal("40034")},
        {**NO_POSITION, ACCOUNT: data(account_row(marginMode="crossed")), ORDERS: data(None)},
        {POSITIONS: data([position_row(liquidationPrice="0")]), TIERS: data([{"level": "1"}])},
    ],
)
def test_an_answer_that_is_not_whole_is_a_failed_read(answers: dict[str, Any]) -> None:
    with pytest.raises(ReadFailed):
        observe(answers=answers)


@pytest.mark.parametrize("code", ["40085", "40128", "25245"])
def test_a_unified_account_is_named_as_the_cause(code: str) -> None:
    with pytest.raises(ReadFailed, match="unified account") as caught:
        observe(answers={POSITIONS: refusal(code)})
    assert (caught.value.code, caught.value.again) == (code, False)


@pytest.mark.parametrize("code", ["40006", "40009", "40012", "40037", "40014"])
def test_a_wrong_key_fails_at_once(code: str) -> None:
    desk = Desk({POSITIONS: refusal(code)})
    with pytest.raises(ReadFailed) as caught:
        run(lambda: desk.adapter.observe({}))
    assert caught.value.code == code
    assert len(desk.asked(POSITIONS)) == 1


def test_a_throttled_read_is_repeated() -> None:
    desk = Desk({POSITIONS: [refusal("429", 429), data([position_row()])]})
    assert ETH in run(lambda: desk.adapter.observe({})).positions


@pytest.mark.parametrize(("refusals", "longest_ms"), [(1, 2_000), (2, 65_000)])
def test_a_throttled_read_waits_for_its_own_limit_first_and_then_for_all(refusals: int, longest_ms: int) -> None:
    desk = Desk({POSITIONS: [*[refusal("429", 429)] * refusals, data([position_row()])]})
    assert ETH in run(lambda: desk.adapter.observe({})).positions
    at = [sent for sent, request in desk.wire.sent if POSITIONS + "?" in request.url]
    waits = [late - early for early, late in pairwise(at)]
    assert 1_000 <= waits[0] <= 2_000
    assert longest_ms - 5_000 <= waits[-1] <= longest_ms


def test_a_clock_refusal_asks_for_the_time_again() -> None:
    desk = Desk({POSITIONS: [refusal("40008"), data([position_row()])]})
    assert ETH in run(lambda: desk.adapter.observe({})).positions
    assert len(desk.asked("/api/v2/public/time")) == 2


def test_many_flat_symbols_stay_below_ten_questions_a_second() -> None:
    names = [f"C{number}USDT" for number in range(25)]
    desk = Desk({**NO_POSITION, CONTRACTS: data([contract_row(name) for name in names])})

    def told(request: HttpRequest) -> HttpResponse:
        return data(account_row(marginMode="isolated" if params_of(request)["symbol"] != "C3USDT" else "crossed"))

    desk.wire.answers[ACCOUNT] = told
    seen = run(lambda: desk.adapter.observe(dict.fromkeys(names, ISOLATED)))
    assert {name for name, state in seen.symbols.items() if state.margin_type is CROSSED} == {"C3USDT"}
    at = [sent for sent, request in desk.wire.sent if ACCOUNT + "?" in request.url]
    assert all(late - early >= 1_000 for early, late in zip(at, at[10:], strict=False))


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({POSITIONS: data([position_row(marginSize="")])}, "field 'marginSize' is not a number"),
        ({POSITIONS: data([position_row(total="x")])}, "field 'total' is not a number"),
        ({POSITIONS: data([position_row(cTime="yesterday")])}, "field 'cTime' is not a number"),
        ({POSITIONS: data([position_row(marginCoin="USDC")])}, "marginCoin of the position is USDC and"),
        ({CONTRACTS: data([contract_row(supportMarginCoins=[])])}, "names no margin coin"),
        (
            {CONTRACTS: data([contract_row(supportMarginCoins=None)])},
            "field 'supportMarginCoins' is not a list of texts",
        ),
    ],
)
def test_what_cannot_be_used_or_contradicts_itself_costs_its_own_address(answers: dict[str, Any], says: str) -> None:
    account = observe(answers=answers)
    assert says in account.unusable[ETH]
    assert all(says in reason for reason in account.unusable.values())


def test_a_flat_symbol_that_bitget_refuses_to_tell_of_costs_no_other() -> None:
    desk = Desk({ACCOUNT: refusal("40309"), CONTRACTS: data([contract_row(), contract_row(symbol="OLDUSDT")])})
    account = run(lambda: desk.adapter.observe({"ETHUSDT": ISOLATED, "OLDUSDT": ISOLATED}))
    assert set(account.positions) == {ETH}
    assert {address.symbol for address in account.unusable} == {"OLDUSDT"}
    assert all("40309 (the contract was removed)" in reason for reason in account.unusable.values())


def test_a_free_balance_that_no_field_tells_is_unknown() -> None:
    account = observe(answers={ACCOUNTS: data([{"marginCoin": "USDT", "available": ""}])})
    assert (account.available, list(account.unknown_balances)) == ({}, ["USDT"])
