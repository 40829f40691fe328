"""Run a plan's steps in parallel lanes, each through ``step.py``, and settle the open steps of earlier runs.

Lanes start in the plan's order, up to ``parallelism`` at a time; within a lane one step follows another. A step holds a
slot only while it looks and sends, so a fence or a slow answer in one lane delays no other.
"""

from collections.abc import Callable, Sequence

from reconcile.concurrency import gather_all
from reconcile.errors import Containment, InternalError
from reconcile.journal.records import Outcome, Unsettled
from reconcile.model.auto_add import SetAutoAdd
from reconcile.model.plan import MoveMargin, OutcomeKind, SettledStep, Step, StepResult
from reconcile.protocol.context import Context
from reconcile.protocol.life import Life
from reconcile.protocol.slots import SharedSlots, Slots
from reconcile.protocol.step import StepRun
from reconcile.render.common.values import signed_text


class Executor:
    """Runs the steps of one account, whose lock the caller holds."""

    def __init__(self, context: Context, *, parallelism: int, slots: SharedSlots | None = None) -> None:
        """``parallelism`` (at least 1) is how many calls are in flight at once; accounts share ``slots``."""
        self._context = context
        self._slots = Slots(parallelism, slots)
        self._results: dict[str, StepResult] = {}
        self.times: dict[str, tuple[int, int]] = {}
        """Start and end of each step that was begun, by its id: Unix milliseconds of this machine."""
        self._planned = 0

    async def settle_earlier(self) -> tuple[SettledStep, ...]:
        """Find out what every open intent of earlier runs did, all lanes at once, and journal the outcomes.

        Returns the steps that are settled now. A lane whose outcome stays unknown remains in
        ``journal.state.unsettled``. Raises JournalError, Interrupted.
        """
        unsettled = tuple(self._context.journal.state.unsettled.values())
        if unsettled:
            one = len(unsettled) == 1
            steps = "1 step of an earlier run has" if one else f"{len(unsettled)} steps of an earlier run have"
            self._context.progress(f"{self._context.desired.name}: {steps} no known outcome; checking")
        found = await gather_all(self._settle_one(item) for item in unsettled)
        return tuple(step for step in found if step is not None)

    async def run(self, steps: Sequence[Step]) -> tuple[StepResult, ...]:
        """Run the steps; results come in the order of the steps. Raises ReadFailed before the first one."""
        self._planned = len(steps)
        lanes: dict[str, list[Step]] = {}
        for step in steps:
            before = lanes.setdefault(self._context.lane(step.address), [])
            if _frees(step) and all(_frees(earlier) for earlier in before):
                # A reduction behind an addition is not expected here: it may itself wait for that addition.
                self._context.reservation.expect(step.step_id)
            before.append(step)
        if not lanes:
            return ()
        cursor = await self._context.writer.newest_row(steps[0].address.symbol)
        sending = _SenderCount(self._context, len(steps))
        self._context.observer.writing(busy=True)
        await gather_all(self._lane(lane, cursor, sending) for lane in lanes.values())
        return self.results(steps)

    def results(self, steps: Sequence[Step]) -> tuple[StepResult, ...]:
        """The results of the steps that have ended so far, in the order of ``steps``."""
        return tuple(self._results[step.step_id] for step in steps if step.step_id in self._results)

    async def _lane(self, steps: Sequence[Step], cursor: str | None, sending: "_SenderCount") -> None:
        """Run one lane; a bug ends this lane alone.

        A step without a result was not begun, because a step that was begun always ends with one.
        """
        try:
            with Containment(f"running {self._context.lane(steps[0].address)}", self._context.trace):
                await self._run_lane(steps, cursor, sending)
        except InternalError as error:
            for step in steps:
                self._results.setdefault(step.step_id, _not_started(step, str(error)))

    async def _run_lane(self, steps: Sequence[Step], cursor: str | None, sending: "_SenderCount") -> None:
        for step in steps:
            if _frees(step):
                self._context.reservation.expect(step.step_id)
            life = Life(task=self._context.task(step, cursor=cursor))
            run = StepRun(self._context, life, slots=self._slots)
            began_ms = self._context.clock.wall_ms()
            self._results[step.step_id] = ended = await run.run(sending.once())
            self.times[step.step_id] = (began_ms, self._context.clock.wall_ms())
            self._context.progress(self._told(step, ended))
            self._context.reservation.over(step.step_id)

    def _told(self, step: Step, ended: StepResult) -> str:
        """``main: BTCUSDT.long +1500 USDT: applied (1 of 3)``."""
        what = f"{signed_text(step.signed)} {step.asset}" if isinstance(step, MoveMargin) else f"to {step.after}"
        what = f"auto-add {what}" if isinstance(step, SetAutoAdd) else what
        why = f": {ended.detail}" if ended.detail and ended.outcome is not OutcomeKind.APPLIED else ""
        done = f"{len(self._results)} of {self._planned}"
        return f"{self._context.desired.name}: {step.address} {what}: {ended.outcome}{why} ({done})"

    async def _settle_one(self, item: Unsettled) -> SettledStep | None:
        """Settle one intent. A bug leaves it open, which holds its lane; the other lanes go on."""
        context = self._context
        doing = f"{context.desired.name}: {item.intent.address}: settling an earlier step"
        try:
            with Containment(doing, context.trace):
                life = Life.from_journal(context.earlier_task(item.intent), item)
                outcome = await StepRun(context, life, slots=self._slots).settle()
        except InternalError as error:
            context.progress(str(error))
            return None
        return None if outcome is None or not outcome.known.settles else _settled(item, outcome)


def _frees(step: Step) -> bool:
    """Whether a step frees balance that additions may wait for."""
    return isinstance(step, MoveMargin) and step.action == "reduce_margin"


def _settled(item: Unsettled, outcome: Outcome) -> SettledStep:
    intent = item.intent
    return SettledStep(
        address=intent.address,
        action=intent.action,
        asset=intent.asset,
        amount=intent.amount,
        outcome=str(outcome.known),
        before=intent.before,
        after=outcome.after,
        evidence=outcome.evidence,
        since=item.since,
    )


def _not_started(step: Step, why: str) -> StepResult:
    return StepResult(
        step_id=step.step_id,
        address=step.address,
        action=step.action,
        outcome=OutcomeKind.SKIPPED,
        detail=f"not started: {why}",
    )


class _SenderCount:
    """Counts the steps whose send may be imminent; at zero, looks that verify are no longer batched."""

    def __init__(self, context: Context, steps: int) -> None:
        self._context = context
        self._left = steps

    def once(self) -> Callable[[], None]:
        """A function that one step calls when no send of it is imminent; only the first call counts."""
        called = False

        def over() -> None:
            nonlocal called
            if not called:
                called = True
                self._left -= 1
                self._context.observer.writing(busy=self._left > 0)

        return over
