"""Binance's histories as one ledger: complete whatever the page size and the order, with ids that never change."""

import asyncio
import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.errors import ReadFailed
from reconcile.exchanges.binance.ledger import funding, movements, read_all
from reconcile.exchanges.http.rows import Row
from reconcile.model.ledger import Cause


def wire_row(**changes: object) -> dict[str, object]:
    return {
        "symbol": "BTCUSDT",
        "type": 1,
        "deltaType": "USER_ADJUST",
        "amount": "12.50000000",
        "asset": "USDT",
        "time": 1_767_225_601_456,
        "positionSide": "LONG",
        **changes,
    }


def read(times: list[int], *, limit: int, cap: int, seed: int) -> list[int]:
    """What is found of these times, by a server that cuts at its own cap and sorts as it likes."""
    dice = random.Random(seed)

    async def page(start: int, end: int) -> object:
        found = [{"time": time} for time in times if start <= time <= end]
        dice.shuffle(found)
        return found[: min(limit, cap)]

    async def main() -> list[int]:
        table = await read_all("reading", page, start_ms=0, end_ms=10_000, limit=limit)
        return [row.whole("time") for row in table]

    return sorted(asyncio.run(main()))


@given(
    times=st.lists(st.integers(0, 10_000), max_size=300, unique=True),
    cap=st.sampled_from([50, 100, 500]),
    seed=st.integers(0, 9),
)
def test_every_row_is_found_once_whatever_the_order_and_the_servers_own_page(
    times: list[int], cap: int, seed: int
) -> None:
    assert read(times, limit=100, cap=cap, seed=seed) == sorted(times)


def test_more_rows_in_a_millisecond_than_a_page_holds_are_a_failed_read() -> None:
    with pytest.raises(ReadFailed, match="one millisecond"):
        read([5] * 7, limit=7, cap=7, seed=1)


@pytest.mark.parametrize(
    ("changes", "side", "change", "cause"),
    [
        ({}, "long", "12.5", Cause.MANUAL),
        ({"type": 2, "positionSide": "SHORT"}, "short", "-12.5", Cause.MANUAL),
        ({"type": 2, "amount": "-12.50000000", "positionSide": "BOTH"}, "net", "-12.5", Cause.MANUAL),
        ({"deltaType": "TRADE"}, "long", "12.5", Cause.FILL),
        ({"deltaType": "AUTO_ADD"}, "long", "12.5", Cause.AUTO),
        ({"deltaType": "FUNDING_FEE", "type": 2}, "long", "-12.5", Cause.FUNDING),
        ({"deltaType": "NEW_KIND"}, "long", "12.5", Cause.OTHER),
        ({"clientTranId": "", "type": "1"}, "long", "12.5", Cause.MANUAL),
    ],
)
def test_a_row_becomes_a_signed_movement(changes: dict[str, object], side: str, change: str, cause: Cause) -> None:
    (row,) = movements("reading", [Row("reading", wire_row(**changes))])
    assert (row.side, row.change, row.cause, row.asset) == (side, Decimal(change), cause, "USDT")


@pytest.mark.parametrize("changes", [{"type": 3}, {"positionSide": "UP"}, {"amount": "x"}, {"time": None}])
def test_a_row_that_cannot_be_understood_is_a_failed_read(changes: dict[str, object]) -> None:
    with pytest.raises(ReadFailed):
        movements("reading", [Row("reading", wire_row(**changes))])


def test_ids_are_unique_and_the_same_in_every_read_and_order() -> None:
    twice, later = wire_row(), wire_row(time=1_767_225_700_000)
    first = movements("reading", [Row("reading", row) for row in (twice, twice, later)])
    second = movements("reading", [Row("reading", row) for row in (later, twice, twice)])
    alone = movements("reading", [Row("reading", later)])
    assert len({row.row_id for row in first}) == 3
    assert {row.row_id for row in first} == {row.row_id for row in second}
    assert alone[0].row_id in {row.row_id for row in first}


def test_the_id_does_not_depend_on_how_the_amount_is_printed() -> None:
    (short,) = movements("reading", [Row("reading", wire_row(amount="12.5"))])
    (long,) = movements("reading", [Row("reading", wire_row())])
    assert short.row_id == long.row_id


def test_funding_names_no_side_and_keeps_its_sign() -> None:
    paid = {"symbol": "BTCUSDT", "incomeType": "FUNDING_FEE", "income": "-4.2", "asset": "USDT", "time": 1, "tranId": 7}
    (row,) = funding([Row("reading", paid)])
    assert (row.side, row.change, row.cause, row.row_id) == (None, Decimal("-4.2"), Cause.FUNDING, "income:BTCUSDT:7")
