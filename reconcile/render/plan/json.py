"""Plans, results and states as JSON documents, each with its format version (docs/contract.md has the fields).

Amounts are strings in plain notation, times RFC 3339 in UTC. Output is pure ASCII and its keys keep a stable order, so
the same plan is always the same text. A plan carries its own digest: SHA-256 over its canonical JSON (keys sorted, no
white space) without the digest. Computed prices and distances are for people and have 20 digits at most.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from typing import Any

from reconcile.model.account import Position, Target
from reconcile.model.auto_add import SetAutoAdd
from reconcile.model.holds import Hold
from reconcile.model.plan import (
    AccountPlan,
    AccountResult,
    Entry,
    MoveMargin,
    Plan,
    PlanError,
    Result,
    SetMarginType,
    SettledStep,
    SinceCommit,
    Status,
    Step,
    StepResult,
)
from reconcile.money import ZERO, plain, writable
from reconcile.render.common import limits
from reconcile.render.common.values import rfc3339, summarize
from reconcile.render.plan import measures

PLAN_FORMAT = "reconcile.plan/1"
RESULT_FORMAT = "reconcile.result/1"
STATUS_FORMAT = "reconcile.status/1"
ERROR_FORMAT = "reconcile.error/1"

Document = dict[str, Any]
_COMPUTED = Context(prec=20)
_COMMAND = re.compile(r"#(?=#[A-Za-z]*\[)")


def dumps(document: Mapping[str, Any]) -> str:
    """A document as text, indented for people and diffs, with a final line break.

    The text may go to the log of a CI runner, which takes commands from it: ``##[`` is written with an escape. A
    Decimal is one that a journal's record holds under a name of another version; like an amount, it is a string.
    """
    return _COMMAND.sub(r"\\u0023", json.dumps(document, indent=1, default=_exact)) + "\n"


def _exact(value: object) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    raise TypeError(f"writing a document: {type(value).__name__} has no place in JSON")


def digest(document: Mapping[str, Any]) -> str:
    """``sha256:…`` over the canonical JSON of a document without its own ``digest``."""
    bare = {key: value for key, value in document.items() if key != "digest"}
    canonical = json.dumps(bare, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def plan(plan: Plan) -> Document:
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
    document["digest"] = digest(document)
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
        "amount_step": _amount(desired.amount_step),
        "grace_ms": desired.grace_ms,
        "cold_start": desired.cold_start.value,
        "policy": limits.policy(desired.policy),
        "looser": [{"key": each.key, "before": each.before, "after": each.after} for each in account.looser],
        "exit_code": account.exit_code,
        "errors": errors(account.errors),
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
    """One line of a plan; ``measure`` and ``wanted_margin`` only where a risk measure is declared, ``missing`` only
    where the free balance lacks something, ``held_by`` and ``held_until`` only where it is held."""
    document = {**_entry(entry), **({} if entry.hold is None else held_fields(entry.hold))}
    measures.add(document, entry)
    return document


def held_fields(hold: Hold | None) -> Document:
    """Which rule holds an address and until when at most; null where nothing does, or no time ends it."""
    until_ms = None if hold is None else hold.until_ms
    return {"held_by": None if hold is None else hold.by, "held_until": None if until_ms is None else rfc3339(until_ms)}


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
        tolerance = target.tolerance.amount(margin_now) if step is None else step.tolerance
        return {
            "margin_type": target.margin_type.value,
            "isolated_margin": None,
            "tolerance": _amount(writable(tolerance)),
            "measure": measures.document(target.band),
            **more,
        }
    return {
        "margin_type": target.margin_type.value,
        "isolated_margin": _amount(margin),
        "tolerance": None if margin is None else _amount(writable(target.tolerance.amount(margin))),
        **more,
    }


def _observed(entry: Entry, position: Position | None) -> Document | None:
    if position is None and entry.observed_type is None:
        return None
    return {
        "margin_type": None if entry.observed_type is None else entry.observed_type.value,
        "isolated_margin": plain(ZERO if position is None else position.isolated_margin),
        "position": plain(ZERO if position is None else position.size),
        "mark_price": None if position is None else _amount(position.mark_price),
        "liquidation_price": None if position is None else _amount(position.liquidation_price),
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


def result(result: Result) -> Document:
    """How one apply ended."""
    return {
        "format": RESULT_FORMAT,
        "run_id": result.run_id,
        "plan_id": result.plan_id,
        "started_at": rfc3339(result.started_ms),
        "finished_at": rfc3339(result.finished_ms),
        "exit_code": result.exit_code,
        "actor": result.actor,
        "reason": result.reason,
        "git_commit": result.git_commit,
        "overrides": dict(result.overrides),
        "scope": list(result.scope),
        "accounts": [_account_result(account) for account in result.accounts],
    }


def _account_result(account: AccountResult) -> Document:
    return {
        "account": account.plan.desired.name,
        "exit_code": account.exit_code,
        "errors": errors(account.errors),
        "converged": account.converged,
        "state_file_checked": account.state_file_checked,
        "journal_head": account.journal_head,
        "notes_head": account.notes_head,
        "requests": dict(account.requests),
        "steps": [_step_result(step) for step in account.steps],
        "remaining": [entry_document(entry) for entry in account.remaining],
        "settled": [_settled(step) for step in account.settled],
        "outside_scope": account.plan.outside_scope,
        "outside_differing": account.outside_differing,
    }


def _step_result(step: StepResult) -> Document:
    return {
        "step_id": step.step_id,
        "address": str(step.address),
        "action": step.action,
        "amount": _amount(step.amount),
        "outcome": step.outcome.value,
        "before": step.before,
        "after": step.after,
        "evidence": step.evidence,
        "detail": step.detail,
    }


def _settled(step: SettledStep) -> Document:
    return {
        "address": str(step.address),
        "action": step.action,
        "amount": _amount(step.amount),
        "outcome": step.outcome,
        "before": step.before,
        "after": step.after,
        "evidence": step.evidence,
        "since": step.since,
    }


def errors(listed: Sequence[PlanError]) -> list[Document]:
    """An account's errors; ``asset``, ``limit`` and ``value`` are null where they mean nothing."""
    return [{"key": e.key, "asset": e.asset, "limit": e.limit, "value": e.value, "message": e.message} for e in listed]


def _amount(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)


def _computed(value: Decimal | None) -> str | None:
    short = None if value is None else writable(_COMPUTED.plus(value))
    return _amount(short)


def _amounts(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {asset: plain(amount) for asset, amount in sorted(amounts.items())}
