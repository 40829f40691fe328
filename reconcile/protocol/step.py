"""The life of one step, from the look it is computed from to what is known at its end.

Every turn goes through the table in ``lifecycle.py``: this module does what a state asks for and reports what happened.
The order of the methods below is the protocol: look, decide, journal and flush, send once, classify, settle.
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import assert_never

from reconcile.errors import (
    Containment,
    InDoubt,
    Interrupted,
    JournalError,
    NotSent,
    ReadFailed,
    ReconcileError,
    RefusalKind,
    Refused,
)
from reconcile.exchanges.base import Accepted, Call
from reconcile.journal.records import Intent, IntentStatus, Outcome
from reconcile.model.account import ObservedAccount, Position
from reconcile.model.plan import Step, StepResult
from reconcile.protocol import call_records
from reconcile.protocol.context import Context
from reconcile.protocol.decision import NeedsFunds, NeedsLaterLook, NotStarted, basis, decide, intent_of, reserve
from reconcile.protocol.freshness import BETWEEN_LOOKS_MS
from reconcile.protocol.lateness import MAX_READ_AGE_MS
from reconcile.protocol.lifecycle import OUTCOMES, Event, State, advance
from reconcile.protocol.outcome import settle, visible
from reconcile.protocol.slots import Slots

ATTEMPTS = 4
"""How often one step may be begun anew after a proven non-execution."""
VISIBLE_GRACES = 2
"""How many graces after a yes the new margin is waited for before the ledger is asked."""

_AGAIN = {RefusalKind.THROTTLE, RefusalKind.CLOCK}


class StepRun:
    """One step on its way through the lifecycle."""

    def __init__(self, context: Context, step: Step, *, slots: Slots, cursor: str | None) -> None:
        """``cursor`` is the ledger's newest row."""
        self._context = context
        self._step = step
        self._slots = slots
        self._cursor = cursor
        self._lane = context.lane(step.address)
        self._state = State.PLANNED
        self._not_before = 0
        self._effect_ms = 0
        self._yes_ms = 0
        self._intent: Intent | None = None
        self._sent_amount: Decimal | None = None
        self._position: Position | None = None

    async def run(self, sending_over: Callable[[], None]) -> StepResult:
        """Live the step to its end; ``sending_over`` is called once when nothing more will be sent at once.

        Never raises: whatever fails, the step ends in what is known of its call, and the steps beside it go on.
        """
        try:
            with Containment(f"running {self._step.action} of {self._step.address}", self._context.trace):
                return await self._to_its_end(sending_over)
        except ReconcileError as error:
            return await self._broken_off(error)
        finally:
            sending_over()

    async def _to_its_end(self, sending_over: Callable[[], None]) -> StepResult:
        try:
            return await self._run(sending_over)
        except NotStarted as left:
            self._turn(left.event)
            return self._result(detail=str(left))

    async def _run(self, sending_over: Callable[[], None]) -> StepResult:
        detail = ""
        attempt = 0
        while attempt < ATTEMPTS:
            await self._context.pause(attempt * BETWEEN_LOOKS_MS)
            try:
                async with self._slots.ready, self._context.writer.turn():
                    await self._sound_look()
                    async with self._slots.places.next:
                        intent, detail = await self._look_and_send()
            except ReadFailed as error:
                raise NotStarted(Event.GIVEN_UP, f"the account could not be read: {error}") from error
            except NeedsFunds:
                await self._context.reservation.freed()
                self._not_before = self._context.writer.time.earliest() - 1
                continue
            except NeedsLaterLook as need:
                self._not_before = need.after_ms
                await self._context.pause(self._context.writer.time.wait_ms(need.after_ms))
                continue
            attempt += 1
            if self._state is State.PLANNED:
                continue
            if self._state is State.REFUSED:
                return self._result(intent=intent, detail=detail)
            sending_over()
            if self._state is State.ACCEPTED:
                return await self._confirm(intent)
            settled = await self._settle(intent, detail)
            if settled is not None:
                return settled
        raise NotStarted(Event.GIVEN_UP, f"given up after {ATTEMPTS} attempts: {detail}")

    # Look, decide, journal.

    async def _look_and_send(self) -> tuple[Intent, str]:
        """One intent, flushed and sent while the look it was computed from is still young."""
        context = self._context
        for _ in range(ATTEMPTS):
            intent, look = await self._look_and_journal()
            call = context.writer.prepare(self._step, intent.amount, self._position, signed_at_ms=intent.signed_at_ms)
            answer, why_not = None, "the look grew old before its turn came"
            async with self._slots.places.sending:
                halted = await context.halted()
                if halted is not None:
                    why_not = halted
                elif context.observer.age(look) <= MAX_READ_AGE_MS:
                    answer = await self._send(intent, call)
            if answer is not None:
                await asyncio.sleep(0)  # whoever waits to send is first; what the answer means can wait
                return intent, await self._classify(intent, answer)
            await call_records.proven_nothing(self._context, intent, IntentStatus.NOT_SENT, f"not sent: {why_not}")
            self._turn(Event.NOT_SENT)
        raise NotStarted(Event.GIVEN_UP, "not sent: no look stayed young until its intent was on disk; slow disk?")

    async def _sound_look(self) -> ObservedAccount:
        """The look to compute from; asked for first without a place, since it may be long until there can be one."""
        await self._check_halted()
        await self._context.know_exchange_time()  # a refusal of our timestamp left it in doubt
        return await basis(self._context, self._step.address, not_before=self._not_before)

    async def _look_and_journal(self) -> tuple[Intent, ObservedAccount]:
        context = self._context
        look = await self._sound_look()
        decision = decide(context, self._step, look)
        intent = intent_of(context, self._step, decision, cursor=self._cursor)
        reserve(context, intent, look)
        await context.journal.append(intent, durable=True)
        self._intent = intent
        self._turn(Event.INTENT_WRITTEN)
        self._position = decision.position
        return intent, look

    # Send once and classify.

    async def _send(self, intent: Intent, call: Call) -> Accepted | NotSent | Refused | InDoubt:
        """One request, once. Any failure but a proof that nothing was executed is doubt, a bug of ours included."""
        self._turn(Event.SEND)
        self._sent_amount = intent.amount
        try:
            with Containment("sending the call and reading its answer", self._context.trace):
                return await self._context.writer.send(call)
        except (NotSent, Refused, InDoubt) as error:
            return error
        except ReconcileError as error:
            return InDoubt(str(error))

    async def _classify(self, intent: Intent, answer: Accepted | NotSent | Refused | InDoubt) -> str:
        context = self._context
        match answer:
            case Accepted():
                await self._accepted(intent, answer)
                return answer.note
            case NotSent():
                await call_records.proven_nothing(context, intent, IntentStatus.NOT_SENT, str(answer))
                self._turn(Event.NOT_SENT)
            case Refused():
                await call_records.proven_nothing(context, intent, IntentStatus.REFUSED, str(answer), code=answer.code)
                self._turn(Event.REFUSED_FOR_NOW if answer.kind in _AGAIN else Event.REFUSED)
            case InDoubt():
                self._turn(Event.LOST)
                await call_records.in_doubt(self._context, intent, str(answer), code=answer.code)
            case _:
                assert_never(answer)
        return str(answer)

    async def _accepted(self, intent: Intent, yes: Accepted) -> None:
        self._turn(Event.YES)
        self._yes_ms = self._context.observer.changed()
        effect_ms = self._context.writer.time.latest()
        key = intent.intent_id
        self._context.reservation.done(key, effect_ms=effect_ms)
        self._effect_ms = effect_ms
        outcome = Outcome(intent_id=key, known=IntentStatus.ACCEPTED, effect_ms=effect_ms, message=yes.note)
        await self._context.journal.append(outcome, durable=False)

    # Learn the end.

    async def _confirm(self, intent: Intent) -> StepResult:
        """After a yes: wait until the change is visible, then ask both witnesses."""
        deadline = self._effect_ms + VISIBLE_GRACES * self._context.grace_ms
        after = self._yes_ms
        while self._context.writer.time.earliest() <= deadline:
            try:
                look = await self._context.observer.verify(after_ms=after)
            except ReadFailed:
                break
            seen = visible(intent, look)
            if seen is not None:
                self._turn(Event.SEEN)
                evidence = f"{intent.before} → {seen} seen after the exchange said yes"
                outcome = Outcome(
                    intent_id=intent.intent_id,
                    known=IntentStatus.APPLIED,
                    effect_ms=self._effect_ms,
                    after=seen,
                    evidence=evidence,
                )
                await self._context.journal.append(outcome, durable=False)
                return self._result(intent=intent, after=seen, evidence=evidence)
            await self._context.pause(BETWEEN_LOOKS_MS // 2)
            after = self._context.writer.time.earliest() - 1
        self._turn(Event.DEADLINE)
        outcome = await settle(self._context, intent, was=IntentStatus.ACCEPTED, effect_ms=self._effect_ms)
        return await self._ended(intent, outcome)

    async def _settle(self, intent: Intent, detail: str) -> StepResult | None:
        """In doubt: fence, then look. None when nothing happened and the step may begin anew."""
        self._context.progress(f"{self._context.desired.name}: {intent.address}: no clear answer ({detail}); looking")
        outcome = await settle(self._context, intent, was=None, effect_ms=None)
        self._turn(Event.FENCE_PASSED)
        if outcome.known is not IntentStatus.NOT_APPLIED:
            return await self._ended(intent, outcome)
        self._turn(Event.NOT_FOUND)
        self._context.reservation.release(intent.intent_id)
        self._not_before = intent.fence_ms
        await self._context.journal.append(outcome, durable=False)
        return None

    async def _ended(self, intent: Intent, outcome: Outcome) -> StepResult:
        reservation = self._context.reservation
        match outcome.known:
            case IntentStatus.APPLIED:
                self._turn(Event.FOUND)
                reservation.done(intent.intent_id, effect_ms=outcome.effect_ms or intent.fence_ms)
            case IntentStatus.ACCEPTED:
                self._turn(Event.STILL_ACCEPTED)
            case IntentStatus.NOT_APPLIED:
                self._turn(Event.NOT_FOUND)
                reservation.release(intent.intent_id)
            case _:
                self._turn(Event.CANNOT_TELL)
        await self._context.journal.append(outcome, durable=False)
        return self._result(intent=intent, after=outcome.after, evidence=outcome.evidence, detail=outcome.message)

    # Small parts.

    async def _check_halted(self) -> None:
        reason = await self._context.halted()
        if reason is not None:
            raise NotStarted(Event.GIVEN_UP, f"not started: {reason}")
        earlier = self._context.journal.state.unsettled.get(self._lane)
        if earlier is not None:
            known = earlier.known or "unsettled"
            raise NotStarted(Event.GIVEN_UP, f"not started: the step before it on {self._lane} is {known}")

    def _turn(self, event: Event) -> None:
        self._state = advance(self._state, event)

    async def _broken_off(self, error: ReconcileError) -> StepResult:
        """The result of a step that could not be lived to its end; what it ended in before that stays true."""
        detail = {Interrupted: f"interrupted: {error}", JournalError: f"the journal failed: {error}"}
        told = next((text for kind, text in detail.items() if isinstance(error, kind)), str(error))
        if not isinstance(error, Interrupted):
            self._context.progress(f"{self._context.desired.name}: {error}")
        intent = None if self._state in {State.PLANNED, State.JOURNALLED} else self._intent
        if self._state is State.JOURNALLED:
            told = f"not sent: {told}"
        if self._intent is not None and not isinstance(error, Interrupted | JournalError):
            await call_records.broken_off(self._context, self._intent, self._state, told)
        if self._state not in OUTCOMES:
            self._turn(Event.INTERRUPTED)
        return self._result(intent=intent, detail=told)

    def _result(
        self, *, intent: Intent | None = None, after: str | None = None, evidence: str = "", detail: str = ""
    ) -> StepResult:
        """How the step ended, by the state it is in."""
        return StepResult(
            step_id=self._step.step_id,
            address=self._step.address,
            action=self._step.action,
            outcome=OUTCOMES[self._state],
            amount=self._sent_amount,
            before=intent.before if intent else None,
            after=after,
            evidence=evidence,
            detail=detail,
        )
