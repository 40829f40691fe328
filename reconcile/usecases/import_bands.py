"""``reconcile import --as MEASURE``: bands around what is there, which plan to nothing.

The target is the present value, the floor two thirds and the ceiling four thirds of it (none where a share would reach
100 %). ``at_most`` is twice the present margin.
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal

from reconcile.model.account import ObservedAccount, Target
from reconcile.model.measures import Band, Measure, Thresholds
from reconcile.planning.bands import value_of
from reconcile.statefile.measures import ROOM

_THIRD = Decimal(3)
_MOST_MARGIN = 2
_PLACES = {True: Decimal("0.0001"), False: Decimal("0.01")}
"""Shares are written with two decimals of a percent, covers with two decimals."""
_LEAST_COVER = Decimal("1.01")


def provisional(target: Target, measure: Measure) -> Target:
    """The target with a band, so that a look reads all that the measure is computed from."""
    if target.isolated_margin is None:
        return target
    band = Band(measure=measure, bounds=Thresholds(floor=Decimal(1), target=Decimal(2)), at_most=target.isolated_margin)
    return replace(target, isolated_margin=None, band=band)


def around(
    targets: Iterable[Target], look: ObservedAccount, measure: Measure
) -> tuple[tuple[Target, ...], tuple[str, ...]]:
    """The targets with bands around what the look shows; and which keep their amount, with the reason."""
    made, notes = [], []
    for target in targets:
        position = look.positions.get(target.address)
        if target.band is None or position is None:
            made.append(target)
            continue
        value = value_of(measure, position)
        bounds = value if isinstance(value, str) else _bounds(value, measure)
        if not position.isolated_margin:
            bounds = "it has no isolated margin"
        if isinstance(bounds, str):
            notes.append(f"{target.address} keeps its amount: {measure.value}: {bounds}")
            made.append(replace(target, isolated_margin=position.isolated_margin, band=None))
            continue
        at_most = position.isolated_margin * _MOST_MARGIN
        made.append(replace(target, band=Band(measure=measure, bounds=bounds, at_most=at_most)))
    return tuple(made), tuple(notes)


def _bounds(value: Decimal, measure: Measure) -> Thresholds | str:
    place = _PLACES[measure.is_share]
    floor, target, ceiling = (
        (value * thirds / _THIRD).quantize(place, ROUND_FLOOR) for thirds in (Decimal(2), Decimal(3), Decimal(4))
    )
    least = place if measure.is_share else _LEAST_COVER
    is_wide = target >= floor * ROOM and ceiling >= target * ROOM
    if floor < least or not is_wide or (target >= 1 and measure is Measure.LIQUIDATION_DISTANCE):
        return f"{measure.shown(value)} leaves no room for a band"
    limited = measure is not Measure.LIQUIDATION_DISTANCE or ceiling < 1
    return Thresholds(floor=floor, target=target, ceiling=ceiling if limited else None)
