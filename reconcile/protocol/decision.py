"""From a sound look to one intent: what a step asks for now, or why it is left alone.

The plan is a ceiling. What is decided here is computed from a look that is young enough and late enough, with policy
and free balance asked again; nothing here writes or sends.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import assert_never

from reconcile.exchanges.base import open_addresses
from reconcile.exchanges.marking import MOST_STEPS, distinctive
from reconcile.journal.records import Intent
from reconcile.model.account import Address, ObservedAccount, Position
from reconcile.model.plan import MoveMargin, SetMarginType, Step
from reconcile.model.traits import Scope
from reconcile.money import minus, plain, plus
from reconcile.planning import policy
from reconcile.planning.diff import InSync, Send, Stale, fresh_move
from reconcile.protocol.context import Context
from reconcile.protocol.freshness import BASIS_LOOKS, BETWEEN_LOOKS_MS, UNSOUND, unsound
from reconcile.protocol.lateness import MAX_READ_AGE_MS
from reconcile.protocol.lifecycle import Event


class NotStarted(Exception):
    """Nothing is sent for this step; ``event`` is IN_SYNC, STALE or GIVEN_UP and the message says why."""

    def __init__(self, event: Event, detail: str) -> None:
        super().__init__(detail)
        self.event = event


class NeedsFunds(Exception):
    """The free balance does not cover the addition yet, and reductions of this run are still on their way."""


class NeedsLaterLook(Exception):
    """The free balance must be read later than ``after_ms`` (exchange time) to have seen what was added."""

    def __init__(self, after_ms: int) -> None:
        super().__init__(after_ms)
        self.after_ms = after_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a fresh look asks for: an amount (None for a type change) and what it was computed from."""

    amount: Decimal | None
    before: str
    wanted: str
    position: Position | None


async def basis(context: Context, address: Address, *, not_before: int) -> ObservedAccount:
    """A look that may be sent on: later than the grace after the lane's last effect, and showing that effect.

    Raises Left when no look shows it, ReadFailed, Interrupted.
    """
    after = not_before
    for _ in range(BASIS_LOOKS):
        look = await context.observer.look(after_ms=after, max_age_ms=MAX_READ_AGE_MS)
        better = await unsound(
            context.writer,
            context.journal.state,
            address,
            look,
            grace_ms=context.grace_ms,
            earlier=context.earlier,
        )
        if better is None:
            return look
        missing = context.writer.time.wait_ms(better)
        await context.pause(max(missing, BETWEEN_LOOKS_MS))
        after = better
    raise NotStarted(Event.GIVEN_UP, UNSOUND)


def decide(context: Context, step: Step, look: ObservedAccount) -> Decision:
    """What the step asks for by this look. Raises Left."""
    match step:
        case SetMarginType():
            return _decide_type(step, look)
        case MoveMargin():
            return _decide_amount(context, step, look)
        case _:
            assert_never(step)


def _decide_type(step: SetMarginType, look: ObservedAccount) -> Decision:
    state = look.symbols.get(step.address.symbol)
    live = state.margin_type if state else None
    if live is step.after:
        raise NotStarted(Event.IN_SYNC, f"{step.address.symbol} is {live} already")
    if open_addresses(look, step.address.symbol):
        raise NotStarted(
            Event.STALE, "stale: a position was opened since the plan; the margin type can only change while flat"
        )
    if state is None or state.open_orders is not False:
        raise NotStarted(
            Event.STALE, "stale: orders were opened since the plan; the margin type can only change without any"
        )
    return Decision(amount=None, before=str(live), wanted=str(step.after), position=None)


def _decide_amount(context: Context, step: MoveMargin, look: ObservedAccount) -> Decision:
    position = look.positions.get(step.address)
    match fresh_move(context.targets[step.address], step, position, context.amount_step(step.asset)):
        case InSync():
            raise NotStarted(Event.IN_SYNC, "inside the tolerance of the declared margin already")
        case Stale(reason=reason):
            raise NotStarted(Event.STALE, f"stale: {reason}")
        case Send(amount=amount):
            pass
    if position is None:
        raise NotStarted(Event.STALE, "stale: the position is gone")
    amount = _marked(context, amount, step)
    breach = policy.recheck(context.desired.policy, step, amount, position, step.asset)
    if breach is not None:
        raise NotStarted(Event.GIVEN_UP, f"policy no longer permits it: {breach}")
    before = position.isolated_margin
    after = plus(before, amount) if step.action == "add_margin" else minus(before, amount)
    return Decision(amount=amount, before=plain(before), wanted=plain(after), position=position)


def _marked(context: Context, amount: Decimal, step: MoveMargin) -> Decimal:
    """Where the ledger names no side: the amount with a last digit of our own, if the tolerance has room for it."""
    size = context.amount_step(step.asset)
    if context.writer.traits.lane is not Scope.SYMBOL or step.tolerance < MOST_STEPS * size:
        return amount
    return distinctive(amount, size, seed=f"{step.step_id} {context.new_id()}")


def intent_of(context: Context, step: Step, decision: Decision, *, cursor: str | None) -> Intent:
    """The intent, signed as of now; ``cursor`` is the ledger's newest row."""
    signed_at_ms = context.writer.time.earliest()
    position = decision.position
    return Intent(
        intent_id=context.new_id(),
        step_id=step.step_id,
        lane=context.lane(step.address),
        address=step.address,
        action=step.action,
        asset=step.asset if isinstance(step, MoveMargin) else None,
        amount=decision.amount,
        before=decision.before,
        wanted=decision.wanted,
        size=position.size if position else None,
        identity=position.identity if position else None,
        cursor=cursor,
        signed_at_ms=signed_at_ms,
        fence_ms=signed_at_ms + context.validity_ms + context.grace_ms,
    )


def reserve(context: Context, intent: Intent, look: ObservedAccount) -> None:
    """Take an addition out of the free balance before it is sent. Raises NeedsFunds, NeedsLaterLook, Left."""
    if intent.action != "add_margin" or intent.asset is None or intent.amount is None:
        return
    free = context.reservation.free(look.available, intent.asset, sent_at_ms=look.sent_at_ms)
    if free >= intent.amount:
        context.reservation.take(intent.intent_id, intent.asset, intent.amount)
        return
    if context.reservation.awaits_reductions:
        raise NeedsFunds
    unseen_until = context.reservation.unseen_until(intent.asset, sent_at_ms=look.sent_at_ms)
    if unseen_until is not None:
        raise NeedsLaterLook(unseen_until)
    raise NotStarted(
        Event.GIVEN_UP,
        f"not enough free balance: {plain(intent.amount)} {intent.asset} is needed, {plain(free)} may be added",
    )
