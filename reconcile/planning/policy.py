"""The limits of ``[policy]``: they block one entry or refuse a whole account, and apply again before each send.

A limit never changes an amount. A blocked step keeps its numbers, so that a person sees both the step and the key that
blocks it. All reasons are given at once.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from reconcile.model.account import Limit, ObservedAccount, Percent, Policy, Position, Unmanaged
from reconcile.model.plan import Entry, MoveMargin, PlanError, Status, Step
from reconcile.money import ZERO, minus, plain, plus, rounded, shortened, total
from reconcile.planning.amounts import limit_for
from reconcile.planning.day_limits import DayUsed, check_day

ACCOUNT_LIMITS = (
    "max_total_add",
    "max_total_reduce",
    "max_changes",
    "max_day_add",
    "max_day_changes",
    "min_available",
    "unmanaged",
)
"""The keys that refuse the whole account (exit 4); all others block their own entry."""

NOTHING_USED = DayUsed()


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyResult:
    """A diff after policy: the entries, some blocked by limits, and the limits that refuse the account."""

    entries: tuple[Entry, ...]
    errors: tuple[PlanError, ...]


def check(
    entries: Sequence[Entry],
    policy: Policy,
    observed: ObservedAccount,
    *,
    used: DayUsed = NOTHING_USED,
    share_out: Callable[[Sequence[Entry]], Sequence[Entry]] = tuple,
) -> PolicyResult:
    """Check a diff against the limits. Amounts must have passed ``amount_errors``; LookupError otherwise.

    ``used`` are the calls of the day's earlier runs. ``share_out`` fits the additions that the entries' own limits
    permit to the free balance; after that, the account's limits apply.
    """
    checked = tuple(share_out([_check_entry(entry, policy, observed) for entry in entries]))
    steps = [step for entry in checked for step in entry.steps]
    moves = [step for step in steps if isinstance(step, MoveMargin)]
    errors = [
        *check_run(steps, policy),
        *check_day(steps, policy, used),
        *_available(moves, policy.min_available, observed.available),
        *_unmanaged(checked, policy.unmanaged),
    ]
    return PolicyResult(entries=checked, errors=tuple(errors))


def check_run(steps: Sequence[Step], policy: Policy) -> list[PlanError]:
    """The limits of one run that all of its steps together would break. Raises LookupError as ``limit_for``."""
    moves = [step for step in steps if isinstance(step, MoveMargin)]
    return [
        *_totals(moves, "add_margin", "max_total_add", policy.max_total_add),
        *_totals(moves, "reduce_margin", "max_total_reduce", policy.max_total_reduce),
        *_changes(len(steps), policy.max_changes),
    ]


def _check_entry(entry: Entry, policy: Policy, observed: ObservedAccount) -> Entry:
    step = next((step for step in (*entry.steps, entry.wanted) if isinstance(step, MoveMargin)), None)
    if step is None or entry.observed is None:
        return entry
    broken = _violations(policy, step, step.most, entry.observed)
    if step.action == "add_margin" and step.asset in observed.unknown_balances:
        unknown = (
            f"the exchange does not tell the free balance of {step.asset}, so nothing is added; look at the account"
        )
        broken.append(("min_available", unknown))
    broken = [each for each in broken if each[0] != entry.blocked_by]
    if not broken:
        return entry
    before = [entry.reason] if entry.status is Status.BLOCKED else []
    reason = "; ".join([*before, *(message for _, message in broken)])
    blocked_by = entry.blocked_by or broken[0][0]
    return replace(entry, status=Status.BLOCKED, blocked_by=blocked_by, reason=reason, steps=(), wanted=step)


def recheck(policy: Policy, step: MoveMargin, amount: Decimal, position: Position, asset: str) -> str | None:
    """The reason why this amount (> 0) must not be moved on the position as just observed; None if it may be.

    The limits of one entry apply again, and so does the amount that the exchange lets out now.
    """
    reasons = [message for _, message in _violations(policy, replace(step, asset=asset), amount, position)]
    if step.action == "reduce_margin" and position.risk is not None and amount > position.risk.removable():
        reasons.append(f"only {plain(position.risk.removable())} {asset} can be taken out now")
    return "; ".join(reasons) or None


def _violations(policy: Policy, step: MoveMargin, amount: Decimal, position: Position) -> list[tuple[str, str]]:
    if step.action == "add_margin":
        return _add_violations(policy, step.asset, amount, position)
    return _reduce_violations(policy, step.asset, amount, position)


def _add_violations(policy: Policy, asset: str, amount: Decimal, position: Position) -> list[tuple[str, str]]:
    found = []
    limit = limit_for(policy.max_add, asset)
    if limit is not None and amount > limit:
        found.append(
            (
                "max_add",
                f"adding {plain(amount)} {asset} is over max_add {plain(limit)}; raise it, or override it for one run",
            )
        )
    ceiling, meant = _ceiling(policy.max_margin, asset, position)
    after = plus(position.isolated_margin, amount)
    if ceiling is not None and after > ceiling:
        found.append(
            (
                "max_margin",
                f"{plain(after)} {asset} would be over max_margin {meant}; declare less, or raise it if it is meant",
            )
        )
    return found


def room_for(policy: Policy, step: MoveMargin, position: Position) -> Decimal | None:
    """The most that the limits on one entry let be added to it; None where none of them limits it."""
    ceiling, _ = _ceiling(policy.max_margin, step.asset, position)
    rooms = limit_for(policy.max_add, step.asset), None if ceiling is None else minus(ceiling, position.isolated_margin)
    return min((room for room in rooms if room is not None), default=None)


def _ceiling(limit: Percent | Limit | None, asset: str, position: Position) -> tuple[Decimal | None, str]:
    if isinstance(limit, Percent):
        notional = abs(position.notional)
        ceiling = limit.of(notional)
        return ceiling, f"{plain(limit.value)}% of the position's notional {plain(notional)}"
    ceiling_or_none = limit_for(limit, asset)
    return ceiling_or_none, "" if ceiling_or_none is None else plain(ceiling_or_none)


def _reduce_violations(policy: Policy, asset: str, amount: Decimal, position: Position) -> list[tuple[str, str]]:
    found = []
    if not policy.allow_reduce:
        found.append(
            (
                "allow_reduce",
                f"taking out {plain(amount)} {asset} needs allow_reduce = true in [policy], or an override for one run",
            )
        )
    least = policy.min_liquidation_distance
    if least is None:
        return found
    near = _too_near(least, amount, position)
    if near is not None:
        found.append(("min_liquidation_distance", near))
    return found


def _too_near(least: Percent, amount: Decimal, position: Position) -> str | None:
    if position.risk is None or not position.mark_price:
        return (
            "its liquidation price cannot be computed, so taking margin out may leave it nearer than "
            f"min_liquidation_distance {plain(least.value)}% to the mark price"
        )
    price = position.liquidation_at(minus(position.isolated_margin, amount))
    distance = position.distance_to(price)
    if price is None or distance is None or distance >= least.of(Decimal(1)):
        return None
    share = plain(rounded(distance * 100, 2))
    return (
        f"it would leave the liquidation price {plain(shortened(price))} only {share}% from the mark price "
        f"{plain(shortened(position.mark_price))}, nearer than min_liquidation_distance {plain(least.value)}%"
    )


def _by_asset(moves: Iterable[MoveMargin], action: str) -> dict[str, list[MoveMargin]]:
    found: dict[str, list[MoveMargin]] = defaultdict(list)
    for move in moves:
        if move.action == action:
            found[move.asset].append(move)
    return dict(sorted(found.items()))


def _totals(moves: Sequence[MoveMargin], action: str, key: str, limit: Limit | None) -> list[PlanError]:
    errors = []
    for asset, steps in _by_asset(moves, action).items():
        most = limit_for(limit, asset)
        value = total(step.most for step in steps)
        if most is not None and value > most:
            verb = "add" if action == "add_margin" else "take out"
            message = (
                f"limits of one run: {len(steps)} step{'s' if len(steps) > 1 else ''} would {verb} {plain(value)} "
                f"{asset}, over {key} {plain(most)}; split the change, raise the limit, or override it for one run"
            )
            errors.append(PlanError(key=key, asset=asset, limit=plain(most), value=plain(value), message=message))
    return errors


def _changes(steps: int, most: int | None) -> list[PlanError]:
    if most is None or steps <= most:
        return []
    message = (
        f"limits of one run: {steps} changes are over max_changes {most}; split them with --target, or raise the limit"
    )
    return [PlanError(key="max_changes", limit=str(most), value=str(steps), message=message)]


def _available(moves: Sequence[MoveMargin], least: Limit | None, available: Mapping[str, Decimal]) -> list[PlanError]:
    """Additions may use the free balance and the amount that reductions free, down to ``min_available`` (default 0)."""
    errors = []
    freed = _by_asset(moves, "reduce_margin")
    for asset, steps in _by_asset(moves, "add_margin").items():
        floor = limit_for(least, asset) or ZERO
        added = total(step.most for step in steps)
        out = total(step.amount for step in freed.get(asset, ()))
        free = available.get(asset, ZERO)
        left = minus(plus(free, out), added)
        if left < floor:
            message = (
                f"free balance: {len(steps)} addition{'s' if len(steps) > 1 else ''} of {plain(added)} {asset} "
                f"would leave {plain(left)} of {plain(free)} free and {plain(out)} taken out, under min_available "
                f"{plain(floor)}; declare less, or fund the account"
            )
            errors.append(
                PlanError(key="min_available", asset=asset, limit=plain(floor), value=plain(left), message=message)
            )
    return errors


def _unmanaged(entries: Sequence[Entry], wanted: Unmanaged) -> list[PlanError]:
    found = [str(entry.address) for entry in entries if entry.status is Status.UNMANAGED]
    if wanted is not Unmanaged.REFUSE or not found:
        return []
    message = (
        f'unmanaged = "refuse": {len(found)} open isolated positions are not declared in any state file '
        f"({', '.join(found)}); declare or close them"
    )
    return [PlanError(key="unmanaged", limit="0", value=str(len(found)), message=message)]
