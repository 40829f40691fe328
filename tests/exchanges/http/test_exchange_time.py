"""The exchange's time now lies between the two bounds, whatever the latency and the drift of the local clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.exchanges.http.exchange_time import RESYNC_AFTER_MS, ExchangeTime, Sample
from tests.kit.fakes import SERVED_MS


class HandClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0

    def monotonic_ms(self) -> int:
        return self.now

    def wall_ms(self) -> int:
        return 0

    async def sleep(self, milliseconds: int) -> None:
        self.now += milliseconds


@given(
    there=st.integers(0, 3_000),
    back=st.integers(0, 3_000),
    later=st.integers(0, 600_000),
    drift=st.floats(-0.001, 0.001),
)
def test_the_true_time_is_within_the_bounds(there: int, back: int, later: int, drift: float) -> None:
    clock = HandClock()
    time = ExchangeTime(clock)
    time.take(Sample(served_ms=SERVED_MS + there, sent_at=0, received_at=there + back))
    clock.now = there + back + later
    true = SERVED_MS + there + back + later * (1 - drift)
    assert time.earliest() <= true + 1
    assert true <= time.latest() + 1


def test_the_sample_with_the_smallest_round_trip_is_kept_until_it_is_old() -> None:
    clock = HandClock()
    time = ExchangeTime(clock)
    time.take(Sample(served_ms=1_000_000, sent_at=0, received_at=10))
    clock.now = 1_000
    time.take(Sample(served_ms=2_000_000, sent_at=0, received_at=1_000))
    kept = time.earliest()
    clock.now = RESYNC_AFTER_MS + 11
    time.take(Sample(served_ms=2_000_000, sent_at=clock.now - 500, received_at=clock.now))
    assert kept < 1_001_000
    assert time.earliest() == 2_000_000


def test_time_is_due_before_the_first_sample_after_a_minute_and_when_forgotten() -> None:
    clock = HandClock()
    time = ExchangeTime(clock)
    due = [time.due]
    time.take(Sample(served_ms=1, sent_at=0, received_at=0))
    due.append(time.due)
    clock.now = RESYNC_AFTER_MS + 1
    due.append(time.due)
    time.take(Sample(served_ms=1, sent_at=clock.now, received_at=clock.now))
    due.append(time.due)
    time.forget()
    due.append(time.due)
    assert due == [True, False, True, False, True]


def test_using_a_time_that_was_never_asked_for_is_a_bug() -> None:
    with pytest.raises(RuntimeError, match="before it was asked for"):
        ExchangeTime(HandClock()).earliest()
