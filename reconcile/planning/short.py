"""Share a free balance that does not cover all additions (``[policy] when_short``).

The part that an addition does not get is ``missing``; an addition that gets nothing is ``blocked`` by ``short``.
Reductions of the same plan count as free balance, and every way leaves ``min_available``. Pure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from reconcile.model.account import DesiredAccount, ObservedAccount, WhenShort
from reconcile.model.plan import Entry, MoveMargin, Status
from reconcile.money import ZERO, cut, minus, plain, plus, total
from reconcile.planning.amounts import limit_for
from reconcile.planning.bands import floor_margin
from reconcile.planning.moves import resized, with_move


@dataclass(frozen=True, slots=True, kw_only=True)
class _Need:
    """One addition that the limits permit; ``first`` is the part up to its floor, or all of it without a floor."""

    place: int
    entry: Entry
    step: MoveMargin
    first: Decimal
    size: Decimal


def share_out(
    entries: Sequence[Entry],
    desired: DesiredAccount,
    observed: ObservedAccount,
    step_size: Callable[[str], Decimal],
) -> tuple[Entry, ...]:
    """The entries with their additions fitted to the free balance; unchanged with ``refuse``, or if it suffices.

    ``step_size`` is the smallest amount by which margin of an asset is moved. Raises LookupError as ``limit_for``.
    """
    result = list(entries)
    if desired.policy.when_short is WhenShort.REFUSE:
        return tuple(result)
    for asset, additions in _additions(entries, step_size).items():
        free = _free(asset, entries, desired, observed)
        if total(each.step.most for each in additions) <= free:
            continue
        given = _given(additions, max(ZERO, free), desired.policy.when_short)
        for each in additions:
            result[each.place] = _fitted(each, given[each.place])
    return tuple(result)


def _additions(entries: Sequence[Entry], step_size: Callable[[str], Decimal]) -> Mapping[str, list[_Need]]:
    found: dict[str, list[_Need]] = {}
    for place, entry in enumerate(entries):
        step = next((step for step in entry.steps if isinstance(step, MoveMargin)), None)
        if step is None or step.action != "add_margin":
            continue
        size = step_size(step.asset)
        found.setdefault(step.asset, []).append(
            _Need(place=place, entry=entry, step=step, first=_to_floor(entry, step, size), size=size)
        )
    return dict(sorted(found.items()))


def _to_floor(entry: Entry, step: MoveMargin, size: Decimal) -> Decimal:
    if entry.target is None or entry.target.band is None or entry.observed is None:
        return step.amount
    floor = floor_margin(entry.target, entry.observed, size)
    return step.amount if floor is None else min(step.amount, max(ZERO, minus(floor, step.before)))


def _free(asset: str, entries: Sequence[Entry], desired: DesiredAccount, observed: ObservedAccount) -> Decimal:
    moves = [step for entry in entries for step in entry.steps if isinstance(step, MoveMargin) and step.asset == asset]
    freed = total(step.amount for step in moves if step.action == "reduce_margin")
    least = limit_for(desired.policy.min_available, asset) or ZERO
    return minus(plus(observed.available.get(asset, ZERO), freed), least)


def _given(additions: Sequence[_Need], free: Decimal, way: WhenShort) -> dict[int, Decimal]:
    """The amount that each addition gets, by its index; their sum is at most ``free``."""
    given = {each.place: ZERO for each in additions}
    needed = total(each.step.amount for each in additions)
    if way is WhenShort.PRO_RATA and needed > free:
        return {each.place: cut(free * each.step.amount / needed, each.size) for each in additions}
    rounds: list[Callable[[_Need], Decimal]] = [lambda each: each.step.amount]
    if way is WhenShort.NEAREST_FIRST:
        rounds.insert(0, lambda each: each.first)
    for wanted in rounds:
        for each in sorted(additions, key=_nearness if way is WhenShort.NEAREST_FIRST else _rank):
            more = min(max(ZERO, minus(wanted(each), given[each.place])), free)
            more = more if more == minus(wanted(each), given[each.place]) else cut(more, each.size)
            given[each.place] = plus(given[each.place], more)
            free = minus(free, more)
    return given


def _nearness(each: _Need) -> tuple[bool, Decimal, int]:
    distance = each.step.liquidation_distance_before
    return distance is None, ZERO if distance is None else distance, each.place


def _rank(each: _Need) -> tuple[bool, int, int]:
    priority = None if each.entry.target is None else each.entry.target.priority
    return priority is None, priority or 0, each.place


def _fitted(each: _Need, given: Decimal) -> Entry:
    """The entry with the amount that it gets; an amount inside its tolerance is not worth a call."""
    entry, step = each.entry, each.step
    if given == step.amount:  # with nothing left to grow into
        return with_move(entry, replace(step, ceiling=None))
    if given <= 0 or given < step.tolerance:
        given = ZERO
    missing = minus(step.amount, given)
    text = (
        f"the free balance covers {plain(given)} of {plain(step.amount)} {step.asset}, {plain(missing)} is missing; "
        "fund the account, or free margin elsewhere"
    )
    reason = "; ".join(part for part in (text, entry.reason) if part)
    if not given:
        return replace(
            entry,
            status=Status.BLOCKED,
            blocked_by="short",
            reason=reason,
            steps=(),
            wanted=step,
            missing=missing,
        )
    fitted = with_move(entry, resized(step, given, entry.target, entry.observed))
    return replace(fitted, reason=reason, missing=missing)
