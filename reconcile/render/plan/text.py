"""Plans and results for a person at a terminal: a plan is read in five seconds, a result at 3 a.m.

Every fact is in the words; colour only repeats it. ``columns`` is the width of the terminal, None where there is none:
then nothing is broken into several lines.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from reconcile.model.plan import (
    AccountPlan,
    AccountResult,
    OutcomeKind,
    Plan,
    PlanError,
    Result,
    SettledStep,
    Status,
    StepResult,
)
from reconcile.money import plain
from reconcile.render.common import advice
from reconcile.render.common.columns import fit
from reconcile.render.common.values import (
    cautions,
    clean,
    describe,
    painted,
    rfc3339,
    setting,
    signed_text,
    summarize,
    summary_line,
)
from reconcile.render.plan import fleet, scope
from reconcile.render.plan.conclusion import conclusion
from reconcile.render.plan.entries import COLOURS, EntryLine, entries, laid_out, legend

NO_TITLES: Mapping[str, str] = MappingProxyType({})

_OUTCOME_MARKS = {
    OutcomeKind.APPLIED: "✓",
    OutcomeKind.ACCEPTED: ".",
    OutcomeKind.REFUSED: "!",
    OutcomeKind.UNKNOWN: "?",
    OutcomeKind.SKIPPED: "-",
}


def plan(plan: Plan, *, color: bool, titles: Mapping[str, str] = NO_TITLES, columns: int | None = None) -> str:
    """The whole plan; ``titles`` names the exchanges for people."""
    blocks = [_account(account, color=color, titles=titles, columns=columns) for account in plan.accounts]
    signs = legend([entry for account in plan.accounts for entry in account.entries])
    ends = [painted(signs, "2", color=color)] if signs else []
    ends.append(f"Plan: {summary_line(plan)}.")
    ends += [f"Scope: {words}." for words in scope.of_plan(plan)]
    if plan.overrides:
        ends.append(clean(f"Overridden for this run: {', '.join(f'{k} = {v}' for k, v in plan.overrides.items())}."))
    ends += filter(None, [advice.of_plan(plan)])
    return "\n\n".join([*_fleet(fleet.of_plan(plan), columns), *blocks, fit("\n".join(ends), columns)]) + "\n"


def _fleet(rows: Sequence[fleet.FleetRow], columns: int | None) -> list[str]:
    """The table that leads many accounts, as a block of its own."""
    return [fit("\n".join(fleet.lines(rows)), columns)] if rows else []


def _account(account: AccountPlan, *, color: bool, titles: Mapping[str, str], columns: int | None) -> str:
    head = f"{describe(account, titles)}  ({clean(account.desired.path)})"
    lines = [painted(head, "1", color=color)]
    lines += [painted(f"  ! {caution}", COLOURS["!"], color=color) for caution in cautions(account)]
    lines += _errors(account.errors, color=color)
    if account.errors and account.entries:
        lines.append(painted("  ! refused as a whole: nothing of this account is sent", COLOURS["!"], color=color))
    listed = entries(account.entries, color=color, columns=columns)
    tail = []
    if account.observed is not None and account.observed_wall_ms is not None:
        tail.append(f"  free balance: {_balances(account)}; read at {rfc3339(account.observed_wall_ms)}")
    return "\n".join([*(fit(line, columns) for line in lines), *listed, *(fit(line, columns) for line in tail)])


def _balances(account: AccountPlan) -> str:
    available = account.observed.available if account.observed else {}
    shown = []
    for asset, amount in sorted(available.items()):
        after = account.available_after.get(asset, amount)
        moved = "" if after == amount else f" → {plain(after)}"
        shown.append(clean(f"{plain(amount)}{moved} {asset}"))
    return ", ".join(shown) or "none"


def result(result: Result, *, color: bool, titles: Mapping[str, str] = NO_TITLES, columns: int | None = None) -> str:
    """What was and was not done; the last line is the one that a tired person reads."""
    blocks = [_result(account, color=color, titles=titles, columns=columns) for account in result.accounts]
    last = fit(conclusion(result), columns)
    ends = [f"run {clean(result.run_id)}", *filter(None, [advice.of_result(result)])]
    blocks = [*_fleet(fleet.of_result(result), columns), *blocks]
    return "\n\n".join([*blocks, fit("\n".join(ends), columns) + f"\n{painted(last, '1', color=color)}"]) + "\n"


def _result(account: AccountResult, *, color: bool, titles: Mapping[str, str], columns: int | None) -> str:
    assets = {str(entry.address): entry.asset or "" for entry in account.plan.entries}
    lines = [painted(describe(account.plan, titles), "1", color=color), *_errors(account.errors, color=color)]
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
    """What the entries that remain have in common."""
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


def _errors(errors: Sequence[PlanError], *, color: bool) -> list[str]:
    return [painted(clean(f"  ! {error.key}: {error.message}"), COLOURS["!"], color=color) for error in errors]


def ahead(
    account: AccountPlan, *, color: bool, titles: Mapping[str, str] = NO_TITLES, columns: int | None = None
) -> str:
    """What is about to be sent to one account, for a run without a confirmation."""
    lines = [painted(fit(f"sending to {_request_line(account, titles)}", columns), "1", color=color)]
    lines += [fit(painted(f"  ! {caution}", COLOURS["!"], color=color), columns) for caution in cautions(account)]
    changing = [entry for entry in account.entries if entry.status is Status.CHANGE]
    return "\n".join([*lines, *entries(changing, color=color, columns=columns)]) + "\n\n"


def question(plan: Plan, *, titles: Mapping[str, str] = NO_TITLES, columns: int | None = None) -> str:
    """What apply asks: every account with its exchange, endpoint, requests and sums, then what is to be typed."""
    lines = [f"  {_request_line(account, titles)}" for account in plan.accounts if account.order]
    return fit("\n".join(["Apply this plan to", *lines, "Type 'yes' to apply (anything else cancels): "]), columns)


def place(account: AccountPlan, titles: Mapping[str, str]) -> str:
    """An account as a person must recognise it before money moves: ``main: Binance USD-M LIVE``."""
    desired = account.desired
    is_url = "://" in desired.endpoint
    endpoint = desired.endpoint if is_url else desired.endpoint.upper()
    parts = [titles.get(desired.exchange, desired.exchange), desired.product, endpoint, desired.region]
    return clean(f"{desired.name}: {' '.join(part for part in parts if part)}")


def _request_line(account: AccountPlan, titles: Mapping[str, str]) -> str:
    """``main: Binance USD-M LIVE: 3 requests, +1500 −500 USDT``."""
    count, amounts = len(account.order), clean(summarize([account]).amounts)
    return f"{place(account, titles)}: {count} request{'s' if count > 1 else ''}{f', {amounts}' if amounts else ''}"
