"""JSON from outside, read exactly and within bounds: no float, no number that costs more than its text.

Numbers with a fraction become Decimals through ``money.parse``, whole numbers are bounded by ``money.whole``. Nesting
that the parser cannot follow, NaN and infinities are refused like any other text that is not JSON.
"""

import json

from reconcile.money import parse, whole


def loads(text: str) -> object:
    """The value of one JSON text; raises ValueError for anything else."""
    return _guarded(text, _EXACT)


def loads_whole(text: str) -> object:
    """As ``loads``, for documents that write amounts as strings: a number with a fraction is refused as well."""
    return _guarded(text, _WHOLE_ONLY)


def _guarded(text: str, decoder: json.JSONDecoder) -> object:
    try:
        value: object = decoder.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def _constant(name: str) -> object:
    raise ValueError(f"{name} is not a number that JSON has")


def _fraction(text: str) -> object:
    raise ValueError(f"the number {text[:40]} is not whole, and amounts are strings here")


_EXACT = json.JSONDecoder(parse_float=parse, parse_int=whole, parse_constant=_constant)
_WHOLE_ONLY = json.JSONDecoder(parse_float=_fraction, parse_int=whole, parse_constant=_constant)
