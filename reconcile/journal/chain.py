"""The chain: proves line by line, in bounded memory, that nothing was changed, dropped, inserted or reordered.

A journal cannot prove by itself that its end was not cut off after a whole line, or replaced with new hashes. A head
that is pinned outside proves it. To go on after a line, a reader needs only the line's number and hash, so it can start
at a checkpoint.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from reconcile.errors import ChainBroken, JournalError
from reconcile.journal.codec import GENESIS, Header, UnknownRecord, decode, is_sealed, parse_line
from reconcile.journal.records import Record
from reconcile.render.common.values import clean


@dataclass(slots=True)
class ChainHead:
    """The position of a reader: the number of lines that it has proven, and the hash of the last one."""

    line: int = 0
    head: str = GENESIS


def line_hash(line: bytes) -> str:
    """The hash by which the next line names its predecessor: SHA-256 over the line with its newline, in hex."""
    return sha256(line).hexdigest()


def end_hash(line: bytes, *, name: str) -> str:
    """The hash of a journal's last line, read alone; raises JournalError if it is not a line of ours."""
    if not is_sealed(line):
        raise JournalError(f"reading {name}: its last line was changed")
    return line_hash(line)


def end_object(line: bytes, *, name: str) -> Mapping[str, Any]:
    """A journal's last line as an object, read alone; raises JournalError if it is not a line of ours."""
    if not is_sealed(line):
        raise JournalError(f"reading {name}: its last line was changed")
    try:
        return parse_line(line)
    except ValueError as error:
        raise JournalError(f"reading {name}: its last line is not JSON") from error


def verified(lines: Iterable[bytes], position: ChainHead, *, name: str) -> Iterator[tuple[bytes, int]]:
    """The lines, each yielded only after it is proven, with the offset after its ``seq`` and ``prev``.

    ``position`` advances with every line. Raises ChainBroken, which names the first bad line.
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


@dataclass(frozen=True, slots=True)
class JournalEntry(Mapping[str, Any]):
    """One line of a journal: its record, and, as a mapping, the stored object."""

    value: Mapping[str, Any]
    record: Record | Header | UnknownRecord

    @property
    def seq(self) -> int:
        """The number of the line, from 1."""
        found: int = self.value["seq"]
        return found

    @property
    def at(self) -> str:
        """When it was written, RFC 3339, local clock."""
        return str(self.value["at"])

    @property
    def run(self) -> str:
        """The run that wrote it."""
        return str(self.value["run"])

    def __getitem__(self, key: str) -> Any:
        return self.value[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.value)

    def __len__(self) -> int:
        return len(self.value)


def entry_of(value: Mapping[str, Any]) -> JournalEntry:
    """The entry of a stored object; raises ValueError if it holds no record."""
    return JournalEntry(value, decode(value))


def entries(lines: Iterable[bytes], *, name: str) -> Iterator[JournalEntry]:
    """The records, each yielded only after its line is proven and its fields are checked. Raises ChainBroken."""
    position = ChainHead()
    for line, _ in verified(lines, position, name=name):
        value = parsed(line, position, name)
        yield JournalEntry(value, decoded(value, position, name))


def parsed(line: bytes, position: ChainHead, name: str) -> Mapping[str, Any]:
    """A proven line as an object. Raises ChainBroken."""
    try:
        value = parse_line(line)
    except ValueError as error:
        raise bad(position.line, name, "it is not JSON") from error
    if value.get("seq") != position.line or type(value["seq"]) is not int:
        raise bad(position.line, name, "it has a key twice")
    return value


def decoded(value: Mapping[str, Any], position: ChainHead, name: str) -> Record | Header | UnknownRecord:
    """The record of a parsed line. Raises ChainBroken."""
    try:
        return decode(value)
    except ValueError as error:
        raise bad(position.line, name, str(error)) from error


def _broken(line: bytes, following: bytes | None, position: ChainHead, earlier: str, name: str) -> ChainBroken:
    """Decide whether this line or its predecessor is corrupt."""
    number = position.line + 1
    seq, prev = _links(line)
    if not is_sealed(line) or seq is None:
        return bad(number, name, "it was changed")
    if seq == number and prev == position.head:
        return bad(number, name, "its form is not that of a record")
    if number == 1:
        return bad(number, name, "the lines before it are missing")
    if seq == number and _is_vouched(line, following):
        return bad(number - 1, name, f"it is not the line that line {number} follows")
    if prev == earlier and seq == number - 1 and line_hash(line) != position.head:
        return bad(number - 1, name, "it was inserted")
    return bad(number, name, "it does not follow the line before it")


def _is_vouched(line: bytes, following: bytes | None) -> bool:
    """Whether the next line names this one; the last line has no successor to contradict it."""
    return following is None or _links(following)[1] == line_hash(line)


def _links(line: bytes) -> tuple[int | None, str]:
    try:
        value = parse_line(line)
        sequence, before = value["seq"], value["prev"]
    except (ValueError, KeyError):
        return None, ""
    return (sequence, before) if type(sequence) is int and isinstance(before, str) else (None, "")


def bad(number: int, name: str, what: str) -> ChainBroken:
    """The error for a line, with the reason."""
    message = f"reading {name}: line {number}: {clean(what[:300])}; nothing is sent on a journal that was tampered with"
    return ChainBroken(message, line=number)
