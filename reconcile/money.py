"""Exact decimals: parsing, cutting toward zero and plain notation. No float passes through here.

Arithmetic runs in one context wide enough that no amount an exchange can print is ever rounded by accident
(OKX and Bitget print margins with 16 and more decimals).
"""

from collections.abc import Iterable
from decimal import Context, Decimal, InvalidOperation
from functools import lru_cache, reduce

ZERO = Decimal(0)
_EXACT = Context(prec=90)
_WIDEST = 40
"""No amount or price has more digits than this on either side of its point; what has is refused when it is read."""


@lru_cache(maxsize=8192)
def parse(text: str) -> Decimal:
    """The exact value of a decimal literal; most of an account's numbers are the same in its next look.

    Raises ValueError for anything else: NaN, infinities, and numbers so long that arithmetic would have to round them.
    """
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a decimal number") from None
    if not value.is_finite():
        raise ValueError(f"{text!r} is not a finite number")
    if not value:
        return ZERO
    if (len(text) > _WIDEST or "e" in text or "E" in text) and _is_too_wide(value):
        raise ValueError(f"{text[:60]!r} has more than {_WIDEST} digits on one side of its point")
    return value


def _is_too_wide(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return value.adjusted() >= _WIDEST or (isinstance(exponent, int) and exponent < -_WIDEST)


def plus(first: Decimal, second: Decimal) -> Decimal:
    """The exact sum; plain ``+`` would round beyond 28 digits."""
    return _EXACT.add(first, second)


def minus(first: Decimal, second: Decimal) -> Decimal:
    """The exact difference; plain ``-`` would round beyond 28 digits."""
    return _EXACT.subtract(first, second)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum of any number of amounts, 0 of none."""
    return reduce(plus, amounts, ZERO)


def cut(amount: Decimal, step: Decimal) -> Decimal:
    """``amount`` cut toward zero to a multiple of ``step`` (> 0)."""
    return _EXACT.multiply(_EXACT.divide_int(amount, step), step)


def plain(amount: Decimal) -> str:
    """Plain notation without exponent or trailing zeros: ``1500``, ``900.5``, ``0``; never ``-0``."""
    if amount == 0:
        return "0"
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
