"""One account's journal in the database, held for writing by the session that has its lock."""

from reconcile.clock import Clock
from reconcile.errors import JournalError
from reconcile.journal.chain import ChainHead, line_hash
from reconcile.journal.chained import ChainedJournal, RunBlocking, finish
from reconcile.journal.codec import Header
from reconcile.journal.folding import JournalFold
from reconcile.journal.postgres.session import Session
from reconcile.journal.records import Record

MOST_AT_ONCE = 1_000
"""How many records one statement writes at most."""


class PostgresJournal(ChainedJournal):
    """Implements ``base.Journal``. The store makes it under the lock, on the session that holds the lock.

    The server checks lock and predecessor in the statement that writes.
    """

    def __init__(
        self,
        *,
        session: Session,
        clock: Clock,
        run_blocking: RunBlocking,
        number: int,
        identity: str,
        run_id: str,
        folded: JournalFold,
    ) -> None:
        super().__init__(clock=clock, run_blocking=run_blocking, identity=identity, run_id=run_id, folded=folded)
        self._session = session
        self._number = number
        self._written = ChainHead(line=folded.position.line, head=folded.position.head)
        self._waiting: list[bytes] = []

    @property
    def place(self) -> str:
        """The database and its last recovery: records that a recovery lost exist nowhere else."""
        return self._session.incarnation

    @property
    def was_changed(self) -> bool:
        """False: a restored database has another ``place``."""
        return False

    def check(self) -> None:
        """See ``base.Journal.check``. It makes no query: the statement that writes the next intent checks."""
        if self._dead is None and self._session.is_lost:
            self._dead = JournalError("writing the journal: the database connection was lost; run again")
        self._fail_if_dead()

    def write(self, record: Record | Header) -> None:
        """Put one record at the end, to be written soon."""
        super().write(record)
        if not isinstance(record, Header):
            self._start()

    async def close(self) -> None:
        """Write the waiting lines, then accept no more. Durable appends have been waited for already."""
        while self._waiting or self._flushing is not None:
            await finish(self._start())
            if self._dead is not None:
                break
        self._dead = self._dead or JournalError("writing the journal: it was closed")

    def _put(self, line: bytes) -> None:
        self._waiting.append(line)

    def _durable(self) -> int:
        return self._written.line

    async def _flush_all(self) -> None:
        try:
            while self._waiting and self._dead is None:
                lines, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                await self._run_blocking(lambda lines=lines: self._insert(lines))  # type: ignore[misc]
                self._written = ChainHead(line=self._written.line + len(lines), head=line_hash(lines[-1]))
        except JournalError as error:
            self._dead = error
        finally:
            self._flushing = None

    def _insert(self, lines: list[bytes]) -> None:
        after = self._written
        self._session.insert(self.identity, self._number, after=after.line, head=after.head, lines=lines)
