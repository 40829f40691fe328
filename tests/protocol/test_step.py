"""The driver of a step: it executes commands, ends in the known outcome whatever fails, and never sends on a bug."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest

from reconcile.errors import JournalError
from reconcile.journal.records import Outcome, Record
from reconcile.model.plan import StepResult
from reconcile.protocol import machine
from reconcile.protocol.context import Context
from reconcile.protocol.life import Life
from reconcile.protocol.signals import Command, Done, Leave, Pause, Reserve, Say, SendCall
from reconcile.protocol.slots import Slots
from reconcile.protocol.step import StepRun
from reconcile.sandbox.faults import Ending, Fault, FaultPlan, FaultRule
from reconcile.usecases.run_records import make_context
from tests.kit.desk import at, intent, move
from tests.kit.scene import Scene, desired, play

LONG = "BTCUSDT.long"
STEP = move(LONG, "3000", "3500")


async def never() -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a step ended, the lines that a person saw, and the lanes that the journal holds open."""

    result: StepResult
    told: list[str]
    open_lanes: list[str]


async def lived(
    scene: Scene,
    *,
    halted: Callable[[], Awaitable[str | None]] = never,
    change: Callable[[Context], Context] = lambda context: context,
) -> Ended:
    """Run one addition of 500 in a fresh process, with its context changed."""
    told: list[str] = []
    world = replace(scene.world(), progress=told.append)
    account = desired({LONG: "3500"})
    connection = world.connect(account, False)  # noqa: FBT003 - not read only
    await connection.adapter.sync_time()
    async with world.store.open("a", run_id="r", holder={}, timeout_ms=0) as journal:
        context = change(make_context(world, account, connection, journal, halted=halted))
        run = StepRun(context, Life(task=context.task(STEP, cursor=None)), slots=Slots(1))
        result = await run.run(lambda: None)
        return Ended(result=result, told=told, open_lanes=list(journal.state.unsettled))


def test_a_step_is_sent_once_and_ends_applied() -> None:
    ended, scene = play(lived)
    assert (ended.result.outcome, ended.result.after, ended.open_lanes) == ("applied", "3500", [])
    assert scene.moved_by_calls() == [(LONG, Decimal(500))]


@pytest.mark.parametrize(
    "commands",
    [
        pytest.param((SendCall(),), id="send a call that was not signed"),
        pytest.param((Reserve(intent(None), Decimal(1), 0),), id="reserve for a step that moves no margin"),
        pytest.param((Leave(), Pause(0), Done()), id="wait in the middle"),
        pytest.param((Say("on"), Leave()), id="end without an answer"),
    ],
)
def test_commands_that_no_machine_gives_end_the_step_unsent(commands: tuple[Command, ...]) -> None:
    async def act(scene: Scene) -> Ended:
        with patch.object(machine, "begin", lambda life: (life, commands)):
            return await lived(scene)

    ended, scene = play(act)
    assert (ended.result.outcome, ended.open_lanes, scene.moved_by_calls()) == ("skipped", [], [])
    assert "internal error: LookupError at " in ended.result.detail


def test_nothing_is_sent_for_a_frozen_account() -> None:
    async def frozen() -> str | None:
        return "the account is frozen"

    ended, scene = play(lambda scene: lived(scene, halted=frozen))
    assert (ended.result.outcome, ended.result.detail) == ("skipped", "not started: the account is frozen")
    assert scene.moved_by_calls() == []


def test_nothing_is_sent_for_an_account_that_cannot_be_read() -> None:
    gone = FaultRule(fault=Fault(ending=Ending.LOST), path="*positionRisk")
    ended, scene = play(lived, Scene(faults=FaultPlan([gone])))
    assert ended.result.outcome == "skipped"
    assert ended.result.detail.startswith("the account could not be read: ")
    assert scene.moved_by_calls() == []


def test_a_stop_ends_a_step_that_waits_and_is_no_error_to_tell() -> None:
    async def act(scene: Scene) -> Ended:
        def stopped(context: Context) -> Context:
            context.stop.set()
            return context

        with patch.object(machine, "begin", lambda life: (life, (Pause(1_000),))):
            return await lived(scene, change=stopped)

    ended, scene = play(act)
    assert (ended.result.outcome, ended.told, scene.moved_by_calls()) == ("skipped", [], [])
    assert ended.result.detail.startswith("interrupted: ")


def test_an_intent_that_cannot_be_closed_stays_open_for_the_next_run() -> None:
    def failing(context: Context) -> Context:
        append = context.journal.append

        async def fail_outcomes(record: Record, *, durable: bool) -> None:
            if isinstance(record, Outcome):
                raise JournalError("writing the journal: no space left")
            await append(record, durable=durable)

        def bug(*_: Any, **__: Any) -> Any:
            raise RuntimeError("a bug before the call")

        context.journal.append = fail_outcomes  # type: ignore[method-assign]
        context.writer.prepare = bug  # type: ignore[method-assign]
        return context

    ended, scene = play(lambda scene: lived(scene, change=failing))
    assert (ended.result.outcome, ended.open_lanes, scene.moved_by_calls()) == ("skipped", [str(at(LONG))], [])
    assert "internal error: RuntimeError at " in ended.told[0]
    assert "writing the journal: no space left" in ended.told[1]
