"""The life of one step, as a table: a transition that is not in it cannot happen.

A margin call is relative and has no key: sent twice, it takes effect twice. A call must therefore never be sent again
while the first one may still take effect. That is a statement about paths, and a test can walk the paths of a table:

    PLANNED ── intent written ──> JOURNALLED ── send ──> SENT ── yes ──> ACCEPTED ── seen ──> APPLIED
       ^                                                  │                 └── deadline ──> CONFIRMING
       ├────────── proven: nothing left, refused for now ─┤
       │                                                  └── lost ──> DOUBT ── fence passed ──> LOOKING
       └───────────────────────────── looked, and it did not happen ────────────────────────────────┘

From DOUBT one arrow leads on, to LOOKING. It needs the fence: the exchange itself must report a time at which it can no
longer accept our request. From LOOKING a step returns to PLANNED only after proof that nothing happened.
PLANNED is no permission to send: the step looks again and writes a new intent. After the exchange accepted a call, no
arrow leads back. Whatever a read shows, ACCEPTED and CONFIRMING end without another call for that lane in this run.

A process that dies leaves its intents behind. The next run begins each of them in a state that cannot send. An intent
without an outcome begins in DOUBT, an accepted one in CONFIRMING. An unknown one begins in LOOKING, because its fence
passed in the run that gave up on it.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from reconcile.model.plan import OutcomeKind


class State(StrEnum):
    """The states of a step while it is run. They say what may happen next, and no record holds them."""

    PLANNED = "planned"  # no intent, nothing sent; a fresh look comes next
    JOURNALLED = "journalled"  # its intent is on disk, nothing has left
    SENT = "sent"  # its request is out, no answer yet
    ACCEPTED = "accepted"  # the exchange accepted it; waiting until a look shows it
    CONFIRMING = "confirming"  # accepted, but not shown in time; reading ledger and margin
    DOUBT = "doubt"  # may or may not have been executed, may still arrive
    LOOKING = "looking"  # can no longer arrive; reading ledger and margin
    APPLIED = "applied"
    REFUSED = "refused"
    LEFT_ACCEPTED = "left_accepted"  # accepted, but this run has not seen the effect
    NOT_APPLIED = "not_applied"  # accepted long ago, but a complete ledger has no trace of it
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


class Event(StrEnum):
    """The events in the life of a step."""

    INTENT_WRITTEN = "intent_written"
    SEND = "send"
    YES = "yes"
    REFUSED_FOR_NOW = "refused_for_now"  # a rate limit, a clock error: proven not executed, and worth another attempt
    REFUSED = "refused"
    NOT_SENT = "not_sent"  # proven: no byte left
    LOST = "lost"  # any answer, or failure, that proves nothing
    FENCE_PASSED = "fence_passed"
    SEEN = "seen"
    DEADLINE = "deadline"
    FOUND = "found"
    NOT_FOUND = "not_found"
    STILL_ACCEPTED = "still_accepted"
    CANNOT_TELL = "cannot_tell"
    IN_SYNC = "in_sync"
    STALE = "stale"
    GIVEN_UP = "given_up"  # tries, funds or policy ran out before anything was sent
    INTERRUPTED = "interrupted"  # a stop request, or a journal failure


class ImpossibleError(LookupError):
    """An event that cannot happen in a state: always a bug of ours."""


_S, _E = State, Event

TABLE: Mapping[tuple[State, Event], State] = MappingProxyType(
    {
        (_S.PLANNED, _E.INTENT_WRITTEN): _S.JOURNALLED,
        (_S.PLANNED, _E.IN_SYNC): _S.SKIPPED,
        (_S.PLANNED, _E.STALE): _S.SKIPPED,
        (_S.PLANNED, _E.GIVEN_UP): _S.SKIPPED,
        (_S.PLANNED, _E.INTERRUPTED): _S.SKIPPED,
        (_S.JOURNALLED, _E.SEND): _S.SENT,
        (_S.JOURNALLED, _E.NOT_SENT): _S.PLANNED,
        (_S.JOURNALLED, _E.INTERRUPTED): _S.SKIPPED,
        (_S.SENT, _E.YES): _S.ACCEPTED,
        (_S.SENT, _E.REFUSED_FOR_NOW): _S.PLANNED,
        (_S.SENT, _E.REFUSED): _S.REFUSED,
        (_S.SENT, _E.NOT_SENT): _S.PLANNED,
        (_S.SENT, _E.LOST): _S.DOUBT,
        (_S.SENT, _E.INTERRUPTED): _S.UNKNOWN,
        (_S.ACCEPTED, _E.SEEN): _S.APPLIED,
        (_S.ACCEPTED, _E.DEADLINE): _S.CONFIRMING,
        (_S.ACCEPTED, _E.INTERRUPTED): _S.LEFT_ACCEPTED,
        (_S.CONFIRMING, _E.FOUND): _S.APPLIED,
        (_S.CONFIRMING, _E.NOT_FOUND): _S.NOT_APPLIED,
        (_S.CONFIRMING, _E.STILL_ACCEPTED): _S.LEFT_ACCEPTED,
        (_S.CONFIRMING, _E.CANNOT_TELL): _S.UNKNOWN,
        (_S.CONFIRMING, _E.INTERRUPTED): _S.LEFT_ACCEPTED,
        (_S.DOUBT, _E.FENCE_PASSED): _S.LOOKING,
        (_S.DOUBT, _E.CANNOT_TELL): _S.UNKNOWN,
        (_S.DOUBT, _E.INTERRUPTED): _S.UNKNOWN,
        (_S.LOOKING, _E.FOUND): _S.APPLIED,
        (_S.LOOKING, _E.NOT_FOUND): _S.PLANNED,
        (_S.LOOKING, _E.CANNOT_TELL): _S.UNKNOWN,
        (_S.LOOKING, _E.INTERRUPTED): _S.UNKNOWN,
    }
)
"""Every possible transition."""

OUTCOMES: Mapping[State, OutcomeKind] = MappingProxyType(
    {
        State.APPLIED: OutcomeKind.APPLIED,
        State.REFUSED: OutcomeKind.REFUSED,
        State.LEFT_ACCEPTED: OutcomeKind.ACCEPTED,
        State.NOT_APPLIED: OutcomeKind.SKIPPED,
        State.UNKNOWN: OutcomeKind.UNKNOWN,
        State.SKIPPED: OutcomeKind.SKIPPED,
    }
)
"""The final states, and the outcome that reports give for each."""


def advance(state: State, event: Event) -> State:
    """The state after an event; raises ImpossibleError if the table has no such transition."""
    after = TABLE.get((state, event))
    if after is None:
        raise ImpossibleError(f"running a step: {event} cannot happen to a step that is {state}; this is a bug")
    return after
