"""Bounds of a state file before it is parsed: the parser's memory grows with the square of a key's length.

A key has few parts, and a file has few keys for each line. A text within these bounds costs about as much as a real
file of its size.
"""

import re
from typing import Any

MAX_KEYS = 200_000
"""Keys and tables of one file."""
MAX_PARTS = 8
"""Parts of one dotted key; ``positions.SYMBOL.side.key`` has four."""
MAX_DEPTH = 8
"""Tables and arrays inside one another; the search for lines takes time that grows with the cube of that."""
_PART = r"(?:[A-Za-z0-9_-]++|(?<!\\)\"(?:[^\"\\\n]|\\.)*+\"|'[^'\n]*+')"
_DOTTED = rf"{_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{MAX_PARTS},}}+"
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_-]){_DOTTED}")
_TOKEN = re.compile(
    r'(?P<text>(?<!\\)"""(?:[^\\"]|\\.|"{1,2}(?!"))*+"{3,5}|\'\'\'(?:[^\']|\'{1,2}(?!\'))*+\'{3,5}|#[^\n]*+)'
    rf"|(?P<key>{_DOTTED})|(?<!\\)\"(?:[^\"\\\n]|\\.)*+\"|'[^'\n]*+'|[A-Za-z0-9_-]++",
    re.DOTALL,
)


def problem(text: str) -> tuple[int, str] | None:
    """The line and the words for what is beyond a bound; None where nothing is."""
    if text.count("=") + text.count("[") > MAX_KEYS:
        return 1, f"more than {MAX_KEYS} keys and tables; expected a state file, split by account"
    if _LONG_KEY.search(text) is None:
        return None
    for token in _TOKEN.finditer(text):
        if token["key"] is not None:
            line = text.count("\n", 0, token.start()) + 1
            return line, f"a key with more than {MAX_PARTS} parts; expected one like positions.BTCUSDT.long"
    return None


def is_deep(raw: dict[str, Any]) -> bool:
    """Whether a parsed file has more than ``MAX_DEPTH`` tables and arrays inside one another."""
    level: list[Any] = [raw]
    for _ in range(MAX_DEPTH):
        inner = (value.values() if isinstance(value, dict) else value for value in level)
        level = [value for values in inner for value in values if isinstance(value, dict | list)]
    return bool(level)
