"""The two clocks a program may read, and the one way it may wait; passed in, so that a simulation can own time.

Nothing outside this module asks the machine for the time. Exchange time is not here: it is what an exchange told us
(``exchanges/served.py``).
"""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Local time in milliseconds."""

    def monotonic_ms(self) -> int:
        """Elapsed time that never goes back; counts the time a machine was suspended, where the system can tell."""
        ...

    def wall_ms(self) -> int:
        """Unix time; for display and for the journal's reader, never compared with an exchange's time."""
        ...

    async def sleep(self, milliseconds: int) -> None:
        """Let at least that much time pass."""
        ...


class SystemClock:
    """The machine's clocks."""

    _source = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def monotonic_ms(self) -> int:
        """Boot time where the system has it (it runs on through a suspend), else monotonic time."""
        return time.clock_gettime_ns(self._source) // 1_000_000

    def wall_ms(self) -> int:
        """Unix time."""
        return time.time_ns() // 1_000_000

    async def sleep(self, milliseconds: int) -> None:
        """Sleep on the running event loop."""
        await asyncio.sleep(milliseconds / 1000)
