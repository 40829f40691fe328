"""Running things side by side so that when one fails none is left behind: the rest is cancelled and waited for."""

import asyncio
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from typing import Any, TypeVar

from reconcile.errors import Interrupted

T = TypeVar("T")


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results, in order; the first failure is raised as it is, after all the rest has ended."""
    tasks: list[asyncio.Task[T]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks.extend(group.create_task(item) for item in work)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    return [task.result() for task in tasks]


async def until(stop: asyncio.Event, work: Coroutine[Any, Any, T], *, doing: str) -> T:
    """The result of work that may be dropped at any moment; raises Interrupted once ``stop`` is set.

    Only for what sends nothing and writes nothing: waiting for a lock, reading.
    """
    if stop.is_set():
        work.close()
        raise Interrupted(f"{doing}: asked to stop; nothing was sent")
    task = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
    finally:
        stopped.cancel()
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    raise Interrupted(f"{doing}: asked to stop; nothing was sent")
