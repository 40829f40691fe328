"""The file's side of moving a journal: its lines under a new name, whole or not at all, and the old file a tombstone.

Every act can be repeated: a copy that was broken off is begun anew, and a rename has happened or has not.
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
    """Where a journal is kept that was led to another name; not a name under which journals are listed."""
    return path.with_suffix(".moved")


def check_not_moved(disk: Disk, path: Path, identity: str) -> None:
    """Raise Declined where a journal's file is gone because it was led away, as its tombstone says."""
    last = None if disk.stat(path) is not None else last_line(disk, tombstone_of(path))
    if last is not None:
        raise led_away(identity, str(end_object(last, name=str(tombstone_of(path))).get("to", "another name")))
