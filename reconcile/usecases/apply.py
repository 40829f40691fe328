"""``reconcile apply``: make live as declared, account by account, each under its own lock from first look to last.

Without a confirmation the accounts wait for each other only to learn that no two of them are the same account. Where
a person is asked, all are planned first, and no lock is held meanwhile: a question left open overnight keeps no other
run out. After the yes the plan that was shown is a ceiling, checked again under the lock like a saved one.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from reconcile.concurrency import gather_all
from reconcile.errors import Containment, Declined, ReconcileError
from reconcile.model.account import DesiredAccount
from reconcile.model.plan import AccountPlan, AccountResult, Plan, Result, SavedPlan
from reconcile.planning import order, target_globs
from reconcile.protocol.slots import SharedSlots
from reconcile.usecases.account import Selection
from reconcile.usecases.account_identity import ACCOUNTS_AT_ONCE, Roster
from reconcile.usecases.account_run import AccountRun
from reconcile.usecases.further import Further
from reconcile.usecases.informing import Notifier
from reconcile.usecases.plan import flat_overrides
from reconcile.usecases.run_records import RunFacts
from reconcile.usecases.world import World

Confirm = Callable[[Plan], bool]
"""Shows a plan and asks; False ends every account without a change."""

Show = Callable[[AccountPlan], None]
"""Shows what is about to be sent to one account."""


async def apply(
    world: World,
    accounts: Sequence[DesiredAccount],
    *,
    targets: Sequence[str] = (),
    overrides: Mapping[str, Mapping[str, str]] | None = None,
    reason: str | None,
    git_commit: str | None,
    confirm: Confirm | None,
    saved: SavedPlan | None = None,
    command: str = "apply",
    show: Show | None = None,
    further: Further | None = None,
) -> Result:
    """Apply all accounts. ``confirm`` None means approved already. ``saved`` is the reviewed plan to apply, if any.

    ``show`` gets each account's plan just before its first request, unless a person confirmed it; it delays nothing.
    ``further`` is what may begin while steps of an account are under way, None for nothing.

    Raises UsageError for a target or override that means nothing; what fails later stops only its own account.
    """
    overrides = overrides or {}
    world.accounts.update(account.name for account in accounts)
    target_globs.check(targets, accounts)
    selection = Selection(targets=tuple(targets), overrides=overrides)
    in_force = [selection.of(account) for account in accounts]
    facts = RunFacts(
        run_id=world.new_id(),
        plan_id=saved.plan.plan_id if saved else world.new_id(),
        command=command,
        reason=reason,
        git_commit=git_commit,
        overrides=saved.plan.overrides if saved else flat_overrides(overrides, accounts),
        selection=selection,
        saved=saved,
        roster=Roster(in_force),
        slots=SharedSlots(world.parallelism),
        further=further,
    )
    started_ms = world.clock.wall_ms()
    runs = [AccountRun(world, account, facts) for account in in_force]
    if confirm is None:
        results = await _independently(runs, None if show is None else Notifier(show, doing="showing the plan"))
    else:
        results = await _asking(world, runs, facts, confirm, started_ms)
    return Result(
        run_id=facts.run_id,
        plan_id=facts.plan_id,
        started_ms=world.shown_ms(started_ms),
        finished_ms=world.shown_ms(world.clock.wall_ms()),
        exit_code=order.worst(result.exit_code for result in results),
        actor=world.actor,
        reason=reason,
        git_commit=git_commit,
        overrides=facts.overrides,
        accounts=tuple(results),
        scope=facts.scope,
    )


async def settle(world: World, account: DesiredAccount, *, reason: str | None, command: str) -> AccountResult | None:
    """Settle what earlier runs left of an account, and send nothing; None where nothing is open."""
    run_id, selection = world.new_id(), Selection()
    facts = RunFacts(
        run_id=run_id,
        plan_id=run_id,
        command=command,
        reason=reason,
        git_commit=None,
        overrides={},
        selection=selection,
        saved=None,
        roster=Roster([account]),
        slots=SharedSlots(world.parallelism),
    )
    run = AccountRun(world, account, facts)
    async with AsyncExitStack() as stack:
        try:
            with Containment(f"settling earlier steps of {run.name}", run.trace):
                await run.connect()
                return await run.settle_earlier(stack)
        except ReconcileError as error:
            return await run.failed(error)


async def _independently(runs: Sequence[AccountRun], show: Show | None) -> list[AccountResult]:
    slots = asyncio.Semaphore(ACCOUNTS_AT_ONCE)

    async def one(run: AccountRun) -> AccountResult:
        async with AsyncExitStack() as stack:
            try:
                with Containment(f"applying {run.name}", run.trace):
                    await run.connect()
                    await stack.enter_async_context(slots)
                    return await _under_lock(run, stack, show)
            except ReconcileError as error:
                return await run.failed(error)

    return await gather_all(one(run) for run in runs)


async def _under_lock(run: AccountRun, stack: AsyncExitStack, show: Show | None = None) -> AccountResult:
    """From the lock to the last look; what is planned now holds, or what a person approved where it still does."""
    await run.open(stack)
    plan = await run.prepare()
    if show is not None and plan.steps:
        show(plan)
    return await run.execute(plan)


async def _asking(
    world: World, runs: Sequence[AccountRun], facts: RunFacts, confirm: Confirm, started_ms: int
) -> list[AccountResult]:
    """Plan all accounts and ask, holding no lock; after a yes each account's plan is checked again under its lock."""
    results: dict[AccountRun, AccountResult] = {}
    plans: dict[AccountRun, AccountPlan] = {}
    slots = asyncio.Semaphore(ACCOUNTS_AT_ONCE)

    async def attempt(run: AccountRun, work: Callable[[AsyncExitStack], Coroutine[Any, Any, None]]) -> None:
        async with slots, AsyncExitStack() as stack:
            try:
                with Containment(f"applying {run.name}", run.trace):
                    await work(stack)
            except ReconcileError as error:
                results[run] = await run.failed(error)

    async def preview(run: AccountRun, stack: AsyncExitStack) -> None:
        async with stack:
            await run.settle_earlier(stack)
        plans[run] = await run.preview()

    async def execute(run: AccountRun, stack: AsyncExitStack) -> None:
        results[run] = await _under_lock(run, stack)

    def going_on() -> list[AccountRun]:
        return [run for run in runs if run not in results]

    await gather_all(_connected(run, results) for run in runs)
    await gather_all(attempt(run, partial(preview, run)) for run in going_on())
    shown = tuple(plans[run] if run in plans else results[run].plan for run in runs)
    if any(plan.steps for plan in plans.values()):
        refused = _refused(world, confirm, _plan(world, facts, shown, started_ms))
        if refused is not None:
            results.update({run: await run.failed(refused) for run in going_on()})
    await gather_all(attempt(run, partial(execute, run)) for run in going_on())
    return [results[run] for run in runs]


async def _connected(run: AccountRun, results: dict[AccountRun, AccountResult]) -> None:
    """Connect, without a slot: accounts wait for each other here, to learn that no two of them are the same."""
    try:
        with Containment(f"applying {run.name}", run.trace):
            await run.connect()
    except ReconcileError as error:
        results[run] = await run.failed(error)


def _refused(world: World, confirm: Confirm, plan: Plan) -> ReconcileError | None:
    """The error of an answer that is not yes; None for a yes."""
    try:
        with Containment("asking before the first call", world.trace):
            is_yes = confirm(plan)
        if is_yes:
            return None
    except ReconcileError as error:
        return error
    return Declined("not_confirmed", "asking before the first call: not confirmed; nothing was sent")


def _plan(world: World, facts: RunFacts, accounts: tuple[AccountPlan, ...], created_ms: int) -> Plan:
    return Plan(
        plan_id=facts.plan_id,
        tool_version=world.version,
        created_ms=created_ms,
        expires_ms=created_ms,
        git_commit=facts.git_commit,
        overrides=facts.overrides,
        accounts=accounts,
        scope=facts.scope,
    )
