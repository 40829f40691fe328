"""The exchange's time now lies between the two bounds, whatever the latency and the drift of the local clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.errors import ReadFailed
from reconcile.exchanges.http.exchange_time import FIRST_MS, LONGEST_WAIT_MS, RESYNC_AFTER_MS, ExchangeTime, Sample
from reconcile.model.times import LAST_MS
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
    time.take(Sample(served_ms=SERVED_MS, sent_at=0, received_at=10))
    clock.now = 1_000
    time.take(Sample(served_ms=SERVED_MS + 30_000, sent_at=0, received_at=1_000))
    kept = time.earliest()
    clock.now = RESYNC_AFTER_MS + 11
    time.take(Sample(served_ms=SERVED_MS + 90_000, sent_at=clock.now - 500, received_at=clock.now))
    assert kept < SERVED_MS + 1_001
    assert time.earliest() == SERVED_MS + 90_000


def test_time_is_due_before_the_first_sample_after_a_minute_and_when_forgotten() -> None:
    clock = HandClock()
    time = ExchangeTime(clock)
    due = [time.due]
    time.take(Sample(served_ms=SERVED_MS, sent_at=0, received_at=0))
    due.append(time.due)
    clock.now = RESYNC_AFTER_MS + 1
    due.append(time.due)
    time.take(Sample(served_ms=SERVED_MS + clock.now, sent_at=clock.now, received_at=clock.now))
    due.append(time.due)
    time.forget()
    due.append(time.due)
    assert due == [True, False, True, False, True]


def test_using_a_time_that_was_never_asked_for_is_a_bug() -> None:
    with pytest.raises(RuntimeError, match="before it was asked for"):
        ExchangeTime(HandClock()).earliest()


@pytest.mark.parametrize("served_ms", [-1, 0, FIRST_MS - 1, LAST_MS + 1, 10**18])
def test_a_time_outside_the_window_is_a_failed_read(served_ms: int) -> None:
    time = ExchangeTime(HandClock())
    with pytest.raises(ReadFailed, match="not between 2020 and 2099"):
        time.take(Sample(served_ms=served_ms, sent_at=0, received_at=10))
    assert time.due


@pytest.mark.parametrize("doubted", [False, True])
@pytest.mark.parametrize(
    ("off_ms", "words"),
    [(-60_000, None), (60_000, None), (-62_000, "behind"), (62_000, "ahead of"), (1_800_000_000_000, "ahead of")],
)
def test_a_time_that_contradicts_the_one_before_is_a_failed_read(off_ms: int, words: str | None, doubted: bool) -> None:  # noqa: FBT001
    clock = HandClock()
    time = ExchangeTime(clock)
    time.take(Sample(served_ms=SERVED_MS, sent_at=0, received_at=10))
    if doubted:
        time.forget()
    clock.now = 100_000
    sample = Sample(served_ms=SERVED_MS + 100_000 + off_ms, sent_at=99_990, received_at=100_000)
    if words is None:
        time.take(sample)
        assert time.earliest() == sample.served_ms
    else:
        with pytest.raises(ReadFailed, match=words):
            time.take(sample)
        assert abs(time.earliest() - SERVED_MS - 100_000) < 1_000


def test_a_wait_for_the_exchanges_time_has_a_limit() -> None:
    time = ExchangeTime(HandClock())
    time.take(Sample(served_ms=SERVED_MS, sent_at=0, received_at=0))
    assert time.wait_ms(SERVED_MS + LONGEST_WAIT_MS) == LONGEST_WAIT_MS
    assert time.wait_ms(SERVED_MS - 5) == -5
    with pytest.raises(ReadFailed, match="it is 600 s away, and the longest wait is 600 s"):
        time.wait_ms(SERVED_MS + LONGEST_WAIT_MS + 1)


def test_a_declared_grace_is_waited_for_as_well() -> None:
    time = ExchangeTime(HandClock(), grace_ms=3_600_000)
    time.take(Sample(served_ms=SERVED_MS, sent_at=0, received_at=0))
    assert time.wait_ms(SERVED_MS + LONGEST_WAIT_MS + 7_200_000) == LONGEST_WAIT_MS + 7_200_000
