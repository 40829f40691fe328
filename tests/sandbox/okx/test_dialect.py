"""The OKX dialect: envelope, signatures, codes, limits, ledger and the effects on the books."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from reconcile.sandbox.gate import signature
from reconcile.sandbox.http import Lag, Request
from reconcile.sandbox.okx.gate import OkxSwitches
from reconcile.sandbox.values import HUMAN
from tests.kit.binance_client import NOW, D
from tests.kit.okx_client import MARGIN, OkxClient, okx_books

BTC, ETH, COIN = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "BTC-USD-SWAP"
POSITIONS, BILLS = "/api/v5/account/positions", "/api/v5/account/bills"


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "expected"),
    [
        (
            "POST",
            MARGIN,
            "",
            b'{"instId":"BTC-USDT-SWAP","posSide":"net","type":"add","amt":"12.5"}',
            "cZreCLuP/PNunbxOv9JuhDWMQjDcNlYg5u8Vblr9Q5M=",
        ),
        ("GET", POSITIONS, "instType=SWAP", b"", "EWm+TLBi08fvYAxtjRO8H41hfT+2jQA/BFXZoC25r/c="),
    ],
)
def test_the_signature_is_that_of_the_vectors(method: str, path: str, query: str, body: bytes, expected: str) -> None:
    headers = {"ok-access-timestamp": "2026-01-02T03:04:05.678Z"}
    request = Request(method=method, path=path, query=query, body=body, headers=headers)
    assert signature("SIM-SECRET", headers["ok-access-timestamp"], request) == expected


def test_an_addition_moves_cash_into_the_position_and_leaves_one_bill() -> None:
    client = OkxClient()
    before = client.books.cross["USDT"]
    status, body = client.post(MARGIN, instId=BTC, posSide="long", type="add", amt="25.5", loanTrans="", auto="x")
    row = {"instId": BTC, "posSide": "long", "type": "add", "amt": "25.5", "leverage": "", "ccy": "USDT"}
    assert (status, body) == (200, {"code": "0", "msg": "", "data": [row]})
    assert client.books.margin(BTC, "long") == D("3025.5")
    assert client.books.cross["USDT"] == before - D("25.5")
    bill = client.get(BILLS, type="6", instId=BTC, mgnMode="isolated")[0]
    told = {name: bill[name] for name in ("type", "subType", "sz", "balChg", "posBalChg", "posBal", "ordId")}
    assert told == {
        "type": "6",
        "subType": "160",
        "sz": "25.5",
        "balChg": "-25.5",
        "posBalChg": "25.5",
        "posBal": "3025.5",
        "ordId": "",
    }
    assert "posSide" not in bill


def test_a_reduction_moves_it_back_with_mirrored_signs() -> None:
    client = OkxClient()
    assert client.margin(BTC, "short", "reduce", "100") == (200, "0")
    assert client.books.margin(BTC, "short") == 2400
    bill = client.get(BILLS, subType="161")[0]
    assert (bill["sz"], bill["balChg"], bill["posBalChg"]) == ("100", "100", "-100")


def test_only_the_isolated_row_of_an_instrument_takes_margin() -> None:
    client = OkxClient()
    client.margin(BTC, "long", "add", "1")
    rows = {row["mgnMode"]: row for row in client.get(POSITIONS, instId=BTC) if row["posSide"] == "long"}
    assert rows["isolated"]["margin"] == "3001"
    assert rows["isolated"]["imr"] == ""
    assert rows["cross"]["margin"] == ""
    assert rows["cross"]["imr"] == "605"
    assert rows["cross"]["posId"] != rows["isolated"]["posId"]


def test_margin_of_an_inverse_contract_is_in_coin() -> None:
    client = OkxClient()
    assert client.margin(COIN, "long", "add", "0.01234567") == (200, "0")
    assert client.books.margin(COIN, "long") == D("0.07234567")
    row = client.get(POSITIONS, instId=COIN)[0]
    assert (row["ccy"], row["margin"]) == ("BTC", "0.07234567")


def test_in_one_way_mode_the_sign_of_the_position_is_its_direction() -> None:
    client = OkxClient(books=okx_books(mode="one-way"))
    assert client.get(POSITIONS)[0]["pos"] == "-50"
    assert client.margin(BTC, "net", "add", "10") == (200, "0")
    assert client.margin(BTC, "short", "add", "10") == (400, "51000")
    assert client.books.margin(BTC, "net") == 4010


Change = Callable[[OkxClient], Any]


def _close(client: OkxClient) -> None:
    client.books.close_position(ETH, "long", now_ms=client.now_ms)


def _conditional(client: OkxClient) -> None:
    client.books.set_orders(ETH, now_ms=client.now_ms, algo_orders=1)


class No(NamedTuple):
    """A margin call that is refused: what is changed in it, in the account and in the exchange, and what it answers."""

    body: dict[str, object]
    status: int
    code: str
    change: Change | None = None
    switches: dict[str, Any] = {}  # noqa: RUF012 - never changed


REFUSED = [
    No({"instId": ""}, 400, "50014"),
    No({"posSide": None}, 400, "50014"),
    No({"type": ""}, 400, "50014"),
    No({"amt": ""}, 400, "50014"),
    No({"type": "set"}, 400, "51000"),
    No({"posSide": "both"}, 400, "51000"),
    No({"posSide": "net"}, 400, "51000"),
    No({"amt": "-1"}, 400, "51000"),
    No({"amt": "0"}, 400, "51000"),
    No({"amt": "1e3"}, 400, "51000"),
    No({"amt": "1.0000001"}, 400, "51000"),
    No({"amt": "0.5"}, 400, "51000", switches={"minimum": "1"}),
    No({"instId": "X-USDT-SWAP"}, 200, "51001"),
    No({}, 200, "51010", switches={"account_level": 1}),
    No({}, 200, "50072", switches={"account_level": 3, "isolated_ended": True}),
    No({}, 200, "59300", change=_close),
    No({"instId": "SOL-USDT-SWAP", "posSide": "short"}, 200, "59300"),
    No({}, 200, "59302", change=_conditional),
    No({"type": "reduce", "amt": "301"}, 200, "59301"),
    No({"amt": "5001"}, 200, "59303"),
    No({"amt": "5001"}, 200, "51008", switches={"over_add_code": "51008"}),
]


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: f"{refused.code} {refused.body}")
def test_a_margin_call_is_refused_with_its_code_and_changes_nothing(refused: No) -> None:
    client = OkxClient(switches=OkxSwitches(**refused.switches))
    if refused.change is not None:
        refused.change(client)
    before = (dict(client.books.positions), client.books.revision)
    body = {"instId": ETH, "posSide": "long", "type": "add", "amt": "10", **refused.body}
    got, told = client.post(MARGIN, **{name: value for name, value in body.items() if value is not None})
    assert (got, told["code"], told["data"]) == (refused.status, refused.code, [])
    assert (dict(client.books.positions), client.books.revision) == before


UNSIGNED: list[tuple[dict[str, str], dict[str, object], int, str]] = [
    ({"ok-access-key": ""}, {}, 401, "50103"),
    ({"ok-access-passphrase": ""}, {}, 401, "50104"),
    ({"ok-access-sign": ""}, {}, 401, "50106"),
    ({"ok-access-timestamp": ""}, {}, 401, "50107"),
    ({"ok-access-key": "nobody"}, {}, 401, "50111"),
    ({"ok-access-key": "nobody"}, {"unknown_key_code": "50119"}, 401, "50119"),
    ({"ok-access-passphrase": "other"}, {}, 401, "50105"),
    ({"ok-access-sign": "AAAA"}, {}, 401, "50113"),
    ({}, {"key_kind": "demo"}, 401, "50101"),
    ({"x-simulated-trading": "1"}, {"key_kind": "live"}, 401, "50101"),
    ({"content-type": "text/plain"}, {}, 400, "50006"),
]


@pytest.mark.parametrize(("headers", "switches", "status", "code"), UNSIGNED)
def test_what_the_gate_refuses(headers: dict[str, str], switches: dict[str, Any], status: int, code: str) -> None:
    client = OkxClient(headers=headers, switches=OkxSwitches(**switches))
    got, body = client.post(MARGIN, instId=ETH, posSide="long", type="add", amt="10")
    assert (got, body["code"]) == (status, code)
    assert ("data" in body) == (status != 401)
    assert client.books.margin(ETH, "long") == 1500


@pytest.mark.parametrize(("kind", "header"), [("demo", "1"), ("live", "0"), ("live", None), ("any", "1")])
def test_a_key_works_in_its_own_environment(kind: str, header: str | None) -> None:
    headers = {} if header is None else {"x-simulated-trading": header}
    client = OkxClient(switches=OkxSwitches(key_kind=kind), headers=headers)
    assert client.margin(ETH, "long", "add", "10") == (200, "0")


@pytest.mark.parametrize(("late_ms", "code"), [(30_000, "0"), (30_001, "50102"), (-30_000, "0"), (-30_001, "50102")])
def test_a_request_counts_within_thirty_seconds_of_its_timestamp(late_ms: int, code: str) -> None:
    client = OkxClient()
    client.signed_ms = client.now_ms - late_ms
    assert client.margin(ETH, "long", "add", "10")[1] == code


@pytest.mark.parametrize("stamp", ["2026-01-01", "1767225601000", "2026-13-01T00:00:00.000Z", "2026-01-01T00:00:01Z"])
def test_a_timestamp_in_another_form_is_invalid(stamp: str) -> None:
    client = OkxClient()
    request = client.request("GET", POSITIONS, {}, b"")
    changed = Request(method="GET", path=POSITIONS, headers={**request.headers, "ok-access-timestamp": stamp}, serial=1)
    headers = {**changed.headers, "ok-access-sign": signature(client.account.secret, stamp, changed)}
    assert client.send(changed, headers=headers)[1]["code"] == "50112"


def test_a_read_only_key_cannot_move_margin() -> None:
    client = OkxClient()
    account = client.account
    client.dialect.serve(
        type(account)(
            key=account.key,
            secret=account.secret,
            passphrase=account.passphrase,
            books=account.books,
            can_trade=False,
        )
    )
    assert client.margin(ETH, "long", "add", "10") == (401, "50120")
    assert client.get("/api/v5/account/config")[0]["perm"] == "read_only"


@pytest.mark.parametrize(
    ("body", "status", "code"), [(b"", 400, "50000"), (b"{", 400, "50002"), (b"[]", 400, "50002"), (b"1", 400, "50002")]
)
def test_a_body_that_is_no_object_is_refused(body: bytes, status: int, code: str) -> None:
    client = OkxClient()
    got, told = client.send(client.request("POST", MARGIN, {}, body))
    assert (got, told["code"]) == (status, code)


def test_the_wrong_method_and_an_unknown_path() -> None:
    client = OkxClient()
    assert client.ask(MARGIN) == (405, {"code": "50115", "msg": "Invalid request method.", "data": []})
    assert client.ask("/api/v5/nothing")[0] == 404


RATES: list[tuple[str, dict[str, Any], int, int]] = [
    (POSITIONS, {}, 10, 2_000),
    (BILLS, {}, 5, 1_000),
    ("/api/v5/account/bills-archive", {}, 5, 2_000),
    ("/api/v5/account/config", {}, 5, 2_000),
    ("/api/v5/account/balance", {}, 10, 2_000),
    ("/api/v5/public/time", {}, 10, 2_000),
    ("/api/v5/public/instruments", {"instType": "SWAP"}, 20, 2_000),
    ("/api/v5/system/status", {}, 1, 5_000),
]


@pytest.mark.parametrize(("path", "params", "count", "window_ms"), RATES)
def test_each_endpoint_has_its_own_bucket(path: str, params: dict[str, Any], count: int, window_ms: int) -> None:
    client = OkxClient()
    assert {client.ask(path, **params)[1]["code"] for _ in range(count)} == {"0"}
    assert [client.ask(path, **params) for _ in range(2)] == [
        (200, {"code": "50011", "msg": "Too Many Requests", "data": []}),
        (429, {"msg": "Too Many Requests", "code": "50011"}),
    ]
    client.now_ms += window_ms
    assert client.ask(path, **params)[1]["code"] == "0"


def test_the_margin_call_takes_twenty_in_two_seconds_and_a_refused_one_moves_nothing() -> None:
    client = OkxClient()
    codes = [client.margin(ETH, "long", "add", "1")[1] for _ in range(21)]
    assert codes == ["0"] * 20 + ["50011"]
    assert client.books.margin(ETH, "long") == 1520


def test_closed_positions_only_show_where_their_instrument_is_asked_for() -> None:
    client = OkxClient()
    _close(client)
    assert [row for row in client.get(POSITIONS) if row["instId"] == ETH] == []
    rows = client.get(POSITIONS, instId=ETH)
    assert [(row["pos"], row["margin"], row["posSide"]) for row in rows] == [("0", "", "long")]


def test_positions_are_filtered_by_type_instrument_and_id() -> None:
    client = OkxClient()
    rows = client.get(POSITIONS)
    assert len(rows) == 8
    one = client.get(POSITIONS, posId=rows[0]["posId"])
    assert one == [rows[0]]
    assert client.get(POSITIONS, instType="FUTURES") == []
    assert len(client.get(POSITIONS, instType="SWAP", instId=f"{BTC},{ETH}")) == 4


def test_a_reopened_position_keeps_its_id_and_has_a_new_creation_time() -> None:
    client = OkxClient()
    before = client.get(POSITIONS, instId=ETH)[0]
    client.now_ms += 5
    client.books.reopen(ETH, "long", now_ms=client.now_ms, by=HUMAN)
    after = client.get(POSITIONS, instId=ETH)[0]
    assert after["posId"] == before["posId"]
    assert after["cTime"] != before["cTime"]


def test_funding_changes_the_position_and_not_the_cash() -> None:
    client = OkxClient()
    client.books.fund(ETH, "long", D("-4.2"), now_ms=client.now_ms)
    bill = client.get(BILLS, type="8")[0]
    assert (bill["subType"], bill["balChg"], bill["posBalChg"]) == ("173", "0", "-4.2")


def test_bills_are_paged_both_ways_and_the_newest_come_first() -> None:
    client = OkxClient()
    for number in range(1, 6):
        client.now_ms += 2_000
        client.margin(ETH, "long", "add", str(number))
    sizes = [row["sz"] for row in client.get(BILLS, type="6", limit=2)]
    assert sizes == ["5", "4"]
    newest = client.get(BILLS, type="6", limit=2)[-1]["billId"]
    assert [row["sz"] for row in client.get(BILLS, type="6", limit=2, after=newest)] == ["3", "2"]
    assert [row["sz"] for row in client.get(BILLS, type="6", before=newest)] == ["5"]
    stamp = client.now_ms - 4_000
    assert [row["sz"] for row in client.get(BILLS, type="6", begin=stamp, end=stamp)] == ["3"]


def test_bills_reach_a_week_and_the_archive_three_months() -> None:
    client = OkxClient()
    client.margin(ETH, "long", "add", "1")
    client.now_ms += 8 * 86_400_000
    assert client.get(BILLS, type="6") == []
    assert len(client.get("/api/v5/account/bills-archive", type="6")) == 1
    client.now_ms += 90 * 86_400_000
    assert client.get("/api/v5/account/bills-archive", type="6") == []


def test_a_read_can_be_behind_each_kind_by_itself() -> None:
    client = OkxClient(books=okx_books(keep_ms=60_000))
    client.margin(ETH, "long", "add", "10")
    client.now_ms += 100
    behind = client.get(POSITIONS, instId=ETH, lag=Lag(positions_ms=200))[0]
    assert behind["margin"] == "1500"
    assert client.get(BILLS, type="6", lag=Lag(ledger_ms=200)) == []
    assert client.get(POSITIONS, lag=Lag(empty=True)) == []


def test_isolated_margin_has_left_the_cash_balance() -> None:
    client = OkxClient()
    client.margin(ETH, "long", "add", "10")
    details = {row["ccy"]: row for row in client.get("/api/v5/account/balance")[0]["details"]}
    cash = client.books.cross["USDT"]
    assert D(details["USDT"]["cashBal"]) == cash
    assert D(details["USDT"]["availBal"]) == 4990
    assert D(details["USDT"]["frozenBal"]) == D(details["USDT"]["isoEq"])
    size = client.get("/api/v5/account/max-avail-size", instId=ETH, tdMode="isolated")[0]
    assert size["availBuy"] == "4990"
    assert client.get("/api/v5/account/balance", ccy="BTC")[0]["details"][0]["cashBal"] == "0.2"


def test_lowering_the_leverage_of_an_isolated_position_pulls_cash_in() -> None:
    client = OkxClient()
    path = "/api/v5/account/set-leverage"
    _, body = client.post(path, instId=ETH, lever="4", mgnMode="isolated", posSide="long")
    assert body["code"] == "0"
    assert client.books.margin(ETH, "long") == 3000 - 40
    bill = client.get(BILLS, type="6")[0]
    assert (bill["subType"], bill["posBalChg"]) == ("162", "1460")
    info = client.get("/api/v5/account/leverage-info", instId=ETH, mgnMode="isolated")
    assert (info[0]["posSide"], info[0]["lever"]) == ("long", "4")


@pytest.mark.parametrize(
    ("changed", "code"),
    [({"lever": "101"}, "59102"), ({"lever": "1"}, "59108"), ({"posSide": "net"}, "51000"), ({"lever": "x"}, "51000")],
)
def test_leverages_that_cannot_be_set(changed: dict[str, str], code: str) -> None:
    client = OkxClient()
    client.books.deposit("USDT", -D(4_000), now_ms=NOW)
    body = {"instId": ETH, "lever": "5", "mgnMode": "isolated", "posSide": "long", **changed}
    assert client.post("/api/v5/account/set-leverage", **body)[1]["code"] == code


def test_the_modes_of_the_account_cannot_change_while_anything_is_open() -> None:
    client = OkxClient()
    assert client.post("/api/v5/account/set-position-mode", posMode="net_mode")[1]["code"] == "59000"
    body = {"isoMode": "automatic", "type": "CONTRACTS"}
    assert client.post("/api/v5/account/set-isolated-mode", **body)[1]["code"] == "59000"
    assert client.post("/api/v5/account/set-isolated-mode", **{**body, "isoMode": "autonomy"})[1]["code"] == "59005"


def test_contract_data_is_public() -> None:
    client = OkxClient()
    linear, inverse = (
        client.get("/api/v5/public/instruments", instType="SWAP", instId=name)[0] for name in (ETH, COIN)
    )
    assert (linear["ctType"], linear["ctVal"], linear["settleCcy"]) == ("linear", "0.1", "USDT")
    assert (inverse["ctType"], inverse["ctVal"], inverse["settleCcy"]) == ("inverse", "100", "BTC")
    params: dict[str, Any] = {"instType": "SWAP", "tdMode": "isolated", "instFamily": "BTC-USD,ETH-USDT"}
    rows = client.get("/api/v5/public/position-tiers", **params)
    assert [row["maxSz"] for row in rows if row["instFamily"] == "BTC-USD"][:2] == ["2000", "8000"]
    assert [row["minSz"] for row in rows if row["instFamily"] == "BTC-USD"][:2] == ["0", "2000.1"]
    assert json.loads(client.dialect.handle(Request(method="GET", path="/api/v5/public/time"), NOW).body)["data"] == [
        {"ts": str(NOW)}
    ]


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("/api/v5/public/instruments", {}, "50014"),
        ("/api/v5/public/instruments", {"instType": "X"}, "51000"),
        ("/api/v5/public/instruments", {"instType": "SWAP", "instId": "X"}, "51001"),
        ("/api/v5/public/position-tiers", {"instType": "SWAP", "tdMode": "isolated"}, "50014"),
        ("/api/v5/public/position-tiers", {"instType": "SWAP"}, "50014"),
        (BILLS, {"limit": 101}, "51000"),
        (BILLS, {"begin": "yesterday"}, "51000"),
        (POSITIONS, {"instType": "X"}, "51000"),
    ],
)
def test_reads_that_ask_for_nonsense(path: str, params: dict[str, Any], code: str) -> None:
    assert OkxClient().ask(path, **params)[1]["code"] == code


@pytest.mark.parametrize(
    ("switches", "signs"), [({}, ("100", "-100")), ({"reduce_bills_positive": True}, ("100", "100"))]
)
def test_the_signs_of_a_reduction_are_a_switch(switches: dict[str, Any], signs: tuple[str, str]) -> None:
    client = OkxClient(switches=OkxSwitches(**switches))
    client.margin(BTC, "short", "reduce", "100")
    bill = client.get(BILLS, subType="161")[0]
    assert (bill["balChg"], bill["posBalChg"]) == signs


def test_finer_amounts_can_be_cut_instead_of_refused() -> None:
    client = OkxClient(switches=OkxSwitches(cut_amounts=True))
    assert client.margin(ETH, "long", "add", "1.00000099") == (200, "0")
    assert client.books.margin(ETH, "long") == 1501


def test_net_can_stand_for_the_only_isolated_side() -> None:
    client = OkxClient(switches=OkxSwitches(net_in_hedge=True))
    assert client.margin(ETH, "net", "add", "1") == (200, "0")
    assert client.margin(BTC, "net", "add", "1") == (200, "59300")


@pytest.mark.parametrize(("block", "add"), [(True, "59302"), (False, "0")])
def test_a_pending_close_order_blocks_reductions_and_perhaps_additions(block: bool, add: str) -> None:  # noqa: FBT001
    client = OkxClient(switches=OkxSwitches(close_orders_block_add=block))
    _conditional(client)
    assert client.margin(ETH, "long", "add", "1")[1] == add
    assert client.margin(ETH, "long", "reduce", "1")[1] == "59302"


def test_what_could_be_taken_out_is_told_at_the_present_leverage() -> None:
    params: dict[str, Any] = {
        "instType": "SWAP",
        "mgnMode": "isolated",
        "lever": "10",
        "instId": ETH,
        "posSide": "long",
    }
    path = "/api/v5/account/adjust-leverage-info"
    assert OkxClient().get(path, **params)[0]["estAvailTrans"] == "300"
    quiet = OkxClient(switches=OkxSwitches(adjust_tells_removable=False))
    assert quiet.get(path, **params)[0]["estAvailTrans"] == ""
