"""A history that is not exact shows what its ``Ledger`` says, and only within the assumptions is it inside them."""

from dataclasses import replace
from decimal import Decimal

import pytest

from reconcile.sandbox.values import HUMAN
from tests.simulation.ledger import EXACT, Ledger
from tests.simulation.machine import EPOCH_MS
from tests.simulation.schedule import TIME, Go, Happening, Schedule
from tests.simulation.small import small_books

MOVED = Decimal("0.337")
LATER = EPOCH_MS + 60_000


def _rows(ledger: Ledger) -> list[tuple[str, int]]:
    """The amounts and the dates of the rows that a call of 0.337 at the epoch leaves, as shown a minute later."""
    books = small_books(Schedule(ledger=ledger))
    known = len(books.rows_as_of(EPOCH_MS - 1))
    books.move_margin("BTCUSDT", "long", MOVED, now_ms=EPOCH_MS, by=HUMAN)
    assert books.margin("BTCUSDT", "long") == 1000 + MOVED
    rows = books.rows_as_of(LATER)[known:]
    assert len({row.row_id for row in rows}) == len(rows)
    return [(str(row.change), row.time_ms - EPOCH_MS) for row in rows]


@pytest.mark.parametrize(
    ("ledger", "rows"),
    [
        (EXACT, [("0.337", 0)]),
        (Ledger(behind=5_000), [("0.337", -5_000)]),
        (Ledger(digits=2), [("0.34", 0)]),
        (Ledger(splits=True, behind=1), [("0.13", -1), ("0.207", -1)]),
        (Ledger(splits=True, digits=2), [("0.14", 0), ("0.20", 0)]),
        (Ledger(splits=True, tenths=9, digits=2), [("0.31", 0), ("0.03", 0)]),
        (Ledger(splits=True, ours_only=True), [("0.337", 0)]),
    ],
    ids=["exact", "behind", "rounded", "two rows", "two rounded rows", "nine tenths first", "a person's stays one"],
)
def test_rows_differ_as_the_ledger_says(ledger: Ledger, rows: list[tuple[str, int]]) -> None:
    assert _rows(ledger) == rows


def test_a_short_history_loses_its_oldest_rows() -> None:
    books = small_books(Schedule(ledger=Ledger(reach=5_000)))
    books.move_margin("BTCUSDT", "long", MOVED, now_ms=EPOCH_MS, by=HUMAN)
    assert [len(books.rows_as_of(EPOCH_MS + age_ms)) for age_ms in (0, 4_999, 5_001)] == [1, 1, 0]


def test_a_row_is_booked_when_it_happens_and_not_when_it_is_dated() -> None:
    books = small_books(Schedule(ledger=Ledger(behind=30_000)))
    known = len(books.rows_as_of(EPOCH_MS - 1))
    books.move_margin("BTCUSDT", "long", MOVED, now_ms=EPOCH_MS, by=HUMAN)
    assert [len(books.rows_as_of(EPOCH_MS + each)) - known for each in (-1, 0)] == [0, 1]


@pytest.mark.parametrize(
    ("behind", "change", "is_inside"),
    [
        (5_000, {}, True),
        (5_001, {}, False),
        (30_000, {"exchange": "okx"}, True),
        (5_000, {"replicas": ((5_001, 0),)}, True),
        (1_000, {"replicas": ((5_001, 0),), "runs": (Go(), Go(home=1))}, True),
        (1_001, {"replicas": ((5_001, 0),), "runs": (Go(), Go(home=1))}, False),
        (1_001, {"replicas": ((5_000, 0),), "runs": (Go(), Go(home=1))}, True),
        (
            1_001,
            {"replicas": ((5_001, 0),), "happenings": (Happening(where=TIME, n=1, how="human_add", value=1),)},
            False,
        ),
    ],
)
def test_how_far_behind_a_ledger_may_be(behind: int, change: dict[str, object], *, is_inside: bool) -> None:
    made = replace(Schedule(ledger=Ledger(behind=behind)), **change)  # type: ignore[arg-type]
    assert (made.outside == 0) is is_inside
    assert Schedule.from_json(made.to_json()) == made
