"""A plan as annotations: errors, blocked entries and reductions on the lines of the state file in a pull request."""

from collections.abc import Iterable
from typing import TypeGuard

from reconcile.model.account import DesiredAccount
from reconcile.model.plan import AccountPlan, Entry, MoveMargin, Plan, PlanError, Status, Step
from reconcile.render.common import scope
from reconcile.render.common.github import Annotation, Place, shown
from reconcile.render.common.values import signed_text, why

SHOWN = (Status.HELD, Status.BLOCKED)


def plan_annotations(plan: Plan, *, place: Place = str) -> str:
    """The annotations for a reviewer. Errors of accounts stand at the policy key they name; held and blocked entries
    and reductions at their position; looser limits at their key."""
    listed = [each for account in plan.accounts for each in error_annotations(account, account.errors)]
    entries = [(account, entry) for account in plan.accounts for entry in account.entries]
    listed += [entry_annotation(*each) for status in SHOWN for each in entries if each[1].status is status]
    listed += [each for account in plan.accounts for each in _looser(account)]
    listed += [_reduction(account, entry, step) for account, entry in entries for step in entry.steps if _takes(step)]
    return shown([*listed, *scope_annotations(scope.of_plan(plan))], place=place)


def scope_annotations(words: Iterable[str]) -> list[Annotation]:
    """The words of a scope, as notices without a place."""
    return [Annotation(title="scope", message=each, level="notice") for each in words]


def _takes(step: Step) -> TypeGuard[MoveMargin]:
    return isinstance(step, MoveMargin) and step.action == "reduce_margin"


def _reduction(account: AccountPlan, entry: Entry, step: MoveMargin) -> Annotation:
    line = None if entry.target is None else entry.target.line
    return Annotation(
        file=account.desired.path,
        line=line,
        title=str(entry.address),
        message=f"takes out margin: {signed_text(step.signed)} {step.asset}",
        level="notice",
    )


def entry_annotation(account: AccountPlan, entry: Entry) -> Annotation:
    """The obstacle to an entry, at its position."""
    line = None if entry.target is None else entry.target.line
    return Annotation(file=account.desired.path, line=line, title=str(entry.address), message=why(entry))


def error_annotations(account: AccountPlan, errors: Iterable[PlanError]) -> list[Annotation]:
    """The errors of an account, at the policy key that each names."""
    found = []
    for error in errors:
        file, line = _said_at(account.desired, f"policy.{error.key}", error.key)
        found.append(Annotation(file=file, line=line, title=error.key, message=error.message))
    return found


def _looser(account: AccountPlan) -> list[Annotation]:
    found = []
    for each in account.looser:
        file, line = _said_at(account.desired, f"policy.{each.key}", f"account.{each.key}")
        text = f"looser than at the last apply: {each.before} → {each.after}"
        found.append(Annotation(file=file, line=line, title=each.key, message=text, level="warning"))
    return found


def _said_at(desired: DesiredAccount, *keys: str) -> tuple[str, int | None]:
    """The file and line of the first of these keys: the state file's own, or one that it includes."""
    for setting in desired.settings:
        if setting.key in keys:
            return setting.file, setting.line
    return desired.path, next((desired.lines[key] for key in keys if key in desired.lines), None)
