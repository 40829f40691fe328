"""The line of each key of a TOML text, which ``tomllib`` does not tell.

A scanner, not a parser: it is only given text that ``tomllib`` has read without complaint. It finds keys and is not
confused by strings, comments, arrays and inline tables.
"""

import re
import tomllib

Key = tuple[str, ...]
LONGEST_KEY = 200
"""The most characters of a key that a message shows."""

_BLANK = re.compile(r"[ \t]*")
_SPACE = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\"]|\\.|"{1,2}(?!"))*?"""{1,3}(?!")'
    r"|'''(?:[^']|'{1,2}(?!'))*?'{3,5}(?!')"
    r'|"(?:[^\\"\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]*")
_BLANK_LINE = r"(?:[ \t]*(?:#[^\n]*)?\n)*"
_STATEMENT = re.compile(
    _BLANK_LINE + r"[ \t]*(?:\[(?P<table>[A-Za-z0-9_.-]+)\]"
    r"|(?P<key>[A-Za-z0-9_-]+)[ \t]*=[ \t]*(?:\"[^\"\\\n]*\"(?!\")|[^\s\"'\[{#][^\n\"'\[{#]*))"
    r"[ \t]*(?:#[^\n]*)?(?P<end>\n|\Z)"
)
"""The form of nearly every line of a state file: a table or one bare key with a plain value, after empty lines."""
_POSITIONS = re.compile(
    r"(?>\[positions\.[A-Za-z0-9_-]+\.[a-z]+\]\n"
    r"(?>[a-z_]+ = (?>[0-9]+(?>\.[0-9]+)?|\"[^\"\\\n]+\"|\{[^{}\[\]#'\\\n]*+\})\n)*+\n?+)++"
)
"""Any number of positions as they are usually written, at once; groups that give nothing back, so time is linear."""


def dotted(key: Key) -> str:
    """A key as messages show it: parts joined by dots, and escaped where they would not print on one line."""
    shown = ".".join(part if part and part.isprintable() and " " not in part else ascii(part) for part in key)
    return shown if len(shown) <= LONGEST_KEY else f"{shown[: LONGEST_KEY - 1]}…"


def of(text: str) -> dict[Key, int]:
    """The 1-based line of each key and table in a valid TOML text; the first one where a table is named repeatedly."""
    return _Scanner(text.replace("\r\n", "\n"), outline=False).run()


def outline(text: str) -> dict[Key, int]:
    """As ``of``, but of positions that are written as usual only their tables: enough until there is a problem."""
    return _Scanner(text.replace("\r\n", "\n"), outline=True).run()


class _Scanner:
    def __init__(self, text: str, *, outline: bool) -> None:
        self.text = text
        self.outline = outline
        self.at = 0
        self.line = 1
        self.lines: dict[Key, int] = {}
        self.counts: dict[Key, int] = {}

    def run(self) -> dict[Key, int]:
        table: Key = ()
        while self.at < len(self.text):
            positions = _POSITIONS.match(self.text, self.at) if self.outline else None
            if positions is not None:
                table = self._positions(positions)
                continue
            plain = _STATEMENT.match(self.text, self.at)
            if plain is not None:
                table = self._statement(plain, table)
                continue
            self._skip(_SPACE)
            if self._next_is("["):
                table = self._header()
            elif self.at < len(self.text):
                self._pair(table)
        return self.lines

    def _positions(self, match: re.Match[str]) -> Key:
        """The tables of a run of usual positions; the last of them, which the next statement is in."""
        key: Key = ()
        for line, text in enumerate(match.group().split("\n"), start=self.line):
            if text[:1] == "[":
                key = tuple(text[1:-1].split("."))
                self.lines.setdefault(key[:2], line)
                self.lines.setdefault(key, line)
        self.lines.setdefault(key[:1], self.line)
        self.line += match.group().count("\n")
        self.at = match.end()
        return key

    def _statement(self, match: re.Match[str], table: Key) -> Key:
        """A whole plain statement at once; the table that the next one is in."""
        line = self.line + match.group().count("\n") - len(match["end"])
        self.at, self.line = match.end(), line + len(match["end"])
        if match["table"] is None:
            self.lines.setdefault((*table, match["key"]), line)
            return table
        table = tuple(match["table"].split("."))
        self._note(table, line)
        return table

    def _skip(self, pattern: re.Pattern[str]) -> str:
        """Step over what matches here (possibly nothing) and count its lines."""
        match = pattern.match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        self.line += match.group().count("\n")
        return match.group()

    def _next_is(self, character: str) -> bool:
        return self.text.startswith(character, self.at)

    def _header(self) -> Key:
        array = self.text.startswith("[[", self.at)
        self.at += 2 if array else 1
        line = self.line
        key = self._key()
        self.at += 2 if array else 1
        self._note(key, line)
        if not array:
            return key
        number = self.counts.get(key, 0)
        self.counts[key] = number + 1
        key = (*key, str(number))
        self._note(key, line)
        return key

    def _key(self) -> Key:
        parts: list[str] = []
        while True:
            self._skip(_BLANK)
            if self.text[self.at] in "\"'":
                quoted = self._skip(_STRING)
                parts.append(tomllib.loads(f"key = {quoted}")["key"])
            else:
                parts.append(self._skip(_BARE))
            self._skip(_BLANK)
            if not self._next_is("."):
                return tuple(parts)
            self.at += 1

    def _pair(self, table: Key) -> None:
        line = self.line
        key = (*table, *self._key())
        self._note(key, line)
        self.at += 1  # the equals sign
        self._skip(_BLANK)
        self._value(key)

    def _note(self, key: Key, line: int) -> None:
        """This key, and the tables it implies."""
        for length in range(1, len(key) + 1):
            self.lines.setdefault(key[:length], line)

    def _value(self, key: Key) -> None:
        if self._next_is("{"):
            self._items(key, "}")
        elif self._next_is("["):
            self._items(key, "]")
        elif self.text[self.at : self.at + 1] in {'"', "'"}:
            self._skip(_STRING)
        else:
            self._skip(_SCALAR)

    def _items(self, key: Key, closing: str) -> None:
        """An array or inline table, from its opening to behind its closing bracket."""
        self.at += 1
        number = 0
        self._skip(_SPACE)
        while not self._next_is(closing):
            if closing == "}":
                self._pair(key)
            else:
                self._note((*key, str(number)), self.line)
                self._value((*key, str(number)))
            number += 1
            self._skip(_SPACE)
            if self._next_is(","):
                self.at += 1
                self._skip(_SPACE)
        self.at += 1
