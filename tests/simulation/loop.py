"""An asyncio event loop whose time is virtual: when nothing is ready, it jumps to the next timer.

Everything runs in one thread and in a fixed order, so a run depends on nothing but what is put into it. Timers that are
due at the same moment run in the order in which they were set. What asyncio's own loop does for sockets, threads and
debugging is left out: a third of a simulation's time is spent here.
"""

import asyncio
import contextvars
import heapq
from asyncio import base_events
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVarTuple

Args = TypeVarTuple("Args")

_TOGETHER_S = 1e-9
"""Timers this near to each other are due at the same moment."""


class Stuck(RuntimeError):
    """Everybody waits for something that nobody will do."""


class _Call(asyncio.TimerHandle):
    """A callback that is to be called; only what is needed of asyncio's own handles."""

    __slots__ = ()

    def __init__(
        self, when: float, callback: Callable[..., object], args: tuple[Any, ...], context: contextvars.Context | None
    ) -> None:
        self._when = when
        self._callback = callback
        self._args = args
        self._context = contextvars.copy_context() if context is None else context
        self._cancelled = False

    def cancel(self) -> None:
        """Do not call it any more."""
        self._cancelled = True

    def call(self, loop: "VirtualLoop") -> None:
        """Call it; what goes wrong goes to the loop's exception handler, as asyncio has it."""
        if self._cancelled:
            return
        try:
            self._context.run(self._callback, *self._args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - a callback's failure must not end the world
            loop.call_exception_handler({"message": "a callback failed", "exception": error})


class VirtualLoop(base_events.BaseEventLoop):
    """A loop that never waits."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual = 0.0
        self._now_ms = 0
        self._calls: deque[_Call] = deque()
        self._timers: list[tuple[float, int, _Call]] = []
        self._set = 0
        self._stopping = False
        self._tasks: list[asyncio.Task[Any]] = []

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual

    def now_ms(self) -> int:
        """Virtual milliseconds since the loop was made."""
        return self._now_ms

    def stand_still(self, milliseconds: int) -> None:
        """Let time pass at once, while nothing runs: what a callback that takes long does to a loop."""
        self._move_to(self._virtual + milliseconds / 1000)

    def call_soon(
        self,
        callback: Callable[[*Args], object],
        *args: *Args,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """See asyncio."""
        call = _Call(self._virtual, callback, args, context)
        self._calls.append(call)
        return call

    def call_at(
        self,
        when: float,
        callback: Callable[[*Args], object],
        *args: *Args,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        call = _Call(when, callback, args, context)
        self._set += 1
        heapq.heappush(self._timers, (when, self._set, call))
        return call

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Args], object],
        *args: *Args,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        return self.call_at(self._virtual + delay, callback, *args, context=context)

    def create_task(
        self, coro: Any, *, name: object = None, context: contextvars.Context | None = None
    ) -> "asyncio.Task[Any]":
        """See asyncio. The task is remembered; asking asyncio for all of them costs more than running them."""
        task: asyncio.Task[Any] = asyncio.Task(
            coro, loop=self, name=None if name is None else str(name), context=context
        )
        self._tasks.append(task)
        return task

    def end(self) -> None:
        """Cancel what is left over, and close."""
        left = [task for task in self._tasks if not task.done()]
        for task in left:
            task.cancel()
        if left:
            self.run_until_complete(asyncio.wait(left))
        self._tasks.clear()
        self.close()

    def _run_once(self) -> None:
        """Run until somebody has asked to stop."""
        calls = self._calls
        while not self._stopping:
            if not calls:
                self._jump()
            for _ in range(len(calls)):
                calls.popleft().call(self)

    def _jump(self) -> None:
        """Move on to the next timer, and make ready all that are due then."""
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not timers:
            raise Stuck("the simulated world stands still: every task waits and no timer is set")
        self._move_to(max(self._virtual, timers[0][0]))
        due = self._virtual + _TOGETHER_S
        while timers and timers[0][0] < due:
            self._calls.append(heapq.heappop(timers)[2])

    def _move_to(self, moment: float) -> None:
        self._virtual = moment
        self._now_ms = round(moment * 1000)
