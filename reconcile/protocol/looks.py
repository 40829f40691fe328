"""Looks at one account, shared by all its lanes: steps that need a fresh reading wait for the same one.

The date of a look is the time when its request was sent, not when the answer came. A step that needs a look later than
some effect gets any look, running or future, whose request was sent later.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

from reconcile.clock import Clock
from reconcile.errors import ReadFailed
from reconcile.exchanges.base import Reader
from reconcile.model.account import MarginType, ObservedAccount
from reconcile.protocol.timing import BETWEEN_LOOKS_MS, LOOKS_IN_TIME, VERIFY_EVERY_MS


def shows_any(look: ObservedAccount) -> bool:
    """Whether a look shows an open position."""
    return any(position.is_open for position in look.positions.values())


async def observed(
    reader: Reader,
    declared: Mapping[str, MarginType],
    *,
    measured: Collection[str],
    reuse: ObservedAccount | None,
    was_open: bool,
    pause: Callable[[], Awaitable[None]],
) -> ObservedAccount:
    """A look; a later one if the first shows no position although one was open, which may be a fault.

    The rest is as for ``Reader.observe``. Raises ReadFailed.
    """
    look = await reader.observe(declared, reuse=reuse, measured=measured)
    if was_open and not shows_any(look):
        await pause()
        look = await reader.observe(declared, reuse=look, measured=measured)
    return look


class Observer:
    """The only reader of an account's positions and free balance during a run."""

    def __init__(
        self,
        reader: Reader,
        declared: Mapping[str, MarginType],
        clock: Clock,
        first: ObservedAccount | None = None,
        *,
        measured: Collection[str] = (),
    ) -> None:
        """``first`` is a look already taken, or None. ``declared`` and ``measured`` are as for ``Reader.observe``."""
        self._reader = reader
        self._declared = declared
        self._measured = measured
        self._clock = clock
        self._last = first
        self._running: asyncio.Task[ObservedAccount] | None = None
        self._running_since = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._news = asyncio.Event()
        self._verifying: asyncio.Task[None] | None = None
        self._verify_after = 0
        self.changed_ms = 0
        """The exchange's time, as we know it, when it last accepted a call; a later look was sent after that."""

    @property
    def last(self) -> ObservedAccount | None:
        """The newest look, or None."""
        return self._last

    def start_from(self, look: ObservedAccount) -> None:
        """Use a look that was taken elsewhere, if it is newer."""
        if self._last is None or look.sent_at_ms > self._last.sent_at_ms:
            self._last = look
            self._news.set()
            self._news = asyncio.Event()

    def writing(self, *, busy: bool) -> None:
        """Tell whether writes are still to be sent; looks that verify are batched while they are."""
        if busy:
            self._quiet.clear()
        else:
            self._quiet.set()

    async def look(self, *, after_ms: int, max_age_ms: int | None) -> ObservedAccount:
        """A look sent later than ``after_ms`` (exchange time) that is no older than ``max_age_ms`` now (None: any age).

        Waits until that moment. Raises ReadFailed, also if reads keep taking longer than ``max_age_ms``.
        """
        for _ in range(LOOKS_IN_TIME):
            found = self._fitting(after_ms, max_age_ms)
            if found is not None:
                return found
            await self._until(after_ms)
            await self._take(after_ms)
        found = self._fitting(after_ms, max_age_ms)
        if found is None:
            raise ReadFailed(
                f"looking at the account: {LOOKS_IN_TIME} looks in a row took longer than {max_age_ms} ms, too long to "
                "send anything on them; try again when the exchange or the network is faster",
                again=True,
            )
        return found

    def changed(self) -> int:
        """The exchange accepted a call just now; returns ``changed_ms``."""
        self.changed_ms = self._reader.time.earliest()
        return self.changed_ms

    async def verify(self, *, after_ms: int) -> ObservedAccount:
        """A look sent later than ``after_ms``, taken when writing is over or the batch interval has passed.

        All waiting steps share one look, as late as the latest of them needs. Raises ReadFailed.
        """
        self._verify_after = max(self._verify_after, after_ms)
        while (found := self._fitting(after_ms, None)) is None:
            if self._verifying is None or self._verifying.done():
                self._verifying = asyncio.ensure_future(self._verify())
            await asyncio.shield(self._verifying)
        return found

    def age(self, look: ObservedAccount) -> int:
        """The greatest age that a look can have now, in milliseconds."""
        return self._reader.time.latest() - look.sent_at_ms

    def _fitting(self, after_ms: int, max_age_ms: int | None) -> ObservedAccount | None:
        last = self._last
        if last is None or last.sent_at_ms <= after_ms:
            return None
        return last if max_age_ms is None or self.age(last) <= max_age_ms else None

    async def _verify(self) -> None:
        """Take one look for all waiting steps, unless another step's look comes first and may be enough for some."""
        if self._quiet.is_set() or not await self._batch():
            await self.look(after_ms=self._verify_after, max_age_ms=None)

    async def _batch(self) -> bool:
        """Wait for the interval, the end of writing, or another step's look; whether that look ended the wait."""
        pause = asyncio.ensure_future(self._clock.sleep(VERIFY_EVERY_MS))
        quiet = asyncio.ensure_future(self._quiet.wait())
        news = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait({pause, quiet, news}, return_when=asyncio.FIRST_COMPLETED)
            return news.done() and not quiet.done()
        finally:
            pause.cancel()
            quiet.cancel()
            news.cancel()

    async def _until(self, after_ms: int) -> None:
        while True:
            if self._reader.time.due:
                await self._reader.sync_time()
            missing = self._reader.time.wait_ms(after_ms)
            if missing < 0:
                return
            await self._clock.sleep(missing + 1)

    async def _take(self, after_ms: int) -> None:
        running = self._running
        if running is None or running.done() or self._running_since <= after_ms:
            running = asyncio.ensure_future(
                observed(
                    self._reader,
                    self._declared,
                    measured=self._measured,
                    reuse=self._last,
                    was_open=self._last is not None and shows_any(self._last),
                    pause=lambda: self._clock.sleep(BETWEEN_LOOKS_MS),
                )
            )
            self._running = running
            self._running_since = self._reader.time.earliest()
        self.start_from(await asyncio.shield(running))
