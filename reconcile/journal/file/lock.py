"""The account's lock as a file: a living process holds it, the system frees it when that process ends.

On release the file stays; only its text, which names the holder, is removed. If the file were removed, a second holder
could lock a new file of the same name. A holder therefore checks that its file is still the one in place.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

from reconcile.clock import Clock
from reconcile.errors import Declined, LockLost
from reconcile.journal.file.disk import Disk, FileStat, write_all
from reconcile.model.jsontext import loads
from reconcile.money import plain
from reconcile.render.common.holder import busy
from reconcile.render.common.values import rfc3339

POLL_MS = 200
_OPENINGS = 5
_TEXT_LIMIT = 4096


class FileLock:
    """A lock that is held until it is released or this process dies."""

    def __init__(self, disk: Disk, path: Path, handle: int, file: FileStat) -> None:
        self._disk = disk
        self._path = path
        self._handle = handle
        self._file = file

    def check(self) -> None:
        """Raise LockLost unless the file we hold is still the lock's file."""
        if not self._file.is_same_file(self._disk.stat(self._path)):
            raise LockLost(
                f"checking the account's lock: {self._path} was removed or replaced while we held it; "
                "nothing more is sent in this run; find out who did that before the next"
            )

    def release(self) -> None:
        """Release the lock. A failure to remove our name is harmless: no one reads it while the lock is free."""
        with suppress(OSError):
            self._disk.truncate(self._handle, 0)
        with suppress(OSError):
            self._disk.close(self._handle)


async def acquire(
    disk: Disk,
    clock: Clock,
    path: Path,
    *,
    holder: Mapping[str, str],
    timeout_ms: int,
    on_wait: Callable[[Mapping[str, str]], None] | None,
) -> FileLock:
    """Take the lock, waiting up to ``timeout_ms`` (0: no wait). Raises Declined, which names the holder, or OSError.

    Other processes that wait see ``holder`` and the time since which we hold the lock.
    """
    deadline = clock.monotonic_ms() + timeout_ms
    told = False
    while True:
        lock = _attempt(disk, path, {**holder, "since": rfc3339(clock.wall_ms())})
        if lock is not None:
            return lock
        left = deadline - clock.monotonic_ms()
        if left <= 0:
            raise Declined("lock", busy(read_holder(disk, path) or {}, waited_s(timeout_ms)))
        if not told and on_wait is not None:
            on_wait(read_holder(disk, path) or {})
        told = True
        await clock.sleep(min(POLL_MS, left))


def waited_s(timeout_ms: int) -> str:
    """A wait in seconds for ``busy``; empty for none."""
    return plain(Decimal(timeout_ms) / 1000) if timeout_ms else ""


def read_holder(disk: Disk, path: Path) -> Mapping[str, str] | None:
    """The holder of the lock; None if it is free, empty if the holder has not written its name yet. Raises OSError."""
    try:
        handle = disk.open_read(path)
    except FileNotFoundError:
        return None
    try:
        return _text(disk.read(handle, 0, _TEXT_LIMIT)) if disk.is_locked(handle) else None
    finally:
        disk.close(handle)


def _attempt(disk: Disk, path: Path, holder: Mapping[str, str]) -> FileLock | None:
    for _ in range(_OPENINGS):
        handle = disk.open_append(path)
        lock: FileLock | None = None
        try:
            if not disk.lock(handle):
                return None
            file = disk.stat_handle(handle)
            if file.is_same_file(disk.stat(path)):
                disk.truncate(handle, 0)
                write_all(disk, handle, json.dumps(dict(holder), ensure_ascii=True).encode("ascii")[:_TEXT_LIMIT])
                lock = FileLock(disk, path, handle, file)
                return lock
        finally:
            if lock is None:
                disk.close(handle)
    return None


def _text(raw: bytes) -> Mapping[str, str]:
    try:
        value = loads(raw.decode("utf-8"))
    except ValueError:
        return {}
    return {str(key): str(item) for key, item in value.items()} if isinstance(value, dict) else {}
