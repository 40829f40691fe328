"""What the journal is told of a call that did not end in a clear yes."""

from reconcile.errors import Containment, ReconcileError
from reconcile.journal.records import Intent, IntentStatus, Noted, Outcome
from reconcile.protocol.context import Context
from reconcile.protocol.lifecycle import State

_MAY_HAVE_EFFECT = {State.SENT, State.DOUBT, State.LOOKING}
"""Sent, and nothing is known of it."""


async def proven_nothing(
    context: Context, intent: Intent, known: IntentStatus, message: str, *, code: str | None = None
) -> None:
    """Nothing was executed: give the free balance back. Raises JournalError."""
    context.reservation.release(intent.intent_id)
    outcome = Outcome(intent_id=intent.intent_id, known=known, effect_ms=None, code=code, message=message)
    await context.journal.append(outcome, durable=False)


async def in_doubt(context: Context, intent: Intent, message: str, *, code: str | None = None) -> None:
    """It may or may not have been executed: the intent stays open. Raises JournalError."""
    told = {"intent_id": intent.intent_id, "code": code, "message": message}
    await context.journal.append(Noted(what="no_clear_answer", details=told), durable=False)


async def broken_off(context: Context, intent: Intent, state: State, detail: str) -> None:
    """What is known of an intent whose step failed in ``state``: not sent, or in doubt.

    Never raises; where the journal fails too, the intent stays open, and the next run settles it.
    """
    try:
        with Containment(f"journalling what is known of {intent.address}", context.trace):
            if state is State.JOURNALLED:
                await proven_nothing(context, intent, IntentStatus.NOT_SENT, detail)
            elif state in _MAY_HAVE_EFFECT:
                await in_doubt(context, intent, detail)
    except ReconcileError as error:
        context.progress(f"{context.desired.name}: {error}")
