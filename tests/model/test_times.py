"""Times from outside: what a calendar holds comes back as it was, and nothing else comes in."""

import pytest

from reconcile.model.times import LAST_MS, checked, unix_ms, written


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-27T09:30:00.250Z", 1_795_771_800_250),
        ("2026-11-27t11:30:00+02:00", 1_795_771_800_000),
        ("2099-12-31T23:59:59.999Z", LAST_MS),
    ],
)
def test_a_time_with_a_zone_is_milliseconds(text: str, time_ms: int) -> None:
    assert unix_ms(text) == time_ms


@pytest.mark.parametrize(
    "text",
    ["", "2026-11-27T09:30:00", "2026-11-27", "1969-12-31T23:59:59Z", "2100-01-01T00:00:00Z", "2026-02-30T00:00:00Z"],
)
def test_any_other_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|day|between"):
        unix_ms(text)


@pytest.mark.parametrize("time_ms", [-1, LAST_MS + 1])
def test_a_time_outside_of_the_calendar_is_refused(time_ms: int) -> None:
    with pytest.raises(ValueError, match="between 1970 and 2099"):
        checked(time_ms)


def test_a_time_is_written_to_the_second() -> None:
    assert written(1_795_771_800_250) == "2026-11-27T09:30:00Z"
