"""The question before the first call: no lock is held meanwhile, and what was shown is a ceiling after the yes."""

from collections.abc import Callable, Mapping
from decimal import Decimal

import pytest

from reconcile.model.plan import Plan, Result, Status
from reconcile.usecases import apply as applying
from tests.kit.scene import TARGETS, Scene, desired, play, the_error
from tests.simulation.machine import Killed

LONG, OTHER = "BTCUSDT.long", "ETHUSDT.long"


async def asked(scene: Scene, meanwhile: Callable[[Plan], bool], margins: Mapping[str, str] = TARGETS) -> Result:
    """An apply whose person does this between the question and the answer."""
    return await applying.apply(scene.world(), [desired(margins)], reason=None, git_commit=None, confirm=meanwhile)


async def killed_after_its_call(scene: Scene) -> None:
    """A run that dies after its call took effect and before it knew."""
    with pytest.raises(Killed):
        await scene.apply(desired(), scene.victim())


@pytest.mark.parametrize("is_killed", [False, True])
def test_no_lock_is_held_while_a_person_is_asked(is_killed: bool) -> None:  # noqa: FBT001 - a case
    holders: list[object] = []

    async def act(scene: Scene) -> Result:
        if is_killed:
            await killed_after_its_call(scene)

        def look(plan: Plan) -> bool:
            store = scene.world().store
            holders.extend(store.holder(account.identity or "") for account in plan.accounts)
            return True

        return await asked(scene, look, {**TARGETS, OTHER: "1600"})

    result, scene = play(act)
    assert (result.exit_code, result.accounts[0].converged, holders) == (0, True, [None])
    assert (scene.margin(LONG), scene.margin(OTHER)) == (Decimal(4500), Decimal(1600))
    assert sorted(scene.moved_by_calls()) == [(LONG, Decimal(1500)), (OTHER, Decimal(100))]


def test_what_an_earlier_run_left_is_settled_before_the_question_and_told_after_it() -> None:
    shown: list[Status] = []

    async def act(scene: Scene) -> Result:
        await killed_after_its_call(scene)

        def look(plan: Plan) -> bool:
            shown.extend(entry.status for entry in plan.accounts[0].entries if str(entry.address) == LONG)
            return True

        return await asked(scene, look, {**TARGETS, OTHER: "1600"})

    result, _ = play(act)
    assert shown == [Status.IN_SYNC]
    assert [(str(step.address), step.outcome) for step in result.accounts[0].settled] == [(LONG, "applied")]


def test_a_margin_that_moves_while_a_person_thinks_makes_the_plan_stale_and_nothing_is_sent() -> None:
    async def act(scene: Scene) -> Result:
        def move(_: Plan) -> bool:
            scene.by_hand(LONG, "200")
            return True

        return await asked(scene, move)

    result, scene = play(act)
    code, key, message = the_error(result)
    assert (code, key) == (4, "stale")
    assert LONG in message
    assert (scene.margin(LONG), result.accounts[0].requests["write"]) == (Decimal(3200), 0)


def test_what_was_not_shown_is_not_sent_after_the_yes() -> None:
    async def act(scene: Scene) -> Result:
        def move(_: Plan) -> bool:
            scene.by_hand(OTHER, "-100")
            return True

        return await asked(scene, move)

    result, scene = play(act)
    assert (scene.margin(LONG), scene.margin(OTHER)) == (Decimal(4500), Decimal(1400))
    assert (result.exit_code, [str(entry.address) for entry in result.accounts[0].remaining]) == (3, [OTHER])


def test_another_runner_finishes_while_a_person_thinks_and_nothing_is_sent_twice() -> None:
    async def act(scene: Scene) -> Result:
        def other(_: Plan) -> bool:
            scene.by_hand(LONG, "1500")
            return True

        return await asked(scene, other)

    result, scene = play(act)
    assert scene.margin(LONG) == 4500
    assert result.accounts[0].requests["write"] == 0


def test_after_a_no_nothing_is_locked_and_the_refusal_is_on_record() -> None:
    async def act(scene: Scene) -> Result:
        return await asked(scene, lambda _: False)

    result, scene = play(act)
    assert the_error(result)[:2] == (4, "not_confirmed")
    assert (result.accounts[0].journal_head, scene.margin(LONG)) == (None, Decimal(3000))
    assert result.accounts[0].notes_head is not None
