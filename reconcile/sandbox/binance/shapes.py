"""Spellings of Binance USD-M: amounts, sides, and the rows that several reads share.

Amounts are strings with eight decimals. One-way positions are on side ``BOTH``; short positions have a negative amount.
"""

from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal

from reconcile.money import ZERO
from reconcile.sandbox.binance.gate import BinanceCall
from reconcile.sandbox.binance.rules import BinanceRules
from reconcile.sandbox.values import CROSSED, HEDGE, ISOLATED, BookPosition, Market, View

SIDES: Mapping[str, str] = {"LONG": "long", "SHORT": "short", "BOTH": "net"}
SPELLED: Mapping[str, str] = {side: spelled for spelled, side in SIDES.items()}
RULES = BinanceRules()
_STEP = Decimal("0.00000001")


def money(amount: Decimal) -> str:
    """Eight decimals, cut."""
    return format(amount.quantize(_STEP, rounding=ROUND_DOWN) + 0, "f")


def sides_of(view: View, *, both: bool) -> tuple[str, ...]:
    """The sides a symbol has a row for; ``both`` adds the BOTH row that some pages show in hedge mode."""
    if view.position_mode != HEDGE:
        return ("net",)
    return ("net", "long", "short") if both else ("long", "short")


def open_position(view: View, symbol: str, side: str) -> BookPosition | None:
    """The position of a slot, isolated or crossed; None when it is flat."""
    return view.positions.get((symbol, side, ISOLATED)) or view.positions.get((symbol, side, CROSSED))


def signed_size(position: BookPosition | None) -> Decimal:
    """positionAmt: negative for shorts, 0 for a flat slot."""
    if position is None:
        return ZERO
    return -position.size if position.side == "short" else position.size


def markets_of(call: BinanceCall) -> list[Market]:
    """The symbols a read answers for, in the order of its rows."""
    symbol = call.symbol()
    found = [call.view.markets[symbol]] if symbol is not None else list(call.view.markets.values())
    return found[::-1] if call.switches.rows_reversed else found
