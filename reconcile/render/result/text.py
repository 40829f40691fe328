"""The result of an apply for a person at a terminal, read at 3 a.m.: the last line says how it ended."""

from collections.abc import Mapping

from reconcile.model.plan import AccountResult, OutcomeKind, Result, SettledStep, Status, StepResult
from reconcile.render.common import advice, fleet
from reconcile.render.common.columns import fit
from reconcile.render.common.values import NO_TITLES, clean, describe, painted, setting, signed_text
from reconcile.render.plan.entries import EntryLine, entries, laid_out
from reconcile.render.plan.text import error_lines, fleet_block
from reconcile.render.result.conclusion import conclusion

_OUTCOME_MARKS = {
    OutcomeKind.APPLIED: "✓",
    OutcomeKind.ACCEPTED: ".",
    OutcomeKind.REFUSED: "!",
    OutcomeKind.UNKNOWN: "?",
    OutcomeKind.SKIPPED: "-",
}


def result_text(
    result: Result, *, color: bool, titles: Mapping[str, str] = NO_TITLES, columns: int | None = None
) -> str:
    """The steps that were and were not done; the last line is the summary."""
    blocks = [_result(account, color=color, titles=titles, columns=columns) for account in result.accounts]
    last = fit(conclusion(result), columns)
    ends = [f"run {clean(result.run_id)}", *filter(None, [advice.of_result(result)])]
    blocks = [*fleet_block(fleet.of_result(result), columns), *blocks]
    return "\n\n".join([*blocks, fit("\n".join(ends), columns) + f"\n{painted(last, '1', color=color)}"]) + "\n"


def _result(account: AccountResult, *, color: bool, titles: Mapping[str, str], columns: int | None) -> str:
    assets = {str(entry.address): entry.asset or "" for entry in account.plan.entries}
    lines = [painted(describe(account.plan, titles), "1", color=color), *error_lines(account.errors, color=color)]
    lines = [fit(line, columns) for line in lines]
    inner = None if columns is None else columns - 2
    rows = [_step(step, assets.get(str(step.address), "")) for step in account.steps]
    lines += laid_out(rows, color=color, columns=columns)
    if account.settled:
        lines.append("  settled from an earlier run:")
        lines += ["  " + line for line in laid_out([_settled(s) for s in account.settled], color=color, columns=inner)]
    if account.remaining:
        lines.append(f"  {_remaining(account)}:")
        lines += ["  " + line for line in entries(account.remaining, color=color, columns=inner)]
    return "\n".join([*lines, *(fit(line, columns) for line in _checks(account))])


def _step(step: StepResult, asset: str) -> EntryLine:
    sent = "" if step.amount is None else signed_text(-step.amount if step.action == "reduce_margin" else step.amount)
    has_ends = bool(step.before or step.after)
    notes = (step.outcome.value, *(note for note in (step.evidence, step.detail) if note))
    return EntryLine(
        mark=_OUTCOME_MARKS[step.outcome],
        address=clean(str(step.address)),
        before=clean(setting(step.action, step.before or "?")) if has_ends else "",
        arrow="→" if has_ends else "",
        after=clean(step.after or "?") if has_ends else "",
        difference=sent,
        asset=clean(asset) if sent else "",
        notes=(clean(": ".join([notes[0], "; ".join(notes[1:])] if notes[1:] else notes)),),
    )


def _settled(step: SettledStep) -> EntryLine:
    moved = "" if step.amount is None else signed_text(-step.amount if step.action == "reduce_margin" else step.amount)
    return EntryLine(
        mark="✓" if step.outcome == "applied" else "-",
        address=clean(str(step.address)),
        before=clean(setting(step.action, step.before)),
        arrow="→" if step.after else "",
        after=clean(step.after or ""),
        difference=moved,
        asset=clean(step.asset or ""),
        notes=(clean(f"{step.outcome.replace('_', ' ')}: {step.evidence}" if step.evidence else step.outcome),),
    )


def _remaining(account: AccountResult) -> str:
    """The line that the remaining entries share."""
    if any(error.key == "stale" for error in account.errors):
        return "as planned, and out of date"
    if all(entry.status is Status.WAITING for entry in account.remaining):
        return "declared for when a position opens"
    return "still different from the state file"


def _checks(account: AccountResult) -> list[str]:
    lines = []
    if not account.state_file_checked:
        lines.append(clean(f"  the state file {account.plan.desired.path} is not here, so it was not compared"))
    if account.journal_head:
        lines.append(clean(f"  journal head {account.journal_head}"))
    if account.notes_head:
        lines.append(clean(f"  noted beside the journal, head {account.notes_head}"))
    return lines
