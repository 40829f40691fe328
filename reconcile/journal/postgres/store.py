"""A journal shared by several runners, in PostgreSQL: the same records and the same chain as in files.

The process's session holds the locks of all its open accounts and writes their records. It opens with the first account
and closes with the last. Lines are written in the order of the calls; waiting lines share one statement and one commit.
After a failed write the content of the database is unknown, so the journal is dead. Reading takes no lock, and uses a
connection that cannot write.
"""

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import psycopg

from reconcile.clock import Clock
from reconcile.errors import Declined, JournalError
from reconcile.journal.chain import JournalEntry, end_hash, end_object, entries
from reconcile.journal.chained import RunBlocking, finish
from reconcile.journal.codec import FORMAT, Header, encode, rfc3339
from reconcile.journal.file.lock import POLL_MS, waited_s
from reconcile.journal.file.store import Threads
from reconcile.journal.folding import JournalFold, fold, resumed
from reconcile.journal.moving import Move, decide, led_away, relocation
from reconcile.journal.postgres.queries import (
    Page,
    check_not_moved,
    checkpoint_of,
    holder_of,
    last_line_of,
    lines_of,
    number_of,
    page_of,
    reading,
)
from reconcile.journal.postgres.session import Session
from reconcile.journal.postgres.url import DatabaseUrl
from reconcile.journal.postgres.writer import PostgresJournal
from reconcile.journal.state import JournalState
from reconcile.render.common.holder import busy


class PostgresStore:
    """Implements ``base.Store`` with one database."""

    def __init__(
        self,
        place: DatabaseUrl,
        clock: Clock,
        run_blocking: RunBlocking | None = None,
        connect: Callable[[DatabaseUrl], Session] = Session,
    ) -> None:
        """``run_blocking`` runs work that waits for the database; by default on own threads."""
        self._place = place
        self._connect = connect
        self._clock = clock
        self._run_blocking = run_blocking or Threads()
        self._guard = threading.Lock()
        self._session: Session | None = None
        self._users: dict[Session, int] = {}

    @asynccontextmanager
    async def open(
        self,
        identity: str,
        *,
        run_id: str,
        holder: Mapping[str, str],
        timeout_ms: int,
        on_wait: Callable[[Mapping[str, str]], None] | None = None,
    ) -> AsyncIterator[PostgresJournal]:
        """See ``base.Store.open``."""
        async with self._locked(identity, holder, timeout_ms, on_wait) as session:
            journal = await finish(self._run_blocking(lambda: self._load(identity, run_id, session)))
            if journal.head == "0" * 64:
                journal.write(Header(format=FORMAT, identity=identity))
            try:
                yield journal
            finally:
                await journal.close()

    def read(self, identity: str, *, pinned: str | None = None, whole: bool = False) -> JournalState:
        """See ``base.Store.read``."""
        if pinned is not None or whole:
            lines, name = self._lines(identity), self._name(identity)
            return fold(lines, identity=identity, name=name, pinned=pinned, prove=whole).state
        with self._reading(identity) as known:
            if known is None:
                return JournalState()
            return self._folded(lambda seq: page_of(*known, seq), checkpoint_of(*known), identity=identity).state

    async def head(self, identity: str) -> str | None:
        """See ``base.Store.head``. It uses the process's session, which a run has open."""
        line = await finish(self._run_blocking(lambda: self._last_line(identity)))
        return None if line is None else end_hash(line, name=self._name(identity))

    async def last(self, identity: str) -> Mapping[str, Any] | None:
        """See ``base.Store.last``. It uses the session of a run, or else a connection that cannot write."""
        line = await finish(self._run_blocking(lambda: self._glance(identity)))
        return None if line is None else end_object(line, name=self._name(identity))

    def lines(self, identity: str) -> Iterator[JournalEntry]:
        """See ``base.Store.lines``."""
        return entries(self._lines(identity), name=self._name(identity))

    def holder(self, identity: str) -> Mapping[str, str] | None:
        """See ``base.Store.holder``."""
        with reading(self._place, "looking who holds the lock") as connection:
            return None if connection is None else holder_of(connection, identity)

    def identities(self) -> list[str]:
        """See ``base.Store.identities``."""
        with reading(self._place, "listing the journals") as connection:
            if connection is None:
                return []
            found = connection.execute("SELECT identity FROM reconcile.journal WHERE retired IS NULL")
            return sorted(row[0] for row in found.fetchall())

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
        """See ``base.Store.move``; one transaction."""
        first, second = sorted((identity, to))
        async with (
            self._locked(first, holder, timeout_ms, on_wait) as session,
            self._locked(second, holder, timeout_ms, on_wait) as same,
        ):
            if same is not session:
                raise JournalError("moving the journal: the database connection was lost; run again")
            return await finish(self._run_blocking(lambda: self._move(session, identity, to, run_id, holder)))

    async def retire(self, identity: str, *, holder: Mapping[str, str], timeout_ms: int = 0) -> str | None:
        """See ``base.Store.retire``. The journal stays in the same tables."""
        name = f"{identity}.{rfc3339(self._clock.wall_ms()).translate({ord('-'): None, ord(':'): None})}"
        async with self._locked(identity, holder, timeout_ms, None) as session:
            return await finish(self._run_blocking(lambda: session.retire(identity, name)))

    @asynccontextmanager
    async def _locked(
        self,
        identity: str,
        holder: Mapping[str, str],
        timeout_ms: int,
        on_wait: Callable[[Mapping[str, str]], None] | None,
    ) -> AsyncIterator[Session]:
        session = await finish(self._run_blocking(self._enter), undo=self._leave)
        try:
            await self._acquire(session, identity, holder, timeout_ms, on_wait)
            try:
                yield session
            finally:
                with suppress(JournalError):
                    await finish(self._run_blocking(lambda: session.unlock(identity)))
        finally:
            self._leave(session)

    async def _acquire(
        self,
        session: Session,
        identity: str,
        holder: Mapping[str, str],
        timeout_ms: int,
        on_wait: Callable[[Mapping[str, str]], None] | None,
    ) -> None:
        deadline = self._clock.monotonic_ms() + timeout_ms
        told = on_wait is None

        def give_back(taken: bool) -> None:  # noqa: FBT001 - called by position
            if taken:
                session.unlock(identity)

        def attempt() -> bool:
            return session.try_lock(identity, {**holder, "since": rfc3339(self._clock.wall_ms())})

        while not await finish(self._run_blocking(attempt), undo=give_back):
            left = deadline - self._clock.monotonic_ms()
            if left <= 0 or not told:
                who = await finish(self._run_blocking(lambda: session.holder(identity)))
                if left <= 0:
                    raise Declined("lock", busy(who, waited_s(timeout_ms)))
                if on_wait is not None:
                    on_wait(who)
                told = True
            await self._clock.sleep(min(POLL_MS, left))

    def _last_line(self, identity: str) -> bytes | None:
        session = self._enter()
        try:
            return session.last_line(identity)
        finally:
            self._leave(session)

    def _glance(self, identity: str) -> bytes | None:
        with self._guard:
            is_open = self._session is not None and not self._session.is_lost
        if is_open:
            return self._last_line(identity)
        with reading(self._place, "reading the journal") as connection:
            return None if connection is None else last_line_of(connection, identity)

    def _enter(self) -> Session:
        """The process's session; a new one if there is none, or if the last one was lost."""
        with self._guard:
            if self._session is None or self._session.is_lost:
                self._session = self._connect(self._place)
            self._users[self._session] = self._users.get(self._session, 0) + 1
            return self._session

    def _leave(self, session: Session) -> None:
        with self._guard:
            self._users[session] -= 1
            if self._users[session]:
                return
            del self._users[session]
            session.close()
            if self._session is session:
                self._session = None

    def _move(self, session: Session, identity: str, to: str, run_id: str, holder: Mapping[str, str]) -> bool:
        number, target = session.number(identity), session.number(to)
        if number is None:
            return False
        old = fold(session.lines(number), identity=identity, name=self._name(identity), writer=True)
        new = None if target is None else fold(session.lines(target), identity=to, name=self._name(to)).state
        end = old.position
        act = decide(old.state, new, names=(identity, to), is_copy=lambda: False)
        if act is Move.NOTHING:
            return False
        carry = act is not Move.CLOSE
        record = relocation(to, holder, with_records=carry)
        at = rfc3339(self._clock.wall_ms())
        line = encode(record, seq=end.line + 1, prev=end.head, at=at, run=run_id)
        session.move(identity, to, number=number, after=end.line, head=end.head, line=line, carry=carry)
        return True

    def _load(self, identity: str, run_id: str, session: Session) -> PostgresJournal:
        number = session.journal(identity)
        folded = self._folded(
            lambda seq: session.page(number, seq), session.checkpoint(number), identity=identity, writer=True
        )
        away = folded.state.led_to(identity)
        if away is not None:
            raise led_away(identity, away)
        return PostgresJournal(
            session=session,
            clock=self._clock,
            run_blocking=self._run_blocking,
            number=number,
            identity=identity,
            run_id=run_id,
            folded=folded,
        )

    def _folded(self, page: Page, checkpoint: int | None, *, identity: str, writer: bool = False) -> JournalFold:
        """The state of the lines: from the last checkpoint but one on, or from the first line if that fails."""
        name = self._name(identity)
        if checkpoint is not None and checkpoint > 1:
            header, lines = page(0)[0][1], lines_of(page, after=checkpoint - 1)
            found = resumed(header, lines, before=None, identity=identity, name=name, writer=writer)
            if found is not None:
                return found
        return fold(lines_of(page), identity=identity, name=name, writer=writer)

    def _lines(self, identity: str) -> Iterator[bytes]:
        with self._reading(identity) as known:
            if known is not None:
                yield from lines_of(lambda seq: page_of(*known, seq))

    @contextmanager
    def _reading(self, identity: str) -> Iterator[tuple[psycopg.Connection[Any], int] | None]:
        """A connection that cannot write, and the number of the account's journal; None if there is none."""
        with reading(self._place, "reading the journal") as connection:
            number = None if connection is None else number_of(connection, identity)
            if connection is not None and number is None:
                check_not_moved(connection, identity)
            yield None if connection is None or number is None else (connection, number)

    def _name(self, identity: str) -> str:
        return f"{self._place.shown} {identity}"
