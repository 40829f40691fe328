"""The chain: proves line by line, in bounded memory, that nothing was changed, dropped, inserted or reordered.

What cannot be seen from inside is a journal whose end was cut off at a line's end (or replaced by one who computes the
hashes anew); for that a head is pinned outside and looked for. The position after any line is all that is needed to go
on from there, so a reader can start behind a checkpoint.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from reconcile.errors import ChainBroken, JournalError
from reconcile.journal.codec import GENESIS, VERSION, Header, UnknownRecord, decode, is_sealed, parse_line
from reconcile.journal.records import Noted, Record, Repaired
from reconcile.journal.state import JournalState
from reconcile.render.values import clean

_UNFOLDED = frozenset(kind.kind.encode() for kind in (Repaired, Noted))
"""Kinds that ``JournalState`` only counts: their lines are proven but not taken apart."""
_KIND_AFTER = len('"at":"2026-01-01T00:00:00.000Z","kind":"')


@dataclass(slots=True)
class ChainHead:
    """Where a reader stands: how many lines it has proven, and the hash of the last of them."""

    line: int = 0
    head: str = GENESIS


def line_hash(line: bytes) -> str:
    """What the next line names as its predecessor: SHA-256 over the line with its newline, in hex."""
    return sha256(line).hexdigest()


def end_hash(line: bytes, *, name: str) -> str:
    """The hash of a journal's last line, which is read by itself; raises ChainBroken where it is none of ours."""
    if not is_sealed(line):
        raise JournalError(f"reading {name}: its last line was changed")
    return line_hash(line)


def end_object(line: bytes, *, name: str) -> Mapping[str, Any]:
    """A journal's last line, which is read by itself; raises JournalError where it is none of ours."""
    if not is_sealed(line):
        raise JournalError(f"reading {name}: its last line was changed")
    try:
        return parse_line(line)
    except ValueError as error:
        raise JournalError(f"reading {name}: its last line is not JSON") from error


def verified(lines: Iterable[bytes], position: ChainHead, *, name: str) -> Iterator[tuple[bytes, int]]:
    """The lines, each proven before it is handed on, with the offset behind ``seq`` and ``prev``.

    ``position`` moves along and stands at the end in the end. Raises ChainBroken naming the first bad line.
    """
    source = iter(lines)
    earlier = GENESIS
    for line in source:
        prefix = b'{"seq":%d,"prev":"%s",' % (position.line + 1, position.head.encode())
        if not line.startswith(prefix) or not is_sealed(line):
            raise _broken(line, next(source, None), position, earlier, name)
        earlier = position.head
        position.line += 1
        position.head = sha256(line).hexdigest()
        yield line, len(prefix)


def fold(
    lines: Iterable[bytes], *, identity: str, name: str, pinned: str | None = None, writer: bool = False
) -> tuple[JournalState, ChainHead]:
    """What a whole journal adds up to, and where it ends.

    ``pinned`` is a hash that must be one of its lines'. A ``writer`` refuses a newer format. Raises ChainBroken, or
    JournalError when the journal is another account's.
    """
    state = JournalState()
    position = ChainHead()
    found = pinned in {None, GENESIS}
    for line, offset in verified(lines, position, name=name):
        found = found or position.head == pinned
        kind_at = offset + _KIND_AFTER
        if position.line > 1 and line[kind_at : line.find(b'"', kind_at)] in _UNFOLDED:
            state.records += 1
            continue
        value = _parsed(line, position, name)
        record = _decoded(value, position, name)
        if isinstance(record, Header) is not (position.line == 1):
            raise _bad(position.line, name, "a journal begins with its header, and has no other")
        if isinstance(record, Header):
            _accept(record, name=name, writer=writer)
            state.identities.append(record.identity)
        elif isinstance(record, UnknownRecord):
            state.records += 1
        else:
            _add(state, record, value["at"], position, name)
    state.head = position.head
    if state.identities and identity not in state.identities[-2:]:  # the last but one: moved, and not carried yet
        whose = clean(state.identities[-1][:200])
        raise JournalError(f"reading {name}: it is the journal of {whose}; put it back where it belongs")
    if not found:
        message = f"reading {name}: no line has the pinned hash {pinned}; its end was cut off or replaced"
        raise ChainBroken(message, line=position.line + 1)
    return state, position


def objects(lines: Iterable[bytes], *, name: str) -> Iterator[Mapping[str, Any]]:
    """The records as stored, each proven, and its fields checked, before it is handed on. Raises ChainBroken."""
    position = ChainHead()
    for line, _ in verified(lines, position, name=name):
        value = _parsed(line, position, name)
        _decoded(value, position, name)
        yield value


def _accept(header: Header, *, name: str, writer: bool) -> None:
    if writer and header.version > VERSION:
        raise JournalError(
            f"opening {name}: a newer reconcile wrote it ({clean(header.format[:60])}); use that version or newer"
        )


def _parsed(line: bytes, position: ChainHead, name: str) -> Mapping[str, Any]:
    try:
        value = parse_line(line)
    except ValueError as error:
        raise _bad(position.line, name, "it is not JSON") from error
    if value.get("seq") != position.line or type(value["seq"]) is not int:
        raise _bad(position.line, name, "it has a key twice")
    return value


def _decoded(value: Mapping[str, Any], position: ChainHead, name: str) -> Record | Header | UnknownRecord:
    try:
        return decode(value)
    except ValueError as error:
        raise _bad(position.line, name, str(error)) from error


def _add(state: JournalState, record: Record, at: str, position: ChainHead, name: str) -> None:
    try:
        state.add(record, at=at)
    except ValueError as error:
        raise _bad(position.line, name, str(error)) from error


def _broken(line: bytes, following: bytes | None, position: ChainHead, earlier: str, name: str) -> ChainBroken:
    """Whose fault a break at this line is: its own, or that of the line before it, which may have been forged."""
    number = position.line + 1
    seq, prev = _links(line)
    if not is_sealed(line) or seq is None:
        return _bad(number, name, "it was changed")
    if seq == number and prev == position.head:
        return _bad(number, name, "its form is not that of a record")
    if number == 1:
        return _bad(number, name, "the lines before it are missing")
    if seq == number and _is_vouched(line, following):
        return _bad(number - 1, name, f"it is not the line that line {number} follows")
    if prev == earlier and seq == number - 1 and line_hash(line) != position.head:
        return _bad(number - 1, name, "it was inserted")
    return _bad(number, name, "it does not follow the line before it")


def _is_vouched(line: bytes, following: bytes | None) -> bool:
    """Whether the next line names this one; the last line has nobody to speak against it."""
    return following is None or _links(following)[1] == line_hash(line)


def _links(line: bytes) -> tuple[int | None, str]:
    try:
        value = parse_line(line)
        sequence, before = value["seq"], value["prev"]
    except (ValueError, KeyError):
        return None, ""
    return (sequence, before) if type(sequence) is int and isinstance(before, str) else (None, "")


def _bad(number: int, name: str, what: str) -> ChainBroken:
    message = f"reading {name}: line {number}: {clean(what[:300])}; nothing is sent on a journal that was tampered with"
    return ChainBroken(message, line=number)
