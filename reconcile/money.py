"""Exact decimals: parsing, cutting toward zero and plain notation. No float passes through here.

Arithmetic runs in one context wide enough that no amount an exchange can print is ever rounded by accident
(OKX and Bitget print margins with 16 and more decimals).
"""

from decimal import ROUND_DOWN, Context, Decimal, InvalidOperation

ZERO = Decimal(0)
_EXACT = Context(prec=60)


def parse(text: str) -> Decimal:
    """The exact value of a decimal literal; raises ValueError for anything else, NaN and infinities included."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a decimal number") from None
    if not value.is_finite():
        raise ValueError(f"{text!r} is not a finite number")
    return value


def cut(amount: Decimal, step: Decimal) -> Decimal:
    """``amount`` cut toward zero to a multiple of ``step`` (> 0)."""
    return _EXACT.multiply(_EXACT.divide(amount, step).quantize(Decimal(1), rounding=ROUND_DOWN, context=_EXACT), step)


def plain(amount: Decimal) -> str:
    """Plain notation without exponent or trailing zeros: ``1500``, ``900.5``, ``0``; never ``-0``."""
    if amount == 0:
        return "0"
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
