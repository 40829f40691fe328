"""The result of an apply as Markdown that fits a pull-request comment."""

from collections.abc import Mapping

from reconcile.model.plan import AccountResult, OutcomeKind, Result, SettledStep, StepResult
from reconcile.render.common import advice, fleet
from reconcile.render.common.markdown import code, quote
from reconcile.render.common.page import LIMIT, Page
from reconcile.render.common.values import NO_TITLES, describe, rfc3339, setting, signed_text
from reconcile.render.plan.markdown import ENTRY_HEAD, add_errors, add_fleet, advice_lines, entry_row, needs_person
from reconcile.render.result.conclusion import conclusion


def result_markdown(result: Result, *, titles: Mapping[str, str] = NO_TITLES, limit: int = LIMIT) -> str:
    """The result of one apply, led by its verdict; the journals' heads can be pinned from here."""
    by = f"<sub>run {code(result.run_id)} · plan {code(result.plan_id)} · by {quote(result.actor)}"
    tail = [
        *advice_lines(advice.of_result(result)),
        f"{by} · {rfc3339(result.finished_ms)} · exit {result.exit_code}</sub>",
    ]
    page = Page(limit)
    page.add("### Margin apply", "", quote(conclusion(result)))
    if result.reason:
        page.add("", f"Reason: {quote(result.reason[:1000])}")
    add_fleet(page, fleet.of_result(result))
    for account in result.accounts:
        _result_account(page, account, titles)
    return page.finish(tail)


def _result_account(page: Page, account: AccountResult, titles: Mapping[str, str]) -> None:
    page.add("", f"**{quote(describe(account.plan, titles))}** (exit {account.exit_code})", "")
    add_errors(page, account.errors)
    assets = {str(entry.address): entry.asset or "" for entry in account.plan.entries}
    head = "| Outcome | Address | Before | After | Sent | Evidence |\n|-|-|-:|-:|-:|-|"
    page.rows(
        head,
        account.steps,
        lambda step: _step(step, assets.get(str(step.address), "")),
        urgent=lambda step: step.outcome is not OutcomeKind.APPLIED,
    )
    head = "| Settled from an earlier run | Address | Before | After | Moved | Evidence |\n|-|-|-:|-:|-:|-|"
    page.rows(head, account.settled, _settled)
    summary = f"{len(account.remaining)} still different from the state file"
    page.rows(ENTRY_HEAD, account.remaining, entry_row, urgent=needs_person, summary=summary)
    if account.journal_head:
        page.add("", f"<sub>journal head {code(account.journal_head)}</sub>")
    if account.notes_head:
        page.add("", f"<sub>noted beside the journal, head {code(account.notes_head)}</sub>")


def _step(step: StepResult, asset: str) -> str:
    moved = None if step.amount is None else -step.amount if step.action == "reduce_margin" else step.amount
    sent = "" if moved is None else f"{signed_text(moved)} {quote(asset)}"
    notes = "; ".join(note for note in (step.evidence, step.detail) if note)
    cells = [f"**{step.outcome.value}**", code(str(step.address))]
    cells += [setting(step.action, step.before or ""), step.after or "", sent]
    return f"| {' | '.join([*cells[:2], *map(quote, cells[2:4]), cells[4], quote(notes)])} |"


def _settled(step: SettledStep) -> str:
    moved = None if step.amount is None else -step.amount if step.action == "reduce_margin" else step.amount
    sent = "" if moved is None else f"{signed_text(moved)} {quote(step.asset or '')}"
    cells = [f"**{quote(step.outcome.replace('_', ' '))}**", code(str(step.address))]
    cells.append(quote(setting(step.action, step.before)))
    return f"| {' | '.join([*cells, quote(step.after or ''), sent, quote(step.evidence)])} |"
