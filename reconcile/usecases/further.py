"""A request to a run: plan again while steps are under way, for what cannot wait."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reconcile.model.plan import AccountPlan, Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Further:
    """Plan again every ``every_ms`` while steps are under way; ``wants`` chooses what of that plan cannot wait."""

    every_ms: int
    wants: Callable[[AccountPlan], Sequence[Entry]]
