"""Progress for a person while a command lasts: lines on stderr, and a countdown where it waits at a terminal."""

import asyncio
from collections.abc import Callable

from reconcile.cli.session import Invocation
from reconcile.clock import Clock, SystemClock

_QUIET_MS = 1_000
_COUNTED_MS = 2_000
"""Waits that are shorter than this are not counted down."""


class Progress:
    """Lines for a person on stderr, none of them in a run that is over within a second (all of them with ``-v``)."""

    def __init__(self, session: Invocation, clock: Clock, doing: str = "") -> None:
        """``doing`` is shown where nothing better is known after the first second, and no question was asked."""
        self._session = session
        self._doing = doing
        self._clock = clock
        self._begun_ms = clock.monotonic_ms()
        self._kept: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, line: str) -> None:
        """Show the line, or keep it until the first second is over."""
        left_ms = self._begun_ms + _QUIET_MS - self._clock.monotonic_ms()
        if left_ms <= 0 or self._session.verbose:
            self._show_kept()
            self._session.log("info", line)
            return
        self._kept.append(line)

    def _show_kept(self) -> None:
        kept, self._kept = self._kept, []
        if not kept and self._doing and not self._session.has_asked:
            kept = [self._doing]
        self._doing = ""
        for line in kept:
            self._session.log("info", line)

    def __enter__(self) -> None:
        """Show what is kept once the first second is over."""
        self._timer = asyncio.get_running_loop().call_later(_QUIET_MS / 1000, self._show_kept)

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()


class CountingClock(SystemClock):
    """The machine's clocks; a long wait is counted down in one line, which ``show`` replaces each second."""

    def __init__(self, show: Callable[[str], None]) -> None:
        """``show`` is given the line, and an empty one when nothing waits any more."""
        self._show = show
        self._ends: dict[int, int] = {}
        self._ticker: asyncio.Task[None] | None = None
        self._number = 0

    async def sleep(self, milliseconds: int) -> None:
        """Sleep on the running event loop, and tell how long is left."""
        if milliseconds < _COUNTED_MS:
            await super().sleep(milliseconds)
            return
        self._number += 1
        number = self._number
        self._ends[number] = self.monotonic_ms() + milliseconds
        if self._ticker is None:
            self._ticker = asyncio.ensure_future(self._tick())
        try:
            await super().sleep(milliseconds)
        finally:
            del self._ends[number]
            if not self._ends and self._ticker is not None:
                self._ticker.cancel()
                self._ticker = None
                self._show("")

    async def _tick(self) -> None:
        while self._ends:
            left_s = -(-(max(self._ends.values()) - self.monotonic_ms()) // 1000)
            waits = f" ({len(self._ends)} waits)" if len(self._ends) > 1 else ""
            self._show(f"waiting {left_s} s{waits}")
            await asyncio.sleep(1)
