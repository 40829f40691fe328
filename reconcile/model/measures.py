"""Risk measures of a position, and the bands that a state file declares for them instead of an amount.

All three measures grow with the isolated margin. Shares are parts of one (0.08 is 8 %), covers are multiples.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from reconcile.money import ZERO, plain, rounded


class Measure(StrEnum):
    """The measure that a band bounds; docs/contract.md section 1 has the formulas."""

    LIQUIDATION_DISTANCE = "liquidation_distance"  # |mark - liquidation| / mark
    MAINTENANCE_COVER = "maintenance_cover"  # margin balance / maintenance margin; 1 is liquidation
    EQUITY_SHARE = "equity_share"  # margin balance / notional; 1 / effective leverage

    @property
    def is_share(self) -> bool:
        """Whether it is written as a percentage; a cover is a plain multiple."""
        return self is not Measure.MAINTENANCE_COVER

    def written(self, value: Decimal) -> str:
        """A value as a state file writes it: ``8%``, or ``3`` for a cover."""
        return f"{plain(value * 100)}%" if self.is_share else plain(value)

    def shown(self, value: Decimal) -> str:
        """A computed value for a person, with two decimals."""
        return self.written(rounded(value, 4 if self.is_share else 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Below ``floor`` margin is added up to ``target``, above ``ceiling`` (None: no ceiling) taken out down to it."""

    floor: Decimal
    target: Decimal
    ceiling: Decimal | None = None

    def written(self, measure: Measure) -> dict[str, str]:
        """The bounds as a state file writes them; a ceiling that there is not is left out."""
        bounds = {"floor": self.floor, "target": self.target, "ceiling": self.ceiling}
        return {name: measure.written(value) for name, value in bounds.items() if value is not None}

    def span(self, measure: Measure) -> str:
        """``8% to 25%``, or ``3 or more`` where there is no ceiling."""
        upper = "or more" if self.ceiling is None else f"to {measure.written(self.ceiling)}"
        return f"{measure.written(self.floor)} {upper}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureBounds:
    """The bounds of a measure, as they are declared for a position."""

    measure: Measure
    bounds: Thresholds

    def __str__(self) -> str:
        """``liquidation_distance 8% to 25%``, or ``maintenance_cover 3 or more``."""
        return f"{self.measure.value} {self.bounds.span(self.measure)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The margin of a position, declared as bounds of a measure.

    The margin stays within ``at_least`` and ``at_most``, both in the margin asset. Computed margins are rounded up to
    a multiple of ``rounding``: an amount, one by asset, or None for the exchange's own amount step.
    """

    measure: Measure
    bounds: Thresholds
    at_most: Decimal
    at_least: Decimal = ZERO
    rounding: Decimal | Mapping[str, Decimal] | None = None

    def round_to(self, asset: str) -> Decimal | None:
        """The multiple that margins of this asset are rounded up to; None for the exchange's own amount step."""
        return self.rounding.get(asset) if isinstance(self.rounding, Mapping) else self.rounding
