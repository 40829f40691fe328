"""The life of one step, as a table: what is not in it cannot happen.

A margin call is relative and has no key: said twice, it is done twice. So the one thing that must never happen is to
say it again while the first saying may still count. That is a statement about paths, and a table can be walked:

    PLANNED ── intent written ──> JOURNALLED ── send ──> SENT ── yes ──> ACCEPTED ── seen ──> APPLIED
       ^                                                  │                 └── deadline ──> CONFIRMING
       ├────────── proven: nothing left, refused for now ─┤
       │                                                  └── lost ──> DOUBT ── fence passed ──> LOOKING
       └───────────────────────────── looked, and it did not happen ────────────────────────────────┘

From DOUBT one arrow leads on, to LOOKING, and it needs the fence: the exchange's own word that a request of ours cannot
be accepted any more. Out of LOOKING back to PLANNED leads only the finding that nothing happened; and PLANNED is not a
licence to send but the duty to look afresh and to write a new intent. After a yes nothing leads back at all: ACCEPTED
and CONFIRMING end in a run without another call for that lane, whatever a read shows.

A process that dies leaves its intents behind, and the next run begins them where nothing can be sent: without an
outcome in DOUBT, said yes to in CONFIRMING, unknown in LOOKING (its fence passed in the run that gave up on it).
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from reconcile.model.plan import OutcomeKind


class State(StrEnum):
    """Where a step is in its life."""

    PLANNED = "planned"  # nothing of it is anywhere; the next thing is a fresh look
    JOURNALLED = "journalled"  # its intent is on disk, nothing has left
    SENT = "sent"  # its request is out, no answer yet
    ACCEPTED = "accepted"  # said yes; waiting until it shows
    CONFIRMING = "confirming"  # said yes and not shown in time; asking both witnesses
    DOUBT = "doubt"  # may or may not have been executed, may still arrive
    LOOKING = "looking"  # can no longer arrive; asking both witnesses
    APPLIED = "applied"
    REFUSED = "refused"
    LEFT_ACCEPTED = "left_accepted"  # said yes, and this run has not seen it
    NOT_APPLIED = "not_applied"  # said yes long ago, and a complete ledger has no trace of it
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


class Event(StrEnum):
    """What can happen to a step."""

    INTENT_WRITTEN = "intent_written"
    SEND = "send"
    YES = "yes"
    REFUSED_FOR_NOW = "refused_for_now"  # a rate limit, a clock error: proven not executed, worth another look
    REFUSED = "refused"
    NOT_SENT = "not_sent"  # proven: no byte left
    LOST = "lost"  # anything that proves nothing
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
    INTERRUPTED = "interrupted"  # asked to stop, or the journal failed


class ImpossibleError(LookupError):
    """An event that cannot happen in a state: a bug in the program, never in the world."""


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
"""Every move there is."""

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
"""The states a life ends in, and what the report calls them."""


def advance(state: State, event: Event) -> State:
    """The state after an event; raises ImpossibleError for what is not in the table."""
    after = TABLE.get((state, event))
    if after is None:
        raise ImpossibleError(f"living a step: {event} cannot happen to a step that is {state}; this is a bug")
    return after
