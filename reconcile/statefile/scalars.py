"""Single values of a state file, read exactly: no float on the way, and an error that says what was expected.

The functions take the values of ``tomllib``, which reads floats as Decimal. They raise ValueError with the text ``what
is wrong; what is expected``; the caller adds file, line and key.
"""

import re
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from difflib import get_close_matches

from reconcile.model.account import Limit, Percent
from reconcile.money import parse, whole

NUMBER_PATTERN = r"[+-]?[0-9]+(_[0-9]+)*([.][0-9]+(_[0-9]+)*)?([eE][+-]?[0-9]+)?"
AMOUNT_PATTERN = NUMBER_PATTERN.replace("[+-]?", "[+]?", 1)
_NUMBER = re.compile(NUMBER_PATTERN)
_NOT_FINITE = frozenset({"nan", "inf", "infinity"})
_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONGEST_MS = 3_650 * _UNITS_MS["d"]
_MAX_DIGITS = 30  # on either side of the point: more than any exchange prints, and short enough to print in full
_PLAIN = 10 ** (_MAX_DIGITS + 1)
_SHOWN = 40


class BadTableError(ValueError):
    """Problems inside a table that is read as one value: pairs of a key in it and ``what is wrong; expected``."""

    def __init__(self, problems: tuple[tuple[str, str], ...]) -> None:
        super().__init__("; ".join(text for _, text in problems))
        self.problems = problems


def exact(text: str) -> Decimal | str:
    """A TOML float as it is written; what is no bounded number stays text, and is refused with its key."""
    try:
        return parse(text.replace("_", ""))
    except ValueError:
        return Decimal(text) if text.lstrip("+-") in {"inf", "nan"} else text


def shown(value: object) -> str:
    """A value as a message repeats it: TOML notation, cut short; the kind of thing where it is a large one."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            text = str(value) if isinstance(value, Decimal) or abs(value) < 10**_SHOWN else "a very long number"
        case str():
            text = f'"{value}"' if value.isprintable() else ascii(value)
        case dict():
            return "a table"
        case list():
            return "an array"
        case _:
            return "a date or time"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def hint(word: str, known: tuple[str, ...]) -> str:
    """``did you mean x? expected a, b or c``, without the question where nothing is close."""
    spelled = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), spelled, n=1)
    expected = f"expected {either(known)}"
    return f"did you mean {spelled[close[0]]}? {expected}" if close else expected


def either(words: tuple[str, ...]) -> str:
    """``a, b or c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def number(value: object, expected: str, *, written: object = None) -> Decimal:
    """The exact value of a TOML integer, float or string; raises ValueError that ends with ``expected``.

    ``written`` is what a message repeats where the value is only a part of it.
    """
    if type(value) is int and -_PLAIN < value < _PLAIN:  # what nearly every amount is; not bool
        return Decimal(value)
    told = shown(value if written is None else written)
    out_of_range = f"{told} has more than {_MAX_DIGITS} digits before or after the point; {expected}"
    match value:
        case Decimal():
            exact = value
        case int() if not isinstance(value, bool):
            raise ValueError(out_of_range)  # a shorter one is taken above
        case str() if value.strip().lower().lstrip("+-") in _NOT_FINITE:
            raise ValueError(f"{told} is not a finite number; {expected}")
        case str() if _NUMBER.fullmatch(value.strip()):
            try:
                exact = parse(value.strip().replace("_", ""))
            except ValueError as error:
                raise ValueError(out_of_range) from error
        case _:
            raise ValueError(f"{told} is not a number; {expected}")
    if not exact.is_finite():
        raise ValueError(f"{told} is not a finite number; {expected}")
    if exact.adjusted() > _MAX_DIGITS or int(exact.as_tuple().exponent) < -_MAX_DIGITS:
        raise ValueError(out_of_range)
    return exact or exact.copy_abs()  # no minus zero


def amount(value: object, *, expected: str = "expected an amount, 0 or more", written: object = None) -> Decimal:
    """A number that is not negative."""
    exact = number(value, expected, written=written)
    if exact < 0:
        raise ValueError(f"{shown(value if written is None else written)} is negative; {expected}")
    return exact


def positive(value: object) -> Decimal:
    """A number above zero."""
    expected = "expected an amount above 0"
    exact = amount(value, expected=expected)
    if exact == 0:
        raise ValueError(f"{shown(value)} is zero; {expected}")
    return exact


def count(value: object) -> int:
    """A whole number that is not negative."""
    expected = "expected a whole number, 0 or more"
    exact = amount(value, expected=expected)
    if exact != exact.to_integral_value():
        raise ValueError(f"{shown(value)} is not whole; {expected}")
    return int(exact)


def rank(value: object) -> int:
    """A whole number from 1 on, written as an integer."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < _PLAIN:
        raise ValueError(f"{shown(value)} is not a rank; expected a whole number, 1 or more (1 is first)")
    return value


def rounding(value: object) -> Limit:
    """A multiple above zero, or one by asset."""
    if not isinstance(value, dict):
        return positive(value)
    multiples = _by_asset(value)
    zero = tuple((asset, "0 is zero; expected an amount above 0") for asset, each in multiples.items() if each == 0)
    if zero:
        raise BadTableError(zero)
    return multiples


def is_percent(value: object) -> bool:
    """Whether a value is written as a share: a string that ends in a percent sign."""
    return isinstance(value, str) and value.rstrip().endswith("%")


def percent(value: object, *, expected: str = 'expected a percentage such as "5%"') -> Percent:
    """A share that is not negative, from a string with a percent sign; 5 means 5 %."""
    if not isinstance(value, str) or not is_percent(value):
        raise ValueError(f"{shown(value)} is not a percentage; {expected}")
    return Percent(value=amount(value.rstrip().removesuffix("%"), expected=expected, written=value))


def limit(value: object) -> Limit:
    """An amount, or a table of amounts by asset."""
    expected = "expected an amount, or a table by asset such as {USDT = 5000}"
    return _by_asset(value) if isinstance(value, dict) else amount(value, expected=expected)


def share_or_limit(value: object) -> Percent | Limit:
    """A share, an amount, or a table of amounts by asset."""
    expected = 'expected an amount, a percentage such as "100%", or a table by asset such as {USDT = 5000}'
    if isinstance(value, dict):
        return _by_asset(value)
    return percent(value, expected=expected) if is_percent(value) else amount(value, expected=expected)


def share_or_amount(value: object) -> Percent | Decimal:
    """A tolerance: a share of at most 100 %, or an amount."""
    expected = 'expected an amount, 0 or more, or a percentage from "0%" to "100%"'
    if not is_percent(value):
        return amount(value, expected=expected)
    share = percent(value, expected=expected)
    if share.value > 100:
        raise ValueError(f"{shown(value)} is more than the whole; {expected}")
    return share


def shared_tolerance(value: object) -> Percent | Limit:
    """The tolerance of ``[defaults]``: as for a position, or a table of amounts by asset."""
    return _by_asset(value) if isinstance(value, dict) else share_or_amount(value)


def duration_ms(text: str) -> int:
    """Milliseconds of ``90s``, ``15m``, ``1h`` or ``2d`` (at most ten years); raises ValueError for anything else."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if match is None:
        raise ValueError(f"{shown(text)} is not a duration; expected one like 90s, 15m, 1h or 2d")
    milliseconds = whole(match[1]) * _UNITS_MS[match[2]]
    if milliseconds > _LONGEST_MS:
        raise ValueError(f"{shown(text)} is too long a duration; expected at most 3650d")
    return milliseconds


def grace_ms(value: object) -> int:
    """Milliseconds of a duration or of a number of seconds, rounded up; above zero and at most an hour."""
    expected = 'expected a duration such as "5s", or a number of seconds, above 0 and up to 1h'
    if isinstance(value, str) and value[-1:] in _UNITS_MS:
        try:
            milliseconds = duration_ms(value)
        except ValueError as error:
            raise ValueError(f"{shown(value)} is not a duration; {expected}") from error
    else:
        seconds = amount(value, expected=expected)
        milliseconds = int((min(seconds, Decimal(_LONGEST_MS)) * 1_000).to_integral_value(ROUND_CEILING))
    if not 0 < milliseconds <= _UNITS_MS["h"]:
        raise ValueError(f"{shown(value)} is out of range; {expected}")
    return milliseconds


def _by_asset(table: dict[str, object]) -> Mapping[str, Decimal]:
    """Amounts by margin asset; raises BadTableError with every problem in it."""
    if not table:
        raise ValueError("the table is empty; expected at least one asset such as {USDT = 5000}")
    amounts: dict[str, Decimal] = {}
    problems: list[tuple[str, str]] = []
    for asset, value in table.items():
        if not asset or asset != asset.upper() or not asset.isprintable() or " " in asset:
            problems.append((asset, "is not the name of an asset; expected upper case such as USDT"))
            continue
        try:
            amounts[asset] = amount(value)
        except ValueError as error:
            problems.append((asset, str(error)))
    if problems:
        raise BadTableError(tuple(problems))
    return amounts
