"""Tells an operator's tracing of a run that has ended."""

from collections.abc import Mapping, Sequence

from reconcile.model.account import DesiredAccount
from reconcile.model.plan import OutcomeKind, StepResult
from reconcile.model.spans import Attributes, RunSpan, Span
from reconcile.usecases.run_records import RunFacts
from reconcile.usecases.world import World


class RunTimer:
    """One account's run: when it began, and when its steps began and ended."""

    def __init__(self, world: World, desired: DesiredAccount, facts: RunFacts) -> None:
        """The run begins now."""
        self._world = world
        self._desired = desired
        self._facts = facts
        self._began_ms = world.clock.wall_ms()
        self.steps_ms: Mapping[str, tuple[int, int]] = {}
        """The begin and end of each step that was begun, by its id: Unix milliseconds of this machine."""

    def ended(self, exit_code: int, steps: Sequence[StepResult]) -> None:
        """Tell the spans of the run, which ends now; a step that was not begun has none. Never raises."""
        desired, facts = self._desired, self._facts
        account: Attributes = {"reconcile.account": desired.name, "reconcile.exchange": desired.exchange}
        run = Span(
            name="reconcile.run",
            began_ms=self._began_ms,
            ended_ms=self._world.clock.wall_ms(),
            attributes={
                **account,
                "reconcile.command": facts.command,
                "reconcile.run_id": facts.run_id,
                "reconcile.plan_id": facts.plan_id,
                "reconcile.exit_code": exit_code,
                "reconcile.steps": len(steps),
            },
            problem=f"exit {exit_code}" if exit_code else "",
        )
        begun = [step for step in steps if step.step_id in self.steps_ms]
        told = tuple(_step(step, account, self.steps_ms[step.step_id]) for step in begun)
        self._world.spans(RunSpan(run=run, steps=told))


def _step(step: StepResult, account: Attributes, times: tuple[int, int]) -> Span:
    return Span(
        name="reconcile.step",
        began_ms=times[0],
        ended_ms=times[1],
        attributes={
            **account,
            "reconcile.step_id": step.step_id,
            "reconcile.address": str(step.address),
            "reconcile.action": step.action,
            "reconcile.outcome": step.outcome.value,
        },
        problem="" if step.outcome is OutcomeKind.APPLIED else step.outcome.value,
    )
