"""Spellings of OKX: instruments, sides and modes, and amounts as strings; empty strings stand for nothing."""

from collections.abc import Mapping
from decimal import Decimal

from reconcile.money import plain
from reconcile.sandbox.okx.rules import OkxRules
from reconcile.sandbox.values import CROSSED, HEDGE, ISOLATED, BookPosition, Market

RULES = OkxRules()
MODES: Mapping[str, str] = {"isolated": ISOLATED, "cross": CROSSED}
SPELLED: Mapping[str, str] = {kind: spelled for spelled, kind in MODES.items()}
STABLE = frozenset({"USDT", "USDC", "USD"})
_PRECISION = Decimal("1e-16")


def number(amount: Decimal) -> str:
    """Plain notation, at most 16 decimals, as OKX prints computed values."""
    exponent = amount.as_tuple().exponent
    return plain(amount.quantize(_PRECISION) if isinstance(exponent, int) and exponent < -16 else amount)


def inst_type(symbol: str) -> str:
    """SWAP or FUTURES, from the instrument's id."""
    return "SWAP" if symbol.endswith("-SWAP") else "FUTURES"


def family(market: Market) -> str:
    """``BTC-USDT``: the contracts of one family share their tiers."""
    return f"{market.base}-{market.quote}"


def lot(market: Market) -> Decimal:
    """The smallest change of a size, in contracts."""
    return Decimal("0.1") if market.inverse else Decimal("0.01")


def position_mode(mode: str) -> str:
    """As ``config`` says it."""
    return "long_short_mode" if mode == HEDGE else "net_mode"


def position_id(position: BookPosition, *, new_ids: bool) -> str:
    """The same for an instrument, mode and side however often it is opened, unless ``new_ids``."""
    if new_ids:
        return str(3_000_000_000_000_000 + position.identity)
    text = "|".join(position.key)
    seed = 0
    for letter in text:
        seed = (seed * 131 + ord(letter)) % 900_000_000_000_000
    return str(3_000_000_000_000_000_000 + seed)
