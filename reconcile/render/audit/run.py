"""One run, as the journal tells it: text, JSON and Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from reconcile.model.measures import MeasureBounds
from reconcile.model.notes import MoveNote, NoteBody, PlanNote, WatchNote
from reconcile.model.reports import MovementSummary, Run, StepTaken
from reconcile.money import plain, total
from reconcile.render.common.json import Document
from reconcile.render.common.markdown import code, quote
from reconcile.render.common.page import Page
from reconcile.render.common.values import clean, rfc3339, signed_text

FORMAT = "reconcile.audit.run/1"
_FACTS = (
    *("actor", "reason", "host", "tool_version", "git_commit", "git_dirty", "state_file", "state_sha256"),
    *("plan_id", "digest", "exchange", "endpoint", "product", "position_mode"),
)
"""The facts that a run recorded about itself, in the order shown."""
_WORDS = {"None": "none", "True": "yes", "False": "no"}


def run_document(runs: Sequence[Run]) -> Document:
    """``reconcile.audit.run/1``: what one run did, by account."""
    return {
        "format": FORMAT,
        "run_id": runs[0].run_id if runs else None,
        "accounts": [
            {
                "account": run.account,
                "identity": run.identity,
                "command": run.command,
                "lines": [run.first_line, run.last_line],
                "started_at": run.started_at,
                "finished_at": run.finished_at,
                "outcome": run.outcome,
                "refused": run.refused,
                "exit_code": run.exit_code,
                "errors": list(run.errors),
                **_facts(run),
                **({} if run.start.includes is None else {"includes": run.start.includes}),
                "scope": list(run.start.scope),
                "policy": run.start.policy or {},
                "overrides": run.start.overrides,
                "steps": [step_document(step) for step in run.steps],
                "settled": [step_document(step) for step in run.settled],
                "notes": [{"at": note.at, "what": note.what, "details": note.details} for note in run.notes],
                "declared": {place: plain(margin) for place, margin in run.declared.items()},
                "measures": {place: _bounds(band) for place, band in run.bands.items()},
                "moved": None if run.moved is None else {place: _told(each) for place, each in run.moved.items()},
                "moved_problem": run.moved_problem,
                "live": None if run.live is None else _live(run),
                "live_at": None if run.live_at_ms is None else rfc3339(run.live_at_ms),
            }
            for run in runs
        ],
    }


def _facts(run: Run) -> Document:
    return {name: (run.host or None) if name == "host" else getattr(run.start, name) for name in _FACTS}


def _shown_facts(run: Run) -> Iterable[tuple[str, object]]:
    yield from _facts(run).items()
    yield "scope", ", ".join(run.start.scope) or None


def _told(moved: MovementSummary) -> Document:
    return {
        "from": _amount(moved.before),
        "to": _amount(moved.after),
        "asset": moved.asset,
        "ours": [{"intent_id": intent_id, "amount": plain(amount)} for intent_id, amount in moved.ours],
        "causes": [
            {"cause": cause, "amount": plain(amount), "at": None if at_ms is None else rfc3339(at_ms)}
            for cause, amount, at_ms in moved.causes
        ],
    }


def _bounds(band: MeasureBounds) -> Document:
    bounds = band.bounds
    return {
        "name": band.measure.value,
        "floor": plain(bounds.floor),
        "target": plain(bounds.target),
        "ceiling": _amount(bounds.ceiling),
    }


def _live(run: Run) -> Document:
    return {
        place: {
            "isolated_margin": plain(margin.isolated_margin),
            "asset": margin.asset,
            "mark_price": _amount(margin.mark_price),
            "liquidation_price": _amount(margin.liquidation_price),
        }
        for place, margin in (run.live or {}).items()
    }


def step_document(step: StepTaken) -> Document:
    """One step: before, amount, request time by both clocks, the answer, outcome, evidence, after."""
    return {
        "intent_id": step.intent_id,
        "step_id": step.step_id,
        "run_id": step.run_id,
        "line": step.line,
        "address": step.address,
        "action": step.action,
        "asset": step.asset,
        "before": step.before,
        "amount": step.amount,
        "wanted": step.wanted,
        "requested_at": step.at,
        "signed_at": rfc3339(step.signed_at_ms),
        "fence": rfc3339(step.fence_ms),
        "answer": step.answer,
        "outcome": step.outcome,
        "effect_at": None if step.effect_ms is None else rfc3339(step.effect_ms),
        "evidence": step.evidence,
        "ledger_row": step.ledger_row,
        "after": step.after,
        "ended_at": step.ended_at,
        "settled_by": step.settled_by,
    }


def run_text(runs: Sequence[Run]) -> str:
    """Everything about one run, for a person."""
    return "\n\n".join("\n".join(clean(line) for line in _run_lines(run)) for run in runs) + "\n"


def _run_lines(run: Run) -> Iterable[str]:
    yield f"run {run.run_id}: {run.command} of {run.account} ({run.identity}), {_ended(run)}"
    yield f"  from {run.started_at} to {run.finished_at or '?'}, journal lines {run.first_line} to {run.last_line}"
    for name, value in _shown_facts(run):
        if value is not None:
            yield f"  {name.replace('_', ' ')}: {_word(value)}"
    for name in ("overrides", "includes", "policy"):
        values = getattr(run.start, name)
        if values:
            yield f"  {name}: {', '.join(f'{key} = {_word(value)}' for key, value in values.items())}"
    for error in run.errors:
        yield f"  ! {error}"
    for note in run.notes:
        yield f"  {note.what} {note.at}: {_note(note.details)}"
        yield from (f"    {decision}" for decision in _decisions(note.body))
    yield from (f"  {place} since the run before: {_causes(moved)}" for place, moved in (run.moved or {}).items())
    yield from (f"  ! {problem}" for problem in [run.moved_problem] if problem)
    for step in run.settled:
        yield from _step_lines(step, f"settled, from run {step.run_id}")
    for step in run.steps:
        yield from _step_lines(step, step.action)
    if run.live is not None:
        yield "  at the end:"
    for place, margin in (run.live or {}).items():
        wanted = plain(run.declared[place]) if place in run.declared else run.bands.get(place)
        yield f"    {place} {plain(margin.isolated_margin)} {margin.asset}" + (
            f", declared {wanted}" if wanted is not None else ""
        )


def _ended(run: Run) -> str:
    code = "" if run.exit_code is None else f" (exit {run.exit_code})"
    return f"{run.outcome}{f' by {run.refused}' if run.refused else ''}{code}"


def _step_lines(step: StepTaken, what: str) -> Iterable[str]:
    change = step.change
    amount = f"{signed_text(change)} {step.asset}" if change is not None else f"to {step.wanted}"
    yield f"  {step.address} {what} {amount}: {step.outcome}, {step.before} → {step.after or '?'}"
    signed_at = f"signed {rfc3339(step.signed_at_ms)} by the exchange's clock"
    yield f"    requested {step.at}, {signed_at} (journal line {step.line})"
    yield f"    answer: {step.answer or 'none'}"
    if step.evidence or step.ledger_row:
        row = f" (ledger row {step.ledger_row})" if step.ledger_row else ""
        yield f"    evidence: {step.evidence}{row}"


def _note(details: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {_word(value)}" for key, value in details.items() if not isinstance(value, list | dict))


def _decisions(body: NoteBody | MoveNote) -> Iterable[str]:
    """The looks and decisions of a watch, and the entries of a plan that templates made."""
    for each in body.decisions if isinstance(body, WatchNote) else ():
        yield f"{each.address or 'account'} {each.outcome}: {each.decision}"
    for entry in body.entries if isinstance(body, PlanNote) else ():
        if entry.template is not None:
            yield f"{entry.address} from {entry.template}"


def _causes(moved: MovementSummary) -> str:
    parts = [("reconcile", total(amount for _, amount in moved.ours), None)] if moved.ours else []
    shown = ", ".join(
        f"{cause} {signed_text(amount)}" + (f" at {rfc3339(at_ms)}" if at_ms else "")
        for cause, amount, at_ms in [*parts, *moved.causes]
    )
    return f"{_margin(moved.before)} → {_margin(moved.after)}: {shown}"


def _margin(amount: Decimal | None) -> str:
    return "none" if amount is None else plain(amount)


def _word(value: object) -> str:
    return _WORDS.get(str(value), str(value))


def run_markdown(runs: Sequence[Run]) -> str:
    """One section per account."""
    page = Page()
    for run in runs:
        page.add(f"### Run {code(run.run_id)}: {quote(run.command)} of {code(run.account)}", "")
        page.add(f"**{quote(_ended(run))}**, {quote(run.started_at)} to {quote(run.finished_at or '?')}", "")
        facts = [
            f"| {name.replace('_', ' ')} | {quote(_word(value))} |"
            for name, value in _shown_facts(run)
            if value is not None
        ]
        page.table("| | |\n|-|-|", facts)
        for error in run.errors:
            page.add(f"> ❌ {quote(error)}", "")
        for note in run.notes:
            for decision in _decisions(note.body):
                page.add(f"- {quote(decision)}")
        for place, moved in (run.moved or {}).items():
            page.add(f"- {code(place)} since the run before: {quote(_causes(moved))}")
        page.add("")
        steps = [_step_row(step) for step in (*run.settled, *run.steps)]
        page.table(
            "| Requested | Address | Amount | Before | After | Outcome | Answer | Evidence |\n|-|-|-:|-:|-:|-|-|-|",
            steps,
        )
        page.add("")
    return page.finish([])


def _step_row(step: StepTaken) -> str:
    change = step.change
    amount = f"{signed_text(change)} {step.asset}" if change is not None else f"to {step.wanted}"
    cells = [quote(step.at), code(step.address), quote(amount), quote(step.before), quote(step.after or "?")]
    return f"| {' | '.join([*cells, f'**{quote(step.outcome)}**', quote(step.answer), quote(step.evidence)])} |"


def _amount(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)
