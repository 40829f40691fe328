"""The documents of ``reconcile audit`` as pydantic models: the source of their JSON Schemas.

What a journal of an older version did not record is null or an empty text.
"""

from typing import Any, Literal

from pydantic import BaseModel, Field

from reconcile.model.measures import Measure
from reconcile.render.schema.types import Amount, Count, ExitCode, Model, Time


class LogRowModel(Model):
    """One row of the log; ``amount`` is signed, and a field that says nothing is an empty text."""

    at: Time
    account: str
    identity: str
    run_id: str
    actor: str
    command: str
    what: str
    outcome: str
    address: str
    amount: str
    asset: str
    before: str
    after: str
    detail: str
    reason: str
    host: str
    git_commit: str
    plan_id: str
    digest: str


class LogModel(Model):
    """``reconcile.audit.log/1``: every step, refusal and decision, oldest first."""

    format: Literal["reconcile.audit.log/1"]
    rows: tuple[LogRowModel, ...]


class MovementModel(Model):
    """One movement of margin; ``change`` is null where its outcome is not known, ``clock`` says whose ``at`` is.

    ``run_id`` and ``host`` are of the run that sent it or, for what was not ours, that noticed it.
    """

    at: Time
    clock: Literal["exchange", "runner"]
    account: str
    identity: str
    address: str
    asset: str | None
    cause: str
    change: Amount | None
    asked: Amount | None
    before: str | None
    after: str | None
    outcome: str | None
    actor: str | None
    reason: str | None
    run_id: str | None
    host: str | None
    git_commit: str | None
    plan_id: str | None
    digest: str | None
    detail: str | None


class TotalModel(Model):
    """What one cause and actor moved of one asset; ``unclear`` movements are in no sum."""

    cause: str
    actor: str | None
    asset: str
    added: Amount
    removed: Amount
    net: Amount
    movements: Count
    unclear: Count


class MovementsModel(Model):
    """``reconcile.audit.movements/1``: every movement, ours or not, and the totals."""

    format: Literal["reconcile.audit.movements/1"]
    movements: tuple[MovementModel, ...]
    totals: tuple[TotalModel, ...]


class StepTakenModel(Model):
    """One step of a run, with its answer, outcome and evidence; ``line`` is that of its intent in the journal."""

    intent_id: str
    step_id: str
    run_id: str
    line: Count
    address: str
    action: str
    asset: str | None
    before: str
    amount: Amount | None
    wanted: str
    requested_at: Time
    signed_at: Time
    fence: Time
    answer: str
    outcome: str
    effect_at: Time | None
    evidence: str
    ledger_row: str | None
    after: str | None
    ended_at: Time | None
    settled_by: str | None


class NoteModel(Model):
    """Something else that a run journalled; ``details`` are as the journal has them."""

    at: Time
    what: str
    details: dict[str, Any]


class OurShareModel(Model):
    """One of our steps that counts in what moved."""

    intent_id: str
    amount: Amount


class CauseShareModel(Model):
    """What one cause moved."""

    cause: str
    amount: Amount
    at: Time | None


class MovedModel(Model):
    """What moved at one address since the run before; ``from`` and ``to`` are null without an isolated position."""

    before: Amount | None = Field(alias="from")
    after: Amount | None = Field(alias="to")
    asset: str
    ours: tuple[OurShareModel, ...]
    causes: tuple[CauseShareModel, ...]


class LiveModel(Model):
    """An open isolated position as the run saw it last."""

    isolated_margin: Amount
    asset: str
    mark_price: Amount | None
    liquidation_price: Amount | None


class MeasureModel(Model):
    """The bounds of a declared risk measure; shares are parts of one, covers are multiples."""

    name: Measure
    floor: Amount
    target: Amount
    ceiling: Amount | None


class RunAccountModel(Model):
    """What one run did on one account."""

    account: str
    identity: str
    command: str
    lines: tuple[Count, Count]
    started_at: Time
    finished_at: Time | None
    outcome: Literal["refused", "cut_off", "error", "interrupted", "done"]
    refused: str | None
    exit_code: ExitCode | None
    errors: tuple[str, ...]
    actor: str | None
    reason: str | None
    host: str | None
    tool_version: str | None
    git_commit: str | None
    state_file: str | None
    state_sha256: str | None
    includes: dict[str, str] = Field(default={})
    plan_id: str | None
    digest: str | None
    exchange: str | None
    endpoint: str | None
    product: str | None
    position_mode: str | None
    scope: tuple[str, ...]
    policy: dict[str, Any]
    overrides: dict[str, str]
    steps: tuple[StepTakenModel, ...]
    settled: tuple[StepTakenModel, ...]
    notes: tuple[NoteModel, ...]
    declared: dict[str, Amount]
    measures: dict[str, MeasureModel] = Field(default={})
    moved: dict[str, MovedModel] | None
    moved_problem: str
    live: dict[str, LiveModel] | None
    live_at: Time | None


class RunModel(Model):
    """``reconcile.audit.run/1``: one run on every account that it had in work."""

    format: Literal["reconcile.audit.run/1"]
    run_id: str | None
    accounts: tuple[RunAccountModel, ...]


class DiffMovementModel(Model):
    """One movement between two moments."""

    at: Time
    cause: str
    change: Amount | None
    run_id: str | None
    outcome: str
    detail: str


class DiffAddressModel(Model):
    """One address at two moments; the movements between add up."""

    address: str
    asset: str
    before: Amount | None
    after: Amount | None
    movements: tuple[DiffMovementModel, ...]


class DiffAccountModel(Model):
    """One account at two moments; ``to`` is a run's id or ``live``."""

    account: str
    identity: str
    start: str = Field(alias="from")
    end: str = Field(alias="to")
    from_at: Time
    to_at: Time
    problem: str
    addresses: tuple[DiffAddressModel, ...]


class DiffModel(Model):
    """``reconcile.audit.diff/1``: an account after one run and after another, or now."""

    format: Literal["reconcile.audit.diff/1"]
    accounts: tuple[DiffAccountModel, ...]


class ChainModel(Model):
    """Whether one journal's chain holds; ``pinned`` is the head that it was compared with."""

    account: str
    identity: str
    good: bool
    records: Count
    head: str | None
    pinned: str | None
    bad_line: Count | None
    message: str


class VerifyModel(Model):
    """``reconcile.audit.verify/1``: also what ``audit head`` shows."""

    format: Literal["reconcile.audit.verify/1"]
    good: bool
    journals: tuple[ChainModel, ...]


class ReportModel(Model):
    """``reconcile.audit.report/1``: which page was written."""

    format: Literal["reconcile.audit.report/1"]
    html: str
    accounts: tuple[str, ...]
    at: Time


MODELS: dict[str, type[BaseModel]] = {
    "audit.log": LogModel,
    "audit.movements": MovementsModel,
    "audit.run": RunModel,
    "audit.diff": DiffModel,
    "audit.verify": VerifyModel,
    "audit.report": ReportModel,
}
"""The documents by the name that ``reconcile schema --of`` knows them by."""
