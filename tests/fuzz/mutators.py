"""Valid documents, damaged: at the level of bytes, and at the level of what the JSON in them says.

Seeded and fast, for runs of many inputs; ``strategies.py`` does the same edits under Hypothesis.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

Path = tuple[str | int, ...]

TOKENS: tuple[bytes, ...] = (
    b"\x00", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"\xe2\x80\xae", b"\r", b"\n", b"\t", b'"', b"'", b"\\",
    b"{", b"}", b"[", b"]", b":", b",", b"null", b"true", b"NaN", b"Infinity", b"-", b"1e999999999", b"9" * 40,
    b"0x" + b"f" * 20, b"1_000", b"\xd9\xa1", b"::error::", b"##[error]", b"\x1b[31m", b"<script>", b"%s", b"../", b"#",
    b"=", b"@", b"?", b"/", b"%40", b"&",
)  # fmt: skip
"""Pieces that readers stumble over."""

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 10**18, -(10**18), 10**30, 1.5, 1e308, float("nan"), float("inf"),
    "", " ", "0", "-1", "1.5", "1e5", "1E+999999999", "NaN", "Infinity", "9" * 45, "0." + "1" * 45, "1_000", "\u0661",
    "0x10", "x", "x" * 300, "\ud800", "a\udfffb", "\x00", "\x1b[2J", "\u202e", "::error::x", "../../x", "a\nb",
    "BTCUSDT.long", "BTCUSDT.net",
    "USDT", "isolated", "crossed", "applied", "unknown", "change", "in_sync", "set_margin_type",
    "add_margin", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-01T00:00:00", "2026-13-01",
    "2026-01-01T00:00:00.000Z", [], {}, [None], [[[]]], [{}], {"": None}, {"a": {"b": []}}, ["x", 1], {"USDT": "1"},
    {"\ud800": "1"},
)  # fmt: skip
"""Values of every JSON type, right and wrong for every field."""


def damaged(random: Random, data: bytes) -> bytes:
    """One to four edits of bytes."""
    for _ in range(1 + int(random.random() ** 3 * 4)):
        data = _EDITS[random.randrange(len(_EDITS))](random, data)
    return data


def _flip(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + bytes((random.randrange(256),)) + data[at + 1 :]


def _insert(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice(TOKENS) + data[at:]


def _cut(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + data[at + random.randrange(1, 40) :]


def _double(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    piece = data[at : at + random.randrange(1, 200)]
    return data[:at] + piece * random.randrange(2, 4) + data[at:]


def _end(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _replace(random: Random, data: bytes) -> bytes:
    """Put a token where a word or number was."""
    at = random.randrange(len(data) + 1)
    end = at
    while end < len(data) and data[end : end + 1].isalnum():
        end += 1
    return data[:at] + random.choice(TOKENS) + data[end:]


_EDITS: tuple[Callable[[Random, bytes], bytes], ...] = (_flip, _insert, _cut, _double, _end, _replace)


class Tree:
    """A JSON value with the paths of everything in it, so that an edit costs no walk."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.paths: tuple[Path, ...] = tuple(_paths(value))

    def edited(self, random: Random) -> Any:
        """One to four edits of what the value says."""
        value = self.value
        for _ in range(1 + int(random.random() ** 3 * 4)):
            path = self.paths[random.randrange(len(self.paths))]
            value = edit(value, path, random.randrange(EDITS), self._new(random))
        return value

    def _new(self, random: Random) -> Any:
        """A value from the list, or one that stands elsewhere in the same document."""
        if random.random() < 0.25:
            return at(self.value, self.paths[random.randrange(len(self.paths))])
        return VALUES[random.randrange(len(VALUES))]


EDITS = 6


def edit(value: Any, path: Path, kind: int, new: Any) -> Any:
    """The value with one edit at a path: kinds 0 to 2 replace, 3 leaves out, 4 doubles or adds, 5 wraps."""
    if not path:
        return new if kind < 3 else [value]
    key, rest = path[0], path[1:]
    if isinstance(value, dict):
        if key not in value:
            return value
        changed = dict(value)
        if rest:
            changed[key] = edit(value[key], rest, kind, new)
        elif kind == 3:
            del changed[key]
        elif kind == 4:
            changed[new if isinstance(new, str) else "x"] = value[key]
        else:
            changed[key] = new if kind < 3 else [value[key]]
        return changed
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        if rest:
            return [*value[:key], edit(value[key], rest, kind, new), *value[key + 1 :]]
        middle = {3: [], 4: [value[key], value[key]], 5: [[value[key]]]}.get(kind, [new])
        return [*value[:key], *middle, *value[key + 1 :]]
    return value


def at(value: Any, path: Path) -> Any:
    """What stands at a path."""
    for key in path:
        value = value[key]
    return value


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    items: Sequence[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, item in items:
        yield from _paths(item, (*path, key))
