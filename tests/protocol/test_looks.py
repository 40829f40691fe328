"""Looks that all lanes share: late enough, young enough, or none."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from reconcile.errors import ReadFailed
from reconcile.exchanges.base import Reader
from reconcile.model.account import ObservedAccount
from reconcile.protocol.looks import Observer
from reconcile.protocol.timing import LOOKS_IN_TIME, MAX_READ_AGE_MS
from tests.kit.desk import observed, position
from tests.kit.fakes import VirtualClock, run

LOOK = observed([position("BTCUSDT.long")])
TOO_LONG_MS = MAX_READ_AGE_MS + 1


@dataclass
class Clockwork:
    """The exchange's time, known exactly; ``due`` until it was asked for."""

    due: bool = False

    def earliest(self) -> int:
        return VirtualClock().monotonic_ms()

    latest = earliest

    def wait_ms(self, moment_ms: int) -> int:
        return moment_ms - self.earliest()


@dataclass
class SlowReader:
    """An account whose reads take ``takes_ms``, one after another; each look is dated by when it was sent."""

    takes_ms: Sequence[int] = (0,)
    time: Clockwork = field(default_factory=Clockwork)
    reads: int = 0

    async def observe(self, _: Mapping[str, Any], **__: Any) -> ObservedAccount:
        sent_ms = self.time.earliest()
        await asyncio.sleep(self.takes_ms[self.reads] / 1000)
        self.reads += 1
        return replace(LOOK, sent_at_ms=sent_ms)

    async def sync_time(self) -> int:
        self.time.due = False
        return self.time.earliest()


@dataclass
class Forgetful:
    """An account whose looks show these, one after another."""

    shows: Sequence[ObservedAccount]
    time: Clockwork = field(default_factory=Clockwork)
    reads: int = 0

    async def observe(self, _: Mapping[str, Any], **__: Any) -> ObservedAccount:
        self.reads += 1
        return replace(self.shows[self.reads - 1], sent_at_ms=self.time.earliest())


@pytest.mark.parametrize(
    ("shows", "reads", "is_open"),
    [
        ([observed([]), LOOK], 2, True),
        ([observed([]), observed([])], 2, False),
        ([LOOK], 1, True),
    ],
    ids=["one empty answer", "all positions closed", "nothing missing"],
)
def test_a_look_that_lacks_every_position_is_taken_again(
    shows: Sequence[ObservedAccount], reads: int, *, is_open: bool
) -> None:
    async def go() -> None:
        reader = Forgetful(shows)
        looks = Observer(cast("Reader", reader), {}, VirtualClock(), LOOK)
        found = await looks.look(after_ms=LOOK.sent_at_ms, max_age_ms=None)
        assert (reader.reads, bool(found.positions)) == (reads, is_open)

    run(go)


def observer(reader: SlowReader) -> Observer:
    return Observer(cast("Reader", reader), {}, VirtualClock())


def test_reads_that_take_too_long_to_send_on_are_repeated_and_then_given_up() -> None:
    reader = SlowReader([TOO_LONG_MS] * LOOKS_IN_TIME)
    with pytest.raises(ReadFailed, match=f"looking at the account: {LOOKS_IN_TIME} looks in a row took longer than"):
        run(lambda: observer(reader).look(after_ms=-1, max_age_ms=MAX_READ_AGE_MS))
    assert reader.reads == LOOKS_IN_TIME


def test_the_last_of_the_allowed_reads_is_used_where_it_is_quick() -> None:
    reader = SlowReader([TOO_LONG_MS] * (LOOKS_IN_TIME - 1) + [0])
    look = run(lambda: observer(reader).look(after_ms=-1, max_age_ms=MAX_READ_AGE_MS))
    assert (look.sent_at_ms, reader.reads) == ((LOOKS_IN_TIME - 1) * TOO_LONG_MS, LOOKS_IN_TIME)


def test_a_look_later_than_a_moment_asks_for_the_time_and_waits_for_the_moment() -> None:
    reader = SlowReader(time=Clockwork(due=True))
    look = run(lambda: observer(reader).look(after_ms=700, max_age_ms=None))
    assert (look.sent_at_ms, reader.time.due, reader.reads) == (701, False, 1)
