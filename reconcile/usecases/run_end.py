"""The end of a run: every entry as the last look shows it, inside the plan's scope and outside of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconcile.errors import Declined
from reconcile.journal.records import IntentStatus, RunFinished
from reconcile.model.account import Address, DesiredAccount, ObservedAccount
from reconcile.model.holds import Hold
from reconcile.model.plan import AccountPlan, Entry, OutcomeKind, PlanError, Status, StepResult
from reconcile.planning import order
from reconcile.protocol.context import Context
from reconcile.protocol.freshness import may_be_older
from reconcile.protocol.holds import unproven
from reconcile.usecases.account import held_addresses
from reconcile.usecases.movements import moved
from reconcile.usecases.run_records import RunFacts, run_finished

NOT_IN_PLACE = {Status.CHANGE, Status.BLOCKED, Status.WAITING, Status.HELD}
"""Statuses of what a result lists as remaining."""


def unfinished(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The entries that still differ from the state file."""
    return tuple(entry for entry in entries if entry.status in NOT_IN_PLACE)


def as_seen(
    context: Context, facts: RunFacts, plan: AccountPlan, look: ObservedAccount, *, doubted: Mapping[Address, Hold]
) -> tuple[AccountPlan, tuple[PlanError, ...]]:
    """The plan with its entries as this look shows them, and why the look says nothing at all about them.

    ``doubted`` are the addresses of which the run's own look told nothing, with the reason: they stay held.
    """
    seen = _planned(context, facts, plan, look, whole=False, doubted=doubted)
    return replace(plan, entries=seen.entries), seen.errors if not seen.entries else ()


async def finished(
    context: Context | None,
    plan: AccountPlan,
    results: Sequence[StepResult],
    *,
    exit_code: int,
    errors: Sequence[PlanError],
    first: AccountPlan | None,
) -> RunFinished:
    """The record of the run's end. ``first`` is the plan that it began with, ``context`` is None where it had none."""
    look, told = (None, None) if context is None else (context.observer.last, await moved(context))
    older = [] if context is None or look is None else [*_unproven(context, plan.desired, look), *_open(context, plan)]
    return run_finished(plan, look, told, results, exit_code=exit_code, errors=errors, first=first, unproven=older)


def _open(context: Context, plan: AccountPlan) -> dict[Address, Hold]:
    """The declared addresses that an open step of ours holds, also where the plan has no entries."""
    return held_addresses(context.journal.state, plan.desired, context.writer)


def _unproven(context: Context, desired: DesiredAccount, look: ObservedAccount) -> dict[Address, Hold]:
    """The declared addresses of which the run's last look may show the margin from before our last step."""
    state, grace_ms = context.journal.state, context.grace_ms
    targets = (target for target in desired.targets if may_be_older(target, state, look, grace_ms=grace_ms))
    moves = ((target.address, state.moves[str(target.address)]) for target in targets)
    shown = look.positions
    return {address: unproven(move, shown.get(address), grace_ms=grace_ms) for address, move in moves}


def doubted_at_end(
    context: Context,
    desired: DesiredAccount,
    look: ObservedAccount,
    results: Sequence[StepResult],
    *,
    before: Mapping[Address, Hold],
) -> Mapping[Address, Hold]:
    """The addresses about which the last look proves nothing, with the reason.

    They are the addresses doubted ``before``, except those of this run's steps, because a step takes a sound look of
    its own. Added are the addresses that this look may show from before our last step, also where a step of this run
    found no sound look.
    """
    stepped = {result.address for result in results}
    kept = {address: reason for address, reason in before.items() if address not in stepped}
    return {**kept, **_unproven(context, desired, look)}


def differing_outside(context: Context, facts: RunFacts, plan: AccountPlan, look: ObservedAccount | None) -> int | None:
    """The number of declared addresses outside the plan's scope that differ from the state file; None if unknown.

    A saved plan holds only the addresses in its scope, so nothing is known of the others.
    """
    if not plan.outside_scope:
        return 0
    inside = facts.selection.addresses(plan.desired)
    if facts.saved is not None or look is None or inside is None:
        return None
    seen = _planned(context, facts, plan, look, whole=True, doubted={})
    if seen.errors and not seen.entries:
        return None
    left_out = [entry for entry in seen.entries if entry.target is not None and entry.address not in inside]
    return sum(1 for entry in left_out if entry.status in NOT_IN_PLACE - {Status.WAITING})


def exit_code_of(context: Context, results: Sequence[StepResult], *, stopped: bool, in_place: bool) -> int:
    """The exit code of the account's run; ``in_place`` tells whether everything in the scope is as declared.

    A step of ours that is still open is told, also where its address is not in the scope or not declared any more.
    """
    outcomes = {result.outcome for result in results}
    if stopped:
        return 130
    if OutcomeKind.UNKNOWN in outcomes or has_unknown(context):
        return 5
    if outcomes & {OutcomeKind.REFUSED, OutcomeKind.ACCEPTED}:
        return 3
    return 0 if in_place and not context.journal.state.unsettled else 3


def has_unknown(context: Context | None) -> bool:
    """Whether it is open what a step of ours did, in this run or an earlier one; False if the run never began."""
    unsettled = () if context is None else context.journal.state.unsettled.values()
    return any(item.known in {None, IntentStatus.UNKNOWN} for item in unsettled)


def check_holds_changes(facts: RunFacts, plan: AccountPlan, seen: AccountPlan) -> None:
    """Raise Declined where a plan that is a ceiling has nothing to send and live has moved away from it since."""
    if plan.order or plan.errors:
        return
    moved = [str(entry.address) for entry in seen.entries if entry.status is Status.CHANGE]
    if moved:
        raise Declined(
            "stale",
            f"applying plan {facts.plan_id}: this plan holds no changes; live has moved "
            f"({', '.join(moved[:5])}{f' and {len(moved) - 5} more' if len(moved) > 5 else ''}): plan again",
        )


def _planned(
    context: Context,
    facts: RunFacts,
    plan: AccountPlan,
    look: ObservedAccount,
    *,
    whole: bool,
    doubted: Mapping[Address, Hold],
) -> AccountPlan:
    return order.plan_account(
        plan.desired,
        look,
        held={**doubted, **held_addresses(context.journal.state, plan.desired, context.writer)},
        traits=context.writer.traits,
        plan_id=facts.plan_id,
        observed_wall_ms=look.sent_at_ms,
        identity=context.journal.identity,
        targets=None if whole else facts.selection.addresses(plan.desired),
    )
