"""Breaking off: whoever waits hears the request to stop, whatever has happened before; other cancellations stay so."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from reconcile.concurrency import Stop, gather_all, interruptible
from reconcile.errors import Interrupted, ReadFailed

Work = Callable[[Stop], Awaitable[object]]


async def _ever() -> None:
    await asyncio.Event().wait()


async def _fails() -> None:
    await asyncio.sleep(0)
    raise ReadFailed("reading: no answer; try again", again=True)


async def _fails_and_goes_on(stop: Stop) -> None:
    try:
        await gather_all([_fails(), _ever()])
    except ReadFailed:
        await _ever()


async def _fails_and_pauses(stop: Stop) -> None:
    try:
        await gather_all([_fails(), _ever()])
    except ReadFailed:
        await interruptible(stop, _ever(), doing="pausing")


async def _several(stop: Stop) -> None:
    await gather_all([interruptible(stop, _ever(), doing="one"), interruptible(stop, _ever(), doing="other"), _ever()])


@pytest.mark.parametrize(
    "work",
    [
        lambda _: _ever(),
        lambda stop: interruptible(stop, _ever(), doing="inside"),
        _several,
        _fails_and_goes_on,
        _fails_and_pauses,
    ],
    ids=["waiting", "nested", "several", "after-a-failure", "pausing-after-a-failure"],
)
def test_work_is_broken_off_by_a_request_to_stop(work: Work) -> None:
    async def main() -> None:
        stop = Stop()

        async def ask() -> None:
            for _ in range(20):
                await asyncio.sleep(0)
            stop.set()
            stop.set()

        async def broken_off() -> None:
            await interruptible(stop, _as_coroutine(work(stop)), doing="reading")

        await asyncio.wait_for(gather_all([broken_off(), ask()]), timeout=10)

    with pytest.raises(Interrupted):
        asyncio.run(main())


async def _as_coroutine(work: Awaitable[object]) -> object:
    return await work


def test_a_request_that_comes_before_anybody_is_told_is_heard() -> None:
    stop, told = Stop(), list[str]()
    stop.set()
    with stop.telling(lambda: told.append("stop")):
        pass
    assert told == ["stop"]


def test_a_cancellation_that_comes_with_the_request_stays_one() -> None:
    async def main() -> bool:
        stop = Stop()
        task = asyncio.ensure_future(interruptible(stop, _ever(), doing="reading"))
        await asyncio.sleep(0)
        stop.set()
        asyncio.get_running_loop().call_soon(task.cancel)
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(main())


def test_work_that_ends_as_the_request_comes_keeps_its_result() -> None:
    async def main() -> tuple[int, int]:
        stop = Stop()

        async def ends() -> int:
            stop.set()
            return 7

        found = await interruptible(stop, ends(), doing="reading")
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        return found, task.cancelling()

    assert asyncio.run(main()) == (7, 0)
