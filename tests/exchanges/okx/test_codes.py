"""Every code of the table, once; and what an answer to a margin call proves."""

import pytest

from reconcile.errors import InDoubt, RefusalKind, Refused
from reconcile.exchanges.base import Accepted, CodeClass
from reconcile.exchanges.http.answers import write_answer
from reconcile.exchanges.http.wire import HttpResponse
from reconcile.exchanges.okx.dialect import WRITING
from tests.kit.fakes import answer
from tests.kit.okx_account import data, refusal

DOCUMENTED = {
    CodeClass.DOUBT: "50004 50001 50013 50026 51054 51149 50042 50061 54012",
    CodeClass.THROTTLE: "50011 50040 58102",
    CodeClass.LATER: "50017 50018 50019 50020 50021 50022 50023 51029 51030 50046 50062 59302 50064",
    CodeClass.STATE: "59300 51023 51043",
    CodeClass.FUNDS: "59301 59303 59200 51008 51127 51131 59201 50069",
    CodeClass.CLOCK: "50102 50112",
    CodeClass.REQUEST: "50000 50002 50006 50014 50015 50016 50024 51000 51001 51015 50115 50005 51150 50010 50025",
    CodeClass.PERMISSION: (
        "50101 50103 50104 50105 50106 50107 50111 50113 50114 50119 50120 50030 50110 50121 50035 50100 "
        "50007 50008 50009 50012 50027 50029 50032 50033 50041 50051 50052 50059 50060 50067 50072 51010 "
        "51024 51155 51734 50038 51158 59005 59006 50108 50109 50028 51009 59113 59114"
    ),
}
OF_OTHER_CALLS = "59101 59102 59103 59104 59105 59106 59107 59108 59109 59112 59247 59668 59669 59670 59000"
PROVES = {code: proves for proves, codes in DOCUMENTED.items() for code in codes.split()}


def classify(response: HttpResponse) -> Accepted | Refused | InDoubt:
    try:
        return write_answer("sending", response, WRITING, now_ms=None)
    except (Refused, InDoubt) as error:
        return error


def test_a_sub_code_is_stripped() -> None:
    ended = classify(refusal("51008_1000"))
    assert isinstance(ended, Refused)
    assert (ended.code, ended.kind) == ("51008", RefusalKind.FUNDS)


@pytest.mark.parametrize("outer", ["1", "2"])
def test_an_order_style_answer_is_read_from_its_first_row(outer: str) -> None:
    body = {"code": outer, "msg": "failed", "data": [{"sCode": "59300", "sMsg": "no position"}]}
    ended = classify(answer(body))
    assert isinstance(ended, Refused)
    assert ended.code == "59300"
    assert "no position" in str(ended)


@pytest.mark.parametrize(
    "rows", [None, [], [{}], ["59300"], [{"sCode": ""}], [{"sCode": "0"}], [{"sCode": 59300}], {"sCode": "59300"}]
)
def test_an_order_style_answer_without_a_code_in_its_row_is_doubt(rows: object) -> None:
    assert isinstance(classify(answer({"code": "1", "msg": "", "data": rows})), InDoubt)


def test_a_refusal_of_the_gateway_needs_no_data() -> None:
    ended = classify(answer({"msg": "Timestamp request expired", "code": "50102"}, 401))
    assert isinstance(ended, Refused)
    assert ended.kind is RefusalKind.CLOCK


def test_a_success_that_repeats_the_call_is_a_yes() -> None:
    ended = classify(data({"instId": "ETH-USDT-SWAP", "type": "add", "amt": "25", "leverage": "", "ccy": "USDT"}))
    assert isinstance(ended, Accepted)


@pytest.mark.parametrize(
    "body",
    [
        {"code": "0", "msg": "", "data": []},
        {"code": "0", "msg": ""},
        {"code": "0", "msg": "", "data": None},
        {"code": "0", "msg": "", "data": [{}]},
        {"code": "0", "msg": "", "data": ["add"]},
        {"code": 0, "msg": "", "data": [{"instId": "X", "type": "add", "amt": "1"}]},
        {"code": "", "msg": ""},
        {"msg": "Too Many Requests"},
        [],
    ],
)
@pytest.mark.parametrize("status", [200, 403, 429])
def test_a_success_of_another_shape_is_doubt(body: object, status: int) -> None:
    assert isinstance(classify(answer(body, status)), InDoubt)


def test_a_success_with_a_refusing_status_is_doubt() -> None:
    assert isinstance(classify(data({"instId": "X", "type": "add", "amt": "1"}, status=400)), InDoubt)


def test_a_throttle_tells_how_long_the_exchange_asks_to_wait() -> None:
    ended = classify(answer({"code": "50011", "msg": "Too Many Requests"}, 429, retry_after="3"))
    assert isinstance(ended, Refused)
    assert ended.retry_after_ms == 3_000
