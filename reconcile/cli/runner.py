"""One use case on an event loop: what Ctrl-C and SIGTERM do, what is said while it lasts, and what is closed after it.

The first signal ends a reading command at once. A sending command starts nothing new, settles or journals the calls in
flight, verifies and reports. The second ends the process on the spot, which is safe: the next run settles the rest.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeVar

from reconcile.cli.files import private
from reconcile.cli.progress import CountingClock, Progress
from reconcile.cli.session import Invocation
from reconcile.cli.world import WorldContext
from reconcile.clock import SystemClock
from reconcile.concurrency import Stop
from reconcile.errors import Interrupted
from reconcile.usecases.world import World

T = TypeVar("T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STOPPING = "stopping: nothing new is started; what is in flight is settled first (again to stop at once)"
_STOPPED = "stopped at once; whatever was sent is in the journal, and the next run settles it"
_STOPPING_READ = "stopping"


def conduct(
    session: Invocation,
    work: Callable[[World], Coroutine[Any, Any, T]],
    *,
    sends: bool,
    doing: str,
    parallelism: int = 10,
    lock_timeout_ms: int = 60_000,
) -> T:
    """Run ``work`` in the real world to its end; ``doing`` is what a person is told where nothing better is known.

    Raises what it raises, and Interrupted.
    """
    ended: list[T] = []  # not the task's own result: asyncio prints that, all of it, to look up a signal handler

    async def conducted() -> None:
        ended.append(
            await _conduct(
                session, work, sends=sends, doing=doing, parallelism=parallelism, lock_timeout_ms=lock_timeout_ms
            )
        )

    asyncio.run(conducted())
    return ended[0]


async def _conduct(
    session: Invocation,
    work: Callable[[World], Coroutine[Any, Any, T]],
    *,
    sends: bool,
    doing: str,
    parallelism: int,
    lock_timeout_ms: int,
) -> T:
    clock = CountingClock(session.status) if session.is_watched else SystemClock()
    progress = Progress(session, clock, f"{doing} ...")
    stopper = Stopper(sends=sends, line=session.line)
    with WorldContext(session, clock, parallelism=parallelism) as outside, stopper, progress:
        world = outside.world(progress=progress, stop=stopper.stop, lock_timeout_ms=lock_timeout_ms, sends=sends)
        if sends:
            private(world.home)
        task = asyncio.ensure_future(work(world))
        stopper.watch(task)
        try:
            return await task
        except asyncio.CancelledError as error:
            if not stopper.asked:
                raise
            raise Interrupted("interrupted; nothing was sent") from error


class Stopper:
    """Handle signals inside the block, and restore the earlier handlers after it."""

    def __init__(self, *, sends: bool, line: Callable[[str, str], str]) -> None:
        """``line`` makes a line of the log of a level and a message."""
        self._line = line
        self.stop = Stop()
        self.asked = False
        self._sends = sends
        self._task: asyncio.Future[Any] | None = None
        self._loop = asyncio.get_running_loop()
        self._before: dict[int, Any] = {}

    def watch(self, task: asyncio.Future[Any]) -> None:
        """The task that a reading command is ended by."""
        self._task = task

    def __enter__(self) -> None:
        try:
            self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        except ValueError:  # not the main thread, which alone has signals
            self._before = {}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signal module's signature
        if self.asked:
            _tell(self._line("warning", _STOPPED))
            os._exit(130)
        self.asked = True
        _tell(self._line("warning", _STOPPING if self._sends else _STOPPING_READ))
        self.stop.set()  # here and now: the loop stands still while a person is asked
        self._loop.call_soon_threadsafe(self._ask)

    def _ask(self) -> None:
        if not self._sends and self._task is not None:
            self._task.cancel()


def _tell(text: str) -> None:
    """Straight to the descriptor: a signal may interrupt a write to stderr, so text for a person begins a new line."""
    try:
        os.write(2, f"{'' if text.startswith('{') else chr(10)}{text}\n".encode())
    except OSError:
        return
