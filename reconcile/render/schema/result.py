"""The result of an apply."""

from typing import Literal

from reconcile.model.plan import OutcomeKind
from reconcile.render.schema.plan import EntryModel, ErrorModel
from reconcile.render.schema.types import Amount, Count, ExitCode, Model, Time


class StepResultModel(Model):
    """How one step ended; ``amount`` is what was really sent."""

    step_id: str
    address: str
    action: Literal["set_margin_type", "set_auto_add", "add_margin", "reduce_margin"]
    amount: Amount | None
    outcome: OutcomeKind
    before: str | None
    after: str | None
    evidence: str
    detail: str


class SettledModel(Model):
    """A step that an earlier run left without an outcome, and what this run found out about it."""

    address: str
    action: Literal["set_margin_type", "set_auto_add", "add_margin", "reduce_margin"]
    amount: Amount | None
    outcome: Literal["applied", "not_applied", "released"]
    before: str
    after: str | None
    evidence: str
    since: Time


class AccountResultModel(Model):
    """One account of a result."""

    account: str
    exit_code: ExitCode
    errors: tuple[ErrorModel, ...]
    converged: bool
    state_file_checked: bool
    journal_head: str | None
    notes_head: str | None
    requests: dict[str, int]
    steps: tuple[StepResultModel, ...]
    remaining: tuple[EntryModel, ...]
    settled: tuple[SettledModel, ...]
    outside_scope: Count
    outside_differing: Count | None


class ResultModel(Model):
    """``reconcile.result/1``."""

    format: Literal["reconcile.result/1"]
    run_id: str
    plan_id: str
    started_at: Time
    finished_at: Time
    exit_code: ExitCode
    actor: str
    reason: str | None
    git_commit: str | None
    overrides: dict[str, str]
    scope: tuple[str, ...]
    accounts: tuple[AccountResultModel, ...]
