"""Records as lines: how a journal's record becomes one canonical line of JSON, and how a line is read back.

A line is ``{"seq":7,"prev":"…","at":"…","kind":"intent","run":"…",…,"crc":"…"}`` and a newline, UTF-8, without spaces.
The keys are in this order and then in the order of the record's fields; keys of free ``details`` are sorted. ``seq`` is
the line number from 1. ``prev`` is the SHA-256 of the line before, newline included (64 zeros in the first line): ``sed
-n 6p FILE | sha256sum`` gives the hash that line 7 names. ``crc`` is the CRC-32 of all bytes before it. It finds a slip
of an editor in the last line, which no later line names. It is no defence against a forger; a pinned head is.

The first line is a header that names the format and the account. A reader keeps records of unknown kinds as
``UnknownRecord``; a writer does not touch a journal of a newer format.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, TypeVar
from zlib import crc32

from reconcile.journal import details, run_end
from reconcile.journal.fields import (
    Shape,
    address,
    amount,
    count,
    flag,
    mapping,
    moment,
    one_of,
    optional,
    positive,
    shape,
    text,
)
from reconcile.journal.records import (
    Checkpoint,
    Intent,
    IntentStatus,
    NoteRecord,
    Outcome,
    PlanUsed,
    Record,
    Relocation,
    Repaired,
    Resolved,
    RunFinished,
    RunStarted,
)
from reconcile.model.account import Address
from reconcile.model.times import unix_ms
from reconcile.money import parse, plain, whole

R = TypeVar("R")

FORMAT = "reconcile.journal/1"
VERSION = 1
GENESIS = "0" * 64
MAX_LINE = 1 << 25
"""The greatest length of a line, in bytes with its newline."""
MAX_MARKS = 1_000_000
"""The most commas and opening brackets in a line: each value takes far more memory than the three bytes of ``{},``."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SEAL_LENGTH = len(',"crc":"01234567"}\n')
_AT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
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
        """The number after the slash; a foreign format counts as newer than ours."""
        name, _, number = self.format.partition("/")
        return whole(number) if name == "reconcile.journal" and _NUMBER.fullmatch(number) else VERSION + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownRecord:
    """A record of a kind that this version does not know, with its fields unchanged."""

    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


_DECODER = json.JSONDecoder(parse_float=parse, parse_int=whole, parse_constant=_constant)


def rfc3339(wall_ms: int) -> str:
    """Unix milliseconds as RFC 3339 in UTC with milliseconds, always 24 characters."""
    text = (_EPOCH + timedelta(milliseconds=wall_ms)).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def encode(record: Record | Header, *, seq: int, prev: str, at: str, run: str) -> bytes:
    """One record as a line, newline included.

    Raises ValueError if the line would be longer than ``MAX_LINE``. Raises TypeError for a value that is not text,
    integer, Decimal, truth value, None, or a mapping or sequence of those.
    """
    value: dict[str, Any] = {"seq": seq, "prev": prev, "at": at, "kind": record.kind, "run": run}
    for each in fields(record):
        value[each.name] = stored(getattr(record, each.name))
    line = seal(_dump(value))
    if len(line) > MAX_LINE:
        raise ValueError(f"writing a journal record: {record.kind} takes {len(line)} bytes; at most {MAX_LINE} fit")
    if _has_too_many(line):
        raise ValueError(f"writing a journal record: {record.kind} holds too many values; at most {MAX_MARKS} fit")
    return line


def seal(body: bytes) -> bytes:
    """A JSON object as a line of a journal: its checksum as last field, and the newline."""
    start = body[:-1]
    return b'%s,"crc":"%08x"}\n' % (start, crc32(start))


def is_sealed(line: bytes) -> bool:
    """Whether a line ends with the checksum of the bytes before it."""
    return line[-_SEAL_LENGTH:] == b',"crc":"%08x"}\n' % crc32(line[:-_SEAL_LENGTH])


def parse_line(line: bytes) -> Mapping[str, Any]:
    """A line as an object; numbers with a fraction are Decimals. Raises ValueError if it is not an object."""
    if len(line) > MAX_LINE or _has_too_many(line):
        raise ValueError(f"a journal line has at most {MAX_LINE} bytes and {MAX_MARKS} values")
    text = line.decode("utf-8")
    try:
        value, end = _DECODER.raw_decode(text)
    except RecursionError:
        raise ValueError("a journal line is not nested so deeply") from None
    if not isinstance(value, dict) or text[end:] != "\n":
        raise ValueError("a journal line is a JSON object")
    return value


def _has_too_many(line: bytes) -> bool:
    return len(line) > MAX_MARKS and sum(map(line.count, (b",", b"[", b"{"))) > MAX_MARKS


def decode(value: Mapping[str, Any]) -> Record | Header | UnknownRecord:
    """The record of a parsed line.

    Raises ValueError if it has no time or run, or if a known kind lacks a field or has one of the wrong type.
    """
    kind = value.get("kind")
    if not isinstance(kind, str) or not isinstance(value.get("run"), str) or not _is_time(value.get("at")):
        raise ValueError("it has no kind, run and time")
    known = _KINDS.get(kind)
    if known is None:
        return UnknownRecord(name=kind, fields={key: item for key, item in value.items() if key not in _ENVELOPE})
    record: Record | Header = known.read(value, what=kind)
    return checked(record)


def _is_time(text: object) -> bool:
    """Whether it is a time as ``rfc3339`` writes it."""
    try:
        return isinstance(text, str) and _AT.fullmatch(text) is not None and unix_ms(text) >= 0
    except ValueError:
        return False


def checked(record: R) -> R:
    """The same record; raises ValueError for fields that make no sense together."""
    match record:
        case Intent(amount=None):
            if record.action not in _ABSOLUTE:
                raise ValueError(f"its {record.action} has no amount")
        case Intent():
            if record.action in _ABSOLUTE:
                raise ValueError(f"its {record.action} has an amount")
            if not record.asset:
                raise ValueError(f"its {record.action} has no asset")
            parse(record.before)
            parse(record.wanted)
        case _:
            pass
    return record


def _dump(value: Mapping[str, Any]) -> bytes:
    try:
        return _ENCODER.encode(value).encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair, from a foreign message: only an escape can hold it
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")


def stored(value: object) -> Any:
    """A value as a record holds it: amounts and addresses as text, keys sorted. Raises TypeError for anything else."""
    match value:
        case None | bool() | int():
            return value
        case str() | Address():
            return str(value)
        case Decimal():
            return plain(value)
        case Mapping():
            return {str(key): stored(value[key]) for key in sorted(value, key=str)}
        case _ if isinstance(value, details.BODIES):
            return stored(details.written(value))
        case list() | tuple():
            return [item if type(item) is str else stored(item) for item in value]
        case _:
            raise TypeError(f"writing a journal record: {type(value).__name__} has no exact form; pass text or Decimal")


class _Notes:
    """Reads a note; its name determines the type of its details."""

    def read(self, value: Any, *, what: str = "") -> NoteRecord:
        note = _NOTE.read(value, what=what)
        try:
            return NoteRecord(what=note.what, details=details.noted(note.what, note.details))
        except ValueError as error:
            raise ValueError(f"the details of its note {error}") from error


_STATUS = one_of(*IntentStatus)
_ABSOLUTE = ("set_margin_type", "set_auto_add")
_ACTION = one_of("add_margin", "reduce_margin", *_ABSOLUTE)
INTENT = shape(
    Intent,
    intent_id=text,
    step_id=text,
    lane=text,
    address=address,
    action=_ACTION,
    asset=optional(text),
    amount=optional(positive),
    before=text,
    wanted=text,
    size=optional(amount),
    identity=optional(text),
    cursor=optional(text),
    signed_at_ms=moment,
    fence_ms=moment,
    calls_seen_ms=optional(moment),
    free=optional(amount),
)
"""Also used for the parts of a checkpoint."""
RUN_STARTED = shape(
    RunStarted,
    host=text,
    command=text,
    machine=optional(text),
    cold_until_ms=optional(moment),
    details=details.run_start,
)
RELOCATION = shape(Relocation, to=text, with_records=flag, account=text, actor=text, host=text, was_changed=flag)
_NOTE = shape(NoteRecord, what=text, details=mapping)
_KINDS: Mapping[str, Shape[Any] | _Notes] = {
    Header.kind: shape(Header, format=text, identity=text),
    Intent.kind: INTENT,
    Outcome.kind: shape(
        Outcome,
        intent_id=text,
        known=lambda value: IntentStatus(_STATUS(value)),
        effect_ms=optional(moment),
        after=optional(text),
        evidence=text,
        claim=optional(text),
        code=optional(text),
        message=text,
    ),
    RunStarted.kind: RUN_STARTED,
    RunFinished.kind: shape(RunFinished, details=run_end.read),
    PlanUsed.kind: shape(PlanUsed, plan_id=text, digest=text),
    Resolved.kind: shape(
        Resolved, intent_id=text, applied=flag, reason=text, actor=text, effect_ms=moment, key_deleted=flag
    ),
    Repaired.kind: shape(Repaired, file=text, size=count, was_changed=flag),
    Relocation.kind: RELOCATION,
    NoteRecord.kind: _Notes(),
    Checkpoint.kind: shape(Checkpoint, version=count, state=mapping, size=optional(count)),
}
"""Every kind of record, and the type of each of its fields."""
