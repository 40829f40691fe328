"""Counts what a campaign reaches of the real program: arrows, cells of evidence, rules, classes of codes, causes."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import product
from typing import Any
from unittest.mock import patch

from reconcile.audit.exporting import CAUSES
from reconcile.audit.movements import OURS
from reconcile.evidence import explain as evidence
from reconcile.evidence import staleness, verdict
from reconcile.evidence.attribution import UNSETTLED
from reconcile.evidence.possible import MarginEvidence
from reconcile.exchanges.base import CodeClass
from reconcile.exchanges.http import answers
from reconcile.journal.records import IntentStatus
from reconcile.model.ledger import Cause
from reconcile.protocol import life, lifecycle, rules, searching
from reconcile.usecases import explain, movements

Hits = Counter[str]

OUTSIDE: Mapping[str, str] = {
    "arrow confirming not_found": "the exchange says yes to a call that it never executes",
    "code class already": "a change of the margin type; worlds with positions have none to make",
}
"""What is reached only outside the assumptions, or only by absolute calls, with the reason."""

_MOST_ROWS = 2
_WAS = {None: "doubt", IntentStatus.ACCEPTED: "accepted", IntentStatus.UNKNOWN: "unknown"}
"""What may be known of a step that is looked for."""


def everything() -> tuple[str, ...]:
    """The name of each thing that a campaign can reach."""
    cells = product(range(_MOST_ROWS + 1), MarginEvidence, _WAS.values())
    return (
        *(f"arrow {state} {event}" for state, event in lifecycle.TABLE),
        *(f"evidence {rows} rows, {margin}, {was}" for rows, margin, was in cells),
        *(f"rule {rule.name}" for rule in rules.RULES),
        *(f"code class {kind}" for kind in CodeClass),
        *(f"ledger cause {cause}" for cause in Cause),
        *(f"explained by {cause}" for cause in (*CAUSES, UNSETTLED)),
    )


def reached(hits: Hits) -> str:
    """How much was reached, and the rest by name."""
    never, most = missing(hits), len(everything()) - len(OUTSIDE)
    return f"reached {most - len(never)} of {most} inside the assumptions; never: {'; '.join(never) or 'nothing'}"


def missing(hits: Hits) -> list[str]:
    """What was never reached although the assumptions allow it."""
    return [name for name in everything() if not hits[name] and name not in OUTSIDE]


def lines(hits: Hits) -> Iterator[str]:
    """One line for each thing with its hits, for a person to read."""
    for name in everything():
        note = f"  ({OUTSIDE[name]})" if name in OUTSIDE else ""
        yield f"{hits[name]:>10,}  {name}{note}"


@contextmanager
def counting() -> Iterator[Hits]:
    """Count what the program reaches while this is entered."""
    hits: Hits = Counter()
    codes = _codes(hits)
    changes: tuple[tuple[Any, str, Any], ...] = (
        (life, "advance", _arrows(hits)),
        (searching, "judge", _cells(hits)),
        (rules, "RULES", tuple(replace(rule, finds=_rule(hits, rule)) for rule in rules.RULES)),
        (answers, "_kind", codes),
        (searching, "sight", _rows(hits, verdict.sight)),
        (rules, "stale_basis", _rows(hits, staleness.stale_basis)),
        (explain, "causes_of", _explained(hits)),
        (movements, "summary", _summed(hits)),
    )
    with ExitStack() as stack:
        for target, name, value in changes:
            stack.enter_context(patch.object(target, name, value))
        yield hits


def _arrows(hits: Hits) -> Callable[..., lifecycle.State]:
    advance = lifecycle.advance

    def counted(state: lifecycle.State, event: lifecycle.Event) -> lifecycle.State:
        hits[f"arrow {state} {event}"] += 1
        return advance(state, event)

    return counted


def _cells(hits: Hits) -> Callable[..., Any]:
    judge = verdict.judge

    def counted(seen: Any, *, was: IntentStatus | None, **given: Any) -> Any:
        hits[f"evidence {min(len(seen.rows), _MOST_ROWS)} rows, {seen.margin}, {_WAS[was]}"] += 1
        return judge(seen, was=was, **given)

    return counted


def _rule(hits: Hits, rule: rules.Rule) -> Callable[[rules.Question], rules.Finding | None]:
    def counted(question: rules.Question) -> rules.Finding | None:
        found = rule.finds(question)
        if found is not None:
            hits[f"rule {rule.name}"] += 1
        return found

    return counted


def _rows(hits: Hits, read: Callable[..., Any]) -> Callable[..., Any]:
    """What reads a ledger: counts the causes of its rows."""

    def counted(first: Any, second: Any, ledger: Any, **given: Any) -> Any:
        hits.update(f"ledger cause {row.cause}" for row in getattr(ledger, "rows", ledger))
        return read(first, second, ledger, **given)

    return counted


def _explained(hits: Hits) -> Callable[..., Any]:
    """What tells drift and the reasons of a plan why margin moved."""
    causes_of = evidence.causes_of

    def counted(found: evidence.Explanation) -> Any:
        causes = causes_of(found)
        hits.update(f"explained by {share.cause}" for share in causes)
        return causes

    return counted


def _summed(hits: Hits) -> Callable[..., Any]:
    """What tells the journal why margin moved since the run before."""
    summary = evidence.summary

    def counted(interval: evidence.Interval, found: evidence.Explanation) -> Any:
        hits.update(f"explained by {share.cause}" for share in found.shares)
        hits.update(f"explained by {OURS}" for _ in found.ours)
        return summary(interval, found)

    return counted


def _codes(hits: Hits) -> Callable[[CodeClass], Any]:
    kind = answers._kind

    def counted(proves: CodeClass) -> Any:
        hits[f"code class {proves}"] += 1
        return kind(proves)

    return counted
