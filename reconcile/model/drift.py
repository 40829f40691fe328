"""Drift as values: the difference between a margin and the one that reconcile last left there, split by cause."""

from dataclasses import dataclass
from decimal import Decimal

from reconcile.model.account import Address
from reconcile.model.holds import Hold
from reconcile.model.plan import PlanError


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One cause's part of a change of margin: ``amount`` is signed, ``at_ms`` the exchange time of its last row."""

    cause: str
    amount: Decimal
    at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One address. ``baseline`` is ``applied`` or, where nothing was ever applied, ``declared``.

    ``is_beyond`` says that the drift is known to be outside ``tolerance``, the target's as an amount; ``causes`` add up
    to ``drift``. ``line`` is the target's in the state file. ``left_band`` says how a declared measure is out of its
    bounds, which is beyond too. ``held`` says why nothing can be concluded from what was read: ``observed``
    and ``drift`` may predate our own last step. It is None otherwise.
    """

    address: Address
    asset: str
    baseline: str
    expected: Decimal
    observed: Decimal
    drift: Decimal
    tolerance: Decimal
    is_beyond: bool
    causes: tuple[Share, ...]
    line: int | None = None
    held: Hold | None = None
    left_band: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCompared:
    """A declared address without a drift to tell; ``reason`` says what is known of it.

    ``blocked_by`` is ``instrument`` or ``unusable``, as in a plan, where the exchange shows nothing usable of it. It is
    None where there is nothing to compare: no margin is declared, or none was ever applied and none stands there.
    ``line`` and ``held`` are as for ``Drift``.
    """

    address: Address
    blocked_by: str | None
    reason: str
    line: int | None = None
    held: Hold | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDrift:
    """One account's drift; ``exit_code`` 1 where it could not be read, 4 where it was refused, else 0.

    ``observed_wall_ms`` is the Unix time of the look, None where there was none; ``state_file`` the declaring file.
    """

    account: str
    state_file: str
    observed_wall_ms: int | None = None
    entries: tuple[Drift, ...] = ()
    not_compared: tuple[NotCompared, ...] = ()
    errors: tuple[PlanError, ...] = ()
    exit_code: int = 0

    @property
    def has_drifted(self) -> bool:
        """Whether any address is known to be outside its tolerance of what it is compared with."""
        return any(entry.is_beyond for entry in self.entries)

    @property
    def is_unknown(self) -> bool:
        """Whether there is an address of which nothing can be said for now."""
        return bool(self.holds)

    @property
    def holds(self) -> tuple[Hold, ...]:
        """The holds of its addresses."""
        held = [*(entry.held for entry in self.entries), *(each.held for each in self.not_compared)]
        return tuple(hold for hold in held if hold is not None)
