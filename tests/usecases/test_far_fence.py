"""A step that was signed with a wrong time of the exchange: no run waits for years, and none sends early."""

from decimal import Decimal

import pytest

from reconcile.errors import Declined
from reconcile.model.plan import Result
from reconcile.usecases.status import resolve
from tests.kit.scene import Scene, desired, play
from tests.simulation.machine import Killed

LONG, OTHER = "BTCUSDT.long", "ETHUSDT.long"
YEAR_MS = 31_536_000_000
WANTED = desired({LONG: "3500"})


async def signed_in_the_future(scene: Scene, ahead_ms: int) -> None:
    """An exchange whose clock is ahead for the time of one run, which is killed as it sends."""
    venue = scene.place.venue
    right, venue.clock = venue.clock, lambda now: right(now) + ahead_ms
    with pytest.raises(Killed):
        await scene.apply(WANTED, scene.victim(is_heard=False))
    venue.clock = right


def test_runs_end_at_once_and_send_nothing_while_the_request_could_be_taken_later() -> None:
    async def later(scene: Scene) -> tuple[list[Result], int]:
        await signed_in_the_future(scene, YEAR_MS)
        begun = scene.now_ms()
        results = [await scene.apply(desired({LONG: "3500", OTHER: "1600"})) for _ in range(2)]
        return results, scene.now_ms() - begun

    (results, took_ms), scene = play(later)
    assert [result.exit_code for result in results] == [5, 5]
    assert took_ms < 60_000
    assert (scene.margin(LONG), scene.margin(OTHER)) == (Decimal(3000), Decimal(1600))
    assert any("no look was taken: waiting until 2027-01-01T00:00:08Z" in line for line in scene.place.progress)


def test_a_fence_that_is_near_is_waited_for_and_then_settled() -> None:
    async def later(scene: Scene) -> tuple[Result, int]:
        await signed_in_the_future(scene, 300_000)
        begun = scene.now_ms()
        return await scene.apply(WANTED), scene.now_ms() - begun

    (result, took_ms), scene = play(later)
    assert (result.exit_code, scene.margin(LONG)) == (0, Decimal(3500))
    assert 300_000 < took_ms < 400_000


def test_a_person_ends_it_by_deleting_the_key_that_signed() -> None:
    async def later(scene: Scene) -> tuple[str, Result]:
        await signed_in_the_future(scene, YEAR_MS)
        await scene.apply(WANTED)
        with pytest.raises(Declined) as refused:
            await resolve(scene.world(), address=LONG, applied=False, reason="looked")
        assert refused.value.key == "fence"
        await resolve(scene.world(), address=LONG, applied=False, reason="looked", key_deleted=True)
        return str(refused.value), await scene.apply(WANTED)

    (refusal, result), scene = play(later)
    assert refusal.startswith(f"resolving {LONG}: its request may take effect until 2027-01-01T00:00:13.")
    assert refusal.endswith("delete the API key that signed it at the exchange and say so with --key-deleted")
    assert (result.exit_code, scene.margin(LONG)) == (0, Decimal(3500))
    (identity,) = (name for name in scene.world().store.identities() if not name.endswith("_notes"))
    (resolved,) = (record for record in scene.world().store.lines(identity) if record["kind"] == "resolved")
    assert resolved["key_deleted"] is True
