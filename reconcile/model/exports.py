"""Results of ``reconcile audit movements``: every movement of margin, and their totals."""

from dataclasses import dataclass
from decimal import Decimal

from reconcile.model.reports import Movement
from reconcile.money import minus


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountMovement:
    """A movement with the account that it is of; ``at`` is RFC 3339, by the clock that ``movement.at_ms`` tells."""

    account: str
    identity: str
    at: str
    movement: Movement

    @property
    def by_exchange_clock(self) -> bool:
        """Whether ``at`` is exchange time; else it is the runner's."""
        return self.movement.at_ms is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementTotal:
    """The sum that one cause and actor moved of one asset. ``actor`` is empty for movements that were not ours.

    ``added`` and ``removed`` are positive; ``unclear`` counts steps of unknown outcome, which are in no sum.
    """

    cause: str
    actor: str
    asset: str
    added: Decimal
    removed: Decimal
    movements: int
    unclear: int

    @property
    def net(self) -> Decimal:
        """``added`` less ``removed``."""
        return minus(self.added, self.removed)


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementExport:
    """The movements of some accounts in a period, oldest first, and their totals."""

    movements: tuple[AccountMovement, ...]
    totals: tuple[MovementTotal, ...]
