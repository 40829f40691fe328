"""Bitget's bills as movements of margin, pages to their end, and windows of at most thirty days."""

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.errors import ReadFailed
from reconcile.exchanges.bitget.ledger import TYPES, WINDOW_MS, windows
from reconcile.exchanges.http.wire import HttpRequest, HttpResponse
from reconcile.model.ledger import Cause, LedgerRead
from tests.kit.bitget_account import BILLS, Desk, bill_row, data, refusal
from tests.kit.fakes import SERVED_MS, params_of, run

DAY_MS = 86_400_000


def pages(
    bills: list[dict[str, Any]], size: int, *, picks_business: bool = True
) -> Callable[[HttpRequest], HttpResponse]:
    """A server that pages as documented: newest first, below ``idLessThan``, within the times, of one business."""

    def answered(request: HttpRequest) -> HttpResponse:
        params = params_of(request)
        fit = [
            bill
            for bill in bills
            if int(bill["billId"]) < int(params.get("idLessThan", 10**30))
            and int(params.get("startTime", 0)) <= int(bill["cTime"]) <= int(params.get("endTime", 10**30))
            and (not picks_business or bill["businessType"] == params.get("businessType", bill["businessType"]))
        ]
        page = sorted(fit, key=lambda bill: -int(bill["billId"]))[: min(size, int(params["limit"]))]
        return data({"bills": page or None, "endId": page[-1]["billId"] if page else None})

    return answered


def read(bills: list[dict[str, Any]], *, size: int = 100, since_ms: int = SERVED_MS - DAY_MS) -> LedgerRead:
    desk = Desk({BILLS: pages(bills, size)})
    return run(lambda: desk.adapter.ledger("ETHUSDT", since_ms=since_ms))


@pytest.mark.parametrize("printed", ["12.5", "-12.5"])
@pytest.mark.parametrize(
    ("business", "cause", "change"),
    [
        ("append_margin", Cause.MANUAL, "12.5"),
        ("reduce_margin", Cause.MANUAL, "-12.5"),
        ("auto_append_margin", Cause.AUTO, "12.5"),
        ("adjust_down_lever_append_margin", Cause.AUTO, "12.5"),
    ],
)
def test_the_direction_of_a_margin_row_is_its_type_whatever_its_sign(
    business: str, cause: Cause, change: str, printed: str
) -> None:
    (row,) = read([bill_row(7, businessType=business, amount=printed)]).rows
    assert (row.cause, row.change, row.side) == (cause, Decimal(change), None)
    assert (row.row_id, row.symbol, row.asset, row.time_ms) == ("7", "ETHUSDT", "USDT", SERVED_MS)


@pytest.mark.parametrize("amount", ["-0.4", "0.4"])
def test_funding_keeps_its_sign(amount: str) -> None:
    (row,) = read([bill_row(7, businessType="contract_settle_fee", amount=amount)]).rows
    assert (row.cause, row.change) == (Cause.FUNDING, Decimal(amount))


@pytest.mark.parametrize(
    "fields",
    [{"symbol": "BTCUSDT"}, {"businessType": "open_long"}, {"cTime": str(SERVED_MS - 2 * DAY_MS)}],
)
def test_other_bills_are_left_out(fields: dict[str, str]) -> None:
    assert read([bill_row(7, **fields)]).rows == ()


def test_a_server_that_does_not_pick_the_business_gives_every_row_once() -> None:
    bills = [bill_row(7), bill_row(8, businessType="reduce_margin"), bill_row(9, businessType="open_long")]
    desk = Desk({BILLS: pages(bills, 100, picks_business=False)})
    found = run(lambda: desk.adapter.ledger("ETHUSDT", since_ms=SERVED_MS - DAY_MS))
    assert [row.row_id for row in found.rows] == ["7", "8"]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_every_page_is_read_however_short(size: int) -> None:
    bills = [bill_row(number) for number in range(98, 108)]
    assert [row.row_id for row in read(bills, size=size).rows] == [str(number) for number in range(98, 108)]


def test_more_than_a_hundred_bills_are_read() -> None:
    assert len(read([bill_row(number) for number in range(1000, 1250)]).rows) == 250


def test_a_read_that_fails_on_a_later_page_is_a_failed_read() -> None:
    desk = Desk({BILLS: [data({"bills": [bill_row(7)], "endId": "7"}), refusal("40037")]})
    with pytest.raises(ReadFailed):
        run(lambda: desk.adapter.ledger("ETHUSDT", since_ms=SERVED_MS - DAY_MS))


def test_pages_that_do_not_go_on_are_a_failed_read() -> None:
    desk = Desk({BILLS: data({"bills": [bill_row(7)], "endId": "7"})})
    with pytest.raises(ReadFailed, match="do not go on"):
        run(lambda: desk.adapter.ledger("ETHUSDT", since_ms=SERVED_MS - DAY_MS))


@pytest.mark.parametrize("fields", [{"amount": ""}, {"billId": "x"}, {"coin": None}])
def test_a_bill_that_cannot_be_read_fails_the_read(fields: dict[str, Any]) -> None:
    desk = Desk({BILLS: data({"bills": [bill_row(7, **fields)], "endId": "7"})})
    with pytest.raises(ReadFailed):
        run(lambda: desk.adapter.ledger("ETHUSDT", since_ms=SERVED_MS - DAY_MS))


@pytest.mark.parametrize(("days", "reaches"), [(1, True), (89, True), (91, False)])
def test_a_read_says_whether_it_reaches_back(days: int, *, reaches: bool) -> None:
    assert read([], since_ms=SERVED_MS - days * DAY_MS).reaches_back is reaches


def test_old_rows_are_read_in_windows_that_a_query_may_span() -> None:
    bills = [bill_row(number, cTime=str(SERVED_MS - (100 - number) * DAY_MS)) for number in range(15, 100)]
    desk = Desk({BILLS: pages(bills, 100)})
    found = run(lambda: desk.adapter.ledger("ETHUSDT", since_ms=SERVED_MS - 85 * DAY_MS))
    assert len(found.rows) == 85
    spans = [params_of(request) for request in desk.asked(BILLS)]
    assert all(int(span["endTime"]) - int(span["startTime"]) <= 29 * DAY_MS for span in spans)


@given(start=st.integers(0, 10**13), length=st.integers(0, 100 * DAY_MS))
def test_windows_cover_the_range_without_gap_or_overlap(start: int, length: int) -> None:
    found = list(windows(start, start + length))
    assert found[0][0] == start
    assert found[-1][1] == start + length
    assert all(after[0] == before[1] + 1 for before, after in pairwise(found))
    assert all(last - first <= WINDOW_MS for first, last in found)


def test_a_query_never_hides_the_margin_rows() -> None:
    desk = Desk()
    run(lambda: desk.adapter.ledger("ETHUSDT", since_ms=SERVED_MS - 1000))
    asked = [params_of(request) for request in desk.asked(BILLS)]
    assert {params["businessType"] for params in asked} == set(TYPES)
    assert not [params for params in asked if "onlyFunding" in params or "coin" in params]
    assert {(params["productType"], params["limit"]) for params in asked} == {("USDT-FUTURES", "100")}


def test_the_signed_time_is_the_cursor() -> None:
    desk = Desk()
    run(lambda: desk.adapter.newest_row("ETHUSDT"))
    assert desk.requests() == []
