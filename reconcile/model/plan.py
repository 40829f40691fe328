"""Plans and steps: what would be called, in which order, and what it was computed from. Data, not closures."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from reconcile.model.account import Address, DesiredAccount, MarginType, ObservedAccount, Position, Target
from reconcile.model.auto_add import SetAutoAdd
from reconcile.model.holds import Hold


class Status(StrEnum):
    """The fate of one address in a plan."""

    IN_SYNC = "in_sync"
    CHANGE = "change"
    BLOCKED = "blocked"
    WAITING = "waiting"
    HELD = "held"
    UNMANAGED = "unmanaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMarginType:
    """Absolute: safe to repeat. It belongs to the symbol, so both sides of a hedged symbol share one step."""

    step_id: str
    address: Address
    before: MarginType
    after: MarginType
    action: Literal["set_margin_type"] = "set_margin_type"


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveMargin:
    """Relative: never repeated. ``amount`` > 0 in ``asset``; the plan is a ceiling for it.

    ``before`` and ``after`` are the isolated margin; ``tolerance`` is the target's, in the asset. Liquidation prices
    are None where there is none or it cannot be computed; distances are shares of the mark price (0.05 is 5 %).
    ``measure_before`` and ``measure_after`` are the declared risk measure, None without one or where it has no bound.
    ``ceiling`` is the most that may be sent where headroom lets that be more than ``amount``.
    """

    step_id: str
    address: Address
    asset: str
    amount: Decimal
    before: Decimal
    after: Decimal
    tolerance: Decimal
    action: Literal["add_margin", "reduce_margin"]
    liquidation_price_before: Decimal | None = None
    liquidation_price_after: Decimal | None = None
    liquidation_distance_before: Decimal | None = None
    liquidation_distance_after: Decimal | None = None
    measure_before: Decimal | None = None
    measure_after: Decimal | None = None
    ceiling: Decimal | None = None

    @property
    def most(self) -> Decimal:
        """The most that may be sent."""
        return self.amount if self.ceiling is None else self.ceiling

    @property
    def signed(self) -> Decimal:
        """The change of isolated margin: positive adds, negative takes out."""
        return self.amount if self.action == "add_margin" else -self.amount


Step = SetMarginType | SetAutoAdd | MoveMargin


def additions(steps: Iterable[Step]) -> list[MoveMargin]:
    """The steps that add margin, in their order."""
    return [step for step in steps if isinstance(step, MoveMargin) and step.action == "add_margin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a plan.

    ``blocked_by`` is a policy key or one of ``open_position``, ``open_orders``, ``multi_assets``, ``auto_add``,
    ``removable``, ``at_most``, ``formula``, ``short``, ``instrument``, ``unusable``, ``account``; None unless blocked.
    ``reason`` says why, and what to do. ``target`` is None when unmanaged, ``observed`` None where the exchange has
    nothing. ``observed_type`` is the symbol's or position's margin type, None where there is none. ``wanted`` is the
    step a blocked entry would have had, for display. ``measure`` is the declared risk measure as observed, None without
    one or where it has no bound; ``wanted_margin`` the isolated margin that the band asks for, None where the margin
    stays; ``missing`` what the free balance lacks for the addition, None where it lacks nothing. ``hold`` is why it is
    held, None where it is not.
    """

    address: Address
    status: Status
    asset: str | None
    target: Target | None
    observed: Position | None
    observed_type: MarginType | None
    blocked_by: str | None = None
    reason: str = ""
    steps: tuple[Step, ...] = ()
    wanted: Step | None = None
    measure: Decimal | None = None
    wanted_margin: Decimal | None = None
    missing: Decimal | None = None
    hold: Hold | None = None

    @property
    def move(self) -> MoveMargin | None:
        """The margin step that it has or, blocked, would have had; None without one."""
        return next((step for step in (*self.steps, self.wanted) if isinstance(step, MoveMargin)), None)

    @property
    def is_below_floor(self) -> bool:
        """Whether its declared risk measure was observed below its floor."""
        band = None if self.target is None else self.target.band
        return band is not None and self.measure is not None and self.measure < band.bounds.floor


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanError:
    """An account-wide refusal or failure: CONTRACT section 4 ``errors``. ``limit`` and ``value`` are plain decimals."""

    key: str
    message: str
    asset: str | None = None
    limit: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LooserLimit:
    """A limit that allows more than it did at the account's last apply; values as a person reads them."""

    key: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPlan:
    """The plan of one account.

    ``observed`` is None when the account could not be read; then ``errors`` says why and ``exit_code`` is 1 (or 4).
    ``entries`` are in file order, unmanaged last; ``order`` lists step ids in the order they are to start.
    ``observed_wall_ms`` is the Unix time of the look, for display. ``looser`` are the limits that allow more than at
    the last apply, where a journal knows that. ``outside_scope`` is how many declared addresses the plan leaves out,
    because a target named others.
    """

    desired: DesiredAccount
    identity: str | None
    observed: ObservedAccount | None
    observed_wall_ms: int | None
    entries: tuple[Entry, ...] = ()
    order: tuple[str, ...] = ()
    available_after: Mapping[str, Decimal] = field(default_factory=dict)
    errors: tuple[PlanError, ...] = ()
    exit_code: int = 0
    looser: tuple[LooserLimit, ...] = ()
    outside_scope: int = 0

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps of entries that are to change, in the order they are to start."""
        changing = (entry for entry in self.entries if entry.status is Status.CHANGE)
        by_id = {step.step_id: step for entry in changing for step in entry.steps}
        return tuple(by_id[step_id] for step_id in self.order)


@dataclass(frozen=True, slots=True, kw_only=True)
class SinceCommit:
    """The accounts that ``--changed-since`` left out, because their files are as they were at ``commit``.

    ``deleted`` are state files of that commit that are gone now.
    """

    commit: str
    unchanged: tuple[str, ...]
    deleted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One invocation's plan over all its accounts. Times are Unix milliseconds.

    ``scope`` are the globs of ``--target`` that chose the addresses; empty for all that are declared. ``since`` tells
    which accounts are left out because their files did not change; None where that was not asked.
    """

    plan_id: str
    tool_version: str
    created_ms: int
    expires_ms: int
    git_commit: str | None
    overrides: Mapping[str, str]
    accounts: tuple[AccountPlan, ...]
    scope: tuple[str, ...] = ()
    since: SinceCommit | None = None


class OutcomeKind(StrEnum):
    """The outcome of a step at the end of a run."""

    # Of a step as planned, whatever became of its attempts: ``IntentStatus`` of the journal is that of one attempt.

    APPLIED = "applied"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """How one step ended. ``amount`` is what was really sent (None for a type change, or when nothing was sent);
    ``before``/``after`` are isolated margins (or margin types), None where not known; ``evidence`` is what proves the
    outcome; ``detail`` is for the person."""

    step_id: str
    address: Address
    action: str
    outcome: OutcomeKind
    amount: Decimal | None = None
    before: str | None = None
    after: str | None = None
    evidence: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledStep:
    """A step that an earlier run left without an outcome, and what this run found out about it.

    ``outcome`` is ``applied``, ``not_applied``, or ``released`` (out of the ledger's reach, so it is no longer held).
    ``amount`` is positive, None for a change of the margin type; ``before`` and ``after`` are margins or types;
    ``since`` is when the earlier run wrote its intent (RFC 3339).
    """

    address: Address
    action: str
    asset: str | None
    amount: Decimal | None
    outcome: str
    before: str
    after: str | None
    evidence: str
    since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountResult:
    """How one account ended. ``plan`` is what was to be done, ``remaining`` what still differs from the state file.

    ``converged`` is about everything that is declared, whatever the plan's scope; ``outside_differing`` is how many
    declared addresses outside the scope differ, None where that is not known. ``settled`` are steps of earlier runs.
    ``journal_head`` pins the account's journal; ``notes_head`` the notes beside it, where the run never held the
    journal.
    """

    plan: AccountPlan
    exit_code: int
    errors: tuple[PlanError, ...] = ()
    converged: bool = False
    state_file_checked: bool = True
    journal_head: str | None = None
    notes_head: str | None = None
    requests: Mapping[str, int] = field(default_factory=dict)
    steps: tuple[StepResult, ...] = ()
    remaining: tuple[Entry, ...] = ()
    settled: tuple[SettledStep, ...] = ()
    outside_differing: int | None = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one apply ended. Times are Unix milliseconds; ``scope`` as in a plan."""

    run_id: str
    plan_id: str
    started_ms: int
    finished_ms: int
    exit_code: int
    actor: str
    reason: str | None
    git_commit: str | None
    overrides: Mapping[str, str]
    accounts: tuple[AccountResult, ...]
    scope: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlan:
    """A plan read back from a file. ``digest`` is the one computed from what the file holds, ``sha256:…``."""

    plan: Plan
    digest: str
