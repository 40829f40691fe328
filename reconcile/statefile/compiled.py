"""Large state files read by the compiled parser of the extra ``[fast]``, where that is installed.

The standard library's parser takes half of the time of planning ten thousand targets. tomli is the same parser,
compiled. It is believed only about a file without an error. The standard library's parser makes all complaints, so they
are the same with and without it. A version that reads more than TOML 1.0 is not used: a file must not be valid on one
machine and broken on another. One that does not work at all is as good as none.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

LARGE = 16 * 1024
"""Characters of a text for which looking for the compiled parser is worth its while."""
_NOT_1_0 = ("table = {\n}", "[table.inner]\n[table]\ninner.key = 1")
"""Text that TOML 1.1 allows, and text that versions before 2.0 accept."""
_UNUSABLE = (ImportError, SyntaxError, AttributeError, TypeError, OSError, RuntimeError)
"""The errors of an installation that is old, half removed or built for another system."""


def loads(text: str, parse_float: Callable[[str], object]) -> dict[str, Any] | None:
    """The parsed text; None where there is no compiled parser, and where the text is short or has something wrong."""
    if len(text) < LARGE:
        return None
    try:
        read = import_module("tomli").loads
        if any(_parsed(read, wrong, str) is not None for wrong in _NOT_1_0):
            return None
        return _parsed(read, text, parse_float)
    except _UNUSABLE:
        return None


def _parsed(
    read: Callable[..., dict[str, Any]], text: str, parse_float: Callable[[str], object]
) -> dict[str, Any] | None:
    try:
        return read(text, parse_float=parse_float)
    except (ValueError, RecursionError):
        return None
