"""The Bitget dialect: envelope, signatures, codes, limits, ledger and the effects on the books."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from reconcile.sandbox.bitget.gate import BitgetSwitches, signatures
from reconcile.sandbox.http import Lag, Request
from reconcile.sandbox.values import HUMAN
from tests.kit.binance_client import NOW, D
from tests.kit.bitget_client import COIN, MIX, USDC, USDT, BitgetClient, bitget_books, symbol_of

SET_MARGIN, BILL = f"{MIX}/account/set-margin", f"{MIX}/account/bill"
POSITIONS, ACCOUNT = f"{MIX}/position/all-position", f"{MIX}/account/account"


def row_of(client: BitgetClient, symbol: str, side: str) -> dict[str, Any]:
    """One position's row."""
    rows = client.get(POSITIONS, productType=symbol_of(symbol)["productType"])
    return next(row for row in rows if row["symbol"] == symbol and row["holdSide"] == side)


def test_the_signature_covers_time_method_path_query_and_body() -> None:
    headers = {"access-timestamp": "1700000000000"}
    read = Request(method="GET", path="/p", query="a=1&b=2", headers=headers)
    write = Request(method="POST", path="/p", headers=headers, body=b'{"x":"1"}')
    assert signatures(read, "SIM-SECRET")[0] == "dqz5KC6/garC2rPSU87vFsGE+nIjTUg7LlHhuoTzdIM="
    assert signatures(write, "SIM-SECRET")[0] == "/qrpdkSGjKvwPpAEnRf0TQ3TlWYgpRT3gOvO0vnvkXM="


def test_an_addition_answers_with_empty_data_and_leaves_one_bill() -> None:
    client = BitgetClient()
    status, body = client.post(SET_MARGIN, **symbol_of("BTCUSDT"), holdSide="long", amount="25.5")
    told = {"code": "00000", "msg": "success", "requestTime": client.now_ms, "data": ""}
    assert (status, body) == (200, told)
    assert client.books.margin("BTCUSDT", "long") == D("3025.5")
    bill = client.get(BILL, productType=USDT, businessType="append_margin")["bills"][0]
    assert (bill["symbol"], bill["amount"], bill["coin"]) == ("BTCUSDT", "25.5", "USDT")
    assert "holdSide" not in bill


def test_a_negative_amount_takes_margin_out() -> None:
    client = BitgetClient()
    assert client.margin("BTCUSDT", "short", "-100") == (200, "00000")
    assert client.books.margin("BTCUSDT", "short") == 2400
    assert row_of(client, "BTCUSDT", "short")["marginSize"] == "2400"


@pytest.mark.parametrize(
    ("symbol", "product", "coin", "amount"),
    [("BTCUSD", COIN, "BTC", "0.01234567"), ("BTCPERP", USDC, "USDC", "12.3456")],
)
def test_each_product_counts_in_its_own_coin(symbol: str, product: str, coin: str, amount: str) -> None:
    client = BitgetClient()
    before = client.books.margin(symbol, "long")
    assert client.margin(symbol, "long", amount) == (200, "00000")
    assert client.books.margin(symbol, "long") == before + D(amount)
    symbols = {row["symbol"] for row in client.get(POSITIONS, productType=product)}
    assert symbols == {symbol}
    assert client.get(f"{MIX}/account/accounts", productType=product)[0]["marginCoin"] == coin


def test_rows_name_a_direction_in_one_way_mode_too() -> None:
    client = BitgetClient(books=bitget_books(mode="one-way"))
    row = row_of(client, "BTCUSDT", "short")
    assert (row["posMode"], row["total"], row["marginSize"]) == ("one_way_mode", "0.5", "4000")
    assert client.margin("BTCUSDT", "short", "10") == (200, "00000")
    assert client.margin("BTCUSDT", "long", "10") == (200, "00000")
    strict = BitgetClient(books=bitget_books(mode="one-way"), switches=BitgetSwitches(one_way_side_checked=True))
    assert strict.margin("BTCUSDT", "long", "10") == (400, "22002")


Change = Callable[[BitgetClient], Any]


def _close(client: BitgetClient) -> None:
    client.books.close_position("ETHUSDT", "long", now_ms=client.now_ms)


class No(NamedTuple):
    """A margin call that is refused: what is changed in it, in the account and in the exchange, and what it answers."""

    body: dict[str, object]
    code: str
    change: Change | None = None
    switches: dict[str, Any] = {}  # noqa: RUF012 - never changed


REFUSED = [
    No({"symbol": ""}, "40019"),
    No({"productType": ""}, "40019"),
    No({"marginCoin": ""}, "40019"),
    No({"holdSide": ""}, "40019"),
    No({"amount": ""}, "40019"),
    No({"productType": "FUTURES"}, "40020"),
    No({"holdSide": "net"}, "40020"),
    No({"amount": "1e3"}, "40020"),
    No({"amount": "0"}, "40020"),
    No({"symbol": "XUSDT"}, "40034"),
    No({"productType": COIN}, "40034"),
    No({"symbol": "ethusdt"}, "40034", switches={"any_case": False}),
    No({"marginCoin": "USDC"}, "40778"),
    No({"amount": "1.00001"}, "40808"),
    No({"amount": "0.5"}, "40799", switches={"minimum": "1"}),
    No({}, "22002", change=_close),
    No({}, "43043", change=_close, switches={"no_position_code": "43043"}),
    No({}, "40802", change=_close, switches={"no_position_code": "40802"}),
    No({"symbol": "ADAUSDT"}, "40875"),
    No({"symbol": "ADAUSDT"}, "40808", switches={"crossed_code": "40808"}),
    No({"amount": "5001"}, "40798"),
    No({"amount": "5001"}, "43012", switches={"funds_code": "43012"}),
    No({"amount": "-301"}, "40801"),
    No({"amount": "-301"}, "40800", switches={"removable_code": "40800"}),
    No({}, "40085", switches={"unified": True}),
]


@pytest.mark.parametrize("status", [400, 200])
@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: f"{refused.code} {refused.body}")
def test_a_margin_call_is_refused_with_its_code_and_changes_nothing(refused: No, status: int) -> None:
    client = BitgetClient(switches=BitgetSwitches(error_status=status, **refused.switches))
    if refused.change is not None:
        refused.change(client)
    before = (dict(client.books.positions), client.books.revision)
    body = {**symbol_of("ETHUSDT"), "holdSide": "long", "amount": "10", **refused.body}
    got, told = client.post(SET_MARGIN, **body)
    assert (got, told["code"], told["data"]) == (status, refused.code, None)
    assert (dict(client.books.positions), client.books.revision) == before


UNSIGNED: list[tuple[dict[str, str], dict[str, Any], str]] = [
    ({"access-key": ""}, {}, "40001"),
    ({"access-sign": ""}, {}, "40002"),
    ({"access-timestamp": ""}, {}, "40003"),
    ({"access-passphrase": ""}, {}, "40011"),
    ({"access-key": "nobody"}, {}, "40037"),
    ({"access-timestamp": "now"}, {}, "40005"),
    ({"access-passphrase": "other"}, {}, "40012"),
    ({"access-sign": "AAAA"}, {}, "40009"),
    ({"access-sign": "AAAA"}, {"unified": True}, "40085"),
    ({}, {"key_kind": "demo"}, "40099"),
    ({"paptrading": "1"}, {"key_kind": "live", "mismatch_code": "40009"}, "40009"),
]


@pytest.mark.parametrize(("headers", "switches", "code"), UNSIGNED)
def test_what_the_gate_refuses(headers: dict[str, str], switches: dict[str, Any], code: str) -> None:
    client = BitgetClient(headers=headers, switches=BitgetSwitches(**switches))
    assert client.margin("ETHUSDT", "long", "10") == (400, code)
    assert client.books.margin("ETHUSDT", "long") == 1500


@pytest.mark.parametrize(("kind", "header"), [("demo", "1"), ("live", "0"), ("any", "1")])
def test_a_key_works_in_its_own_environment(kind: str, header: str) -> None:
    client = BitgetClient(switches=BitgetSwitches(key_kind=kind), headers={"paptrading": header})
    assert client.margin("ETHUSDT", "long", "10") == (200, "00000")


@pytest.mark.parametrize(("late_ms", "code"), [(30_000, "00000"), (30_001, "40008"), (-30_001, "40008")])
def test_a_request_counts_within_thirty_seconds_of_its_timestamp(late_ms: int, code: str) -> None:
    client = BitgetClient()
    client.signed_ms = client.now_ms - late_ms
    assert client.margin("ETHUSDT", "long", "10")[1] == code


def test_a_read_only_key_cannot_move_margin() -> None:
    client = BitgetClient()
    kept = client.account
    read_only = type(kept)(
        key=kept.key, secret=kept.secret, passphrase=kept.passphrase, books=kept.books, can_trade=False
    )
    client.dialect.serve(read_only)
    assert client.margin("ETHUSDT", "long", "10") == (400, "40014")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    client = BitgetClient()
    status, told = client.send(client.request("POST", SET_MARGIN, {}, body))
    assert (status, told["code"]) == (400, "40017")


def test_an_unknown_path() -> None:
    status, told = BitgetClient().ask("/api/v2/nothing")
    assert (status, told["code"]) == (404, "40404")


def test_the_query_may_be_signed_escaped_or_not() -> None:
    client = BitgetClient()
    request = client.request("GET", POSITIONS, {"productType": USDT, "marginCoin": "U S"}, b"")
    plain = Request(method="GET", path=POSITIONS, query="productType=USDT-FUTURES&marginCoin=U S")
    headers = request.headers
    unescaped = signatures(
        Request(method="GET", path=POSITIONS, query=plain.query, headers=headers), client.account.secret
    )
    assert client.send(request, headers={**headers, "access-sign": unescaped[0]})[0] == 200


RATES: list[tuple[str, dict[str, Any], int]] = [
    (POSITIONS, {"productType": USDT}, 5),
    (BILL, {"productType": USDT}, 10),
    (ACCOUNT, symbol_of("BTCUSDT"), 10),
    (f"{MIX}/order/orders-pending", {"productType": USDT}, 10),
    (f"{MIX}/market/query-position-lever", {"symbol": "BTCUSDT", "productType": USDT}, 10),
    ("/api/v2/public/time", {}, 20),
]


@pytest.mark.parametrize(("path", "params", "count"), RATES)
def test_each_endpoint_has_its_own_limit(path: str, params: dict[str, Any], count: int) -> None:
    client = BitgetClient()
    assert {client.ask(path, **params)[0] for _ in range(count)} == {200}
    status, body = client.ask(path, **params)
    assert (status, body["code"]) == (429, "429")
    client.now_ms += 1_000
    assert client.ask(path, **params)[0] == 200


def test_the_margin_call_takes_five_a_second_and_a_refused_one_moves_nothing() -> None:
    client = BitgetClient()
    assert [client.margin("ETHUSDT", "long", "1")[0] for _ in range(6)] == [200] * 5 + [429]
    assert client.books.margin("ETHUSDT", "long") == 1505


def test_an_address_that_asks_too_much_is_shut_out_for_five_minutes() -> None:
    client = BitgetClient()
    request = Request(method="GET", path="/api/v2/public/nothing")
    statuses = {client.dialect.handle(request, client.now_ms).status for _ in range(6_000)}
    assert statuses == {404}
    assert client.dialect.handle(request, client.now_ms).status == 429
    client.now_ms += 299_000
    assert client.dialect.handle(request, client.now_ms).status == 429
    client.now_ms += 1_000
    assert client.dialect.handle(request, client.now_ms).status == 404


def test_a_flat_symbol_changes_its_margin_mode() -> None:
    client = BitgetClient()
    assert client.get(ACCOUNT, **symbol_of("SOLUSDT"))["marginMode"] == "crossed"
    status, body = client.post(f"{MIX}/account/set-margin-mode", **symbol_of("SOLUSDT"), marginMode="isolated")
    assert (status, body["data"]["marginMode"]) == (200, "isolated")
    assert client.get(ACCOUNT, **symbol_of("SOLUSDT"))["marginMode"] == "isolated"
    assert client.mode("SOLUSDT", "isolated") == (200, "00000")


def _order(client: BitgetClient) -> None:
    client.books.set_orders("SOLUSDT", now_ms=client.now_ms, open_orders=1)


def _plan_order(client: BitgetClient) -> None:
    client.books.set_orders("SOLUSDT", now_ms=client.now_ms, algo_orders=1)


def _union(client: BitgetClient) -> None:
    for position in list(client.books.positions.values()):
        client.books.close_position(position.symbol, position.side, now_ms=client.now_ms)
    client.books.set_multi_assets(on=True, now_ms=client.now_ms)


def _nothing(_: BitgetClient) -> None:
    pass


@pytest.mark.parametrize(
    ("symbol", "mode", "change", "switches", "code"),
    [
        ("ADAUSDT", "isolated", _nothing, {}, "45117"),
        ("SOLUSDT", "isolated", _order, {}, "45117"),
        ("SOLUSDT", "isolated", _plan_order, {}, "40872"),
        ("SOLUSDT", "isolated", _plan_order, {"plan_orders_block_mode": False}, "00000"),
        ("SOLUSDT", "isolated", _union, {}, "22071"),
        ("ADAUSDT", "crossed", _nothing, {}, "45117"),
        ("ADAUSDT", "crossed", _nothing, {"same_mode_when_open": True}, "00000"),
        ("SOLUSDT", "cross", _nothing, {}, "40020"),
    ],
)
def test_what_stands_in_the_way_of_a_margin_mode(
    symbol: str, mode: str, change: Change, switches: dict[str, Any], code: str
) -> None:
    client = BitgetClient(switches=BitgetSwitches(**switches))
    change(client)
    assert client.mode(symbol, mode)[1] == code


def test_the_position_mode_belongs_to_a_product() -> None:
    client, path = BitgetClient(), f"{MIX}/account/set-position-mode"
    assert client.post(path, productType=USDT, posMode="one_way_mode")[1]["code"] == "40920"
    client.books.close_position("BTCPERP", "long", now_ms=client.now_ms)
    assert client.post(path, productType=USDC, posMode="one_way_mode")[1]["data"] == {"posMode": "one_way_mode"}
    assert client.get(ACCOUNT, **symbol_of("BTCPERP"))["posMode"] == "one_way_mode"
    assert client.get(ACCOUNT, **symbol_of("BTCUSDT"))["posMode"] == "hedge_mode"
    client.books.open_position("BTCPERP", "net", D("-0.1"), now_ms=client.now_ms)
    assert row_of(client, "BTCPERP", "short")["posMode"] == "one_way_mode"


def test_automatic_margin_is_shown_and_switched_by_side() -> None:
    client, path = BitgetClient(), f"{MIX}/account/set-auto-margin"
    assert row_of(client, "LINKUSDT", "long")["autoMargin"] == "on"
    asked = {"symbol": "LINKUSDT", "marginCoin": "USDT", "holdSide": "long"}
    assert client.post(path, **asked, autoMargin="off")[1]["code"] == "00000"
    assert row_of(client, "LINKUSDT", "long")["autoMargin"] == "off"
    assert client.post(path, **{**asked, "holdSide": "short"}, autoMargin="on")[1]["code"] == "40838"
    assert client.post(path, **{**asked, "symbol": "ADAUSDT"}, autoMargin="on")[1]["code"] == "40874"


def test_lowering_the_leverage_pulls_margin_in_under_a_bill_of_its_own() -> None:
    client, path = BitgetClient(), f"{MIX}/account/set-leverage"
    status, body = client.post(path, **symbol_of("ETHUSDT"), leverage="4", holdSide="long")
    assert (status, body["code"]) == (200, "00000")
    assert client.books.margin("ETHUSDT", "long") == 3000
    bills = client.get(BILL, productType=USDT, businessType="adjust_down_lever_append_margin")["bills"]
    assert [bill["amount"] for bill in bills] == ["1500"]
    assert client.post(path, **symbol_of("ETHUSDT"), leverage="1")[1]["code"] == "40893"
    assert client.post(path, **symbol_of("ETHUSDT"), leverage="126")[1]["code"] == "40797"
    assert client.post(path, **symbol_of("ETHUSDT"))[1]["code"] == "40019"


def test_a_reopened_position_has_a_new_creation_time() -> None:
    client = BitgetClient()
    before = row_of(client, "ETHUSDT", "long")["cTime"]
    client.books.reopen("ETHUSDT", "long", now_ms=client.now_ms, by=HUMAN)
    assert row_of(client, "ETHUSDT", "long")["cTime"] != before


def test_closed_positions_are_not_listed_unless_the_switch_says_so() -> None:
    client = BitgetClient()
    _close(client)
    assert client.get(f"{MIX}/position/single-position", **symbol_of("ETHUSDT")) == []
    other = BitgetClient(books=client.books, switches=BitgetSwitches(zero_rows=True), now_ms=client.now_ms + 5_000)
    rows = other.get(f"{MIX}/position/single-position", **symbol_of("ETHUSDT"))
    assert [(row["total"], row["marginSize"]) for row in rows] == [("0", "0"), ("0", "0")]
    null = BitgetClient(books=client.books, switches=BitgetSwitches(null_when_empty=True), now_ms=client.now_ms)
    assert null.get(f"{MIX}/position/single-position", **symbol_of("ETHUSDT")) is None


def test_bills_are_paged_by_id_and_end_with_the_last_of_the_page() -> None:
    client = BitgetClient()
    for number in range(1, 6):
        client.now_ms += 1_000
        client.margin("ETHUSDT", "long", str(number))
    first = client.get(BILL, productType=USDT, businessType="append_margin", limit=2)
    assert [bill["amount"] for bill in first["bills"]] == ["5", "4"]
    assert first["endId"] == first["bills"][-1]["billId"]
    second = client.get(BILL, productType=USDT, businessType="append_margin", limit=2, idLessThan=first["endId"])
    assert [bill["amount"] for bill in second["bills"]] == ["3", "2"]
    stamp = client.now_ms - 2_000
    some = client.get(BILL, productType=USDT, businessType="append_margin", startTime=stamp, endTime=stamp)
    assert [bill["amount"] for bill in some["bills"]] == ["3"]
    assert client.get(BILL, productType=COIN, businessType="append_margin") == {"bills": [], "endId": None}


def test_asking_for_funding_only_hides_what_moved_margin() -> None:
    client = BitgetClient()
    client.margin("ETHUSDT", "long", "1")
    client.books.fund("ETHUSDT", "long", D("-4.2"), now_ms=client.now_ms)
    kinds = {bill["businessType"] for bill in client.get(BILL, productType=USDT, onlyFunding="yes")["bills"]}
    assert "contract_settle_fee" in kinds
    assert "append_margin" not in kinds


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"startTime": NOW - 31 * 86_400_000}, "00001"),
        ({"limit": 101}, "40020"),
        ({"limit": "many"}, "40020"),
        ({"productType": ""}, "40019"),
    ],
)
def test_bills_that_cannot_be_asked_for(params: dict[str, Any], code: str) -> None:
    asked: dict[str, Any] = {"productType": USDT, **params}
    assert BitgetClient().ask(BILL, **asked)[1]["code"] == code


@pytest.mark.parametrize(
    ("shape", "amounts"), [("signed", ["-100", "50"]), ("absolute", ["100", "50"]), ("account", ["100", "-50"])]
)
def test_the_sign_of_a_bill_is_a_switch(shape: str, amounts: list[str]) -> None:
    client = BitgetClient(switches=BitgetSwitches(bill_amounts=shape))
    client.margin("BTCUSDT", "short", "50")
    client.margin("BTCUSDT", "short", "-100")
    bills = client.get(BILL, productType=USDT)["bills"]
    assert [bill["amount"] for bill in bills[:2]] == amounts


def test_a_read_can_be_behind_each_kind_by_itself() -> None:
    client = BitgetClient(books=bitget_books(keep_ms=60_000))
    client.margin("ETHUSDT", "long", "10")
    client.now_ms += 100
    rows = client.get(POSITIONS, lag=Lag(positions_ms=200), productType=USDT)
    assert next(row["marginSize"] for row in rows if row["symbol"] == "ETHUSDT") == "1500"
    assert client.get(BILL, lag=Lag(ledger_ms=200), productType=USDT, businessType="append_margin")["bills"] == []
    assert client.get(POSITIONS, lag=Lag(empty=True), productType=USDT) == []


def test_free_money_is_told_for_isolated_additions() -> None:
    client = BitgetClient()
    client.margin("ETHUSDT", "long", "10")
    account = client.get(ACCOUNT, **symbol_of("ETHUSDT"))
    assert account["isolatedMaxAvailable"] == "4990"
    assert account["isolatedLongLever"] == 10
    text = BitgetClient(switches=BitgetSwitches(leverages_as_text=True))
    assert text.get(ACCOUNT, **symbol_of("ETHUSDT"))["isolatedLongLever"] == "10"


def test_resting_orders_are_listed_by_kind() -> None:
    client, path = BitgetClient(), f"{MIX}/order/orders-pending"
    assert client.get(path, productType=USDT) == {"entrustedList": None, "endId": None}
    _order(client)
    _plan_order(client)
    rows = client.get(path, productType=USDT)["entrustedList"]
    assert [row["symbol"] for row in rows] == ["SOLUSDT"]
    plans = client.get(f"{MIX}/order/orders-plan-pending", productType=USDT, planType="normal_plan")
    assert [row["symbol"] for row in plans["entrustedList"]] == ["SOLUSDT"]


def test_contract_data_is_public() -> None:
    client = BitgetClient()
    rows = client.get(f"{MIX}/market/contracts", productType=COIN)
    assert [(row["symbol"], row["supportMarginCoins"]) for row in rows] == [("BTCUSD", ["BTC"]), ("ETHUSD", ["ETH"])]
    tiers = client.get(f"{MIX}/market/query-position-lever", productType=USDT, symbol="BTCUSDT")
    assert (tiers[0]["level"], tiers[0]["endUnit"], tiers[0]["keepMarginRate"]) == ("1", "150000", "0.004")
    answer = client.dialect.handle(Request(method="GET", path="/api/v2/public/time"), NOW)
    assert json.loads(answer.body)["data"] == {"serverTime": str(NOW)}


def test_the_former_demo_products_list_nothing() -> None:
    assert BitgetClient().get(f"{MIX}/market/contracts", productType="SUSDT-FUTURES") == []


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        (f"{MIX}/market/contracts", {}, "40019"),
        (f"{MIX}/market/contracts", {"productType": "X"}, "40020"),
        (f"{MIX}/market/query-position-lever", {"productType": USDT}, "40019"),
        (f"{MIX}/market/query-position-lever", {"productType": USDT, "symbol": "X"}, "40034"),
    ],
)
def test_public_reads_that_ask_for_nonsense(path: str, params: dict[str, Any], code: str) -> None:
    assert BitgetClient().ask(path, **params)[1]["code"] == code


def test_sizes_of_coin_contracts_can_be_shown_in_coins() -> None:
    row = row_of(BitgetClient(switches=BitgetSwitches(coin_size_in_base=True)), "BTCUSD", "long")
    assert row["total"] == "0.5"
