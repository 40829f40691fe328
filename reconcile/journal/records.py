"""The records of a journal and what they add up to.

A record is one JSON object: ``{"seq": 7, "prev": "<sha256 of line 6>", "at": "<RFC 3339, local clock>", "kind":
"intent", "run": "<run id>", …}``. The kinds and their fields are the dataclasses below; amounts are strings, times that
are compared are exchange milliseconds (``…_ms``). Readers ignore fields they do not know. Nothing here does I/O.
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
    """What the journal knows about one intent."""

    ACCEPTED = "accepted"  # said yes, not yet visible: settles later
    APPLIED = "applied"
    REFUSED = "refused"  # proven: nothing changed
    NOT_SENT = "not_sent"  # proven: nothing left
    NOT_APPLIED = "not_applied"  # looked after the fence: nothing happened
    UNKNOWN = "unknown"  # looked after the fence: cannot tell; the lane is held
    RELEASED = "released"  # still unknown, out of the ledger's reach; the lane is free again

    @property
    def settles(self) -> bool:
        """Whether the intent needs no further look."""
        return self not in {IntentStatus.ACCEPTED, IntentStatus.UNKNOWN}

    @property
    def moved(self) -> bool:
        """Whether margin moved, as far as is known."""
        return self in {IntentStatus.ACCEPTED, IntentStatus.APPLIED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A step is about to be sent. On disk, flushed, before the wire.

    ``amount`` > 0 (None for a type change); ``before`` is the isolated margin seen (or the margin type), ``size`` and
    ``identity`` the position's; ``cursor`` the ledger's newest row id, None where the signed time is the cursor.
    ``signed_at_ms`` is inside the request; ``fence_ms`` = signed_at_ms + validity + grace: once the exchange's clock
    has passed it, the request cannot take effect any more. ``calls_seen_ms``: every margin call up to this exchange
    time is in ``before``, whoever made it; None: not known.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is known about an intent. A later outcome of the same intent replaces an earlier one.

    ``effect_ms`` is the latest exchange time at which it can have taken effect (None: it did not). ``after`` is the
    margin (or type) as seen, None when not seen; ``claim`` the id of the ledger row that is ours; ``code`` and
    ``message`` the exchange's own words.
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

    ``cold_until_ms`` is the exchange time before which a request that this journal has not seen may still take effect;
    None where no other program can have sent one. ``machine`` is what a reboot and another container of the same name
    do not share; None where the host's name alone tells (records before there was this field).
    """

    kind: ClassVar[str] = "run_started"
    host: str
    command: str
    cold_until_ms: int | None = None
    details: RunStart = field(default_factory=RunStart)
    machine: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The run gave the lock back."""

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
    """A person said what happened; counts as an effect at ``effect_ms``.

    ``key_deleted`` says that they deleted the API key that signed the request, so that it cannot take effect later.
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
    """An unfinished last line, which was never flushed, was moved aside to ``file`` (``size`` bytes)."""

    kind: ClassVar[str] = "repaired"
    file: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Anything else an auditor wants: a refused apply, a watch decision. ``what`` names it and the type of its body."""

    kind: ClassVar[str] = "noted"
    what: str
    details: NoteBody = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relocation:
    """The journal goes on under the identity ``to``; who led it there, for what a state file calls ``account``.

    Without ``with_records`` it ends here: ``to`` had a journal of its own already.
    """

    kind: ClassVar[str] = "moved"
    to: str
    with_records: bool
    account: str
    actor: str
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What all records before it add up to (``checkpoint.py``), for readers that begin here.

    ``version`` is that of the fold; ``size`` how many bytes of lines stand before it in a file, None elsewhere.
    """

    kind: ClassVar[str] = "checkpoint"
    version: int
    state: Mapping[str, Any]
    size: int | None = None


Record = Intent | Outcome | RunStarted | RunFinished | PlanUsed | Resolved | Repaired | Noted | Relocation | Checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """An intent whose fate is open: no outcome at all (``known`` None), ``accepted`` or ``unknown``."""

    intent: Intent
    known: IntentStatus | None
    effect_ms: int | None
    evidence: str
    since: str
    """When the intent was written, RFC 3339, local clock."""
    said_yes: bool = False
    """Whether the exchange said yes to it, whatever became known since."""
    later_than_ms: int | None = None
    """The exchange time of the lane's last effect before it, which its look was late enough to show; None: of none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """The last thing known to have happened on a lane.

    ``before`` and ``after`` are the isolated margin around our step. They are None where the last effect moved no
    margin (a type change, a resolve as not applied): then only ``effect_ms`` counts. ``signed_ms`` is when it was
    signed. ``later_than_ms`` is the exchange time of the lane's last effect before it, which ``before`` holds; None: of
    none. ``calls_seen_ms`` is the intent's.
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
    """A margin step that may have moved margin since the last look that a run ended with.

    ``known`` is None without an outcome. ``is_sure`` is False where that look may have seen it already, or where only a
    person said that it moved.
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
