"""One account's run of apply under its lock: settle, look, plan, send, verify, and what is known at the end."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from reconcile.concurrency import interruptible
from reconcile.errors import Containment, ReadFailed, ReconcileError
from reconcile.exchanges.base import Writer
from reconcile.journal.base import Journal
from reconcile.journal.records import PlanUsed
from reconcile.journal.state import JournalState
from reconcile.model.account import Address, DesiredAccount
from reconcile.model.holds import Hold
from reconcile.model.plan import AccountPlan, AccountResult, Entry, PlanError, SettledStep, Status, Step, StepResult
from reconcile.planning import order
from reconcile.protocol.context import Context
from reconcile.protocol.executor import Executor
from reconcile.usecases.account import as_error, check_not_frozen, failed_plan, guarded_look, with_templates
from reconcile.usecases.account_identity import AccountConnection, reach
from reconcile.usecases.cold_fence import cold_until
from reconcile.usecases.plan import planned_account
from reconcile.usecases.preparing import check_not_stale, first_look, plan_to_send, within
from reconcile.usecases.rounds import StepRounds
from reconcile.usecases.run_end import (
    as_seen,
    check_holds_changes,
    differing_outside,
    doubted_at_end,
    exit_code_of,
    finished,
    has_unknown,
    unfinished,
)
from reconcile.usecases.run_lock import hold
from reconcile.usecases.run_records import (
    RunFacts,
    make_context,
    note_refused,
    patience_ms,
    planned,
    run_started,
)
from reconcile.usecases.saved_plan_checks import account_of, check_account, check_mode, check_usable, state_file_agrees
from reconcile.usecases.spans import RunTimer
from reconcile.usecases.world import World


class AccountRun:
    """One account, from connecting to its result: call ``connect``, ``open``, ``prepare``, ``execute`` in order.

    Where a person is asked, ``settle_earlier`` and ``preview`` come before ``open``.
    """

    def __init__(self, world: World, desired: DesiredAccount, facts: RunFacts) -> None:
        self._world, self._facts = world, facts
        self.name = desired.name
        self.trace = world.trace
        self._declared = self._desired = desired
        self._saved = account_of(facts.saved, desired.name)
        self._reached: AccountConnection[Writer] | None = None
        self._journal: Journal | None = None
        self._context: Context | None = None
        self._plan: AccountPlan | None = None
        self._approved: AccountPlan | None = None
        self._results: tuple[StepResult, ...] = ()
        self._timer = RunTimer(world, desired, facts)
        self._settled: tuple[SettledStep, ...] = ()
        self._doubted: Mapping[Address, Hold] = {}
        self._state_file_checked = True
        self.identity = ""

    async def connect(self) -> None:
        """Check what can be checked without the lock, reach the exchange and learn whose account it is."""
        await interruptible(self._world.stop, self._connect(), doing=f"starting {self._desired.name}")

    async def _connect(self) -> None:
        account = (await self._facts.roster.join(self._desired, self._reach)).account
        await check_not_frozen(self._world, self._desired, *account.names)
        if self._saved is not None:
            check_account(self._saved, account.name, former=account.former)

    async def _reach(self) -> AccountConnection[Writer]:
        await check_not_frozen(self._world, self._desired)
        self._reached = await reach(self._world, self._desired, self._world.writer(self._desired))
        self.identity = self._reached.account.name
        return self._reached

    async def open(self, stack: AsyncExitStack) -> None:
        """Take the lock for the life of ``stack`` and settle what earlier runs left open."""
        world, connection, account = self._world, self._the_reached.connection, self._the_reached.account
        run_id, command = self._facts.run_id, self._facts.command
        self._journal = journal = await hold(world, stack, account, name=self.name, run_id=run_id, command=command)
        cold_until_ms = cold_until(world, self._desired, journal, connection)
        started = await run_started(world, self._desired, self._facts, journal, cold_until_ms)
        await journal.append(started, durable=False)
        if self._saved is None and self._approved is None:
            self._desired = await with_templates(self._declared, connection.adapter)
        self._context = make_context(world, self._desired, connection, journal, halted=self._halted)
        self._settled = (*self._settled, *await Executor(self._context, parallelism=world.parallelism).settle_earlier())

    async def settle_earlier(self, stack: AsyncExitStack) -> AccountResult | None:
        """Settle what earlier runs left, under the lock for the life of ``stack``, and end as a run of its own.

        Takes no lock and returns None where nothing is open. Raises Declined, JournalError, Interrupted.
        """
        if not self._world.store.read(self.identity).unsettled:
            return None
        await self.open(stack)
        nothing = AccountPlan(desired=self._desired, identity=self.identity, observed=None, observed_wall_ms=None)
        ended = await self._end(nothing, exit_code=self._exit_code(in_place=True))
        self._journal = self._context = None
        return ended

    async def preview(self) -> AccountPlan:
        """The plan that a person is asked about, made without the lock; from then on it is a ceiling.

        Raises Declined, ReadFailed, Interrupted.
        """
        return await interruptible(self._world.stop, self._preview(), doing=f"planning {self._desired.name}")

    async def _preview(self) -> AccountPlan:
        world, facts, reached = self._world, self._facts, self._the_reached
        if self._saved is not None:
            plan = await self._reviewed(self._saved, world.store.read(self.identity))
        else:
            plan = self._approved = await planned_account(
                world, self._declared, reached, plan_id=facts.plan_id, selection=facts.selection
            )
            self._desired = plan.desired
        self._plan = plan
        return plan

    async def prepare(self) -> AccountPlan:
        """The plan to carry out: the reviewed plan if it still holds, else a new one.

        Raises Declined, ReadFailed, Interrupted.
        """
        return await interruptible(self._world.stop, self._prepare(), doing=f"planning {self._desired.name}")

    async def _prepare(self) -> AccountPlan:
        context = self._the_context
        if self._saved is not None:
            self._plan = await self._reviewed(self._saved, context.journal.state)
        else:
            world, facts, to = self._world, self._facts, self._the_reached.connection
            patience = 0 if self._approved is not None else patience_ms(world, facts)  # what was not shown is not sent
            fresh = await plan_to_send(world, to, context, identity=self.identity, facts=facts, patience_ms=patience)
            self._doubted = {entry.address: entry.hold for entry in fresh.entries if entry.hold is not None}
            self._plan = fresh if self._approved is None else within(fresh, self._approved)
        if self._plan.observed is not None:
            context.observer.start_from(self._plan.observed)
        await context.journal.append(planned(self._facts, self._plan), durable=False)
        return self._plan

    async def execute(self, plan: AccountPlan) -> AccountResult:
        """Send what the plan says, look at the end, and say what is known."""
        if plan.errors:
            left = unfinished(plan.entries)
            return await self._end(plan, exit_code=plan.exit_code, errors=plan.errors, remaining=left)
        steps = plan.steps
        if steps:
            await self._before_first_call(steps)
            rounds = StepRounds(self._world, self._the_context, self._facts)
            try:
                await rounds.run(steps)
            finally:
                self._results, self._timer.steps_ms = rounds.results, rounds.times
        return await self._conclude(plan)

    async def failed(self, error: ReconcileError) -> AccountResult:
        """The result of an account that could not go on; noted beside the journal where it never held that.
        Never raises, so that what the steps ended in is told whatever failed after them."""
        found, code = as_error(error, self._desired)
        errors: tuple[PlanError, ...] = (found,)
        notes_head = None
        if self._journal is None:
            try:
                with Containment("noting the refusal", self.trace):
                    notes_head = await note_refused(self._world, self._desired, self._facts, self.identity, error)
            except ReconcileError as failure:
                errors = (*errors, as_error(failure)[0])
        if self._results:
            code = order.worst((code, self._exit_code(in_place=False)))
        plan = self._plan or failed_plan(self._desired, error)
        ended = await self._end(plan, exit_code=code, errors=errors, remaining=unfinished(plan.entries))
        return replace(ended, notes_head=notes_head)

    # Before the first call.

    async def _reviewed(self, saved: AccountPlan, state: JournalState) -> AccountPlan:
        """The reviewed plan with a fresh look, once every reason to refuse it has been asked."""
        plan = self._facts.saved
        if plan is None:
            raise RuntimeError("a reviewed account without its plan")
        check_usable(plan, used=state.used_plans, now_ms=self._the_reached.connection.adapter.time.latest())
        self._state_file_checked = state_file_agrees(saved.desired)
        if not self._state_file_checked:
            missing = f"{self._desired.name}: {saved.desired.path} is not here"
            self._world.progress(f"{missing}; applying the plan without comparing it")
        if saved.errors:
            return saved
        writer = self._the_reached.connection.adapter
        look, self._doubted = await guarded_look(
            self._world, saved.desired, writer, state, patience_ms=patience_ms(self._world, self._facts)
        )
        check_mode(saved.desired, look)
        return replace(saved, identity=self.identity, observed=look, observed_wall_ms=look.sent_at_ms)

    async def _before_first_call(self, steps: Sequence[Step]) -> None:
        """A look that is young and has seen earlier calls, and no step stale; then the plan is used up."""
        context = self._the_context
        look = await first_look(context, steps)
        check_not_stale(context, steps, look)
        if self._facts.saved is not None:
            used = PlanUsed(plan_id=self._facts.saved.plan.plan_id, digest=self._facts.saved.digest)
            await context.journal.append(used, durable=True)

    # After the last call.

    async def _conclude(self, plan: AccountPlan) -> AccountResult:
        context = self._the_context
        errors: tuple[PlanError, ...] = ()
        final = plan
        is_ceiling = self._saved is not None or self._approved is not None
        if is_ceiling and plan.observed is not None:
            final, errors = as_seen(context, self._facts, plan, plan.observed, doubted=self._doubted)
            check_holds_changes(self._facts, plan, final)
        try:
            if self._results:
                look = await context.observer.verify(after_ms=context.observer.changed_ms)
                doubted = doubted_at_end(context, plan.desired, look, self._results, before=self._doubted)
                final, errors = as_seen(context, self._facts, plan, look, doubted=doubted)
        except ReadFailed as error:
            errors = (PlanError(key="verify", message=f"looking at the end: {error}"),)
        remaining = unfinished(final.entries)
        in_place = not errors and all(entry.status is Status.WAITING for entry in remaining)
        outside = differing_outside(context, self._facts, plan, context.observer.last or plan.observed)
        code = self._exit_code(in_place=in_place)
        ended = await self._end(final, exit_code=code, errors=errors, remaining=remaining)
        return replace(ended, converged=in_place and outside == 0, outside_differing=outside)

    def _exit_code(self, *, in_place: bool) -> int:
        stopped = self._world.stop.is_set()
        return exit_code_of(self._the_context, self._results, stopped=stopped, in_place=in_place)

    async def _end(
        self,
        plan: AccountPlan,
        *,
        exit_code: int,
        errors: tuple[PlanError, ...] = (),
        remaining: tuple[Entry, ...] = (),
    ) -> AccountResult:
        """Journal the end of the run, so that the head in the result pins all of it. Never raises."""
        head, exit_code = None, order.worst((exit_code, 5 if has_unknown(self._context) else 0))
        if self._journal is not None:
            try:
                with Containment("journalling the end of the run", self.trace):
                    self._journal.check()
                    end = await finished(
                        self._context, plan, self._results, exit_code=exit_code, errors=errors, first=self._plan
                    )
                    await self._journal.append(end, durable=True)
                    head = self._journal.head
            except ReconcileError as error:
                errors = (*errors, as_error(error)[0])
                exit_code = order.worst((exit_code, 1))
        self._timer.ended(exit_code, self._results)
        return AccountResult(
            plan=self._plan or plan,
            exit_code=exit_code,
            errors=errors,
            state_file_checked=self._state_file_checked,
            journal_head=head,
            requests=dict(self._reached.connection.adapter.requests) if self._reached is not None else {},
            steps=self._results,
            remaining=remaining,
            settled=self._settled,
            outside_differing=None if plan.outside_scope else 0,
        )

    async def _halted(self) -> str | None:
        if self._world.stop.is_set():
            return "asked to stop"
        names = {*self._the_reached.account.names, *self._the_context.journal.state.identities}
        reason = await self._world.held_back(self._desired.name, *names)
        return None if reason is None else f"frozen: {reason}"

    @property
    def _the_reached(self) -> AccountConnection[Writer]:
        if self._reached is None:
            raise RuntimeError("an account run was used before it was connected")
        return self._reached

    @property
    def _the_context(self) -> Context:
        if self._context is None:
            raise RuntimeError("an account run was used before it was opened")
        return self._context
