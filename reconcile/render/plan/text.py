"""A plan for a person at a terminal, who reads it in five seconds.

Every fact is in the words; colour only repeats it. ``columns`` is the width of the terminal, None where there is none:
then nothing is broken into several lines.
"""

from collections.abc import Mapping, Sequence

from reconcile.model.plan import AccountPlan, Plan, PlanError, Status
from reconcile.money import plain
from reconcile.render.common import advice, fleet, scope
from reconcile.render.common.columns import fit
from reconcile.render.common.values import (
    NO_TITLES,
    cautions,
    clean,
    describe,
    painted,
    rfc3339,
    summarize,
    summary_line,
)
from reconcile.render.plan.entries import COLOURS, entries, legend


def plan_text(plan: Plan, *, color: bool, titles: Mapping[str, str] = NO_TITLES, columns: int | None = None) -> str:
    """The whole plan; ``titles`` names the exchanges for people."""
    blocks = [_account(account, color=color, titles=titles, columns=columns) for account in plan.accounts]
    signs = legend([entry for account in plan.accounts for entry in account.entries])
    ends = [painted(signs, "2", color=color)] if signs else []
    ends.append(f"Plan: {summary_line(plan)}.")
    ends += [f"Scope: {words}." for words in scope.of_plan(plan)]
    if plan.overrides:
        ends.append(clean(f"Overridden for this run: {', '.join(f'{k} = {v}' for k, v in plan.overrides.items())}."))
    ends += filter(None, [advice.of_plan(plan)])
    return "\n\n".join([*fleet_block(fleet.of_plan(plan), columns), *blocks, fit("\n".join(ends), columns)]) + "\n"


def fleet_block(rows: Sequence[fleet.FleetRow], columns: int | None) -> list[str]:
    """The table that leads many accounts, as a block of its own."""
    return [fit("\n".join(fleet.lines(rows)), columns)] if rows else []


def _account(account: AccountPlan, *, color: bool, titles: Mapping[str, str], columns: int | None) -> str:
    head = f"{describe(account, titles)}  ({clean(account.desired.path)})"
    lines = [painted(head, "1", color=color)]
    lines += [painted(f"  ! {caution}", COLOURS["!"], color=color) for caution in cautions(account)]
    lines += error_lines(account.errors, color=color)
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


def error_lines(errors: Sequence[PlanError], *, color: bool) -> list[str]:
    """The errors of an account, a line for each."""
    return [painted(clean(f"  ! {error.key}: {error.message}"), COLOURS["!"], color=color) for error in errors]


def ahead(
    account: AccountPlan, *, color: bool, titles: Mapping[str, str] = NO_TITLES, columns: int | None = None
) -> str:
    """The calls for one account, for a run without a confirmation."""
    lines = [painted(fit(f"sending to {_request_line(account, titles)}", columns), "1", color=color)]
    lines += [fit(painted(f"  ! {caution}", COLOURS["!"], color=color), columns) for caution in cautions(account)]
    changing = [entry for entry in account.entries if entry.status is Status.CHANGE]
    return "\n".join([*lines, *entries(changing, color=color, columns=columns)]) + "\n\n"


def question(plan: Plan, *, titles: Mapping[str, str] = NO_TITLES, columns: int | None = None) -> str:
    """The question of apply: every account with its exchange, endpoint, requests and sums, then the word to type."""
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
