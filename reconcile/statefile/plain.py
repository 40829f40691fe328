"""The positions that are written as nearly all are: one side of a symbol, and one amount.

Asking everything that could be asked of them costs more than reading the file. A position that says nothing but a sound
amount, for a side that its account has, is checked here, by the same function for amounts; every other is left to
``schema`` and ``resolve``, which find the words for what is odd about it.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from reconcile.model.account import Address, PositionMode, Side
from reconcile.statefile import scalars
from reconcile.statefile.fields import SYMBOL_PATTERN

_INSTRUMENT = re.compile(SYMBOL_PATTERN)
_SIDES = {mode.value: {side.value: side for side in mode.sides} for mode in PositionMode}

Plain = tuple[Address, str, Decimal]
"""Where it is, its side as it is written, and its isolated margin."""


def parted(raw: dict[str, Any]) -> tuple[list[Plain], dict[str, Any]]:
    """The plain positions of a parsed file, and the file without them.

    There are none where the account's mode is not one, since its sides are unknown then.
    """
    account, positions = raw.get("account"), raw.get("positions")
    mode = account.get("position_mode") if isinstance(account, dict) else None
    sides = _SIDES.get(mode) if isinstance(mode, str) else None
    if sides is None or not isinstance(positions, dict):
        return [], raw
    found: list[Plain] = []
    rest: dict[str, object] = {}
    for symbol, table in positions.items():
        plain = _plain(symbol, table, sides)
        if plain is None:
            rest[symbol] = table
        else:
            found.append(plain)
    return found, {**raw, "positions": rest}


def _plain(symbol: str, table: object, sides: Mapping[str, Side]) -> Plain | None:
    if not isinstance(table, dict) or len(table) != 1 or not is_instrument(symbol):
        return None
    ((name, position),) = table.items()
    side = sides.get(name)
    if side is None or not isinstance(position, dict) or len(position) != 1 or "isolated_margin" not in position:
        return None
    try:
        return Address(symbol, side), name, scalars.amount(position["isolated_margin"])
    except ValueError:
        return None


def is_instrument(symbol: str) -> bool:
    """Whether an exchange could call an instrument so."""
    return _INSTRUMENT.fullmatch(symbol) is not None and symbol.isprintable()
