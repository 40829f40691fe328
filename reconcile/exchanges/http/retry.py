"""Retry reads, under limits with names.

Reads are repeated here and nowhere else. A write has no policy: nothing in this module ever sees one. A step that may
begin again begins with a new look (``step.py``). Waits go through a given ``Clock`` and jitter comes from given dice,
so a simulation repeats exactly and without real time. It stands below ``exchanges``: it imports the clock and the
errors only.
"""

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from reconcile.clock import Clock
from reconcile.errors import ReadFailed

T = TypeVar("T")

READ_ATTEMPTS = 4
"""The number of tries of one read."""
READ_PATIENCE_MS = 60_000
"""The longest wait of a read that the exchange asked for; if it asks for longer, the read fails at once."""
FIRST_PAUSE_MS = 200
LONGEST_PAUSE_MS = 5_000


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


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, ReadFailed) and error.again and (error.retry_after_ms or 0) <= READ_PATIENCE_MS


def _asked(state: RetryCallState) -> int:
    error = state.outcome.exception() if state.outcome is not None else None
    return (error.retry_after_ms or 0) if isinstance(error, ReadFailed) else 0


def _pause(state: RetryCallState, dice: random.Random) -> int:
    """Exponential with jitter, milliseconds; never less than what was asked for."""
    longest: int = min(FIRST_PAUSE_MS * 2 ** (state.attempt_number - 1), LONGEST_PAUSE_MS)
    return _asked(state) + dice.randint(longest // 2, longest)


def _sleep(clock: Clock) -> Callable[[float], Awaitable[None]]:
    async def sleep(seconds: float) -> None:
        await clock.sleep(round(seconds * 1000))

    return sleep
