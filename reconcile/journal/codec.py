"""Records as lines: how a journal's record becomes one canonical line of JSON, and how a line is read back.

A line is ``{"seq":7,"prev":"…","at":"…","kind":"intent","run":"…",…,"crc":"…"}`` and a newline, UTF-8, without spaces,
keys in this order and then in the order of the record's fields (keys of free ``details`` sorted). ``seq`` is the
1-based line, ``prev`` the SHA-256 of the line before it, newline included (64 zeros in the first): ``sed -n 6p FILE |
sha256sum`` is what line 7 names. ``crc`` is the CRC-32 of all bytes before it: nothing follows the last line that could
name it, and a slip of an editor is to be found there too. It is no defence against a forger; a pinned head is.

The first line is a header that names the format and the account. A reader takes kinds it does not know as
``Opaque``; a writer leaves a journal of a newer format alone.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, ClassVar
from zlib import crc32

from reconcile.journal.records import (
    Intent,
    Known,
    Noted,
    Outcome,
    PlanUsed,
    Record,
    Repaired,
    Resolved,
    RunFinished,
    RunStarted,
)
from reconcile.model.account import Address
from reconcile.money import parse, plain, whole

FORMAT = "reconcile.journal/1"
VERSION = 1
GENESIS = "0" * 64
MAX_LINE = 1 << 25
"""No line is longer (bytes, newline included): what bounds a reader's memory."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SEAL_LENGTH = len(',"crc":"01234567"}\n')
_DECODER = json.JSONDecoder(parse_float=parse, parse_int=whole)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_NUMBER = re.compile(r"[0-9]{1,9}")
_ENVELOPE = frozenset({"seq", "prev", "at", "kind", "run", "crc"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first record of a journal: its format and the account it belongs to."""

    kind: ClassVar[str] = "journal"
    format: str
    identity: str

    @property
    def version(self) -> int:
        """The number after the slash; a format that is not ours at all counts as newer than ours."""
        name, _, number = self.format.partition("/")
        return whole(number) if name == "reconcile.journal" and _NUMBER.fullmatch(number) else VERSION + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Opaque:
    """A record of a kind this version does not know, with its fields as they stand."""

    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)


def rfc3339(wall_ms: int) -> str:
    """Unix milliseconds as RFC 3339 in UTC with milliseconds, always 24 characters."""
    text = (_EPOCH + timedelta(milliseconds=wall_ms)).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def encode(record: Record | Header, *, seq: int, prev: str, at: str, run: str) -> bytes:
    """One record as a line, newline included.

    Raises TypeError for a value that is neither text, integer, Decimal, truth value, None nor a mapping or sequence of
    such, and ValueError when the line would be longer than ``MAX_LINE``.
    """
    value: dict[str, Any] = {"seq": seq, "prev": prev, "at": at, "kind": record.kind, "run": run}
    for each in fields(record):
        value[each.name] = _plain(getattr(record, each.name))
    line = seal(_dump(value))
    if len(line) > MAX_LINE:
        raise ValueError(f"writing a journal record: {record.kind} takes {len(line)} bytes; at most {MAX_LINE} fit")
    return line


def seal(body: bytes) -> bytes:
    """A JSON object as a line of a journal: its checksum as last field, and the newline."""
    start = body[:-1]
    return b'%s,"crc":"%08x"}\n' % (start, crc32(start))


def is_sealed(line: bytes) -> bool:
    """Whether a line ends with the checksum of what stands before it."""
    return line[-_SEAL_LENGTH:] == b',"crc":"%08x"}\n' % crc32(line[:-_SEAL_LENGTH])


def parse_line(line: bytes) -> Mapping[str, Any]:
    """A line as the object that it is; numbers with a fraction are Decimals. Raises ValueError when it is not one."""
    text = line.decode("utf-8")
    try:
        value, end = _DECODER.raw_decode(text)
    except RecursionError:
        raise ValueError("a journal line is not nested so deeply") from None
    if not isinstance(value, dict) or text[end:] != "\n":
        raise ValueError("a journal line is a JSON object")
    return value


def decode(value: Mapping[str, Any]) -> Record | Header | Opaque:
    """The record that a parsed line holds; raises ValueError when a known kind lacks a field or has a wrong one."""
    kind = value.get("kind")
    read = _READERS.get(kind) if isinstance(kind, str) else None
    try:
        if read is not None:
            return read(value)
        return Opaque(name=str(kind), fields={key: item for key, item in value.items() if key not in _ENVELOPE})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a record of kind {kind} has no usable {error}") from error


def _dump(value: Mapping[str, Any]) -> bytes:
    try:
        return _ENCODER.encode(value).encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair, from someone's message: only an escape can hold it
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")


def _plain(value: object) -> Any:
    match value:
        case None | bool() | int():
            return value
        case str():
            return str(value)
        case Decimal():
            return plain(value)
        case Address():
            return str(value)
        case Mapping():
            return {str(key): _plain(value[key]) for key in sorted(value, key=str)}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            raise TypeError(f"writing a journal record: {type(value).__name__} has no exact form; pass text or Decimal")


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else parse(text)


@lru_cache(maxsize=4096)
def _address(text: str) -> Address:
    """An account has few addresses and a long journal names each of them often."""
    return Address.parse(text)


def _intent(value: Mapping[str, Any]) -> Intent:
    return Intent(
        intent_id=value["intent_id"],
        step_id=value["step_id"],
        lane=value["lane"],
        address=_address(value["address"]),
        action=value["action"],
        asset=value["asset"],
        amount=_amount(value["amount"]),
        before=value["before"],
        wanted=value["wanted"],
        size=_amount(value["size"]),
        identity=value["identity"],
        cursor=value["cursor"],
        signed_at_ms=value["signed_at_ms"],
        fence_ms=value["fence_ms"],
    )


def _outcome(value: Mapping[str, Any]) -> Outcome:
    return Outcome(
        intent_id=value["intent_id"],
        known=Known(value["known"]),
        effect_ms=value["effect_ms"],
        after=value.get("after"),
        evidence=value.get("evidence", ""),
        claim=value.get("claim"),
        code=value.get("code"),
        message=value.get("message", ""),
    )


def _resolved(value: Mapping[str, Any]) -> Resolved:
    return Resolved(
        intent_id=value["intent_id"],
        applied=value["applied"],
        reason=value["reason"],
        actor=value["actor"],
        effect_ms=value["effect_ms"],
    )


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Record | Header]] = {
    Header.kind: lambda value: Header(format=value["format"], identity=value["identity"]),
    Intent.kind: _intent,
    Outcome.kind: _outcome,
    RunStarted.kind: lambda value: RunStarted(
        host=value["host"],
        command=value["command"],
        cold_until_ms=value.get("cold_until_ms"),
        details=value.get("details", {}),
        machine=value.get("machine"),
    ),
    RunFinished.kind: lambda value: RunFinished(details=value.get("details", {})),
    PlanUsed.kind: lambda value: PlanUsed(plan_id=value["plan_id"], digest=value["digest"]),
    Resolved.kind: _resolved,
    Repaired.kind: lambda value: Repaired(file=value["file"], size=value["size"]),
    Noted.kind: lambda value: Noted(what=value["what"], details=value.get("details", {})),
}
