"""``reconcile plan``: read every account, say what would be done, send nothing."""

import asyncio
from collections.abc import Mapping, Sequence

from reconcile.concurrency import gather_all
from reconcile.errors import Containment, ReconcileError
from reconcile.exchanges.base import Reader
from reconcile.exchanges.http.exchange_time import ExchangeTime
from reconcile.model.account import DesiredAccount, Percent
from reconcile.model.plan import AccountPlan, Plan, SinceCommit
from reconcile.planning import target_globs
from reconcile.usecases.account import Selection, failed_plan, plan_account, with_templates
from reconcile.usecases.account_identity import ACCOUNTS_AT_ONCE, AccountConnection, Roster, reach, with_beside
from reconcile.usecases.world import World


async def plan(
    world: World,
    accounts: Sequence[DesiredAccount],
    *,
    targets: Sequence[str],
    overrides: Mapping[str, Mapping[str, str]],
    expires_ms: int,
    git_commit: str | None,
    roster: Roster | None = None,
    headroom: Percent | None = None,
    since: SinceCommit | None = None,
) -> Plan:
    """Plan all accounts, each with its own fate. Raises UsageError for a target or override that means nothing.

    Its times are the exchange's (of several exchanges, the earliest), this machine's where none was reached.
    ``headroom`` as for ``Selection``. ``roster`` has the accounts that must not turn out to be the same one; None:
    those that are planned. ``since`` names accounts that are left out.
    """
    target_globs.check(targets, accounts)
    selection = Selection(targets=tuple(targets), overrides=overrides, headroom=headroom)
    left_out = frozenset(since.unchanged if since is not None else ())
    in_force = [selection.of(account) for account in accounts if account.name not in left_out]
    plan_id = world.new_id()
    slots = asyncio.Semaphore(ACCOUNTS_AT_ONCE)
    times: list[ExchangeTime] = []
    met = roster or Roster(in_force)

    async def planned(desired: DesiredAccount) -> AccountPlan:
        reached = await met.join(desired, lambda: reach(world, desired, world.reader(desired)))
        times.append(reached.connection.adapter.time)
        async with slots:
            return await planned_account(world, desired, reached, plan_id=plan_id, selection=selection)

    async def one(desired: DesiredAccount) -> AccountPlan:
        try:
            with Containment(f"planning {desired.name}", world.trace):
                return await planned(desired)
        except ReconcileError as error:
            return failed_plan(desired, error)

    made = await gather_all(one(desired) for desired in in_force)
    created_ms = min((time.latest() for time in times), default=world.clock.wall_ms())
    return Plan(
        plan_id=plan_id,
        tool_version=world.version,
        created_ms=created_ms,
        expires_ms=created_ms + expires_ms,
        git_commit=git_commit,
        overrides=flat_overrides({k: v for k, v in overrides.items() if k not in left_out}, accounts),
        accounts=tuple(made),
        scope=tuple(targets),
        since=since,
    )


def flat_overrides(overrides: Mapping[str, Mapping[str, str]], accounts: Sequence[DesiredAccount]) -> Mapping[str, str]:
    """Overrides as the contract shows them: ``KEY`` with one account, ``ACCOUNT:KEY`` with several."""
    return {
        (key if len(accounts) == 1 else f"{account}:{key}"): value
        for account, values in overrides.items()
        for key, value in values.items()
    }


async def planned_account(
    world: World, desired: DesiredAccount, reached: AccountConnection[Reader], *, plan_id: str, selection: Selection
) -> AccountPlan:
    """One account's plan, made without its lock, each change with its reason. Raises ReadFailed, JournalError."""
    state = with_beside(world, reached.account, world.store.read(reached.account.journal))
    desired = await with_templates(desired, reached.connection.adapter)
    made = await plan_account(
        world,
        desired,
        reached.connection,
        state,
        identity=reached.account.name,
        plan_id=plan_id,
        selection=selection,
    )
    if not state.records:
        return made
    from reconcile.usecases.explain import with_reasons  # noqa: PLC0415 - only what was applied has moved since

    return await with_reasons(reached.connection.adapter, state, made)
