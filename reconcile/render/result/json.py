"""The result of an apply as a JSON document (docs/contract.md has the fields)."""

from reconcile.model.plan import AccountResult, Result, SettledStep, StepResult
from reconcile.render.common.json import Document, amount_or_none, error_list
from reconcile.render.common.values import rfc3339
from reconcile.render.plan.json import entry_document

RESULT_FORMAT = "reconcile.result/1"


def result_document(result: Result) -> Document:
    """The result of one apply."""
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
        "errors": error_list(account.errors),
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
        "amount": amount_or_none(step.amount),
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
        "amount": amount_or_none(step.amount),
        "outcome": step.outcome,
        "before": step.before,
        "after": step.after,
        "evidence": step.evidence,
        "since": step.since,
    }
