"""The tables of a shared journal, made and brought up to date by whoever comes first.

Everything is in one schema, ``reconcile``. A record is kept as the very line that a file would hold, so one chain and
one verification serve both. A trigger refuses to change or delete records: no defence against the tables' owner, for
whom the chain is there, but against a slip. Each migration runs once, in one transaction, under a lock of its own.
"""

from typing import Any

from psycopg import Connection

from reconcile.errors import JournalError

VERSION = 1
_GUARD = 0x7265636F6E63696C  # "reconcil": the advisory lock of whoever makes the tables
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE reconcile.journal (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        identity text NOT NULL,
        retired text
    );
    CREATE UNIQUE INDEX journal_in_use ON reconcile.journal (identity) WHERE retired IS NULL;
    CREATE TABLE reconcile.record (
        journal bigint NOT NULL REFERENCES reconcile.journal,
        seq bigint NOT NULL CHECK (seq > 0),
        line bytea NOT NULL,
        PRIMARY KEY (journal, seq)
    );
    CREATE TABLE reconcile.holder (
        lock bigint PRIMARY KEY,
        pid integer NOT NULL,
        who json NOT NULL
    );
    CREATE FUNCTION reconcile.append_only() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'records of a journal are only ever added'; END $$;
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reconcile.record
        FOR EACH STATEMENT EXECUTE FUNCTION reconcile.append_only();
    """,
)
"""What takes the tables from version n to n + 1."""


def version(connection: Connection[Any]) -> int:
    """The version of the tables there are, 0 for none; raises JournalError for one that is newer than this program."""
    row = connection.execute("SELECT to_regclass('reconcile.version')").fetchone()
    if row is None or row[0] is None:
        return 0
    found = connection.execute("SELECT version FROM reconcile.version").fetchone()
    number = 0 if found is None else int(found[0])
    if number > VERSION:
        raise JournalError(
            f"opening the journal: its tables are of version {number}, made by a newer reconcile; "
            "use that version or newer"
        )
    return number


def bring_up_to_date(connection: Connection[Any]) -> None:
    """Make what is missing. Raises JournalError, and psycopg's errors where the user may not make tables."""
    if version(connection) == VERSION:
        return
    connection.execute("SELECT pg_advisory_lock(%s)", (_GUARD,))
    try:
        with (
            connection.transaction()
        ):  # begun behind the lock: one begun before it might not see what was made meanwhile
            _migrate(connection, version(connection))
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_GUARD,))


def _migrate(connection: Connection[Any], found: int) -> None:
    if found == 0:
        if connection.execute("SELECT to_regnamespace('reconcile')").fetchone() == (None,):
            connection.execute("CREATE SCHEMA reconcile")
        connection.execute("CREATE TABLE reconcile.version (version integer NOT NULL)")
        connection.execute("INSERT INTO reconcile.version VALUES (0)")
    for script in MIGRATIONS[found:]:
        connection.execute(script.encode())
    connection.execute("UPDATE reconcile.version SET version = %s", (VERSION,))
