"""The codes of OKX and Bitget, whose answers have the same envelope: each code once, and unknown ones doubt."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.errors import InDoubt, RefusalKind, Refused
from reconcile.exchanges.base import Accepted, Code, CodeClass
from reconcile.exchanges.bitget.codes import CODES as BITGET_CODES
from reconcile.exchanges.http.wire import HttpResponse
from reconcile.exchanges.okx.codes import CODES as OKX_CODES
from tests.exchanges.bitget import test_codes as bitget
from tests.exchanges.okx import test_codes as okx
from tests.kit import bitget_account, okx_account

Classify = Callable[[HttpResponse], Accepted | Refused | InDoubt]


@dataclass(frozen=True, kw_only=True)
class Table:
    """One exchange: its codes, what each proves about every write, and how a refusal with a code looks."""

    codes: tuple[Code, ...]
    proves: Mapping[str, CodeClass]
    of_other_calls: str
    calls: tuple[Classify, ...]
    refusal: Callable[[str, int], HttpResponse]
    statuses: tuple[int, ...]
    known: frozenset[str]
    """Codes that are no refusal: a success, and those that stand for a code inside."""


TABLES = {
    "okx": Table(
        codes=tuple(OKX_CODES),
        proves=okx.PROVES,
        of_other_calls=okx.OF_OTHER_CALLS,
        calls=(okx.classify,),
        refusal=okx_account.refusal,
        statuses=(200, 400, 401, 403, 429),
        known=frozenset({"0", "1", "2"}),
    ),
    "bitget": Table(
        codes=tuple(BITGET_CODES),
        proves=bitget.PROVES,
        of_other_calls=bitget.OF_OTHER_CALLS,
        calls=tuple(
            partial(bitget.classify, call=call) for call in (bitget_account.SET_MARGIN, bitget_account.SET_MODE)
        ),
        refusal=bitget_account.refusal,
        statuses=(200, 400, 429),
        known=frozenset({"00000"}),
    ),
}
EVERY = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


PROOFS = [(name, code) for name, table in TABLES.items() for code in table.proves]


def ends(table: Table, response: HttpResponse) -> list[Accepted | Refused | InDoubt]:
    return [classify(response) for classify in table.calls]


@EVERY
def test_the_table_holds_every_documented_code_exactly_once_and_no_other(table: Table) -> None:
    assert Counter(row.code for row in table.codes) == Counter([*table.proves, *table.of_other_calls.split()])


@EVERY
def test_every_code_says_what_it_means_and_where_that_is_from(table: Table) -> None:
    assert all(row.meaning and row.source for row in table.codes)


@pytest.mark.parametrize(("name", "code"), PROOFS)
def test_a_documented_code_proves_the_same_under_every_status(name: str, code: str) -> None:
    table, proves = TABLES[name], TABLES[name].proves[code]
    for status in table.statuses:
        for ended in ends(table, table.refusal(code, status)):
            if proves is CodeClass.DOUBT:
                assert isinstance(ended, InDoubt)
            else:
                assert isinstance(ended, Refused)
                assert (ended.kind, ended.code) == (RefusalKind(proves.value), code)


@EVERY
def test_a_code_of_another_call_proves_nothing_about_ours(table: Table) -> None:
    for code in table.of_other_calls.split():
        assert all(isinstance(ended, InDoubt) for ended in ends(table, table.refusal(code, 400)))


@EVERY
@given(code=st.text(min_size=1))
def test_an_unknown_code_is_doubt(table: Table, code: str) -> None:
    if code.partition("_")[0] in table.proves.keys() | table.known:
        return
    assert all(isinstance(ended, InDoubt) for ended in ends(table, table.refusal(code, 400)))


@EVERY
@given(data=st.data(), status=st.sampled_from([302, 307, 408, 500, 501, 502, 503, 504]))
def test_a_redirect_a_timeout_or_a_server_error_is_doubt_whatever_the_code(
    table: Table, data: st.DataObject, status: int
) -> None:
    code = data.draw(st.sampled_from(sorted(table.proves)))
    assert all(isinstance(ended, InDoubt) for ended in ends(table, table.refusal(code, status)))


@EVERY
@given(body=st.binary(), status=st.integers(200, 599))
def test_no_bytes_that_are_not_a_documented_body_are_ever_more_than_doubt(
    table: Table, body: bytes, status: int
) -> None:
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        response = HttpResponse(status=status, headers={}, body=body)
        assert all(isinstance(ended, InDoubt) for ended in ends(table, response))
