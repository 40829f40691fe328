"""OKX's bills as movements of margin, pages to their end, and the archive beyond a week."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from reconcile.errors import ReadFailed
from reconcile.exchanges.http.wire import HttpRequest, HttpResponse
from reconcile.model.ledger import Cause, LedgerRead
from tests.kit.fakes import SERVED_MS, params_of, run
from tests.kit.okx_account import ARCHIVE, BILLS, Desk, bill_row, data, refusal

DAY_MS = 86_400_000


def pages(bills: list[dict[str, Any]], size: int) -> Callable[[HttpRequest], HttpResponse]:
    """A server that pages as documented: newest first, older than ``after``, ``begin`` inclusive."""

    def answered(request: HttpRequest) -> HttpResponse:
        params = params_of(request)
        after, begin = int(params.get("after", 10**30)), int(params.get("begin", 0))
        fit = [bill for bill in bills if int(bill["billId"]) < after and int(bill["ts"] or SERVED_MS) >= begin]
        return data(*sorted(fit, key=lambda bill: -int(bill["billId"]))[: min(size, int(params["limit"]))])

    return answered


def read(bills: list[dict[str, Any]], *, since_ms: int = SERVED_MS - DAY_MS, size: int = 100) -> LedgerRead:
    desk = Desk({BILLS: pages(bills, size)})
    return run(lambda: desk.adapter.ledger("ETH-USDT-SWAP", since_ms=since_ms))


@pytest.mark.parametrize(
    ("fields", "cause", "change"),
    [
        ({"subType": "160", "posBalChg": "25"}, Cause.MANUAL, "25"),
        ({"subType": "161", "posBalChg": "-25"}, Cause.MANUAL, "-25"),
        ({"subType": "161", "posBalChg": "25"}, Cause.MANUAL, "-25"),
        ({"subType": "160", "posBalChg": "-25"}, Cause.MANUAL, "25"),
        ({"subType": "161", "posBalChg": "0", "sz": "25"}, Cause.MANUAL, "-25"),
        ({"subType": "160", "posBalChg": "", "sz": "25"}, Cause.MANUAL, "25"),
        ({"subType": "162", "posBalChg": "25"}, Cause.AUTO, "25"),
        ({"type": "8", "subType": "173", "posBalChg": "-0.4"}, Cause.FUNDING, "-0.4"),
        ({"type": "8", "subType": "173", "posBalChg": "0.4"}, Cause.FUNDING, "-0.4"),
        ({"type": "8", "subType": "174", "posBalChg": "0.4"}, Cause.FUNDING, "0.4"),
        ({"type": "8", "subType": "999", "posBalChg": "-0.4"}, Cause.FUNDING, "-0.4"),
        ({"type": "2", "subType": "1", "posBalChg": "100"}, Cause.FILL, "100"),
        ({"type": "5", "subType": "100", "posBalChg": "-100"}, Cause.FILL, "-100"),
        ({"type": "6", "subType": "777", "posBalChg": "-3"}, Cause.OTHER, "-3"),
        ({"type": "99", "subType": "1", "posBalChg": "3"}, Cause.OTHER, "3"),
    ],
)
def test_a_bill_says_what_moved_and_why(fields: dict[str, str], cause: Cause, change: str) -> None:
    (row,) = read([bill_row(7, **fields)]).rows
    assert (row.cause, row.change, row.side) == (cause, Decimal(change), None)
    assert (row.row_id, row.symbol, row.asset, row.time_ms) == ("7", "ETH-USDT-SWAP", "USDT", SERVED_MS)


@pytest.mark.parametrize(
    "fields",
    [
        {"mgnMode": "cross"},
        {"instId": "BTC-USDT-SWAP"},
        {"ts": str(SERVED_MS - 2 * DAY_MS)},
        {"type": "2", "subType": "1", "posBalChg": "0"},
        {"type": "2", "subType": "1", "posBalChg": ""},
    ],
)
def test_bills_that_moved_no_margin_of_this_symbol_since_then_are_left_out(fields: dict[str, str]) -> None:
    assert read([bill_row(7, **fields)]).rows == ()


@pytest.mark.parametrize("size", [1, 3, 100])
def test_every_page_is_read_however_short(size: int) -> None:
    bills = [bill_row(number, ts=str(SERVED_MS - 1000 + number)) for number in range(100, 110)]
    assert [row.row_id for row in read(bills, size=size).rows] == [str(number) for number in range(100, 110)]


def test_more_than_a_hundred_bills_are_read() -> None:
    assert len(read([bill_row(number) for number in range(1000, 1250)]).rows) == 250


def test_rows_come_oldest_first_also_within_one_millisecond() -> None:
    assert [row.row_id for row in read([bill_row(10), bill_row(9), bill_row(100)]).rows] == ["9", "10", "100"]


def test_a_read_that_fails_on_a_later_page_is_a_failed_read() -> None:
    desk = Desk({BILLS: [data(bill_row(7)), refusal("50114", 401)]})
    with pytest.raises(ReadFailed):
        run(lambda: desk.adapter.ledger("ETH-USDT-SWAP", since_ms=SERVED_MS - DAY_MS))


def test_pages_that_do_not_go_on_are_a_failed_read() -> None:
    desk = Desk({BILLS: data(bill_row(7))})
    with pytest.raises(ReadFailed, match="do not go on"):
        run(lambda: desk.adapter.ledger("ETH-USDT-SWAP", since_ms=SERVED_MS - DAY_MS))


@pytest.mark.parametrize("fields", [{"posBalChg": "x"}, {"ts": ""}, {"posBalChg": "", "sz": ""}])
def test_a_bill_that_cannot_be_read_fails_the_read(fields: dict[str, str]) -> None:
    with pytest.raises(ReadFailed):
        read([bill_row(7, **fields)])


@pytest.mark.parametrize(("days", "archived", "reaches"), [(6, 0, True), (8, 1, True), (89, 1, True), (91, 1, False)])
def test_beyond_a_week_the_archive_is_read_and_beyond_its_reach_that_is_said(
    days: int, archived: int, *, reaches: bool
) -> None:
    desk = Desk({BILLS: pages([bill_row(9)], 100), ARCHIVE: pages([bill_row(8), bill_row(9)], 100)})
    found = run(lambda: desk.adapter.ledger("ETH-USDT-SWAP", since_ms=SERVED_MS - days * DAY_MS))
    assert [row.row_id for row in found.rows] == (["8", "9"] if archived else ["9"])
    assert found.reaches_back is reaches


def test_a_query_names_the_instrument_its_kind_and_isolated() -> None:
    desk = Desk()
    run(lambda: desk.adapter.ledger("BTC-USDT-260626", since_ms=SERVED_MS - 1000))
    params = params_of(desk.asked(BILLS)[0])
    assert params["instType"] == "FUTURES"
    assert (params["instId"], params["mgnMode"], params["limit"]) == ("BTC-USDT-260626", "isolated", "100")
    assert int(params["begin"]) == SERVED_MS - 1001


def test_the_newest_transfer_of_the_account_is_the_cursor() -> None:
    desk = Desk({BILLS: data(bill_row(41, instId="BTC-USDT-SWAP"))})
    assert run(lambda: desk.adapter.newest_row("ETH-USDT-SWAP")) == "41"
    assert params_of(desk.asked(BILLS)[0]) == {"type": "6", "limit": "1"}


def test_without_a_transfer_there_is_no_cursor() -> None:
    desk = Desk()
    assert run(lambda: desk.adapter.newest_row("ETH-USDT-SWAP")) is None
