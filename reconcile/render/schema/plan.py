"""A plan, and a saved plan as ``reconcile show`` prints it."""

from typing import Annotated, Literal

from pydantic import Field

from reconcile.model.account import ColdStart, MarginType, PositionMode, Unmanaged, WhenShort
from reconcile.model.auto_add import AutoAdd
from reconcile.model.measures import Measure
from reconcile.model.plan import Status
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
