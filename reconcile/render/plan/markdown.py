"""Plans, results and states as Markdown that fits a pull-request comment and cannot be broken by what it quotes.

Symbols, reasons and messages were written by others. ``quote`` turns every character with a meaning in Markdown or HTML
into an entity. It also breaks what forges turn into mentions, references and links, so that text stays text. A comment
has a size limit; ``page.py`` cuts what does not fit, by priority.
"""

import re
from collections.abc import Mapping, Sequence

from reconcile.model.plan import (
    AccountPlan,
    AccountResult,
    Entry,
    MoveMargin,
    OutcomeKind,
    Plan,
    PlanError,
    Result,
    SettledStep,
    Status,
    StepResult,
)
from reconcile.render.common import advice
from reconcile.render.common.page import LIMIT, Page
from reconcile.render.common.values import (
    by_attention,
    cautions,
    clean,
    declared,
    describe,
    liquidation,
    now,
    rfc3339,
    setting,
    signed_text,
    step_amounts,
    summary_line,
    switched,
    why,
)
from reconcile.render.plan import fleet, json, scope
from reconcile.render.plan.conclusion import conclusion
from reconcile.render.plan.measures import measure
from reconcile.render.plan.text import NO_TITLES

_MEANING = re.compile(r"[&<>|`*_~\[\]\\#@$^]|://|(?<=www)\.", re.IGNORECASE)
_BREAK = "\u200b"  # no width; keeps '@name', '#12', 'https://' and 'www.host' from becoming something else
_ENTRY_HEAD = "| | Address | Now | Declared | Change | Liquidation | |\n|-|-|-:|-:|-:|-|-|"
_MARKS = {Status.CHANGE: "🔁", Status.BLOCKED: "⛔", Status.HELD: "❓", Status.WAITING: "⏳", Status.UNMANAGED: "👀"}


def quote(text: str) -> str:
    """Text from outside as inert Markdown on one line."""
    if text.replace(".", "").isalnum() and "www" not in text.lower():
        return text  # what nearly all symbols and addresses are
    return _MEANING.sub(_inert, clean(text))


def _inert(match: re.Match[str]) -> str:
    found = match.group()
    if found == "://":
        return f":{_BREAK}//"
    if found == ".":
        return f".{_BREAK}"
    entity = f"&#{ord(found)};"
    return f"{entity}{_BREAK}" if found in "@#" else entity


def code(text: str) -> str:
    """An identifier from outside, in a code element."""
    return f"<code>{quote(text).replace(_BREAK, '')}</code>"


def plan(plan: Plan, *, titles: Mapping[str, str] = NO_TITLES, limit: int = LIMIT, digest: str | None = None) -> str:
    """The plan; ``digest`` is computed when it is not given."""
    digest = digest or json.plan(plan)["digest"]
    tail = [f"<sub>plan {code(plan.plan_id)} · expires {rfc3339(plan.expires_ms)} · digest {code(digest)}</sub>"]
    if plan.git_commit:
        tail.insert(0, f"<sub>commit {code(plan.git_commit)}</sub>\n")
    for words in scope.of_plan(plan):
        tail.insert(0, f"**Scope:** {quote(words)}\n")
    if plan.overrides:
        shown = ", ".join(code(f"{key}={value}") for key, value in plan.overrides.items())
        tail.insert(0, f"**Overridden for this run:** {shown}\n")
    tail = [*_advice(advice.of_plan(plan)), *tail]
    page = Page(limit)
    page.add(f"### Margin plan: {quote(summary_line(plan))}")
    _fleet(page, fleet.of_plan(plan))
    for account in plan.accounts:
        _plan_account(page, account, titles)
    return page.finish(tail)


def _advice(line: str) -> list[str]:
    """``What to do:`` with its command as code, and a line between; nothing where there is nothing to do."""
    lead, found, rest = line.partition(": ")
    command, _, more = rest.partition("  ")
    return [f"{lead}: {code(command)} {more}".rstrip() + "\n"] if found else []


def _fleet(page: Page, rows: Sequence[fleet.FleetRow]) -> None:
    head = f"| {' | '.join(fleet.HEAD)} |\n|-|-:|-|-|-|"
    if rows:
        page.add("")
    page.rows(head, rows, _fleet_row, urgent=lambda row: row.needs_person)


def _fleet_row(row: fleet.FleetRow) -> str:
    return f"| {' | '.join([code(row.account), *map(quote, row.cells[1:])])} |"


def _plan_account(page: Page, account: AccountPlan, titles: Mapping[str, str]) -> None:
    page.add("", f"**{quote(describe(account, titles))}** ({code(account.desired.path)})", "")
    _cautions(page, cautions(account))
    _errors(page, account.errors)
    if account.errors and account.entries:
        page.add("**Refused as a whole: nothing of this account is sent.**", "")
    quiet = [entry for entry in account.entries if entry.status is Status.IN_SYNC]
    loud = by_attention(entry for entry in account.entries if entry.status is not Status.IN_SYNC)
    page.rows(_ENTRY_HEAD, loud, _entry, urgent=needs_person)
    page.rows("| Address | Isolated margin |\n|-|-:|", quiet, _quiet, summary=f"{len(quiet)} in sync")


def _entry(entry: Entry) -> str:
    step = entry.move or next(iter(entry.steps), entry.wanted)
    asset = quote(entry.asset or "")
    if step is not None:
        before, after, difference = step_amounts(step)
        moved = f"**{quote(difference)}** {asset}" if difference else ""
        risk = quote(liquidation(step))
    else:
        before, after, moved, risk = now(entry), declared(entry), "", ""
    notes = quote("; ".join(note for note in (switched(entry), measure(entry), why(entry)) if note))
    cells = [_MARKS.get(entry.status, ""), code(str(entry.address)), before, after, moved, risk, notes]
    return f"| {' | '.join(cells)} |"


def needs_person(entry: Entry) -> bool:
    """Whether a person must see this entry: it is blocked or held, or takes margin out."""
    takes_out = any(isinstance(step, MoveMargin) and step.action == "reduce_margin" for step in entry.steps)
    return takes_out or entry.status in {Status.BLOCKED, Status.HELD}


def _quiet(entry: Entry) -> str:
    return f"| {code(str(entry.address))} | {now(entry)} {quote(entry.asset or '')} |"


def result(result: Result, *, titles: Mapping[str, str] = NO_TITLES, limit: int = LIMIT) -> str:
    """How one apply ended, led by its verdict; the journals' heads can be pinned from here."""
    by = f"<sub>run {code(result.run_id)} · plan {code(result.plan_id)} · by {quote(result.actor)}"
    tail = [
        *_advice(advice.of_result(result)),
        f"{by} · {rfc3339(result.finished_ms)} · exit {result.exit_code}</sub>",
    ]
    page = Page(limit)
    page.add("### Margin apply", "", quote(conclusion(result)))
    if result.reason:
        page.add("", f"Reason: {quote(result.reason[:1000])}")
    _fleet(page, fleet.of_result(result))
    for account in result.accounts:
        _result_account(page, account, titles)
    return page.finish(tail)


def _result_account(page: Page, account: AccountResult, titles: Mapping[str, str]) -> None:
    page.add("", f"**{quote(describe(account.plan, titles))}** (exit {account.exit_code})", "")
    _errors(page, account.errors)
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
    page.rows(_ENTRY_HEAD, account.remaining, _entry, urgent=needs_person, summary=summary)
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


def _cautions(page: Page, said: Sequence[str]) -> None:
    for text in said:
        page.add(f"> ⚠️ {quote(text[:2000])}", ">")
    if said:
        page.add("")


def _errors(page: Page, errors: Sequence[PlanError]) -> None:
    for error in errors:
        page.add(f"> ❌ {code(error.key)}: {quote(error.message[:2000])}", ">")
    if errors:
        page.add("")
