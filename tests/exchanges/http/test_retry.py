"""Every repetition ends, waits as it was asked to, and repeats nothing else than it says."""

import random

import pytest

from reconcile.errors import InDoubt, NotSent, ReadFailed, RefusalKind, Refused
from reconcile.exchanges.http import retry
from tests.kit.fakes import VirtualClock, run


class Failing:
    """Fails with the given errors, one after another, then returns its number of calls."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> int:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.calls


def test_a_read_is_repeated_until_it_succeeds() -> None:
    read = Failing(*[ReadFailed("no", again=True)] * (retry.READ_ATTEMPTS - 1))

    async def main() -> int:
        result: int = await retry.reads(VirtualClock(), random.Random(1))(read)
        return result

    assert run(main) == retry.READ_ATTEMPTS


def test_a_read_that_goes_on_failing_ends_with_its_own_error_after_the_last_attempt() -> None:
    read = Failing(*[ReadFailed(f"no {number}", again=True) for number in range(9)])

    async def main() -> None:
        await retry.reads(VirtualClock(), random.Random(1))(read)

    with pytest.raises(ReadFailed, match=f"no {retry.READ_ATTEMPTS - 1}"):
        run(main)
    assert read.calls == retry.READ_ATTEMPTS


@pytest.mark.parametrize(
    "error",
    [
        ReadFailed("never", again=False),
        ReadFailed("much later", again=True, retry_after_ms=retry.READ_PATIENCE_MS + 1),
        NotSent("x"),
        InDoubt("x"),
        Refused("x", kind=RefusalKind.THROTTLE, code="1"),
        ValueError("x"),
    ],
    ids=lambda error: type(error).__name__ + str(error),
)
def test_nothing_but_a_read_that_may_pass_is_tried_again(error: Exception) -> None:
    read = Failing(error)

    async def main() -> None:
        await retry.reads(VirtualClock(), random.Random(1))(read)

    with pytest.raises(type(error)):
        run(main)
    assert read.calls == 1


def test_a_read_waits_at_least_as_long_as_the_exchange_asked() -> None:
    clock = VirtualClock()

    async def main() -> int:
        await retry.reads(clock, random.Random(1))(Failing(ReadFailed("x", again=True, retry_after_ms=7_000)))
        return clock.monotonic_ms()

    assert 7_000 <= run(main) <= 7_000 + retry.LONGEST_PAUSE_MS
