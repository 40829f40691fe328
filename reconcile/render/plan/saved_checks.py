"""Checks of a saved plan before anything in it is used, whatever its digest says.

``plan`` cannot write a document that fails here. A document that does was put together by someone else, and it could
show a reader one thing and make ``apply`` do another. Every check raises ValueError that says where and what.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from reconcile.exchanges.catalogue import TRAITS
from reconcile.model.account import DesiredAccount, MarginType, PositionMode
from reconcile.model.auto_add import AutoAdd, SetAutoAdd
from reconcile.model.measures import Band
from reconcile.model.plan import AccountPlan, Entry, MoveMargin, Plan, SetMarginType, Status, Step
from reconcile.money import minus, plain, plus
from reconcile.planning.templates import template_of

LONGEST_LIFE_MS = 3650 * 86_400_000
"""No plan may be applied for longer than ``--expires`` allows: ten years."""
_EXIT_CODES = frozenset({0, 1, 4, 130})
"""The exit codes that planning one account can have."""
_PATHS = frozenset({"state_file", "includes"})
"""The keys that hold paths."""
_FROM_BYTES = range(0xDC80, 0xDD00)
"""Code points that stand for the bytes of a file name that is not UTF-8."""


def check_text(document: Mapping[str, Any]) -> None:
    """Refuse half surrogate pairs, which no output can hold; the path of a file may have those of its bytes."""
    waiting: list[tuple[str, Any]] = [("", document)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, str):
            if not value.isascii() and not _is_text(value, is_path=place in _PATHS):
                raise ValueError(f"{place} holds half a surrogate pair")
        elif isinstance(value, dict):
            waiting += ((place, key) for key in value)
            waiting += value.items()
        elif isinstance(value, list):
            waiting += ((place, each) for each in value)


def _is_text(text: str, *, is_path: bool) -> bool:
    return not any(0xD800 <= ord(char) < 0xE000 and not (is_path and ord(char) in _FROM_BYTES) for char in text)


def check_plan(plan: Plan) -> None:
    """Refuse a plan that names an account twice or lives longer than any plan."""
    names = [account.desired.name for account in plan.accounts]
    if len(set(names)) != len(names):
        raise ValueError("an account is in it twice")
    if plan.since is not None and not set(plan.since.unchanged).isdisjoint(names):
        raise ValueError("an account is in it and among those that it leaves out")
    if not 0 <= plan.expires_ms - plan.created_ms <= LONGEST_LIFE_MS:
        raise ValueError("it expires before it was made, or more than ten years after")
    for account in plan.accounts:
        if account.outside_scope and not plan.scope:
            raise ValueError(f"account {account.desired.name} leaves addresses out, and the plan names no scope")
        check_account(account)


def check_account(account: AccountPlan) -> None:
    """Refuse an account whose entries, order, errors and exit code contradict each other."""
    name = account.desired.name
    steps = [step for entry in account.entries for step in entry.steps]
    ids = [step.step_id for step in steps]
    if account.exit_code not in _EXIT_CODES or bool(account.errors) is not (account.exit_code != 0):
        raise ValueError(f"account {name}: its errors and its exit code {account.exit_code} do not agree")
    if account.errors and account.order:
        raise ValueError(f"account {name} has errors and steps to take")
    if len(set(ids)) != len(ids) or (not account.errors and sorted(ids) != sorted(account.order)):
        raise ValueError(f"the steps of account {name} and their order do not agree")
    if len({entry.address for entry in account.entries}) != len(account.entries):
        raise ValueError(f"account {name} has an address twice")
    if account.observed is None and (account.entries or account.available_after or not account.errors):
        raise ValueError(f"account {name} was not looked at, and has more than errors")
    if account.identity is None and account.order:
        raise ValueError(f"account {name} has steps and no identity")
    traits = TRAITS.get(account.desired.exchange)
    if any(isinstance(step, SetAutoAdd) for step in steps) and (traits is None or not traits.sets_auto_add):
        raise ValueError(f"account {name} switches auto-add, and {account.desired.exchange} has no call for that")
    changed = {step.address.symbol for step in steps if isinstance(step, SetMarginType)}
    for entry in account.entries:
        _check_status(entry, changed)
        _check_target(entry, account.desired.position_mode)
        _check_template(entry, account.desired)
        for step in _steps(entry):
            _check_step(entry, step)


def _check_status(entry: Entry, changed: set[str]) -> None:
    """Check the fields that each status allows; the second side of a symbol shares the first one's change of type."""
    is_change, is_blocked = entry.status is Status.CHANGE, entry.status is Status.BLOCKED
    if entry.steps and not is_change:
        raise ValueError(f"{entry.address} has steps and is {entry.status}")
    if is_change and not entry.steps and entry.address.symbol not in changed:
        raise ValueError(f"{entry.address} is to change and has no step")
    if len(entry.steps) > 1 and [step.action == "set_auto_add" for step in entry.steps] != [True, False]:
        raise ValueError(f"{entry.address} has more than one step")
    if (entry.blocked_by is not None) is not is_blocked or (entry.wanted is not None and not is_blocked):
        raise ValueError(f"{entry.address} is {entry.status}, which contradicts its blocked_by")
    if (entry.target is None) is not (entry.status is Status.UNMANAGED) and entry.status is not Status.HELD:
        raise ValueError(f"{entry.address} is {entry.status}, which contradicts the declared values")


def _check_target(entry: Entry, mode: PositionMode) -> None:
    """Refuse what no state file declares."""
    if entry.target is None:
        return
    margin = entry.target.isolated_margin
    if entry.target.address.side not in mode.sides:
        raise ValueError(f"{entry.address} is no place of an account in {mode} mode")
    if entry.target.tolerance.value < 0 or (margin is not None and margin < 0):
        raise ValueError(f"{entry.address} declares less than nothing")
    band = entry.target.band
    if band is None:
        if entry.measure is not None or entry.wanted_margin is not None:
            raise ValueError(f"{entry.address} is measured and declares no measure")
        return
    bounds = [each for each in (band.bounds.floor, band.bounds.target, band.bounds.ceiling) if each is not None]
    if margin is not None or bounds != sorted(set(bounds)) or bounds[0] <= 0 or not 0 <= band.at_least <= band.at_most:
        raise ValueError(f"{entry.address} declares a band that no state file can")
    is_added = entry.status is Status.CHANGE and any(
        step.signed > 0 for step in entry.steps if isinstance(step, MoveMargin)
    )
    if is_added and (entry.wanted_margin is None or entry.wanted_margin > band.at_most):
        raise ValueError(f"{entry.address} would get more than its at_most {plain(band.at_most)}")


def _check_template(entry: Entry, desired: DesiredAccount) -> None:
    """Refuse an entry from another template than the one that declares its address."""
    if entry.target is None or entry.target.template is None:
        return
    template = template_of(desired.templates, entry.address)
    if template is None or str(template.address) != entry.target.template:
        raise ValueError(f"{entry.address} is from a template that does not declare it")


def _steps(entry: Entry) -> Iterator[Step]:
    yield from entry.steps
    if entry.wanted is not None:
        yield entry.wanted


def _check_step(entry: Entry, step: Step) -> None:
    """Refuse a step from elsewhere than what was seen, to elsewhere than what is declared, or of another amount."""
    if isinstance(step, SetMarginType):
        fits = entry.target is not None and step.after is entry.target.margin_type and step.before is not step.after
    elif isinstance(step, SetAutoAdd):
        fits = _switches(entry, step)
    else:
        fits = _leads(entry, step)
    if not fits:
        raise ValueError(f"{entry.address}: {step.action} does not lead to the declared values")


def _switches(entry: Entry, step: SetAutoAdd) -> bool:
    target, seen = entry.target, entry.observed
    if target is None or target.auto_add is None or seen is None or step.before is step.after:
        return False
    return step.after is AutoAdd.of(target.auto_add) and step.before is AutoAdd.of(seen.auto_add)


def _leads(entry: Entry, step: MoveMargin) -> bool:
    target, seen = entry.target, entry.observed
    if target is None or target.margin_type is not MarginType.ISOLATED:
        return False
    wanted = target.isolated_margin if target.band is None else entry.wanted_margin
    if wanted is None or not _may_grow(target.band, step):
        return False
    if not entry.asset or seen is None or seen.isolated_margin != step.before:
        return False
    gap = minus(wanted, step.before)
    is_toward = (gap > 0) is (step.signed > 0) and step.amount <= abs(gap)
    return is_toward and step.after == plus(step.before, step.signed)


def _may_grow(band: Band | None, step: MoveMargin) -> bool:
    """Whether the ceiling is one that headroom gives: of an addition for a measure, and within its ``at_most``."""
    if step.ceiling is None:
        return True
    is_addition = band is not None and step.action == "add_margin" and step.ceiling > step.amount
    return is_addition and band is not None and plus(step.before, step.ceiling) <= band.at_most


def check_written(document: Any, again: Any, place: str = "") -> None:
    """Refuse a document that says more than the plan read from it: what is written once more must be the same.

    Fields that only one of the two has are those of another version.
    """
    if isinstance(document, dict) and isinstance(again, dict):
        for key in document.keys() & again.keys():
            check_written(document[key], again[key], f"{place}.{key}" if place else key)
    elif isinstance(document, list) and isinstance(again, list) and len(document) == len(again):
        for number, (one, other) in enumerate(zip(document, again, strict=True)):
            check_written(one, other, f"{place}.{number}")
    elif isinstance(document, bool) is not isinstance(again, bool) or document != again:
        raise ValueError(f"{place}: it does not agree with the rest of the plan, or is not written as reconcile does")
