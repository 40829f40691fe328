"""The bounds of a risk measure, read exactly: ``{floor = "8%", target = "12%", ceiling = "25%"}``.

The functions take what ``tomllib`` yields and raise ValueError or BadTableError, as those of ``scalars`` do.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

from reconcile.model.measures import Thresholds
from reconcile.statefile import scalars

ROOM = Decimal("1.01")
"""The least ratio between two bounds: rounding and a marked last digit must not leave the band."""
_KEYS = ("floor", "target", "ceiling")
_WHOLE = Decimal(1)


def distance(value: object) -> Thresholds:
    """Bounds of ``liquidation_distance``: shares above 0 % and below 100 %."""
    return _bounds(value, _share('a percentage above "0%" and below "100%"', below=_WHOLE), '"8%"', '"12%"')


def share(value: object) -> Thresholds:
    """Bounds of ``equity_share``: shares above 0 %."""
    return _bounds(value, _share('a percentage above "0%"', below=None), '"10%"', '"15%"')


def cover(value: object) -> Thresholds:
    """Bounds of ``maintenance_cover``: multiples above 1, where the exchange liquidates."""
    return _bounds(value, _cover, "3", "5")


def _share(expected: str, *, below: Decimal | None) -> Callable[[object], Decimal]:
    def read(value: object) -> Decimal:
        part = scalars.percent(value, expected=f"expected {expected}").value / 100
        if part <= 0 or (below is not None and part >= below):
            raise ValueError(f"{scalars.shown(value)} is out of range; expected {expected}")
        return part

    return read


def _cover(value: object) -> Decimal:
    expected = "expected a multiple above 1 such as 3 (an exchange liquidates at 1)"
    multiple = scalars.amount(value, expected=expected)
    if multiple <= 1:
        raise ValueError(f"{scalars.shown(value)} is not above 1; {expected}")
    return multiple


def _bounds(value: object, read: Callable[[object], Decimal], floor: str, target: str) -> Thresholds:
    expected = f"expected a table such as {{floor = {floor}, target = {target}}}"
    if not isinstance(value, dict):
        raise ValueError(f"{scalars.shown(value)} is not a table; {expected}")  # noqa: TRY004 - pydantic wants this
    problems = [(key, f"unknown key; {scalars.hint(key, _KEYS)}") for key in value if key not in _KEYS]
    problems += [(key, f"key missing; {expected}") for key in ("floor", "target") if key not in value]
    found: dict[str, Decimal] = {}
    for key in _KEYS:
        if key in value:
            try:
                found[key] = read(value[key])
            except ValueError as error:
                problems.append((key, str(error)))
    problems += _disorder(value, found)
    if problems:
        raise scalars.BadTableError(tuple(problems))
    return Thresholds(floor=found["floor"], target=found["target"], ceiling=found.get("ceiling"))


def _disorder(written: Mapping[str, object], found: Mapping[str, Decimal]) -> list[tuple[str, str]]:
    """The bounds that are not in order, or too close to each other."""
    problems = []
    for lower, higher in (("floor", "target"), ("target", "ceiling")):
        if lower not in found or higher not in found or found[higher] >= found[lower] * ROOM:
            continue
        upper, under = f"{higher} {scalars.shown(written[higher])}", f"{lower} {scalars.shown(written[lower])}"
        message = f"{upper} is not above {under}; expected floor < target < ceiling"
        if found[higher] > found[lower]:
            message = f"{upper} is too close to {under}; expected 1 % more, as room for rounding"
        problems.append((higher, message))
    return problems
