"""The life of one step, from the look it is computed from to what is known at its end.

Every turn goes through the table in ``lifecycle.py``: this module does what a state asks for and reports what happened.
The order of the methods below is the protocol: look, decide, journal and flush, send once, classify, settle.
"""

from asyncio import Semaphore
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import assert_never

from reconcile import policy
from reconcile.basis import BASIS_LOOKS, BETWEEN_LOOKS_MS, UNSOUND, unsound
from reconcile.context import MAX_READ_AGE_MS, Context
from reconcile.diff import InSync, Send, Stale, fresh_move
from reconcile.errors import InDoubt, Interrupted, JournalError, NotSent, ReadFailed, RefusalKind, Refused
from reconcile.exchanges.base import Yes
from reconcile.exchanges.marking import MOST_STEPS, distinctive
from reconcile.exchanges.traits import Scope
from reconcile.journal.records import Intent, Known, Outcome
from reconcile.lifecycle import Event, State, advance
from reconcile.model import ObservedAccount, Position
from reconcile.money import parse, plain
from reconcile.plan import MoveMargin, OutcomeKind, SetMarginType, Step, StepResult
from reconcile.settle import settle
from reconcile.witness import Margin, margin_verdict

ATTEMPTS = 4
"""How often one step may be begun anew after a proven non-execution."""
VISIBLE_GRACES = 2
"""How many graces after a yes the new margin is waited for before the ledger is asked."""

_AGAIN = {RefusalKind.THROTTLE, RefusalKind.CLOCK}


class _End(Exception):  # noqa: N818 - not an error: it carries a step's result out of its attempt
    def __init__(self, result: StepResult) -> None:
        super().__init__(result.detail)
        self.result = result


class _NeedsFunds(Exception):  # noqa: N818 - not an error: the step waits for a reduction without holding a slot
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decision:
    """What a fresh look asks for: an amount (None for a type change) and what it was computed from."""

    amount: Decimal | None
    before: str
    wanted: str
    position: Position | None
    look: ObservedAccount


class StepRun:
    """One step on its way through the lifecycle."""

    def __init__(self, context: Context, step: Step, *, slots: Semaphore, cursor: str | None) -> None:
        """``slots`` bounds how many steps look and send at once; ``cursor`` is the ledger's newest row."""
        self._context = context
        self._step = step
        self._slots = slots
        self._cursor = cursor
        self._lane = context.lane(step.address)
        self._state = State.PLANNED
        self._not_before = 0
        self._effect_ms = 0
        self._sent_amount: Decimal | None = None
        self._position: Position | None = None

    async def run(self, sending_over: Callable[[], None]) -> StepResult:
        """Live the step to its end; ``sending_over`` is called once when nothing more will be sent at once."""
        try:
            return await self._run(sending_over)
        except _End as end:
            return end.result
        except Interrupted as error:
            return self._interrupted(error)
        except JournalError as error:
            return self._journal_failed(error)
        finally:
            sending_over()

    async def _run(self, sending_over: Callable[[], None]) -> StepResult:
        detail = ""
        attempt = 0
        while attempt < ATTEMPTS:
            await self._context.pause(attempt * BETWEEN_LOOKS_MS)
            try:
                async with self._slots, self._context.writer.turn():
                    intent = await self._look_and_journal()
                    detail = await self._send(intent)
            except ReadFailed as error:
                raise self._skip(f"the account could not be read: {error}") from error
            except _NeedsFunds:
                await self._context.reservation.freed()
                self._not_before = self._context.writer.time.earliest() - 1
                continue
            attempt += 1
            if self._state is State.PLANNED:
                continue
            sending_over()
            if self._state is State.ACCEPTED:
                return await self._confirm(intent)
            settled = await self._settle(intent, detail)
            if settled is not None:
                return settled
        self._turn(Event.GIVEN_UP)
        return self._result(OutcomeKind.SKIPPED, detail=f"given up after {ATTEMPTS} attempts: {detail}")

    # Look and decide.

    async def _look_and_journal(self) -> Intent:
        """One intent, flushed, computed from a look that is still young when it may be sent."""
        for _ in range(ATTEMPTS):
            self._check_halted()
            decision = await self._decide(await self._basis())
            intent = self._intent(decision)
            self._context.journal.check()
            self._reserve(intent, decision)
            await self._context.journal.append(intent, durable=True)
            self._turn(Event.INTENT_WRITTEN)
            if self._context.observer.age(decision.look) <= MAX_READ_AGE_MS and self._context.halted() is None:
                self._position = decision.position
                return intent
            await self._proven_nothing(
                intent, Known.NOT_SENT, "not sent: the look grew old before the intent was on disk"
            )
            self._turn(Event.NOT_SENT)
        raise self._skip("not sent: no look stayed young until its intent was on disk; is the disk very slow?")

    async def _basis(self) -> ObservedAccount:
        """A look that may be sent on: later than the grace after the lane's last effect, and showing that effect."""
        context, address = self._context, self._step.address
        after = self._not_before
        for _ in range(BASIS_LOOKS):
            look = await context.observer.look(after_ms=after, max_age_ms=MAX_READ_AGE_MS)
            better = await unsound(context.writer, context.journal.state, address, look, grace_ms=context.grace_ms)
            if better is None:
                return look
            missing = better - context.writer.time.earliest()
            await context.pause(max(missing, BETWEEN_LOOKS_MS))
            after = better
        raise self._skip(UNSOUND)

    async def _decide(self, look: ObservedAccount) -> _Decision:
        match self._step:
            case SetMarginType() as step:
                return self._decide_type(step, look)
            case MoveMargin() as step:
                return self._decide_amount(step, look)
            case _:
                assert_never(self._step)

    def _decide_type(self, step: SetMarginType, look: ObservedAccount) -> _Decision:
        state = look.symbols.get(step.address.symbol)
        live = state.margin_type if state else None
        if live is step.after:
            raise self._in_sync(f"{step.address.symbol} is {live} already")
        if any(p.is_open for a, p in look.positions.items() if a.symbol == step.address.symbol):
            raise self._stale("a position was opened since the plan; the margin type can only change while flat")
        return _Decision(amount=None, before=str(live), wanted=str(step.after), position=None, look=look)

    def _decide_amount(self, step: MoveMargin, look: ObservedAccount) -> _Decision:
        position = look.positions.get(step.address)
        target = self._context.targets[step.address]
        match fresh_move(target, step, position, self._context.amount_step(step.asset)):
            case InSync():
                raise self._in_sync("inside the tolerance of the declared margin already")
            case Stale(reason=reason):
                raise self._stale(reason)
            case Send(amount=amount):
                pass
        if position is None:
            raise self._stale("the position is gone")
        amount = self._marked(amount, step)
        breach = policy.recheck(self._context.desired.policy, step, amount, position, step.asset)
        if breach is not None:
            raise self._skip(f"policy no longer permits it: {breach}")
        before = position.isolated_margin
        after = before + amount if step.action == "add_margin" else before - amount
        return _Decision(amount=amount, before=plain(before), wanted=plain(after), position=position, look=look)

    def _marked(self, amount: Decimal, step: MoveMargin) -> Decimal:
        """Where the ledger names no side: the amount with a last digit of our own, if the tolerance has room for it."""
        size = self._context.amount_step(step.asset)
        if self._context.writer.traits.lane is not Scope.SYMBOL or step.tolerance < MOST_STEPS * size:
            return amount
        return distinctive(amount, size, seed=f"{step.step_id} {self._context.new_id()}")

    # Journal and reserve.

    def _intent(self, decision: _Decision) -> Intent:
        context, step = self._context, self._step
        signed_at_ms = context.writer.time.earliest()
        position = decision.position
        return Intent(
            intent_id=context.new_id(),
            step_id=step.step_id,
            lane=self._lane,
            address=step.address,
            action=step.action,
            asset=step.asset if isinstance(step, MoveMargin) else None,
            amount=decision.amount,
            before=decision.before,
            wanted=decision.wanted,
            size=position.size if position else None,
            identity=position.identity if position else None,
            cursor=self._cursor,
            signed_at_ms=signed_at_ms,
            fence_ms=signed_at_ms + context.validity_ms + context.grace_ms,
        )

    def _reserve(self, intent: Intent, decision: _Decision) -> None:
        if intent.action != "add_margin" or intent.asset is None or intent.amount is None:
            return
        look = decision.look
        free = self._context.reservation.free(look.available, intent.asset, sent_at_ms=look.sent_at_ms)
        if free < intent.amount and self._context.reservation.awaits_reductions:
            raise _NeedsFunds
        if free < intent.amount:
            raise self._skip(
                f"not enough free balance: {plain(intent.amount)} {intent.asset} is needed, {plain(free)} may be added"
            )
        self._context.reservation.take(intent.intent_id, intent.asset, intent.amount)

    # Send once and classify.

    async def _send(self, intent: Intent) -> str:
        writer = self._context.writer
        call = writer.prepare(self._step, intent.amount, self._position, signed_at_ms=intent.signed_at_ms)
        self._turn(Event.SEND)
        self._sent_amount = intent.amount
        try:
            yes = await writer.send(call)
        except NotSent as error:
            await self._proven_nothing(intent, Known.NOT_SENT, str(error))
            self._turn(Event.NOT_SENT)
            return str(error)
        except Refused as error:
            await self._proven_nothing(intent, Known.REFUSED, str(error), code=error.code)
            if error.kind in _AGAIN:
                self._turn(Event.REFUSED_FOR_NOW)
                return str(error)
            self._turn(Event.REFUSED)
            raise _End(self._result(OutcomeKind.REFUSED, intent=intent, detail=str(error))) from error
        except InDoubt as error:
            self._turn(Event.LOST)
            return str(error)
        await self._accepted(intent, yes)
        return yes.note

    async def _accepted(self, intent: Intent, yes: Yes) -> None:
        self._turn(Event.YES)
        effect_ms = self._context.writer.time.latest()
        self._context.reservation.done(intent.intent_id, effect_ms=effect_ms)
        self._effect_ms = effect_ms
        outcome = Outcome(intent_id=intent.intent_id, known=Known.ACCEPTED, effect_ms=effect_ms, message=yes.note)
        await self._context.journal.append(outcome, durable=False)

    async def _proven_nothing(self, intent: Intent, known: Known, message: str, *, code: str | None = None) -> None:
        self._context.reservation.release(intent.intent_id)
        outcome = Outcome(intent_id=intent.intent_id, known=known, effect_ms=None, code=code, message=message)
        await self._context.journal.append(outcome, durable=False)

    # Learn the end.

    async def _confirm(self, intent: Intent) -> StepResult:
        """After a yes: wait until the change is visible, then ask both witnesses."""
        deadline = self._effect_ms + VISIBLE_GRACES * self._context.grace_ms
        after = self._effect_ms
        while self._context.writer.time.earliest() <= deadline:
            try:
                look = await self._context.observer.verify(after_ms=after)
            except ReadFailed:
                break
            seen = _visible(intent, look)
            if seen is not None:
                self._turn(Event.SEEN)
                evidence = f"{intent.before} → {seen} seen after the exchange said yes"
                outcome = Outcome(
                    intent_id=intent.intent_id,
                    known=Known.APPLIED,
                    effect_ms=self._effect_ms,
                    after=seen,
                    evidence=evidence,
                )
                await self._context.journal.append(outcome, durable=False)
                return self._result(OutcomeKind.APPLIED, intent=intent, after=seen, evidence=evidence)
            await self._context.pause(BETWEEN_LOOKS_MS // 2)
            after = self._context.writer.time.earliest() - 1
        self._turn(Event.DEADLINE)
        outcome = await settle(self._context, intent, was=Known.ACCEPTED, effect_ms=self._effect_ms)
        return await self._ended(intent, outcome)

    async def _settle(self, intent: Intent, detail: str) -> StepResult | None:
        """In doubt: fence, then look. None when nothing happened and the step may begin anew."""
        self._context.progress(f"{self._context.desired.name}: {intent.address}: no clear answer ({detail}); looking")
        outcome = await settle(self._context, intent, was=None, effect_ms=None)
        self._turn(Event.FENCE_PASSED)
        if outcome.known is not Known.NOT_APPLIED:
            return await self._ended(intent, outcome)
        self._turn(Event.NOT_FOUND)
        self._context.reservation.release(intent.intent_id)
        self._not_before = intent.fence_ms
        await self._context.journal.append(outcome, durable=False)
        return None

    async def _ended(self, intent: Intent, outcome: Outcome) -> StepResult:
        match outcome.known:
            case Known.APPLIED:
                self._turn(Event.FOUND)
                kind = OutcomeKind.APPLIED
                self._context.reservation.done(intent.intent_id, effect_ms=outcome.effect_ms or intent.fence_ms)
            case Known.ACCEPTED:
                self._turn(Event.STILL_ACCEPTED)
                kind = OutcomeKind.ACCEPTED
            case Known.NOT_APPLIED:
                self._turn(Event.NOT_FOUND)
                kind = OutcomeKind.SKIPPED
                self._context.reservation.release(intent.intent_id)
            case _:
                self._turn(Event.CANNOT_TELL)
                kind = OutcomeKind.UNKNOWN
        await self._context.journal.append(outcome, durable=False)
        return self._result(kind, intent=intent, after=outcome.after, evidence=outcome.evidence, detail=outcome.message)

    def _journal_failed(self, error: JournalError) -> StepResult:
        self._context.progress(f"{self._context.desired.name}: {error}")
        sent = self._state in {State.SENT, State.ACCEPTED, State.DOUBT, State.CONFIRMING}
        kind = OutcomeKind.UNKNOWN if sent else OutcomeKind.SKIPPED
        return self._result(kind, detail=f"the journal failed: {error}")

    def _interrupted(self, error: Interrupted) -> StepResult:
        match self._state:
            case State.DOUBT:
                kind, detail = OutcomeKind.UNKNOWN, "interrupted while in doubt; the next run settles it"
            case State.ACCEPTED | State.CONFIRMING:
                kind, detail = OutcomeKind.ACCEPTED, "interrupted before the change was seen; the next run settles it"
            case _:
                kind, detail = OutcomeKind.SKIPPED, str(error)
        return self._result(kind, detail=detail)

    # Small parts.

    def _check_halted(self) -> None:
        reason = self._context.halted()
        if reason is not None:
            raise self._skip(f"not started: {reason}")
        earlier = self._context.journal.state.unsettled.get(self._lane)
        if earlier is not None:
            raise self._skip(f"not started: the step before it on {self._lane} is {earlier.known or 'unsettled'}")

    def _turn(self, event: Event) -> None:
        self._state = advance(self._state, event)

    def _in_sync(self, detail: str) -> _End:
        self._turn(Event.IN_SYNC)
        return _End(self._result(OutcomeKind.SKIPPED, detail=detail))

    def _stale(self, reason: str) -> _End:
        self._turn(Event.STALE)
        return _End(self._result(OutcomeKind.SKIPPED, detail=f"stale: {reason}"))

    def _skip(self, reason: str) -> _End:
        self._turn(Event.GIVEN_UP)
        return _End(self._result(OutcomeKind.SKIPPED, detail=reason))

    def _result(
        self,
        outcome: OutcomeKind,
        *,
        intent: Intent | None = None,
        after: str | None = None,
        evidence: str = "",
        detail: str = "",
    ) -> StepResult:
        return StepResult(
            step_id=self._step.step_id,
            address=self._step.address,
            action=self._step.action,
            outcome=outcome,
            amount=self._sent_amount,
            before=intent.before if intent else None,
            after=after,
            evidence=evidence,
            detail=detail,
        )


def _visible(intent: Intent, look: ObservedAccount) -> str | None:
    """What a look shows of an accepted step: the new margin or type as text, None when it does not show yet."""
    if intent.amount is None:
        state = look.symbols.get(intent.address.symbol)
        live = str(state.margin_type) if state else None
        return live if live == intent.wanted else None
    position = look.positions.get(intent.address)
    if position is None or not position.is_open:
        return None
    signed = intent.amount if intent.action == "add_margin" else -intent.amount
    seen = margin_verdict(parse(intent.before), position.isolated_margin, signed)
    return plain(position.isolated_margin) if seen is Margin.MOVED else None
