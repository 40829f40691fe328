"""Every code of the table; and what an answer to a write proves."""

import pytest

from reconcile.errors import InDoubt, RefusalKind, Refused
from reconcile.exchanges.base import Accepted, CodeClass
from reconcile.exchanges.bitget.codes import TWO_FACED, names_a_parameter
from reconcile.exchanges.bitget.dialect import WRITING
from reconcile.exchanges.http.answers import write_answer
from reconcile.exchanges.http.wire import HttpResponse
from tests.kit.bitget_account import SET_MARGIN, SET_MODE, data, refusal
from tests.kit.fakes import answer

DOCUMENTED = {
    CodeClass.CLOCK: "40005 40008 40004",
    CodeClass.THROTTLE: "429 70228 25004",
    CodeClass.LATER: "40200 40842 45043 40844 41114 25102 40878 22045 22067 40879 40880 45009 25008 25012 40308 40795",
    CodeClass.DOUBT: (
        "40010 40910 25001 40015 40725 45001 40909 43137 43059 40782 50031 80002 25000 40808 01001 "
        "40911 40078 40079 40908 25003 25202 25203 25601"
    ),
    CodeClass.STATE: (
        "45117 40920 40872 22072 22051 22054 22055 40716 22005 22069 22070 22071 45098 45099 45100 45101 "
        "22002 43043 40802 40838 40709 25227 40875 40839 40309 40845 41113 40874 45102 22011 "
        "40847 43075 40726 40727 40884 40885 40886"
    ),
    CodeClass.FUNDS: ("40800 40798 40754 43012 45002 40801 43117 25242 40762 40893 45047 40711 40712 40713"),
    CodeClass.REQUEST: (
        "40017 400171 400172 40019 40020 40034 40053 40057 40058 40059 40072 40102 40409 40724 40778 40805 "
        "40811 40812 40813 41101 41103 43011 45025 48001 48002 40007 40404 30032 40799 00001 "
        "40203 40204 40205 40206 40207 40208 01002 20001 40064 40705 40707 40806 40822 43048 43049 "
        "00171 00172 41002 43058"
    ),
    CodeClass.PERMISSION: (
        "40001 40002 40003 40006 40009 40011 40012 40036 40037 40041 40014 40018 40038 22010 40013 40016 40022 "
        "40023 40024 40025 40026 40031 40710 40752 40753 40760 40916 40000 40068 40103 40104 40085 40128 25245 "
        "40714 40919 22025 22053 40061 40807 45019 40772 41001 40099"
    ),
}
OF_OTHER_CALLS = "40814 45054 40803"
PROVES = {code: proves for proves, codes in DOCUMENTED.items() for code in codes.split()}


def classify(response: HttpResponse, call: str = SET_MARGIN) -> Accepted | Refused | InDoubt:
    try:
        return write_answer("sending", response, WRITING[call], now_ms=None)
    except (Refused, InDoubt) as error:
        return error


@pytest.mark.parametrize(
    "text",
    [
        "Parameter verification exception margin mode == FIXED",
        "Parameter verification exception size checkBDScale error value=2293.577 checkScale=2",
        "holdSide is wrong",
        "amount error",
        "productType error",
    ],
)
@pytest.mark.parametrize("code", sorted(TWO_FACED))
def test_a_two_faced_code_that_names_a_parameter_is_a_refused_request(text: str, code: str) -> None:
    ended = classify(refusal(code, message=text))
    assert isinstance(ended, Refused)
    assert (ended.code, ended.kind) == (code, RefusalKind.REQUEST)


@pytest.mark.parametrize("text", ["", "Parameter verification exception", "service is upgrading", "amounts", "scaled"])
@pytest.mark.parametrize("code", sorted(TWO_FACED))
def test_a_two_faced_code_that_names_none_is_doubt(text: str, code: str) -> None:
    assert isinstance(classify(refusal(code, message=text)), InDoubt)
    assert not names_a_parameter(text)


def test_another_code_with_a_parameter_in_its_text_keeps_its_class() -> None:
    assert isinstance(classify(refusal("40015", message="margin mode amount")), InDoubt)


@pytest.mark.parametrize("payload", ["", None, "success"])
def test_a_margin_call_succeeds_with_an_empty_text(payload: object) -> None:
    ended = classify(data(payload))
    assert isinstance(ended, Accepted)


def test_a_mode_call_succeeds_with_the_mode() -> None:
    assert isinstance(classify(data({"symbol": "ETHUSDT", "marginMode": "isolated"}), SET_MODE), Accepted)


@pytest.mark.parametrize(
    ("body", "call"),
    [
        ({"code": "00000", "msg": "success"}, SET_MARGIN),
        ({"code": "00000", "msg": "success", "data": {}}, SET_MARGIN),
        ({"code": "00000", "msg": "success", "data": ""}, SET_MODE),
        ({"code": "00000", "msg": "success", "data": None}, SET_MODE),
        ({"code": 0, "msg": "success", "data": ""}, SET_MARGIN),
        ({"code": 1, "message": "System error"}, SET_MARGIN),
        ({"msg": "failure to get a peer from the ring-balancer"}, SET_MARGIN),
        ([], SET_MARGIN),
    ],
)
@pytest.mark.parametrize("status", [200, 403, 429])
def test_a_body_of_another_shape_is_doubt(body: object, call: str, status: int) -> None:
    assert isinstance(classify(answer(body, status), call), InDoubt)


def test_a_success_with_a_refusing_status_is_doubt() -> None:
    assert isinstance(classify(data("", status=400)), InDoubt)
