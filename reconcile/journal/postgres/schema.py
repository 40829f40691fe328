"""The tables of a shared journal; the first process that needs them creates or migrates them.

Everything is in one schema, ``reconcile``. A record is stored as the exact line that a file would hold, so one chain
and one verification serve both. Triggers refuse to change or delete records. They refuse a new record that does not
follow the last one or is another account's. They also refuse a writer that does not hold the account's lock or is not
the journal's runner. They are no defence against the tables' owner; the chain is.

A journal's runners are the database role that made it and all members of that role. Journals from before version 2
belong to every runner. Each migration runs once, in one transaction, under a lock of its own.
"""

from typing import Any

from psycopg import Connection
from psycopg.errors import InsufficientPrivilege

from reconcile.errors import JournalError

VERSION = 2
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
    """
    ALTER TABLE reconcile.journal ADD COLUMN runner name;
    ALTER TABLE reconcile.journal ALTER COLUMN runner SET DEFAULT session_user;
    CREATE FUNCTION reconcile.check_runner(identity text, runner name) RETURNS void LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
        DECLARE key bigint := ('x' || encode(substr(sha256(
            convert_to('reconcile.lock/1', 'UTF8') || '\\x00'::bytea || convert_to(identity, 'UTF8')), 1, 8), 'hex')
            )::bit(64)::bigint;
        BEGIN
            IF runner IS NOT NULL AND NOT EXISTS (
                SELECT FROM pg_roles WHERE rolname = runner AND pg_has_role(session_user, oid, 'MEMBER')) THEN
                RAISE EXCEPTION 'the journal of % belongs to the runner %', identity, runner
                    USING ERRCODE = 'insufficient_privilege';
            END IF;
            IF NOT EXISTS (
                SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid() AND objsubid = 1
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND ((classid::bigint << 32) | objid::bigint) = key) THEN
                RAISE EXCEPTION 'this session does not hold the lock of %', identity USING ERRCODE = 'unique_violation';
            END IF;
        END $$;
    CREATE FUNCTION reconcile.check_added() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
        DECLARE found record;
        BEGIN
            FOR found IN SELECT DISTINCT j.identity, j.runner, j.retired
                FROM added a JOIN reconcile.journal j ON j.id = a.journal LOOP
                PERFORM reconcile.check_runner(found.identity, found.runner);
                IF found.retired IS NOT NULL THEN
                    RAISE EXCEPTION 'this journal of % was put aside', found.identity
                        USING ERRCODE = 'unique_violation';
                END IF;
            END LOOP;
            FOR found IN SELECT a.seq, j.identity
                FROM added a JOIN reconcile.journal j ON j.id = a.journal
                LEFT JOIN reconcile.record b ON b.journal = a.journal AND b.seq = a.seq - 1
                CROSS JOIN LATERAL (SELECT convert_to(format('{"seq":%s,"prev":"%s",', a.seq,
                    CASE WHEN a.seq = 1 THEN repeat('0', 64) ELSE encode(sha256(b.line), 'hex') END), 'UTF8') AS text
                ) AS start
                WHERE (a.seq > 1 AND b.seq IS NULL) OR substr(a.line, 1, length(start.text)) <> start.text
                OR position('\\x0a'::bytea IN a.line) <> length(a.line)
                OR (a.seq = 1 AND (convert_from(a.line, 'UTF8')::json ->> 'kind' IS DISTINCT FROM 'journal'
                    OR convert_from(a.line, 'UTF8')::json ->> 'identity' IS DISTINCT FROM j.identity)) LOOP
                RAISE EXCEPTION 'record % of % does not follow the one before it', found.seq, found.identity
                    USING ERRCODE = 'unique_violation';
            END LOOP;
            RETURN NULL;
        END $$;
    CREATE TRIGGER check_added AFTER INSERT ON reconcile.record REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION reconcile.check_added();
    CREATE FUNCTION reconcile.check_journal() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            IF TG_OP = 'DELETE' THEN
                RAISE EXCEPTION 'a journal is put aside, never deleted';
            END IF;
            IF OLD.retired IS NOT NULL OR NEW.id <> OLD.id THEN
                RAISE EXCEPTION 'a journal that was put aside is not changed any more';
            END IF;
            IF pg_has_role(session_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'MEMBER')
                AND NEW.identity = OLD.identity AND NEW.retired IS NULL THEN
                RETURN NEW;
            END IF;
            IF NEW.runner IS DISTINCT FROM OLD.runner THEN
                RAISE EXCEPTION 'only the owner of the tables gives a journal to another runner'
                    USING ERRCODE = 'insufficient_privilege';
            END IF;
            PERFORM reconcile.check_runner(OLD.identity, OLD.runner);
            RETURN NEW;
        END $$;
    CREATE TRIGGER check_journal BEFORE UPDATE OR DELETE ON reconcile.journal
        FOR EACH ROW EXECUTE FUNCTION reconcile.check_journal();
    """,
)
"""The statements that migrate the tables from version n to n + 1."""


def version(connection: Connection[Any]) -> int:
    """The version of the tables, 0 if there are none; raises JournalError if it is newer than this program."""
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
    """Run the missing migrations. Raises JournalError, and psycopg's errors if the user may not make tables."""
    if version(connection) == VERSION:
        return
    connection.execute("SELECT pg_advisory_lock(%s)", (_GUARD,))
    try:
        with connection.transaction():  # begun after the lock: one begun before it might not see tables made meanwhile
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
    try:
        for script in MIGRATIONS[found:]:
            connection.execute(script.encode())
    except InsufficientPrivilege as error:
        raise JournalError(
            f"opening the journal: its tables are of version {found} and this user may not bring them to {VERSION}; "
            "run this version once as their owner"
        ) from error
    connection.execute("UPDATE reconcile.version SET version = %s", (VERSION,))
