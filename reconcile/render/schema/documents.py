"""The published JSON documents as pydantic models: one source for their JSON Schemas and for reading a saved plan.

A reader accepts fields that it does not know, because fields are added within a format version. It checks all known
fields strictly: amounts are decimal strings, times are RFC 3339 with a zone. The module is long because it is one list:
every field of every document, and nothing else.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from reconcile.errors import InputError
from reconcile.model.account import ColdStart, MarginType, PositionMode, Unmanaged, WhenShort
from reconcile.model.auto_add import AutoAdd
from reconcile.model.doctor import CheckVerdict
from reconcile.model.measures import Measure
from reconcile.model.plan import OutcomeKind, Status
from reconcile.render.schema import audit
from reconcile.render.schema.types import Amount, Count, ExitCode, Model, Share, Time


class ErrorModel(Model):
    """Something that stopped an account, or refused it."""

    key: str
    message: str
    asset: str | None
    limit: str | None
    value: str | None


class PolicyModel(Model):
    """The limits in force; what is left out is not limited."""

    allow_reduce: bool = False
    min_liquidation_distance: Share | None = None
    max_margin: Share | Amount | dict[str, Amount] | None = None
    max_add: Amount | dict[str, Amount] | None = None
    max_total_add: Amount | dict[str, Amount] | None = None
    max_total_reduce: Amount | dict[str, Amount] | None = None
    max_changes: Count | None = None
    min_available: Amount | dict[str, Amount] | None = None
    unmanaged: Unmanaged = Unmanaged.REPORT
    when_short: WhenShort = WhenShort.REFUSE
    max_day_add: Amount | dict[str, Amount] | None = None
    max_day_changes: Count | None = None


class BandModel(Model):
    """A declared risk measure and its bounds: shares are parts of one, amounts in the margin asset."""

    name: Measure
    floor: Amount
    target: Amount
    ceiling: Amount | None
    at_most: Amount
    at_least: Amount
    rounding: Amount | dict[str, Amount] | None


Template = Annotated[str, Field(max_length=80, pattern=r"^[^.]*\*[^.]*\.(long|short|net)$")]
"""The key of a template: a symbol with ``*``, and a side."""


class DesiredModel(Model):
    """What the state file declares; ``tolerance`` is an amount."""

    margin_type: MarginType
    isolated_margin: Amount | None
    tolerance: Amount | None
    measure: BandModel | None = None
    template: Template | None = None
    auto_add: bool | None = None


class ObservedModel(Model):
    """What the exchange showed."""

    margin_type: MarginType | None
    isolated_margin: Amount
    position: Amount
    mark_price: Amount | None
    liquidation_price: Amount | None
    measure: Amount | None = None
    auto_add: bool = False


class TypeStepModel(Model):
    """An absolute step."""

    step_id: str
    action: Literal["set_margin_type"]
    before: MarginType = Field(alias="from")
    after: MarginType = Field(alias="to")


class AutoAddStepModel(Model):
    """An absolute step: whether the exchange adds margin to a position by itself."""

    step_id: str
    action: Literal["set_auto_add"]
    before: AutoAdd = Field(alias="from")
    after: AutoAdd = Field(alias="to")


class MarginStepModel(Model):
    """A relative step; ``amount`` is positive and a ceiling."""

    step_id: str
    action: Literal["add_margin", "reduce_margin"]
    amount: Annotated[Amount, Field(gt=0)]
    before: Amount
    after: Amount
    liquidation_price_before: Amount | None = None
    liquidation_price_after: Amount | None
    liquidation_distance_before: Amount | None = None
    liquidation_distance_after: Amount | None
    measure_before: Amount | None = None
    measure_after: Amount | None = None
    ceiling: Amount | None = None


StepModel = Annotated[TypeStepModel | AutoAddStepModel | MarginStepModel, Field(discriminator="action")]


class EntryModel(Model):
    """One line of a plan."""

    address: str
    status: Status
    blocked_by: str | None
    reason: str
    asset: str | None
    desired: DesiredModel | None
    observed: ObservedModel | None
    steps: tuple[StepModel, ...]
    wanted: StepModel | None = None
    wanted_margin: Amount | None = None
    missing: Amount | None = None
    held_by: str | None = None
    held_until: Time | None = None


Hashes = dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]]
"""SHA-256 of files, by path."""


class LooserModel(Model):
    """A limit that allows more than it did at the account's last apply."""

    key: str
    before: str
    after: str


class AccountPlanModel(Model):
    """One account of a plan."""

    account: str
    exchange: str
    product: str | None
    endpoint: str
    region: str | None = None
    credentials: str
    account_uid: str | None
    identity: str | None
    position_mode: PositionMode
    amount_step: Amount | None
    grace_ms: Count | None
    cold_start: ColdStart | None = None
    policy: PolicyModel
    looser: tuple[LooserModel, ...] = ()
    exit_code: ExitCode
    errors: tuple[ErrorModel, ...]
    state_file: str
    state_sha256: str
    includes: Hashes = Field(default={})
    templates: tuple[Template, ...] = ()
    observed_at: Time | None
    available: dict[str, Amount]
    available_after: dict[str, Amount]
    order: tuple[str, ...]
    entries: tuple[EntryModel, ...]
    outside_scope: Annotated[Count, Field(ge=0)] = 0


class SummaryModel(Model):
    """Counts by status and sums by asset."""

    change: int
    in_sync: int
    blocked: int
    waiting: int
    held: int
    unmanaged: int
    add: dict[str, Amount]
    reduce: dict[str, Amount]


class SinceModel(Model):
    """What ``--changed-since`` left out: accounts with unchanged files, and state files that are deleted now."""

    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
    unchanged: tuple[str, ...]
    deleted: tuple[str, ...]


class PlanModel(Model):
    """``reconcile.plan/1``."""

    format: Literal["reconcile.plan/1"]
    plan_id: str
    tool_version: str
    created_at: Time
    expires_at: Time
    git_commit: str | None
    overrides: dict[str, str]
    scope: tuple[str, ...] = ()
    changed_since: SinceModel | None = None
    accounts: tuple[AccountPlanModel, ...]
    summary: SummaryModel
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class ScopeModel(Model):
    """How much of one account a saved plan is about: ``targets`` as typed (none: all), ``outside`` of it by count."""

    account: str
    targets: tuple[str, ...]
    positions: Count
    steps: Count
    outside: Count


class ShowModel(Model):
    """``reconcile.show/1``: a saved plan, and what a person needs to go on with it."""

    format: Literal["reconcile.show/1"]
    file: str
    digest: str
    expires_at: Time
    expired: bool
    read_at: Time
    scope: tuple[ScopeModel, ...]
    next_command: str | None
    plan: PlanModel


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


class UnsettledModel(Model):
    """A step whose outcome is open."""

    address: str
    outcome: str
    amount: Amount | None
    action: str
    since: Time
    resolvable_at: Time | None
    evidence: str = ""
    held_by: str
    held_until: Time | None


class AccountStatusModel(Model):
    """One account of a status."""

    account: str
    exit_code: ExitCode
    errors: tuple[ErrorModel, ...]
    lock: dict[str, str] | None
    unsettled: tuple[UnsettledModel, ...]
    held: tuple[str, ...]
    journal_head: str | None
    frozen: str | None


class StatusModel(Model):
    """``reconcile.status/1``."""

    format: Literal["reconcile.status/1"]
    accounts: tuple[AccountStatusModel, ...]


class CheckModel(Model):
    """One check of a doctor; ``advice`` is null where nothing is to be done."""

    check: str
    verdict: CheckVerdict
    finding: str
    advice: str | None


class AccountCheckupModel(Model):
    """One account of a doctor."""

    account: str
    exchange: str
    endpoint: str
    state_file: str
    exit_code: ExitCode
    checks: tuple[CheckModel, ...]


class DoctorModel(Model):
    """``reconcile.doctor/1``."""

    format: Literal["reconcile.doctor/1"]
    exit_code: ExitCode
    runner: tuple[CheckModel, ...]
    accounts: tuple[AccountCheckupModel, ...]


class CauseModel(Model):
    """What one cause did; ``at`` is when it last did, where that says something."""

    cause: str
    amount: Amount
    at: Time | None = None


class DriftEntryModel(Model):
    """One address; ``drift`` is observed minus expected, and what its causes add up to.

    ``held`` says why nothing can be concluded from what was observed, null where it can.
    """

    address: str
    asset: str
    baseline: Literal["applied", "declared"]
    expected: Amount
    observed: Amount
    drift: Amount
    tolerance: Amount
    beyond_tolerance: bool
    held: str | None
    held_by: str | None
    held_until: Time | None
    left_band: str | None = None
    causes: tuple[CauseModel, ...]


class NotComparedModel(Model):
    """A declared address without a drift to tell; ``blocked_by`` is null where there is nothing to compare.

    ``held`` is as for a drift.
    """

    address: str
    blocked_by: Literal["instrument", "unusable"] | None
    reason: str
    held: str | None
    held_by: str | None
    held_until: Time | None


class AccountDriftModel(Model):
    """One account of a drift."""

    account: str
    exit_code: ExitCode
    errors: tuple[ErrorModel, ...]
    observed_at: Time | None
    entries: tuple[DriftEntryModel, ...]
    not_compared: tuple[NotComparedModel, ...] = ()


class DriftModel(Model):
    """``reconcile.drift/1``."""

    format: Literal["reconcile.drift/1"]
    accounts: tuple[AccountDriftModel, ...]


class FateModel(Model):
    """One open isolated position in a rehearsal."""

    address: str
    asset: str
    mark_before: Amount
    margin_before: Amount
    margin_after: Amount
    liquidated_at: Amount | None
    stopped_by: str | None


class PathsModel(Model):
    """Many price paths: how many lost which address, and the free balance that they need at most."""

    paths: Count
    with_liquidations: Count
    liquidations: dict[str, Count]
    needed: dict[str, Amount]
    worst: Amount


class AccountRehearsalModel(Model):
    """One account under a shock; ``shock`` is null where it could not be read."""

    account: str
    exit_code: ExitCode
    errors: tuple[ErrorModel, ...]
    shock: Amount | None
    positions: tuple[FateModel, ...]
    available: dict[str, Amount]
    added: dict[str, Amount]
    needed: dict[str, Amount]
    paths: PathsModel | None


class RehearsalModel(Model):
    """``reconcile.rehearsal/1``."""

    format: Literal["reconcile.rehearsal/1"]
    accounts: tuple[AccountRehearsalModel, ...]


class ObservedSymbolModel(Model):
    """What belongs to a symbol in a saved observation."""

    symbol: str
    asset: str
    margin_type: Literal["isolated", "crossed"] | None
    open_orders: bool | None


class ObservedPositionModel(Model):
    """One position slot as it was read; ``risk`` has the numbers of the exchange's own formula and its name."""

    address: str
    asset: str
    margin_type: Literal["isolated", "crossed"]
    isolated_margin: Amount
    position: Amount
    mark_price: Amount | None
    liquidation_price: Amount | None
    notional: Amount
    auto_add: bool
    identity: str | None
    risk: dict[str, Any] | None


class ObservedAccountModel(Model):
    """One account as it was read."""

    account: str
    exchange: str
    product: str | None
    observed_at: Time
    position_mode: Literal["hedge", "one-way"]
    account_uid: str | None
    multi_assets: bool
    account_block: str | None
    available: dict[str, Amount]
    unknown_balances: tuple[str, ...]
    symbols: tuple[ObservedSymbolModel, ...]
    instruments: tuple[str, ...]
    positions: tuple[ObservedPositionModel, ...]
    unusable: dict[str, str]


class ObservationModel(Model):
    """``reconcile.observation/1``: accounts as they were read, for ``rehearse --from``."""

    format: Literal["reconcile.observation/1"]
    accounts: tuple[ObservedAccountModel, ...]


class ResolveModel(Model):
    """``reconcile.resolve/1``: a person's word about one step."""

    format: Literal["reconcile.resolve/1"]
    account: str
    address: str
    said: Literal["applied", "not-applied"] = Field(alias="as")
    reason: str
    journal_head: str


class WatchModel(Model):
    """``reconcile.watch/1``: one line of a watch; a change of state where ``to`` is not null, else a deed."""

    format: Literal["reconcile.watch/1"]
    at: Time
    kind: str
    account: str | None
    address: str | None
    before: str | None = Field(alias="from")
    after: str | None = Field(alias="to")
    message: str


class NewsModel(WatchModel):
    """``reconcile.news/1``: one piece of news that ``watch --notify`` delivers; ``id`` is the same in every try."""

    format: Literal["reconcile.news/1"]  # type: ignore[assignment]
    id: str
    host: str
    actor: str


class SettingModel(Model):
    """A limit or default in force of a state file that includes others, as written, and where it stands."""

    key: str
    value: str
    file: str
    line: int


class CheckedModel(Model):
    """One state file that is right."""

    account: str
    exchange: str
    endpoint: str
    state_file: str
    state_sha256: str
    includes: Hashes = Field(default={})
    settings: tuple[SettingModel, ...] = ()
    declared: int
    exit_code: ExitCode
    errors: tuple[()]


class ProblemModel(Model):
    """What stopped a command, or may be a mistake; ``file`` and ``line`` where it has a place."""

    key: str
    message: str
    file: str | None
    line: int | None


class ValidateModel(Model):
    """``reconcile.validate/1``: every state file was right."""

    format: Literal["reconcile.validate/1"]
    exit_code: ExitCode
    accounts: tuple[CheckedModel, ...]
    errors: tuple[()]
    warnings: tuple[ProblemModel, ...] = ()


class FreezeModel(Model):
    """One freeze that is in force."""

    reason: str
    actor: str
    at: Time


class BrakeModel(Model):
    """``reconcile.brake/1``: what was frozen or lifted; ``account`` is ``*`` with ``--all``."""

    format: Literal["reconcile.brake/1"]
    command: Literal["freeze", "unfreeze"]
    account: str
    reason: str
    actor: str
    frozen: dict[str, FreezeModel]
    still_frozen: str | None
    journal_head: str | None


class FailureModel(Model):
    """``reconcile.error/1``: no account was reached."""

    format: Literal["reconcile.error/1"]
    exit_code: ExitCode
    accounts: tuple[()]
    errors: tuple[ProblemModel, ...]


MODELS: dict[str, type[BaseModel]] = {
    "plan": PlanModel,
    "show": ShowModel,
    "result": ResultModel,
    "drift": DriftModel,
    "rehearsal": RehearsalModel,
    "observation": ObservationModel,
    "status": StatusModel,
    "doctor": DoctorModel,
    "resolve": ResolveModel,
    "watch": WatchModel,
    "news": NewsModel,
    "validate": ValidateModel,
    "error": FailureModel,
    "brake": BrakeModel,
    **audit.MODELS,
}
"""The documents that have a published schema, by the name ``reconcile schema --of`` knows them by."""


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a document; raises InputError for a name that is not in ``MODELS``."""
    if name not in MODELS:
        raise InputError(f"writing a schema: there is none of {name!r}; choose one of {', '.join(MODELS)}")
    generated = MODELS[name].model_json_schema(mode="validation", by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **generated}
