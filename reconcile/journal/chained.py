"""A journal held for writing, in files or in a database: its chain, its state, and whether it is dead.

After a failed write or flush the stored content is unknown, so the journal is dead: no line may follow a partial one.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol, TypeVar

from reconcile.clock import Clock
from reconcile.errors import JournalError
from reconcile.journal.chain import line_hash
from reconcile.journal.checkpoint import is_due, taken
from reconcile.journal.codec import Header, encode, rfc3339
from reconcile.journal.folding import JournalFold
from reconcile.journal.records import Checkpoint, Intent, NoteRecord, Record, RunFinished, RunStarted
from reconcile.model.notes import RefusalNote, WatchNote

T = TypeVar("T")


class RunBlocking(Protocol):
    """Runs work that blocks: on a thread, or in place where time is simulated."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """Return the work's result, or raise its exception."""
        ...


class ChainedJournal(ABC):
    """Implements ``base.Journal``, except the storage of lines, which subclasses add through the private methods."""

    def __init__(
        self,
        *,
        clock: Clock,
        run_blocking: RunBlocking,
        identity: str,
        run_id: str,
        folded: JournalFold,
    ) -> None:
        self.identity = identity
        self.state = folded.state
        self._clock = clock
        self._run_blocking = run_blocking
        self._run_id = run_id
        self._folded = folded
        self._position = folded.position
        self._flushing: asyncio.Task[None] | None = None
        self._dead: JournalError | None = None

    @property
    def head(self) -> str:
        """The hash of the last record."""
        return self._position.head

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
        while durable and self._durable() < line:
            await asyncio.shield(self._start())  # cancelling one waiting append stops no flush
            self._fail_if_dead()
        if isinstance(record, Intent):
            self.check()  # again: the process may have stood still since, without its lock, while another run appended

    def write(self, record: Record | Header) -> None:
        """Put one record at the end, not yet durable. Raises JournalError; the journal is dead then.

        If a checkpoint is due, it follows the last record of a run. Runs that are killed have none, so a due checkpoint
        follows the first record of the next run. In the notes beside a journal, one record is a whole run.
        """
        self._write(record)
        if _is_edge(record) and is_due(tail=self._folded.tail, size=self._folded.size):
            with suppress(ValueError):  # the state does not fit into a line; this journal is read whole
                self._write(taken(self.state, size=self._before()))

    def _write(self, record: Record | Header) -> None:
        self._fail_if_dead()
        at = rfc3339(self._clock.wall_ms())
        line = encode(record, seq=self._position.line + 1, prev=self._position.head, at=at, run=self._run_id)
        self._put(line)
        self._position.line += 1
        self._position.head = line_hash(line)
        self.state.head = self._position.head
        self._folded.count(line, is_checkpoint=isinstance(record, Checkpoint))
        if isinstance(record, Header):
            self.state.identities.append(record.identity)
        else:
            self.state.add(record, at=at)

    @abstractmethod
    def check(self) -> None:
        """See ``base.Journal.check``."""

    @abstractmethod
    def _put(self, line: bytes) -> None:
        """Store one line. Raises JournalError; the journal is dead then."""

    def _before(self) -> int | None:
        """The size of the file's lines in bytes; None if the journal is not a file."""
        return None

    @abstractmethod
    def _durable(self) -> int:
        """The number of the last line that no failure can lose."""

    @abstractmethod
    async def _flush_all(self) -> None:
        """Make all stored lines durable; a failure leaves the journal dead. Only one flush runs at a time."""

    def _start(self) -> asyncio.Task[None]:
        """The running flush, or a new one."""
        if self._flushing is None:
            self._flushing = asyncio.ensure_future(self._flush_all())
        return self._flushing

    def _fail_if_dead(self) -> None:
        if self._dead is not None:
            raise type(self._dead)(str(self._dead)) from self._dead


def _is_edge(record: Record | Header) -> bool:
    """Whether a run begins or ends with this record."""
    return isinstance(record, RunStarted | RunFinished) or (
        isinstance(record, NoteRecord) and isinstance(record.details, RefusalNote | WatchNote)
    )


async def finish(work: Awaitable[T], *, undo: Callable[[T], None] | None = None) -> T:
    """Wait for work that cannot stop half way, even if cancelled meanwhile; then raise the cancellation.

    ``undo`` reverts the work for a caller that was cancelled.
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
