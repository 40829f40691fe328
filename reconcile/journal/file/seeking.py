"""Read the state of a journal's file, from a checkpoint if it has two."""

from pathlib import Path

from reconcile.journal import checkpoint
from reconcile.journal.file.disk import Disk
from reconcile.journal.file.lines import End, lines_of
from reconcile.journal.folding import CHECKPOINT, JournalFold, fold, resumed
from reconcile.journal.state import JournalState

_CHUNK = 1 << 20
_TAIL = 1 << 12
_MARK = b'"kind":"checkpoint","run":'
_LONGEST_START = 256
"""More than the start of a checkpoint's line takes, up to and with ``_MARK``."""


def glance(disk: Disk, path: Path, *, identity: str) -> JournalState:
    """The state of a journal's file. Raises OSError, ChainBroken, JournalError."""
    handle = disk.open_read(path)
    try:
        return folded_from(disk, handle, End(), identity=identity, name=str(path)).state
    finally:
        disk.close(handle)


def folded_from(disk: Disk, handle: int, end: End, *, identity: str, name: str, writer: bool = False) -> JournalFold:
    """The state of an open file: from its last checkpoint but one on, or from its first line if that fails."""
    offset = _last_checkpoint_but_one(disk, handle)
    if offset is not None:
        lines = lines_of(disk, handle, end, name, offset=offset)
        header = _first_line(disk, handle)
        found = resumed(header, lines, before=offset, identity=identity, name=name, writer=writer)
        if found is not None:
            return found
        end.last, end.torn = b"", b""
    return fold(lines_of(disk, handle, end, name), identity=identity, name=name, writer=writer)


def _first_line(disk: Disk, handle: int) -> bytes:
    """The first line with its newline; cut if it is longer than a header can be."""
    head = disk.read(handle, 0, _TAIL)
    return head[: head.find(b"\n") + 1] or head


def _last_checkpoint_but_one(disk: Disk, handle: int) -> int | None:
    """The offset of its line; None if there are fewer than two."""
    end = disk.stat_handle(handle).size
    if end < checkpoint.LEAST_BYTES:
        return None
    last: int | None = None
    while end > 0:
        start = max(0, end - _CHUNK)
        chunk = disk.read(handle, start, end - start)
        found = len(chunk)
        while (found := chunk.rfind(_MARK, 0, found)) >= 0:
            line = chunk.rfind(b"\n", 0, found) + 1
            if (line or start == 0) and CHECKPOINT.match(chunk, line):
                if last not in {None, start + line}:
                    return start + line
                last = start + line
        if start == 0:
            return None
        end = start + _LONGEST_START  # a line may begin before this chunk and have its mark in it
    return None
