"""The keys of one position about its margin, checked together: one amount or one measure, and the amounts beside it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from reconcile.model.account import MarginType, WhenShort
from reconcile.model.measures import Band, Measure, Thresholds
from reconcile.money import ZERO
from reconcile.statefile import scalars
from reconcile.statefile.lines import Key
from reconcile.statefile.position_table import PositionTable
from reconcile.statefile.problems import ProblemList

MEASURES = tuple(measure.value for measure in Measure)
WAYS = ("isolated_margin", *MEASURES)
"""The keys that declare a margin; a position has at most one of them."""
_BOUNDS = ("at_most", "at_least")


def has_margin(position: Mapping[str, object]) -> bool:
    """Whether a position declares its margin, in any way."""
    return any(way in position for way in WAYS)


def band(declared: PositionTable, rounding: Decimal | Mapping[str, Decimal] | None) -> Band | None:
    """The band of a checked position; None where it declares an amount or no margin."""
    for measure in Measure:
        bounds: Thresholds | None = getattr(declared, measure.value)
        if bounds is not None and declared.at_most is not None:
            return Band(
                measure=measure,
                bounds=bounds,
                at_most=declared.at_most,
                at_least=declared.at_least or ZERO,
                rounding=rounding,
            )
    return None


def check(key: Key, position: Mapping[str, Any], raw: Mapping[str, Any], book: ProblemList) -> None:
    """The margin that the keys of one position declare together."""
    said = [way for way in WAYS if way in position]
    for way in said[1:]:
        book.add((*key, way), f"beside {said[0]}; expected one of {scalars.either(WAYS)}")
    measures = [way for way in said if way in MEASURES]
    if position.get("margin_type") == MarginType.CROSSED:
        for way in said:
            what = "an amount" if way == "isolated_margin" else "a measure"
            book.add((*key, way), f"{what} beside crossed; expected one of the two")
    if measures and "at_most" not in position:
        book.add(
            key, f"{measures[0]} without at_most; expected the most margin that it may take, such as at_most = 4000"
        )
    for bound in _BOUNDS:
        if bound in position and not measures:
            book.add((*key, bound), f"without a measure; expected {scalars.either(MEASURES)} beside it")
    _check_amounts(key, position, _table(raw, "defaults").get("rounding"), book)
    when_short = _table(raw, "policy").get("when_short")
    if "priority" in position and when_short != WhenShort.PRIORITY and not book.has(("policy", "when_short")):
        book.add((*key, "priority"), 'has no meaning here; expected when_short = "priority" in [policy] beside it')


def _check_amounts(key: Key, position: Mapping[str, Any], rounding: object, book: ProblemList) -> None:
    """``at_least`` and the rounding leave room below ``at_most``."""
    most = _amount(position.get("at_most"))
    least = _amount(position.get("at_least"))
    if most is None:
        return
    if least is not None and least > most:
        book.add(
            (*key, "at_least"),
            f"{scalars.shown(position['at_least'])} is more than at_most {scalars.shown(position['at_most'])}; "
            "expected no more than that",
        )
    step = min(filter(None, map(_amount, rounding.values())), default=None) if isinstance(rounding, dict) else None
    step = _amount(rounding) if step is None else step
    if step is not None and step > most:
        book.add(
            (*key, "at_most"),
            f"{scalars.shown(position['at_most'])} is less than the rounding of [defaults]; "
            "expected at least one multiple of it",
        )


def _amount(value: object) -> Decimal | None:
    try:
        return None if value is None else scalars.amount(value)
    except ValueError:
        return None


def _table(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = raw.get(name)
    return found if isinstance(found, dict) else {}
