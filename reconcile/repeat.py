"""Everything that is ever repeated, each repetition under a limit with a name.

Reads are repeated here and nowhere else; the conduct of a step takes its policies from here too. A write has no policy:
nothing in this module ever sees one. Waiting goes through the ``Clock`` that is passed in and the jitter comes from the
dice that are passed in, so a simulation repeats exactly and without real time. It stands below
``exchanges``: it imports the clock and the errors only.
"""

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, retry_if_exception_type, stop_after_attempt

from reconcile.clock import Clock
from reconcile.errors import ReadFailed

T = TypeVar("T")

READ_ATTEMPTS = 4
"""How often one read is tried."""
READ_PATIENCE_MS = 60_000
"""How long a read waits because the exchange asked for it; where it asks for longer, the read fails at once."""
STEP_ATTEMPTS = 5
"""How often one step is tried after proven refusals (rate limit, clock) or requests that never left."""
FIRST_PAUSE_MS = 200
LONGEST_PAUSE_MS = 5_000


class TryAgain(Exception):
    """Raised inside ``steps`` or ``polls`` to ask for one more round; ``after_ms`` is the least to wait."""

    def __init__(self, *, after_ms: int = 0) -> None:
        super().__init__("one more round")
        self.after_ms = after_ms


def reads(clock: Clock, dice: random.Random) -> AsyncRetrying:
    """Repeat a read while it fails in a way that may pass; the last ReadFailed comes out as it is."""
    return AsyncRetrying(
        stop=stop_after_attempt(READ_ATTEMPTS),
        wait=lambda state: _pause(state, dice) / 1000,
        retry=retry_if_exception(_may_pass),
        sleep=_sleep(clock),
        reraise=True,
    )


async def read(clock: Clock, dice: random.Random, work: Callable[[], Awaitable[T]]) -> T:
    """Do what ``reads`` does; what succeeds at once, as nearly every read does, is spared the machinery."""
    try:
        return await work()
    except ReadFailed as error:
        if not _may_pass(error):
            raise
        failed = [error]

    async def again() -> T:
        if failed:
            raise failed.pop()
        return await work()

    return await reads(clock, dice)(again)


def steps(clock: Clock, dice: random.Random, *, attempts: int = STEP_ATTEMPTS) -> AsyncRetrying:
    """Rounds of one step: only ``TryAgain`` asks for another one, and it comes out after the last.

    ``async for attempt in steps(clock, dice): with attempt: …`` where each round begins from a new look.
    """
    return AsyncRetrying(
        stop=stop_after_attempt(attempts),
        wait=lambda state: _pause(state, dice) / 1000,
        retry=retry_if_exception_type(TryAgain),
        sleep=_sleep(clock),
        reraise=True,
    )


def polls(clock: Clock, *, every_ms: int, for_ms: int) -> AsyncRetrying:
    """Look every ``every_ms`` while ``TryAgain`` is raised, until ``for_ms`` have passed; then it comes out.

    The time counts from this call; the last look begins when it is over, not before.
    """
    until = clock.monotonic_ms() + for_ms

    def wait(state: RetryCallState) -> float:
        return max(1, every_ms, _asked(state)) / 1000

    return AsyncRetrying(
        stop=lambda _state: clock.monotonic_ms() >= until,
        wait=wait,
        retry=retry_if_exception_type(TryAgain),
        sleep=_sleep(clock),
        reraise=True,
    )


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, ReadFailed) and error.again and (error.retry_after_ms or 0) <= READ_PATIENCE_MS


def _asked(state: RetryCallState) -> int:
    error = state.outcome.exception() if state.outcome is not None else None
    match error:
        case ReadFailed():
            return error.retry_after_ms or 0
        case TryAgain():
            return error.after_ms
        case _:
            return 0


def _pause(state: RetryCallState, dice: random.Random) -> int:
    """Exponential with jitter, milliseconds; never less than what was asked for."""
    longest: int = min(FIRST_PAUSE_MS * 2 ** (state.attempt_number - 1), LONGEST_PAUSE_MS)
    return _asked(state) + dice.randint(longest // 2, longest)


def _sleep(clock: Clock) -> Callable[[float], Awaitable[None]]:
    async def sleep(seconds: float) -> None:
        await clock.sleep(round(seconds * 1000))

    return sleep
