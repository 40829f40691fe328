"""On a shared journal too, what moved between two runs is told by cause from the journal alone."""

from dataclasses import replace

import pytest

from reconcile.audit.comparing import compare
from reconcile.journal.base import Store
from reconcile.journal.postgres.store import PostgresStore
from reconcile.journal.postgres.url import place_of
from reconcile.model.plan import Result
from reconcile.model.reports import Comparison
from reconcile.usecases import apply as applying
from tests.kit.journals import inline
from tests.kit.scene import HOUR_MS, Scene, desired, play
from tests.usecases.test_movements import DEMO, LONG, SHORT, a_night, opened, told


async def apply(scene: Scene, url: str, margins: dict[str, str]) -> tuple[Store, Result]:
    """An apply whose journal is in the database."""
    process = scene.process()
    store = PostgresStore(place_of(url), process.clock, inline)
    world = replace(scene.world(process), store=store)
    return store, await applying.apply(world, [desired(margins)], reason=None, git_commit=None, confirm=None)


@pytest.mark.parametrize("runs_between", [0, 1])
def test_what_moved_is_told_by_cause(url: str, runs_between: int) -> None:
    async def act(scene: Scene) -> Comparison:
        _, first = await apply(scene, url, dict(DEMO))
        await a_night(scene)
        scene.by_hand(SHORT, "0.001")
        opened(scene, "XRPUSDT.long", "50")
        for _ in range(runs_between):
            await apply(scene, url, dict(DEMO))
            await scene.pass_time(HOUR_MS)
        store, last = await apply(scene, url, dict(DEMO))
        (found,) = compare(store, first.run_id, last.run_id)
        return found

    found, _ = play(act)

    assert told(found, LONG) == [("funding", "-4.2"), ("manual", "-40"), ("reconcile", "+44.2")]
    assert told(found, SHORT) == [("manual", "+0.001")]
    assert told(found, "XRPUSDT.long") == [("opened", "+50")]
