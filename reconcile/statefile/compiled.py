"""Large state files read by the compiled parser of the extra ``[fast]``, where that is installed.

The standard library's parser takes half of the time of planning ten thousand targets. tomli is the same parser,
compiled. It is believed only about a file that nothing at all is wrong with: complaints are left to the standard
library's, so that they are the same with and without it. Versions that read more than TOML 1.0 are not used: a file
must not be good on one machine and broken on another.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

LARGE = 16 * 1024
"""Characters of a text for which looking for the compiled parser is worth its while."""
_NOT_1_0 = "table = {\n}"


def loads(text: str, parse_float: Callable[[str], object]) -> dict[str, Any] | None:
    """The parsed text; None where there is no compiled parser, and where the text is short or has something wrong."""
    if len(text) < LARGE:
        return None
    try:
        parser = import_module("tomli")
    except ImportError:
        return None
    if _parsed(parser.loads, _NOT_1_0, str) is not None:
        return None
    return _parsed(parser.loads, text, parse_float)


def _parsed(
    read: Callable[..., dict[str, Any]], text: str, parse_float: Callable[[str], object]
) -> dict[str, Any] | None:
    try:
        return read(text, parse_float=parse_float)
    except (ValueError, RecursionError):
        return None
