"""The constants in the life of one step, as values."""

from dataclasses import dataclass
from decimal import Decimal

from reconcile.model.account import Address, Policy, Target
from reconcile.model.plan import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One step of a plan, or (``step`` None) the search for the outcome of an earlier one.

    ``name`` is the account's. ``target`` is the declared address, None for an earlier step. ``step_size`` is the
    smallest amount that a call moves, ``cursor`` the ledger's newest row (None: not known). ``grace_ms`` and
    ``validity_ms`` are the values assumed of the exchange. A row may be dated up to ``slack_ms`` before the signature.
    """

    name: str
    address: Address
    lane: str
    policy: Policy
    step_size: Decimal
    grace_ms: int
    validity_ms: int
    slack_ms: int
    step: Step | None = None
    target: Target | None = None
    cursor: str | None = None

    @property
    def the_step(self) -> Step:
        """The planned step; raises LookupError for a step of an earlier run."""
        if self.step is None:
            raise LookupError(f"sending to {self.address}: the step was an earlier run's; this is a bug")
        return self.step
