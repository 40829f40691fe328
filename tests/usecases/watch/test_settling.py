"""A watch that applies settles what a killed run left, by itself, and reaches the target exactly once."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from reconcile.model.account import DesiredAccount
from reconcile.sandbox.faults import NO_FAULT, REPLIES, Fault
from reconcile.sandbox.http import Request
from tests.kit.scene import Scene, desired
from tests.simulation.machine import Killed
from tests.usecases.watch.test_watch import ETH, IN_SYNC, LONG, Vigil

DECLARED = desired({LONG: "4500"})


class NoLedger:
    """The ledger cannot be read once a margin call was sent."""

    def __init__(self) -> None:
        self._is_called = False

    def pick(self, request: Request) -> Fault:
        """See ``Faults``."""
        self._is_called = self._is_called or request.method == "POST"
        is_dark = self._is_called and request.path.endswith("positionMargin/history")
        return Fault(reply=REPLIES["html_502"]) if is_dark else NO_FAULT


async def killed(scene: Scene, *, is_heard: bool) -> None:
    """An apply that dies at its margin call, with or without the effect."""
    with pytest.raises(Killed):
        await scene.apply(DECLARED, scene.victim(is_heard=is_heard))


def watched(
    accounts: Sequence[DesiredAccount], *, is_heard: bool = True, scene: Scene | None = None, **settings: bool | int
) -> tuple[Vigil, Scene, list[str]]:
    """A watch after a killed apply; also the lanes that have an unsettled step at its end."""
    scene = scene or Scene()
    vigil = Vigil(accounts, **{"apply": True, **settings})

    async def act() -> list[str]:
        await killed(scene, is_heard=is_heard)
        await vigil(scene)
        store = scene.world().store
        return [lane for name in store.identities() for lane in store.read(name).unsettled]

    return vigil, scene, scene.play(act())


@pytest.mark.parametrize("is_heard", [True, False], ids=["killed after the effect", "killed before the effect"])
def test_a_step_that_a_killed_run_left_is_settled_and_the_target_reached_exactly_once(*, is_heard: bool) -> None:
    vigil, scene, unsettled = watched([DECLARED], is_heard=is_heard)
    assert scene.margin(LONG) == 4500
    assert scene.moved_by_calls() == [(LONG, Decimal(1500))]
    assert unsettled == []
    (told,) = vigil.said("left by an earlier run")
    assert told.startswith(f"settled: {'applied' if is_heard else 'not_applied'} +1500 USDT")
    assert vigil.turns() == ([] if is_heard else [(None, "change"), ("change", "in_sync")])


def test_a_step_on_an_address_that_is_declared_no_more_is_settled_too() -> None:
    _, scene, unsettled = watched([desired({ETH: IN_SYNC[ETH]})])
    assert unsettled == []
    assert scene.moved_by_calls() == [(LONG, Decimal(1500))]


def test_a_step_is_settled_although_policy_refuses_the_account() -> None:
    vigil, scene, unsettled = watched([desired({LONG: "4500", ETH: "9000"}, max_total_add=Decimal(10))])
    assert unsettled == []
    assert len(vigil.said("settled: applied")) == 1
    assert scene.moved_by_calls() == [(LONG, Decimal(1500))]


def test_without_apply_a_watch_tells_that_the_address_is_held_and_settles_nothing() -> None:
    vigil, scene, unsettled = watched([DECLARED], apply=False)
    assert unsettled == [LONG]
    assert vigil.turns() == [(None, "held")]
    (held,) = [news for news in vigil.news if news.after == "held"]
    fields = {"held_by": "unsettled step", "held_until": None}
    assert held.document("f") == held.document("f") | fields
    assert scene.moved_by_calls() == [(LONG, Decimal(1500))]


def test_an_outcome_that_stays_unknown_is_looked_for_less_and_less_often() -> None:
    vigil, scene, unsettled = watched([DECLARED], scene=Scene(faults=NoLedger()), rounds=32)
    assert unsettled == [LONG]
    assert 3 <= len([line for line in scene.place.progress if "no known outcome; checking" in line]) <= 7
    assert vigil.turns() == [(None, "held")]
    assert scene.moved_by_calls() == [(LONG, Decimal(1500))]
