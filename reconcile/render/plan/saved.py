"""A saved plan, read back: the JSON document becomes the plan it was made from, or is refused.

The digest is compared before anything is believed. It finds accidents and careless edits; against a forger there is the
digest that was reviewed (``--digest``). Positions come back without tiers and risk: who applies the plan looks again.
"""

import json
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from reconcile.errors import Declined, InputError, readable
from reconcile.model.account import (
    Address,
    ColdStart,
    DesiredAccount,
    MarginType,
    ObservedAccount,
    Percent,
    Policy,
    Position,
    Target,
    Tolerance,
)
from reconcile.model.auto_add import SetAutoAdd
from reconcile.model.holds import Hold
from reconcile.model.included import IncludedFile
from reconcile.model.jsontext import loads_whole
from reconcile.model.measures import Band, Thresholds
from reconcile.model.plan import (
    AccountPlan,
    Entry,
    LooserLimit,
    MoveMargin,
    Plan,
    PlanError,
    SavedPlan,
    SetMarginType,
    SinceCommit,
    Step,
)
from reconcile.money import ZERO, parse
from reconcile.render.common.json import digest_of
from reconcile.render.plan.json import PLAN_FORMAT, plan_document
from reconcile.render.plan.saved_checks import check_plan, check_text, check_written
from reconcile.render.schema.plan import (
    AccountPlanModel,
    AutoAddStepModel,
    BandModel,
    DesiredModel,
    EntryModel,
    MarginStepModel,
    ObservedModel,
    PlanModel,
    PolicyModel,
    SinceModel,
    StepModel,
    TypeStepModel,
)

MAX_ITEMS = 3_000_000
"""Values of one saved plan: those of a hundred thousand positions."""
_DOING = "reading the saved plan"


def loads_plan(text: str) -> SavedPlan:
    """The plan in a saved document.

    Raises Declined (key ``digest``) when it was changed after it was saved, and InputError when it is no plan at all.
    """
    document = _document(text)
    if document.get("digest") != digest_of(document):
        raise Declined("digest", f"{_DOING}: it was changed after it was saved; make a new plan and review that")
    try:
        check_text(document)
        model = PlanModel.model_validate(document)
        found = _plan(model)
        check_plan(found)
        check_written({**document, "digest": model.digest}, {**plan_document(found), "digest": model.digest})
        return SavedPlan(plan=found, digest=model.digest)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = readable(".".join(str(part) for part in first["loc"]), 200)
        raise InputError(f"{_DOING}: {place}: {first['msg']}; make a new plan with 'reconcile plan --out'") from error
    except ValueError as error:
        raise InputError(f"{_DOING}: {error}; make a new plan with 'reconcile plan --out'") from error


def _document(text: str) -> dict[str, Any]:
    try:
        if text.count(",") + text.count("[") + text.count("{") > MAX_ITEMS:
            raise ValueError(f"it holds more than {MAX_ITEMS} values")  # noqa: TRY301 - one text for all of them
        document = loads_whole(text)
        json.dumps(document)  # nested too deeply to be written is nested too deeply for all that follows
    except (ValueError, RecursionError) as error:
        raise InputError(f"{_DOING}: it is not JSON ({error}); save one with 'reconcile plan --out FILE'") from error
    found = document.get("format") if isinstance(document, dict) else None
    if not isinstance(document, dict) or found != PLAN_FORMAT:
        raise InputError(
            f"{_DOING}: its format is {str(found)[:60]!r}, not {PLAN_FORMAT!r}; save one with 'reconcile plan --out'"
        )
    return document


def _plan(model: PlanModel) -> Plan:
    return Plan(
        plan_id=model.plan_id,
        tool_version=model.tool_version,
        created_ms=model.created_at,
        expires_ms=model.expires_at,
        git_commit=model.git_commit,
        overrides=model.overrides,
        accounts=tuple(_account(account) for account in model.accounts),
        scope=model.scope,
        since=None if model.changed_since is None else _since(model.changed_since),
    )


def _since(model: SinceModel) -> SinceCommit:
    return SinceCommit(commit=model.commit, unchanged=model.unchanged, deleted=model.deleted)


def _account(model: AccountPlanModel) -> AccountPlan:
    entries = tuple(_entry(entry) for entry in model.entries)
    return AccountPlan(
        desired=_desired(model, entries),
        identity=model.identity,
        observed=_observed(model, entries),
        observed_wall_ms=model.observed_at,
        entries=entries,
        order=model.order,
        available_after=model.available_after,
        errors=tuple(
            PlanError(key=e.key, message=e.message, asset=e.asset, limit=e.limit, value=e.value) for e in model.errors
        ),
        exit_code=model.exit_code,
        outside_scope=model.outside_scope,
        looser=tuple(LooserLimit(key=each.key, before=each.before, after=each.after) for each in model.looser),
    )


def _desired(model: AccountPlanModel, entries: tuple[Entry, ...]) -> DesiredAccount:
    return DesiredAccount(
        name=model.account,
        exchange=model.exchange,
        position_mode=model.position_mode,
        endpoint=model.endpoint,
        product=model.product,
        region=model.region,
        credentials=model.credentials,
        targets=tuple(entry.target for entry in entries if entry.target is not None),
        policy=_policy(model.policy),
        amount_step=model.amount_step,
        grace_ms=model.grace_ms,
        cold_start=model.cold_start or ColdStart.WAIT,
        path=model.state_file,
        sha256=model.state_sha256,
        templates=tuple(map(_template, model.templates)),
        includes=tuple(IncludedFile(path=path, sha256=sha256) for path, sha256 in model.includes.items()),
    )


def _policy(model: PolicyModel) -> Policy:
    return Policy(
        allow_reduce=model.allow_reduce,
        min_liquidation_distance=_percent(model.min_liquidation_distance),
        max_margin=_percent(model.max_margin) if isinstance(model.max_margin, str) else model.max_margin,
        max_add=model.max_add,
        max_total_add=model.max_total_add,
        max_total_reduce=model.max_total_reduce,
        max_changes=model.max_changes,
        min_available=model.min_available,
        unmanaged=model.unmanaged,
        when_short=model.when_short,
        max_day_add=model.max_day_add,
        max_day_changes=model.max_day_changes,
    )


def _percent(text: str | None) -> Percent | None:
    return None if text is None else Percent(value=parse(text.removesuffix("%")))


def _observed(model: AccountPlanModel, entries: tuple[Entry, ...]) -> ObservedAccount | None:
    if model.observed_at is None:
        return None
    return ObservedAccount(
        sent_at_ms=model.observed_at,
        position_mode=model.position_mode,
        uid=model.account_uid,
        multi_assets=False,
        account_block=None,
        available=model.available,
        positions={entry.address: entry.observed for entry in entries if entry.observed is not None},
        symbols={},
    )


def _entry(model: EntryModel) -> Entry:
    address = Address.parse(model.address)
    asset = model.asset or ""
    tolerance = model.desired.tolerance if model.desired and model.desired.tolerance is not None else ZERO
    return Entry(
        address=address,
        status=model.status,
        asset=model.asset,
        target=None if model.desired is None else _target(address, model.desired),
        observed=None if model.observed is None else _position(address, asset, model.observed),
        observed_type=None if model.observed is None else model.observed.margin_type,
        blocked_by=model.blocked_by,
        reason=model.reason,
        steps=tuple(_step(address, asset, tolerance, step) for step in model.steps),
        wanted=None if model.wanted is None else _step(address, asset, tolerance, model.wanted),
        measure=None if model.observed is None else model.observed.measure,
        wanted_margin=model.wanted_margin,
        missing=model.missing,
        hold=_hold(model),
    )


def _hold(model: EntryModel) -> Hold | None:
    """None also for a held entry that an earlier version wrote."""
    if model.held_by is None:
        return None
    return Hold(reason=model.reason, by=model.held_by, until_ms=model.held_until)


def _target(address: Address, model: DesiredModel) -> Target:
    return Target(
        address=address,
        margin_type=model.margin_type,
        isolated_margin=model.isolated_margin,
        tolerance=Tolerance(value=model.tolerance or ZERO, percent=False),
        band=None if model.measure is None else _band(model.measure),
        template=model.template,
        auto_add=model.auto_add,
    )


def _template(name: str) -> Target:
    """A template by its name alone, which tells what it matches; the entries hold what it declares."""
    tolerance = Tolerance(value=ZERO, percent=False)
    address = Address.parse(name)
    return Target(address=address, margin_type=MarginType.ISOLATED, isolated_margin=None, tolerance=tolerance)


def _band(model: BandModel) -> Band:
    return Band(
        measure=model.name,
        bounds=Thresholds(floor=model.floor, target=model.target, ceiling=model.ceiling),
        at_most=model.at_most,
        at_least=model.at_least,
        rounding=model.rounding,
    )


def _position(address: Address, asset: str, model: ObservedModel) -> Position:
    return Position(
        address=address,
        asset=asset,
        margin_type=model.margin_type or MarginType.CROSSED,
        isolated_margin=model.isolated_margin,
        size=model.position,
        mark_price=model.mark_price,
        liquidation_price=model.liquidation_price,
        auto_add=model.auto_add,
    )


def _step(address: Address, asset: str, tolerance: Decimal, model: StepModel) -> Step:
    match model:
        case TypeStepModel():
            return SetMarginType(step_id=model.step_id, address=address, before=model.before, after=model.after)
        case AutoAddStepModel():
            return SetAutoAdd(step_id=model.step_id, address=address, before=model.before, after=model.after)
        case MarginStepModel():
            return MoveMargin(
                step_id=model.step_id,
                address=address,
                asset=asset,
                amount=model.amount,
                before=model.before,
                after=model.after,
                tolerance=tolerance,
                action=model.action,
                liquidation_price_before=model.liquidation_price_before,
                liquidation_price_after=model.liquidation_price_after,
                liquidation_distance_before=model.liquidation_distance_before,
                liquidation_distance_after=model.liquidation_distance_after,
                measure_before=model.measure_before,
                measure_after=model.measure_after,
                ceiling=model.ceiling,
            )
