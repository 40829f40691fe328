"""Queries to the database, in their own session or in the one that holds the locks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import psycopg

from reconcile.errors import JournalError
from reconcile.journal.moving import led_away
from reconcile.journal.postgres.schema import version
from reconcile.journal.postgres.url import DatabaseUrl

PAGE = 2_000
"""How many records are read at a time; this bounds a reader's memory."""
CLIENT = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
    "application_name": "reconcile",
}
"""These settings detect within half a minute that the server cannot be reached any more."""
_HOLDER = """
    SELECT l.pid, h.who FROM pg_locks l LEFT JOIN reconcile.holder h ON h.lock = %(lock)s AND h.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND ((l.classid::bigint << 32) | l.objid::bigint) = %(lock)s
"""
MOVED = "moved to "
"""The mark of an empty journal that stands in for a moved one; the new name follows it."""


def lock_of(identity: str) -> int:
    """The advisory lock's key: 64 bits of the identity's hash."""
    return int.from_bytes(sha256(f"reconcile.lock/1\0{identity}".encode()).digest()[:8], "big", signed=True)


@contextmanager
def explained(doing: str, place: DatabaseUrl) -> Iterator[None]:
    """Turn the database's errors into JournalError, without a password in them."""
    try:
        yield
    except psycopg.Error as error:
        what = place.hide(" ".join(str(error).split())) or type(error).__name__
        raise JournalError(f"{doing}: {place.shown}: {what}; check the database") from error


@contextmanager
def reading(place: DatabaseUrl, doing: str) -> Iterator[psycopg.Connection[Any] | None]:
    """A connection that cannot write, open for the block; None if there are no tables yet."""
    with explained(doing, place), psycopg.connect(place.url, autocommit=True, **CLIENT) as connection:  # type: ignore[arg-type]
        connection.execute("SET default_transaction_read_only = on")
        yield connection if version(connection) else None


Page = Callable[[int], Sequence[tuple[int, bytes]]]
"""Returns the next lines after a line, with their numbers."""


def lines_of(page: Page, *, after: int = 0) -> Iterator[bytes]:
    """The lines of a journal after line ``after``, in order."""
    seq = after
    while rows := page(seq):
        seq = rows[-1][0]
        for _, line in rows:
            yield line


def page_of(connection: psycopg.Connection[Any], journal: int, seq: int) -> Sequence[tuple[int, bytes]]:
    """The next lines after line ``seq``, with their numbers."""
    return connection.execute(
        "SELECT seq, line FROM reconcile.record WHERE journal = %s AND seq > %s ORDER BY seq LIMIT %s",
        (journal, seq, PAGE),
        binary=True,
    ).fetchall()


def checkpoint_of(connection: psycopg.Connection[Any], journal: int) -> int | None:
    """The number of the last line but one that begins as a checkpoint does; None if there are fewer than two."""
    row = connection.execute(
        "SELECT seq FROM reconcile.record WHERE journal = %s AND position(%s IN substr(line, 1, 256)) > 0 "
        "ORDER BY seq DESC LIMIT 1 OFFSET 1",
        (journal, b'"kind":"checkpoint","run":'),
    ).fetchone()
    return None if row is None else int(row[0])


def number_of(connection: psycopg.Connection[Any], identity: str) -> int | None:
    """The number of the journal in use for an identity; None if there is none."""
    row = connection.execute(
        "SELECT id FROM reconcile.journal WHERE identity = %s AND retired IS NULL", (identity,)
    ).fetchone()
    return None if row is None else int(row[0])


def check_not_moved(connection: psycopg.Connection[Any], identity: str) -> None:
    """Raise Declined if an identity has no journal because its journal was moved to another name."""
    row = connection.execute(
        "SELECT retired FROM reconcile.journal WHERE identity = %s AND starts_with(retired, %s) "
        "ORDER BY id DESC LIMIT 1",
        (identity, MOVED),
    ).fetchone()
    if row is not None:
        raise led_away(identity, str(row[0]).removeprefix(MOVED))


def last_line_of(connection: psycopg.Connection[Any], identity: str) -> bytes | None:
    """The last line of an account's journal; None if there is none."""
    number = number_of(connection, identity)
    if number is None:
        return None
    row = connection.execute(
        "SELECT line FROM reconcile.record WHERE journal = %s ORDER BY seq DESC LIMIT 1", (number,), binary=True
    ).fetchone()
    return None if row is None else bytes(row[0])


def holder_of(connection: psycopg.Connection[Any], identity: str) -> Mapping[str, str] | None:
    """The holder of the account's lock now; None if it is free, only a session's number if the holder gave no name."""
    row = connection.execute(_HOLDER, {"lock": lock_of(identity)}).fetchone()
    if row is None:
        return None
    who = row[1] if isinstance(row[1], dict) else {}
    return {**{str(key): str(value) for key, value in who.items()}, "session": str(row[0])}
