"""Make one account's plan from the declared and the observed state: diff, policy, order, totals and exit codes.

If an account is refused, its entries stay readable but its order is empty, so no step can be sent by accident. Pure and
stable: the ids of steps follow from the plan's id, so the same plan is always the same bytes.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial

from reconcile.model.account import Address, DesiredAccount, ObservedAccount, Percent
from reconcile.model.auto_add import SetAutoAdd
from reconcile.model.holds import Hold
from reconcile.model.plan import AccountPlan, Entry, MoveMargin, PlanError, SetMarginType, Status, Step
from reconcile.model.traits import Traits
from reconcile.money import ZERO, minus, plus, total
from reconcile.planning import amounts, policy, short
from reconcile.planning.day_limits import DayUsed
from reconcile.planning.diff import diff
from reconcile.planning.moves import amount_step, with_headroom
from reconcile.planning.unlisted import UNLISTED

SEVERITY = (130, 5, 1, 4, 3, 2, 0)
"""Exit codes, the most serious first."""


def plan_account(
    desired: DesiredAccount,
    observed: ObservedAccount,
    *,
    held: Mapping[Address, Hold],
    traits: Traits,
    plan_id: str,
    observed_wall_ms: int,
    identity: str,
    targets: Collection[Address] | None = None,
    used: DayUsed = policy.NOTHING_USED,
    headroom: Percent | None = None,
) -> AccountPlan:
    """One account's plan. ``held`` and ``targets`` are as for ``diff``.

    ``used`` are the calls of the day's earlier runs. ``headroom`` is the share by which an addition for a measure may
    exceed its planned amount just before the send.

    ``exit_code`` is 0 for a plan, and 1 if nothing could be decided (an amount that lacks its asset). It is 4 if the
    account is refused (another position mode, an account-wide limit). ``errors`` lists all problems.
    """
    made = AccountPlan(
        desired=desired,
        identity=identity,
        observed=observed,
        observed_wall_ms=observed_wall_ms,
        available_after=dict(observed.available),
    )
    wrong = (*_input_errors(desired, observed), *_mode_errors(desired, observed))
    if wrong:
        codes = [4 if error.key == "position_mode" else 1 for error in wrong]
        return replace(made, errors=wrong, exit_code=worst(codes))
    ids = partial(_step_id, plan_id, desired.name)
    entries = diff(desired, observed, held=held, traits=traits, targets=targets, step_id=ids)
    step_size = partial(amount_step, desired, traits)
    share_out = partial(short.share_out, desired=desired, observed=observed, step_size=step_size)
    check = partial(policy.check, policy=desired.policy, observed=observed, used=used, share_out=share_out)
    room_for = partial(policy.room_for, desired.policy)
    checked = check([with_headroom(entry, headroom, step_size, room_for) for entry in entries])
    if checked.errors and headroom is not None:
        checked = check(entries)  # the account's limits leave no room for more than the amounts
    entries = checked.entries
    after = _available_after(observed.available, _moves(entries))
    if checked.errors:
        return replace(made, entries=entries, available_after=after, errors=checked.errors, exit_code=4)
    order = tuple(step.step_id for step in _ordered(entries, desired, observed))
    return replace(made, entries=entries, order=order, available_after=after)


def _input_errors(desired: DesiredAccount, observed: ObservedAccount) -> tuple[PlanError, ...]:
    assets = {asset for target in desired.targets if (asset := _asset(observed, target.address)) is not None}
    return amounts.amount_errors(desired.policy, desired.targets, assets)


def _asset(observed: ObservedAccount, address: Address) -> str | None:
    """The margin asset of an address: an open position's own asset, else its instrument's."""
    position, symbol = observed.positions.get(address), observed.symbols.get(address.symbol)
    if position is not None and position.is_open:
        return position.asset
    return None if symbol is None else symbol.asset


def _mode_errors(desired: DesiredAccount, observed: ObservedAccount) -> tuple[PlanError, ...]:
    if observed.position_mode is desired.position_mode:
        return ()
    message = (
        f"reading account {desired.name}: it is in {observed.position_mode} mode and the file declares "
        f"{desired.position_mode}; correct position_mode, or switch the account"
    )
    return (
        PlanError(
            key="position_mode", limit=str(desired.position_mode), value=str(observed.position_mode), message=message
        ),
    )


def _step_id(plan_id: str, account: str, address: Address, action: str) -> str:
    text = "\n".join((plan_id, account, str(address), action))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _moves(entries: Iterable[Entry]) -> list[MoveMargin]:
    return [step for entry in entries for step in entry.steps if isinstance(step, MoveMargin)]


def _available_after(available: Mapping[str, Decimal], moves: Sequence[MoveMargin]) -> dict[str, Decimal]:
    assets = sorted({*available, *(move.asset for move in moves)})
    return {
        asset: minus(available.get(asset, ZERO), total(move.signed for move in moves if move.asset == asset))
        for asset in assets
    }


def _ordered(entries: Sequence[Entry], desired: DesiredAccount, observed: ObservedAccount) -> list[Step]:
    """The order of steps: absolute steps, the reductions that additions need, additions, the other reductions."""
    moves = _moves(entries)
    types = [step for entry in entries for step in entry.steps if isinstance(step, SetMarginType)]
    switches = [step for entry in entries for step in entry.steps if isinstance(step, SetAutoAdd)]
    additions = sorted((move for move in moves if move.action == "add_margin"), key=_nearness)
    reductions = [move for move in moves if move.action == "reduce_margin"]
    first: list[MoveMargin] = []
    for asset in sorted({move.asset for move in additions}):
        floor = amounts.limit_for(desired.policy.min_available, asset) or ZERO
        usable = minus(observed.available.get(asset, ZERO), floor)
        missing = minus(total(move.amount for move in additions if move.asset == asset), usable)
        first += _freeing(missing, [move for move in reductions if move.asset == asset])
    sooner = {move.address for move in first}
    last = [move for move in reductions if move.address not in sooner]
    return [*types, *switches, *first, *additions, *last]


def _nearness(move: MoveMargin) -> tuple[bool, Decimal]:
    distance = move.liquidation_distance_before
    return (distance is None, ZERO if distance is None else distance)


def _freeing(missing: Decimal, reductions: Sequence[MoveMargin]) -> list[MoveMargin]:
    """The fewest reductions that free the missing amount, the largest first."""
    chosen: list[MoveMargin] = []
    freed = ZERO
    for move in sorted(reductions, key=lambda move: -move.amount):
        if freed >= missing:
            break
        chosen.append(move)
        freed = plus(freed, move.amount)
    return chosen


def worst(codes: Iterable[int]) -> int:
    """The most serious of several exit codes, 0 if there are none.

    Raises ValueError for a code that no account can end with.
    """
    found = set(codes)
    strange = sorted(found.difference(SEVERITY))
    if strange:
        raise ValueError(f"weighing exit codes: {strange[0]} is not one that an account ends with; this is a bug")
    return next((code for code in SEVERITY if code in found), 0)


def account_exit_code(plan: AccountPlan, *, detailed: bool) -> int:
    """The exit code of ``plan`` for one account.

    Without ``detailed``, the plan shows an account-wide limit, and the command succeeds. With ``detailed``, 2 means
    that changes are pending, and 5 that the outcome of a call is unknown. 3 means that nothing can be sent, but an
    entry is blocked or its reading is in doubt. An entry that names no instrument of the exchange is 3 in either case:
    its file must be corrected.
    """
    unlisted = 3 if any(entry.blocked_by == UNLISTED for entry in plan.entries) else 0
    if not detailed:
        limits_only = plan.exit_code == 4 and all(error.key in policy.ACCOUNT_LIMITS for error in plan.errors)
        return unlisted if limits_only else worst([plan.exit_code, unlisted])
    found = {entry.status for entry in plan.entries}
    pending = 3 if Status.BLOCKED in found else 0
    if Status.CHANGE in found:
        pending = 2
    holds = [hold_exit_code(entry.hold) for entry in plan.entries if entry.status is Status.HELD]
    return worst([plan.exit_code, unlisted, pending, *holds])


def hold_exit_code(hold: Hold | None) -> int:
    """The exit code of a held entry, as in ``apply``: 5 if the outcome of a call is unknown, 3 if only a reading is.

    None is the hold of an entry that an earlier version saved; its code is 5.
    """
    return 5 if hold is None or hold.is_unknown else 3


def plan_exit_code(accounts: Iterable[AccountPlan], *, detailed: bool) -> int:
    """The exit code of ``plan`` over all accounts."""
    return worst(account_exit_code(plan, detailed=detailed) for plan in accounts)
