"""Reading a journal's file: its whole lines in order, in bounded memory, and its last one from the end."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from reconcile.errors import ChainBroken
from reconcile.journal.codec import MAX_LINE
from reconcile.journal.file.disk import Disk, write_all

_CHUNK = 1 << 20
_TAIL = 1 << 12


@dataclass(slots=True)
class End:
    """How a file ends: its last whole line, and the unfinished bytes behind it."""

    last: bytes = b""
    torn: bytes = b""
    whole: int = 0
    """The size of the whole lines in bytes."""


def lines_of(disk: Disk, handle: int, end: End, name: str, *, offset: int = 0) -> Iterator[bytes]:
    """The whole lines that the file has now, from ``offset`` on; lines that a writer adds meanwhile are ignored."""
    size = disk.stat_handle(handle).size
    end.whole, number = offset, 0
    while offset < size:
        chunk = disk.read(handle, offset, min(_CHUNK, size - offset))
        if not chunk:
            return
        offset += len(chunk)
        for line in BytesIO(end.torn + chunk):
            if line.endswith(b"\n"):
                end.torn, end.last = b"", line
                end.whole += len(line)
                number += 1
                yield line
            else:
                end.torn = line
        if len(end.torn) > MAX_LINE:
            raise ChainBroken(f"reading {name}: line {number + 1}: it has no end; restore the file", line=number + 1)


def whole_lines(disk: Disk, path: Path) -> Iterator[bytes]:
    """The lines of a file, none if there is no file; an unfinished last line is left out. Raises OSError."""
    try:
        handle = disk.open_read(path)
    except FileNotFoundError:
        return
    try:
        yield from lines_of(disk, handle, End(), str(path))
    finally:
        disk.close(handle)


def last_line(disk: Disk, path: Path) -> bytes | None:
    """The last whole line, read from the end; None if there is none."""
    try:
        handle = disk.open_read(path)
    except FileNotFoundError:
        return None
    try:
        offset, tail = disk.stat_handle(handle).size, b""
        while offset and tail.count(b"\n") < 2 and len(tail) <= 2 * MAX_LINE:  # its end, and that before
            size = min(offset, max(_TAIL, len(tail)))
            offset -= size
            tail = disk.read(handle, offset, size) + tail
    finally:
        disk.close(handle)
    whole = tail[: tail.rfind(b"\n") + 1]
    return whole[whole.rfind(b"\n", 0, -1) + 1 :] or None


def put_aside(disk: Disk, path: Path, handle: int, end: End) -> Path:
    """Copy the unfinished line to a file of its own, flushed, before it is cut off."""
    aside = path.with_name(f"{path.stem}.torn-{end.whole}-{sha256(end.torn).hexdigest()[:8]}")
    copy = disk.open_append(aside)
    try:
        disk.truncate(copy, 0)
        write_all(disk, copy, end.torn)
        disk.flush(copy)
    finally:
        disk.close(copy)
    disk.flush_folder(path.parent)
    disk.truncate(handle, end.whole)
    return aside
