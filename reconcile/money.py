"""Exact decimals: parsing, cutting toward zero and plain notation. No float passes through here.

This is the only parser of numbers from outside: exchange answers, state files, saved plans, journals and options. A
number is written in ASCII digits and is bounded in length and exponent, so no text can cost more than reading it.

Arithmetic runs in one context. It is wide enough that no amount from an exchange is rounded by accident: OKX and Bitget
print margins with 16 and more decimals.
"""

import re
from collections.abc import Iterable
from decimal import Context, Decimal
from functools import lru_cache, reduce

ZERO = Decimal(0)
_EXACT = Context(prec=90)
_PRICE_DIGITS = Context(prec=8)
WIDEST = 40
"""No amount or price has more digits than this on either side of its point; what has is refused when it is read."""
_LONGEST = 100
_SHOWN = 40
_LITERAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(rf"[+-]?[0-9]{{1,{WIDEST}}}")


@lru_cache(maxsize=8192)
def parse(text: str) -> Decimal:
    """The exact value of a decimal literal; most of an account's numbers are the same in its next look.

    Raises ValueError for anything else: NaN, infinities, white space, underscores, digits outside ASCII, and numbers so
    long that arithmetic would have to round them.
    """
    if len(text) > _LONGEST or not _LITERAL.fullmatch(text):
        raise ValueError(f"{_shown(text)} is not a decimal number")
    value = Decimal(text)
    if not value:
        return ZERO
    if (len(text) > WIDEST or "e" in text or "E" in text) and _is_too_wide(value):
        raise ValueError(f"{_shown(text)} has more than {WIDEST} digits on one side of its point")
    return value


def whole(text: str) -> int:
    """The value of a whole number of at most 40 ASCII digits; raises ValueError for anything else."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{_shown(text)} is not a whole number of at most {WIDEST} digits")
    return int(text)


def _shown(text: str) -> str:
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}…"


def _is_too_wide(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return value.adjusted() >= WIDEST or (isinstance(exponent, int) and exponent < -WIDEST)


def decimals(value: Decimal) -> int:
    """How many decimals a value was printed with."""
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def rounded(value: Decimal, places: int) -> Decimal:
    """A computed value with so many decimals; one with more than 60 digits before its point stays as it is."""
    return value if value.adjusted() > 60 else _EXACT.quantize(value, Decimal(1).scaleb(-places))


def shortened(price: Decimal) -> Decimal:
    """A price as people are shown it, to eight digits: a computed one has as many as the arithmetic."""
    return _PRICE_DIGITS.plus(price)


def writable(value: Decimal) -> Decimal | None:
    """A computed value as ``parse`` can read it back: at most 40 decimals, None from 1e40 on."""
    if value.adjusted() >= WIDEST:
        return None
    return rounded(value, WIDEST) if _is_too_wide(value) else value


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


def raised(amount: Decimal, step: Decimal) -> Decimal:
    """``amount`` raised to a multiple of ``step`` (> 0), away from zero only where it is above zero."""
    below = cut(amount, step)
    return plus(below, step) if below < amount else below


def plain(amount: Decimal) -> str:
    """Plain notation without exponent or trailing zeros: ``1500``, ``900.5``, ``0``; never ``-0``."""
    if amount == 0:
        return "0"
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
