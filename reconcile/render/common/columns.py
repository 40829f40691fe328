"""Text in the columns of a terminal: how wide it is, cells of one width, and line breaks that never cut a number.

East Asian symbols take two columns each and combining marks none; colour takes no room. A line breaks between words
only, and never between an amount and its asset: ``10.4%`` cannot be read as ``0.4%``.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_KEPT = re.compile(r"(?<=[0-9]) (?=[A-Za-z])|(?<= [^\w\s]) ")
"""Spaces at which no line breaks: between an amount and its asset, and after a sign that stands alone."""
_WORD = re.compile(r" *[^ ]+")
_NO_BREAK = "\u00a0"
_HANGING = 4
"""The indent of the rest of a broken line."""


def width(text: str) -> int:
    """The number of columns that a text takes."""
    if text.isascii() and "\x1b" not in text:
        return len(text)
    return sum(map(_columns, _COLOUR.sub("", text)))


def _columns(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def padded(text: str, columns: int) -> str:
    """The text with spaces behind it, up to so many columns."""
    return text + " " * (columns - width(text))


def aligned(texts: Sequence[str]) -> list[str]:
    """Numbers padded so that their decimal points stand under each other; words are put to the right edge."""
    parts = [text.partition(".") for text in texts]
    numbers = [part for part in parts if part[0][-1:].isdigit()]
    right = max((len(point) + len(rest) for _, point, rest in numbers), default=0)
    widest = max(map(width, texts), default=0)
    widest = max(widest, right + max((width(whole) for whole, _, _ in numbers), default=0))
    return [
        " " * (widest - right - width(whole)) + padded(whole + point + rest, width(whole) + right)
        if whole[-1:].isdigit()
        else " " * (widest - width(text)) + text
        for text, (whole, point, rest) in zip(texts, parts, strict=True)
    ]


def fit(text: str, columns: int | None) -> str:
    """The text with every line that is too long broken between words; None leaves it as it is.

    The rest of a broken line is indented. A word longer than a line stays whole.
    """
    if columns is None:
        return text
    return "\n".join(piece for line in text.split("\n") for piece in _broken(line, columns))


def _broken(line: str, columns: int) -> Iterator[str]:
    if width(line) <= columns:
        yield line
        return
    bare = _COLOUR.sub("", line)
    indent = " " * min(len(bare) - len(bare.lstrip(" ")) + _HANGING, columns // 2)
    current = ""
    for word in _WORD.findall(_KEPT.sub(_NO_BREAK, line)):
        if current and width(current) + width(word) > columns:
            yield current.replace(_NO_BREAK, " ").rstrip(" ")
            current = indent + word.lstrip(" ")
        else:
            current += word
    yield current.replace(_NO_BREAK, " ")
