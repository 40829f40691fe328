"""The published JSON documents as pydantic models: one source for their JSON Schemas and for reading a saved plan.

A reader accepts fields that it does not know, because fields are added within a format version. It checks all known
fields strictly: amounts are decimal strings, times are RFC 3339 with a zone.
"""

from typing import Any, Literal

from pydantic import BaseModel, Field

from reconcile.errors import InputError
from reconcile.model.doctor import CheckVerdict
from reconcile.render.schema import audit
from reconcile.render.schema.drift import DriftModel
from reconcile.render.schema.observation import ObservationModel
from reconcile.render.schema.plan import ErrorModel, Hashes, PlanModel, ShowModel
from reconcile.render.schema.result import ResultModel
from reconcile.render.schema.types import Amount, Count, ExitCode, Model, Time


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
    held_by: str | None
    held_until: Time | None


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
