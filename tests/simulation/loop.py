"""An asyncio event loop whose time is virtual: when nothing is ready, it jumps to the next timer.

Everything runs in one thread and in a fixed order, so a run depends on nothing but what is put into it.
"""

import asyncio
from asyncio import base_events
from typing import Any


class Stuck(RuntimeError):
    """Everybody waits for something that nobody will do."""


class _Jump:
    """Stands where a selector stands: instead of waiting it moves the loop's time."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        """Pass the time that would have been waited."""
        if timeout is None:
            raise Stuck("the simulated world stands still: every task waits and no timer is set")
        if timeout > 0:
            self._loop.jump()
        return []


class VirtualLoop(base_events.BaseEventLoop):
    """A loop that never waits."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual = 0.0
        self._selector = _Jump(self)
        self._clock_resolution = 1e-9
        self._tasks: list[asyncio.Task[Any]] = []
        self.set_task_factory(self._task)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual

    def now_ms(self) -> int:
        """Virtual milliseconds since the loop was made."""
        return round(self._virtual * 1000)

    def jump(self) -> None:
        """Move on to the next timer."""
        self._virtual = max(self._virtual, self._scheduled[0].when())  # type: ignore[attr-defined]

    def end(self) -> None:
        """Cancel what is left over, and close."""
        left = [task for task in self._tasks if not task.done()]
        for task in left:
            task.cancel()
        if left:
            self.run_until_complete(asyncio.wait(left))
        self._tasks.clear()
        self.close()

    def _task(self, loop: asyncio.AbstractEventLoop, work: Any, context: Any = None) -> "asyncio.Task[Any]":
        """A task that is remembered; asking asyncio for all of them costs more than running them."""
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, context=context)
        self._tasks.append(task)
        return task

    def _process_events(self, event_list: list[Any]) -> None:
        """There are no events from outside."""

    def _write_to_self(self) -> None:
        """Nobody calls from another thread."""
