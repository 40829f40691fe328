"""The limits over all runs of one UTC day (exchange time): ``max_day_add`` and ``max_day_changes``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

from reconcile.model.account import Policy
from reconcile.model.plan import PlanError, Step, additions
from reconcile.money import ZERO, plain, plus, total
from reconcile.planning.amounts import limit_for


@dataclass(frozen=True, slots=True, kw_only=True)
class DayUsed:
    """The calls of the day's earlier runs: additions by margin asset, and the number of calls of any kind."""

    added: Mapping[str, Decimal] = field(default_factory=lambda: MappingProxyType({}))
    changes: int = 0


def check_day(steps: Iterable[Step], policy: Policy, used: DayUsed) -> list[PlanError]:
    """The limits that these steps would break after the day's earlier calls; LookupError as for ``limit_for``."""
    steps = tuple(steps)
    errors = []
    added = additions(steps)
    for asset in sorted({step.asset for step in added}):
        most, spent = limit_for(policy.max_day_add, asset), used.added.get(asset, ZERO)
        more = total(step.most for step in added if step.asset == asset)
        value = plus(spent, more)
        if most is not None and value > most:
            message = (
                f"limits of one day: adding {plain(more)} {asset} to the {plain(spent)} of earlier runs today (UTC) is "
                f"over max_day_add {plain(most)}; wait for the next day, raise the limit, or override it for one run"
            )
            errors.append(
                PlanError(key="max_day_add", asset=asset, limit=plain(most), value=plain(value), message=message)
            )
    most_changes = policy.max_day_changes
    if steps and most_changes is not None and used.changes + len(steps) > most_changes:
        message = (
            f"limits of one day: {len(steps)} changes after the {used.changes} of earlier runs today (UTC) are over "
            f"max_day_changes {most_changes}; wait for the next day, raise the limit, or override it for one run"
        )
        errors.append(
            PlanError(
                key="max_day_changes",
                limit=str(most_changes),
                value=str(used.changes + len(steps)),
                message=message,
            )
        )
    return errors
