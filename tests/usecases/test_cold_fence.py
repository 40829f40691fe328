"""A run waits where its journal may not have seen what was sent: another host, a twin container, a reboot."""

from dataclasses import replace

import pytest

from reconcile.sandbox.faults import Fault, FaultPlan, FaultRule
from reconcile.sandbox.http import Lag
from reconcile.usecases import apply as applying
from tests.kit.scene import Scene, desired, play

LONG = "BTCUSDT.long"
FENCE_MS = 8_000
"""Binance: a validity of 3 s and a grace of 5 s."""
GRACE_MS = 5_000
HERE = ("host", "boot 1")

SECOND_RUNS = {
    "the same machine": (HERE, False),
    "another host": (("other", "boot 1"), True),
    "a container of the same name": (("host", "boot 1, namespace 2"), True),
    "after a reboot": (("host", "boot 2"), True),
    "a machine that cannot tell": (("host", None), True),
}


async def took_ms(scene: Scene, where: tuple[str, str | None], target: str) -> int:
    """How long an apply of its own process takes there, which must succeed."""
    began = scene.now_ms()
    host, machine = where
    world = replace(scene.world(), host=host, machine=machine)
    result = await applying.apply(world, [desired({LONG: target})], reason=None, git_commit=None, confirm=None)
    assert result.exit_code == 0
    return scene.now_ms() - began


@pytest.mark.parametrize("second", SECOND_RUNS)
def test_a_run_waits_unless_the_last_one_was_on_this_running_machine(second: str) -> None:
    where, is_cold = SECOND_RUNS[second]

    async def two_runs(scene: Scene) -> tuple[int, int]:
        scene.place.cold_fence = True
        first = await took_ms(scene, HERE, "3500")
        await scene.pass_time(60_000)
        return first, await took_ms(scene, where, "4000")

    (first, later), scene = play(two_runs)
    assert first >= FENCE_MS
    assert (later >= FENCE_MS) == is_cold
    assert [str(change) for _, change in scene.moved_by_calls()] == ["500", "500"]


def test_a_cold_run_that_finds_everything_in_place_says_so_after_one_grace_and_a_second_look() -> None:
    async def act(scene: Scene) -> tuple[int, int]:
        scene.place.cold_fence = True
        first = await took_ms(scene, HERE, "3000")
        await scene.pass_time(60_000)
        return first, await took_ms(scene, HERE, "3000")

    (first, later), scene = play(act)
    assert GRACE_MS <= first < FENCE_MS
    assert later < 1_000
    assert scene.moved_by_calls() == []


def test_a_cold_run_is_not_in_sync_by_reads_that_miss_another_homes_step() -> None:
    """Positions are two seconds behind: another home moved 3000 to 3500 a second ago, 3000 is declared here."""

    async def act(scene: Scene) -> None:
        scene.place.cold_fence = True
        scene.by_hand(LONG, "500")
        await scene.pass_time(1_000)
        scene.place.venue.faults = FaultPlan([FaultRule(fault=Fault(lag=Lag(positions_ms=2_000)), method="GET")])
        await took_ms(scene, HERE, "3000")

    _, scene = play(act)
    assert scene.margin(LONG) == 3000
    assert [str(change) for _, change in scene.moved_by_calls()] == ["500", "-500"]


def test_a_journal_from_before_machines_were_told_apart_is_not_trusted() -> None:
    async def upgraded(scene: Scene) -> int:
        scene.place.cold_fence = True
        await took_ms(scene, ("host", None), "3500")
        await scene.pass_time(60_000)
        return await took_ms(scene, HERE, "4000")

    later, _ = play(upgraded)
    assert later >= FENCE_MS


def test_a_fence_from_a_wrong_served_time_is_cut_to_what_can_still_arrive() -> None:
    years_ms = 20 * 365 * 86_400_000

    async def act(scene: Scene) -> int:
        scene.place.cold_fence = True
        right = scene.place.venue.clock
        scene.place.venue.clock = lambda now: right(now) + years_ms
        await took_ms(scene, HERE, "3000")  # declared as it is: nothing is sent
        scene.place.venue.clock = right
        return await took_ms(scene, HERE, "4000")

    later, scene = play(act)
    assert later < 2 * FENCE_MS
    assert [str(change) for _, change in scene.moved_by_calls()] == ["1000"]
