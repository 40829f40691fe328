"""Take an account's own secrets out of text that others wrote, where that text comes in.

A gateway may repeat the request in its error text. The search finds a whole secret and any run of at least half of it
(eight characters or more), in any case. It finds them plain, percent-encoded, escaped as in JSON, and in base64 at any
alignment. Secrets under four characters are left to ``whole``, because they occur in ordinary words.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote

MASK = "[secret]"
SHORTEST = 4
_RUN = 8
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")


@dataclass(frozen=True, slots=True)
class _Form:
    """One notation of a secret, in lower case; ``run`` is the shortest part of it that is taken out.

    ``pieces`` are parts with their offsets such that every run holds one of them: what a search looks for first.
    """

    text: str
    run: int
    pieces: tuple[tuple[int, str], ...]


class Redactor:
    """Takes the secrets of one account out of text and out of the bodies of answers."""

    def __init__(self, secrets: Iterable[str]) -> None:
        secrets = {secret for secret in secrets if len(secret) >= SHORTEST}
        notations = {notation for secret in secrets for notation in _notations(secret)}
        self._forms = tuple(_form(notation) for notation in sorted(notations))
        self._whole = frozenset(secrets)
        self._wanted = tuple({piece.encode() for form in self._forms for _, piece in form.pieces})
        self._is_ascii = all(piece.isascii() for piece in self._wanted)

    def text(self, text: str) -> str:
        """The text without secrets. Where one was hidden by an encoding, the text comes back without the encoding."""
        for reading in _READINGS:
            shown = reading(text)
            spans = self._spans(_lowered(shown))
            if spans:
                text = _masked(shown, spans)
        return text

    def body(self, body: bytes) -> bytes:
        """A JSON body with the secrets taken out of its strings; nearly every body comes back as it is.

        Numbers stay what they are, printed as a string or not, so that no amount is ever changed.
        """
        if self._is_clean(body):
            return body
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            return body  # no JSON; nothing of it is shown
        return _STRING.sub(lambda match: self._string(match.group()), text).encode("utf-8")

    def _is_clean(self, body: bytes) -> bool:
        if b"\\" in body or b"%" in body or not (self._is_ascii or body.isascii()):
            return False
        lowered = body.lower()
        return not any(piece in lowered for piece in self._wanted)

    def _string(self, token: str) -> str:
        try:
            value = str(json.loads(token, strict=False)) if "\\" in token else token[1:-1]
        except ValueError:
            value = token[1:-1]
        if _NUMBER.fullmatch(value) and value not in self._whole:
            return token
        shown = self.text(value)
        return token if shown == value else json.dumps(shown)

    def _spans(self, lowered: str) -> list[tuple[int, int]]:
        return sorted({span for form in self._forms for span in _found(form, lowered)})


def whole(text: str, secrets: Iterable[str]) -> str:
    """The text without any whole secret, however short; for what this program says in its own words."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def _notations(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")
    yield json.dumps(secret)[1:-1]
    raw = secret.encode("utf-8")
    for before in range(3):
        text = b64encode(b"\0" * before + raw).decode().rstrip("=")
        text = text[-(-before * 8 // 6) : len(text) - ((before + len(raw)) % 3 != 0)]
        yield text
        yield text.replace("+", "-").replace("/", "_")


def _form(notation: str) -> _Form:
    text = _lowered(notation)
    run = max(_RUN, len(text) // 2) if len(text) >= _RUN else len(text)
    length = max(_RUN, run // 2) if run >= _RUN else run
    stride = run - length + 1
    starts = range(0, len(text) - length + 1, stride)
    return _Form(text, run, tuple((start, text[start : start + length]) for start in starts))


def _found(form: _Form, lowered: str) -> Iterator[tuple[int, int]]:
    for offset, piece in form.pieces:
        place = lowered.find(piece)
        while place >= 0:
            start, end = _extended(form.text, lowered, offset, place, len(piece))
            if end - start >= form.run:
                yield start, end
            place = lowered.find(piece, max(end, place + 1))


def _extended(form: str, text: str, offset: int, place: int, length: int) -> tuple[int, int]:
    """The longest part of the form around a piece that was found."""
    start, end = place, place + length
    before, after = offset, offset + length
    while before > 0 and start > 0 and form[before - 1] == text[start - 1]:
        before, start = before - 1, start - 1
    while after < len(form) and end < len(text) and form[after] == text[end]:
        after, end = after + 1, end + 1
    return start, end


def _masked(text: str, spans: list[tuple[int, int]]) -> str:
    parts: list[str] = []
    at = 0
    for start, end in spans:
        if start > at or not parts:
            parts += [text[at:start], MASK]
        at = max(at, end)
    return "".join([*parts, text[at:]])


def _lowered(text: str) -> str:
    """In lower case and as long as before: few letters grow in lower case, and those stay."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else match[2], text)


_READINGS: tuple[Callable[[str], str], ...] = (str, _unescaped, unquote, lambda text: unquote(_unescaped(text)))
"""The text as it is, and without the encodings that it may have."""
