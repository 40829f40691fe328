"""From a sound look to one intent: compute what a step needs now, or say why nothing is sent for it.

The plan is a ceiling. The decision is computed from a look that is young enough and late enough, and it must pass the
policy again. Pure.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import assert_never

from reconcile.exchanges.base import Accepted
from reconcile.journal.records import Intent
from reconcile.model.account import MarginType, Position
from reconcile.model.auto_add import AutoAdd, SetAutoAdd
from reconcile.model.plan import MoveMargin, SetMarginType, Step
from reconcile.model.times import written
from reconcile.money import ZERO, minus, plain, plus
from reconcile.planning import policy
from reconcile.planning.fresh import InSync, Send, Stale, fresh_move
from reconcile.protocol.lifecycle import Event
from reconcile.protocol.signals import LaneLook, Now
from reconcile.protocol.task import Task

FLOAT_ERROR = Decimal("1e-12")
"""How far an amount that an answer repeats as a binary float may differ from the amount sent, as a share of it."""


@dataclass(frozen=True, slots=True)
class NotStarted:
    """Nothing is sent for this step; ``event`` is IN_SYNC, STALE or GIVEN_UP and ``detail`` says why."""

    event: Event
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The call that a fresh look requires: an amount (None for an absolute step) and the numbers it comes from."""

    amount: Decimal | None
    before: str
    wanted: str
    position: Position | None


def decide(task: Task, step: Step, look: LaneLook) -> Decision | NotStarted:
    """Decide from this look what to send for the step, if anything."""
    match step:
        case SetMarginType():
            return _decide_type(step, look)
        case SetAutoAdd():
            return _decide_auto_add(step, look.position)
        case MoveMargin():
            return _decide_amount(task, step, look.position)
        case _:
            assert_never(step)


def _decide_type(step: SetMarginType, look: LaneLook) -> Decision | NotStarted:
    state = look.symbol
    live = state.margin_type if state else None
    if live is step.after:
        return NotStarted(Event.IN_SYNC, f"{step.address.symbol} is {live} already")
    if look.is_open:
        return _stale("a position was opened since the plan; the margin type can only change while flat")
    if state is None or state.open_orders is not False:
        return _stale("orders were opened since the plan; the margin type can only change without any")
    return Decision(amount=None, before=str(live), wanted=str(step.after), position=None)


def _decide_auto_add(step: SetAutoAdd, position: Position | None) -> Decision | NotStarted:
    if position is None or not position.is_open:
        return _stale("the position was closed since the plan")
    if position.margin_type is not MarginType.ISOLATED:
        return _stale("the position is crossed since the plan")
    live = AutoAdd.of(position.auto_add)
    if live is step.after:
        return NotStarted(Event.IN_SYNC, f"auto-add of {step.address} is {live} already")
    return Decision(amount=None, before=str(live), wanted=str(step.after), position=position)


def _decide_amount(task: Task, step: MoveMargin, position: Position | None) -> Decision | NotStarted:
    if task.target is None:
        raise LookupError(f"moving margin of {step.address}: it has no target; this is a bug")
    if position is None:
        return _stale("the position was closed since the plan")
    found = fresh_move(task.target, step, position, task.step_size)
    match found:
        case InSync():
            band = task.target.band
            margin = "inside the tolerance of the declared margin already"
            return NotStarted(Event.IN_SYNC, margin if band is None else f"{band.measure} needs no change any more")
        case Stale(reason=reason):
            return _stale(reason)
        case Send(amount=amount):
            pass
        case _:
            assert_never(found)
    breach = policy.recheck(task.policy, step, amount, position, step.asset)
    if breach is not None:
        return NotStarted(Event.GIVEN_UP, f"policy no longer permits it: {breach}")
    before = position.isolated_margin
    after = plus(before, amount) if step.action == "add_margin" else minus(before, amount)
    return Decision(amount=amount, before=plain(before), wanted=plain(after), position=position)


def _stale(reason: str) -> NotStarted:
    return NotStarted(Event.STALE, f"stale: {reason}")


def intent_of(task: Task, step: Step, found: Decision, *, new_id: str, now: Now, calls_seen_ms: int | None) -> Intent:
    """The intent, signed as of now."""
    signed_at_ms = now.earliest_ms
    position = found.position
    return Intent(
        intent_id=new_id,
        step_id=step.step_id,
        lane=task.lane,
        address=step.address,
        action=step.action,
        asset=step.asset if isinstance(step, MoveMargin) else None,
        amount=found.amount,
        before=found.before,
        wanted=found.wanted,
        size=position.size if position else None,
        identity=position.identity if position else None,
        cursor=task.cursor,
        signed_at_ms=signed_at_ms,
        fence_ms=signed_at_ms + task.validity_ms + task.grace_ms,
        calls_seen_ms=calls_seen_ms,
    )


def another_amount(intent: Intent, yes: Accepted) -> str | None:
    """The error if the exchange accepted another amount than we sent; None if its answer repeats ours, or no amount."""
    sent = intent.amount
    if sent is None or yes.amount is None or abs(minus(abs(yes.amount), sent)) <= sent * FLOAT_ERROR:
        return None
    return f"the exchange said yes to {plain(yes.amount)}, and {plain(sent)} was sent"


def shortage(intent: Intent, free: Decimal) -> str:
    """``300 USDT is needed, 100 may be added``, of an addition."""
    return f"{plain(intent.amount or ZERO)} {intent.asset} is needed, {plain(free)} may be added"


def wait_for_funds(missing: str, until_ms: int) -> str:
    """The reason to look again at ``until_ms`` (exchange time) where a ``shortage`` may be only a late reading."""
    return f"{missing}; the balance may still lack our last additions: looking again at {written(until_ms)}"
