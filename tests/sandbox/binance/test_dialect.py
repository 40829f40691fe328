"""The Binance dialect: paths, shapes, spellings, and every code it can give, in the order of its checks."""

import hmac
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from reconcile.sandbox.binance.dialect import SimulatedBinance
from reconcile.sandbox.binance.gate import BinanceSwitches, check_signature
from reconcile.sandbox.http import Request, SandboxAccount
from reconcile.sandbox.values import HUMAN
from tests.kit.binance_client import NOW, Client, D, demo_books

MARGIN = "/fapi/v1/positionMargin"
TYPE = "/fapi/v1/marginType"


def test_the_documents_signature_sample_is_accepted() -> None:
    secret = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
    sample = "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000"
    sample += "&timestamp=1591702613943"
    signature = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
    check_signature(Request(method="POST", path="/", query=f"{sample}&signature={signature}"), secret)
    check_signature(Request(method="POST", path="/", body=f"{sample}&signature={signature.upper()}".encode()), secret)


def test_a_signature_covers_query_and_body_as_sent() -> None:
    client = Client()
    query, body = "symbol=BTCUSDT&type=1", f"positionSide=LONG&amount=5&timestamp={client.now_ms}"
    signature = hmac.digest(client.account.secret.encode(), (query + body).encode(), "sha256").hex()
    mixed = Request(
        method="POST",
        path=MARGIN,
        query=query,
        body=f"{body}&signature={signature}".encode(),
        headers={"x-mbx-apikey": client.account.key},
    )
    assert client.answer(mixed).status == 200
    assert client.books.margin("BTCUSDT", "long") == D(3005)


def test_adding_and_reducing_move_exactly_that() -> None:
    client = Client()
    added = client.margin("BTCUSDT", "LONG", "100.00000001", 1)
    reduced = client.margin("BTCUSDT", "SHORT", "50", 2)
    assert added == (
        200,
        {"code": 200, "msg": "Successfully modify position margin.", "amount": 100.00000001, "type": 1},
    )
    assert reduced[1]["type"] == 2
    assert client.books.margin("BTCUSDT", "long") == D("3100.00000001")
    assert client.books.margin("BTCUSDT", "short") == D(2450)
    assert [(e.actor, e.request) for e in client.books.effects[-2:]] == [("api", 1), ("api", 2)]


def test_the_same_signed_request_twice_moves_twice() -> None:
    client = Client()
    request = client.request("POST", MARGIN, symbol="BTCUSDT", positionSide="LONG", amount="10", type=1)
    client.answer(request)
    client.answer(request)
    assert client.books.margin("BTCUSDT", "long") == D(3020)


def test_a_flat_symbol_changes_its_type_once() -> None:
    client = Client()
    first = client.post(TYPE, symbol="SOLUSDT", marginType="ISOLATED")
    second = client.post(TYPE, symbol="SOLUSDT", marginType="ISOLATED")
    assert first == (200, {"code": 200, "msg": "success"})
    assert (second[0], second[1]["code"]) == (400, -4046)
    assert client.books.settings["SOLUSDT"].margin_type == "isolated"


def margin(**changed: object) -> Callable[[Client], Request]:
    """A margin call that would succeed, but for what is changed; None leaves a parameter out."""
    usual = {"symbol": "BTCUSDT", "positionSide": "LONG", "amount": "5", "type": 1}
    params = {name: value for name, value in {**usual, **changed}.items() if value is not None}
    return lambda client: client.request("POST", MARGIN, **params)


def kind(symbol: str, margin_type: str) -> Callable[[Client], Request]:
    """A change of margin type."""
    return lambda client: client.request("POST", TYPE, symbol=symbol, marginType=margin_type)


def read(path: str, **params: object) -> Callable[[Client], Request]:
    """A signed read."""
    return lambda client: client.request("GET", path, **params)


def unsigned(client: Client) -> Request:
    """Without a signature."""
    request = margin()(client)
    return replace(request, query=request.query.partition("&signature=")[0])


def without_key(client: Client) -> Request:
    """Without a key."""
    return replace(margin()(client), headers={})


def other_key(client: Client) -> Request:
    """With a key that nobody has."""
    return replace(margin()(client), headers={"x-mbx-apikey": "nobody"})


def forged(client: Client) -> Request:
    """Changed after it was signed."""
    request = margin()(client)
    return replace(request, query=request.query.replace("amount=5", "amount=6"))


def twice_over(client: Client) -> Request:
    """A parameter twice in the query."""
    query = f"symbol=BTCUSDT&symbol=ETHUSDT&timestamp={client.now_ms}"
    signature = hmac.digest(client.account.secret.encode(), query.encode(), "sha256").hex()
    headers = {"x-mbx-apikey": client.account.key}
    return Request(method="POST", path=MARGIN, query=f"{query}&signature={signature}", headers=headers)


CODES: list[tuple[str, Callable[[Client], Request], int, int]] = [
    ("no key", without_key, 401, -2014),
    ("unknown key", other_key, 401, -2015),
    ("no signature", unsigned, 400, -1102),
    ("forged", forged, 400, -1022),
    ("one parameter twice", twice_over, 400, -1101),
    ("no timestamp", margin(timestamp=""), 400, -1102),
    ("a second ahead", margin(timestamp=NOW + 2000), 400, -1021),
    ("too late", margin(timestamp=NOW - 4001), 400, -1021),
    ("too late for its own window", margin(timestamp=NOW, recvWindow=999), 400, -1021),
    ("window too wide", margin(recvWindow=60_001), 400, -1130),
    ("no symbol", margin(symbol=None), 400, -1102),
    ("no amount", margin(amount=None), 400, -1102),
    ("no type", margin(type=None), 400, -1102),
    ("empty amount", margin(amount=""), 400, -1102),
    ("empty side", margin(positionSide=""), 400, -1105),
    ("unknown symbol", margin(symbol="NOPE"), 400, -1121),
    ("exponent", margin(amount="1e-05"), 400, -1100),
    ("nine decimals", margin(amount="0.000000001"), 400, -1111),
    ("zero", margin(amount="0"), 400, -4055),
    ("negative", margin(amount="-5"), 400, -4055),
    ("type 3", margin(type=3), 400, -1130),
    ("odd side", margin(positionSide="long"), 400, -4060),
    ("hedge, adding without a side", margin(positionSide=None), 400, -4054),
    ("hedge, reducing without a side", margin(positionSide=None, type=2), 400, -4051),
    ("crossed", margin(symbol="ADAUSDT"), 400, -4049),
    ("crossed and flat", margin(symbol="SOLUSDT"), 400, -4049),
    ("flat, adding", margin(symbol="XRPUSDT"), 400, -4054),
    ("flat, reducing", margin(symbol="XRPUSDT", type=2), 400, -4051),
    ("more than is free", margin(amount="5000.01"), 400, -4050),
    ("more than is removable", margin(amount="225.01", type=2), 400, -4051),
    ("type already so", kind("SOLUSDT", "CROSSED"), 400, -4046),
    ("type already so, position open", kind("BTCUSDT", "ISOLATED"), 400, -4046),
    ("type, position open", kind("BTCUSDT", "CROSSED"), 400, -4048),
    ("type, odd spelling", kind("SOLUSDT", "isolated"), 400, -1130),
    ("type, unknown symbol", kind("NOPE", "ISOLATED"), 400, -1121),
    ("type, no symbol", kind("", "ISOLATED"), 400, -1102),
    ("read of an unknown symbol", read("/fapi/v2/positionRisk", symbol="NOPE"), 400, -1121),
    ("history without a symbol", read("/fapi/v1/positionMargin/history"), 400, -1102),
    (
        "history of over 30 days",
        read(f"{MARGIN}/history", symbol="BTCUSDT", startTime=NOW - 40 * 86_400_000),
        400,
        -1130,
    ),
    ("history of type 3", read(f"{MARGIN}/history", symbol="BTCUSDT", type=3), 400, -1130),
    ("path unknown", read("/fapi/v1/nothing"), 404, -5000),
    ("method unknown", lambda client: client.request("PUT", MARGIN), 404, -5000),
]


@pytest.mark.parametrize(("request_of", "status", "code"), [row[1:] for row in CODES], ids=[row[0] for row in CODES])
def test_a_refused_request_has_its_code_and_no_effect(
    request_of: Callable[[Client], Request], status: int, code: int
) -> None:
    client = Client()
    before = client.books.revision
    answer = client.answer(request_of(client))
    assert (answer.status, json.loads(answer.body)["code"], client.books.revision) == (status, code, before)


SWITCHED: list[tuple[str, BinanceSwitches, Callable[[Client], Request], int]] = [
    ("v2 retired", BinanceSwitches(v2_retired=True), read("/fapi/v2/positionRisk"), -5000),
    ("six decimals", BinanceSwitches(amount_decimals=6), margin(amount="0.0000001"), -1111),
    ("quirk", BinanceSwitches(position_side_quirk=True), kind("ETHUSDT", "ISOLATED"), -4067),
    ("quirk only when flat", BinanceSwitches(position_side_quirk=True), kind("BTCUSDT", "ISOLATED"), -4046),
    ("one-way has no long side", BinanceSwitches(), margin(), -4061),
    ("the code for that is open", BinanceSwitches(wrong_side_code=-1130), margin(), -1130),
]


@pytest.mark.parametrize(
    ("switches", "request_of", "code"), [row[1:] for row in SWITCHED], ids=[r[0] for r in SWITCHED]
)
def test_what_the_documents_leave_open_is_a_switch(
    switches: BinanceSwitches, request_of: Callable[[Client], Request], code: int
) -> None:
    client = Client(books=demo_books(mode="one-way"), switches=switches)
    assert json.loads(client.answer(request_of(client)).body)["code"] == code


def test_orders_and_multi_assets_mode_forbid_a_change_of_type() -> None:
    client = Client(books=demo_books(mode="one-way"))
    client.books.set_orders("ETHUSDT", now_ms=NOW, open_orders=1)
    ordered = client.post(TYPE, symbol="ETHUSDT", marginType="CROSSED")[1]["code"]
    client.books.set_orders("ETHUSDT", now_ms=NOW, open_orders=0, algo_orders=1)
    algo = client.post(TYPE, symbol="ETHUSDT", marginType="CROSSED")[1]["code"]
    client.books.set_orders("ETHUSDT", now_ms=NOW, algo_orders=0)
    client.books.close_position("BTCUSDT", "net", now_ms=NOW)
    crossed = client.post(TYPE, symbol="ETHUSDT", marginType="CROSSED")[1]["code"]
    client.books.set_multi_assets(on=True, now_ms=NOW)
    shared = client.post(TYPE, symbol="ETHUSDT", marginType="ISOLATED")[1]["code"]
    assert (ordered, algo, crossed, shared) == (-4047, -4047, 200, -4168)


def test_conditional_orders_may_not_matter() -> None:
    client = Client(switches=BinanceSwitches(algo_orders_block_type=False))
    client.books.set_orders("SOLUSDT", now_ms=NOW, algo_orders=1)
    assert client.post(TYPE, symbol="SOLUSDT", marginType="ISOLATED")[0] == 200


def test_a_key_that_may_only_read_cannot_write() -> None:
    client = Client()
    reader = SandboxAccount(key="reader", secret="s", books=client.books, can_trade=False)
    client.binance.serve(reader)
    client.account = reader
    assert client.get("/fapi/v1/accountConfig")["dualSidePosition"] is True
    assert client.margin("BTCUSDT", "LONG", "5", 1)[1]["code"] == -2015


def test_weights_are_counted_refused_and_banned_and_forgiven() -> None:
    client = Client(switches=BinanceSwitches(weight_limit=60, ban_after=2))
    assert client.answer(read("/fapi/v1/openOrders")(client)).headers["x-mbx-used-weight-1m"] == "40"
    statuses = []
    for _ in range(4):
        answer = client.answer(read("/fapi/v1/openAlgoOrders")(client))
        statuses.append((answer.status, json.loads(answer.body)["code"], answer.headers["retry-after"]))
    assert statuses == [(429, -1003, "59"), (429, -1003, "59"), (418, -1003, "120"), (418, -1003, "120")]
    banned = json.loads(client.answer(without_key(client)).body)["msg"]
    assert f"banned until {client.now_ms + 120_000}" in banned
    client.now_ms += 120_000
    assert client.answer(read("/fapi/v2/positionRisk")(client)).status == 200


def test_time_and_instruments_need_no_key() -> None:
    binance = SimulatedBinance([Client().account])
    served = json.loads(binance.handle(Request(method="GET", path="/fapi/v1/time"), NOW).body)
    listed = json.loads(binance.handle(Request(method="GET", path="/fapi/v1/exchangeInfo"), NOW).body)
    assert served == {"serverTime": NOW}
    assert {row["symbol"]: row["marginAsset"] for row in listed["symbols"]}["BTCUSDT"] == "USDT"


def test_every_symbol_and_side_is_a_v2_row() -> None:
    rows = Client().get("/fapi/v2/positionRisk")
    long = rows[0]
    assert [(row["symbol"], row["positionSide"]) for row in rows[:3]] == [
        ("BTCUSDT", "LONG"),
        ("BTCUSDT", "SHORT"),
        ("ETHUSDT", "LONG"),
    ]
    assert len(rows) == 16
    assert long == {
        "symbol": "BTCUSDT",
        "positionSide": "LONG",
        "positionAmt": "0.5",
        "entryPrice": "60000",
        "breakEvenPrice": "60000",
        "markPrice": "60500.00000000",
        "unRealizedProfit": "250.00000000",
        "liquidationPrice": "54216.86746987",
        "leverage": "10",
        "maxNotionalValue": "400000000",
        "marginType": "isolated",
        "isolatedMargin": "3250.00000000",
        "isolatedWallet": "3000.00000000",
        "isAutoAddMargin": "false",
        "notional": "30250.00000000",
        "updateTime": NOW,
    }
    assert rows[1]["positionAmt"] == "-0.2"
    assert {row["symbol"] for row in rows if row["marginType"] == "cross"} == {"SOLUSDT", "ADAUSDT"}


def test_both_rows_and_another_order_are_possible() -> None:
    rows = Client(switches=BinanceSwitches(both_rows_in_hedge=True, rows_reversed=True)).get("/fapi/v2/positionRisk")
    assert [(row["symbol"], row["positionSide"]) for row in rows[-3:]] == [
        ("BTCUSDT", "BOTH"),
        ("BTCUSDT", "LONG"),
        ("BTCUSDT", "SHORT"),
    ]


def test_v3_hides_what_is_flat_and_has_no_settings() -> None:
    client = Client()
    client.books.set_orders("XRPUSDT", now_ms=NOW, open_orders=1)
    rows = client.get("/fapi/v3/positionRisk")
    assert [(row["symbol"], row["positionSide"]) for row in rows] == [
        ("BTCUSDT", "LONG"),
        ("BTCUSDT", "SHORT"),
        ("ETHUSDT", "LONG"),
        ("XRPUSDT", "LONG"),
        ("XRPUSDT", "SHORT"),
        ("DOGEUSDT", "LONG"),
        ("ADAUSDT", "LONG"),
        ("LINKUSDT", "LONG"),
        ("BNBUSDT", "LONG"),
    ]
    assert not {"marginType", "leverage", "isAutoAddMargin", "maxNotionalValue"} & set(rows[0])
    assert client.get("/fapi/v3/positionRisk", symbol="SOLUSDT") == []


def test_settings_are_spelled_as_in_requests() -> None:
    client = Client()
    client.books.set_auto_add("BTCUSDT", ("long",), now_ms=NOW)
    assert client.get("/fapi/v1/symbolConfig", symbol="BTCUSDT") == [
        {
            "symbol": "BTCUSDT",
            "marginType": "ISOLATED",
            "isAutoAddMargin": True,
            "leverage": 10,
            "maxNotionalValue": "400000000",
        }
    ]
    assert client.get("/fapi/v1/symbolConfig", symbol="SOLUSDT")[0]["marginType"] == "CROSSED"


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_a_balance_row_adds_up(version: str) -> None:
    row = Client().get(f"/fapi/{version}/balance")[0]
    assert (row["asset"], row["balance"], row["crossWalletBalance"], row["crossUnPnl"], row["availableBalance"]) == (
        "USDT",
        "14155.00000000",
        "5355.00000000",
        "50.00000000",
        "5000.00000000",
    )


def test_the_account_is_the_same_in_both_versions() -> None:
    client = Client()
    two, three = client.get("/fapi/v2/account"), client.get("/fapi/v3/account")
    assert two["totalWalletBalance"] == three["totalWalletBalance"] == "14155.00000000"
    assert (len(two["positions"]), len(three["positions"])) == (24, 7)
    isolated = {(row["symbol"], row["positionSide"]): row["isolated"] for row in two["positions"]}
    assert (isolated["BTCUSDT", "LONG"], isolated["ADAUSDT", "LONG"]) == (True, False)


def test_modes_are_told_in_three_places() -> None:
    client = Client()
    assert client.get("/fapi/v1/positionSide/dual") == {"dualSidePosition": True}
    assert client.get("/fapi/v1/multiAssetsMargin") == {"multiAssetsMargin": False}
    config = client.get("/fapi/v1/accountConfig")
    assert (config["dualSidePosition"], config["multiAssetsMargin"]) == (True, False)


def test_brackets_come_as_a_list_or_bare() -> None:
    listed = Client().get("/fapi/v1/leverageBracket", symbol="ADAUSDT")
    bare = Client(switches=BinanceSwitches(bare_bracket=True)).get("/fapi/v1/leverageBracket", symbol="ADAUSDT")
    assert listed == [bare]
    assert bare["brackets"][1] == {
        "bracket": 2,
        "initialLeverage": 50,
        "notionalCap": 100000,
        "notionalFloor": 10000,
        "maintMarginRatio": 0.01,
        "cum": 35,
    }


def test_open_orders_are_in_two_lists() -> None:
    client = Client()
    client.books.set_orders("SOLUSDT", now_ms=NOW, open_orders=1, algo_orders=2)
    assert [row["symbol"] for row in client.get("/fapi/v1/openOrders")] == ["SOLUSDT"]
    assert len(client.get("/fapi/v1/openAlgoOrders", symbol="SOLUSDT")) == 2
    assert client.get("/fapi/v1/openOrders", symbol="BTCUSDT") == []


def moved() -> Client:
    """An account in which much has happened to BTCUSDT.long, a second apart."""
    client = Client()
    books = client.books
    books.move_margin("BTCUSDT", "long", D(300), now_ms=NOW + 1000, by=HUMAN)
    books.fund("BTCUSDT", "long", D("-4.2"), now_ms=NOW + 2000)
    books.auto_add("BTCUSDT", "long", D(20), now_ms=NOW + 3000)
    books.move_margin("BTCUSDT", "long", D(-100), now_ms=NOW + 4000, by=HUMAN)
    books.close_position("BTCUSDT", "short", now_ms=NOW + 5000)
    client.now_ms = NOW + 6000
    return client


def test_the_history_shows_moves_and_fills() -> None:
    rows = moved().get(f"{MARGIN}/history", symbol="BTCUSDT", startTime=NOW + 1)
    assert [(row["deltaType"], row["type"], row["amount"], row["positionSide"], row["time"]) for row in rows] == [
        ("USER_ADJUST", 1, "300.00000000", "LONG", NOW + 1000),
        ("USER_ADJUST", 2, "100.00000000", "LONG", NOW + 4000),
        ("TRADE", 2, "-2500.00000000", "SHORT", NOW + 5000),
    ]


def test_the_history_is_filtered_and_cut() -> None:
    client = moved()
    path = f"{MARGIN}/history"
    reductions = client.get(path, symbol="BTCUSDT", type=2, startTime=NOW + 1)
    first = client.get(path, symbol="BTCUSDT", startTime=NOW + 1, limit=1)
    last = client.get(path, symbol="BTCUSDT", limit=1)
    until = client.get(path, symbol="BTCUSDT", startTime=NOW + 1, endTime=NOW + 1000)
    assert [row["time"] - NOW for row in (*reductions, *first, *last, *until)] == [4000, 5000, 1000, 5000, 1000]


def test_what_the_history_shows_is_a_switch() -> None:
    client = moved()
    client.binance.switches = BinanceSwitches(
        negative_reductions=True,
        history_descending=True,
        history_auto_rows="AUTO_ADD",
        history_funding_rows="FUNDING_FEE",
        history_fill_rows=None,
    )
    rows = client.get(f"{MARGIN}/history", symbol="BTCUSDT", startTime=NOW + 1)
    assert [(row["deltaType"], row["amount"]) for row in rows] == [
        ("USER_ADJUST", "-100.00000000"),
        ("AUTO_ADD", "20.00000000"),
        ("FUNDING_FEE", "-4.20000000"),
        ("USER_ADJUST", "300.00000000"),
    ]


def test_funding_is_income() -> None:
    client = moved()
    rows = client.get("/fapi/v1/income", symbol="BTCUSDT", incomeType="FUNDING_FEE")
    assert [(row["incomeType"], row["income"], row["time"]) for row in rows] == [
        ("FUNDING_FEE", "-4.20000000", NOW + 2000)
    ]
    assert [row["income"] for row in client.get("/fapi/v1/income", startTime=NOW)] == ["-4.20000000", "100.00000000"]


def test_income_comes_in_pages() -> None:
    client = Client()
    for number in range(5):
        client.books.fund("BTCUSDT", "long", D(number + 1), now_ms=NOW + number)
    pages = [client.get("/fapi/v1/income", startTime=NOW, limit=2, page=page) for page in (1, 2, 3, 4)]
    assert [[row["income"][0] for row in page] for page in pages] == [["1", "2"], ["3", "4"], ["5"], []]
