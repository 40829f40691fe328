"""A plan as Markdown that fits a pull-request comment and cannot be broken by what it quotes.

A comment has a size limit; ``common/page.py`` cuts what does not fit, by priority.
"""

from collections.abc import Mapping, Sequence

from reconcile.model.plan import AccountPlan, Entry, MoveMargin, Plan, PlanError, Status
from reconcile.render.common import advice, fleet, scope
from reconcile.render.common.markdown import code, quote
from reconcile.render.common.page import LIMIT, Page
from reconcile.render.common.values import (
    NO_TITLES,
    by_attention,
    cautions,
    declared,
    describe,
    liquidation,
    now,
    rfc3339,
    step_amounts,
    summary_line,
    switched,
    why,
)
from reconcile.render.plan.json import plan_document
from reconcile.render.plan.measures import measure

ENTRY_HEAD = "| | Address | Now | Declared | Change | Liquidation | |\n|-|-|-:|-:|-:|-|-|"
_MARKS = {Status.CHANGE: "🔁", Status.BLOCKED: "⛔", Status.HELD: "❓", Status.WAITING: "⏳", Status.UNMANAGED: "👀"}


def plan_markdown(
    plan: Plan, *, titles: Mapping[str, str] = NO_TITLES, limit: int = LIMIT, digest: str | None = None
) -> str:
    """The plan; ``digest`` is computed when it is not given."""
    digest = digest or plan_document(plan)["digest"]
    tail = [f"<sub>plan {code(plan.plan_id)} · expires {rfc3339(plan.expires_ms)} · digest {code(digest)}</sub>"]
    if plan.git_commit:
        tail.insert(0, f"<sub>commit {code(plan.git_commit)}</sub>\n")
    for words in scope.of_plan(plan):
        tail.insert(0, f"**Scope:** {quote(words)}\n")
    if plan.overrides:
        shown = ", ".join(code(f"{key}={value}") for key, value in plan.overrides.items())
        tail.insert(0, f"**Overridden for this run:** {shown}\n")
    tail = [*advice_lines(advice.of_plan(plan)), *tail]
    page = Page(limit)
    page.add(f"### Margin plan: {quote(summary_line(plan))}")
    add_fleet(page, fleet.of_plan(plan))
    for account in plan.accounts:
        _plan_account(page, account, titles)
    return page.finish(tail)


def advice_lines(line: str) -> list[str]:
    """``What to do:`` with its command as code, and a line between; nothing where there is nothing to do."""
    lead, found, rest = line.partition(": ")
    command, _, more = rest.partition("  ")
    return [f"{lead}: {code(command)} {more}".rstrip() + "\n"] if found else []


def add_fleet(page: Page, rows: Sequence[fleet.FleetRow]) -> None:
    """The table that leads many accounts."""
    head = f"| {' | '.join(fleet.HEAD)} |\n|-|-:|-|-|-|"
    if rows:
        page.add("")
    page.rows(head, rows, _fleet_row, urgent=lambda row: row.needs_person)


def _fleet_row(row: fleet.FleetRow) -> str:
    return f"| {' | '.join([code(row.account), *map(quote, row.cells[1:])])} |"


def _plan_account(page: Page, account: AccountPlan, titles: Mapping[str, str]) -> None:
    page.add("", f"**{quote(describe(account, titles))}** ({code(account.desired.path)})", "")
    _cautions(page, cautions(account))
    add_errors(page, account.errors)
    if account.errors and account.entries:
        page.add("**Refused as a whole: nothing of this account is sent.**", "")
    quiet = [entry for entry in account.entries if entry.status is Status.IN_SYNC]
    loud = by_attention(entry for entry in account.entries if entry.status is not Status.IN_SYNC)
    page.rows(ENTRY_HEAD, loud, entry_row, urgent=needs_person)
    page.rows("| Address | Isolated margin |\n|-|-:|", quiet, _quiet, summary=f"{len(quiet)} in sync")


def entry_row(entry: Entry) -> str:
    """An entry as a row below ``ENTRY_HEAD``."""
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


def _cautions(page: Page, said: Sequence[str]) -> None:
    for text in said:
        page.add(f"> ⚠️ {quote(text[:2000])}", ">")
    if said:
        page.add("")


def add_errors(page: Page, errors: Sequence[PlanError]) -> None:
    """The errors of an account, each as a quotation."""
    for error in errors:
        page.add(f"> ❌ {code(error.key)}: {quote(error.message[:2000])}", ">")
    if errors:
        page.add("")
