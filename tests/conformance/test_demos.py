"""Every state file that ships, applied to the demo account it speaks of, in virtual time."""

from decimal import Decimal
from pathlib import Path

import pytest

from reconcile import statefile
from reconcile.model.plan import Plan, Result, Status
from reconcile.sandbox.demo import new_books
from reconcile.sandbox.registry import simulated
from tests.conformance.stage import HOUR_MS
from tests.kit.scene import finish
from tests.simulation.loop import VirtualLoop
from tests.simulation.machine import EPOCH_MS
from tests.simulation.world import Place

STATES = Path(__file__).parents[2] / "states"
SHOWN = {
    "demo": {Status.CHANGE, Status.IN_SYNC, Status.WAITING, Status.UNMANAGED},
    "demo-okx": {Status.CHANGE, Status.IN_SYNC, Status.WAITING, Status.UNMANAGED},
    "demo-bitget": {Status.CHANGE, Status.IN_SYNC, Status.WAITING, Status.UNMANAGED},
    "demo-bitget-coin": {Status.CHANGE},
    "demo-bands": {Status.IN_SYNC},
    "demo-okx-bands": {Status.IN_SYNC},
    "demo-bitget-bands": {Status.IN_SYNC},
    "demo-templates": {Status.CHANGE, Status.IN_SYNC},
    "demo-blocked": {Status.BLOCKED},
    "demo-okx-blocked": {Status.BLOCKED},
    "demo-bitget-blocked": {Status.BLOCKED},
}


def test_there_is_no_other_state_file() -> None:
    assert {path.stem for path in STATES.glob("*.toml")} == set(SHOWN)


def test_the_demo_of_templates_declares_what_is_open_within_the_limits_that_it_includes() -> None:
    (desired,) = statefile.load([STATES / "demo-templates.toml"])
    kind = simulated(desired.exchange)
    books = new_books("demo-templates", kind.rules, kind.seed, now_ms=EPOCH_MS - HOUR_MS, keep_ms=0)
    loop = VirtualLoop()
    place = Place(exchange=desired.exchange, books=books, loop=loop, seed=1, cold_fence=False)
    result = finish(place.process().apply(desired), loop)
    templates = {str(each.address): each.template for each in result.accounts[0].plan.desired.targets}
    assert (templates["BTCUSDT.long"], templates["BTCUSDT.short"]) == ("*.long", "BTC*.short")
    assert templates["ETHUSDT.long"] is None
    assert books.margin("BTCUSDT", "long") == 4090
    assert len(desired.includes) == 1
    assert (desired.policy.max_day_add, desired.policy.min_available) == (Decimal(5000), Decimal(500))


def statuses(plan: Plan) -> set[Status]:
    """What a plan shows."""
    return {entry.status for account in plan.accounts for entry in account.entries}


@pytest.mark.parametrize("name", SHOWN)
def test_a_demo_shows_what_it_teaches_and_is_in_sync_after_one_apply(name: str) -> None:
    (desired,) = statefile.load([STATES / f"{name}.toml"])
    kind = simulated(desired.exchange)
    books = new_books(name, kind.rules, kind.seed, now_ms=EPOCH_MS - HOUR_MS, keep_ms=0)
    loop = VirtualLoop()
    place = Place(exchange=desired.exchange, books=books, loop=loop, seed=1, cold_fence=False)

    async def whole() -> tuple[Plan, Result, Plan]:
        before = await place.process("plan").plan(desired)
        result = await place.process("apply").apply(desired)
        return before, result, await place.process("again").plan(desired)

    before, result, after = finish(whole(), loop)
    assert statuses(before) == SHOWN[name]
    if SHOWN[name] == {Status.BLOCKED}:
        assert (result.exit_code, statuses(after)) == (3, {Status.BLOCKED})
    else:
        assert result.exit_code == 0, result
        assert Status.CHANGE not in statuses(after)
        assert Status.IN_SYNC in statuses(after)
