"""Slots limit the steps that work at once. A step waits for its slot before its look, so that no look ages."""

import asyncio


class SharedSlots:
    """The slots that the accounts of an invocation share.

    ``in_flight`` steps wait for an answer; ``preparing`` steps look, journal and wait to send. Twice as many prepare as
    are in flight. The wire then never waits for the disk, and a look is still young when its call is sent.
    """

    def __init__(self, parallelism: int) -> None:
        self.in_flight = asyncio.Semaphore(parallelism)
        self.preparing = asyncio.Semaphore(2 * parallelism)


class Slots:
    """The slots of one account: ``queued`` steps wait for rate limits and for looks that are late enough.

    ``shared`` None: the account is alone.
    """

    def __init__(self, parallelism: int, shared: SharedSlots | None = None) -> None:
        self.shared = shared or SharedSlots(parallelism)
        self.queued = asyncio.Semaphore(2 * parallelism)
