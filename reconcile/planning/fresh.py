"""Decide from the look just before a send: send the step, leave it, or call it stale. The plan is only a ceiling.

Staleness comes first. If the live state is not the one that the step was planned from, another party is at work. Then
even a margin that happens to be right needs a new plan.
"""

from dataclasses import dataclass
from decimal import Decimal

from reconcile.model.account import MarginType, Position, Target
from reconcile.model.plan import MoveMargin
from reconcile.money import ZERO, cut, minus, plain
from reconcile.planning.bands import assess


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Move this much (> 0), in the step's direction."""

    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class InSync:
    """Nothing to send: the live state is as declared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """Nothing may be sent: the live state is not the one planned from; ``reason`` names the change and both values."""

    reason: str


FreshMove = Send | InSync | Stale


def fresh_move(target: Target, step: MoveMargin, position: Position | None, step_size: Decimal) -> FreshMove:
    """Decide about a margin step, given the position as just observed.

    A declared measure is measured again, and the margin that it needs is computed from this position. The plan's amount
    remains the maximum.

    Raises ValueError for a target that declares no margin.
    """
    if not target.declares_margin:
        raise ValueError(f"moving margin of {target.address}: the target declares none; plan again")
    if position is None or not position.is_open:
        return Stale(reason="the position was closed since the plan")
    stale = _moved_on(target, step, position)
    if stale is not None:
        return Stale(reason=stale)
    wanted, tolerance = target.isolated_margin, ZERO
    if wanted is None:
        found = assess(target, position, step_size, allow_reduce=step.action == "reduce_margin")
        if found.blocked_by is not None:
            return Stale(reason=f"blocked by {found.blocked_by}: {found.text}")
        wanted = position.isolated_margin if found.wanted is None else found.wanted
    else:
        tolerance = target.tolerance.amount(wanted, step.asset)
    gap = minus(wanted, position.isolated_margin)
    delta = cut(gap, step_size)
    if delta == 0 or abs(gap) <= tolerance:
        return InSync()
    if (delta > 0) is not (step.signed > 0):
        return Stale(
            reason=f"margin is {plain(position.isolated_margin)}, on the other side of {plain(wanted)} "
            "than when it was planned"
        )
    amount = cut(min(abs(delta), step.most), step_size)
    return Send(amount=amount) if amount > 0 else InSync()


def _moved_on(target: Target, step: MoveMargin, position: Position) -> str | None:
    if position.margin_type is not MarginType.ISOLATED:
        return "the position is crossed since the plan"
    if position.auto_add and target.auto_add is not True:
        return "auto-add margin is on, and would fight the declared margin"
    live = position.isolated_margin
    if abs(minus(live, step.before)) > step.tolerance:
        return (
            f"margin moved from {plain(step.before)} to {plain(live)} since the plan, "
            f"further than the tolerance of {plain(step.tolerance)}"
        )
    return None
