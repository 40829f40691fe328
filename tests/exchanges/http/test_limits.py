"""Budgets: never above the limit where the exchange counts, hardly ever below it, fair, and obedient to throttling."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcile.errors import ReadFailed
from reconcile.exchanges.http.limits import PATIENCE_MS, BudgetSlot, CountedBy, Limit, Limits, is_settling, settling
from tests.kit.fakes import VirtualClock, run

OKX = Limit(name="okx", counted_by=CountedBy.UID, capacity=20, window_ms=2_000)
BITGET = Limit(name="bitget", counted_by=CountedBy.UID, capacity=5, window_ms=1_000)
WEIGHT = Limit(name="weight", counted_by=CountedBy.IP, capacity=10, window_ms=60_000, reserve=3)


class Server:
    """Notes when each request arrives; the way there and the way back take what the dice say."""

    def __init__(self, limit: Limit, *, there: int, back: int, jitter: int, seed: int) -> None:
        self.clock = VirtualClock()
        self.limits = Limits(self.clock)
        self.budget = self.limits.budget(limit, host="h", owner="a")
        self.limits.trips("h").saw(there + back)
        self.there, self.back, self.jitter, self.dice = there, back, jitter, random.Random(seed)
        self.arrivals: list[int] = []

    async def call(self) -> None:
        slot = await self.budget.admit()
        sent = self.clock.monotonic_ms()
        await self.clock.sleep(self.there + self.dice.randint(0, self.jitter))
        self.arrivals.append(self.clock.monotonic_ms())
        await self.clock.sleep(self.back + self.dice.randint(0, self.jitter))
        self.limits.trips("h").saw(self.clock.monotonic_ms() - sent)
        slot.answered()

    async def calls(self, count: int) -> int:
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self.call())
        return self.clock.monotonic_ms()


@settings(max_examples=40, deadline=None)
@given(
    limit=st.sampled_from([OKX, BITGET]),
    there=st.integers(0, 200),
    back=st.integers(0, 200),
    jitter=st.integers(0, 80),
    seed=st.integers(0, 99),
)
def test_no_window_at_the_exchange_ever_holds_more_than_the_limit(
    limit: Limit, there: int, back: int, jitter: int, seed: int
) -> None:
    server = Server(limit, there=there, back=back, jitter=jitter, seed=seed)
    run(lambda: server.calls(60))
    arrived = sorted(server.arrivals)
    spans = [late - early for early, late in zip(arrived, arrived[limit.capacity :], strict=False)]
    assert len(arrived) == 60
    assert min(spans) >= limit.window_ms


@pytest.mark.parametrize("limit", [OKX, BITGET], ids=lambda limit: limit.name)
@pytest.mark.parametrize("jitter", [0, 3])
def test_a_hundred_writes_take_hardly_longer_than_the_limit_itself_needs(limit: Limit, jitter: int) -> None:
    server = Server(limit, there=10, back=10, jitter=jitter, seed=1)
    took = run(lambda: server.calls(100))
    needed = (100 // limit.capacity - 1) * limit.window_ms
    assert took / needed <= 1.03


def test_who_came_first_is_admitted_first() -> None:
    clock = VirtualClock()
    budget = Limits(clock).budget(BITGET, host="h", owner="a")
    order: list[int] = []

    async def one(number: int) -> None:
        slot = await budget.admit()
        order.append(number)
        slot.answered()

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(23):
                group.create_task(one(number))

    run(main)
    assert order == list(range(23))


def test_one_that_is_cancelled_while_it_waits_takes_no_room_and_holds_up_nobody() -> None:
    clock = VirtualClock()
    budget = Limits(clock).budget(BITGET, host="h", owner="a")

    async def main() -> int:
        for slot in [await budget.admit() for _ in range(5)]:
            slot.answered()
        waiting = [asyncio.create_task(budget.admit()) for _ in range(6)]
        await clock.sleep(100)
        waiting[0].cancel()
        await asyncio.gather(*waiting[1:])
        return clock.monotonic_ms()

    assert run(main) <= 1_010


def test_room_that_was_not_used_is_free_at_once() -> None:
    clock = VirtualClock()
    budget = Limits(clock).budget(BITGET, host="h", owner="a")

    async def main() -> int:
        for slot in [await budget.admit() for _ in range(5)]:
            slot.give_back()
            slot.give_back()
        for _ in range(5):
            await budget.admit()
        return clock.monotonic_ms()

    assert run(main) == 0


def test_a_request_under_way_keeps_its_room_until_it_is_over() -> None:
    clock = VirtualClock()
    budget = Limits(clock).budget(BITGET, host="h", owner="a")

    async def end(slot: BudgetSlot) -> None:
        await clock.sleep(30_000)
        slot.answered()

    async def main() -> int:
        slots = [await budget.admit() for _ in range(5)]
        async with asyncio.TaskGroup() as group:
            for slot in slots:
                group.create_task(end(slot))
            await budget.admit()
            return clock.monotonic_ms()

    assert 31_000 <= run(main) <= 31_010


def test_the_reserve_is_left_to_requests_that_settle_doubt() -> None:
    clock = VirtualClock()
    budget = Limits(clock).budget(WEIGHT, host="h", owner="a")

    async def main() -> tuple[int, int]:
        (await budget.admit(7)).answered()
        ordinary = asyncio.create_task(budget.admit(1))
        await clock.sleep(1)
        (await budget.admit(3, urgent=True)).answered()
        urgent_at = clock.monotonic_ms()
        await ordinary
        return urgent_at, clock.monotonic_ms()

    urgent_at, ordinary_at = run(main)
    assert urgent_at == 1
    assert ordinary_at >= 60_000


def test_weight_that_others_used_counts_and_our_own_is_not_counted_twice() -> None:
    clock = VirtualClock()
    budget = Limits(clock).budget(WEIGHT, host="h", owner="a")

    async def main() -> list[int]:
        slot = await budget.admit(2)
        slot.answered()
        budget.used(2)
        budget.used(6)
        at = []
        for _ in range(2):
            (await budget.admit(1)).answered()
            at.append(clock.monotonic_ms())
        return at

    first, second = run(main)
    assert first == 0
    assert second >= 60_000


def test_after_a_throttle_answer_everything_under_the_same_limit_waits_and_nothing_else() -> None:
    clock = VirtualClock()
    limits = Limits(clock)

    async def main() -> dict[str, int]:
        limits.budget(WEIGHT, host="h", owner="a").throttled(4_000)
        limits.budget(BITGET, host="h", owner="a").throttled(None)
        at = {}
        for name, limit, host, owner in [
            ("another account, a limit by account", BITGET, "h", "b"),
            ("another host", WEIGHT, "other", "a"),
            ("the account", BITGET, "h", "a"),
            ("another account, a limit by address", WEIGHT, "h", "b"),
        ]:
            await limits.budget(limit, host=host, owner=owner).admit()
            at[name] = clock.monotonic_ms()
        return at

    assert run(main) == {
        "another account, a limit by account": 0,
        "another host": 0,
        "the account": 1_005,
        "another account, a limit by address": 4_005,
    }


def test_a_ban_longer_than_our_patience_is_an_error_that_says_how_long() -> None:
    clock = VirtualClock()
    budget = Limits(clock).budget(WEIGHT, host="h", owner="a")

    async def main() -> None:
        budget.throttled(PATIENCE_MS + 60_000)
        await budget.admit()

    with pytest.raises(ReadFailed, match=r"shut us out until 1970-01-01T00:03:00Z \(180 s more\)"):
        run(main)


def test_no_answer_shuts_us_out_for_longer_than_the_longest_documented_ban() -> None:
    clock = VirtualClock()
    budget = Limits(clock).budget(WEIGHT, host="h", owner="a")

    async def main() -> None:
        budget.throttled(10**15)
        await budget.admit()

    with pytest.raises(ReadFailed, match=r"until 1970-01-04T00:00:00Z \(259200 s more\)"):
        run(main)


def test_a_request_dearer_than_the_limit_goes_alone_instead_of_never() -> None:
    clock = VirtualClock()
    budget = Limits(clock).budget(WEIGHT, host="h", owner="a")

    async def main() -> int:
        (await budget.admit(1)).answered()
        await budget.admit(50)
        return clock.monotonic_ms()

    assert 60_000 <= run(main) <= 60_010


def test_only_what_runs_inside_is_settling() -> None:
    async def main() -> list[bool]:
        with settling():
            inside = await asyncio.create_task(_ask())
        return [inside, is_settling()]

    async def _ask() -> bool:
        return is_settling()

    assert run(main) == [True, False]


def test_a_wait_that_is_noticed_is_told_once_with_its_limit_and_its_length() -> None:
    clock = VirtualClock()
    told: list[str] = []
    limits = Limits(clock, told.append)

    async def main() -> None:
        budget = limits.budget(WEIGHT, host="h", owner="a")
        budget.throttled(4_000)
        for slot in await asyncio.gather(budget.admit(), budget.admit()):
            slot.answered()
        limits.budget(BITGET, host="h", owner="a").throttled(500)
        (await limits.budget(BITGET, host="h", owner="a").admit()).answered()
        (await budget.admit(7)).answered()

    run(main)
    assert told == [
        "rate limit weight: the exchange asked us to wait; going on in 5 s",
        "rate limit weight: is used up; going on in 60 s",
    ]
