"""What Binance's answers prove: every documented code has one class, and nothing undocumented proves anything."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.errors import InDoubt, ReadFailed, RefusalKind, Refused
from reconcile.exchanges.base import Accepted, CodeClass
from reconcile.exchanges.binance.codes import CODES, MARGIN, READ, TYPE, WRITE
from reconcile.exchanges.binance.dialect import classify
from reconcile.exchanges.http.answers import clean, read_answer
from reconcile.exchanges.http.wire import HttpResponse
from tests.kit.fakes import SERVED_MS, answer

C = CodeClass
# what a code proves about (positionMargin, marginType); every code of the documentation that we know of
EXPECTED: dict[str, tuple[CodeClass, CodeClass]] = {
    **dict.fromkeys(("-4046", "-4067", "-4068"), (C.DOUBT, C.ALREADY)),
    **dict.fromkeys(("-4047", "-4048", "-4049", "-4052", "-4053", "-4054", "-4060", "-4061"), (C.STATE, C.STATE)),
    **dict.fromkeys(("-4168", "-2027", "-2028", "-1122", "-4141"), (C.STATE, C.STATE)),
    **dict.fromkeys(("-4050", "-4051", "-2018", "-2019"), (C.FUNDS, C.FUNDS)),
    **dict.fromkeys(("-2023", "-1016"), (C.LATER, C.LATER)),
    **dict.fromkeys(("-1003", "-1015"), (C.THROTTLE, C.THROTTLE)),
    "-1021": (C.CLOCK, C.CLOCK),
    **dict.fromkeys(("-1022", "-1002", "-1099", "-2014", "-2015", "-2017"), (C.PERMISSION, C.PERMISSION)),
    **dict.fromkeys(("-4084", "-4109", "-4192", "-4402", "0"), (C.PERMISSION, C.PERMISSION)),
    **dict.fromkeys(("-1000", "-1001", "-1006", "-1007", "-1008"), (C.DOUBT, C.DOUBT)),
    **dict.fromkeys(("-4059", "-4131", "-4161", "-4167", "-4169", "-4170", "-4171", "-4172"), (C.DOUBT, C.DOUBT)),
    **dict.fromkeys(("-4531", "-4189"), (C.DOUBT, C.DOUBT)),
    **dict.fromkeys(("-1011", "-2008", "-4408", "-4411", "-1109", "-4027"), (C.PERMISSION, C.PERMISSION)),
    **dict.fromkeys(("-1020", "-1108", "-1110", "-1023", "-1127", "-4044"), (C.REQUEST, C.REQUEST)),
    **dict.fromkeys(("-1100", "-1101", "-1102", "-1103", "-1104", "-1105", "-1106"), (C.REQUEST, C.REQUEST)),
    **dict.fromkeys(("-1111", "-1121", "-1128", "-1130", "-4055", "-4144", "-5000"), (C.REQUEST, C.REQUEST)),
}
SURE = [200, 400, 401, 403, 404, 418, 429]
UNSURE = [300, 301, 302, 307, 308, 408, 500, 501, 502, 503, 504, 520, 599]


def result(call: str, response: HttpResponse) -> CodeClass | None:
    """The class that the answer was given; None for a plain yes."""
    try:
        yes = classify(call, response, now_ms=SERVED_MS)
    except Refused as refused:
        return CodeClass(refused.kind.value)
    except InDoubt:
        return CodeClass.DOUBT
    return CodeClass.ALREADY if yes.note.startswith("-") else None


def test_the_table_holds_every_documented_code_once_for_each_call() -> None:
    rows = Counter((code.code, code.call) for code in CODES)
    assert {code for code, _ in rows} == set(EXPECTED)
    assert set(rows.values()) == {1}
    assert {call for _, call in rows} == {None, TYPE}


def test_every_row_says_what_it_means_and_where_it_is_from() -> None:
    assert all(code.meaning and code.source for code in CODES)


@pytest.mark.parametrize("code", EXPECTED)
@pytest.mark.parametrize("status", SURE)
def test_every_code_proves_what_the_table_says(code: str, status: int) -> None:
    status = 451 if code == "0" else status
    response = answer({"code": int(code), "msg": "words"}, status)
    assert (result(MARGIN, response), result(TYPE, response)) == EXPECTED[code]


@pytest.mark.parametrize("code", [*EXPECTED, "200", "-9999"])
@pytest.mark.parametrize("status", UNSURE)
def test_redirects_timeouts_and_server_errors_are_doubt_whatever_the_code(code: str, status: int) -> None:
    response = answer({"code": int(code), "msg": "Service Unavailable."}, status)
    assert {result(MARGIN, response), result(TYPE, response)} == {CodeClass.DOUBT}


@pytest.mark.parametrize(
    "response",
    [
        answer({"code": 0, "msg": "geo"}, 200),
        answer({"code": 0, "msg": "geo"}, 400),
        answer({"code": -9999, "msg": "new"}, 400),
        answer({"code": 201, "msg": "success"}),
        answer({"code": "200", "msg": "success"}),
        answer({"code": True, "msg": "success"}),
        answer({"code": 200}),
        answer({"code": -4046}, 400),
        answer({"code": -4054, "msg": None}, 400),
        answer({"msg": "success"}),
        answer([{"code": 200, "msg": "success"}]),
        answer("success"),
        answer(None),
        answer({"code": 200, "msg": "success"}, 400),
        answer({"timestamp": 1, "path": "/fapi/v1/positionMargin", "msg": "Unknown error"}, 503),
        HttpResponse(status=200, headers={}, body=b""),
        HttpResponse(status=403, headers={}, body=b"<html>"),
        HttpResponse(status=429, headers={}, body=b"Too many requests"),
        HttpResponse(status=200, headers={}, body=b'{"code":200,"msg":"success"'),
        HttpResponse(status=100, headers={}, body=b'{"code":200,"msg":"success"}'),
    ],
    ids=lambda response: f"{response.status} {response.body[:50].decode()}",
)
def test_what_is_not_documented_is_doubt(response: HttpResponse) -> None:
    assert {result(MARGIN, response), result(TYPE, response)} == {CodeClass.DOUBT}


def test_the_documented_successes_are_yes() -> None:
    moved = answer({"code": 200, "msg": "Successfully modify position margin.", "amount": 12.5, "type": 1})
    yes = Accepted(note="200 Successfully modify position margin.", amount=Decimal("12.5"))
    assert classify(MARGIN, moved) == yes
    assert classify(TYPE, answer({"code": 200, "msg": "success"})) == Accepted(note="200 success")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-10_000, 10_000) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["code", "msg", "x"]), inner),
    max_leaves=6,
)


@given(
    body=st.binary(max_size=30) | json_values.map(lambda value: json.dumps(value).encode()),
    status=st.integers(100, 599),
)
def test_no_answer_proves_anything_but_as_documented(body: bytes, status: int) -> None:
    response = HttpResponse(status=status, headers={}, body=body)
    got = result(TYPE, response)
    if got is CodeClass.DOUBT:
        return
    value: dict[str, Any] = json.loads(body)
    assert isinstance(value["msg"], str)
    assert 200 <= status < 500
    assert status != 408
    assert not 300 <= status < 400
    if got is None:
        assert (value["code"], status < 300) == (200, True)
    else:
        assert EXPECTED[str(value["code"])][1] is got


@given(status=st.integers(500, 599), body=json_values.map(lambda value: json.dumps(value).encode()))
def test_a_server_error_never_refuses(status: int, body: bytes) -> None:
    assert result(MARGIN, HttpResponse(status=status, headers={}, body=body)) is CodeClass.DOUBT


@pytest.mark.parametrize(
    ("headers", "message", "now_ms", "expected"),
    [
        ({"retry-after": "7"}, "IP banned until 1767225600001", SERVED_MS, 7_000),
        ({}, "Way too many requests; IP banned until 1767225661000.", SERVED_MS, 61_000),
        ({}, "IP banned until 1767225599000", SERVED_MS, 0),
        ({}, "Too many requests", SERVED_MS + 15_000, 45_000),
        ({}, "IP banned until 1767225661000", None, 60_000),
        ({"retry-after": "soon"}, "Too many requests", SERVED_MS, 60_000),
    ],
)
def test_how_long_a_throttle_answer_asks_us_to_wait(
    headers: dict[str, str], message: str, now_ms: int | None, expected: int
) -> None:
    response = HttpResponse(status=429, headers=headers, body=json.dumps({"code": -1003, "msg": message}).encode())
    with pytest.raises(Refused) as caught:
        classify(MARGIN, response, now_ms=now_ms)
    assert (caught.value.kind, caught.value.retry_after_ms) == (RefusalKind.THROTTLE, expected)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("request ip: 203.0.113.9", "request ip: <ip>"),
        ("request ip: 2001:db8::8a2e:370:7334, action", "request ip: <ip>, action"),
        ("line\nbreak\x1b[31m", "line break [31m"),
        ("key " + "Ab1" * 20, "key …"),
        ("x " * 300, ("x " * 300)[:200]),
    ],
)
def test_words_of_the_exchange_are_cleaned_before_anybody_sees_them(message: str, expected: str) -> None:
    assert clean(message) == expected


@pytest.mark.parametrize(
    ("response", "again", "kind"),
    [
        (answer({"code": -1003, "msg": "x"}, 429), True, RefusalKind.THROTTLE),
        (answer({"code": -1021, "msg": "x"}, 400), True, RefusalKind.CLOCK),
        (answer({"code": -2015, "msg": "x"}, 401), False, RefusalKind.PERMISSION),
        (answer({"code": -5000, "msg": "x"}, 404), False, RefusalKind.REQUEST),
        (answer({"code": -1001, "msg": "x"}, 503), True, None),
        (HttpResponse(status=418, headers={}, body=b"<html>"), True, RefusalKind.THROTTLE),
        (HttpResponse(status=404, headers={}, body=b"<html>"), False, None),
    ],
)
def test_a_refused_read_says_whether_it_may_pass(
    response: HttpResponse,
    again: bool,  # noqa: FBT001  (a column of the table)
    kind: RefusalKind | None,
) -> None:
    with pytest.raises(ReadFailed) as caught:
        read_answer("reading", response, READ, now_ms=None)
    assert (caught.value.again, caught.value.kind) == (again, kind)


def test_both_calls_have_their_own_table() -> None:
    assert set(WRITE) == {MARGIN, TYPE}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-4161, "no lower leverage with an isolated position"),
        (-4046, "is documented for other calls only, and proves nothing about this one"),
        (-9999, "reconcile's table does not have this code, so it proves nothing"),
    ],
)
def test_doubt_says_what_is_known_of_the_code(code: int, words: str) -> None:
    with pytest.raises(InDoubt, match=words):
        classify(MARGIN, answer({"code": code, "msg": "no"}, 400), now_ms=SERVED_MS)
