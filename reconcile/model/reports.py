"""The content of a journal for an auditor: runs with their steps, movements, and the last state of an account.

Amounts stay in the notation of the journal (exact decimals as text) where they are only shown, and are Decimals where
they are counted with. Times are RFC 3339 of the runner's clock (``at``) or milliseconds of the exchange's (``…_ms``).
A little over 300 lines: it is the one vocabulary of all that reads and shows journals.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from reconcile.model.measures import MeasureBounds
from reconcile.model.notes import MoveNote, NoteBody, PlanNote
from reconcile.model.run_start import RunStart
from reconcile.money import minus, parse

IN_FLIGHT = "in_flight"
"""The outcome of a step that has none: a run is sending it now, or was cut off before it knew."""
CUT_OFF = "cut_off"
"""The outcome of a run that never wrote its end: it was killed, or is still at work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who or what stands behind a step: the run that sent it, as it told its journal; empty where it told nothing.

    ``digest`` is the plan's: of the reviewed one where there was one, else of the plan that the run made itself.
    """

    run_id: str = ""
    actor: str = ""
    reason: str = ""
    host: str = ""
    git_commit: str = ""
    plan_id: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTaken:
    """One request that was to be sent, and what is known about it by the end of the run that ``settled_by`` names.

    ``at`` is the runner's clock, ``signed_at_ms`` the exchange's, inside the request; ``answer`` is the exchange's own
    code and message. ``amount`` None: a change of the margin type, and ``before`` and ``after`` are types. ``origin``
    is the run that sent it.
    """

    intent_id: str
    step_id: str
    run_id: str
    line: int
    at: str
    address: str
    action: str
    asset: str | None
    amount: str | None
    before: str
    wanted: str
    signed_at_ms: int
    fence_ms: int
    outcome: str = IN_FLIGHT
    answer: str = ""
    after: str | None = None
    evidence: str = ""
    ledger_row: str | None = None
    effect_ms: int | None = None
    ended_at: str | None = None
    settled_by: str | None = None
    origin: Origin = Origin()

    @property
    def change(self) -> Decimal | None:
        """How it changes isolated margin: positive adds; None for a type change."""
        if self.amount is None:
            return None
        amount = parse(self.amount)
        return -amount if self.action == "reduce_margin" else amount

    @property
    def has_moved(self) -> bool:
        """Whether margin is known to have moved by it."""
        return self.outcome in {"applied", "accepted"} and self.amount is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something else that was journalled: a plan, an unclear answer, a decision of watch.

    ``details`` are the stored object, keys of later versions too: they are shown, and no program reads them.
    ``body`` is what they say.
    """

    at: str
    what: str
    details: Mapping[str, Any]
    body: NoteBody | MoveNote = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """An open isolated position as a run saw it last.

    Prices are None where the exchange gave none, and ``size`` where an early version left it out.
    """

    isolated_margin: Decimal
    asset: str
    size: Decimal | None = None
    mark_price: Decimal | None = None
    liquidation_price: Decimal | None = None

    @property
    def liquidation_distance(self) -> Decimal | None:
        """How far the liquidation price is from the mark price, as a share of it; None where one is not known."""
        if not self.mark_price or self.liquidation_price is None:
            return None
        return abs(minus(self.mark_price, self.liquidation_price)) / self.mark_price


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementSummary:
    """A run's report on one address since the last look of the run before; None: no isolated position.

    ``ours`` are our steps that count, by intent. ``causes`` are the rest: cause, amount, and the exchange time of its
    last ledger row (None where there is none). They add up.
    """

    before: Decimal | None
    after: Decimal | None
    asset: str
    ours: tuple[tuple[str, Decimal], ...]
    causes: tuple[tuple[str, Decimal, int | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run on one account, from its first record to its last.

    ``start`` is what the run said of itself and ``host`` where it ran, empty where it did not say;
    ``settled`` are steps of earlier runs whose outcome this one learnt. ``refused`` is the key of the rule that refused
    it, None where nothing did. ``live`` is what the account was at its end, None where it did not look; ``at_ms`` the
    exchange time of that look. ``moved`` is what it told to have moved since the run before it, by address, None where
    it told nothing; ``moved_problem`` what the ledger was not asked for that.
    """

    identity: str
    run_id: str
    command: str
    started_at: str
    first_line: int
    last_line: int = 0
    finished_at: str | None = None
    exit_code: int | None = None
    refused: str | None = None
    errors: tuple[str, ...] = ()
    start: RunStart = field(default_factory=RunStart)
    host: str = ""
    steps: tuple[StepTaken, ...] = ()
    settled: tuple[StepTaken, ...] = ()
    notes: tuple[Note, ...] = ()
    declared: Mapping[str, Decimal] = field(default_factory=dict)
    tolerance: Mapping[str, Decimal] = field(default_factory=dict)
    bands: Mapping[str, MeasureBounds] = field(default_factory=dict)
    live: Mapping[str, Margin] | None = None
    live_at_ms: int | None = None
    moved: Mapping[str, MovementSummary] | None = None
    moved_problem: str = ""

    @property
    def account(self) -> str:
        """The name in the state file, else the journal's identity."""
        return self.start.account or self.identity

    @property
    def actor(self) -> str:
        """The responsible person or program; empty if unknown."""
        return self.start.actor or ""

    @property
    def reason(self) -> str:
        """Why, in the actor's words; empty where none was given."""
        return self.start.reason or ""

    @property
    def origin(self) -> Origin:
        """The origin of its steps."""
        noted = (note.body.digest for note in self.notes if isinstance(note.body, PlanNote))
        start = self.start
        return Origin(
            run_id=self.run_id,
            actor=self.actor,
            reason=self.reason,
            host=self.host,
            git_commit=start.git_commit or "",
            plan_id=start.plan_id or "",
            digest=start.digest or next(noted, None) or "",
        )

    @property
    def outcome(self) -> str:
        """How the run as a whole ended: ``refused``, ``cut_off``, ``error``, ``interrupted`` or ``done``."""
        if self.refused is not None:
            return "refused"
        if self.exit_code is None:
            return CUT_OFF
        return {1: "error", 4: "refused", 130: "interrupted"}.get(self.exit_code, "done")

    @property
    def addresses(self) -> frozenset[str]:
        """Every address that it did something about."""
        return frozenset(step.address for step in (*self.steps, *self.settled))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """One line of the log: a step, a step settled later, a person's word, or a run that sent nothing."""

    at: str
    account: str
    identity: str
    run_id: str
    actor: str
    command: str
    what: str
    outcome: str
    address: str = ""
    amount: str = ""
    asset: str = ""
    before: str = ""
    after: str = ""
    detail: str = ""
    reason: str = ""
    host: str = ""
    git_commit: str = ""
    plan_id: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One change of isolated margin. ``cause`` is ``reconcile`` for ours, the ledger's word, ``opened``,
    ``closed``, ``resized``, or ``unexplained``.

    ``outcome`` is the step's; for what was not ours ``seen``, or ``drift`` where it is more than the run tolerated.
    ``change`` is None for a step of unknown outcome; ``asked`` is the amount that a step of ours was to move,
    ``intent_id`` that step. ``at_ms`` is exchange time, None where only the runner's clock (``at``) told. ``run_id``
    and ``host`` are the run's that sent it, or, for a movement that was not ours, noticed it. The other fields exist
    only for movements of ours.
    """

    at: str
    at_ms: int | None
    address: str
    asset: str
    cause: str
    change: Decimal | None
    before: str = ""
    after: str = ""
    run_id: str = ""
    actor: str = ""
    outcome: str = ""
    detail: str = ""
    reason: str = ""
    asked: Decimal | None = None
    intent_id: str = ""
    host: str = ""
    git_commit: str = ""
    plan_id: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressChange:
    """One address between two moments: margin before and after (None: no isolated position) and every movement."""

    address: str
    asset: str
    before: Decimal | None
    after: Decimal | None
    movements: tuple[Movement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One account at two moments; ``end`` is a run's id or ``live``. ``problem`` says what is missing."""

    account: str
    identity: str
    start: str
    end: str
    start_at: str
    end_at: str
    addresses: tuple[AddressChange, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainVerdict:
    """Whether one journal's chain holds. ``bad_line`` is the first bad line, None when it holds or is not known."""

    identity: str
    account: str
    is_good: bool
    records: int
    head: str
    pinned: str | None = None
    bad_line: int | None = None
    message: str = ""
