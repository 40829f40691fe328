"""The effect of a price shock on an account under its state file, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from reconcile.model.account import Address, ObservedAccount
from reconcile.model.plan import PlanError


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """One open isolated position in a rehearsal; amounts in ``asset``.

    ``liquidated_at`` is the mark price of its liquidation, None if it survives. ``stopped_by`` names the obstacle to
    the last addition that was needed, None without one. It is a limit, ``short``, ``undeclared``, ``amount`` (a fixed
    amount is declared), or ``too fast`` (no round lay between floor and liquidation).
    """

    address: Address
    asset: str
    mark_before: Decimal
    margin_before: Decimal
    margin_after: Decimal
    liquidated_at: Decimal | None = None
    stopped_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """One straight move of all mark prices by ``shock`` (-0.25 is a fall by 25 %) in equal rounds.

    ``needed`` is what would be added if free balance were no limit, ``added`` what is added, by asset.
    """

    shock: Decimal
    fates: tuple[Fate, ...]
    available: Mapping[str, Decimal]
    added: Mapping[str, Decimal]
    needed: Mapping[str, Decimal]

    @property
    def liquidated(self) -> frozenset[Address]:
        """The positions that are lost."""
        return frozenset(fate.address for fate in self.fates if fate.liquidated_at is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSummary:
    """Many price paths: how many there were, how many lost each address, and what they need at most, by asset."""

    paths: int
    with_liquidations: int
    liquidations: Mapping[Address, int]
    needed: Mapping[str, Decimal]
    worst: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRehearsal:
    """One account; ``rehearsal`` and ``look`` are None where it could not be read, and ``errors`` say why."""

    account: str
    state_file: str
    rehearsal: Rehearsal | None = None
    look: ObservedAccount | None = field(default=None, repr=False)
    paths: PathSummary | None = None
    errors: tuple[PlanError, ...] = field(default=())
    exit_code: int = 0
