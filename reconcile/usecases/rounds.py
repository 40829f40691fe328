"""The rounds of one account's run: its plan's steps, and what becomes urgent while one of their lanes is in doubt.

A lost answer keeps a lane in doubt until its request can no longer be accepted, which takes tens of seconds. Other
positions of the account fall meanwhile. A watch therefore lets its run plan again at every interval as long as a step
of its plan is under way. It does so under the same lock, with the same journal, reserved funds and looks. It uses only
lanes where no step of this run is under way or has failed.

The limits of one run and of one day count the steps of all rounds together. A step without a result counts in full,
since it may be sent again once its first call is proven not to have happened.
"""

import asyncio
from collections.abc import Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from reconcile.concurrency import interruptible
from reconcile.errors import Declined, Interrupted, ReadFailed
from reconcile.journal.days import DAY_MS
from reconcile.journal.records import Intent
from reconcile.model.account import Address, ObservedAccount
from reconcile.model.holds import AT_WORK, Hold
from reconcile.model.plan import AccountPlan, MoveMargin, OutcomeKind, Step, StepResult, additions
from reconcile.money import ZERO, minus, plus, total
from reconcile.planning import order, policy
from reconcile.planning.amounts import limit_for
from reconcile.planning.day_limits import DayUsed
from reconcile.protocol.context import Context
from reconcile.protocol.executor import Executor
from reconcile.usecases.account import guarded_look
from reconcile.usecases.further import Further
from reconcile.usecases.preparing import check_not_stale, first_look
from reconcile.usecases.run_records import RunFacts, planned
from reconcile.usecases.world import World

_BUSY = Hold(by=AT_WORK, reason="this run is at work on it; look again when the run has ended")


class StepRounds:
    """The steps of one run under its lock, round by round."""

    def __init__(self, world: World, context: Context, facts: RunFacts) -> None:
        self._world = world
        self._context = context
        self._facts = facts
        self._begun: list[tuple[Sequence[Step], Executor]] = []
        self._others: list[asyncio.Task[object]] = []
        self._is_over = asyncio.Event()
        """Whether the plan's own steps have ended; no further round begins then, so that every run ends."""

    async def run(self, steps: Sequence[Step]) -> None:
        """Run the plan's steps, and further rounds where the run's facts ask for them. Raises as ``Executor.run``."""
        if self._facts.further is None:
            await self._round(steps)
            return
        planner = asyncio.ensure_future(self._plan_again(self._facts.further))
        try:
            await self._round(steps)
        except asyncio.CancelledError:
            for task in (planner, *self._others):
                task.cancel()
            raise
        finally:
            self._is_over.set()
            await asyncio.wait({planner})  # which begins no round any more
            failures = await self._ended(planner)  # no step is abandoned in flight
        if failures:
            raise failures[0]

    def _round(self, steps: Sequence[Step]) -> Coroutine[Any, Any, object]:
        """The work on these steps, which count as begun from now on."""
        executor = Executor(self._context, parallelism=self._world.parallelism, slots=self._facts.slots)
        self._begun.append((steps, executor))
        return executor.run(steps)

    async def _ended(self, planner: asyncio.Task[None]) -> list[BaseException]:
        """Wait for the further rounds; what they failed with. A round that could not read has sent nothing."""
        tasks: list[asyncio.Task[Any]] = [planner, *self._others]
        await asyncio.wait(tasks)
        found = [task.exception() for task in tasks if not task.cancelled()]
        return [failure for failure in found if failure is not None and not isinstance(failure, ReadFailed)]

    @property
    def results(self) -> tuple[StepResult, ...]:
        """The results of the steps that have ended so far, in the order of the plan."""
        return tuple(result for steps, executor in self._begun for result in executor.results(steps))

    @property
    def times(self) -> dict[str, tuple[int, int]]:
        """The begin and end of each step that was begun, by its id: Unix milliseconds of this machine."""
        return {step_id: times for _, executor in self._begun for step_id, times in executor.times.items()}

    # Further rounds.

    async def _plan_again(self, further: Further) -> None:
        """Begin what is urgent at each interval, until the plan's own steps have ended."""
        while not await self._ends(further.every_ms):
            try:
                steps = await interruptible(self._world.stop, self._urgent(further), doing="planning meanwhile")
            except (ReadFailed, Declined):
                continue  # the next interval tries again
            except Interrupted:
                return  # the steps under way are told to stop as well
            if steps and not self._is_over.is_set():
                self._others.append(asyncio.ensure_future(self._round(steps)))

    async def _ends(self, within_ms: int) -> bool:
        """Whether the plan's own steps end within this time."""
        rest = [asyncio.ensure_future(work) for work in (self._is_over.wait(), self._context.clock.sleep(within_ms))]
        try:
            await asyncio.wait(rest, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in rest:
                each.cancel()
        return self._is_over.is_set()

    async def _urgent(self, further: Further) -> tuple[Step, ...]:
        """The steps that cannot wait, on lanes that are free, once they fit every limit. Raises ReadFailed, Declined,
        JournalError."""
        context, world = self._context, self._world
        if await context.halted() is not None:
            return ()
        facts = replace(self._facts, plan_id=world.new_id())
        look, held = await guarded_look(
            world, context.desired, context.writer, context.journal.state, earlier=context.earlier
        )
        plan = self._planned(facts, look, held, targets=None)
        wanted = () if plan.errors else further.wants(plan)
        if not wanted:
            return ()
        plan = self._planned(facts, look, held, targets=[entry.address for entry in wanted])
        if plan.errors or not plan.steps or not self._fits(plan.steps):
            return ()
        context.observer.start_from(look)  # so that no step decides on a look from before this one
        check_not_stale(context, plan.steps, await first_look(context, plan.steps))
        await context.journal.append(planned(facts, plan), durable=False)
        return plan.steps

    def _planned(
        self,
        facts: RunFacts,
        look: ObservedAccount,
        held: Mapping[Address, Hold],
        *,
        targets: Collection[Address] | None,
    ) -> AccountPlan:
        """A plan of what is left of lanes, free balance and the day."""
        context = self._context
        unfinished = self._unfinished()
        failed = [result for result in self.results if result.outcome is not OutcomeKind.APPLIED]
        lanes = {context.lane(step.address) for step in (*unfinished, *failed)}
        busy = {each.address: _BUSY for each in context.desired.targets if context.lane(each.address) in lanes}
        return order.plan_account(
            context.desired,
            replace(look, available=self._available(look, unfinished)),
            held={**held, **busy},
            traits=context.writer.traits,
            plan_id=facts.plan_id,
            observed_wall_ms=look.sent_at_ms,
            identity=context.journal.identity,
            targets=targets,
            used=self._used(look.sent_at_ms, unfinished),
        )

    def _unfinished(self) -> list[Step]:
        ended = {result.step_id for result in self.results}
        return [step for steps, _ in self._begun for step in steps if step.step_id not in ended]

    def _open(self, step: Step) -> Intent | None:
        """The call of a step that is under way or in doubt; None where none is, as while it waits for its lane."""
        item = self._context.journal.state.unsettled.get(self._context.lane(step.address))
        return None if item is None or item.intent.step_id != step.step_id else item.intent

    def _available(self, look: ObservedAccount, unfinished: Sequence[Step]) -> dict[str, Decimal]:
        """The free balance, less the additions that this look may not have seen or that are still to be sent."""
        coming = [step for step in additions(unfinished) if self._open(step) is None]
        left = {}
        for asset, balance in look.available.items():
            free = self._context.reservation.unreserved(asset, balance, sent_at_ms=look.sent_at_ms)
            left[asset] = minus(free, total(step.most for step in coming if step.asset == asset))
        return left

    def _used(self, now_ms: int, unfinished: Sequence[Step]) -> DayUsed:
        """The day's use once every unfinished step has been sent, with as much as its plan allows."""
        used = self._context.journal.state.used_on(now_ms)
        added, changes = dict(used.added), used.changes
        for step in unfinished:
            intent = self._open(step)
            is_counted = intent is not None and intent.signed_at_ms // DAY_MS == now_ms // DAY_MS
            changes += not is_counted
            if isinstance(step, MoveMargin) and step.action == "add_margin":
                counted = intent.amount or ZERO if intent is not None and is_counted else ZERO
                more = max(ZERO, minus(step.most, counted))
                added[step.asset] = plus(added.get(step.asset, ZERO), more)
        return DayUsed(added=added, changes=changes)

    def _fits(self, steps: Sequence[Step]) -> bool:
        """Whether the limits of one run allow these steps beside all that it has begun."""
        limits, whole = self._context.desired.policy, [*(step for begun, _ in self._begun for step in begun), *steps]
        for step in additions(steps):
            most = limit_for(limits.max_add, step.asset)
            added = total(each.most for each in additions(whole) if each.address == step.address)
            if most is not None and added > most:
                return False
        return not policy.check_run(whole, limits)
