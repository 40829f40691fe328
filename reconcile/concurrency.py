"""Run tasks side by side without leaving one behind, and interrupt those that may be interrupted."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from reconcile.clock import Clock
from reconcile.errors import Interrupted

T = TypeVar("T")


async def gather_all(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results, in order. Raises the first failure unchanged, after all other tasks have ended."""
    tasks: list[asyncio.Task[T]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks.extend(group.create_task(item) for item in work)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    return [task.result() for task in tasks]


class Background:
    """Work under way by name, none of it awaited for longer than its caller wants. The work must not raise."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def has(self, name: str) -> bool:
        """Whether the work of that name is still under way."""
        return name in self._tasks and not self._tasks[name].done()

    def begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Begin it beside the rest; none of that name may be under way."""
        self._tasks[name] = asyncio.ensure_future(work)

    async def ended(self, most_ms: int | None = None, clock: Clock | None = None) -> None:
        """Wait until all has ended, for ``most_ms`` of ``clock`` at most (None: as long as it takes).

        What raised all the same raises here.
        """
        running = {task for task in self._tasks.values() if not task.done()}
        pause = None if most_ms is None or clock is None else asyncio.ensure_future(clock.sleep(most_ms))
        try:
            while running and (pause is None or not pause.done()):
                waited = running if pause is None else {*running, pause}
                done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                running -= done
        finally:
            if pause is not None:
                pause.cancel()
        for name, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[name]
                task.result()


class Stop(asyncio.Event):
    """A request to stop, set once; may be set by a signal handler."""

    def __init__(self) -> None:
        super().__init__()
        self._told: set[Callable[[], None]] = set()

    def set(self) -> None:
        """Ask whoever can be broken off to end."""
        super().set()
        for tell in tuple(self._told):
            tell()

    @contextmanager
    def telling(self, tell: Callable[[], None]) -> Iterator[None]:
        """While it is entered, ``tell`` is called when the request comes; it must not do more than pass it on.

        It may be called twice: a signal can come between any two steps of this.
        """
        self._told.add(tell)
        try:
            if self.is_set():
                tell()
            yield
        finally:
            self._told.discard(tell)


async def interruptible(stop: Stop, work: Coroutine[Any, Any, T], *, doing: str, leaves: str = "nothing was sent") -> T:
    """The result of work that may be dropped at any moment; raises Interrupted once ``stop`` is set.

    ``doing`` and what that ``leaves`` are for a person. Only for what sends nothing and writes nothing: waiting, for
    a lock as well, and reading. The work runs in the caller's own task, cancelled as ``asyncio.timeout`` does it.
    """
    if stop.is_set():
        work.close()
        raise Interrupted(f"{doing}: asked to stop; {leaves}")
    request = _Cancellation()
    with stop.telling(request.ask_for):
        try:
            return await work
        except asyncio.CancelledError:
            if request.is_all:
                raise Interrupted(f"{doing}: asked to stop; {leaves}") from None
            raise
        finally:
            request.over()


class _Cancellation:
    """One request to cancel the current task, distinct from all others and revocable.

    Only later requests count. Some earlier ones are long over: a task group whose work fails requests the cancellation
    of its own task. Before Python 3.13 it never revokes that request.
    """

    def __init__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("work that a stop may break off runs in a task")
        self._task = task
        self._loop = asyncio.get_running_loop()
        self._before = 0
        self._made = self._over = False

    def ask_for(self) -> None:
        """Make it as soon as the loop runs."""
        self._loop.call_soon(self._make)

    @property
    def is_all(self) -> bool:
        """Whether it is the only request to cancel the task since."""
        return self._made and self._task.cancelling() <= self._before + 1

    def over(self) -> None:
        """Take it back, or never make it."""
        self._over = True
        if self._made:
            self._task.uncancel()

    def _make(self) -> None:
        if not self._over and not self._made:
            self._made = True
            self._before = self._task.cancelling()
            self._task.cancel()
