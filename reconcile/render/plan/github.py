"""Workflow commands that put errors and blocked entries on the lines of the state file in a pull request.

The properties and messages are escaped as the runner unescapes them: ``%``, CR and LF everywhere, ``:`` and ``,`` in
properties. Nothing that others wrote can end a command or begin another.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeGuard

from reconcile.errors import Problem
from reconcile.model.account import Address, DesiredAccount
from reconcile.model.plan import (
    AccountPlan,
    Entry,
    MoveMargin,
    OutcomeKind,
    Plan,
    PlanError,
    Result,
    SettledStep,
    Status,
    Step,
    StepResult,
)
from reconcile.render.common.values import clean, signed_text, why
from reconcile.render.plan import scope

_SHOWN = (Status.HELD, Status.BLOCKED)
_OUTCOMES = (OutcomeKind.UNKNOWN, OutcomeKind.REFUSED, OutcomeKind.ACCEPTED, OutcomeKind.SKIPPED)
_LEVELS = ("error", "warning", "notice")
MOST_SHOWN = 10
"""How many annotations of one level GitHub takes from one step of a job (docs.github.com, workflow commands)."""
Place = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One annotation; ``level`` is ``error``, ``warning`` or ``notice``. ``file`` None is for what has no place."""

    message: str
    title: str
    file: str | None = None
    line: int | None = None
    level: str = "error"


def shown(listed: Iterable[Annotation], *, place: Place = str) -> str:
    """Annotations as the runner's commands, errors first: GitHub shows ``MOST_SHOWN`` of a level and drops the rest.

    ``place`` makes a path relative to the root of the repository, where the runner looks for it.
    """
    found = sorted(listed, key=lambda each: _LEVELS.index(each.level))
    counts = Counter(each.level for each in found)
    dropped = [f"{count} {level}s" for level, count in counts.items() if count > MOST_SHOWN]
    if dropped:
        words = f"there are {' and '.join(dropped)}; GitHub shows {MOST_SHOWN} of each, the log has them all"
        found.insert(0, Annotation(title="reconcile", message=words, level="notice"))
    return "".join(_command(each, place) for each in found)


def problems(listed: Iterable[Problem], *, level: str = "error", place: Place = str) -> str:
    """What is wrong in state files; ``level`` and ``place`` as for ``shown``."""
    return shown(
        (
            Annotation(
                file=each.file, line=each.line, title=each.key or "state file", message=each.message, level=level
            )
            for each in listed
        ),
        place=place,
    )


def plan(plan: Plan, *, place: Place = str) -> str:
    """What a reviewer must see. Errors of accounts stand at the policy key they name; held and blocked entries and
    reductions at their position; looser limits at their key."""
    listed = [each for account in plan.accounts for each in _errors(account, account.errors)]
    entries = [(account, entry) for account in plan.accounts for entry in account.entries]
    listed += [_entry(*each) for status in _SHOWN for each in entries if each[1].status is status]
    listed += [each for account in plan.accounts for each in _looser(account)]
    listed += [_reduction(account, entry, step) for account, entry in entries for step in entry.steps if _takes(step)]
    return shown([*listed, *_scope(scope.of_plan(plan))], place=place)


def result(result: Result, *, place: Place = str) -> str:
    """The same for what remains after an apply, and steps that did not end well, the unknown ones first."""
    listed = [each for account in result.accounts for each in _errors(account.plan, account.errors)]
    lines = {account.plan.desired.name: _lines(account.plan) for account in result.accounts}
    steps = [(account.plan, step) for account in result.accounts for step in account.steps]
    listed += [
        _step(account, lines[account.desired.name], step)
        for outcome in _OUTCOMES
        for account, step in steps
        if step.outcome is outcome
    ]
    entries = [(account.plan, entry) for account in result.accounts for entry in account.remaining]
    listed += [_entry(*each) for status in _SHOWN for each in entries if each[1].status is status]
    listed += [
        _settled(account.plan, lines[account.plan.desired.name], step)
        for account in result.accounts
        for step in account.settled
    ]
    return shown([*listed, *_scope(filter(None, [scope.of_result(result)]))], place=place)


def _scope(words: Iterable[str]) -> list[Annotation]:
    return [Annotation(title="scope", message=each, level="notice") for each in words]


def _lines(account: AccountPlan) -> Mapping[Address, int]:
    """Where each address is declared."""
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


def _entry(account: AccountPlan, entry: Entry) -> Annotation:
    line = None if entry.target is None else entry.target.line
    return Annotation(file=account.desired.path, line=line, title=str(entry.address), message=why(entry))


def _errors(account: AccountPlan, errors: Iterable[PlanError]) -> list[Annotation]:
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


def _command(each: Annotation, place: Place) -> str:
    properties = [] if each.file is None else [f"file={_property(place(each.file))}"]
    if each.line is not None:
        properties.append(f"line={each.line}")
    properties.append(f"title={_property(clean(each.title))}")
    return f"::{each.level} {','.join(properties)}::{_data(each.message)}\n"


def _data(text: str) -> str:
    """A message may have several lines; other control characters are shown as escapes."""
    lines = [clean(line) for line in text.replace("%", "%25").splitlines()]
    return "%0A".join(lines)


def _property(text: str) -> str:
    escaped = clean(text).replace("%", "%25")
    return escaped.replace(":", "%3A").replace(",", "%2C")
