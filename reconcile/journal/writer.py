"""One account's journal in a file, held for writing: append, flush together, notice when it is not ours any more.

Lines reach the file in the order of the calls. A flush serves every line that was written before it started, and there
is never more than one; whoever comes meanwhile shares the next. After a failed write or flush nobody can say what is on
disk, so the journal is dead: no line may follow one that may be partial.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

from reconcile.clock import Clock
from reconcile.errors import JournalError, LockLost
from reconcile.journal.chain import Position, line_hash
from reconcile.journal.codec import Header, encode, rfc3339
from reconcile.journal.disk import Disk, write_all
from reconcile.journal.lock import FileLock
from reconcile.journal.records import Intent, Record
from reconcile.journal.state import JournalState

T = TypeVar("T")


class RunBlocking(Protocol):
    """Runs work that blocks: on a thread, or in place where time is simulated."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """The work's result, or what it raised."""
        ...


class FileJournal:
    """Fulfils ``base.Journal``. Made by the store, under the lock; ``handle`` belongs to it from then on."""

    def __init__(
        self,
        *,
        disk: Disk,
        clock: Clock,
        run_blocking: RunBlocking,
        lock: FileLock,
        path: Path,
        handle: int,
        identity: str,
        run_id: str,
        state: JournalState,
        position: Position,
        size: int,
        last: bytes,
    ) -> None:
        self.identity = identity
        self.state = state
        self._disk = disk
        self._clock = clock
        self._run_blocking = run_blocking
        self._lock = lock
        self._path = path
        self._handle = handle
        self._file = disk.stat_handle(handle)
        self._run_id = run_id
        self._position = position
        self._size = size
        self._last = last
        self._flushed = 0
        self._is_linked = False
        self._flushing: asyncio.Task[None] | None = None
        self._dead: JournalError | None = None

    @property
    def head(self) -> str:
        """The hash of the last record."""
        return self._position.head

    @property
    def place(self) -> str | None:
        """A file is on the host's own disk."""
        return None

    async def append(self, record: Record, *, durable: bool) -> None:
        """See ``base.Journal.append``."""
        if isinstance(record, Intent) and record.lane in self.state.unsettled:
            raise JournalError(
                f"journalling a step for {record.address}: an earlier one on {record.lane} is unsettled; "
                "nothing is sent before that one is settled"
            )
        self.check()
        self.write(record)
        line = self._position.line
        while durable and self._flushed < line:
            await self._flush()

    def check(self) -> None:
        """See ``base.Journal.check``."""
        self._fail_if_dead()
        try:
            self._lock.check()
            self._check_end()
        except LockLost as error:
            self._dead = error
            raise
        except OSError as error:
            raise self._die("checking the journal and its lock", error) from error

    def write(self, record: Record | Header) -> None:
        """Put one record at the end of the file, unflushed. Raises JournalError; the journal is dead then."""
        self._fail_if_dead()
        at = rfc3339(self._clock.wall_ms())
        line = encode(record, seq=self._position.line + 1, prev=self._position.head, at=at, run=self._run_id)
        try:
            write_all(self._disk, self._handle, line)
        except OSError as error:
            raise self._die("writing the journal", error) from error
        self._size += len(line)
        self._last = line
        self._position.line += 1
        self._position.head = line_hash(line)
        self.state.head = self._position.head
        if not isinstance(record, Header):
            self.state.add(record, at=at)

    async def close(self) -> None:
        """Let a running flush end, and give the file back."""
        try:
            if self._flushing is not None:
                await finish(self._flushing)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Give the file back at once; nothing may be flushing. A close that fails loses nothing that was flushed."""
        self._dead = self._dead or JournalError(f"writing {self._path}: it was closed")
        with suppress(OSError):
            self._disk.close(self._handle)

    async def _flush(self) -> None:
        """One turn: join the flush that runs, or start one. Cancelling one who waits stops no flush."""
        self._fail_if_dead()
        if self._flushing is None:
            self._flushing = asyncio.ensure_future(self._flush_all())
        await asyncio.shield(self._flushing)
        self._fail_if_dead()

    async def _flush_all(self) -> None:
        line = self._position.line
        try:
            await self._run_blocking(self._flush_blocking)
            self._flushed = line
        except OSError as error:
            self._die("flushing the journal to disk", error)
        finally:
            self._flushing = None

    def _flush_blocking(self) -> None:
        """The file, and once per run its name: who made the file may have died before its name was on disk."""
        self._disk.flush(self._handle)
        if not self._is_linked:
            self._disk.flush_folder(self._path.parent)
            self._is_linked = True

    def _check_end(self) -> None:
        found = self._disk.stat(self._path)
        if not self._file.is_same_file(found):
            raise LockLost(f"checking the journal: {self._path} was removed or replaced under us; nothing more is sent")
        end = self._disk.read(self._handle, self._size - len(self._last), len(self._last) + 1)
        if end != self._last:
            raise LockLost(
                f"checking the journal: {self._path} does not end with our last record, so someone else writes to it; "
                "nothing more is sent in this run; see who else holds this account before the next"
            )

    def _die(self, doing: str, error: OSError) -> JournalError:
        what = error.strerror or str(error)
        self._dead = JournalError(f"{doing}: {self._path}: {what}; nothing more is sent in this run; see to the disk")
        self._dead.__cause__ = error
        return self._dead

    def _fail_if_dead(self) -> None:
        if self._dead is not None:
            raise type(self._dead)(str(self._dead)) from self._dead


async def finish(work: Awaitable[T], *, undo: Callable[[T], None] | None = None) -> T:
    """Wait for work that cannot be stopped half way, even when cancelled meanwhile; only then pass that on.

    ``undo`` takes back what was done for somebody who does not want it any more.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled() and task.exception() is None and undo is not None:
            undo(task.result())
        raise
