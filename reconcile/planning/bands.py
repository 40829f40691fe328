"""Bands of an open position: its measure now, and the margin that brings it back inside. Pure.

Every measure is linear in the margin or has a closed form over the exchange's tiers (``Risk.margin_at``). The wanted
margin is therefore computed, not searched for. Our formula must first reproduce the exchange: if its liquidation price
for the present margin differs from the exchange's, no margin is computed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import assert_never

from reconcile.model.account import Position, Side, Target
from reconcile.model.measures import Band, Measure, Thresholds
from reconcile.model.risk import Exposure, Risk
from reconcile.money import ZERO, cut, minus, plain, plus, raised, rounded, shortened

MOST_AMISS = Decimal("0.005")
"""How far our own liquidation price may be from the exchange's, as a share of that; beyond it nothing is computed."""

_UNSURE = Decimal("0.000001")
"""The rounding of shown prices, as a share of the notional; it does not change with the margin."""
_LEAST_PART = Decimal("0.1")
"""The least share of the margin to take out if the exchange lets out only a part; every tick frees more."""
_ROUNDINGS = 2
"""How many units the computed margin can fall short, by division and by cutting the addition to whole steps."""


def _nowhere(_margin: Decimal) -> None:
    """The measure where no margin is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The requirement of a band. ``value`` is the measure now, None if it is beyond every bound (never liquidated).

    ``wanted`` is the margin to go to, None if the margin stays; ``at`` returns the measure for a margin.
    ``blocked_by`` names the obstacle, with the reason in ``text``; without it, ``text`` is a note.
    """

    value: Decimal | None
    wanted: Decimal | None = None
    blocked_by: str | None = None
    text: str = ""
    at: Callable[[Decimal], Decimal | None] = field(default=_nowhere, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """One position whose formula reproduces what the exchange shows. Margin is moved by multiples of ``step_size``."""

    band: Band
    position: Position
    risk: Risk
    exposure: Exposure
    mark: Decimal
    step_size: Decimal

    def value(self, margin: Decimal) -> Decimal | None:
        """The measure with this margin; None where it has no bound."""
        match self.band.measure:
            case Measure.LIQUIDATION_DISTANCE:
                return self.position.distance_to(self.risk.liquidation_price(margin))
            case Measure.MAINTENANCE_COVER:
                return _part(plus(margin, self.exposure.profit), self.exposure.maintenance)
            case Measure.EQUITY_SHARE:
                return _part(plus(margin, self.exposure.profit), self.exposure.notional)
            case _:
                assert_never(self.band.measure)

    def observed(self) -> Decimal | None:
        """The measure now; a liquidation distance uses the exchange's own price if it shows one."""
        shown = self.position.liquidation_price
        if self.band.measure is Measure.LIQUIDATION_DISTANCE and shown is not None:
            return self.position.distance_to(shown)
        return self.value(self.position.isolated_margin)

    def margin(self, value: Decimal) -> Decimal:
        """The margin that gives the measure this value; at least 0."""
        match self.band.measure:
            case Measure.LIQUIDATION_DISTANCE:
                away = -value if _is_long(self.position) else value
                wanted = self.risk.margin_at(self.mark * (1 + away))
            case Measure.MAINTENANCE_COVER:
                wanted = minus(value * self.exposure.maintenance, self.exposure.profit)
            case Measure.EQUITY_SHARE:
                wanted = minus(value * self.exposure.notional, self.exposure.profit)
            case _:
                assert_never(self.band.measure)
        return max(ZERO, wanted)

    def removable(self) -> Decimal:
        """The amount that the exchange lets out for certain, however it rounded the numbers that it shows."""
        unsure = plus(self.step_size, self.exposure.notional * _UNSURE)
        return max(ZERO, minus(self.risk.removable(), unsure))

    def reaches(self, margin: Decimal, value: Decimal) -> bool:
        """Whether the measure is at least this value with this margin."""
        found = self.value(margin)
        return found is None or found >= value


def assess(target: Target, position: Position, step_size: Decimal, *, allow_reduce: bool) -> Assessment:
    """Assess an open isolated position by the band of its target; amounts are multiples of ``step_size``.

    Raises ValueError for a target without a band.
    """
    band = target.band
    if band is None:
        raise ValueError(f"measuring {target.address}: the state file declares no measure for it; plan again")
    found = _measured(band, position, step_size)
    if isinstance(found, str):
        return Assessment(value=None, blocked_by="formula", text=found)
    value, bounds, margin = found.observed(), band.bounds, position.isolated_margin
    if value is not None and value < bounds.floor:
        return _below(found, value)
    least_change = max(step_size, target.tolerance.amount(margin, position.asset))
    if bounds.ceiling is not None and (value is None or value > bounds.ceiling):
        over = f"{_shown(band, value)} is above ceiling {_shown(band, bounds.ceiling)}"
        return _above(found, value, ZERO, least_change, over, allow_reduce=allow_reduce)
    if minus(margin, band.at_most) < least_change:
        return Assessment(value=value)
    over = f"margin is above at_most {plain(band.at_most)}"
    if value is not None and value <= bounds.target:
        return Assessment(value=value, text=f"{over}, and all of it is needed for target {_shown(band, bounds.target)}")
    return _above(found, value, band.at_most, least_change, over, allow_reduce=allow_reduce)


def is_inside(target: Target, position: Position) -> bool:
    """Whether a target's band requires nothing, as far as its measure alone shows."""
    found = None if target.band is None else _measured(target.band, position)
    if found is None or isinstance(found, str):
        return True
    value, bounds = found.observed(), found.band.bounds
    if value is None:
        return bounds.ceiling is None
    return bounds.floor <= value and (bounds.ceiling is None or value <= bounds.ceiling)


def measure_at(target: Target, position: Position, margin: Decimal) -> Decimal | None:
    """A target's measure as it would be with this margin; None if it has no bound or cannot be computed."""
    found = None if target.band is None else _measured(target.band, position)
    return None if found is None or isinstance(found, str) else found.value(margin)


def floor_margin(target: Target, position: Position, step_size: Decimal) -> Decimal | None:
    """The smallest margin, rounded up, that reaches the floor; None without a band, or if none can be computed."""
    found = None if target.band is None else _measured(target.band, position, step_size)
    return None if found is None or isinstance(found, str) else _needed(found, found.band.bounds.floor)


def _below(found: _Measured, value: Decimal) -> Assessment:
    """Below the floor: add margin up to the target, and never take any out."""
    band, margin, step_size = found.band, found.position.isolated_margin, found.step_size
    needed = _needed(found, band.bounds.target)
    wanted = min(max(needed, band.at_least), band.at_most)
    asset = found.position.asset
    if cut(minus(band.at_most, margin), step_size) <= 0:
        floor = _needed(found, band.bounds.floor)
        low, target = _shown(band, band.bounds.floor), _shown(band, band.bounds.target)
        text = (
            f"{_shown(band, value)} is below floor {low}, and the margin {plain(margin)} is at at_most "
            f"{plain(band.at_most)}; the floor needs {plain(floor)} {asset}, target {target} needs {plain(needed)}; "
            "raise at_most, or make the position smaller"
        )
        return Assessment(
            value=value, wanted=max(needed, band.at_least), blocked_by="at_most", text=text, at=found.value
        )
    if cut(minus(wanted, margin), step_size) <= 0:
        text = (
            f"the exchange shows {_shown(band, value)}, and our own formula wants no more than the present "
            f"{plain(margin)} {asset} for {_shown(band, band.bounds.target)}; look at the position on the exchange"
        )
        return Assessment(value=value, blocked_by="formula", text=text)
    text = ""
    if wanted == band.at_most and needed > wanted:
        text = f"at_most {plain(band.at_most)} allows less than the {plain(needed)} {asset} that the target needs"
    return Assessment(value=value, wanted=wanted, text=text, at=found.value)


def _above(
    found: _Measured, value: Decimal | None, least: Decimal, least_change: Decimal, over: str, *, allow_reduce: bool
) -> Assessment:
    """Above the ceiling, or above the target with more than ``at_most``: margin may be taken out down to the target.

    The amount is at most what the exchange lets out, and at least ``least_change``. If the exchange lets out only a
    part, that part must also be at least ``_LEAST_PART`` of the margin, so that no single tick moves margin.
    """
    band, margin = found.band, found.position.isolated_margin
    wanted = max(_needed(found, band.bounds.target), band.at_least, least)
    lowest = minus(margin, found.removable())
    spare = minus(margin, max(wanted, lowest))
    is_part = lowest > wanted
    if spare < (max(least_change, margin * _LEAST_PART) if is_part else least_change):
        part = "lets none of it out" if spare <= 0 else f"lets out less than {plain(_LEAST_PART * 100)}% of the margin"
        stays = f"the exchange {part}" if is_part else "rounding and at_least leave nothing to take out"
        return Assessment(value=value, text=f"{over}; {stays}")
    if not allow_reduce:
        text = f"{over}; {plain(rounded(spare, 2))} {found.position.asset} could be taken out with allow_reduce"
        return Assessment(value=value, text=text)
    return Assessment(value=value, wanted=max(wanted, lowest), text=over, at=found.value)


def _needed(found: _Measured, value: Decimal) -> Decimal:
    """The smallest margin, rounded up, that reaches a value in whole steps."""
    margin, step_size = found.position.isolated_margin, found.step_size
    exact = found.margin(value)
    unit = found.band.round_to(found.position.asset)
    wanted = plus(margin, raised(minus(exact, margin), step_size)) if unit is None else raised(exact, unit)
    for _ in range(_ROUNDINGS):
        if found.reaches(plus(margin, cut(minus(wanted, margin), step_size)), value):
            break
        wanted = plus(wanted, unit or step_size)
    return wanted


def _measured(band: Band, position: Position, step_size: Decimal = ZERO) -> _Measured | str:
    """The position with its formula, or the reason why no margin may be computed for it."""
    risk, mark = position.risk, position.mark_price
    exposure = None if risk is None else risk.exposure()
    covered = band.measure is not Measure.MAINTENANCE_COVER or (exposure is not None and exposure.maintenance > 0)
    if risk is None or exposure is None or not mark or exposure.notional <= 0 or not covered:
        return (
            "the exchange does not show all that the measure is computed from (mark price, entry price, tiers, the "
            "unit of its size)"
        )
    own = risk.unfitted()
    if own is None:
        return "the maintenance tiers of the position are not known, so its liquidation price cannot be checked"
    amiss = _amiss(own.liquidation_price(position.isolated_margin), position.liquidation_price, mark)
    if amiss is not None:
        return amiss
    return _Measured(band=band, position=position, risk=risk, exposure=exposure, mark=mark, step_size=step_size)


def _amiss(own: Decimal | None, shown: Decimal | None, mark: Decimal) -> str | None:
    """The reason why our own liquidation price does not reproduce the exchange's; None if it does."""
    if own is None and shown is None:
        return None
    if own is not None and shown is not None and abs(minus(own, shown)) <= MOST_AMISS * shown:
        return None
    if shown is None and own is not None and own <= MOST_AMISS * mark:
        return None  # so near to zero that the exchange prints none
    numbers = [("our formula gives", own), ("the exchange shows", shown)]
    said = " and ".join(f"{who} {'none' if price is None else plain(shortened(price))}" for who, price in numbers)
    return f"liquidation price: {said}, more than {plain(MOST_AMISS * 100)}% apart; no margin is computed from it"


def _part(balance: Decimal, whole: Decimal) -> Decimal:
    return balance / whole


def _is_long(position: Position) -> bool:
    return position.address.side is Side.LONG or (position.address.side is Side.NET and position.size > 0)


def _shown(band: Band, value: Decimal | None) -> str:
    return "no liquidation" if value is None else band.measure.shown(value)


def outside(target: Target, position: Position) -> str:
    """How a position has left its band, for a person; empty if it is inside, or cannot be measured."""
    found = None if target.band is None else _measured(target.band, position)
    if found is None or isinstance(found, str) or is_inside(target, position):
        return ""
    band, value = found.band, found.observed()
    is_below = value is not None and value < band.bounds.floor
    side, bound = ("below floor", band.bounds.floor) if is_below else ("above ceiling", band.bounds.ceiling)
    return f"{band.measure.value} {_shown(band, value)} is {side} {_shown(band, bound)}"


def value_of(measure: Measure, position: Position) -> Decimal | str:
    """A measure of an open isolated position now, or the reason why it has none or cannot be known."""
    widest = Thresholds(floor=ZERO, target=ZERO)
    found = _measured(Band(measure=measure, bounds=widest, at_most=position.isolated_margin), position)
    if isinstance(found, str):
        return found
    value = found.observed()
    return "no mark price liquidates it" if value is None else value
