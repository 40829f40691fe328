"""Rows that add up: found where they are few, given up where there would be too many ways."""

from dataclasses import replace
from decimal import Decimal

from reconcile.model.ledger import MOST_SUMMED, Cause, LedgerRow, by_symbol, summing


def row(change: int) -> LedgerRow:
    """A row of that change, named after it."""
    return LedgerRow(
        row_id=f"r{change}",
        symbol="BTCUSDT",
        side=None,
        asset="USDT",
        cause=Cause.FUNDING,
        change=Decimal(change),
        time_ms=change,
    )


def test_rows_that_add_up_to_an_amount_are_found() -> None:
    few = tuple(row(change) for change in (-1, 2, -4, 8))

    assert [found.row_id for found in summing(few, Decimal(4)) or ()] == ["r-4", "r8"]


def test_nothing_adds_up_to_nothing() -> None:
    assert summing((row(1),), Decimal(0)) == ()


def test_what_does_not_add_up_is_not_found() -> None:
    assert summing((row(1), row(2)), Decimal(100)) is None


def test_all_rows_of_one_direction_are_found_among_however_many() -> None:
    many = (*(row(number) for number in range(1, MOST_SUMMED + 2)), row(-5))

    assert summing(many, Decimal(-5)) == [row(-5)]


def test_too_many_rows_are_not_tried() -> None:
    many = tuple(row(number) for number in range(1, MOST_SUMMED + 2))

    assert summing(many, Decimal(3)) is None


def test_rows_of_the_whole_account_are_given_to_their_symbols() -> None:
    rows = [numbered(3, "ETHUSDT"), numbered(1, "BTCUSDT"), numbered(2, "XRPUSDT"), numbered(4, "BTCUSDT")]

    found = by_symbol(("BTCUSDT", "LINKUSDT", "ETHUSDT"), rows, since_ms=2, reaches_back=True)

    assert {symbol: [each.row_id for each in read.rows] for symbol, read in found.items()} == {
        "BTCUSDT": ["4"],
        "LINKUSDT": [],
        "ETHUSDT": ["3"],
    }
    assert all(read.reaches_back for read in found.values())


def numbered(number: int, symbol: str) -> LedgerRow:
    return replace(row(number), row_id=str(number), symbol=symbol)
