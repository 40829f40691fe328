"""Fold a journal into its state, line by line while the chain is proven, from its start or from a checkpoint."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from reconcile.errors import ChainBroken, JournalError
from reconcile.journal.chain import ChainHead, bad, decoded, line_hash, parsed, verified
from reconcile.journal.checkpoint import proves, restored
from reconcile.journal.codec import GENESIS, VERSION, Header, UnknownRecord, is_sealed
from reconcile.journal.records import Checkpoint, NoteRecord
from reconcile.journal.state import JournalState
from reconcile.money import whole
from reconcile.render.common.values import clean

_UNFOLDED = frozenset((NoteRecord.kind.encode(),))
"""Kinds that ``JournalState`` only counts: their lines are proven but not taken apart."""
_KIND_AFTER = len('"at":"2026-01-01T00:00:00.000Z","kind":"')
CHECKPOINT = re.compile(rb'\{"seq":([1-9][0-9]{0,15}),"prev":"([0-9a-f]{64})","at":"[^"\n]{24}","kind":"checkpoint",')
"""The start of a checkpoint's line."""


@dataclass(slots=True, kw_only=True)
class JournalFold:
    """The state of a journal, and its end.

    ``length`` is the size of its lines in bytes. ``tail`` is the number of bytes after the last checkpoint, and
    ``size`` the number of bytes of that checkpoint.
    """

    state: JournalState
    position: ChainHead
    length: int = 0
    tail: int = 0
    size: int = 0

    def count(self, line: bytes, *, is_checkpoint: bool = False) -> None:
        """Count a line that was folded in."""
        self.length += len(line)
        self.tail += len(line)
        if is_checkpoint:
            self.tail, self.size = 0, len(line)


def fold(
    lines: Iterable[bytes],
    *,
    identity: str,
    name: str,
    pinned: str | None = None,
    prove: bool = False,
    writer: bool = False,
) -> JournalFold:
    """The state of a whole journal by its records alone; with ``prove`` each checkpoint must equal that state.

    One of its lines must have the hash ``pinned``. A ``writer`` refuses a newer format. Raises ChainBroken, or
    JournalError if the journal is another account's.
    """
    folded = JournalFold(state=JournalState(), position=ChainHead())
    found = pinned in {None, GENESIS}
    for line, offset in verified(lines, folded.position, name=name):
        found = found or folded.position.head == pinned
        if folded.position.line == 1:
            folded.state.identities.append(_begin(line, name=name, writer=writer))
            folded.length = len(line)
        else:
            _fold_one(folded, line, offset, name, prove=prove)
    folded.state.head = folded.position.head
    _check_owner(folded.state, identity, name)
    if not found:
        message = f"reading {name}: no line has the pinned hash {pinned}; its end was cut off or replaced"
        raise ChainBroken(message, line=folded.position.line + 1)
    return folded


def resumed(
    header: bytes, lines: Iterable[bytes], *, before: int | None, identity: str, name: str, writer: bool = False
) -> JournalFold | None:
    """The state of a journal, by its first line and its lines from a checkpoint on.

    ``before`` is the number of bytes before the checkpoint, None if unknown. Returns None if the checkpoint does not
    fit or the chain after it breaks; the whole journal must then be read. Raises JournalError if the journal is another
    account's, or of a newer format.
    """
    source = iter(lines)
    first = next(source, b"")
    if not is_sealed(header) or not is_sealed(first):
        return None
    begun_as = _begin(header, name=name, writer=writer)
    try:
        folded = _from_checkpoint(first, before, name)
        for line, offset in verified(source, folded.position, name=name):
            _fold_one(folded, line, offset, name, prove=True)
    except (ValueError, ChainBroken):
        return None
    if folded.state.identities[:1] != [begun_as]:
        return None
    folded.state.head = folded.position.head
    _check_owner(folded.state, identity, name)
    return folded


def _from_checkpoint(line: bytes, before: int | None, name: str) -> JournalFold:
    """The state of a checkpoint. Raises ValueError or ChainBroken if no reader can begin at it."""
    place = CHECKPOINT.match(line)
    if place is None:
        raise ValueError("is no checkpoint")
    position = ChainHead(line=whole(place[1].decode()), head=line_hash(line))
    record = decoded(parsed(line, position, name), position, name)
    if not isinstance(record, Checkpoint) or record.size not in {None, before}:
        raise ValueError("is of another place")
    folded = JournalFold(state=restored(record), position=position, length=before or 0)
    if folded.state.records != position.line - 1:  # all lines but the header
        raise ValueError("is of another line")
    folded.count(line, is_checkpoint=True)
    return folded


def _fold_one(folded: JournalFold, line: bytes, offset: int, name: str, *, prove: bool) -> None:
    """Fold one proven line after the first. Raises ChainBroken."""
    state, position = folded.state, folded.position
    kind_at = offset + _KIND_AFTER
    if line[kind_at : line.find(b'"', kind_at)] in _UNFOLDED:
        state.records += 1
        folded.count(line)
        return
    value = parsed(line, position, name)
    record = decoded(value, position, name)
    if isinstance(record, Header):
        raise bad(position.line, name, "a journal begins with its header, and has no other")
    if prove and isinstance(record, Checkpoint) and not proves(record, state, before=folded.length):
        raise bad(position.line, name, "its checkpoint is not what the records before it add up to")
    if isinstance(record, UnknownRecord):
        state.records += 1
    else:
        try:
            state.add(record, at=value["at"])
        except ValueError as error:
            raise bad(position.line, name, str(error)) from error
    folded.count(line, is_checkpoint=isinstance(record, Checkpoint))


def _begin(line: bytes, *, name: str, writer: bool) -> str:
    """Check that the first line is a header; returns the journal's first name. Raises ChainBroken, JournalError."""
    position = ChainHead(line=1)
    header = decoded(parsed(line, position, name), position, name)
    if not isinstance(header, Header):
        raise bad(1, name, "a journal begins with its header, and has no other")
    if writer and header.version > VERSION:
        raise JournalError(
            f"opening {name}: a newer reconcile wrote it ({clean(header.format[:60])}); use that version or newer"
        )
    return header.identity


def _check_owner(state: JournalState, identity: str, name: str) -> None:
    """Raise JournalError if the journal is another account's."""
    if state.identities and identity not in state.identities[-2:]:  # the last but one: the move is not finished yet
        whose = clean(state.identities[-1][:200])
        raise JournalError(f"reading {name}: it is the journal of {whose}; put it back where it belongs")
