"""A plan as a JSON document (docs/contract.md has the fields).

Amounts are strings in plain notation, times RFC 3339 in UTC. Output is pure ASCII and its keys keep a stable order, so
the same plan is always the same text. A plan carries its own digest: SHA-256 over its canonical JSON (keys sorted, no
white space) without the digest. Computed prices and distances are for people and have 20 digits at most.
"""

from collections.abc import Mapping
from decimal import Context, Decimal

from reconcile.model.account import Position, Target
from reconcile.model.auto_add import SetAutoAdd
from reconcile.model.plan import AccountPlan, Entry, MoveMargin, Plan, SetMarginType, SinceCommit, Status, Step
from reconcile.money import ZERO, plain, writable
from reconcile.render.common import limits
from reconcile.render.common.json import Document, amount_or_none, digest_of, error_list, held_fields
from reconcile.render.common.values import rfc3339, summarize
from reconcile.render.plan import measures

PLAN_FORMAT = "reconcile.plan/1"
_COMPUTED = Context(prec=20)


def plan_document(plan: Plan) -> Document:
    """A plan as its document, digest included; what ``--out`` saves and ``saved.loads_plan`` reads back."""
    summary = summarize(plan.accounts)
    document: Document = {
        "format": PLAN_FORMAT,
        "plan_id": plan.plan_id,
        "tool_version": plan.tool_version,
        "created_at": rfc3339(plan.created_ms),
        "expires_at": rfc3339(plan.expires_ms),
        "git_commit": plan.git_commit,
        "overrides": dict(plan.overrides),
        "scope": list(plan.scope),
        "changed_since": _since(plan.since),
        "accounts": [_account(account) for account in plan.accounts],
        "summary": {
            **{status.value: summary.counts[status] for status in Status},
            "add": _amounts(summary.add),
            "reduce": _amounts(summary.reduce),
        },
    }
    document["digest"] = digest_of(document)
    return document


def _since(since: SinceCommit | None) -> Document | None:
    if since is None:
        return None
    return {"commit": since.commit, "unchanged": list(since.unchanged), "deleted": list(since.deleted)}


def _account(account: AccountPlan) -> Document:
    desired = account.desired
    observed = account.observed
    looked = account.observed_wall_ms
    return {
        "account": desired.name,
        "exchange": desired.exchange,
        "product": desired.product,
        "endpoint": desired.endpoint,
        "region": desired.region,
        "credentials": desired.credentials,
        "account_uid": None if observed is None else observed.uid,
        "identity": account.identity,
        "position_mode": desired.position_mode.value,
        "amount_step": amount_or_none(desired.amount_step),
        "grace_ms": desired.grace_ms,
        "cold_start": desired.cold_start.value,
        "policy": limits.policy(desired.policy),
        "looser": [{"key": each.key, "before": each.before, "after": each.after} for each in account.looser],
        "exit_code": account.exit_code,
        "errors": error_list(account.errors),
        "state_file": desired.path,
        "state_sha256": desired.sha256,
        **limits.includes(desired),
        **({"templates": [str(each.address) for each in desired.templates]} if desired.templates else {}),
        "observed_at": None if looked is None else rfc3339(looked),
        "available": {} if observed is None else _amounts(observed.available),
        "available_after": _amounts(account.available_after),
        "order": list(account.order),
        "outside_scope": account.outside_scope,
        "entries": [entry_document(entry) for entry in account.entries],
    }


def entry_document(entry: Entry) -> Document:
    """One line of a plan.

    It has ``measure`` and ``wanted_margin`` only if a risk measure is declared, and ``missing`` only if the free
    balance falls short. A held entry has ``held_by`` and ``held_until``.
    """
    document = {**_entry(entry), **({} if entry.hold is None else held_fields(entry.hold))}
    measures.add(document, entry)
    return document


def _entry(entry: Entry) -> Document:
    return {
        "address": str(entry.address),
        "status": entry.status.value,
        "blocked_by": entry.blocked_by,
        "reason": entry.reason,
        "asset": entry.asset,
        "desired": None if entry.target is None else _desired(entry, entry.target),
        "observed": _observed(entry, entry.observed),
        "steps": [_step(step) for step in entry.steps],
        "wanted": None if entry.wanted is None else _step(entry.wanted),
    }


def _desired(entry: Entry, target: Target) -> Document:
    margin = target.isolated_margin
    told = {"template": target.template, "auto_add": target.auto_add}
    more = {name: value for name, value in told.items() if value is not None}
    if target.band is not None:
        step = next((step for step in (*entry.steps, entry.wanted) if isinstance(step, MoveMargin)), None)
        margin_now = ZERO if entry.observed is None else entry.observed.isolated_margin
        tolerance = target.tolerance.amount(margin_now, entry.asset) if step is None else step.tolerance
        return {
            "margin_type": target.margin_type.value,
            "isolated_margin": None,
            "tolerance": amount_or_none(writable(tolerance)),
            "measure": measures.document(target.band),
            **more,
        }
    return {
        "margin_type": target.margin_type.value,
        "isolated_margin": amount_or_none(margin),
        "tolerance": None if margin is None else amount_or_none(writable(target.tolerance.amount(margin, entry.asset))),
        **more,
    }


def _observed(entry: Entry, position: Position | None) -> Document | None:
    if position is None and entry.observed_type is None:
        return None
    return {
        "margin_type": None if entry.observed_type is None else entry.observed_type.value,
        "isolated_margin": plain(ZERO if position is None else position.isolated_margin),
        "position": plain(ZERO if position is None else position.size),
        "mark_price": None if position is None else amount_or_none(position.mark_price),
        "liquidation_price": None if position is None else amount_or_none(position.liquidation_price),
        **({"auto_add": True} if position is not None and position.auto_add else {}),
    }


def _step(step: Step) -> Document:
    if isinstance(step, SetMarginType | SetAutoAdd):
        return {
            "step_id": step.step_id,
            "action": step.action,
            "from": step.before.value,
            "to": step.after.value,
        }
    return {
        "step_id": step.step_id,
        "action": step.action,
        "amount": plain(step.amount),
        "before": plain(step.before),
        "after": plain(step.after),
        "liquidation_price_before": _computed(step.liquidation_price_before),
        "liquidation_price_after": _computed(step.liquidation_price_after),
        "liquidation_distance_before": _computed(step.liquidation_distance_before),
        "liquidation_distance_after": _computed(step.liquidation_distance_after),
    }


def _computed(value: Decimal | None) -> str | None:
    short = None if value is None else writable(_COMPUTED.plus(value))
    return amount_or_none(short)


def _amounts(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {asset: plain(amount) for asset, amount in sorted(amounts.items())}
