"""The status of accounts, as ``reconcile status`` reports it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from reconcile.model.account import Address
from reconcile.model.holds import UNSETTLED, held_by
from reconcile.model.plan import PlanError


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStep:
    """One step without a final outcome. ``amount`` None: it changes the margin type.

    ``outcome`` is None where the journal holds no outcome. ``since`` is the RFC 3339 time of its intent by the runner's
    clock, ``resolvable_at_ms`` the exchange time from which a person may resolve it.
    """

    address: Address
    action: str
    asset: str | None
    amount: Decimal | None
    outcome: str | None
    since: str
    evidence: str
    resolvable_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStatus:
    """One account. ``lock`` names its holder, None when free; ``frozen`` gives the reason, None when not frozen.

    ``held`` are the addresses to which nothing is sent before the unsettled steps are settled: those of the steps.
    Where the exchange's ledger names no side, declared addresses of the same symbol are held too. ``journal_head`` is
    the hash that pins the journal, None for an empty one; ``exit_code`` is 0 without ``errors``.
    """

    account: str
    lock: Mapping[str, str] | None = None
    unsettled: tuple[OpenStep, ...] = ()
    held: tuple[Address, ...] = ()
    journal_head: str | None = None
    frozen: str | None = None
    errors: tuple[PlanError, ...] = ()
    exit_code: int = 0

    @property
    def is_unknown(self) -> bool:
        """Whether it is not known of any step what it did; else the exchange said yes to each."""
        return any(held_by(step.outcome) == UNSETTLED for step in self.unsettled)
