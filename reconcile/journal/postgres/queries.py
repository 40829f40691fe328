"""Queries to the database, in a session of their own or in the one that holds the locks."""

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
"""How many records are read at a time: what bounds a reader's memory."""
CLIENT = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
    "application_name": "reconcile",
}
"""A server that cannot be reached any more is noticed within half a minute."""
_HOLDER = """
    SELECT l.pid, h.who FROM pg_locks l LEFT JOIN reconcile.holder h ON h.lock = %(lock)s AND h.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND ((l.classid::bigint << 32) | l.objid::bigint) = %(lock)s
"""
MOVED = "moved to "
"""What an empty journal is put aside as in the place of one that was led to another name, before that name."""


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
    """A connection that cannot write, for as long as it is needed; None where there are no tables yet."""
    with explained(doing, place), psycopg.connect(place.url, autocommit=True, **CLIENT) as connection:  # type: ignore[arg-type]
        connection.execute("SET default_transaction_read_only = on")
        yield connection if version(connection) else None


Page = Callable[[int], Sequence[tuple[int, bytes]]]
"""Gives the next lines behind a line, with their numbers."""


def lines_of(page: Page, *, after: int = 0) -> Iterator[bytes]:
    """A journal's lines in order, those behind line ``after``."""
    seq = after
    while rows := page(seq):
        seq = rows[-1][0]
        for _, line in rows:
            yield line


def page_of(connection: psycopg.Connection[Any], journal: int, seq: int) -> Sequence[tuple[int, bytes]]:
    """The next lines behind line ``seq``, with their numbers."""
    return connection.execute(
        "SELECT seq, line FROM reconcile.record WHERE journal = %s AND seq > %s ORDER BY seq LIMIT %s",
        (journal, seq, PAGE),
        binary=True,
    ).fetchall()


def checkpoint_of(connection: psycopg.Connection[Any], journal: int) -> int | None:
    """The number of the last line but one that begins as a checkpoint does; None where there are not two."""
    row = connection.execute(
        "SELECT seq FROM reconcile.record WHERE journal = %s AND position(%s IN substr(line, 1, 256)) > 0 "
        "ORDER BY seq DESC LIMIT 1 OFFSET 1",
        (journal, b'"kind":"checkpoint","run":'),
    ).fetchone()
    return None if row is None else int(row[0])


def number_of(connection: psycopg.Connection[Any], identity: str) -> int | None:
    """Which journal is in use for an identity; None where there is none."""
    row = connection.execute(
        "SELECT id FROM reconcile.journal WHERE identity = %s AND retired IS NULL", (identity,)
    ).fetchone()
    return None if row is None else int(row[0])


def check_not_moved(connection: psycopg.Connection[Any], identity: str) -> None:
    """Raise Declined where an identity has no journal because that was led to another name."""
    row = connection.execute(
        "SELECT retired FROM reconcile.journal WHERE identity = %s AND starts_with(retired, %s) "
        "ORDER BY id DESC LIMIT 1",
        (identity, MOVED),
    ).fetchone()
    if row is not None:
        raise led_away(identity, str(row[0]).removeprefix(MOVED))


def last_line_of(connection: psycopg.Connection[Any], identity: str) -> bytes | None:
    """The last line of an account's journal; None where there is none."""
    number = number_of(connection, identity)
    if number is None:
        return None
    row = connection.execute(
        "SELECT line FROM reconcile.record WHERE journal = %s ORDER BY seq DESC LIMIT 1", (number,), binary=True
    ).fetchone()
    return None if row is None else bytes(row[0])


def holder_of(connection: psycopg.Connection[Any], identity: str) -> Mapping[str, str] | None:
    """Who holds the account's lock now; None when it is free, only a session's number where it has not said who."""
    row = connection.execute(_HOLDER, {"lock": lock_of(identity)}).fetchone()
    if row is None:
        return None
    who = row[1] if isinstance(row[1], dict) else {}
    return {**{str(key): str(value) for key, value in who.items()}, "session": str(row[0])}
