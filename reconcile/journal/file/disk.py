"""The operations that a journal needs of a disk, so that a simulated disk can lose what a real one may lose.

All operations block and raise OSError. A handle is a number from the disk. ``flush`` returns when the bytes would
survive a power cut, ``flush_folder`` when the names in a folder would. A lock belongs to the handle on which it was
taken, and ends with the process that holds it.
"""

import errno
import fcntl
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_PRIVATE_FOLDER = 0o700
_PRIVATE_FILE = 0o600
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_ALWAYS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""Never follow a link, and never wait for the other end of a FIFO."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStat:
    """The identity of a file (``device`` and ``inode``) and its size in bytes.

    ``changed_ms`` is the time of the last change of content, name or mode: Unix milliseconds by the machine's clock,
    which no program can set. It is None if the disk does not report it.
    """

    device: int
    inode: int
    size: int
    changed_ms: int | None = None

    def is_same_file(self, other: "FileStat | None") -> bool:
        """Whether both are the same file on disk, whatever its name and size."""
        return other is not None and (self.device, self.inode) == (other.device, other.inode)


class Disk(Protocol):
    """The disk interface of a file journal."""

    def check_folder(self, path: Path, *, ours: bool) -> None:
        """Raise OSError if others may write into a folder, or if it is a link or no folder.

        With ``ours`` it must belong to this user as well. A missing folder passes.
        """
        ...

    def make_folder(self, path: Path) -> None:
        """Make a folder and its parents that only the user can enter, and flush their names; restrict an old folder."""
        ...

    def open_append(self, path: Path) -> int:
        """Open for reading and appending; a new file is the user's only."""
        ...

    def open_read(self, path: Path) -> int:
        """Open for reading; FileNotFoundError if there is no file."""
        ...

    def close(self, handle: int) -> None:
        """Close the handle, which releases a lock taken on it."""
        ...

    def read(self, handle: int, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``offset`` on; empty at the end."""
        ...

    def write(self, handle: int, data: bytes) -> int:
        """Append; returns the number of bytes written, which may be fewer than given."""
        ...

    def truncate(self, handle: int, size: int) -> None:
        """Cut the file to ``size`` bytes."""
        ...

    def flush(self, handle: int) -> None:
        """Return when everything written to this file would survive a power cut."""
        ...

    def flush_folder(self, path: Path) -> None:
        """Return when the names in this folder would survive a power cut."""
        ...

    def stat(self, path: Path) -> FileStat | None:
        """The file that has this name now; None if there is none."""
        ...

    def stat_handle(self, handle: int) -> FileStat:
        """The file behind a handle."""
        ...

    def rename(self, source: Path, target: Path) -> None:
        """Rename a file, atomically."""
        ...

    def lock(self, handle: int) -> bool:
        """Take the exclusive lock of the file if it is free; returns whether we have it now."""
        ...

    def is_locked(self, handle: int) -> bool:
        """Whether another handle, of any process, holds the exclusive lock."""
        ...

    def names(self, folder: Path) -> list[str]:
        """The names in a folder, in no order; none if there is no folder."""
        ...


def write_all(disk: Disk, handle: int, data: bytes) -> None:
    """Append all data; after an OSError a part of it may be written."""
    done = 0
    while done < len(data):
        taken = disk.write(handle, data[done:])
        if taken <= 0:
            raise OSError(errno.EIO, "the disk takes no more bytes")
        done += taken


class SystemDisk:
    """The machine's disk."""

    def check_folder(self, path: Path, *, ours: bool) -> None:
        """Check mode and owner: anyone who may write into a folder can replace any file in it."""
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return
        if stat.S_ISLNK(found.st_mode):
            raise OSError(errno.ELOOP, "it is a link", str(path))
        if not stat.S_ISDIR(found.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, "it is not a folder", str(path))
        if found.st_mode & _OTHERS_WRITE:
            raise PermissionError(errno.EPERM, "others may write into it", str(path))
        if ours and found.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "it belongs to another user", str(path))

    def make_folder(self, path: Path) -> None:
        """Restrict a folder that others can enter to its owner."""
        if path.is_dir():
            if stat.S_IMODE(path.stat().st_mode) != _PRIVATE_FOLDER:
                path.chmod(_PRIVATE_FOLDER)
            return
        if not path.parent.is_dir():
            self.make_folder(path.parent)
        path.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
        self.flush_folder(path.parent)

    def open_append(self, path: Path) -> int:
        """The handle is not inherited by programs we start."""
        return _regular(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | _ALWAYS, _PRIVATE_FILE), path)

    def open_read(self, path: Path) -> int:
        """The handle is not inherited by programs we start."""
        return _regular(os.open(path, os.O_RDONLY | _ALWAYS), path)

    def close(self, handle: int) -> None:
        """A lock goes with the handle."""
        os.close(handle)

    def read(self, handle: int, offset: int, size: int) -> bytes:
        """Independent of the position of other reads."""
        return os.pread(handle, size, offset)

    def write(self, handle: int, data: bytes) -> int:
        """The system appends at the end, wherever that is."""
        return os.write(handle, data)

    def truncate(self, handle: int, size: int) -> None:
        """Cut the file."""
        os.ftruncate(handle, size)

    def flush(self, handle: int) -> None:
        """On macOS only F_FULLFSYNC reaches the platter; elsewhere the data and its length are enough."""
        if hasattr(fcntl, "F_FULLFSYNC"):
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
        elif hasattr(os, "fdatasync"):
            os.fdatasync(handle)
        else:
            os.fsync(handle)

    def flush_folder(self, path: Path) -> None:
        """A folder is flushed through a handle of its own."""
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def stat(self, path: Path) -> FileStat | None:
        """A symbolic link is a file of its own: it is not what we opened."""
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return None
        return _stat(found)

    def stat_handle(self, handle: int) -> FileStat:
        """The file that we opened, even if it has another name now."""
        found = os.fstat(handle)
        return _stat(found)

    def rename(self, source: Path, target: Path) -> None:
        """Atomic within one file system."""
        source.replace(target)

    def lock(self, handle: int) -> bool:
        """flock: it belongs to the open file and dies with the process."""
        return _flock(handle, fcntl.LOCK_EX)

    def is_locked(self, handle: int) -> bool:
        """Try a shared lock and release it at once; an attempt to lock in that moment fails."""
        if not _flock(handle, fcntl.LOCK_SH):
            return True
        fcntl.flock(handle, fcntl.LOCK_UN)
        return False

    def names(self, folder: Path) -> list[str]:
        """The names in a folder."""
        try:
            return os.listdir(folder)  # noqa: PTH208 - names are all we need of a large folder
        except FileNotFoundError:
            return []


def _regular(handle: int, path: Path) -> int:
    """The handle, if only its owner may write the file; otherwise close it and raise OSError."""
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode) and not mode & _OTHERS_WRITE:
        return handle
    os.close(handle)
    if stat.S_ISREG(mode):
        raise PermissionError(errno.EPERM, "others may write it", str(path))
    raise OSError(errno.EINVAL, "it is not a regular file", str(path))


def _flock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _stat(found: os.stat_result) -> FileStat:
    changed_ms = found.st_ctime_ns // 1_000_000
    return FileStat(device=found.st_dev, inode=found.st_ino, size=found.st_size, changed_ms=changed_ms)
