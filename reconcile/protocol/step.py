"""The driver of one step: it executes the machine's commands and returns their results as events. It decides nothing.

A step holds its room under the write limit and its place from the command that takes them until ``Leave``. No look then
grows old in a queue, and a slow answer delays no other lane.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, nullcontext

from reconcile.errors import (
    Containment,
    InDoubt,
    Interrupted,
    JournalError,
    NotSent,
    ReadFailed,
    ReconcileError,
    Refused,
)
from reconcile.exchanges.base import Accepted, Call
from reconcile.exchanges.http.limits import settling
from reconcile.journal.records import Outcome
from reconcile.model.plan import Step, StepResult
from reconcile.protocol import machine
from reconcile.protocol.context import Context
from reconcile.protocol.freshness import lane_look, remember
from reconcile.protocol.funds import addition_of
from reconcile.protocol.life import Life
from reconcile.protocol.lifecycle import OUTCOMES, State
from reconcile.protocol.signals import (
    Answered,
    AwaitFunds,
    BrokenOff,
    CannotRead,
    Command,
    Count,
    Done,
    Enter,
    Halted,
    KnowTime,
    Leave,
    LedgerCame,
    Look,
    Looked,
    Now,
    OnWire,
    Pause,
    ReadLedger,
    Release,
    Reserve,
    Resumed,
    Say,
    SendCall,
    SomeEvent,
    Take,
    TakePlace,
    TakeWire,
    WaitPast,
    WaitUntil,
    Write,
)
from reconcile.protocol.slots import Slots

_SENDING = {State.PLANNED, State.JOURNALLED, State.SENT}
"""In these states a send may be imminent."""
_LOOKING = {State.DOUBT, State.LOOKING, State.CONFIRMING}
"""In these states reads may use the reserve of the rate limit."""


class StepRun:
    """One step on its way through its life."""

    def __init__(self, context: Context, life: Life, *, slots: Slots) -> None:
        self._context = context
        self._life = life
        self._slots = slots
        self._held = AsyncExitStack()
        self._wire = AsyncExitStack()
        self._call: Call | None = None
        self._outcome: Outcome | None = None

    async def run(self, sending_over: Callable[[], None]) -> StepResult:
        """Run the step to its end; ``sending_over`` is called once no send is imminent, and may be called again.

        Raises no error: on any failure the step ends with the known outcome of its call, and other steps go on.
        """
        step = self._life.task.the_step
        try:
            with Containment(f"running {step.action} of {step.address}", self._context.trace):
                await self._live(sending_over)
        except ReconcileError as error:
            await self._break_off(error)
        finally:
            sending_over()
        return _result(step, self._life)

    async def settle(self) -> Outcome | None:
        """Settle a step of an earlier run; returns the outcome if a new one was journalled, else None.

        Raises Interrupted and JournalError.
        """
        await self._live(lambda: None)
        return self._outcome

    async def _live(self, sending_over: Callable[[], None]) -> None:
        async with self._held, self._wire:
            self._life, commands = machine.begin(self._life)
            while (event := await self._obey(commands)) is not None:
                self._life, commands = machine.on(self._life, event)
                if self._life.state not in _SENDING:
                    sending_over()

    async def _break_off(self, error: ReconcileError) -> None:
        """End the step with its known outcome. If the journal fails too, the next run settles an open intent."""
        name = self._context.desired.name
        prefix = {Interrupted: "interrupted: ", JournalError: "the journal failed: "}
        told = next((text for kind, text in prefix.items() if isinstance(error, kind)), "")
        if not isinstance(error, Interrupted):
            self._context.progress(f"{name}: {error}")
        journals = not isinstance(error, Interrupted | JournalError)
        event: SomeEvent | None = BrokenOff(at=_NEVER, detail=f"{told}{error}", journals=journals)
        try:
            with Containment(f"journalling what is known of {self._life.task.address}", self._context.trace):
                while event is not None:
                    self._life, commands = machine.on(self._life, event)
                    event = await self._obey(commands)
        except ReconcileError as failure:
            self._context.progress(f"{name}: {failure}")

    # Commands.

    async def _obey(self, commands: tuple[Command, ...]) -> SomeEvent | None:
        """Execute all commands; returns the event that answers the last one, None when the life is over."""
        *at_once, last = commands
        if not isinstance(last, SendCall):
            await self._wire.aclose()
        for command in at_once:
            await self._at_once(command)
        with settling() if self._life.state in _LOOKING else nullcontext():
            try:
                return await self._turn(last)
            except ReadFailed as error:
                return CannotRead(at=self._now(), reason=str(error))

    async def _at_once(self, command: Command) -> None:
        reservation = self._context.reservation
        match command:
            case Leave():
                await self._held.aclose()
            case Take(intent=intent):
                reservation.take(intent.intent_id, *addition_of(intent))
            case Release(intent_id=intent_id):
                reservation.release(intent_id)
            case Count(intent_id=intent_id, effect_ms=effect_ms):
                reservation.done(intent_id, effect_ms=effect_ms)
            case Say(text=text):
                self._context.progress(text)
            case _:
                raise _no_rule(command)

    async def _turn(self, command: Command) -> SomeEvent | None:
        event: SomeEvent | None = None
        match command:
            case Look():
                event = await self._look(command)
            case ReadLedger(since_ms=since_ms):
                event = await self._read_ledger(since_ms)
            case Reserve():
                event = self._context.reservation.reserve(command, at=self._now())
            case TakeWire():
                event = await self._take_wire(command)
            case SendCall():
                event = await self._send()
            case Done():
                pass
            case _:
                await self._wait(command)
                event = Resumed(at=self._now())
        return event

    async def _wait(self, command: Command) -> None:
        context = self._context
        match command:
            case Pause(ms=ms):
                await context.pause(ms)
            case WaitUntil(moment_ms=moment_ms, at_least_ms=at_least_ms):
                await context.pause(max(context.writer.time.wait_ms(moment_ms), at_least_ms))
            case WaitPast(moment_ms=moment_ms, why=why):
                await context.pass_exchange_time(moment_ms, why=why)
            case KnowTime():
                await context.know_exchange_time()
            case Enter():
                await self._held.enter_async_context(self._slots.queued)
                await self._held.enter_async_context(context.writer.turn())
            case TakePlace():
                await self._held.enter_async_context(self._slots.shared.preparing)
            case AwaitFunds():
                await context.reservation.freed()
            case Write(record=record, durable=durable):
                await context.journal.append(record, durable=durable)
                self._outcome = record if isinstance(record, Outcome) else self._outcome
            case _:
                raise _no_rule(command)

    async def _look(self, command: Look) -> SomeEvent:
        context = self._context
        earlier = context.earlier if command.to_send else None
        if command.to_send:
            halted = await context.halted()
            if halted is not None:
                return Halted(at=self._now(), reason=halted)
            await context.know_exchange_time()  # a refusal of our timestamp left it in doubt
        if command.batched:
            look = await context.observer.verify(after_ms=command.after_ms)
        else:
            look = await context.observer.look(after_ms=command.after_ms, max_age_ms=command.max_age_ms)
        seen = lane_look(look, self._life.task.address)
        address, state = self._life.task.address, context.journal.state
        memory = remember(context.writer, state, address, look, grace_ms=context.grace_ms, earlier=earlier)
        return Looked(at=self._now(), look=seen, memory=memory, new_id=context.new_id() if command.to_send else "")

    async def _read_ledger(self, since_ms: int) -> LedgerCame:
        context, symbol = self._context, self._life.task.address.symbol
        ledger = await context.writer.ledger(symbol, since_ms=since_ms)
        return LedgerCame(at=self._now(), ledger=ledger)

    # The wire.

    async def _take_wire(self, command: TakeWire) -> OnWire:
        context, step, intent = self._context, self._life.task.the_step, command.intent
        self._call = context.writer.prepare(step, intent.amount, command.position, signed_at_ms=intent.signed_at_ms)
        await self._wire.enter_async_context(self._slots.shared.in_flight)
        return OnWire(at=self._now(), halted=await context.halted())

    async def _send(self) -> Answered:
        """Send the one request, once. Any failure that does not prove non-execution is doubt, even a bug of ours."""
        context, call = self._context, self._call
        if call is None:
            raise LookupError("sending before signing; this is a bug")
        answer: Accepted | NotSent | Refused | InDoubt
        try:
            with Containment("sending the call and reading its answer", context.trace):
                answer = await context.writer.send(call)
        except (NotSent, Refused, InDoubt) as error:
            answer = error
        except ReconcileError as error:
            answer = InDoubt(str(error))
        await self._wire.aclose()
        await asyncio.sleep(0)  # steps that wait to send go first; the meaning of the answer can wait
        asked_after_ms = context.observer.changed() if isinstance(answer, Accepted) else 0
        return Answered(at=self._now(), answer=answer, asked_after_ms=asked_after_ms)

    def _now(self) -> Now:
        time = self._context.writer.time
        return Now(time.earliest(), time.latest())


def _no_rule(command: Command) -> LookupError:
    return LookupError(f"running a step: there is no rule for {command}; this is a bug")


def _result(step: Step, life: Life) -> StepResult:
    """The result of the step, from its final state."""
    return StepResult(
        step_id=step.step_id,
        address=step.address,
        action=step.action,
        outcome=OUTCOMES[life.state],
        amount=life.sent_amount,
        before=life.intent.before if life.intent else None,
        after=life.after,
        evidence=life.evidence,
        detail=life.detail,
    )


_NEVER = Now(0, 0)
