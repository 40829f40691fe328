"""Check the common form of a position quickly: one side of a symbol, with one amount or one band.

The full set of checks costs more than reading the file. This module handles positions that declare only a valid amount,
or a valid measure with its ``at_most``, for a side that the account has. It uses the same functions for values. All
other positions go to ``schema`` and ``resolve``, which explain every problem.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from reconcile.model.account import Address, Limit, PositionMode, Side
from reconcile.model.measures import Band, Measure, Thresholds
from reconcile.statefile import measures, scalars
from reconcile.statefile.fields import SYMBOL_PATTERN

_INSTRUMENT = re.compile(SYMBOL_PATTERN)
_SIDES = {mode.value: {side.value: side for side in mode.sides} for mode in PositionMode}

_READ: Mapping[Measure, Callable[[object], Thresholds]] = {
    Measure.LIQUIDATION_DISTANCE: measures.distance,
    Measure.MAINTENANCE_COVER: measures.cover,
    Measure.EQUITY_SHARE: measures.share,
}


class Plain(NamedTuple):
    """A position's address, its side as written, and its isolated margin, or None and its band."""

    address: Address
    side: str
    amount: Decimal | None
    band: Band | None = None


def parted(raw: dict[str, Any]) -> tuple[list[Plain], dict[str, Any]]:
    """The plain positions of a parsed file, and the file without them.

    There are none where the account's mode is not one, since its sides are unknown then.
    """
    account, positions = raw.get("account"), raw.get("positions")
    mode = account.get("position_mode") if isinstance(account, dict) else None
    sides = _SIDES.get(mode) if isinstance(mode, str) else None
    if sides is None or not isinstance(positions, dict):
        return [], raw
    reader = _PlainReader(sides, raw.get("defaults"))
    found: list[Plain] = []
    rest: dict[str, object] = {}
    for symbol, table in positions.items():
        plain = reader.plain(symbol, table)
        if plain is None:
            rest[symbol] = table
        else:
            found.append(plain)
    return found, {**raw, "positions": rest}


class _PlainReader:
    """Reads the plain positions of one file; bounds that many positions share are read once."""

    def __init__(self, sides: Mapping[str, Side], defaults: object) -> None:
        self._sides = sides
        self._bounds: dict[tuple[Measure, str], Thresholds] = {}
        self._rounding: Limit | None = None
        self._reads_bands = True
        said = defaults.get("rounding") if isinstance(defaults, dict) else None
        try:
            self._rounding = None if said is None else scalars.rounding(said)
        except ValueError:
            self._reads_bands = False
        multiples = self._rounding.values() if isinstance(self._rounding, Mapping) else (self._rounding,)
        self._least = min((each for each in multiples if each is not None), default=None)

    def plain(self, symbol: str, table: object) -> Plain | None:
        """The position of a symbol's table; None where it is not a plain one."""
        if not isinstance(table, dict) or len(table) != 1 or not is_instrument(symbol):
            return None
        ((name, position),) = table.items()
        side = self._sides.get(name)
        if side is None or not isinstance(position, dict):
            return None
        try:
            if len(position) == 1 and "isolated_margin" in position:
                return Plain(Address(symbol, side), name, scalars.amount(position["isolated_margin"]))
            band = self._band(position) if len(position) == 2 and "at_most" in position else None
        except ValueError:
            return None
        return None if band is None else Plain(Address(symbol, side), name, None, band)

    def _band(self, position: Mapping[str, object]) -> Band | None:
        """A measure with ``at_most`` and nothing else; raises ValueError where one of the two is wrong."""
        measure = next((measure for measure in _READ if measure in position), None)
        if measure is None or not self._reads_bands:
            return None
        at_most = scalars.positive(position["at_most"])
        if self._least is not None and self._least > at_most:
            return None
        bounds = self._thresholds(measure, position[measure])
        return Band(measure=measure, bounds=bounds, at_most=at_most, rounding=self._rounding)

    def _thresholds(self, measure: Measure, said: object) -> Thresholds:
        key = (measure, repr(said))
        found = self._bounds.get(key)
        if found is None:
            found = self._bounds[key] = _READ[measure](said)
        return found


def is_instrument(symbol: str) -> bool:
    """Whether an exchange could call an instrument so."""
    return _INSTRUMENT.fullmatch(symbol) is not None and symbol.isprintable()
