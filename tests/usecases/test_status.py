"""What ``status`` says while the outcome of a step is unknown."""

from collections.abc import Sequence

import pytest

from reconcile.model.status import AccountStatus
from reconcile.render import status as render
from reconcile.sandbox.faults import Fault, FaultPlan, FaultRule
from reconcile.sandbox.http import Lag
from reconcile.usecases import status as usecase
from tests.kit.scene import Scene, desired, play
from tests.simulation.machine import Killed

LONG = "BTCUSDT.long"


async def killed(scene: Scene) -> Sequence[AccountStatus]:
    """The status after a run that died between its call and the answer."""
    with pytest.raises(Killed):
        await scene.apply(desired(), scene.victim())
    return await usecase.status(scene.world(), [desired()])


def test_an_address_with_an_open_step_is_listed_as_held_in_every_format() -> None:
    (found,), _ = play(killed)
    assert [str(address) for address in found.held] == [LONG]
    assert f"held, nothing is sent to: {LONG}" in render.text([found])
    assert f"held, nothing is sent to: <code>{LONG}</code>" in render.markdown([found])
    assert render.document([found])["accounts"][0]["held"] == [LONG]


def test_a_yes_that_no_look_confirmed_is_told_however_often_it_was_looked_for_since() -> None:
    behind = Fault(lag=Lag(positions_ms=300_000, ledger_ms=300_000))

    async def act(scene: Scene) -> Sequence[AccountStatus]:
        scene.place.venue.faults = FaultPlan([FaultRule(fault=behind, method="GET")])
        first, again = await scene.apply(desired()), await scene.apply(desired())
        assert (first.exit_code, again.exit_code) == (5, 5)
        return await usecase.status(scene.world(), [desired()])

    (found,), _ = play(act)
    (step,) = found.unsettled
    assert step.outcome == "unknown"
    assert step.evidence == "the exchange said yes, but no ledger row; margin 3000 → 3000, not seen to move"


def test_with_nothing_open_nothing_is_held() -> None:
    async def act(scene: Scene) -> Sequence[AccountStatus]:
        await scene.apply(desired())
        return await usecase.status(scene.world(), [desired()])

    (found,), _ = play(act)
    assert found.held == ()
