"""One simulated machine's clock, which runs a little wrong; true time is the loop's, in virtual milliseconds."""

import asyncio

from tests.simulation.loop import VirtualLoop

EPOCH_MS = 1_767_225_600_000
"""True time 0 of the simulation as the exchange's clock shows it: 2026-01-01."""


class Killed(BaseException):
    """The process was killed at this instruction."""


class MachineClock:
    """A machine's clocks: ``drift`` in parts per thousand, a wall clock that is wrong by ``wall_error_ms``."""

    def __init__(self, loop: VirtualLoop, *, drift: int = 0, started_ms: int = 0, wall_error_ms: int = 0) -> None:
        self._loop = loop
        self._drift = drift
        self._started_ms = started_ms
        self.wall_error_ms = wall_error_ms
        self.suspended_until_ms = 0
        """True time until which the machine stands still: nothing that sleeps wakes before."""

    def monotonic_ms(self) -> int:
        """Elapsed time as this machine measures it."""
        true = self._loop.now_ms()
        return self._started_ms + true + true * self._drift // 1000

    def wall_ms(self) -> int:
        """What the machine takes for the time of day."""
        return EPOCH_MS + self.wall_error_ms + self.monotonic_ms()

    async def sleep(self, milliseconds: int) -> None:
        """Let that much of the machine's time pass."""
        await asyncio.sleep(max(0, milliseconds) / 1000 * 1000 / (1000 + self._drift) + 0.0005)
        await self.awake()

    async def awake(self) -> None:
        """Wait while the machine is suspended."""
        while self.suspended_until_ms > self._loop.now_ms():  # noqa: ASYNC110 - time is what is waited for
            await asyncio.sleep((self.suspended_until_ms - self._loop.now_ms()) / 1000 + 0.0005)
