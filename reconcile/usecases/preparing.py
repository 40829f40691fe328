"""Checks of apply before its first call: the cold fence, and ledger rows of calls that the journal does not know.

Where nothing is to be sent and the journal has seen everything, none of this costs a request. Where the journal has
not, finding everything in place costs one grace.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from reconcile.errors import Declined
from reconcile.exchanges.base import Reader, open_addresses
from reconcile.model.account import Address, ObservedAccount
from reconcile.model.auto_add import AutoAdd, SetAutoAdd
from reconcile.model.plan import AccountPlan, MoveMargin, SetMarginType, Step
from reconcile.planning.day_limits import check_day
from reconcile.planning.fresh import Stale, fresh_move
from reconcile.protocol.context import Context
from reconcile.protocol.timing import FRESH_LOOKS, LONG_AFTER_GRACES, MAX_READ_AGE_MS
from reconcile.usecases.account import plan_account
from reconcile.usecases.run_records import RunFacts
from reconcile.usecases.world import Connection, World


async def plan_to_send(
    world: World,
    connection: Connection[Reader],
    context: Context,
    *,
    identity: str,
    facts: RunFacts,
    patience_ms: int,
) -> AccountPlan:
    """A plan whose every conclusion rests on a look that has seen earlier calls, whoever knows of them.

    Planned once; again where the fence was waited for or the ledger puts that look in doubt. Raises ReadFailed,
    Interrupted.
    """
    reuse: ObservedAccount | None = None
    while True:
        plan = await plan_account(
            world,
            context.desired,
            connection,
            context.journal.state,
            identity=identity,
            plan_id=facts.plan_id,
            selection=facts.selection,
            patience_ms=patience_ms,
            earlier=context.earlier,
            reuse=reuse,
        )
        asked, reuse, fence_ms = _to_ask(context, plan), plan.observed, _fence_ms(context, plan.steps)
        if reuse is None or not context.earlier.asks(asked, after_ms=fence_ms):
            return plan
        waited = await _pass(context, fence_ms)
        await context.earlier.ask(asked)
        if not waited and _unseen(context, asked, reuse) is None:
            return plan


def within(fresh: AccountPlan, approved: AccountPlan) -> AccountPlan:
    """The plan that a person approved, resting on a later look; the later plan where that is refused.

    Nothing is sent that was not shown: what changed since is stale, or is left to the next apply.
    """
    if fresh.errors:
        return fresh
    return replace(approved, identity=fresh.identity, observed=fresh.observed, observed_wall_ms=fresh.observed_wall_ms)


async def first_look(context: Context, steps: Sequence[Step]) -> ObservedAccount:
    """A young look to send these steps on, once fence and ledger were asked. Raises ReadFailed, Interrupted."""
    moves = [step.address for step in steps if isinstance(step, MoveMargin)]
    after = _fence_ms(context, steps) if moves else 0
    await _pass(context, after)
    if context.earlier.asks(moves, after_ms=after):
        await context.earlier.ask(moves)
    for _ in range(FRESH_LOOKS):
        look = await context.observer.look(after_ms=after, max_age_ms=MAX_READ_AGE_MS)
        unseen = _unseen(context, moves, look)
        if unseen is None:
            break
        await context.pause(context.writer.time.wait_ms(unseen))
        after = unseen
    return look  # each step asks again, and none is sent on a look that is in doubt still


def _check_day_limits(context: Context, steps: Sequence[Step], look: ObservedAccount) -> None:
    """Raise Declined where the day's earlier runs leave less than these steps need; a saved plan may predate them."""
    used = context.journal.state.used_on(look.sent_at_ms)
    for error in check_day(steps, context.desired.policy, used):
        raise Declined(error.key, error.message, asset=error.asset, limit=error.limit, value=error.value)


def check_not_stale(context: Context, steps: Sequence[Step], look: ObservedAccount) -> None:
    """Raise Declined where one of the steps does not fit what this look shows; nothing of the account is sent then."""
    _check_day_limits(context, steps, look)
    off = {step.address for step in steps if isinstance(step, SetAutoAdd) and step.after is AutoAdd.OFF}
    stale = [reason for step in steps if (reason := _stale(context, step, look, switched_off=off)) is not None]
    if stale:
        raise Declined("stale", "checking the plan before the first call: " + "; ".join(stale) + "; plan again")


def _stale(context: Context, step: Step, look: ObservedAccount, *, switched_off: Collection[Address]) -> str | None:
    """The reason why a step does not fit a look. This run switches off auto-add of ``switched_off`` first."""
    if isinstance(step, SetMarginType):
        if open_addresses(look, step.address.symbol):
            return f"{step.address}: a position was opened since the plan"
        return None
    if step.address in look.unusable:
        return None  # the step's own look decides, and costs no other step
    position = look.positions.get(step.address)
    if isinstance(step, SetAutoAdd):
        return None if position is not None and position.is_open else f"{step.address}: the position was closed"
    if position is not None and step.address in switched_off:
        position = replace(position, auto_add=False)
    target = context.targets[step.address]
    fresh = fresh_move(target, step, position, context.amount_step(step.asset))
    return f"{step.address}: {fresh.reason}" if isinstance(fresh, Stale) else None


def _fence_ms(context: Context, steps: Sequence[Step]) -> int:
    """The exchange time that ledger and look must be later than, 0 where the journal has seen everything.

    Where margin is to be moved, no request that the journal has not seen can arrive any more. Where none is, whatever
    took effect before this run began shows by then in the ledger or in the positions.
    """
    cold_until_ms = context.journal.state.cold_until_ms
    if cold_until_ms is None:
        return 0
    return cold_until_ms if any(isinstance(step, MoveMargin) for step in steps) else cold_until_ms - context.validity_ms


async def _pass(context: Context, fence_ms: int) -> bool:
    """Wait until the exchange's time is later; whether it had to be waited for."""
    if context.writer.time.earliest() > fence_ms:
        return False
    why = "an earlier request that this journal does not know may still take effect or become visible"
    await context.pass_exchange_time(fence_ms, why=why)
    return True


def _to_ask(context: Context, plan: AccountPlan) -> Collection[Address]:
    """The addresses whose margin moves, and every open target while journal and look may both miss a call."""
    moves = {step.address for step in plan.steps if isinstance(step, MoveMargin)}
    cold_until_ms = context.journal.state.cold_until_ms
    late_ms = LONG_AFTER_GRACES * context.grace_ms
    if cold_until_ms is None or context.writer.time.earliest() > cold_until_ms + late_ms or plan.observed is None:
        return moves
    look = plan.observed
    return moves | {
        target.address
        for target in context.desired.targets
        if target.declares_margin and target.address in open_addresses(look, target.address.symbol)
    }


def _unseen(context: Context, addresses: Collection[Address], look: ObservedAccount) -> int | None:
    """The time that a look must be later than to have seen every earlier call on these addresses; None: it has."""
    found = [until for address in addresses if (until := context.earlier.until(address, look)) is not None]
    return max(found, default=None)
