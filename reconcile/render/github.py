"""Workflow commands that put errors and blocked entries on the lines of the state file in a pull request.

The properties and messages are escaped as the runner unescapes them: ``%``, CR and LF everywhere, ``:`` and ``,`` in
properties. Nothing that others wrote can end a command or begin another.
"""

from collections.abc import Iterable

from reconcile.errors import Problem
from reconcile.model.plan import AccountPlan, Entry, OutcomeKind, Plan, PlanError, Result, Status
from reconcile.render import scope
from reconcile.render.values import clean, why

_SHOWN = (Status.BLOCKED, Status.HELD)


def problems(listed: Iterable[Problem], *, level: str = "error") -> str:
    """What is wrong in state files; ``level`` as for ``annotation``."""
    return "".join(
        annotation(item.file, item.line, item.key or "state file", item.message, level=level) for item in listed
    )


def plan(plan: Plan) -> str:
    """Account-wide errors at the policy key they name, limits that are looser than at the last apply likewise, and
    blocked and held entries at their position."""
    shown = (
        _errors(account, account.errors)
        + _looser(account)
        + "".join(_entry(account, entry) for entry in account.entries if entry.status in _SHOWN)
        for account in plan.accounts
    )
    return "".join([*shown, _scope(scope.of_plan(plan))])


def _scope(words: str) -> str:
    return annotation(None, None, "scope", words, level="notice") if words else ""


def result(result: Result) -> str:
    """The same for what remains after an apply, and steps that did not end well."""
    parts = []
    for account in result.accounts:
        parts.append(_errors(account.plan, account.errors))
        lines = {str(e.address): e.target.line for e in account.plan.entries if e.target is not None}
        for step in account.steps:
            if step.outcome is not OutcomeKind.APPLIED:
                notes = "; ".join(note for note in (step.evidence, step.detail) if note)
                message = f"{step.action} {step.outcome.value}: {notes}"
                where = str(step.address)
                parts.append(annotation(account.plan.desired.path, lines.get(where), where, message))
        for settled in account.settled:
            where = str(settled.address)
            message = f"{settled.action} of an earlier run {settled.outcome}: {settled.evidence}"
            parts.append(annotation(account.plan.desired.path, lines.get(where), where, message, level="notice"))
        parts += [_entry(account.plan, entry) for entry in account.remaining if entry.status in _SHOWN]
    return "".join([*parts, _scope(scope.of_result(result))])


def _entry(account: AccountPlan, entry: Entry) -> str:
    line = None if entry.target is None else entry.target.line
    return annotation(account.desired.path, line, str(entry.address), why(entry))


def _errors(account: AccountPlan, errors: Iterable[PlanError]) -> str:
    lines = account.desired.lines
    return "".join(
        annotation(
            account.desired.path, lines.get(f"policy.{error.key}", lines.get(error.key)), error.key, error.message
        )
        for error in errors
    )


def _looser(account: AccountPlan) -> str:
    lines = account.desired.lines
    return "".join(
        annotation(
            account.desired.path,
            lines.get(f"policy.{each.key}", lines.get(f"account.{each.key}")),
            each.key,
            f"looser than at the last apply: {each.before} → {each.after}",
            level="warning",
        )
        for each in account.looser
    )


def annotation(file: str | None, line: int | None, title: str, message: str, *, level: str = "error") -> str:
    """One annotation; ``level`` is ``error``, ``warning`` or ``notice``. ``file`` None is for what has no place."""
    properties = [] if file is None else [f"file={_property(file)}"]
    if line is not None:
        properties.append(f"line={line}")
    properties.append(f"title={_property(clean(title))}")
    return f"::{level} {','.join(properties)}::{_data(message)}\n"


def _data(text: str) -> str:
    """A message may have several lines; other control characters are shown as escapes."""
    lines = [clean(line) for line in text.replace("%", "%25").splitlines()]
    return "%0A".join(lines)


def _property(text: str) -> str:
    escaped = clean(text).replace("%", "%25")
    return escaped.replace(":", "%3A").replace(",", "%2C")
