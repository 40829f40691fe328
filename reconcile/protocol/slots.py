"""How many steps are at work at once: what waits does so before its look, so that no look grows old in a queue."""

import asyncio


class SharedSlots:
    """How many steps of all accounts are at work at once: ``sending`` waits for an answer, ``next`` looks, journals,
    waits to send. Some are made ready while others are under way, so that the wire never waits for the disk; not more,
    so that their looks are still young when they have a place on it.
    """

    def __init__(self, parallelism: int) -> None:
        self.sending = asyncio.Semaphore(parallelism)
        self.next = asyncio.Semaphore(2 * parallelism)


class Slots:
    """How many steps of one account wait for rate limits and for looks that are late enough: ``ready``. ``places`` are
    shared by all accounts, as the wire is (None: this one is alone)."""

    def __init__(self, parallelism: int, places: SharedSlots | None = None) -> None:
        self.places = places or SharedSlots(parallelism)
        self.ready = asyncio.Semaphore(2 * parallelism)
