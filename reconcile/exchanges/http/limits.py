"""Rate limits as budgets: never more in flight than the exchange counts, and not one request slower than it allows.

How an exchange counts is not documented (calendar windows, sliding windows or a token bucket), so a budget keeps the
strictest of these. In no window, wherever it begins, does more arrive than the limit says. Arrival is only known to lie
between our sending and its answer. A slot is therefore taken while its request is under way, and free again when a new
request cannot arrive less than a window after it::

    answered - fastest round trip + window + MARGIN_MS

The fastest round trip seen on that host is the part of every journey that cannot vary. A request pays only for what its
journey took beyond it. That holds however the latency is split between the two directions.

What the exchange says wins: a used weight above our own count is booked as spent by others. After a throttle answer
everything that counts against the limit waits. If the answer names neither a limit nor a time, it counts for the limit
with the shortest window. If the exchange refuses again right after that, it counts for all limits. A reserve is left to
urgent requests: the looks that settle doubt. All accounts of an invocation share one ``Limits``. A wait that the
exchange named outlives it in ``Bans``.
"""

import asyncio
import contextvars
import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from reconcile.clock import Clock
from reconcile.errors import ReadFailed
from reconcile.exchanges.http.bans import LONGEST_BAN_MS, Bans, NoBans
from reconcile.model.times import LAST_MS, written

MARGIN_MS = 5
"""For clocks that tick in whole milliseconds and for a fastest round trip that is not the fastest possible."""
AGAIN_MS = 5_000
"""A refusal so soon after a pause was over came of a limit that the pause was not for."""
NOTICED_MS = 2_000
"""A wait of this length is told."""
PATIENCE_MS = 120_000
"""The longest ban that is waited for; a longer one is an error that says how long."""

_settling: contextvars.ContextVar[bool] = contextvars.ContextVar("settling", default=False)


@contextmanager
def settling() -> Iterator[None]:
    """Requests made inside are urgent: they settle doubt, and may use the reserve."""
    token = _settling.set(True)
    try:
        yield
    finally:
        _settling.reset(token)


class CountedBy(StrEnum):
    """The subject by which the exchange counts a limit."""

    IP = "ip"
    UID = "uid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A documented limit: ``capacity`` (requests or weight) per ``window_ms``; ``reserve`` is for urgent requests."""

    name: str
    counted_by: CountedBy
    capacity: int
    window_ms: int
    reserve: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """The cost of one request against one limit."""

    limit: Limit
    cost: int = 1


class RoundTrips:
    """The fastest round trip seen on one host, in milliseconds; 0 before the first."""

    def __init__(self) -> None:
        self.fastest_ms = 0
        self._seen = False

    def saw(self, milliseconds: int) -> None:
        """Take in one answered request."""
        self.fastest_ms = min(self.fastest_ms, milliseconds) if self._seen else milliseconds
        self._seen = True


class BudgetSlot:
    """Room for one request: held from admission until its answer, and spent for a window after that."""

    __slots__ = ("_budget", "_cost", "_held")

    def __init__(self, budget: "Budget", cost: int) -> None:
        self._budget = budget
        self._cost = cost
        self._held = True

    def answered(self) -> None:
        """The request is over: answered, failed or lost. From now on it only has to age."""
        if self._held:
            self._held = False
            self._budget._spend(self._cost)

    def give_back(self) -> None:
        """Nothing was sent."""
        if self._held:
            self._held = False
            self._budget._release(self._cost)


class Budget:
    """One limit of one IP or one account, with first come, first served."""

    def __init__(
        self,
        limit: Limit,
        clock: Clock,
        trips: RoundTrips,
        tell: Callable[[str], object],
        keep: Callable[[int], None] = lambda _: None,
    ) -> None:
        """``keep`` notes a wait that the exchange named, in milliseconds."""
        self.limit = limit
        self._tell = tell
        self._keep = keep
        self._told_until = 0
        self._clock = clock
        self._trips = trips
        self._held = 0
        self._spent = 0
        self._ages: list[tuple[int, int]] = []
        """A heap of (when answered, cost)."""
        self._closed_until = 0
        self._noted_in = ""
        self._turns = {False: asyncio.Lock(), True: asyncio.Lock()}
        self._answered = asyncio.Event()

    async def admit(self, cost: int = 1, *, urgent: bool = False) -> BudgetSlot:
        """Wait for room and take it. Raises ReadFailed when the exchange has shut us out for longer than we wait."""
        async with self._turns[urgent]:
            room = self.limit.capacity if urgent else self.limit.capacity - self.limit.reserve
            while True:
                now = self._clock.monotonic_ms()
                if now < self._closed_until:
                    await self._wait_for_reopening(self._closed_until - now)
                elif self._fits(cost, room, now):
                    self._held += cost
                    return BudgetSlot(self, cost)
                else:
                    await self._wait_for_room(now)

    def used(self, total: int) -> None:
        """The exchange says so much of the limit is used; what we cannot account for was spent by others."""
        self._forget(self._clock.monotonic_ms())
        others = total - self._held - self._spent
        if others > 0:
            self._spend_now(others)

    def throttled(self, for_ms: int | None) -> None:
        """The exchange refused for its limit: let nothing through for so long (None: it did not say; one window)."""
        pause = self.limit.window_ms if for_ms is None else min(for_ms, LONGEST_BAN_MS)
        self._closed_until = max(self._closed_until, self._clock.monotonic_ms() + pause + MARGIN_MS)
        if for_ms is not None:
            self._keep(pause)

    def closed_earlier(self, for_ms: int, noted_in: str) -> None:
        """An earlier process was refused; ``noted_in`` tells a person where that stands."""
        self._closed_until = self._clock.monotonic_ms() + for_ms + MARGIN_MS
        self._noted_in = f"; an earlier run was told so ({noted_in})"

    @property
    def was_just_closed(self) -> bool:
        """Whether a throttle answer's pause has ended, and so lately that a refusal now was not its fault."""
        over_ms = self._clock.monotonic_ms() - self._closed_until
        return self._closed_until > 0 and 0 <= over_ms <= self.limit.window_ms + AGAIN_MS

    def _fits(self, cost: int, room: int, now: int) -> bool:
        self._forget(now)
        taken = self._held + self._spent
        return taken + cost <= room or taken == 0

    def _forget(self, now: int) -> None:
        while self._ages and self._free_at(self._ages[0][0]) <= now:
            self._spent -= heapq.heappop(self._ages)[1]

    def _free_at(self, answered: int) -> int:
        return answered - self._trips.fastest_ms + self.limit.window_ms + MARGIN_MS

    async def _wait_for_room(self, now: int) -> None:
        if self._ages:
            milliseconds = max(1, self._free_at(self._ages[0][0]) - now)
            self._say(now + milliseconds, milliseconds, "is used up")
            await self._clock.sleep(milliseconds)
        else:
            self._answered.clear()
            await self._answered.wait()

    async def _wait_for_reopening(self, milliseconds: int) -> None:
        if milliseconds > PATIENCE_MS:
            ends = written(min(max(0, self._clock.wall_ms() + milliseconds), LAST_MS))
            raise ReadFailed(
                f"waiting for the rate limit {self.limit.name}: the exchange shut us out until {ends} "
                f"({milliseconds // 1000} s more){self._noted_in}; it is not asked before; stop other programs on "
                "this address or key and run again after that",
                again=False,
                retry_after_ms=milliseconds,
            )
        self._say(self._closed_until, milliseconds, "the exchange asked us to wait")
        await self._clock.sleep(milliseconds)

    def _say(self, until_ms: int, milliseconds: int, why: str) -> None:
        """Tell a person of a wait that they would notice, once for all who wait for the same moment."""
        if milliseconds >= NOTICED_MS and until_ms > self._told_until:
            self._told_until = until_ms
            self._tell(f"rate limit {self.limit.name}: {why}; going on in {-(-milliseconds // 1000)} s")

    def _spend(self, cost: int) -> None:
        self._held -= cost
        self._spend_now(cost)
        self._answered.set()

    def _release(self, cost: int) -> None:
        self._held -= cost
        self._answered.set()

    def _spend_now(self, cost: int) -> None:
        self._spent += cost
        heapq.heappush(self._ages, (self._clock.monotonic_ms(), cost))


class Limits:
    """All budgets of one invocation: one per limit and IP, or per limit and account."""

    def __init__(self, clock: Clock, tell: Callable[[str], object] = lambda _: None, bans: Bans | None = None) -> None:
        """``tell`` takes one line for a person where a wait is long enough to be noticed. ``bans`` None: no wait is
        known from before, and none is kept."""
        self._clock = clock
        self._tell = tell
        self._bans = bans or NoBans()
        self._trips: dict[str, RoundTrips] = {}
        self._budgets: dict[tuple[str, str, Limit], Budget] = {}

    def trips(self, host: str) -> RoundTrips:
        """The known round trips to a host."""
        return self._trips.setdefault(host, RoundTrips())

    def budget(self, limit: Limit, *, host: str, owner: str) -> Budget:
        """The budget a request counts against; ``owner`` tells accounts apart where the limit counts by account."""
        counted = owner if limit.counted_by is CountedBy.UID else ""
        key = (host, counted, limit)
        found = self._budgets.get(key)
        if found is None:
            keep = partial(self._bans.keep, host, counted, limit.name)
            found = self._budgets[key] = Budget(limit, self._clock, self.trips(host), self._tell, keep)
            left_ms = self._bans.left_ms(host, counted, limit.name)
            if left_ms:
                found.closed_earlier(left_ms, self._bans.place)
        return found


def is_settling() -> bool:
    """Whether the running task settles doubt."""
    return _settling.get()
