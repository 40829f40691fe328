"""From OKX's answers to an observed account: every edge of the rows, the requests it takes, and what fails a read."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from reconcile.errors import ReadFailed
from reconcile.model.account import Address, MarginType, ObservedAccount, PositionMode, Side
from tests.kit.fakes import SERVED_MS, answer, params_of, run
from tests.kit.okx_account import (
    BALANCE,
    CONFIG,
    ETH,
    ETH_NET,
    INSTRUMENTS,
    POSITIONS,
    TIERS,
    Desk,
    config_row,
    cross_row,
    data,
    inverse_row,
    position_row,
    refusal,
    swap_row,
    tier_row,
)

ISOLATED, CROSSED = MarginType.ISOLATED, MarginType.CROSSED


def observe(
    declared: Mapping[str, MarginType] | None = None, answers: Mapping[str, Any] | None = None
) -> ObservedAccount:
    desk = Desk(answers)
    return run(lambda: desk.adapter.observe({"ETH-USDT-SWAP": ISOLATED} if declared is None else declared))


def test_an_isolated_position_is_read_exactly() -> None:
    position = observe().positions[ETH]
    assert position.isolated_margin == Decimal("341.7333333333333248")
    assert (position.asset, position.size, position.mark_price) == ("USDT", Decimal(3), Decimal(3420))
    assert position.notional == Decimal("1026.0")
    assert position.identity == "9001@1767000000000"
    assert position.margin_type is ISOLATED


def test_a_look_is_dated_no_later_than_its_first_request() -> None:
    desk = Desk()
    seen = run(lambda: desk.adapter.observe({}))
    first = min(at for at, request in desk.wire.sent if POSITIONS in request.url)
    assert seen.sent_at_ms <= SERVED_MS + first


@pytest.mark.parametrize(
    ("row", "available", "unknown"),
    [
        ({"availBal": "900.5", "availEq": "800"}, {"USDT": Decimal("900.5")}, []),
        ({"availBal": "0", "availEq": "800"}, {"USDT": Decimal(0)}, []),
        ({"availBal": "", "availEq": "800"}, {"USDT": Decimal(800)}, []),
        ({"availEq": "800"}, {"USDT": Decimal(800)}, []),
        ({"availBal": "", "availEq": ""}, {}, ["USDT"]),
        ({}, {}, ["USDT"]),
    ],
)
def test_what_is_empty_of_a_free_balance_is_not_zero(
    row: dict[str, str], available: dict[str, Decimal], unknown: list[str]
) -> None:
    account = observe(answers={BALANCE: data({"details": [{"ccy": "USDT", **row}]})})
    assert (account.available, list(account.unknown_balances)) == (available, unknown)


def test_a_position_of_zero_is_flat() -> None:
    seen = observe(answers={POSITIONS: data(position_row(pos="0", margin="", avgPx="", markPx=""))})
    assert seen.positions == {}


def test_no_positions_at_all_is_a_good_answer() -> None:
    assert observe(answers={POSITIONS: data()}).positions == {}


def test_margin_pairs_and_options_are_left_alone() -> None:
    rows = [{"instType": "MARGIN", "instId": "BTC-USDT", "pos": "1"}, {"instType": "OPTION", "instId": "X", "pos": "1"}]
    assert observe(answers={POSITIONS: data(*rows)}).positions == {}


@pytest.mark.parametrize("declared", [ISOLATED, CROSSED])
@pytest.mark.parametrize("turned", [False, True])
def test_of_two_rows_at_one_address_the_declared_type_is_the_position(declared: MarginType, *, turned: bool) -> None:
    both = [position_row(), cross_row(pos="7")]
    seen = observe({"ETH-USDT-SWAP": declared}, answers={POSITIONS: data(*(both[::-1] if turned else both))})
    assert seen.positions[ETH].margin_type is declared
    assert seen.positions[ETH].size == (3 if declared is ISOLATED else 7)


def test_the_isolated_row_is_shown_where_nothing_is_declared() -> None:
    seen = observe({}, answers={POSITIONS: data(cross_row(), position_row())})
    assert seen.positions[ETH].margin_type is ISOLATED


def test_a_row_of_the_wrong_type_is_shown_where_it_is_the_only_one() -> None:
    position = observe(answers={POSITIONS: data(cross_row())}).positions[ETH]
    assert position.margin_type is CROSSED
    assert position.isolated_margin == 0
    assert position.risk is None


def test_long_and_short_are_two_positions() -> None:
    seen = observe(answers={POSITIONS: data(position_row(), position_row(posSide="short", posId="9003", pos="5"))})
    assert {address.side: position.size for address, position in seen.positions.items()} == {
        Side.LONG: 3,
        Side.SHORT: 5,
    }


def test_a_net_position_keeps_its_sign() -> None:
    rows = {POSITIONS: data(position_row(posSide="net", pos="-3")), CONFIG: data(config_row(posMode="net_mode"))}
    seen = observe(answers=rows)
    assert seen.position_mode is PositionMode.ONE_WAY
    assert seen.positions[ETH_NET].size == -3


def test_a_position_that_was_reopened_has_another_identity() -> None:
    later = observe(answers={POSITIONS: data(position_row(cTime="1767000099999"))}).positions[ETH]
    assert later.identity != observe().positions[ETH].identity


def test_an_inverse_position_is_counted_in_coins() -> None:
    row = position_row(
        instId="BTC-USD-SWAP", pos="50", ccy="BTC", margin="0.025", avgPx="50000", markPx="40000", lever="5", upl="0"
    )
    seen = observe({"BTC-USD-SWAP": ISOLATED}, answers={POSITIONS: data(row), TIERS: data(tier_row("BTC-USD"))})
    position = seen.positions[Address("BTC-USD-SWAP", Side.LONG)]
    assert seen.symbols["BTC-USD-SWAP"].asset == "BTC"
    assert position.notional == Decimal("0.125")
    assert position.risk is not None
    assert position.risk.removable() == Decimal("0.005")


def test_a_symbol_has_no_margin_type_and_an_unknown_one_is_missing() -> None:
    seen = observe({"ETH-USDT-SWAP": ISOLATED, "NOPE-USDT-SWAP": ISOLATED, "BTC-USDT": ISOLATED})
    assert set(seen.symbols) == {"ETH-USDT-SWAP"}
    assert seen.symbols["ETH-USDT-SWAP"].margin_type is None


def test_the_account_tells_its_user_id() -> None:
    desk = Desk()
    assert observe().uid == "44"
    assert run(desk.adapter.account_uid) == "44"


@pytest.mark.parametrize("uid", ["", " ", "../x", "a" * 65])
def test_an_account_without_a_user_id_is_a_failed_read(uid: str) -> None:
    with pytest.raises(ReadFailed, match="does not name the account"):
        run(Desk({CONFIG: data(config_row(uid=uid))}).adapter.account_uid)


@pytest.mark.parametrize(
    ("config", "word"),
    [({"acctLv": "1"}, "spot mode"), ({"ctIsoMode": "autonomy"}, "manual transfer mode")],
)
def test_an_account_that_cannot_hold_managed_margin_says_why(config: dict[str, str], word: str) -> None:
    block = observe(answers={CONFIG: data(config_row(**config))}).account_block
    assert block is not None
    assert word in block


@pytest.mark.parametrize("config", [{"acctLv": "3"}, {"acctLv": "4"}, {"perm": "read_only"}, {"ctIsoMode": ""}])
def test_what_only_the_exchange_can_refuse_blocks_nothing(config: dict[str, str]) -> None:
    assert observe(answers={CONFIG: data(config_row(**config))}).account_block is None


def test_the_first_look_takes_four_requests_and_a_later_one_two() -> None:
    desk = Desk({POSITIONS: data(position_row(liqPx="3000"))})

    async def looks() -> None:
        first = await desk.adapter.observe({"ETH-USDT-SWAP": ISOLATED})
        before = len(desk.paths())
        await desk.adapter.observe({"ETH-USDT-SWAP": ISOLATED}, reuse=first)
        assert sorted(desk.paths()[:before]) == sorted([POSITIONS, BALANCE, CONFIG, INSTRUMENTS])
        assert sorted(desk.paths()[before:]) == sorted([POSITIONS, BALANCE])

    run(looks)


def test_a_later_look_keeps_what_does_not_change() -> None:
    desk = Desk()

    async def looks() -> tuple[ObservedAccount, ObservedAccount]:
        first = await desk.adapter.observe({"ETH-USDT-SWAP": ISOLATED})
        return first, await desk.adapter.observe({"ETH-USDT-SWAP": ISOLATED}, reuse=first)

    first, later = run(looks)
    assert (later.uid, later.position_mode, later.symbols) == (first.uid, first.position_mode, first.symbols)
    assert later.positions[ETH].risk == first.positions[ETH].risk


def test_instruments_are_read_once_for_each_declared_kind() -> None:
    desk = Desk()
    declared = dict.fromkeys(["ETH-USDT-SWAP", "BTC-USD-SWAP", "BTC-USDT-260626", "ETH-USDT-260626"], ISOLATED)
    run(lambda: desk.adapter.observe(declared))
    kinds = [params_of(request)["instType"] for request in desk.asked(INSTRUMENTS)]
    assert kinds == ["FUTURES", "SWAP"]


def test_tiers_are_asked_for_only_where_no_liquidation_price_is_shown() -> None:
    desk = Desk({POSITIONS: data(position_row(liqPx="3000"))})
    run(lambda: desk.adapter.observe({"ETH-USDT-SWAP": ISOLATED}))
    assert desk.asked(TIERS) == []


def test_tiers_are_asked_for_five_families_at_a_time() -> None:
    names = [f"C{number}-USDT-SWAP" for number in range(7)]
    rows = [position_row(instId=name, posId=name) for name in names]
    desk = Desk({POSITIONS: data(*rows), INSTRUMENTS: data(*map(swap_row, names))})
    run(lambda: desk.adapter.observe(dict.fromkeys(names, ISOLATED)))
    assert [params_of(request)["instFamily"].count(",") + 1 for request in desk.asked(TIERS)] == [5, 2]


@pytest.mark.parametrize(("contracts", "rate"), [("3", "0.0045"), ("1000", "0.0045"), ("1500", "0.0105")])
def test_the_tier_that_holds_the_size_gives_the_rate_where_no_price_is_shown(contracts: str, rate: str) -> None:
    ladder = data(tier_row(), tier_row(tier="2", minSz="1001", maxSz="2000", mmr="0.01"))
    seen = observe(answers={POSITIONS: data(position_row(pos=contracts)), TIERS: ladder})
    risk = seen.positions[ETH].risk
    assert risk is not None
    assert risk.rate == Decimal(rate)  # type: ignore[attr-defined]


def test_the_shown_price_is_reproduced_and_moves_with_the_margin() -> None:
    position = observe(answers={POSITIONS: data(position_row(liqPx="2300.5"))}).positions[ETH]
    assert position.liquidation_price == Decimal("2300.5")
    at_present, with_more = position.liquidation_at(position.isolated_margin), position.liquidation_at(Decimal(400))
    assert at_present is not None
    assert with_more is not None
    assert abs(at_present - Decimal("2300.5")) < Decimal("1e-9")
    assert with_more < at_present


@pytest.mark.parametrize("missing", ["avgPx", "lever"])
def test_a_row_without_a_field_of_the_formula_has_no_risk(missing: str) -> None:
    assert observe(answers={POSITIONS: data(position_row(**{missing: ""}))}).positions[ETH].risk is None


@pytest.mark.parametrize(
    "answers",
    [
        {POSITIONS: data(position_row(), position_row(posId="1"))},
        {POSITIONS: data(position_row(mgnMode="portfolio"))},
        {POSITIONS: data(position_row(posSide="both"))},
        {POSITIONS: answer({"code": "0", "msg": ""})},
        {POSITIONS: answer({"code": "0", "msg": "", "data": {}})},
        {POSITIONS: answer({"code": "0", "msg": "", "data": ["row"]})},
        {POSITIONS: answer([])},
        {POSITIONS: refusal("50026", 500)},
        {BALANCE: data({})},
        {CONFIG: data()},
        {CONFIG: data(config_row(), config_row())},
        {CONFIG: data(config_row(posMode="odd_mode"))},
        {INSTRUMENTS: refusal("50013", 429)},
        {TIERS: refusal("50001", 503)},
    ],
)
def test_an_answer_that_is_not_whole_is_a_failed_read(answers: dict[str, Any]) -> None:
    with pytest.raises(ReadFailed):
        observe(answers=answers)


USD_UM = swap_row("ETH-USD_UM-SWAP", settleCcy="USD")


def um_row(ccy: str) -> dict[str, Any]:
    return position_row(instId="ETH-USD_UM-SWAP", ccy=ccy)


@pytest.mark.parametrize(
    ("answers", "address", "says"),
    [
        ({POSITIONS: data(position_row(margin=""))}, ETH, "field 'margin' is not a number"),
        ({POSITIONS: data(position_row(pos="x"))}, ETH, "field 'pos' is not a number"),
        ({POSITIONS: data(position_row(pos=True))}, ETH, "field 'pos' is not a number"),
        ({POSITIONS: data(position_row(lever="ten"))}, ETH, "field 'lever' is not a number"),
        (
            {POSITIONS: data(position_row(posSide="net"))},
            ETH_NET,
            "its side is net, and this account's are long and short",
        ),
        (
            {POSITIONS: data(position_row(ccy="USDC"))},
            ETH,
            "ccy of the position is USDC and settleCcy of the instrument is USDT",
        ),
        ({INSTRUMENTS: data(swap_row(ctVal="x"), inverse_row())}, ETH, "field 'ctVal' is not a number"),
        (
            {POSITIONS: data(um_row("USDG")), INSTRUMENTS: data(USD_UM), CONFIG: data(config_row(settleCcy="USDC"))},
            Address("ETH-USD_UM-SWAP", Side.LONG),
            "ccy of the position is USDG and settleCcy of account/config is USDC",
        ),
    ],
)
def test_what_cannot_be_used_or_contradicts_itself_costs_its_own_address(
    answers: dict[str, Any], address: Address, says: str
) -> None:
    account = observe({address.symbol: MarginType.ISOLATED, "BTC-USD-SWAP": MarginType.ISOLATED}, answers=answers)
    assert says in account.unusable[address]
    assert address not in account.positions
    assert "BTC-USD-SWAP" in account.symbols or USD_UM["instId"] == address.symbol


@pytest.mark.parametrize(("settle", "ccy"), [("USDC", "USDC"), ("USDG", "USDG"), ("USD", "USD"), ("", "USDC")])
def test_a_usd_margined_contract_is_backed_by_the_settle_currency_of_the_account(settle: str, ccy: str) -> None:
    answers = {POSITIONS: data(um_row(ccy)), INSTRUMENTS: data(USD_UM), CONFIG: data(config_row(settleCcy=settle))}
    account = observe({"ETH-USD_UM-SWAP": MarginType.ISOLATED}, answers=answers)
    (held,) = account.positions.values()
    assert (held.asset, account.symbols["ETH-USD_UM-SWAP"].asset) == (ccy, settle or "USD")


def test_the_settle_currency_of_the_account_says_nothing_about_other_contracts() -> None:
    answers = {CONFIG: data(config_row(settleCcy="USDC")), INSTRUMENTS: data(swap_row(), inverse_row())}
    account = observe({"ETH-USDT-SWAP": MarginType.ISOLATED, "BTC-USD-SWAP": MarginType.ISOLATED}, answers=answers)
    assert {name: state.asset for name, state in account.symbols.items()} == {
        "ETH-USDT-SWAP": "USDT",
        "BTC-USD-SWAP": "BTC",
    }


def test_a_name_of_no_kind_is_looked_for_among_swaps_and_futures() -> None:
    desk = Desk()
    account = run(lambda: desk.adapter.observe({"BTC-USDT": MarginType.ISOLATED}))
    assert len(desk.asked(INSTRUMENTS)) == 2
    assert set(account.instruments) == {"ETH-USDT-SWAP", "BTC-USD-SWAP"}
    assert account.symbols == {}


@pytest.mark.parametrize(
    ("code", "ends"),
    [
        ("50119", 'write under [account]: region = "eea" (OKX Europe) or region = "us" (OKX US)'),
        ("50101", 'a demo key needs endpoint = "testnet" under [account], a live key endpoint = "live"'),
        ("99999", "reconcile's table does not have this code; look it up in the documentation of OKX"),
    ],
)
def test_an_error_ends_with_what_to_do(code: str, ends: str) -> None:
    desk = Desk({POSITIONS: refusal(code, 401)})
    with pytest.raises(ReadFailed) as caught:
        run(lambda: desk.adapter.observe({}))
    assert str(caught.value).endswith(ends)


@pytest.mark.parametrize("code", ["50111", "50113", "50119", "50101", "50114"])
def test_a_wrong_key_fails_at_once(code: str) -> None:
    desk = Desk({POSITIONS: refusal(code, 401)})
    with pytest.raises(ReadFailed) as caught:
        run(lambda: desk.adapter.observe({}))
    assert caught.value.code == code
    assert len(desk.asked(POSITIONS)) == 1


def test_a_throttled_read_is_repeated() -> None:
    desk = Desk({POSITIONS: [refusal("50011", 429), refusal("50011"), data(position_row())]})
    assert ETH in run(lambda: desk.adapter.observe({})).positions


def test_a_clock_refusal_asks_for_the_time_again() -> None:
    desk = Desk({POSITIONS: [refusal("50102", 401), data(position_row())]})
    assert ETH in run(lambda: desk.adapter.observe({})).positions
    assert len(desk.asked("/api/v5/public/time")) == 2


def test_an_instrument_that_is_not_ready_is_not_known() -> None:
    preopen = swap_row("NEW-USDT-SWAP", ctVal="", tickSz="", settleCcy="USDT", state="preopen")
    seen = observe({"NEW-USDT-SWAP": ISOLATED}, answers={INSTRUMENTS: data(preopen, inverse_row())})
    assert seen.symbols == {}
