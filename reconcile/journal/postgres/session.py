"""One database session: it holds the locks of a process and writes all its records.

A session-level advisory lock ends with its session, so it vanishes with its holder, however that ends. The session is
never reconnected: once it is lost, its locks are lost too, and every journal that was opened on it is dead. An insert
names the record that it follows and the lock that it needs, and the server checks both in the same statement. The
program thus notices a second holder, and a connection pool that moves our statements to other sessions.
"""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from reconcile.errors import JournalError, LockLost
from reconcile.journal.postgres.queries import (
    CLIENT,
    MOVED,
    check_not_moved,
    checkpoint_of,
    explained,
    holder_of,
    last_line_of,
    lines_of,
    lock_of,
    number_of,
    page_of,
)
from reconcile.journal.postgres.schema import bring_up_to_date
from reconcile.journal.postgres.url import DatabaseUrl

_SETTINGS = """
    SELECT set_config(name, CASE name
        WHEN 'synchronous_commit' THEN CASE setting WHEN 'remote_apply' THEN setting ELSE 'on' END
        WHEN 'tcp_keepalives_idle' THEN '10' WHEN 'tcp_keepalives_interval' THEN '5'
        WHEN 'tcp_keepalives_count' THEN '3' ELSE '0' END, false)
    FROM pg_settings WHERE name IN ('synchronous_commit', 'idle_session_timeout', 'statement_timeout', 'lock_timeout',
        'transaction_timeout', 'tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count')
"""
"""Durable commits, no timeout that would end the session, and keepalives that notice a dead machine in half a minute.

A statement timeout could also let a commit return before any standby has it.
"""
_DURABLE = {"synchronous_commit": {"on", "remote_apply"}, "fsync": {"on"}}
_OURS = """
    EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid() AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND ((classid::bigint << 32) | objid::bigint) = %(lock)s)
"""
_INSERT = f"""
    INSERT INTO reconcile.record (journal, seq, line)
    SELECT %(journal)s, seq, line FROM unnest(%(seqs)s::bigint[], %(lines)s::bytea[]) AS new (seq, line)
    WHERE {_OURS} AND (%(after)s = 0 OR EXISTS (
        SELECT FROM reconcile.record WHERE journal = %(journal)s AND seq = %(after)s AND sha256(line) = %(head)s))
"""  # noqa: S608 - put together from constants


_PUT_ASIDE = "UPDATE reconcile.journal SET retired = %s WHERE identity = %s AND retired IS NULL"


class Session:
    """A connection for locks and appends, used by one thread at a time. Every failure raises JournalError."""

    def __init__(self, place: DatabaseUrl) -> None:
        """Connect, check that commits are durable, and make or migrate the tables."""
        self._place = place
        self._turn = threading.Lock()
        self._held: set[str] = set()
        with explained("opening the journal", place):
            self._connection = psycopg.connect(place.url, autocommit=True, **CLIENT)  # type: ignore[arg-type]
            try:
                self._connection.execute(_SETTINGS)
                self._check_durable()
                bring_up_to_date(self._connection)
                self.incarnation = self._incarnation()
            except BaseException:
                self._connection.close()
                raise

    @property
    def is_lost(self) -> bool:
        """Whether the connection is lost, and with it every lock."""
        return self._connection.closed

    def close(self) -> None:
        """Close the connection, which releases every lock."""
        self._connection.close()

    def try_lock(self, identity: str, who: Mapping[str, str]) -> bool:
        """Take the account's lock if it is free, and store our name; returns whether we have it now."""
        lock = lock_of(identity)
        with self._used("taking the account's lock"):
            if identity in self._held:
                return False
            if self._one("SELECT pg_try_advisory_lock(%s)", (lock,)) is not True:
                return False
            self._held.add(identity)
            self._connection.execute(
                "INSERT INTO reconcile.holder (lock, pid, who) VALUES (%s, pg_backend_pid(), %s::json) "
                "ON CONFLICT (lock) DO UPDATE SET pid = excluded.pid, who = excluded.who",
                (lock, json.dumps(dict(who))),
            )
            return True

    def unlock(self, identity: str) -> None:
        """Release the account's lock; if the session is lost, the lock is gone already."""
        self._held.discard(identity)
        if self.is_lost:
            return
        with self._used("giving the account's lock back"):
            self._connection.execute("SELECT pg_advisory_unlock(%s)", (lock_of(identity),))

    def holder(self, identity: str) -> Mapping[str, str]:
        """The holder of the account's lock; empty if it is free by now."""
        with self._used("looking who holds the lock"):
            return holder_of(self._connection, identity) or {}

    def journal(self, identity: str) -> int:
        """The number of the journal in use; a new journal if there is none."""
        with self._used("opening the journal"):
            found = number_of(self._connection, identity)
            if found is not None:
                return found
            check_not_moved(self._connection, identity)
            return _number(self._one("INSERT INTO reconcile.journal (identity) VALUES (%s) RETURNING id", (identity,)))

    def number(self, identity: str) -> int | None:
        """The number of the journal in use; None if there is none."""
        with self._used("opening the journal"):
            return number_of(self._connection, identity)

    def last_line(self, identity: str) -> bytes | None:
        """The last line of an account's journal; None if there is none."""
        with self._used("reading the journal"):
            return last_line_of(self._connection, identity)

    def lines(self, journal: int) -> Iterator[bytes]:
        """The journal's lines, read in the session that holds the lock."""
        return lines_of(lambda seq: self.page(journal, seq))

    def page(self, journal: int, seq: int) -> Sequence[tuple[int, bytes]]:
        """The next lines after line ``seq``; other accounts' appends can run between pages."""
        with self._used("reading the journal"):
            return page_of(self._connection, journal, seq)

    def checkpoint(self, journal: int) -> int | None:
        """The number of the last line but one that begins as a checkpoint does; None if there are fewer than two."""
        with self._used("reading the journal"):
            return checkpoint_of(self._connection, journal)

    def insert(self, identity: str, journal: int, *, after: int, head: str, lines: Sequence[bytes]) -> None:
        """Append these lines after line ``after``, whose hash is ``head``; durable when it returns.

        Raises LockLost if the lock is not ours any more or the journal does not end there, else JournalError.
        """
        with self._used("writing the journal"):
            self._insert(_values(identity, journal, after, head, lines))

    def move(self, identity: str, to: str, *, number: int, after: int, head: str, line: bytes, carry: bool) -> None:
        """Append the record of a move after line ``after``; with ``carry`` also rename the journal, in one transaction.

        An existing journal of the new name, which holds no record, is put aside. Raises LockLost, JournalError.
        """
        with self._used("moving the journal"):
            try:
                with self._connection.transaction():
                    self._insert(_values(identity, number, after, head, [line]))
                    if carry:
                        self._connection.execute(_PUT_ASIDE, (f"begun before {identity} was moved", to))
                        self._connection.execute(
                            "UPDATE reconcile.journal SET identity = %s WHERE id = %s", (to, number)
                        )
                        self._connection.execute(
                            "INSERT INTO reconcile.journal (identity, retired) VALUES (%s, %s)", (identity, MOVED + to)
                        )
            except psycopg.errors.InsufficientPrivilege as error:
                raise JournalError(
                    f"moving the journal of {identity}: {self._place.shown}: this role may not give a journal another "
                    "name; GRANT UPDATE (identity) ON reconcile.journal to it, or run once as the tables' owner"
                ) from error

    def retire(self, identity: str, name: str) -> str | None:
        """Put the journal in use aside under a name; None if there is none."""
        with self._used("putting the journal aside"):
            done = self._connection.execute(_PUT_ASIDE, (name, identity))
            return name if done.rowcount else None

    def _insert(self, values: Mapping[str, Any]) -> None:
        try:
            count = self._connection.execute(_INSERT, values).rowcount
        except psycopg.errors.UniqueViolation as error:
            raise _lost(self._place) from error
        if count != len(values["lines"]):
            raise _lost(self._place)

    @contextmanager
    def _used(self, doing: str) -> Iterator[None]:
        with self._turn, explained(doing, self._place):
            yield

    def _one(self, query: str, values: Sequence[object] = ()) -> object:
        row = self._connection.execute(query.encode(), values).fetchone()
        return None if row is None else row[0]

    def _check_durable(self) -> None:
        if self._one("SELECT pg_is_in_recovery()") is not False:
            raise JournalError(f"opening the journal: {self._place.shown} is a standby; name the primary")
        for name, good in _DURABLE.items():
            value = self._one(f"SHOW {name}")
            if value not in good:
                raise JournalError(
                    f"opening the journal: {self._place.shown} has {name} = {value}, so it could lose what was written "
                    f"before a request was sent; turn {name} on"
                )

    def _incarnation(self) -> str:
        """The identity of this database and of its last recovery: another one may lack records that this one had."""
        found = self._one(
            "SELECT system_identifier || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) "
            "FROM pg_control_system()"
        )
        return f"postgresql {found}"


def _values(identity: str, journal: int, after: int, head: str, lines: Sequence[bytes]) -> Mapping[str, Any]:
    return {
        "journal": journal,
        "seqs": list(range(after + 1, after + 1 + len(lines))),
        "lines": list(lines),
        "lock": lock_of(identity),
        "after": after,
        "head": bytes.fromhex(head),
    }


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise JournalError(f"opening the journal: the database gave {value!r} for a number; check the database")
    return value


def _lost(place: DatabaseUrl) -> LockLost:
    return LockLost(
        f"writing the journal: {place.shown}: it does not end with our last record, or the lock is not ours any more, "
        "so another run may write to it; nothing more is sent in this run; a connection pool must keep sessions"
    )
