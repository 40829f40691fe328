"""The free balance shared by all lanes: what a look cannot have seen counts, and nothing else does."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.protocol.funds import Reservation, addition_of
from tests.kit.desk import intent
from tests.kit.fakes import run

GRACE_MS = 100
FREE = Decimal(1000)
KEYS = ("a", "b", "c")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing that happens to an addition, at a time."""

    what: str
    key: str
    amount: int
    at_ms: int


DEEDS = st.builds(
    Deed,
    what=st.sampled_from(("take", "done", "release", "look")),
    key=st.sampled_from(KEYS),
    amount=st.integers(1, 50),
    at_ms=st.integers(0, 400),
)


def counted_anew(deeds: Sequence[Deed], sent_at_ms: int) -> Decimal:
    """What is free by the rule itself: every addition looked at, one by one."""
    taken: dict[str, tuple[int, int | None]] = {}
    for deed in deeds:
        match deed.what:
            case "take":
                taken[deed.key] = (deed.amount, None)
            case "done" if deed.key in taken:
                taken[deed.key] = (taken[deed.key][0], deed.at_ms)
            case "release":
                taken.pop(deed.key, None)
    unseen = [amount for amount, effect in taken.values() if effect is None or sent_at_ms <= effect + GRACE_MS]
    return FREE - sum(unseen)


@given(st.lists(DEEDS, max_size=40))
def test_what_is_free_is_what_the_rule_says_whatever_happened_in_whatever_order(deeds: list[Deed]) -> None:
    reservation = Reservation(grace_ms=GRACE_MS, minimum=lambda _: None)
    for number, deed in enumerate(deeds):
        match deed.what:
            case "take":
                reservation.take(deed.key, "USDT", Decimal(deed.amount))
            case "done":
                reservation.done(deed.key, effect_ms=deed.at_ms)
            case "release":
                reservation.release(deed.key)
            case _:
                free = reservation.free({"USDT": FREE}, "USDT", sent_at_ms=deed.at_ms)
                assert free == counted_anew(deeds[:number], deed.at_ms)


def test_assets_do_not_share_a_balance_and_the_minimum_stays() -> None:
    reservation = Reservation(grace_ms=GRACE_MS, minimum=lambda asset: Decimal(10) if asset == "BTC" else None)
    reservation.take("a", "USDT", Decimal(400))
    free = {asset: reservation.free({"USDT": FREE, "BTC": FREE}, asset, sent_at_ms=1) for asset in ("USDT", "BTC")}
    assert free == {"USDT": Decimal(600), "BTC": Decimal(990)}


def test_an_effect_that_proves_to_be_later_counts_again_for_looks_that_lack_it() -> None:
    reservation = Reservation(grace_ms=GRACE_MS, minimum=lambda _: None)
    reservation.take("a", "USDT", Decimal(300))
    reservation.done("a", effect_ms=0)
    assert reservation.free({"USDT": FREE}, "USDT", sent_at_ms=150) == FREE
    reservation.done("a", effect_ms=100)
    assert [reservation.free({"USDT": FREE}, "USDT", sent_at_ms=ms) for ms in (150, 200, 201)] == [700, 700, FREE]


def test_an_addition_that_is_sent_again_is_not_ended_by_its_first_effect() -> None:
    reservation = Reservation(grace_ms=GRACE_MS, minimum=lambda _: None)
    reservation.take("a", "USDT", Decimal(300))
    reservation.done("a", effect_ms=0)
    reservation.take("a", "USDT", Decimal(200))
    assert reservation.free({"USDT": FREE}, "USDT", sent_at_ms=500) == 800


def test_funds_are_waited_for_only_while_a_reduction_is_expected() -> None:
    async def work() -> list[str]:
        reservation, seen = Reservation(grace_ms=GRACE_MS, minimum=lambda _: None), []
        await asyncio.wait_for(reservation.freed(), 1)
        reservation.expect("r")
        waiting = asyncio.ensure_future(reservation.freed())
        await asyncio.sleep(1)
        seen.append("waits" if not waiting.done() else "goes on")
        reservation.over("r")
        await asyncio.wait_for(waiting, 1)
        return [*seen, "waits" if reservation.awaits_reductions else "goes on"]

    assert run(work) == ["waits", "goes on"]


def test_only_a_step_that_moves_margin_takes_free_balance() -> None:
    assert addition_of(intent("300")) == ("USDT", Decimal(300))
    with pytest.raises(LookupError, match="reserving free balance for a step that needs none"):
        addition_of(intent(None))
