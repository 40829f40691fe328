"""A bug, wherever it strikes, costs one step or one account, is told, and leaves no call without an outcome."""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import Any

import pytest

from reconcile.exchanges.base import Writer
from reconcile.model.account import DesiredAccount
from reconcile.model.plan import Result, StepResult
from reconcile.render.common.json import dumps
from reconcile.render.result.json import result_document
from reconcile.usecases import apply as applying
from reconcile.usecases import plan as planning
from reconcile.usecases.drift import drift
from reconcile.usecases.status import status
from reconcile.usecases.world import Connection, World
from tests.kit.scene import Scene, desired, play
from tests.simulation.machine import Killed

LONG, OTHER = "BTCUSDT.long", "ETHUSDT.long"
DECLARED = desired({LONG: "4500"})


@dataclass
class Bug:
    """One method of the adapter that raises: when it is called for the ``first``-th time, and the ``times`` after."""

    method: str
    error: Exception = field(default_factory=lambda: RuntimeError("secret-that-must-not-show"))
    first: int = 1
    times: int = 1_000
    after: bool = False
    """Whether it does its work before it raises."""
    calls: int = 0

    def strikes(self) -> bool:
        self.calls += 1
        return self.first <= self.calls < self.first + self.times


class Broken:
    """An adapter with bugs."""

    def __init__(self, inner: Any, bugs: tuple[Bug, ...]) -> None:
        self._inner = inner
        self._bugs = {bug.method: bug for bug in bugs}

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        bug = self._bugs.get(name)
        if bug is None:
            return found
        if name in {"prepare", "turn"}:
            return lambda *args, **named: self._now(bug, found, *args, **named)
        return lambda *args, **named: self._later(bug, found, *args, **named)

    @staticmethod
    def _now(bug: Bug, work: Callable[..., Any], *args: Any, **named: Any) -> Any:
        if bug.strikes():
            raise bug.error
        return work(*args, **named)

    @staticmethod
    async def _later(bug: Bug, work: Callable[..., Any], *args: Any, **named: Any) -> Any:
        strikes = bug.strikes()
        if strikes and not bug.after:
            raise bug.error
        done = await work(*args, **named)
        if strikes:
            raise bug.error
        return done


def broken(scene: Scene, *bugs: Bug, name: str = "main") -> World:
    world = scene.world()

    def connect(account: DesiredAccount, read_only: bool) -> Connection[Writer]:  # noqa: FBT001 - the world's signature
        made = world.connect(account, read_only)
        if account.name == "sick":  # another account than the one beside it
            made = replace(made, identify=lambda _: "account-sick")
        return replace(made, adapter=Broken(made.adapter, bugs)) if account.name == name else made

    return replace(world, connect=connect)


async def apply(world: World, *accounts: DesiredAccount) -> Result:
    return await applying.apply(world, accounts, reason=None, git_commit=None, confirm=None)


def told(scene: Scene, result: Result) -> str:
    """The document and the journal, as text."""
    store = scene.world().store
    lines = [json.dumps(line.value) for identity in store.identities() for line in store.lines(identity)]
    return dumps(result_document(result)) + "\n".join(lines)


def intents_without_outcome(scene: Scene) -> int:
    store = scene.world().store
    return sum(len(store.read(identity).unsettled) for identity in store.identities() if "_notes" not in identity)


def step(result: Result, address: str = LONG) -> StepResult:
    return next(each for each in result.accounts[0].steps if str(each.address) == address)


ERRORS = [RuntimeError("secret-that-must-not-show"), InvalidOperation("secret-that-must-not-show"), KeyError("x")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("after", [False, True], ids=["before the effect", "after the effect"])
def test_a_bug_while_sending_is_doubt_and_is_looked_into(error: Exception, after: bool) -> None:  # noqa: FBT001
    async def act(scene: Scene) -> Result:
        return await apply(broken(scene, Bug("send", error, times=1, after=after)), DECLARED)

    result, scene = play(act)

    assert (result.exit_code, step(result).outcome, scene.margin(LONG)) == (0, "applied", Decimal(4500))
    assert len(scene.moved_by_calls()) == 1
    assert intents_without_outcome(scene) == 0
    assert "no_clear_answer" in told(scene, result)
    assert f"internal error: {type(error).__name__} at " in told(scene, result)
    assert "secret-that" not in told(scene, result)


@pytest.mark.parametrize(
    "bugs",
    [
        pytest.param((Bug("send", after=True), Bug("ledger", InvalidOperation())), id="the ledger is read"),
        pytest.param((Bug("send", after=True), Bug("observe", first=2)), id="the account is read"),
        pytest.param((Bug("send", after=True), Bug("sync_time", first=2)), id="the time is asked"),
    ],
)
def test_a_bug_while_settling_leaves_the_outcome_unknown_and_is_settled_later(bugs: tuple[Bug, ...]) -> None:
    async def act(scene: Scene) -> tuple[Result, int, Result]:
        first = await apply(broken(scene, *bugs), DECLARED)
        return first, intents_without_outcome(scene), await apply(scene.world(), DECLARED)

    (first, left_open, second), scene = play(act)

    assert (first.exit_code, step(first).outcome, left_open) == (5, "unknown", 1)
    assert step(first).amount == Decimal(1500)
    assert "no_clear_answer" in told(scene, first)
    assert (second.exit_code, scene.margin(LONG), intents_without_outcome(scene)) == (0, Decimal(4500), 0)
    assert len(scene.moved_by_calls()) == 1


def test_a_bug_while_settling_an_earlier_step_holds_its_lane_and_no_other() -> None:
    declared = desired({LONG: "4500", OTHER: "1600"})

    async def act(scene: Scene) -> tuple[Result, int, Result]:
        with suppress(Killed):
            await scene.apply(DECLARED, scene.victim())
        second = await apply(broken(scene, Bug("ledger", times=1)), declared)
        return second, intents_without_outcome(scene), await apply(scene.world(), declared)

    (second, left_open, third), scene = play(act)

    assert (second.exit_code, left_open) == (5, 1)
    assert [(str(each.address), each.outcome) for each in second.accounts[0].steps] == [(OTHER, "applied")]
    assert any("settling an earlier step: internal error: RuntimeError at " in line for line in scene.place.progress)
    assert (third.exit_code, scene.margin(LONG), scene.margin(OTHER)) == (0, Decimal(4500), Decimal(1600))
    assert sorted(scene.moved_by_calls()) == [(LONG, Decimal(1500)), (OTHER, Decimal(100))]


def test_a_bug_after_a_yes_leaves_it_accepted() -> None:
    async def act(scene: Scene) -> tuple[Result, Result]:
        first = await apply(broken(scene, Bug("observe", first=2)), DECLARED)
        return first, await apply(scene.world(), DECLARED)

    (first, second), scene = play(act)

    assert (first.exit_code, step(first).outcome) == (1, "accepted")
    assert [error.key for error in first.accounts[0].errors] == ["internal"]
    assert json.loads(dumps(result_document(first)))["accounts"][0]["steps"][0]["outcome"] == "accepted"
    assert (second.exit_code, scene.margin(LONG)) == (0, Decimal(4500))
    assert len(scene.moved_by_calls()) == 1


@pytest.mark.parametrize("bug", [Bug("prepare", times=1), Bug("prepare", InvalidOperation(), times=1)])
def test_a_bug_before_sending_is_not_sent_and_stops_no_other_lane(bug: Bug) -> None:
    declared = desired({LONG: "4500", OTHER: "1600"})

    async def act(scene: Scene) -> tuple[Result, int, Result]:
        first = await apply(broken(scene, replace(bug, calls=0)), declared)
        return first, intents_without_outcome(scene), await apply(scene.world(), declared)

    (first, left_open, second), scene = play(act)

    outcomes = Counter(each.outcome.value for each in first.accounts[0].steps)
    assert (first.exit_code, outcomes, left_open) == (3, {"applied": 1, "skipped": 1}, 0)
    skipped = next(each for each in first.accounts[0].steps if each.outcome == "skipped")
    assert skipped.detail.startswith("not sent: running add_margin of ")
    assert skipped.amount is None
    assert (second.exit_code, scene.margin(LONG), scene.margin(OTHER)) == (0, Decimal(4500), Decimal(1600))
    assert len(scene.moved_by_calls()) == 2


@pytest.mark.parametrize(
    ("bug", "steps"),
    [(Bug("account_uid"), 0), (Bug("observe"), 0), (Bug("newest_row"), 0), (Bug("turn"), 1)],
    ids=lambda value: value.method if isinstance(value, Bug) else "",
)
def test_a_bug_in_one_account_stops_no_other_account(bug: Bug, steps: int) -> None:
    sick = replace(desired({LONG: "4600"}), name="sick")

    async def act(scene: Scene) -> Result:
        return await apply(broken(scene, replace(bug, calls=0), name="sick"), sick, DECLARED)

    result, scene = play(act)

    ill, well = result.accounts
    assert (well.exit_code, len(well.steps), scene.margin(LONG)) == (0, 1, Decimal(4500))
    assert (ill.exit_code in {1, 3}, len(ill.steps)) == (True, steps)
    problem = ill.steps[0].detail if steps else ill.errors[0].message
    assert "internal error: RuntimeError at " in problem
    assert "secret-that" not in told(scene, result)


@pytest.mark.parametrize("method", ["account_uid", "observe", "sync_time"])
def test_a_bug_in_one_account_costs_plan_drift_and_status_that_account_alone(method: str) -> None:
    sick = replace(DECLARED, name="sick")

    async def act(scene: Scene) -> list[list[int]]:
        def world() -> World:
            return broken(scene, Bug(method), name="sick")

        both = [sick, DECLARED]
        plan = await planning.plan(world(), both, targets=(), overrides={}, expires_ms=1, git_commit=None)
        drifts, standings = await drift(world(), both), await status(world(), both)
        return [[each.exit_code for each in made] for made in (plan.accounts, drifts, standings)]

    codes, _ = play(act)
    assert codes == [[1, 0], [1, 0], [1 if method != "observe" else 0, 0]]


def test_a_bug_at_the_end_of_a_run_changes_no_outcome() -> None:
    async def act(scene: Scene) -> Result:
        assert (await scene.apply(desired({LONG: "3100"}))).exit_code == 0
        scene.fund(LONG, "-7")
        return await apply(broken(scene, Bug("ledgers", first=2)), DECLARED)

    result, scene = play(act)
    assert (result.exit_code, step(result).outcome, scene.margin(LONG)) == (0, "applied", Decimal(4500))
    assert "telling why margin moved: internal error" in told(scene, result)


def test_a_bug_in_asking_sends_nothing_and_ends_every_account_with_its_error() -> None:
    def confirm(_: object) -> bool:
        raise RuntimeError("the terminal is gone")

    async def act(scene: Scene) -> Result:
        return await applying.apply(scene.world(), [DECLARED], reason=None, git_commit=None, confirm=confirm)

    result, scene = play(act)
    (error,) = result.accounts[0].errors
    assert (result.exit_code, error.key, scene.moved_by_calls()) == (1, "internal", [])
    assert intents_without_outcome(scene) == 0


def test_the_traceback_is_traced_and_a_trace_that_fails_changes_nothing() -> None:
    seen: list[Exception] = []

    def trace(error: Exception) -> None:
        seen.append(error)
        raise OSError(28, "No space left on device")

    async def act(scene: Scene) -> Result:
        return await apply(replace(broken(scene, Bug("send", times=1)), trace=trace), DECLARED)

    result, _ = play(act)
    assert (result.exit_code, [type(error) for error in seen]) == (0, [RuntimeError])
