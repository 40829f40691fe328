"""The Binance adapter: what the account's answers become, and what the two calls look like."""

from decimal import Decimal
from typing import Any

import pytest

from reconcile.errors import InDoubt, ReadFailed, Refused
from reconcile.exchanges.binance.account import asset_of
from reconcile.exchanges.binance.adapter import Binance, build
from reconcile.exchanges.http.wire import HttpRequest, HttpResponse
from reconcile.model.account import Address, MarginType, ObservedAccount, PositionMode, Side
from reconcile.model.ledger import Cause, LedgerRead
from reconcile.model.plan import MoveMargin, SetMarginType
from tests.kit.fakes import SERVED_MS, FakeWire, VirtualClock, answer, params_of, path_of, run, setup

D = Decimal
ISOLATED, CROSSED = MarginType.ISOLATED, MarginType.CROSSED
LATER = ["/fapi/v1/symbolConfig", "/fapi/v3/balance", "/fapi/v3/positionRisk"]
FULL = sorted(["/fapi/v1/accountConfig", "/fapi/v1/leverageBracket", *LATER])
RETIRED = answer({"code": -5000, "msg": "Path /fapi/v3/positionRisk, Method GET is invalid"}, 404)
PAGE = b"<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1></body></html>"
NOT_FOUND = HttpResponse(status=404, headers={"content-type": "text/html"}, body=PAGE)
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


ONLY_VERSION_2 = ("marginType", "leverage", "isAutoAddMargin")


def v3_row(row: dict[str, Any]) -> dict[str, object]:
    return {**{name: value for name, value in row.items() if name not in ONLY_VERSION_2}, "marginAsset": "USDT"}


def listing(*rows: dict[str, Any]) -> dict[str, object]:
    """What version 3 and symbolConfig answer where version 2 has these rows: flat symbols are in the second only."""
    shown = [row for row in rows if row["positionAmt"] != "0.000"]
    types = {"cross": "CROSSED", "isolated": "ISOLATED"}
    symbols = {
        row["symbol"]: {
            "symbol": row["symbol"],
            "marginType": types.get(row["marginType"], row["marginType"]),
            "isAutoAddMargin": row["isAutoAddMargin"] == "true",
            "leverage": 10,
        }
        for row in rows
    }
    return {
        "v3__positionRisk": answer([v3_row(row) for row in shown]),
        "v1__symbolConfig": answer(list(symbols.values())),
    }


def version_2(*rows: dict[str, Any], gone: HttpResponse = RETIRED) -> dict[str, object]:
    """An exchange that has version 2 only."""
    return {"v3__positionRisk": gone, "v2__positionRisk": answer(list(rows))}


class Desk:
    """An adapter with its fake exchange."""

    def __init__(self, **answers: object) -> None:
        self.clock = VirtualClock()
        self.wire = FakeWire(self.clock)
        self.wire.answers |= {
            "/fapi/v1/accountConfig": config(),
            "/fapi/v2/positionRisk": NOT_FOUND,
            "/fapi/v3/balance": answer([balance("USDT", "1000.50")]),
            "/fapi/v1/leverageBracket": answer(BRACKETS),
            "/fapi/v1/openOrders": answer([]),
            "/fapi/v1/openAlgoOrders": answer([]),
            "/fapi/v1/positionMargin/history": answer([]),
            "/fapi/v1/income": answer([]),
        }
        told_by = {**listing(LONG, SHORT, *FLAT), **answers}
        self.wire.answers |= {f"/fapi/{name.replace('__', '/')}": told for name, told in told_by.items()}
        self.adapter = Binance(setup(self.wire))

    def look(self, **declared: MarginType) -> ObservedAccount:
        return run(lambda: self.adapter.observe(declared))

    def read(self, symbol: str = "BTCUSDT", since_ms: int = SERVED_MS - 1_000) -> LedgerRead:
        return run(lambda: self.adapter.ledger(symbol, since_ms=since_ms))


def at(symbol: str, side: Side) -> Address:
    return Address(symbol, side)


def test_a_look_at_a_hedge_account_is_five_reads_at_once() -> None:
    desk = Desk()
    account = desk.look(BTCUSDT=ISOLATED, ETHUSDT=CROSSED)
    assert sorted(desk.wire.paths()) == FULL
    assert len({when for when, request in desk.wire.sent if path_of(request) in FULL}) == 1
    assert account.position_mode is PositionMode.HEDGE
    assert (account.uid, account.multi_assets, account.account_block) == ("SgsR", False, None)
    assert account.available == {"USDT": D("1000.50")}
    assert account.sent_at_ms <= SERVED_MS + 40


def test_positions_carry_isolated_wallet_unsigned_size_and_the_risk_of_their_tiers() -> None:
    account = Desk(**version_2(LONG, SHORT, *FLAT)).look(BTCUSDT=ISOLATED)
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
    account = Desk(**version_2(LONG, SHORT, *FLAT)).look(ETHUSDT=CROSSED)
    assert account.positions[at("ETHUSDT", Side.LONG)].is_open is False
    assert account.positions[at("ETHUSDT", Side.LONG)].risk is None
    symbol = account.symbols["ETHUSDT"]
    assert (symbol.asset, symbol.margin_type, symbol.open_orders) == ("USDT", CROSSED, None)


def test_flat_slots_that_nobody_declared_are_left_out_unless_margin_was_left_in_them() -> None:
    left = risk_row("XRPUSDT", "LONG", isolatedWallet="1.5")
    desk = Desk(**version_2(LONG, left, *FLAT))
    account = desk.look(BTCUSDT=ISOLATED)
    assert set(account.positions) == {at("BTCUSDT", Side.LONG), at("XRPUSDT", Side.LONG)}
    assert account.positions[at("XRPUSDT", Side.LONG)].isolated_margin == D("1.5")


def test_an_unknown_symbol_is_missing_from_the_symbols() -> None:
    assert set(Desk().look(BTCUSDT=ISOLATED, NOSUCHUSDT=ISOLATED).symbols) == {"BTCUSDT"}


def test_in_hedge_mode_a_both_row_is_no_position() -> None:
    desk = Desk(**listing(risk_row("BTCUSDT", "BOTH", "1.0"), LONG))
    assert set(desk.look(BTCUSDT=ISOLATED).positions) == {at("BTCUSDT", Side.LONG)}


def test_in_one_way_mode_the_both_row_is_the_net_side_with_a_signed_size() -> None:
    row = risk_row("BTCUSDT", "BOTH", "-0.050", isolatedWallet="310", notional="-3025")
    desk = Desk(v1__accountConfig=config(hedge=False), **listing(row, LONG))
    account = desk.look(BTCUSDT=ISOLATED)
    (position,) = account.positions.values()
    assert (position.address.side, position.size, position.notional) == (Side.NET, D("-0.05"), D(3025))
    assert (position.risk.liquidation_price(D(310)) or D(0)) > D(60_500) if position.risk else False


def test_a_crossed_position_has_no_isolated_margin_and_no_risk() -> None:
    row = risk_row("BTCUSDT", "LONG", "0.05", marginType="cross")
    position = Desk(**listing(row)).look(BTCUSDT=CROSSED).positions[at("BTCUSDT", Side.LONG)]
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


def test_a_later_look_reads_positions_types_and_balance_only() -> None:
    desk = Desk()

    async def main() -> tuple[ObservedAccount, ObservedAccount]:
        first = await desk.adapter.observe({"BTCUSDT": ISOLATED})
        desk.wire.sent.clear()
        return first, await desk.adapter.observe({"BTCUSDT": ISOLATED}, reuse=first)

    first, second = run(main)
    assert sorted(desk.wire.paths()) == LATER
    assert (second.positions, second.position_mode) == (first.positions, first.position_mode)
    assert second.sent_at_ms > first.sent_at_ms


@pytest.mark.parametrize("gone", [RETIRED, NOT_FOUND, answer({"code": -5000, "msg": "retired"}, 400)])
@pytest.mark.parametrize("path", ["v3__positionRisk", "v1__symbolConfig"])
def test_where_version_3_is_gone_version_2_says_the_same_and_is_asked_from_then_on(
    gone: HttpResponse, path: str
) -> None:
    new = Desk(**listing(LONG, *FLAT)).look(BTCUSDT=ISOLATED, ETHUSDT=CROSSED, NOSUCHUSDT=ISOLATED)
    desk = Desk(**{**version_2(LONG, *FLAT), **listing(LONG, *FLAT), path: gone})

    async def main() -> ObservedAccount:
        first = await desk.adapter.observe({"BTCUSDT": ISOLATED, "ETHUSDT": CROSSED})
        return await desk.adapter.observe({"BTCUSDT": ISOLATED, "ETHUSDT": CROSSED}, reuse=first)

    old = run(main)
    assert (new.symbols, set(new.instruments)) == (old.symbols, set(old.instruments))
    assert new.positions == {at("BTCUSDT", Side.LONG): old.positions[at("BTCUSDT", Side.LONG)]}
    assert desk.wire.paths().count("/fapi/v3/positionRisk") == 1
    assert desk.wire.paths().count("/fapi/v2/positionRisk") == 2


def test_where_version_2_goes_away_meanwhile_version_3_is_asked_again() -> None:
    desk = Desk(v3__positionRisk=[NOT_FOUND, answer([v3_row(LONG)])], v2__positionRisk=[answer([LONG]), NOT_FOUND])

    async def main() -> ObservedAccount:
        first = await desk.adapter.observe({"BTCUSDT": ISOLATED})
        return await desk.adapter.observe({"BTCUSDT": ISOLATED}, reuse=first)

    assert set(run(main).positions) == {at("BTCUSDT", Side.LONG)}


def test_where_both_versions_are_gone_the_error_names_both() -> None:
    with pytest.raises(ReadFailed, match="neither /fapi/v3/positionRisk nor /fapi/v2/positionRisk; check the endpoint"):
        Desk(v3__positionRisk=NOT_FOUND).look(BTCUSDT=ISOLATED)


def test_a_position_that_only_one_of_two_sources_knows_costs_its_own_address() -> None:
    other = v3_row(risk_row("XUSDT", "LONG", "1"))
    desk = Desk(**{**listing(LONG, *FLAT), "v3__positionRisk": answer([v3_row(LONG), other])})
    account = desk.look(BTCUSDT=ISOLATED)
    assert set(account.positions) == {at("BTCUSDT", Side.LONG)}
    assert "symbolConfig does not list XUSDT" in account.unusable[at("XUSDT", Side.LONG)]


ODD = risk_row("ETHUSDT", "LONG", "1", isolatedWallet="5")


@pytest.mark.parametrize(
    "answers",
    [
        listing(LONG, {**ODD, "isolatedWallet": "NaN"}),
        listing(LONG, {**ODD, "entryPrice": None}),
        listing(LONG, {**ODD, "positionAmt": "one"}),
        {**listing(LONG, ODD), "v1__leverageBracket": answer([*BRACKETS[:1], {"symbol": "ETHUSDT"}])},
        {
            **listing(LONG, ODD),
            "v1__symbolConfig": answer(
                [
                    {"symbol": "BTCUSDT", "marginType": "ISOLATED", "isAutoAddMargin": False, "leverage": 10},
                    {"symbol": "ETHUSDT", "marginType": "ISOLATED", "isAutoAddMargin": "maybe", "leverage": 10},
                ]
            ),
        },
        version_2(LONG, {**ODD, "leverage": "ten"}),
        {
            "v3__positionRisk": answer([v3_row(LONG), {**v3_row(ODD), "marginAsset": 7}]),
            "v1__symbolConfig": listing(LONG, ODD)["v1__symbolConfig"],
        },
    ],
)
@pytest.mark.parametrize("declared", [{"BTCUSDT": ISOLATED}, {"BTCUSDT": ISOLATED, "ETHUSDT": ISOLATED}])
def test_a_field_that_cannot_be_used_costs_its_own_address(
    answers: dict[str, object], declared: dict[str, MarginType]
) -> None:
    account = Desk(**answers).look(**declared)
    assert at("ETHUSDT", Side.LONG) in account.unusable
    assert at("BTCUSDT", Side.LONG) not in account.unusable
    assert set(account.positions) == {at("BTCUSDT", Side.LONG)}
    with pytest.raises(ReadFailed, match=r"looking at ETHUSDT\.long"):
        account.slot(at("ETHUSDT", Side.LONG))


def test_a_symbol_that_exchange_info_does_not_list_costs_its_own_addresses() -> None:
    unclear = risk_row("WLDEUR", "LONG", "1", isolatedWallet="5")
    desk = Desk(**version_2(LONG, unclear), v1__exchangeInfo=answer({"symbols": [{"symbol": "BTCUSDT"}]}))
    account = desk.look(BTCUSDT=ISOLATED, WLDEUR=ISOLATED)
    assert "does not list WLDEUR" in account.unusable[at("WLDEUR", Side.LONG)]
    assert set(account.positions) == {at("BTCUSDT", Side.LONG)}
    assert set(account.symbols) == {"BTCUSDT"}


def test_a_free_balance_that_is_not_told_is_unknown_and_not_zero() -> None:
    desk = Desk(v3__balance=answer([balance("USDT", ""), balance("USDC", "7")]))
    account = desk.look(BTCUSDT=ISOLATED)
    assert (account.available, list(account.unknown_balances)) == ({"USDC": D(7)}, ["USDT"])


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
        **version_2(risk_row("WLDUSDT", "LONG", "1", isolatedWallet="5")),
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
        {"v3__positionRisk": answer({"rows": []})},
        {"v3__positionRisk": answer([{"symbol": "BTCUSDT"}])},
        {"v3__positionRisk": answer([v3_row(LONG), v3_row(LONG)])},
        {"v3__positionRisk": answer([v3_row(LONG), v3_row({**LONG, "isolatedWallet": "odd"})])},
        version_2(LONG, LONG),
        {"v1__symbolConfig": answer([{"marginType": "ISOLATED"}])},
        listing(risk_row("BTCUSDT", "LONG", "1", marginType="portfolio")),
        version_2(risk_row("BTCUSDT", "LONG", "1", marginType="portfolio")),
        {"v3__balance": answer([{"asset": "USDT"}])},
        {"v1__accountConfig": answer({})},
        {"v1__leverageBracket": answer([{"brackets": []}])},
        {"v1__openOrders": answer({})},
        {"v3__balance": answer([])},
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
    assert desk.adapter.requests == {"read": 5, "public": 1, "write": 0}


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


def test_a_symbol_that_is_gone_costs_the_ledger_of_no_other() -> None:
    def history(request: HttpRequest) -> HttpResponse:
        if params_of(request)["symbol"] == "OLDUSDT":
            return answer({"code": -1121, "msg": "Invalid symbol."}, 400)
        return answer([history_row(SERVED_MS)])

    desk = Desk(v1__positionMargin__history=history)
    found = run(lambda: desk.adapter.ledgers(["BTCUSDT", "OLDUSDT"], since_ms=SERVED_MS - 1_000))
    assert len(found["BTCUSDT"].rows) == 1
    assert (found["OLDUSDT"].rows, found["OLDUSDT"].reaches_back) == ((), False)
    with pytest.raises(ReadFailed, match="an unknown symbol"):
        desk.read("OLDUSDT")


def test_orders_of_a_symbol_that_the_exchange_refuses_are_not_known() -> None:
    desk = Desk(v1__openOrders=answer({"code": -1122, "msg": "Invalid symbol status."}, 400))
    account = desk.look(BTCUSDT=ISOLATED, ETHUSDT=ISOLATED)
    assert account.symbols["ETHUSDT"].open_orders is None
    assert at("BTCUSDT", Side.LONG) in account.positions
