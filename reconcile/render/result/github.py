"""The result of an apply as annotations: what remains, and the steps that did not end well."""

from collections.abc import Mapping

from reconcile.model.account import Address
from reconcile.model.plan import AccountPlan, OutcomeKind, Result, SettledStep, StepResult
from reconcile.render.common import scope
from reconcile.render.common.github import Annotation, Place, shown
from reconcile.render.plan.github import SHOWN, entry_annotation, error_annotations, scope_annotations

_OUTCOMES = (OutcomeKind.UNKNOWN, OutcomeKind.REFUSED, OutcomeKind.ACCEPTED, OutcomeKind.SKIPPED)


def result_annotations(result: Result, *, place: Place = str) -> str:
    """The same for what remains after an apply, and steps that did not end well, the unknown ones first."""
    listed = [each for account in result.accounts for each in error_annotations(account.plan, account.errors)]
    lines = {account.plan.desired.name: _lines(account.plan) for account in result.accounts}
    steps = [(account.plan, step) for account in result.accounts for step in account.steps]
    listed += [
        _step(account, lines[account.desired.name], step)
        for outcome in _OUTCOMES
        for account, step in steps
        if step.outcome is outcome
    ]
    entries = [(account.plan, entry) for account in result.accounts for entry in account.remaining]
    listed += [entry_annotation(*each) for status in SHOWN for each in entries if each[1].status is status]
    listed += [
        _settled(account.plan, lines[account.plan.desired.name], step)
        for account in result.accounts
        for step in account.settled
    ]
    return shown([*listed, *scope_annotations(filter(None, [scope.of_result(result)]))], place=place)


def _lines(account: AccountPlan) -> Mapping[Address, int]:
    """The place of each address's declaration."""
    return {entry.address: entry.target.line or 0 for entry in account.entries if entry.target is not None}


def _step(account: AccountPlan, lines: Mapping[Address, int], step: StepResult) -> Annotation:
    notes = "; ".join(note for note in (step.evidence, step.detail) if note)
    return Annotation(
        file=account.desired.path,
        line=lines.get(step.address) or None,
        title=str(step.address),
        message=f"{step.action} {step.outcome.value}: {notes}",
    )


def _settled(account: AccountPlan, lines: Mapping[Address, int], step: SettledStep) -> Annotation:
    return Annotation(
        file=account.desired.path,
        line=lines.get(step.address) or None,
        title=str(step.address),
        message=f"{step.action} of an earlier run {step.outcome}: {step.evidence}",
        level="notice",
    )
