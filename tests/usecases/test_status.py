"""What ``status`` says while the outcome of a step is unknown."""

from collections.abc import Sequence

import pytest

from reconcile.model.status import AccountStatus
from reconcile.render import status as render
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


def test_with_nothing_open_nothing_is_held() -> None:
    async def act(scene: Scene) -> Sequence[AccountStatus]:
        await scene.apply(desired())
        return await usecase.status(scene.world(), [desired()])

    (found,), _ = play(act)
    assert found.held == ()
