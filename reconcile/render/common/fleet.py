"""The table that leads the text and Markdown of many accounts: a line for each, those that need a person first."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from reconcile.model.account import Address
from reconcile.model.plan import AccountPlan, AccountResult, MoveMargin, OutcomeKind, Plan, Result, Status, StepResult
from reconcile.money import ZERO, plus
from reconcile.render.common.columns import padded, width
from reconcile.render.common.values import REFUSED, STATUS_WORDS, clean, percent, signed_text, summarize

MOST_WITHOUT = 5
"""No table leads this many accounts or fewer: they fit a screen."""
HEAD = ("Account", "Changes", "Sums", "Nearest to liquidation", "Status")
_TROUBLE = (Status.BLOCKED, Status.HELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRow:
    """One account; ``nearest`` is its smallest distance to liquidation, now and after the steps."""

    account: str
    changes: str
    sums: str
    nearest: str
    status: str
    needs_person: bool

    @property
    def cells(self) -> tuple[str, ...]:
        """In the order of ``HEAD``."""
        return (self.account, self.changes, self.sums, self.nearest, self.status)


def of_plan(plan: Plan) -> list[FleetRow]:
    """A row for each account of a plan; none where the accounts are few."""
    return _led([_planned(account) for account in plan.accounts])


def of_result(result: Result) -> list[FleetRow]:
    """A row for each account of a result; none where the accounts are few."""
    return _led([_ended(account) for account in result.accounts])


def lines(rows: Sequence[FleetRow]) -> list[str]:
    """The table as text, in columns."""
    cells = [HEAD, *(row.cells for row in rows)]
    widths = [max(width(row[place]) for row in cells) for place in range(len(HEAD))]
    return ["  ".join(map(padded, row, widths)).rstrip() for row in cells]


def _led(rows: list[FleetRow]) -> list[FleetRow]:
    if len(rows) <= MOST_WITHOUT:
        return []
    return sorted(rows, key=lambda row: not row.needs_person)


def _planned(account: AccountPlan) -> FleetRow:
    summary = summarize([account])
    count = summary.counts[Status.CHANGE]
    others = [f"{summary.counts[each]} {STATUS_WORDS[each]}" for each in (*_TROUBLE, Status.WAITING)]
    shown = [words for words in others if not words.startswith("0 ")]
    if account.errors:
        keys = ", ".join(dict.fromkeys(error.key for error in account.errors))
        shown.insert(0, f"{'refused' if account.exit_code == REFUSED else 'error'}: {keys}")
    return FleetRow(
        account=clean(account.desired.name),
        changes=str(count),
        sums=clean(summary.amounts),
        nearest=_nearest(account, {step.step_id for step in account.steps}),
        status=clean(", ".join(shown) or ("to change" if count else "in sync")),
        needs_person=bool(account.errors) or any(summary.counts[each] for each in _TROUBLE),
    )


def _ended(account: AccountResult) -> FleetRow:
    done = [step for step in account.steps if step.outcome is OutcomeKind.APPLIED]
    counts = {kind: sum(step.outcome is kind for step in account.steps) for kind in OutcomeKind}
    shown = [f"{count} {kind.value}" for kind, count in counts.items() if count]
    shown += [f"error: {error.key}" for error in account.errors]
    left = sum(entry.status is not Status.WAITING for entry in account.remaining)
    shown += [f"{left} still different"] if left else []
    return FleetRow(
        account=clean(account.plan.desired.name),
        changes=f"{len(done)} of {len(account.plan.steps)}",
        sums=clean(_moved(account, done)),
        nearest=_nearest(account.plan, {step.step_id for step in done}),
        status=clean(", ".join(shown) or "in sync"),
        needs_person=account.exit_code != 0,
    )


def _moved(account: AccountResult, done: Sequence[StepResult]) -> str:
    """``+300 USDT, −0.5 BTC``: what the applied steps moved, by asset."""
    assets = {step.step_id: step.asset for step in account.plan.steps if isinstance(step, MoveMargin)}
    sums: dict[str, dict[str, Decimal]] = {}
    for step in done:
        if step.amount is not None and step.step_id in assets:
            of_asset = sums.setdefault(assets[step.step_id], {})
            of_asset[step.action] = plus(of_asset.get(step.action, ZERO), step.amount)
    return ", ".join(
        " ".join(
            signed_text(-moved[action] if action == "reduce_margin" else moved[action])
            for action in ("add_margin", "reduce_margin")
            if action in moved
        )
        + f" {asset}"
        for asset, moved in sorted(sums.items())
    )


def _nearest(account: AccountPlan, steps: Collection[str]) -> str:
    """``9.8% → 15.4%``: the smallest distance of an open position, before and after these steps; ``none``."""
    positions = account.observed.positions.values() if account.observed is not None else ()
    now: dict[Address, Decimal] = {
        each.address: gap
        for each in positions
        if each.is_open and (gap := each.distance_to(each.liquidation_price)) is not None
    }
    then = now | {
        step.address: step.liquidation_distance_after
        for step in account.steps
        if isinstance(step, MoveMargin) and step.step_id in steps and step.liquidation_distance_after is not None
    }
    before, after = min(now.values(), default=None), min(then.values(), default=None)
    return percent(before) if percent(before) == percent(after) else f"{percent(before)} → {percent(after)}"
