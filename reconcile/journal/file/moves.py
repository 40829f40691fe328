"""Move a journal's file: copy its lines to a new name atomically, and turn the old file into a tombstone.

Every act can be repeated: an unfinished copy starts over, and a rename is atomic.
"""

from collections.abc import Iterable
from pathlib import Path

from reconcile.journal.chain import end_object
from reconcile.journal.file.disk import Disk, write_all
from reconcile.journal.file.lines import last_line
from reconcile.journal.moving import led_away

_BUFFERED = 1 << 20


def copy_lines(disk: Disk, lines: Iterable[bytes], target: Path) -> None:
    """Write whole lines into a file of its own, flushed. Raises OSError."""
    handle = disk.open_append(target)
    try:
        disk.truncate(handle, 0)
        waiting: list[bytes] = []
        size = 0
        for line in lines:
            waiting.append(line)
            size += len(line)
            if size >= _BUFFERED:
                write_all(disk, handle, b"".join(waiting))
                waiting, size = [], 0
        write_all(disk, handle, b"".join(waiting))
        disk.flush(handle)
    finally:
        disk.close(handle)


def tombstone_of(path: Path) -> Path:
    """The path of a journal that was moved to another name; journals are not listed by it."""
    return path.with_suffix(".moved")


def check_not_moved(disk: Disk, path: Path, identity: str) -> None:
    """Raise Declined if a journal's file is gone and its tombstone shows that it was moved."""
    last = None if disk.stat(path) is not None else last_line(disk, tombstone_of(path))
    if last is not None:
        raise led_away(identity, str(end_object(last, name=str(tombstone_of(path))).get("to", "another name")))
