"""The records of a journal.

A record is one JSON object: ``{"seq": 7, "prev": "<sha256 of line 6>", "at": "<RFC 3339, local clock>", "kind":
"intent", "run": "<run id>", …}``. The dataclasses below are the kinds and their fields. Amounts are strings; times that
are compared are exchange milliseconds (``…_ms``). Readers ignore fields that they do not know. This module does no I/O.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from reconcile.journal.run_end import RunEnd
from reconcile.model.account import Address
from reconcile.model.notes import NoteBody
from reconcile.model.run_start import RunStart


class IntentStatus(StrEnum):
    """The journal's knowledge of one intent, that is of one request. A step has one intent for each attempt."""

    ACCEPTED = "accepted"  # accepted by the exchange, not yet visible: settles later
    APPLIED = "applied"
    REFUSED = "refused"  # proven: nothing changed
    NOT_SENT = "not_sent"  # proven: no byte left
    NOT_APPLIED = "not_applied"  # looked after the fence: nothing happened
    UNKNOWN = "unknown"  # looked after the fence: cannot tell; the lane is held
    RELEASED = "released"  # still unknown, and the ledger no longer reaches back; the lane is free again

    @property
    def settles(self) -> bool:
        """Whether the intent needs no further look."""
        return self not in {IntentStatus.ACCEPTED, IntentStatus.UNKNOWN}

    @property
    def moved(self) -> bool:
        """Whether margin moved, as far as known."""
        return self in {IntentStatus.ACCEPTED, IntentStatus.APPLIED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A step is about to be sent. It is flushed to disk before the request leaves.

    ``amount`` > 0 (None for a type change). ``before`` is the isolated margin (or margin type) of the look; ``size``
    and ``identity`` are the position's. ``cursor`` is the id of the ledger's newest row, None if the signed time is the
    cursor. ``signed_at_ms`` is part of the request. ``fence_ms`` = signed_at_ms + validity + grace: once the exchange's
    clock has passed it, the request can no longer take effect. ``calls_seen_ms``: ``before`` includes every party's
    margin calls up to this exchange time; None: unknown. ``free`` is the free balance by our own arithmetic before
    a call that moves margin, ``min_available`` included; None for other calls, and in records from before this field.
    """

    kind: ClassVar[str] = "intent"
    intent_id: str
    step_id: str
    lane: str
    address: Address
    action: str
    asset: str | None
    amount: Decimal | None
    before: str
    wanted: str
    size: Decimal | None
    identity: str | None
    cursor: str | None
    signed_at_ms: int
    fence_ms: int
    calls_seen_ms: int | None = None
    free: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The known outcome of an intent. A later outcome of the same intent replaces an earlier one.

    ``effect_ms`` is the latest exchange time at which it can have taken effect (None: it did not). ``after`` is the
    margin (or type) that a look showed, None if none did. ``claim`` is the id of the ledger row that is ours. ``code``
    and ``message`` are the exchange's own.
    """

    kind: ClassVar[str] = "outcome"
    intent_id: str
    known: IntentStatus
    effect_ms: int | None
    after: str | None = None
    evidence: str = ""
    claim: str | None = None
    code: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A run of apply, settle or resolve holds the lock from here on. ``details`` is for auditors (who, why, what).

    Before ``cold_until_ms`` (exchange time), a request that this journal does not have may still take effect; None if
    no other program can have sent one. ``machine`` changes with a reboot, and differs between containers of one host
    name. It is None in records from before this field; the host's name counts alone then.
    """

    kind: ClassVar[str] = "run_started"
    host: str
    command: str
    cold_until_ms: int | None = None
    details: RunStart = field(default_factory=RunStart)
    machine: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The run released the lock."""

    kind: ClassVar[str] = "run_finished"
    details: RunEnd = field(default_factory=RunEnd)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanUsed:
    """A saved plan was used up; written before its first call."""

    kind: ClassVar[str] = "plan_used"
    plan_id: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A person stated the outcome of an intent; it counts as an effect at ``effect_ms``.

    ``key_deleted``: they deleted the API key that signed the request, so it can no longer take effect.
    """

    kind: ClassVar[str] = "resolved"
    intent_id: str
    applied: bool
    reason: str
    actor: str
    effect_ms: int
    key_deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """An unfinished last line, which was never flushed, was moved aside to ``file`` (``size`` bytes).

    ``was_changed``: something other than a run had changed the journal (``base.Journal.was_changed``).
    """

    kind: ClassVar[str] = "repaired"
    file: str
    size: int
    was_changed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteRecord:
    """Any other event for the auditor: a refused apply, a watch decision. ``what`` names it and its body's type."""

    kind: ClassVar[str] = "noted"
    what: str
    details: NoteBody = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relocation:
    """The journal goes on under the identity ``to``; with the person who moved it, and the state file's ``account``.

    Without ``with_records`` it ends here, because ``to`` had a journal of its own already. ``was_changed`` is as for
    ``Repaired``.
    """

    kind: ClassVar[str] = "moved"
    to: str
    with_records: bool
    account: str
    actor: str
    host: str
    was_changed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The state that all earlier records add up to (``checkpoint.py``), for readers that begin here.

    ``version`` is the version of the fold; ``size`` is the number of bytes before it in a file, None elsewhere.
    ``state`` stays as stored, because only the fold of its own version can read it: ``checkpoint.restored`` makes it a
    ``JournalState``, and every other reader only counts the record.
    """

    kind: ClassVar[str] = "checkpoint"
    version: int
    state: Mapping[str, Any]
    size: int | None = None


Record = (
    Intent | Outcome | RunStarted | RunFinished | PlanUsed | Resolved | Repaired | NoteRecord | Relocation | Checkpoint
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """An intent without a final outcome: no outcome at all (``known`` None), ``accepted`` or ``unknown``."""

    intent: Intent
    known: IntentStatus | None
    effect_ms: int | None
    evidence: str
    since: str
    """The time when the intent was written, RFC 3339, local clock."""
    said_yes: bool = False
    """Whether the exchange accepted it, whatever became known since."""
    later_than_ms: int | None = None
    """The exchange time of the lane's last effect before it, which its look could show; None: no effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """The last known effect on a lane.

    ``before`` and ``after`` are the isolated margin around our step. They are None if the effect moved no margin (a
    type change, a resolve as not applied); only ``effect_ms`` counts then. ``signed_ms`` is the time of its signature.
    ``later_than_ms`` is the exchange time of the lane's previous effect, which ``before`` includes; None: no effect.
    ``calls_seen_ms`` is the intent's.
    """

    address: Address
    effect_ms: int
    signed_ms: int
    before: Decimal | None
    after: Decimal | None
    size: Decimal | None
    identity: str | None
    claim: str | None
    asset: str | None = None
    later_than_ms: int | None = None
    calls_seen_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreportedStep:
    """A margin step that may have moved margin since the last look at the end of a run.

    ``known`` is None without an outcome. ``is_sure`` is False if that look may have included the step already, or if
    only a person stated that it moved margin.
    """

    intent: Intent
    known: IntentStatus | None = None
    claim: str | None = None
    is_sure: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginInPlace:
    """An isolated margin that a run found in place without moving it, seen at the exchange time ``since_ms``."""

    margin: Decimal
    since_ms: int
