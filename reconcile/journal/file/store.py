"""The journals of one home as files: ``<home>/journal/<identity>.jsonl``, each with a lock file beside it.

Reading takes no lock and writes nothing, so it works on a copy or a read-only home. A writer takes the lock, proves the
chain, and moves an unfinished last line aside. That line was never flushed, so no request was sent on it.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from reconcile.clock import Clock
from reconcile.errors import ChainBroken, JournalError
from reconcile.journal.chain import JournalEntry, end_hash, end_object, entries
from reconcile.journal.chained import RunBlocking, finish
from reconcile.journal.codec import FORMAT, Header, rfc3339
from reconcile.journal.file.disk import Disk
from reconcile.journal.file.errors import explained
from reconcile.journal.file.lines import End, last_line, put_aside, whole_lines
from reconcile.journal.file.lock import FileLock, acquire, read_holder
from reconcile.journal.file.moves import check_not_moved, copy_lines, tombstone_of
from reconcile.journal.file.seeking import folded_from, glance
from reconcile.journal.file.writer import FileJournal
from reconcile.journal.folding import fold
from reconcile.journal.moving import Move, decide, led_away, relocation
from reconcile.journal.records import Relocation, Repaired
from reconcile.journal.state import JournalState
from reconcile.model.times import unix_ms

T = TypeVar("T")

CHANGED_MS = 1_000
"""The greatest difference between a file's last change and the time of its last record."""
_THREADS = 16
_IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


class Threads:
    """Runs blocking work on threads of its own, so that a slow disk and slow requests do not delay each other."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    async def __call__(self, work: Callable[[], T]) -> T:
        """Return the work's result, or raise its exception."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="journal")
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


class FileStore:
    """Implements ``base.Store`` with files. Every OSError becomes a JournalError that says what to do."""

    def __init__(self, home: Path, disk: Disk, clock: Clock, run_blocking: RunBlocking | None = None) -> None:
        """``run_blocking`` runs work that may block for long: flushes, proofs of a chain; by default on threads."""
        self._home = home
        self._folder = home / "journal"
        self._disk = disk
        self._clock = clock
        self._run_blocking = run_blocking or Threads()

    @asynccontextmanager
    async def open(
        self,
        identity: str,
        *,
        run_id: str,
        holder: Mapping[str, str],
        timeout_ms: int,
        on_wait: Callable[[Mapping[str, str]], None] | None = None,
    ) -> AsyncIterator[FileJournal]:
        """See ``base.Store.open``."""
        async with self._locked(identity, holder, timeout_ms, on_wait) as lock:
            journal = await finish(
                self._run_blocking(lambda: self._ours(identity, run_id, lock)), undo=FileJournal.abandon
            )
            try:
                yield journal
            finally:
                await journal.close()

    def read(self, identity: str, *, pinned: str | None = None, whole: bool = False) -> JournalState:
        """See ``base.Store.read``."""
        path = self._path(identity)
        with self._used("reading the journal", path):
            check_not_moved(self._disk, path, identity)
            if pinned is None and not whole and self._disk.stat(path) is not None:
                return glance(self._disk, path, identity=identity)
            lines = self._whole_lines(path)
            return fold(lines, identity=identity, name=str(path), pinned=pinned, prove=whole).state

    async def head(self, identity: str) -> str | None:
        """See ``base.Store.head``."""
        line = await self._end(identity)
        return None if line is None else end_hash(line, name=str(self._path(identity)))

    async def last(self, identity: str) -> Mapping[str, Any] | None:
        """See ``base.Store.last``."""
        line = await self._end(identity)
        return None if line is None else end_object(line, name=str(self._path(identity)))

    async def _end(self, identity: str) -> bytes | None:
        path = self._path(identity)
        with self._used("reading the journal", path):
            return await self._run_blocking(lambda: last_line(self._disk, path)) if self._disk.stat(path) else None

    def lines(self, identity: str) -> Iterator[JournalEntry]:
        """See ``base.Store.lines``."""
        path = self._path(identity)
        with self._used("reading the journal", path):
            yield from entries(self._whole_lines(path), name=str(path))

    def holder(self, identity: str) -> Mapping[str, str] | None:
        """See ``base.Store.holder``."""
        path = self._path(identity, ".lock")
        with self._used("looking who holds the lock", path):
            return read_holder(self._disk, path)

    def identities(self) -> list[str]:
        """See ``base.Store.identities``."""
        with self._used("listing the journals", self._folder):
            names = self._disk.names(self._folder)
        return sorted(name.removesuffix(".jsonl") for name in names if name.endswith(".jsonl"))

    async def move(
        self,
        identity: str,
        to: str,
        *,
        run_id: str,
        holder: Mapping[str, str],
        timeout_ms: int,
        on_wait: Callable[[Mapping[str, str]], None] | None = None,
    ) -> bool:
        """See ``base.Store.move``."""
        first, second = sorted((identity, to))
        async with (
            self._locked(first, holder, timeout_ms, on_wait) as one,
            self._locked(second, holder, timeout_ms, on_wait) as other,
        ):
            lock = one if first == identity else other
            return await finish(self._run_blocking(lambda: self._move(identity, to, run_id, lock, holder)))

    async def retire(self, identity: str, *, holder: Mapping[str, str], timeout_ms: int = 0) -> str | None:
        """See ``base.Store.retire``. The file stays in the same folder; its new name ends in the time."""
        path = self._path(identity)
        stamp = rfc3339(self._clock.wall_ms()).translate({ord("-"): None, ord(":"): None})
        with explained("putting the journal aside", path):
            if self._disk.stat(path) is None:
                return None
        async with self._locked(identity, holder, timeout_ms, None):
            with explained("putting the journal aside", path):
                target = self._free(path.with_name(f"{path.name}.{stamp}"))
                self._disk.rename(path, target)
                self._disk.flush_folder(self._folder)
        return target.name

    @asynccontextmanager
    async def _locked(
        self,
        identity: str,
        holder: Mapping[str, str],
        timeout_ms: int,
        on_wait: Callable[[Mapping[str, str]], None] | None,
    ) -> AsyncIterator[FileLock]:
        path = self._path(identity, ".lock")
        with self._used("taking the account's lock", path, ours=True):
            self._disk.make_folder(self._folder)
            lock = await acquire(self._disk, self._clock, path, holder=holder, timeout_ms=timeout_ms, on_wait=on_wait)
        try:
            yield lock
        finally:
            with explained("giving the account's lock back", path):
                lock.release()

    def _move(self, identity: str, to: str, run_id: str, lock: FileLock, holder: Mapping[str, str]) -> bool:
        path, target = self._path(identity), self._path(to)
        with self._used("moving the journal", path, ours=True):
            if self._disk.stat(path) is None:
                return False
            old = self.read(identity, whole=True)
            new = None if self._disk.stat(target) is None else self.read(to, whole=True)
            act = decide(old, new, names=(identity, to), is_copy=lambda: self._has(to, old.head))
            if act in {Move.LEAD, Move.CLOSE}:
                self._lead(identity, run_id, lock, relocation(to, holder, with_records=act is Move.LEAD))
            if act in {Move.LEAD, Move.CARRY}:
                copy = target.with_name(f"{target.name}.moving")
                copy_lines(self._disk, self._whole_lines(path), copy)
                fold(self._whole_lines(copy), identity=to, name=str(copy), writer=True)
                self._disk.rename(copy, target)
                self._disk.flush_folder(self._folder)
            if act in {Move.LEAD, Move.CARRY, Move.BURY}:
                self._disk.rename(path, self._free(tombstone_of(path)))
                self._disk.flush_folder(self._folder)
        return act is not Move.NOTHING

    def _lead(self, identity: str, run_id: str, lock: FileLock, record: Relocation) -> None:
        journal = self._load(identity, run_id, lock)
        try:
            journal.write(replace(record, was_changed=journal.was_changed))
            journal.flush_now()
        finally:
            journal.abandon()

    def _has(self, identity: str, head: str) -> bool:
        try:
            self.read(identity, pinned=head)
        except ChainBroken:
            return False
        return True

    def _ours(self, identity: str, run_id: str, lock: FileLock) -> FileJournal:
        """The journal to write to. Raises Declined if it was moved to another name."""
        path = self._path(identity)
        check_not_moved(self._disk, path, identity)
        journal = self._load(identity, run_id, lock)
        away = journal.state.led_to(identity)
        if away is not None:
            journal.abandon()
            raise led_away(identity, away)
        return journal

    def _load(self, identity: str, run_id: str, lock: FileLock) -> FileJournal:
        """Prove and fold the file, and prepare it for appends."""
        path = self._path(identity)
        with explained("opening the journal", path):
            handle = self._disk.open_append(path)
            try:
                return self._fit(identity, run_id, lock, path, handle)
            except BaseException:
                self._disk.close(handle)
                raise

    def _fit(self, identity: str, run_id: str, lock: FileLock, path: Path, handle: int) -> FileJournal:
        end, changed_ms = End(), self._disk.stat_handle(handle).changed_ms
        folded = folded_from(self._disk, handle, end, identity=identity, name=str(path), writer=True)
        aside = put_aside(self._disk, path, handle, end) if end.torn else None
        journal = FileJournal(
            disk=self._disk,
            clock=self._clock,
            run_blocking=self._run_blocking,
            lock=lock,
            path=path,
            handle=handle,
            identity=identity,
            run_id=run_id,
            folded=folded,
            size=end.whole,
            last=end.last,
            was_changed=_was_changed(end.last, changed_ms, name=str(path)),
        )
        if folded.position.line == 0:
            journal.write(Header(format=FORMAT, identity=identity))
        if aside is not None:
            journal.write(Repaired(file=aside.name, size=len(end.torn), was_changed=journal.was_changed))
        return journal

    def _whole_lines(self, path: Path) -> Iterator[bytes]:
        return whole_lines(self._disk, path)

    def _free(self, path: Path) -> Path:
        number, found = 1, path
        while self._disk.stat(found) is not None:
            number += 1
            found = path.with_name(f"{path.name}-{number}")
        return found

    @contextmanager
    def _used(self, doing: str, path: Path, *, ours: bool = False) -> Iterator[None]:
        """Check that no other user may write to the home and its journals; with ``ours``, that they are this user's."""
        with explained(doing, path):
            for folder in (self._home, self._folder):
                self._disk.check_folder(folder, ours=ours)
            yield

    def _path(self, identity: str, ending: str = ".jsonl") -> Path:
        if not _IDENTITY.fullmatch(identity):
            raise JournalError(
                f"opening a journal: no journal is called {identity[:200]!r}; take that file out of the folder"
            )
        return self._folder / (identity + ending)


def _was_changed(last: bytes, changed_ms: int | None, *, name: str) -> bool:
    """Whether a file changed at another time than its ``last`` record was written, both by the machine's clock.

    Restoring an older copy, or cutting off the end, sets the time of the change. An empty file proves nothing.
    """
    if not last or changed_ms is None:
        return False
    return abs(changed_ms - unix_ms(str(end_object(last, name=name)["at"]))) > CHANGED_MS
