"""One account's journal in a file, held for writing: append, flush many lines at once, notice a lost lock.

Lines reach the file in the order of the calls. A flush serves every line that was written before it started. Only one
flush runs at a time; appends that come meanwhile share the next one.
"""

from contextlib import suppress
from pathlib import Path

from reconcile.clock import Clock
from reconcile.errors import JournalError, LockLost
from reconcile.journal.chained import ChainedJournal, RunBlocking, finish
from reconcile.journal.file.disk import Disk, write_all
from reconcile.journal.file.lock import FileLock
from reconcile.journal.folding import JournalFold


class FileJournal(ChainedJournal):
    """Implements ``base.Journal``. The store makes it under the lock, and it then owns ``handle``."""

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
        folded: JournalFold,
        size: int,
        last: bytes,
        was_changed: bool,
    ) -> None:
        super().__init__(clock=clock, run_blocking=run_blocking, identity=identity, run_id=run_id, folded=folded)
        self._disk = disk
        self._lock = lock
        self._path = path
        self._handle = handle
        self._file = disk.stat_handle(handle)
        self._size = size
        self._last = last
        self._flushed = 0
        self._is_linked = False
        self._was_changed = was_changed

    @property
    def place(self) -> str | None:
        """None: a file is on the host's own disk."""
        return None

    @property
    def was_changed(self) -> bool:
        """By the file's time of change when it was opened, compared with the time of its last record.

        Who wrote since, but began no run, has recorded it.
        """
        return self._was_changed or self.state.was_changed

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

    async def close(self) -> None:
        """Let a running flush end, and close the file."""
        try:
            if self._flushing is not None:
                await finish(self._flushing)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the file at once; no flush may be running. A close that fails loses nothing that was flushed."""
        self._dead = self._dead or JournalError(f"writing {self._path}: it was closed")
        with suppress(OSError):
            self._disk.close(self._handle)

    def _put(self, line: bytes) -> None:
        try:
            write_all(self._disk, self._handle, line)
        except OSError as error:
            raise self._die("writing the journal", error) from error
        self._size += len(line)
        self._last = line

    def _before(self) -> int:
        return self._size

    def _durable(self) -> int:
        return self._flushed

    async def _flush_all(self) -> None:
        line = self._position.line
        try:
            await self._run_blocking(self._flush_blocking)
            self._flushed = line
        except OSError as error:
            self._die("flushing the journal to disk", error)
        finally:
            self._flushing = None

    def flush_now(self) -> None:
        """Flush all written lines, in this thread. Raises JournalError; the journal is dead then."""
        try:
            self._flush_blocking()
        except OSError as error:
            raise self._die("flushing the journal to disk", error) from error

    def _flush_blocking(self) -> None:
        """Flush the file, and once per run its name: its maker may have died before the name was on disk."""
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
        self._dead = JournalError(f"{doing}: {self._path}: {what}; nothing more is sent in this run; check the disk")
        self._dead.__cause__ = error
        return self._dead
