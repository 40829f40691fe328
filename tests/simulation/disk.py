"""A disk that loses what a real one may lose, decided by a seed.

``SimulatedDisk`` is the platter and the page cache; ``process()`` gives the view of one process, which fulfils
``journal.file.disk.Disk``. ``kill`` ends a process: its locks go, what it wrote stays. ``power_loss`` ends all of
them: of every file, and of every folder's names, only what was flushed stays for sure; of the rest a part from the
front, the last write of it torn at any byte. ``before`` is called ahead of every operation and may raise: a crash (any
BaseException of the caller's), or an OSError that the program is to see.
"""

import errno
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from reconcile.journal.file.disk import FileStat


@dataclass(slots=True)
class _Change:
    """One write (``data`` at ``offset``) or, with ``data`` None, a cut to ``offset`` bytes."""

    offset: int
    data: bytes | None


@dataclass(slots=True)
class _File:
    inode: int
    content: bytearray = field(default_factory=bytearray)
    flushed: bytearray = field(default_factory=bytearray)
    pending: list[_Change] = field(default_factory=list)
    """What the cache holds and the platter does not."""
    locked_by: int | None = None
    """The handle that holds the exclusive lock."""
    changed_ms: int | None = None
    """When its content or name last changed, by the machine's clock; None where the process that did it has none."""


@dataclass(slots=True)
class _Handle:
    process: "SimulatedProcess"
    file: _File
    path: Path
    writes: bool


Names = dict[Path, _File]
Before = Callable[[str, str, Path], None]


def _nothing(process: str, operation: str, path: Path) -> None:
    """Let every operation happen."""


class SimulatedDisk:
    """One machine's disk, shared by its processes."""

    def __init__(self, seed: int, *, capacity: int | None = None, before: Before = _nothing) -> None:
        """``capacity`` is how many bytes all files may take together; None for a disk that never fills up."""
        self.dice = random.Random(seed)
        self.capacity = capacity
        self.before = before
        self.failing_flushes = 0
        """How many of the next flushes of files fail. What they were to flush stays readable, but never gets safe."""
        self.flushes = 0
        """How often a file was flushed."""
        self._names: Names = {}
        self._changes: dict[Path, list[Names]] = {}
        """By folder: what its names were after each change that is not flushed, oldest first."""
        self._flushed_names: Names = {}
        self._folders: set[Path] = set()
        self._handles: dict[int, _Handle] = {}
        self._next = 0

    def process(self, name: str, *, wall_ms: Callable[[], int] | None = None) -> "SimulatedProcess":
        """A new process on this machine; the name is for ``before``, ``wall_ms`` the machine's time of day for it."""
        return SimulatedProcess(self, name, wall_ms=wall_ms)

    def kill(self, process: "SimulatedProcess") -> None:
        """End one process at once: its handles and locks go, what it wrote stays in the cache."""
        process.is_dead = True
        for number, handle in list(self._handles.items()):
            if handle.process is process:
                self.release(number)

    def power_loss(self) -> None:
        """End all processes and lose what the platter does not hold."""
        for handle in list(self._handles.values()):
            self.kill(handle.process)
        self._lose_names()
        for file in {id(file): file for file in self._names.values()}.values():
            self._lose_content(file)

    @property
    def open_handles(self) -> int:
        """How many handles are out."""
        return len(self._handles)

    def content(self, path: Path) -> bytes:
        """What a reader sees in a file now; FileNotFoundError where there is none."""
        return bytes(self.named(path).content)

    def replace(self, path: Path, content: bytes, *, changed_ms: int | None = None) -> None:
        """Put another file of that name there, safe at once: what an editor, a person or a restore does."""
        file = self._file()
        file.changed_ms = changed_ms
        file.content, file.flushed = bytearray(content), bytearray(content)
        self._folders.add(path.parent)
        self._names[path] = self._flushed_names[path] = file

    def paths(self) -> list[Path]:
        """All names there are."""
        return list(self._names)

    def remove(self, path: Path) -> None:
        """Remove a name, safe at once: what a person does."""
        self._names.pop(path, None)
        self._flushed_names.pop(path, None)

    # What processes use.

    def named(self, path: Path) -> _File:
        """The file of that name."""
        if path not in self._names:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
        return self._names[path]

    def opened(self, process: "SimulatedProcess", path: Path, *, create: bool) -> int:
        """A new handle."""
        if create and path not in self._names:
            if path.parent not in self._folders:
                raise FileNotFoundError(errno.ENOENT, "no such folder", str(path.parent))
            self._names[path] = self._file()
            self._renamed(path.parent)
        self._next += 1
        self._handles[self._next] = _Handle(process, self.named(path), path, create)
        return self._next

    def handle(self, process: "SimulatedProcess", number: int) -> _Handle:
        """What a handle of this process stands for."""
        found = self._handles.get(number)
        if found is None or found.process is not process:
            raise OSError(errno.EBADF, "not an open handle")
        return found

    def release(self, number: int) -> None:
        """Give a handle back, and its lock."""
        handle = self._handles.pop(number)
        if handle.file.locked_by == number:
            handle.file.locked_by = None

    def room(self, wanted: int) -> int:
        """How many of the wanted bytes still fit."""
        if self.capacity is None:
            return wanted
        used = sum(len(file.content) for file in self._names.values())
        return max(0, min(wanted, self.capacity - used))

    def flush(self, file: _File) -> None:
        """Make a file's content safe, or fail and keep it from ever getting safe."""
        self.flushes += 1
        if self.failing_flushes:
            self.failing_flushes -= 1
            for change in file.pending:
                if change.data is not None:
                    change.data = bytes(len(change.data))
            raise OSError(errno.EIO, "input/output error")
        for change in file.pending:
            _apply(file.flushed, change)
        file.pending.clear()

    def flush_names(self, folder: Path) -> None:
        """Make a folder's names safe."""
        self._changes.pop(folder, None)
        self._set_names(folder, self._names)

    def renamed_to(self, source: Path, target: Path) -> None:
        """Give a file another name."""
        file = self.named(source)
        del self._names[source]
        self._names[target] = file
        self._renamed(source.parent)

    def add_folder(self, path: Path) -> None:
        """Folders are safe at once."""
        self._folders.update({path, *path.parents})

    def listed(self, folder: Path) -> list[str]:
        """The names in a folder."""
        return [path.name for path in self._names if path.parent == folder]

    def _file(self) -> _File:
        self._next += 1
        return _File(inode=self._next)

    def _renamed(self, folder: Path) -> None:
        self._changes.setdefault(folder, []).append(dict(self._names))

    def _set_names(self, folder: Path, names: Names) -> None:
        kept = {path: file for path, file in self._flushed_names.items() if path.parent != folder}
        self._flushed_names = kept | {path: file for path, file in names.items() if path.parent == folder}

    def _lose_names(self) -> None:
        for folder, changes in self._changes.items():
            kept = self.dice.randint(0, len(changes))
            if kept:
                self._set_names(folder, changes[kept - 1])
        self._changes.clear()
        self._names = dict(self._flushed_names)

    def _lose_content(self, file: _File) -> None:
        kept = self.dice.randint(0, len(file.pending))
        for change in file.pending[:kept]:
            _apply(file.flushed, change)
        if kept < len(file.pending):
            torn = file.pending[kept]
            if torn.data is not None:
                part = torn.data[: self.dice.randint(0, len(torn.data))]
                _apply(file.flushed, _Change(torn.offset, part))
        file.pending.clear()
        file.content = bytearray(file.flushed)
        file.locked_by = None


class SimulatedProcess:
    """One process's view of the disk; after its death every call but ``close`` fails."""

    def __init__(self, disk: SimulatedDisk, name: str, *, wall_ms: Callable[[], int] | None = None) -> None:
        self.is_dead = False
        self.name = name
        self._disk = disk
        self._wall_ms = wall_ms

    def check_folder(self, path: Path, *, ours: bool) -> None:
        """See ``Disk``; every folder here is the user's own."""

    def make_folder(self, path: Path) -> None:
        """See ``Disk``."""
        self._begin("make_folder", path)
        self._disk.add_folder(path)

    def open_append(self, path: Path) -> int:
        """See ``Disk``."""
        self._begin("open_append", path)
        return self._disk.opened(self, path, create=True)

    def open_read(self, path: Path) -> int:
        """See ``Disk``."""
        self._begin("open_read", path)
        return self._disk.opened(self, path, create=False)

    def close(self, handle: int) -> None:
        """See ``Disk``. The dead have nothing to close."""
        if not self.is_dead:
            self._disk.handle(self, handle)
            self._disk.release(handle)

    def read(self, handle: int, offset: int, size: int) -> bytes:
        """See ``Disk``."""
        return bytes(self._open("read", handle).file.content[offset : offset + size])

    def write(self, handle: int, data: bytes) -> int:
        """See ``Disk``."""
        file = self._open("write", handle, writes=True).file
        taken = self._disk.room(len(data))
        if data and not taken:
            raise OSError(errno.ENOSPC, "no space left on device")
        change = _Change(len(file.content), data[:taken])
        file.changed_ms = self._now_ms()
        _apply(file.content, change)
        file.pending.append(change)
        return taken

    def truncate(self, handle: int, size: int) -> None:
        """See ``Disk``."""
        file = self._open("truncate", handle, writes=True).file
        change = _Change(size, None)
        file.changed_ms = self._now_ms()
        _apply(file.content, change)
        file.pending.append(change)

    def flush(self, handle: int) -> None:
        """See ``Disk``."""
        self._disk.flush(self._open("flush", handle).file)

    def flush_folder(self, path: Path) -> None:
        """See ``Disk``."""
        self._begin("flush_folder", path)
        self._disk.flush_names(path)

    def stat(self, path: Path) -> FileStat | None:
        """See ``Disk``."""
        self._begin("stat", path)
        try:
            return _stat(self._disk.named(path))
        except FileNotFoundError:
            return None

    def stat_handle(self, handle: int) -> FileStat:
        """See ``Disk``."""
        return _stat(self._open("stat", handle).file)

    def rename(self, source: Path, target: Path) -> None:
        """See ``Disk``."""
        self._begin("rename", source)
        self._disk.named(source).changed_ms = self._now_ms()
        self._disk.renamed_to(source, target)

    def lock(self, handle: int) -> bool:
        """See ``Disk``."""
        file = self._open("lock", handle).file
        if file.locked_by is None:
            file.locked_by = handle
        return file.locked_by == handle

    def is_locked(self, handle: int) -> bool:
        """See ``Disk``."""
        return self._open("is_locked", handle).file.locked_by not in {None, handle}

    def names(self, folder: Path) -> list[str]:
        """See ``Disk``."""
        self._begin("names", folder)
        return self._disk.listed(folder)

    def _now_ms(self) -> int | None:
        return None if self._wall_ms is None else self._wall_ms()

    def _open(self, operation: str, number: int, *, writes: bool = False) -> _Handle:
        self._alive()
        handle = self._disk.handle(self, number)
        self._begin(operation, handle.path)
        if writes and not handle.writes:
            raise OSError(errno.EBADF, "not open for writing")
        return handle

    def _begin(self, operation: str, path: Path) -> None:
        self._alive()
        self._disk.before(self.name, operation, path)
        self._alive()

    def _alive(self) -> None:
        if self.is_dead:
            raise OSError(errno.EBADF, "the process is dead")


def _stat(file: _File) -> FileStat:
    return FileStat(device=1, inode=file.inode, size=len(file.content), changed_ms=file.changed_ms)


def _apply(content: bytearray, change: _Change) -> None:
    if change.data is None:
        del content[change.offset :]
        return
    end = change.offset + len(change.data)
    content.extend(bytes(max(0, end - len(content))))
    content[change.offset : end] = change.data
