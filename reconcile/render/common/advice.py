"""The line that leads from an output to the runbook: the codes that ``reconcile explain`` knows."""

import re
from collections.abc import Iterable

from reconcile.model.holds import Hold
from reconcile.model.plan import Entry, OutcomeKind, Plan, PlanError, Result, Status

MOST_CODES = 4
"""The number of codes that fit a line of 80 columns."""
_ENDS = {
    OutcomeKind.UNKNOWN: "unknown",
    OutcomeKind.ACCEPTED: "accepted",
    OutcomeKind.REFUSED: "refused",
    OutcomeKind.SKIPPED: "skipped",
}
_CODE = re.compile(r"[a-z_]{1,40}", re.ASCII)
_CANCELLED = "not_confirmed"


def of_plan(plan: Plan) -> str:
    """The line for a plan; empty where nothing is in the way."""
    return line(code for a in plan.accounts for code in (*_errors(a.errors), *_entries(a.entries)))


def of_result(result: Result) -> str:
    """The line for a result: what is known least first, then what refused or blocked; empty where all went well."""
    outcomes = {step.outcome for account in result.accounts for step in account.steps}
    ends = [word for outcome, word in _ENDS.items() if outcome in outcomes]
    rest = (code for a in result.accounts for code in (*_errors(a.errors), *_entries(a.remaining)))
    return line((*ends, *rest))


def line(codes: Iterable[str]) -> str:
    """``What to do: reconcile explain held max_add``: each code once. What cannot be a code is left out: a saved plan
    may hold anything."""
    found = [code for code in dict.fromkeys(codes) if _CODE.fullmatch(code)]
    more = f"  (and {len(found) - MOST_CODES} more)" if len(found) > MOST_CODES else ""
    return f"What to do: reconcile explain {' '.join(found[:MOST_CODES])}{more}" if found else ""


def held(hold: Hold | None) -> str:
    """The code of a hold: the rule that holds the address, as a word; ``held`` where none is told."""
    return "held" if hold is None else hold.by.replace(" ", "_")


def _errors(errors: Iterable[PlanError]) -> Iterable[str]:
    return (error.key for error in errors if error.key != _CANCELLED)


def _entries(entries: Iterable[Entry]) -> Iterable[str]:
    for entry in entries:
        if entry.status is Status.HELD:
            yield held(entry.hold)
        elif entry.status is Status.BLOCKED:
            yield entry.blocked_by or "account"
