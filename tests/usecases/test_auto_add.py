"""A declared auto-add switch on the sandbox's books: set once, verified, never set blindly, settled by looking."""

import json as plain_json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from reconcile.errors import InputError
from reconcile.journal.records import IntentStatus
from reconcile.model.account import DesiredAccount, Policy
from reconcile.model.plan import OutcomeKind, Result
from reconcile.render.common.json import digest_of, dumps
from reconcile.render.plan.json import plan_document
from reconcile.render.plan.saved import loads_plan
from reconcile.sandbox.bitget.replies import REPLIES
from reconcile.sandbox.faults import Ending, Fault, FaultPlan, FaultRule, Faults
from reconcile.sandbox.http import answer
from tests.kit.scene import Scene, play, the_error
from tests.simulation.machine import Killed
from tests.simulation.world import declared

PLACE = "BTCUSDT.long"
CALL = "*/set-auto-margin"
BEFORE = Decimal(3000)
SUSPENDED = answer(400, {"code": "40839", "msg": "suspended", "requestTime": 1_767_225_600_000, "data": None})


def account(*, auto_add: bool, margin: str = "3300") -> DesiredAccount:
    made = declared("bitget", {PLACE: margin}, policy=Policy(allow_reduce=True))
    return replace(made, targets=tuple(replace(target, auto_add=auto_add) for target in made.targets))


def scene(*faults: Fault, is_on: bool = False) -> Scene:
    rules = [FaultRule(fault=fault, method="POST", path=CALL, nth=(number,)) for number, fault in enumerate(faults, 1)]
    chosen: Faults = FaultPlan(rules)
    made = Scene("bitget", faults=chosen)
    if is_on:
        made.place.books.set_auto_add("BTCUSDT", ("long",), now_ms=made.now_ms())
    return made


def is_on(made: Scene) -> bool:
    return "long" in made.place.books.settings["BTCUSDT"].auto_add


def outcomes(result: Result) -> list[tuple[str, OutcomeKind]]:
    return [(step.action, step.outcome) for step in result.accounts[0].steps]


async def once(made: Scene, *, auto_add: bool) -> Result:
    return await made.apply(account(auto_add=auto_add))


APPLIED = [("set_auto_add", OutcomeKind.APPLIED), ("add_margin", OutcomeKind.APPLIED)]


@pytest.mark.parametrize("wanted", [True, False])
def test_the_switch_is_turned_before_the_margin_moves_and_a_second_apply_sends_nothing(*, wanted: bool) -> None:
    async def twice(made: Scene) -> tuple[Result, Result]:
        return await once(made, auto_add=wanted), await once(made, auto_add=wanted)

    (first, second), made = play(twice, scene(is_on=not wanted))
    assert (first.exit_code, outcomes(first)) == (0, APPLIED)
    assert (is_on(made), made.margin(PLACE)) == (wanted, Decimal(3300))
    assert (second.exit_code, outcomes(second)) == (0, [])
    assert second.accounts[0].requests["write"] == 0


@pytest.mark.parametrize(
    ("faults", "writes"),
    [
        pytest.param([Fault(ending=Ending.LOST)], 2, id="done, and its answer lost"),
        pytest.param([Fault(ending=Ending.LOST, arrives_ms=())], 3, id="never arrived"),
        pytest.param([Fault(ending=Ending.TIMEOUT, arrives_ms=(20_000,))], 2, id="arrives late"),
        pytest.param([Fault(reply=REPLIES["system_40015"])], 2, id="done, and a system error told"),
        pytest.param([Fault(reply=REPLIES["system_40015"], arrives_ms=())], 3, id="not done, and a system error told"),
    ],
)
def test_a_lost_answer_is_settled_by_looking(faults: Sequence[Fault], writes: int) -> None:
    async def act(made: Scene) -> Result:
        return await once(made, auto_add=True)

    result, made = play(act, scene(*faults))
    assert (result.exit_code, outcomes(result)) == (0, APPLIED)
    assert (is_on(made), made.margin(PLACE)) == (True, Decimal(3300))
    assert result.accounts[0].requests["write"] == writes
    assert made.moved_by_calls() == [(PLACE, Decimal(300))]


def test_a_killed_run_leaves_what_the_next_one_settles() -> None:
    async def act(made: Scene) -> Result:
        with pytest.raises(Killed):
            await made.apply(account(auto_add=True), made.victim())
        assert is_on(made)
        return await once(made, auto_add=True)

    result, made = play(act, scene())
    (settled,) = result.accounts[0].settled
    assert (settled.action, settled.outcome, settled.after) == ("set_auto_add", IntentStatus.APPLIED.value, "on")
    assert outcomes(result) == [("add_margin", OutcomeKind.APPLIED)]
    assert made.margin(PLACE) == 3300


def test_a_refused_switch_moves_no_margin() -> None:
    async def act(made: Scene) -> Result:
        return await once(made, auto_add=False)

    result, made = play(act, scene(Fault(reply=SUSPENDED, arrives_ms=()), is_on=True))
    assert result.exit_code == 3
    assert outcomes(result) == [("set_auto_add", OutcomeKind.REFUSED), ("add_margin", OutcomeKind.SKIPPED)]
    assert (is_on(made), made.margin(PLACE)) == (True, BEFORE)


def test_a_position_that_closes_in_doubt_frees_the_lane() -> None:
    async def act(made: Scene) -> tuple[Result, Result]:
        made.loop.call_later(10, lambda: made.place.books.close_position("BTCUSDT", "long", now_ms=made.now_ms()))
        first = await once(made, auto_add=True)
        return first, await once(made, auto_add=True)

    (first, second), made = play(act, scene(Fault(ending=Ending.LOST)))
    assert (first.exit_code, first.accounts[0].steps[0].outcome) == (5, OutcomeKind.UNKNOWN)
    assert second.exit_code == 0  # the target waits for a position, and nothing is held
    assert made.moved_by_calls() == []


def test_a_saved_plan_switches_off_and_moves() -> None:
    async def act(made: Scene) -> Result:
        saved = await made.saved(account(auto_add=False))
        return await made.apply_saved(saved)

    result, made = play(act, scene(is_on=True))
    assert (result.exit_code, outcomes(result)) == (0, APPLIED)
    assert (is_on(made), made.margin(PLACE)) == (False, Decimal(3300))


def test_a_saved_plan_is_stale_where_the_position_closed() -> None:
    async def act(made: Scene) -> Result:
        saved = await made.saved(account(auto_add=False, margin="3000"))
        made.place.books.close_position("BTCUSDT", "long", now_ms=made.now_ms())
        return await made.apply_saved(saved)

    result, made = play(act, scene(is_on=True))
    assert the_error(result)[:2] == (4, "stale")
    assert is_on(made)


def test_a_switch_that_someone_turned_meanwhile_is_left_alone() -> None:
    async def act(made: Scene) -> Result:
        saved = await made.saved(account(auto_add=True, margin="3000"))
        made.place.books.set_auto_add("BTCUSDT", ("long",), now_ms=made.now_ms())
        return await made.apply_saved(saved)

    result, made = play(act, scene())
    assert (result.exit_code, result.accounts[0].requests["write"]) == (0, 0)
    assert is_on(made)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("desired", "auto_add"), True),
        (("observed", "auto_add"), False),
        (("steps", 0, "to"), "on"),
        (("steps", 0, "from"), "off"),
    ],
)
def test_a_saved_plan_that_switches_to_elsewhere_is_refused(place: tuple[str | int, ...], value: object) -> None:
    async def act(made: Scene) -> str:
        return dumps(plan_document(await made.plan(account(auto_add=False))))

    text, _ = play(act, scene(is_on=True))
    forged = plain_json.loads(text)
    inner = forged["accounts"][0]["entries"][0]
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    forged["digest"] = digest_of(forged)
    with pytest.raises(InputError):
        loads_plan(plain_json.dumps(forged))


def test_a_saved_plan_that_switches_where_no_call_does_is_refused() -> None:
    async def act(made: Scene) -> str:
        return dumps(plan_document(await made.plan(account(auto_add=False))))

    text, _ = play(act, scene(is_on=True))
    forged = plain_json.loads(text)
    forged["accounts"][0].update(exchange="binance", product=None)
    forged["digest"] = digest_of(forged)
    with pytest.raises(InputError, match="no call for that"):
        loads_plan(plain_json.dumps(forged))
