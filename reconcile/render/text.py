"""Plans, results and states for a person at a terminal: a plan is read in five seconds, a result at 3 a.m.

Every fact is in the words; colour only repeats it. Changes and what is in their way come first, what is in sync last.
Amounts stand under each other by their decimal points and are exact; prices show eight digits.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from reconcile.model.plan import (
    AccountPlan,
    AccountResult,
    Entry,
    MoveMargin,
    OutcomeKind,
    Plan,
    PlanError,
    Result,
    SetMarginType,
    Status,
    Step,
    StepResult,
)
from reconcile.money import plain
from reconcile.render.conclusion import conclusion
from reconcile.render.values import (
    aligned,
    by_attention,
    cautions,
    clean,
    declared,
    describe,
    liquidation,
    now,
    rfc3339,
    step_amounts,
    summary_line,
    why,
)

NO_TITLES: Mapping[str, str] = MappingProxyType({})

_MARKS = {
    Status.CHANGE: "~",
    Status.BLOCKED: "!",
    Status.HELD: "?",
    Status.WAITING: ".",
    Status.UNMANAGED: "*",
    Status.IN_SYNC: "=",
}
_COLOURS = {"+": "32", "-": "33", "~": "36", "!": "31", "?": "35", ".": "2", "*": "2", "=": "2"}
_OUTCOME_MARKS = {
    OutcomeKind.APPLIED: "=",
    OutcomeKind.ACCEPTED: ".",
    OutcomeKind.REFUSED: "!",
    OutcomeKind.UNKNOWN: "?",
    OutcomeKind.SKIPPED: "-",
}


def plan(plan: Plan, *, color: bool, titles: Mapping[str, str] = NO_TITLES) -> str:
    """The whole plan; ``titles`` names the exchanges for people."""
    blocks = [_account(account, color=color, titles=titles) for account in plan.accounts]
    ends = [f"Plan: {summary_line(plan)}."]
    if plan.overrides:
        ends.append(clean(f"Overridden for this run: {', '.join(f'{k} = {v}' for k, v in plan.overrides.items())}."))
    return "\n\n".join([*blocks, "\n".join(ends)]) + "\n"


def _account(account: AccountPlan, *, color: bool, titles: Mapping[str, str]) -> str:
    head = f"{describe(account, titles)}  ({clean(account.desired.path)})"
    lines = [_paint(head, "1", color=color)]
    lines += [_paint(f"  ! {caution}", _COLOURS["!"], color=color) for caution in cautions(account)]
    lines += _errors(account.errors, color=color)
    if account.errors and account.entries:
        lines.append(_paint("  ! refused as a whole: nothing of this account is sent", _COLOURS["!"], color=color))
    lines += entries(account.entries, color=color)
    if account.observed is not None and account.observed_wall_ms is not None:
        lines.append(f"  free balance: {_balances(account)}; read at {rfc3339(account.observed_wall_ms)}")
    return "\n".join(lines)


def _balances(account: AccountPlan) -> str:
    available = account.observed.available if account.observed else {}
    shown = []
    for asset, amount in sorted(available.items()):
        after = account.available_after.get(asset, amount)
        change = "" if after == amount else f" → {plain(after)}"
        shown.append(clean(f"{plain(amount)}{change} {asset}"))
    return ", ".join(shown) or "none"


def entries(listed: Sequence[Entry], *, color: bool) -> list[str]:
    """One line per address, aligned, in the order of what to look at first."""
    rows = [row for entry in by_attention(listed) for row in _rows(entry)]
    columns = list(zip(*rows, strict=True))
    if not columns:
        return []
    marks, addresses, befores, arrows, afters, differences, assets, tails = columns
    width = max(map(len, addresses))
    asset_width = max(map(len, assets))
    arrow_width = max(map(len, arrows))
    lines = []
    for mark, address, before, arrow, after, difference, asset, tail in zip(
        marks, addresses, aligned(befores), arrows, aligned(afters), aligned(differences), assets, tails, strict=True
    ):
        cells = f"{before} {arrow:{arrow_width}} {after}  {difference} {asset:{asset_width}}  {tail}"
        lines.append(_paint(f"  {mark} {address:{width}}  {cells}".rstrip(), _COLOURS[mark], color=color))
    return lines


_Row = tuple[str, str, str, str, str, str, str, str]


def _rows(entry: Entry) -> Iterable[_Row]:
    """One row per step of an entry, nearly always one; the columns are those of ``entries``."""
    steps: tuple[Step | None, ...] = entry.steps or (entry.wanted,)
    for step in steps:
        mark = _mark(step) if step is not None and entry.status is Status.CHANGE else _MARKS[entry.status]
        notes = [why(entry)]
        if step is None:
            before, arrow, after, difference = now(entry), "", declared(entry), ""
            arrow = "→" if after else ""
        else:
            before, after, difference = step_amounts(step)
            arrow = "→"
            notes.insert(0, liquidation(step))
        asset = "" if isinstance(step, SetMarginType) else clean(entry.asset or "")
        tail = clean("  ".join(note for note in notes if note))
        yield mark, clean(str(entry.address)), before, arrow, after, difference, asset, tail or _quiet(entry)


def _quiet(entry: Entry) -> str:
    return "in sync" if entry.status is Status.IN_SYNC else ""


def _mark(step: Step) -> str:
    match step:
        case SetMarginType():
            return "~"
        case MoveMargin():
            return "+" if step.action == "add_margin" else "-"


def result(result: Result, *, color: bool, titles: Mapping[str, str] = NO_TITLES) -> str:
    """What was and was not done; the last line is the one that a tired person reads."""
    blocks = []
    for account in result.accounts:
        assets = {str(entry.address): entry.asset or "" for entry in account.plan.entries}
        lines = [_paint(describe(account.plan, titles), "1", color=color)]
        lines += _errors(account.errors, color=color)
        lines += [_step(step, assets.get(str(step.address), ""), color=color) for step in account.steps]
        if account.remaining:
            stale = any(error.key == "stale" for error in account.errors)
            lines.append("  as it was planned, and no longer is:" if stale else "  not where it should be:")
            lines += ["  " + line for line in entries(account.remaining, color=color)]
        lines += _checks(account)
        blocks.append("\n".join(lines))
    last = conclusion(result)
    return "\n\n".join([*blocks, f"run {clean(result.run_id)}\n{_paint(last, '1', color=color)}"]) + "\n"


def _step(step: StepResult, asset: str, *, color: bool) -> str:
    mark = _OUTCOME_MARKS[step.outcome]
    amount = (
        "" if step.amount is None else f" {'-' if step.action == 'reduce_margin' else '+'}{plain(step.amount)} {asset}"
    )
    change = f" {step.before or '?'} → {step.after or '?'}" if step.before or step.after else ""
    notes = "; ".join(note for note in (step.evidence, step.detail) if note)
    line = f"  {mark} {step.address} {step.outcome.value}:{amount}{change}"
    text = line.rstrip(":") + (f"  ({notes})" if notes else "")
    return _paint(clean(text), _COLOURS[mark], color=color)


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
    return [_paint(clean(f"  ! {error.key}: {error.message}"), _COLOURS["!"], color=color) for error in errors]


def question(plan: Plan, *, titles: Mapping[str, str] = NO_TITLES) -> str:
    """What apply asks: every account with its exchange and endpoint, then what is to be typed."""
    lines = ["Apply this plan to"]
    for account in plan.accounts:
        count = len(account.order)
        if count:
            lines.append(f"  {describe(account, titles)}: {count} call{'s' if count > 1 else ''}")
    return "\n".join([*lines, "Only 'yes' goes on: "])


def _paint(text: str, code: str, *, color: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if color else text
