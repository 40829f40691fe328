"""The notes of a journal: what a run noted beside its steps, one class for each name that this version knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from reconcile.model.run_start import RunStart


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedStep:
    """A planned step: the margins before and after it and its amount, or the setting that it changes.

    Amounts are text. A setting is changed from ``from_``, which a journal calls ``from``.
    """

    step_id: str | None = None
    action: str | None = None
    amount: str | None = None
    before: str | None = None
    after: str | None = None
    from_: str | None = None
    to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedEntry:
    """One address of a plan that is not simply in sync, as the plan told it.

    ``template`` is the entry with ``*`` that it was made from.
    """

    address: str
    status: str | None = None
    blocked_by: str | None = None
    reason: str | None = None
    asset: str | None = None
    template: str | None = None
    steps: tuple[NotedStep, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanNote:
    """The plan of a run: its digest, how many entries have each status, and those that are not in sync.

    ``errors`` are the keys of the plan's errors.
    """

    what: ClassVar[str] = "planned"
    plan_id: str | None = None
    digest: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    entries: tuple[NotedEntry, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerNote:
    """A request got no answer that proves anything; ``code`` and ``message`` are what was said, if anything."""

    what: ClassVar[str] = "no_clear_answer"
    intent_id: str | None = None
    code: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalNote:
    """A run that ended before it held its account: which error ended it, by key, message and exit code.

    ``more`` is what else the command knew of its request, in keys of its own: the address of a resolve, the files of
    a plan. It is for people; no program reads it.
    """

    what: ClassVar[str] = "refused"
    start: RunStart = field(default_factory=RunStart)
    host: str | None = None
    command: str | None = None
    key: str | None = None
    message: str | None = None
    exit_code: int | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchDecision:
    """One look or decision of a watch about an address (empty: about the account itself)."""

    address: str
    decision: str
    outcome: str = "decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchNote:
    """The looks and decisions of one round of a watch; ``applies``: it may send."""

    what: ClassVar[str] = "watch"
    start: RunStart = field(default_factory=RunStart)
    host: str | None = None
    applies: bool | None = None
    decisions: tuple[WatchDecision, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """Why an account is frozen, who froze it and when (RFC 3339, that machine's clock).

    ``identities`` are the journals that had this name then: under another name in a state file it is frozen too.
    """

    reason: str
    actor: str
    at: str
    identities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakeNote:
    """The emergency brake was changed: by whom and why, and all that is ``frozen`` from then on, by account.

    ``frozen`` is None where the note does not say it in a form that this version knows.
    """

    what: ClassVar[str] = "brake"
    command: str | None = None
    account: str | None = None
    reason: str | None = None
    actor: str | None = None
    host: str | None = None
    frozen: Mapping[str, Freeze] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveNote:
    """The journal goes on under the identity ``to``. A journal holds it as a record of its own."""

    what: ClassVar[str] = "moved"
    to: str


NoteBody = PlanNote | AnswerNote | RefusalNote | WatchNote | BrakeNote | Mapping[str, Any]
"""The body of a note; of a name that this version does not know its details as they stand."""
