"""The Binance adapter: what the account's answers become, and what the two calls look like."""

from decimal import Decimal
from typing import Any

import pytest

from reconcile.errors import InDoubt, ReadFailed, Refused
from reconcile.exchanges.base import Cause, LedgerRead
from reconcile.exchanges.binance.account import asset_of
from reconcile.exchanges.binance.adapter import Binance, build
from reconcile.exchanges.http.wire import HttpRequest, HttpResponse
from reconcile.model.account import Address, MarginType, ObservedAccount, PositionMode, Side
from reconcile.model.plan import MoveMargin, SetMarginType
from tests.kit.fakes import SERVED_MS, FakeWire, VirtualClock, answer, params_of, path_of, run, setup

D = Decimal
ISOLATED, CROSSED = MarginType.ISOLATED, MarginType.CROSSED
FULL = ["/fapi/v1/accountConfig", "/fapi/v1/leverageBracket", "/fapi/v2/positionRisk", "/fapi/v3/balance"]
RETIRED = answer({"code": -5000, "msg": "Path /fapi/v2/positionRisk is retired, please use /fapi/v3/positionRisk"}, 404)
BRACKETS = [
    {"symbol": symbol, "brackets": [{"notionalFloor": 0, "maintMarginRatio": D("0.004"), "cum": 0}]}
    for symbol in ("BTCUSDT", "ETHUSDT")
]


def config(*, hedge: bool = True, **changes: object) -> HttpResponse:
    return answer({"dualSidePosition": hedge, "multiAssetsMargin": False, "canTrade": True, **changes})


def risk_row(symbol: str, side: str, amount: str = "0.000", **changes: object) -> dict[str, object]:
    return {
        "symbol": symbol,
        "positionSide": side,
        "positionAmt": amount,
        "entryPrice": "60000.0",
        "markPrice": "60500.00000000",
        "liquidationPrice": "0",
        "leverage": "10",
        "marginType": "isolated",
        "isolatedMargin": "0.00000000",
        "isolatedWallet": "0",
        "isAutoAddMargin": "false",
        "notional": "0",
        "updateTime": 0,
        **changes,
    }


LONG = risk_row(
    "BTCUSDT", "LONG", "0.050", isolatedWallet="310.00000000", liquidationPrice="54016.06425703", notional="3025.0"
)
SHORT = risk_row("BTCUSDT", "SHORT", "-0.010", isolatedWallet="70", notional="-605.0", isAutoAddMargin="true")
FLAT = [risk_row("ETHUSDT", side, marginType="cross") for side in ("LONG", "SHORT")]


def balance(asset: str, available: str, *, alias: str = "SgsR") -> dict[str, str]:
    return {"accountAlias": alias, "asset": asset, "availableBalance": available}


class Desk:
    """An adapter with its fake exchange."""

    def __init__(self, **answers: object) -> None:
        self.clock = VirtualClock()
        self.wire = FakeWire(self.clock)
        self.wire.answers |= {
            "/fapi/v1/accountConfig": config(),
            "/fapi/v2/positionRisk": answer([LONG, SHORT, *FLAT]),
            "/fapi/v3/balance": answer([balance("USDT", "1000.50")]),
            "/fapi/v1/leverageBracket": answer(BRACKETS),
            "/fapi/v1/openOrders": answer([]),
            "/fapi/v1/openAlgoOrders": answer([]),
            "/fapi/v1/positionMargin/history": answer([]),
            "/fapi/v1/income": answer([]),
        }
        self.wire.answers |= {f"/fapi/{name.replace('__', '/')}": told for name, told in answers.items()}
        self.adapter = Binance(setup(self.wire))

    def look(self, **declared: MarginType) -> ObservedAccount:
        return run(lambda: self.adapter.observe(declared))

    def read(self, symbol: str = "BTCUSDT", since_ms: int = SERVED_MS - 1_000) -> LedgerRead:
        return run(lambda: self.adapter.ledger(symbol, since_ms=since_ms))


def at(symbol: str, side: Side) -> Address:
    return Address(symbol, side)


def test_a_look_at_a_hedge_account_is_four_reads_at_once() -> None:
    desk = Desk()
    account = desk.look(BTCUSDT=ISOLATED, ETHUSDT=CROSSED)
    assert sorted(desk.wire.paths()) == FULL
    assert len({when for when, request in desk.wire.sent if path_of(request) in FULL}) == 1
    assert account.position_mode is PositionMode.HEDGE
    assert (account.uid, account.multi_assets, account.account_block) == ("SgsR", False, None)
    assert account.available == {"USDT": D("1000.50")}
    assert account.sent_at_ms <= SERVED_MS + 40


def test_positions_carry_isolated_wallet_unsigned_size_and_the_risk_of_their_tiers() -> None:
    account = Desk().look(BTCUSDT=ISOLATED)
    long, short = account.positions[at("BTCUSDT", Side.LONG)], account.positions[at("BTCUSDT", Side.SHORT)]
    assert (long.asset, long.isolated_margin, long.size, long.auto_add) == ("USDT", D(310), D("0.05"), False)
    assert (short.isolated_margin, short.size, short.auto_add) == (D(70), D("0.01"), True)
    assert (long.mark_price, long.liquidation_price, long.notional) == (D(60_500), D("54016.06425703"), D(3025))
    assert (short.liquidation_price, short.notional) == (None, D(605))
    assert long.risk is not None
    assert long.risk.removable() == D("32.5")
    assert (long.risk.liquidation_price(D(310)) or D(0)).quantize(D("1e-8")) == D("54016.06425703")
    assert short.risk is not None
    assert (short.risk.liquidation_price(D(70)) or D(0)) > short.mark_price if short.mark_price else False


def test_flat_slots_are_kept_where_declared_and_symbols_know_asset_and_type() -> None:
    account = Desk().look(ETHUSDT=CROSSED)
    assert account.positions[at("ETHUSDT", Side.LONG)].is_open is False
    assert account.positions[at("ETHUSDT", Side.LONG)].risk is None
    symbol = account.symbols["ETHUSDT"]
    assert (symbol.asset, symbol.margin_type, symbol.open_orders) == ("USDT", CROSSED, None)


def test_flat_slots_that_nobody_declared_are_left_out_unless_margin_was_left_in_them() -> None:
    left = risk_row("XRPUSDT", "LONG", isolatedWallet="1.5")
    desk = Desk(v2__positionRisk=answer([LONG, left, *FLAT]))
    account = desk.look(BTCUSDT=ISOLATED)
    assert set(account.positions) == {at("BTCUSDT", Side.LONG), at("XRPUSDT", Side.LONG)}
    assert account.positions[at("XRPUSDT", Side.LONG)].isolated_margin == D("1.5")


def test_an_unknown_symbol_is_missing_from_the_symbols() -> None:
    assert set(Desk().look(BTCUSDT=ISOLATED, NOSUCHUSDT=ISOLATED).symbols) == {"BTCUSDT"}


def test_in_hedge_mode_a_both_row_is_no_position() -> None:
    desk = Desk(v2__positionRisk=answer([risk_row("BTCUSDT", "BOTH", "1.0"), LONG]))
    assert set(desk.look(BTCUSDT=ISOLATED).positions) == {at("BTCUSDT", Side.LONG)}


def test_in_one_way_mode_the_both_row_is_the_net_side_with_a_signed_size() -> None:
    row = risk_row("BTCUSDT", "BOTH", "-0.050", isolatedWallet="310", notional="-3025")
    desk = Desk(v1__accountConfig=config(hedge=False), v2__positionRisk=answer([row, LONG]))
    account = desk.look(BTCUSDT=ISOLATED)
    (position,) = account.positions.values()
    assert (position.address.side, position.size, position.notional) == (Side.NET, D("-0.05"), D(3025))
    assert (position.risk.liquidation_price(D(310)) or D(0)) > D(60_500) if position.risk else False


def test_a_crossed_position_has_no_isolated_margin_and_no_risk() -> None:
    row = risk_row("BTCUSDT", "LONG", "0.05", marginType="cross")
    position = Desk(v2__positionRisk=answer([row])).look(BTCUSDT=CROSSED).positions[at("BTCUSDT", Side.LONG)]
    assert (position.margin_type, position.isolated_margin, position.risk) == (CROSSED, D(0), None)


def test_multi_assets_mode_and_a_blocked_account_are_told() -> None:
    account = Desk(v1__accountConfig=config(multiAssetsMargin=True, canTrade=False)).look()
    assert account.multi_assets
    assert "trading is disabled" in (account.account_block or "")


@pytest.mark.parametrize(
    ("orders", "conditional", "expected"),
    [([], [], False), ([{"orderId": 1}], [], True), ([], [{"algoId": 1}], True)],
)
def test_both_order_lists_are_read_for_a_flat_symbol_whose_type_must_change(
    orders: list[object],
    conditional: list[object],
    expected: bool,  # noqa: FBT001  (a column of the table)
) -> None:
    desk = Desk(v1__openOrders=answer(orders), v1__openAlgoOrders=answer(conditional))
    account = desk.look(ETHUSDT=ISOLATED, BTCUSDT=CROSSED)
    assert account.symbols["ETHUSDT"].open_orders is expected
    assert account.symbols["BTCUSDT"].open_orders is None
    assert sorted(desk.wire.paths()) == sorted([*FULL, "/fapi/v1/openAlgoOrders", "/fapi/v1/openOrders"])


def test_a_later_look_reads_positions_and_balance_only() -> None:
    desk = Desk()

    async def main() -> tuple[ObservedAccount, ObservedAccount]:
        first = await desk.adapter.observe({"BTCUSDT": ISOLATED})
        desk.wire.sent.clear()
        return first, await desk.adapter.observe({"BTCUSDT": ISOLATED}, reuse=first)

    first, second = run(main)
    assert sorted(desk.wire.paths()) == ["/fapi/v2/positionRisk", "/fapi/v3/balance"]
    assert (second.positions, second.position_mode) == (first.positions, first.position_mode)
    assert second.sent_at_ms > first.sent_at_ms


def v3_row(row: dict[str, Any]) -> dict[str, object]:
    gone = {"marginType", "leverage", "isAutoAddMargin"}
    return {**{name: value for name, value in row.items() if name not in gone}, "marginAsset": "USDT"}


SYMBOLS = [
    {"symbol": "BTCUSDT", "marginType": "ISOLATED", "isAutoAddMargin": False, "leverage": 10},
    {"symbol": "ETHUSDT", "marginType": "CROSSED", "isAutoAddMargin": "false", "leverage": 10},
]
VERSION_3: dict[str, object] = {
    "v2__positionRisk": RETIRED,
    "v3__positionRisk": answer([v3_row(LONG)]),
    "v1__symbolConfig": answer(SYMBOLS),
}


def test_where_version_2_is_retired_version_3_and_the_symbol_configuration_say_the_same() -> None:
    old = Desk(v2__positionRisk=answer([LONG, *FLAT])).look(BTCUSDT=ISOLATED, ETHUSDT=CROSSED)
    new = Desk(**VERSION_3).look(BTCUSDT=ISOLATED, ETHUSDT=CROSSED, NOSUCHUSDT=ISOLATED)
    assert new.symbols == old.symbols
    assert new.positions == {at("BTCUSDT", Side.LONG): old.positions[at("BTCUSDT", Side.LONG)]}


def test_the_retired_path_is_asked_for_only_once() -> None:
    desk = Desk(**VERSION_3)

    async def main() -> None:
        first = await desk.adapter.observe({"BTCUSDT": ISOLATED})
        await desk.adapter.observe({"BTCUSDT": ISOLATED}, reuse=first)

    run(main)
    assert desk.wire.paths().count("/fapi/v2/positionRisk") == 1


@pytest.mark.parametrize(
    ("symbol", "assets", "expected"),
    [
        ("BTCUSDT", {"USDT", "USDC", "BTC"}, "USDT"),
        ("ETHBTC", {"USDT", "BTC"}, "BTC"),
        ("BTCUSDT_261225", {"USDT"}, "USDT"),
        ("WLDUSDT", {"USDT", "LDUSDT"}, None),
        ("BTCEUR", {"USDT"}, None),
        ("USDT", {"USDT"}, None),
    ],
)
def test_a_margin_asset_is_taken_from_a_name_only_where_that_is_clear(
    symbol: str, assets: set[str], expected: str | None
) -> None:
    assert asset_of(symbol, assets) == expected


def test_where_a_name_does_not_tell_the_asset_the_exchange_is_asked_once() -> None:
    balances = answer([balance(name, "1") for name in ("USDT", "LDUSDT")])
    info = answer({"symbols": [{"symbol": "WLDUSDT", "marginAsset": "USDT"}]})
    desk = Desk(
        v2__positionRisk=answer([risk_row("WLDUSDT", "LONG", "1", isolatedWallet="5")]),
        v3__balance=balances,
        v1__exchangeInfo=info,
    )

    async def main() -> ObservedAccount:
        first = await desk.adapter.observe({"WLDUSDT": ISOLATED})
        return await desk.adapter.observe({"WLDUSDT": ISOLATED}, reuse=first)

    assert run(main).symbols["WLDUSDT"].asset == "USDT"
    assert desk.wire.paths().count("/fapi/v1/exchangeInfo") == 1
    assert desk.adapter.requests["public"] == 2


@pytest.mark.parametrize(
    "answers",
    [
        {"v2__positionRisk": answer({"rows": []})},
        {"v2__positionRisk": answer([{"symbol": "BTCUSDT"}])},
        {"v2__positionRisk": answer([risk_row("BTCUSDT", "LONG", "NaN")])},
        {"v2__positionRisk": answer([risk_row("BTCUSDT", "LONG", "1", marginType="portfolio")])},
        {"v2__positionRisk": answer([risk_row("BTCUSDT", "LONG", "1", entryPrice=None)])},
        {"v3__balance": answer([{"asset": "USDT"}])},
        {"v1__accountConfig": answer({})},
        {"v1__leverageBracket": answer([{"symbol": "BTCUSDT"}])},
        {"v1__openOrders": answer({})},
        {"v3__balance": answer([]), "v1__exchangeInfo": answer({"symbols": []})},
    ],
    ids=lambda answers: str(answers)[:60],
)
def test_an_answer_that_is_not_as_documented_is_a_failed_read(answers: dict[str, object]) -> None:
    with pytest.raises(ReadFailed, match="reading"):
        Desk(**answers).look(BTCUSDT=ISOLATED, ETHUSDT=ISOLATED)


def history_row(time_ms: int, **changes: object) -> dict[str, object]:
    return {
        "symbol": "BTCUSDT",
        "type": 1,
        "deltaType": "USER_ADJUST",
        "amount": "12.5",
        "asset": "USDT",
        "time": time_ms,
        "positionSide": "LONG",
        **changes,
    }


def income_row(time_ms: int) -> dict[str, object]:
    return {"symbol": "BTCUSDT", "income": "-0.4", "asset": "USDT", "time": time_ms, "tranId": time_ms}


def test_the_ledger_holds_movements_and_funding_in_order_of_time() -> None:
    desk = Desk(
        v1__positionMargin__history=answer([history_row(30), history_row(10)]), v1__income=answer([income_row(20)])
    )
    read = desk.read()
    assert [(row.time_ms, row.cause) for row in read.rows] == [
        (10, Cause.MANUAL),
        (20, Cause.FUNDING),
        (30, Cause.MANUAL),
    ]
    assert read.reaches_back
    asked = {path_of(request): params_of(request) for _, request in desk.wire.sent}
    assert asked["/fapi/v1/positionMargin/history"]["startTime"] == str(SERVED_MS - 1_000)
    assert asked["/fapi/v1/income"]["incomeType"] == "FUNDING_FEE"


def test_funding_that_the_history_tells_too_is_counted_once() -> None:
    history = answer([history_row(10, deltaType="FUNDING_FEE", type=2)])
    read = Desk(v1__positionMargin__history=history, v1__income=answer([income_row(10)])).read()
    assert [row.side for row in read.rows] == ["long"]


def test_a_full_page_of_history_is_followed_to_the_end() -> None:
    times = [SERVED_MS - 1_000 + step for step in range(1, 801)]

    def page(request: HttpRequest) -> HttpResponse:
        asked = params_of(request)
        found = [time for time in times if int(asked["startTime"]) <= time <= int(asked["endTime"])]
        return answer([history_row(time) for time in found[: int(asked["limit"])]])

    assert [row.time_ms for row in Desk(v1__positionMargin__history=page).read().rows] == times


def test_what_is_older_than_thirty_days_is_out_of_reach_and_said_so() -> None:
    desk = Desk()
    month = 30 * 86_400_000
    read = desk.read(since_ms=SERVED_MS - month - 1)
    start = next(int(params_of(request)["startTime"]) for _, request in desk.wire.sent if "history" in request.url)
    assert not read.reaches_back
    assert SERVED_MS - month < start < SERVED_MS - month + 120_000


def move(action: str, side: Side) -> MoveMargin:
    return MoveMargin(
        step_id="s",
        address=at("币安USDT", side),
        asset="USDT",
        amount=D(300),
        before=D(0),
        after=D(300),
        tolerance=D(1),
        action="add_margin" if action == "add_margin" else "reduce_margin",
    )


@pytest.mark.parametrize(
    ("action", "side", "amount", "expected"),
    [
        ("add_margin", Side.LONG, "300", {"positionSide": "LONG", "type": "1", "amount": "300"}),
        ("reduce_margin", Side.SHORT, "0.00000001", {"positionSide": "SHORT", "type": "2", "amount": "0.00000001"}),
        ("add_margin", Side.NET, "1E+3", {"positionSide": "BOTH", "type": "1", "amount": "1000"}),
    ],
)
def test_a_margin_call_names_side_direction_and_a_plain_amount(
    action: str, side: Side, amount: str, expected: dict[str, str]
) -> None:
    call = Desk().adapter.prepare(move(action, side), D(amount), None, signed_at_ms=5)
    sent = params_of(call.request)
    assert (call.request.method, path_of(call.request), call.request.body) == ("POST", "/fapi/v1/positionMargin", b"")
    assert {name: sent[name] for name in expected} == expected
    assert (sent["symbol"], sent["recvWindow"], sent["timestamp"], call.signed_at_ms) == ("币安USDT", "3000", "5", 5)
    assert list(sent)[-1] == "signature"


@pytest.mark.parametrize("amount", [None, D(0), D(-1), D("NaN"), D("Infinity")])
def test_an_amount_that_is_not_positive_is_never_signed(amount: Decimal | None) -> None:
    with pytest.raises(ValueError, match="not a positive amount"):
        Desk().adapter.prepare(move("add_margin", Side.LONG), amount, None, signed_at_ms=5)


def test_a_type_change_is_sent_in_the_spelling_of_requests() -> None:
    step = SetMarginType(step_id="s", address=at("ETHUSDT", Side.LONG), before=ISOLATED, after=CROSSED)
    sent = params_of(Desk().adapter.prepare(step, None, None, signed_at_ms=5).request)
    assert {name: sent[name] for name in ("symbol", "marginType")} == {"symbol": "ETHUSDT", "marginType": "CROSSED"}


def test_each_call_is_judged_by_its_own_table() -> None:
    already = answer({"code": -4046, "msg": "No need to change margin type."}, 400)
    desk = Desk(v1__marginType=already, v1__positionMargin=already)
    step = SetMarginType(step_id="s", address=at("ETHUSDT", Side.LONG), before=CROSSED, after=ISOLATED)

    async def main() -> str:
        yes = await desk.adapter.send(desk.adapter.prepare(step, None, None, signed_at_ms=5))
        with pytest.raises(InDoubt):
            await desk.adapter.send(desk.adapter.prepare(move("add_margin", Side.LONG), D(1), None, signed_at_ms=5))
        return yes.note

    assert run(main).startswith("-4046")


def test_a_refusal_says_what_was_called_and_what_the_code_means() -> None:
    desk = Desk(v1__positionMargin=answer({"code": -4050, "msg": "Cross balance insufficient."}, 400))

    async def main() -> None:
        async with desk.adapter.turn():
            await desk.adapter.send(desk.adapter.prepare(move("add_margin", Side.LONG), D(1), None, signed_at_ms=5))

    with pytest.raises(
        Refused, match=r"calling positionMargin: Binance refuses: -4050 .the free balance is not enough."
    ):
        run(main)


def test_the_adapter_counts_what_it_sends_and_has_no_cursor() -> None:
    desk = Desk()

    async def main() -> tuple[str | None, str | None, int]:
        await desk.adapter.observe({})
        writer = build(setup(desk.wire))
        return await writer.account_uid(), await writer.newest_row("BTCUSDT"), await writer.sync_time()

    uid, row, served = run(main)
    assert (uid, row) == ("SgsR", None)
    assert served >= SERVED_MS
    assert desk.adapter.requests == {"read": 4, "public": 1, "write": 0}


NAMELESS = {
    "no alias": [{"asset": "USDT", "availableBalance": "1"}],
    "an empty alias": [balance("USDT", "1", alias="")],
    "an alias that is a path": [balance("USDT", "1", alias="../x")],
    "two aliases": [balance("USDT", "1"), balance("BNB", "1", alias="other")],
    "no rows": [],
}


@pytest.mark.parametrize("table", NAMELESS.values(), ids=NAMELESS)
def test_a_balance_that_does_not_name_one_account_is_a_failed_read(table: list[dict[str, str]]) -> None:
    desk = Desk()
    desk.wire.answers["/fapi/v3/balance"] = answer(table)
    with pytest.raises(ReadFailed, match="account"):
        run(desk.adapter.account_uid)


def test_a_balance_of_another_account_than_before_is_a_failed_read() -> None:
    desk = Desk()

    async def main() -> None:
        await desk.adapter.account_uid()
        desk.wire.answers["/fapi/v3/balance"] = answer([balance("USDT", "1000.50", alias="other")])
        await desk.adapter.observe({})

    with pytest.raises(ReadFailed, match="another account"):
        run(main)
