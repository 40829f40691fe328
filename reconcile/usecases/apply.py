"""``reconcile apply``: make live as declared, account by account, each under its own lock from first look to last.

Where nobody is asked, the accounts wait for each other only to learn that no two of them are the same account. Where
a person is asked, all are planned first, their locks taken one after the other in the order of their identities, so
that two runners cannot wait for each other.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
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
from reconcile.usecases.plan import flat_overrides
from reconcile.usecases.run_records import RunFacts
from reconcile.usecases.world import World

Confirm = Callable[[Plan], bool]
"""Shows a plan and asks; False ends every account without a change."""


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
) -> Result:
    """Apply all accounts. ``confirm`` None means approved already. ``saved`` is the reviewed plan to apply, if any.

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
        places=SharedSlots(world.parallelism),
    )
    started_ms = world.clock.wall_ms()
    runs = [AccountRun(world, account, facts) for account in in_force]
    if confirm is None:
        results = await _independently(runs)
    else:
        results = await _asking(world, runs, facts, confirm, started_ms)
    return Result(
        run_id=facts.run_id,
        plan_id=facts.plan_id,
        started_ms=started_ms,
        finished_ms=world.clock.wall_ms(),
        exit_code=order.worst(result.exit_code for result in results),
        actor=world.actor,
        reason=reason,
        git_commit=git_commit,
        overrides=facts.overrides,
        accounts=tuple(results),
        scope=facts.scope,
    )


async def _independently(runs: Sequence[AccountRun]) -> list[AccountResult]:
    slots = asyncio.Semaphore(ACCOUNTS_AT_ONCE)

    async def one(run: AccountRun) -> AccountResult:
        async with AsyncExitStack() as stack:
            try:
                with Containment(f"applying {run.name}", run.trace):
                    await run.connect()
                    await stack.enter_async_context(slots)
                    await run.open(stack)
                    plan = await run.prepare()
                    return await run.execute(plan)
            except ReconcileError as error:
                return await run.failed(error)

    return await gather_all(one(run) for run in runs)


async def _asking(
    world: World, runs: Sequence[AccountRun], facts: RunFacts, confirm: Confirm, started_ms: int
) -> list[AccountResult]:
    results: dict[AccountRun, AccountResult] = {}
    plans: dict[AccountRun, AccountPlan] = {}

    async def attempt(run: AccountRun, work: Coroutine[Any, Any, None]) -> None:
        try:
            with Containment(f"applying {run.name}", run.trace):
                await work
        except ReconcileError as error:
            results[run] = await run.failed(error)

    async def prepare(run: AccountRun) -> None:
        plans[run] = await run.prepare()

    async def execute(run: AccountRun) -> None:
        results[run] = await run.execute(plans[run])

    def going_on() -> list[AccountRun]:
        return [run for run in runs if run not in results]

    async with AsyncExitStack() as stack:
        await gather_all(attempt(run, run.connect()) for run in runs)
        for run in sorted(going_on(), key=lambda run: run.identity):
            await attempt(run, run.open(stack))
        await gather_all(attempt(run, prepare(run)) for run in going_on())
        shown = tuple(plans[run] if run in plans else results[run].plan for run in runs)
        if any(plan.steps for plan in plans.values()):
            refused = _refused(world, confirm, _plan(world, facts, shown, started_ms))
            if refused is not None:
                results.update({run: await run.failed(refused) for run in going_on()})
        await gather_all(attempt(run, execute(run)) for run in going_on())
    return [results[run] for run in runs]


def _refused(world: World, confirm: Confirm, plan: Plan) -> ReconcileError | None:
    """Why the answer is not yes; None for a yes."""
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
