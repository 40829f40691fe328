"""Ordinary cases that hold no address, and what is said where one is held."""

from dataclasses import replace
from decimal import Decimal

import pytest

from reconcile.model.plan import Result, Status
from reconcile.model.times import written
from reconcile.sandbox.faults import Ending, Fault, FaultPlan, FaultRule
from reconcile.sandbox.http import Lag
from reconcile.usecases import apply as applying
from tests.kit.scene import Scene, desired, play

LONG = "BTCUSDT.long"


def filled(scene: Scene) -> Decimal:
    """The position grows by half; the margin behind it then."""
    size = scene.place.books.positions["BTCUSDT", "long", "isolated"].size
    scene.place.books.open_position("BTCUSDT", "long", size / 2, now_ms=scene.now_ms())
    return scene.margin(LONG)


@pytest.mark.parametrize("arrives_ms", [(0,), ()], ids=["done", "not done"])
def test_a_lost_answer_right_after_a_fill_is_settled(arrives_ms: tuple[int, ...]) -> None:
    lost = FaultRule(fault=Fault(ending=Ending.LOST, arrives_ms=arrives_ms), method="POST", nth=(1,))

    async def act(scene: Scene) -> Result:
        margin = filled(scene)
        await scene.pass_time(7_000)
        return await scene.apply(desired({LONG: str(margin + 300)}))

    result, scene = play(act, Scene(faults=FaultPlan([lost])))
    assert result.exit_code == 0
    assert scene.moved_by_calls() == [(LONG, Decimal(300))]


def test_a_second_change_after_a_fill_is_not_held() -> None:
    async def act(scene: Scene) -> list[int]:
        margin = filled(scene)
        await scene.pass_time(5_000)
        first = await scene.apply(desired({LONG: str(margin + 300)}))
        await scene.pass_time(6_000)
        began = scene.now_ms()
        second = await scene.apply(desired({LONG: str(margin + 700)}))
        return [first.exit_code, second.exit_code, scene.now_ms() - began]

    (*codes, took), scene = play(act)
    assert codes == [0, 0]
    assert took < 1_000
    assert scene.moved_by_calls() == [(LONG, Decimal(300)), (LONG, Decimal(400))]


def test_a_persons_move_well_before_our_step_holds_no_later_one() -> None:
    async def act(scene: Scene) -> list[int]:
        await scene.apply(desired({LONG: "3500"}))
        await scene.pass_time(20_000)
        scene.by_hand(LONG, "-300")
        await scene.pass_time(45_000)
        first = await scene.apply(desired({LONG: "3600"}))
        await scene.pass_time(10_000)
        began = scene.now_ms()
        second = await scene.apply(desired({LONG: "3900"}))
        return [first.exit_code, second.exit_code, scene.now_ms() - began]

    (*codes, took), scene = play(act)
    assert codes == [0, 0]
    assert took < 1_000
    assert scene.margin(LONG) == 3900


LATE = FaultPlan([FaultRule(fault=Fault(lag=Lag(positions_ms=30_000)), method="GET")])


def test_apply_waits_for_a_hold_that_ends_within_the_lock_timeout() -> None:
    async def act(scene: Scene) -> Result:
        await scene.apply(desired({LONG: "3500"}))
        scene.place.venue.faults = LATE
        await scene.pass_time(10_000)
        began = scene.now_ms()
        result = await scene.apply(desired({LONG: "3500"}))
        assert scene.now_ms() - began < 30_000
        return result

    result, scene = play(act)
    assert result.exit_code == 0
    assert scene.moved_by_calls() == [(LONG, Decimal(500))]


def test_a_hold_that_ends_later_than_the_lock_timeout_ends_the_run() -> None:
    async def act(scene: Scene) -> Result:
        await scene.apply(desired({LONG: "3500"}))
        scene.place.venue.faults = LATE
        process = scene.process()
        world = replace(scene.world(process), lock_timeout_ms=20_000)
        return await applying.apply(world, [desired({LONG: "3700"})], reason=None, git_commit=None, confirm=None)

    result, scene = play(act)
    (account,) = result.accounts
    (entry,) = account.remaining
    assert (result.exit_code, entry.status, scene.margin(LONG)) == (3, Status.HELD, Decimal(3500))
    assert entry.hold is not None
    assert entry.hold.by == "adds up"
    assert entry.hold.until_ms is not None
    assert entry.reason.startswith("the margin reads 3000 after our last step (3000 → 3500 by ")
    assert entry.reason.endswith(f"this rule holds it until {written(entry.hold.until_ms)} at most")


def test_an_empty_list_of_positions_is_looked_at_again() -> None:
    async def act(scene: Scene) -> list[int]:
        await scene.apply(desired({LONG: "3500"}))
        empty = FaultRule(fault=Fault(lag=Lag(empty=True)), method="GET", path="*positionRisk", nth=(1,))
        scene.place.venue.faults = FaultPlan([empty])
        result = await scene.apply(desired({LONG: "3700"}))
        return [result.exit_code]

    codes, scene = play(act)
    assert codes == [0]
    assert scene.margin(LONG) == 3700


def test_an_apply_that_asks_does_not_wait_for_what_it_has_not_shown() -> None:
    async def act(scene: Scene) -> Result:
        await scene.apply(desired({LONG: "3500"}))
        scene.place.venue.faults = LATE
        return await applying.apply(
            scene.world(), [desired({LONG: "3700"})], reason=None, git_commit=None, confirm=lambda _: True
        )

    result, scene = play(act)
    (entry,) = result.accounts[0].remaining
    assert (result.exit_code, entry.status, scene.margin(LONG)) == (3, Status.HELD, Decimal(3500))


def test_looks_for_a_late_reading_are_told_once() -> None:
    async def act(scene: Scene) -> Result:
        await scene.apply(desired({LONG: "3500"}))
        scene.place.venue.faults = LATE
        await scene.pass_time(6_000)
        world = replace(scene.world(scene.process()), lock_timeout_ms=0)
        return await applying.apply(world, [desired({LONG: "3700"})], reason=None, git_commit=None, confirm=None)

    _, scene = play(act)
    told = [line for line in scene.place.progress if "reads that have seen" in line]
    assert told == ["main: looking again each second, up to 6 times, for reads that have seen our last step"]


def test_a_wait_for_a_clock_that_was_set_back_says_so() -> None:
    async def act(scene: Scene) -> Result:
        await scene.apply(desired({LONG: "3500"}))
        right = scene.place.venue.clock
        scene.place.venue.clock = lambda now_ms: right(now_ms) - 20_000
        return await scene.apply(desired({LONG: "3700"}))

    result, scene = play(act)
    assert result.exit_code == 0
    (told,) = [line for line in scene.place.progress if "waiting" in line]
    assert told.startswith(f"main: waiting 25 s: {LONG} is held: our last step there took effect by ")
    assert "it was set back, or is wrong" in told
