"""Journals in a real PostgreSQL: the same records and chain as in files, locks that vanish with their holder."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reconcile.clock import SystemClock
from reconcile.errors import ChainBroken, Declined, InputError, JournalError, LockLost
from reconcile.journal import checkpoint
from reconcile.journal.brake import CHAIN, Brake, read_brake
from reconcile.journal.chain import line_hash
from reconcile.journal.codec import encode, rfc3339
from reconcile.journal.file.disk import SystemDisk
from reconcile.journal.file.store import FileStore
from reconcile.journal.postgres.queries import PAGE, lock_of
from reconcile.journal.postgres.schema import MIGRATIONS, VERSION
from reconcile.journal.postgres.store import PostgresStore
from reconcile.journal.postgres.url import place_of
from reconcile.journal.postgres.writer import MOST_AT_ONCE, PostgresJournal
from reconcile.journal.records import IntentStatus, NoteRecord, RunFinished, RunStarted
from reconcile.journal.state import JournalState
from reconcile.model.notes import Freeze
from tests.kit.journals import ACCOUNT, HOLDER, VirtualClock, chained, everything, inline, intent, outcome, steps
from tests.kit.postgres_server import PASSWORD, Server

ROOT = Path(__file__).parents[3]
LANE = "SYM1.long"


def another(url: str) -> PostgresStore:
    """Another runner's store on the same database."""
    return PostgresStore(place_of(url), SystemClock())


def opened(store: PostgresStore, *, run_id: str = "run-1", timeout_ms: int = 0) -> Any:
    return store.open(ACCOUNT, run_id=run_id, holder=HOLDER, timeout_ms=timeout_ms)


async def write(store: PostgresStore, count: int) -> str:
    """A run that writes that many records; the head."""
    async with opened(store) as journal:
        for record in steps(count):
            await journal.append(record, durable=True)
        return str(journal.head)


async def unsettled(store: PostgresStore) -> list[str]:
    """The lanes that are open to the next run."""
    async with opened(store, run_id="run-2") as journal:
        return list(journal.state.unsettled)


def sql(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run these as the tables' owner, who can do anything; the rows of the last."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = None
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor is not None and cursor.description else []


def forge(url: str, *statements: str) -> None:
    """What somebody does who owns the tables and wants to leave no trace."""
    off, on = (f"ALTER TABLE reconcile.record {word} TRIGGER USER" for word in ("DISABLE", "ENABLE"))
    sql(url, off, *statements, on)


# The same as in files.


def test_what_is_written_is_line_for_line_what_a_file_would_hold(url: str, tmp_path: Path) -> None:
    shared = PostgresStore(place_of(url), VirtualClock(), inline)
    file = FileStore(tmp_path, SystemDisk(), VirtualClock(), inline)

    async def go() -> tuple[str, str]:
        heads = []
        for store in (shared, file):
            async with store.open(ACCOUNT, run_id="run-1", holder=HOLDER, timeout_ms=0) as journal:
                for record in steps(7):
                    await journal.append(record, durable=True)
                heads.append(journal.head)
        return heads[0], heads[1]

    ours, theirs = asyncio.run(go())

    assert ours == theirs == shared.read(ACCOUNT).head
    assert list(shared.lines(ACCOUNT)) == list(file.lines(ACCOUNT))


def test_the_head_is_that_of_the_last_record_and_none_where_there_is_none(store: PostgresStore, url: str) -> None:
    none = asyncio.run(store.head(ACCOUNT))
    head = asyncio.run(write(store, 10))

    assert none is None
    assert asyncio.run(another(url).head(ACCOUNT)) == head


def test_every_runner_hears_the_brake_before_and_while_it_holds_an_account(store: PostgresStore, url: str) -> None:
    stopped = Brake(freezes={"main": Freeze(reason="incident", actor="a", at="2026-01-01T00:00:00.000Z")})
    record = stopped.record(command="freeze", account="main", reason="incident", actor="a", host="h")

    async def go() -> list[Brake]:
        found = [await read_brake(store)]
        untouched = sql(url, "SELECT to_regnamespace('reconcile')")
        async with opened(store):
            found.append(await read_brake(store))
            async with another(url).open(CHAIN, run_id="r", holder={}, timeout_ms=0) as chain:
                await chain.append(record, durable=True)
            found.append(await read_brake(store))
        assert untouched == [(None,)]
        return [*found, await read_brake(another(url))]

    assert asyncio.run(go()) == [Brake(), Brake(), stopped, stopped]


def test_a_last_record_that_was_forged_is_no_head(store: PostgresStore, url: str) -> None:
    asyncio.run(write(store, 10))
    forge(url, "UPDATE reconcile.record SET line = 'x' WHERE seq = (SELECT max(seq) FROM reconcile.record)")

    with pytest.raises(JournalError, match="its last line was changed"):
        asyncio.run(another(url).head(ACCOUNT))


def test_a_new_database_has_no_journals_and_reading_makes_none(store: PostgresStore, url: str) -> None:
    assert (store.identities(), store.holder(ACCOUNT), list(store.lines(ACCOUNT))) == ([], None, [])
    assert (store.read(ACCOUNT).records, store.read(ACCOUNT).last_host) == (0, None)
    assert sql(url, "SELECT to_regnamespace('reconcile')") == [(None,)]


def test_the_next_run_finds_what_the_last_one_wrote(store: PostgresStore, url: str) -> None:
    head = asyncio.run(write(store, 10))

    state = another(url).read(ACCOUNT)

    assert (state.records, state.head, list(state.unsettled)) == (10, head, ["SYM3.long"])
    assert another(url).identities() == [ACCOUNT]
    assert asyncio.run(unsettled(another(url))) == ["SYM3.long"]


def test_a_journal_of_many_pages_and_batches_is_whole(store: PostgresStore) -> None:
    count = 2 * max(PAGE, MOST_AT_ONCE) + 3

    async def go() -> None:
        async with opened(store) as journal:
            await asyncio.gather(*(journal.append(NoteRecord(what=str(n)), durable=True) for n in range(count)))

    asyncio.run(go())

    assert [line["what"] for line in store.lines(ACCOUNT) if line["kind"] == "noted"] == [str(n) for n in range(count)]
    assert store.read(ACCOUNT).records == count


def test_records_that_nobody_waits_for_are_written_when_the_run_ends(store: PostgresStore) -> None:
    async def go() -> None:
        async with opened(store) as journal:
            for number in range(5):
                await journal.append(NoteRecord(what=str(number)), durable=False)

    asyncio.run(go())

    assert store.read(ACCOUNT).records == 5


def test_a_second_intent_for_an_unsettled_lane_is_refused_and_leaves_the_journal_usable(store: PostgresStore) -> None:
    async def go() -> None:
        async with opened(store) as journal:
            await journal.append(intent(1), durable=True)
            with pytest.raises(JournalError, match="unsettled"):
                await journal.append(intent(2, lane="SYM1"), durable=True)
            await journal.append(outcome(1, IntentStatus.APPLIED, effect_ms=2_000), durable=True)

    asyncio.run(go())

    assert store.read(ACCOUNT).unsettled == {}


def test_a_journal_that_is_put_aside_is_kept_and_the_next_run_begins_a_new_one(store: PostgresStore, url: str) -> None:
    asyncio.run(write(store, 4))

    name = asyncio.run(store.retire(ACCOUNT, holder=HOLDER))

    assert name is not None
    assert name.startswith(f"{ACCOUNT}.20")
    assert (store.identities(), store.read(ACCOUNT).records) == ([], 0)
    assert asyncio.run(store.retire(ACCOUNT, holder=HOLDER)) is None
    assert asyncio.run(unsettled(store)) == []
    assert sql(url, "SELECT count(*) FROM reconcile.record") == [(6,)]


# The lock.


def test_who_waits_is_told_who_holds_the_lock(store: PostgresStore, url: str) -> None:
    told = []

    async def go() -> None:
        async with opened(store):
            with pytest.raises(
                Declined, match=r"not free within 0.3 s, it is held by host alpha, pid 7, session \d+, since 20"
            ):
                async with another(url).open(
                    ACCOUNT, run_id="run-2", holder={}, timeout_ms=300, on_wait=lambda who: told.append(dict(who))
                ):
                    pytest.fail("two held one lock")
            told.append(dict(another(url).holder(ACCOUNT) or {}))

    asyncio.run(go())

    assert [(who.pop("session").isdigit(), who.pop("since")[:2]) for who in told] == [(True, "20")] * 2
    assert told == [HOLDER, HOLDER]
    assert store.holder(ACCOUNT) is None


def test_the_same_store_does_not_take_one_lock_twice(store: PostgresStore) -> None:
    async def go() -> None:
        async with opened(store):
            with pytest.raises(Declined, match="host alpha"):
                async with opened(store, run_id="run-2"):
                    pytest.fail("two held one lock")

    asyncio.run(go())


def test_accounts_do_not_wait_for_each_other(store: PostgresStore) -> None:
    async def go() -> list[str]:
        async with opened(store) as first, store.open("okx-live-7", run_id="r", holder={}, timeout_ms=0) as second:
            await asyncio.gather(*(each.append(NoteRecord(what="x"), durable=True) for each in (first, second)))
            return [first.identity, second.identity]

    assert sorted(asyncio.run(go())) == store.identities()


def test_a_lock_that_is_given_back_is_taken_by_who_waits(store: PostgresStore, url: str) -> None:
    async def go() -> int:
        async with opened(store) as journal:
            waiting = asyncio.ensure_future(later())
            await journal.append(NoteRecord(what="first"), durable=True)
            await asyncio.sleep(0)
        return await waiting

    async def later() -> int:
        async with opened(another(url), run_id="run-2", timeout_ms=60_000) as journal:
            return int(journal.state.records)

    assert asyncio.run(go()) == 1


HOLD = """
import asyncio, sys
from reconcile.clock import SystemClock
from reconcile.journal.postgres.store import PostgresStore
from reconcile.journal.postgres.url import place_of
from tests.kit.journals import ACCOUNT, intent

async def main():
    store = PostgresStore(place_of(sys.argv[1]), SystemClock())
    async with store.open(ACCOUNT, run_id="run-1", holder={"host": "beta"}, timeout_ms=0) as journal:
        await journal.append(intent(1), durable=True)
        print("held", flush=True)
        sys.stdin.readline()

asyncio.run(main())
"""


@pytest.fixture
def holder(url: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds the account's lock and has written an intent."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_lock_of_a_killed_process_is_free_and_its_intent_is_there(
    holder: "subprocess.Popen[str]", store: PostgresStore
) -> None:
    assert (store.holder(ACCOUNT) or {})["host"] == "beta"

    holder.send_signal(signal.SIGKILL)
    holder.wait()

    async def go() -> list[str]:
        async with opened(store, timeout_ms=60_000) as journal:
            return list(journal.state.unsettled)

    assert asyncio.run(go()) == [LANE]


# Losing the session.


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["restart", "crash"])
def test_a_database_restart_stops_the_run_and_loses_no_intent(server: Server, url: str, how: signal.Signals) -> None:
    store = another(url)

    async def go() -> None:
        async with opened(store) as journal:
            await journal.append(intent(1), durable=True)
            server.restart(how)
            with pytest.raises(JournalError):
                await journal.append(intent(2), durable=True)
            with pytest.raises(JournalError):
                await journal.append(outcome(1, IntentStatus.APPLIED), durable=False)

    asyncio.run(go())

    assert asyncio.run(unsettled(store)) == [LANE]


def test_a_session_that_is_cut_off_is_not_replaced_within_the_run(store: PostgresStore, url: str) -> None:
    async def go() -> None:
        async with opened(store) as journal:
            await journal.append(intent(1), durable=True)
            sql(url, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
            async with opened(another(url), run_id="run-2", timeout_ms=60_000) as second:
                await second.append(outcome(1, IntentStatus.NOT_SENT), durable=True)
                with pytest.raises(JournalError, match="check the database"):
                    await journal.append(intent(2), durable=True)
                with pytest.raises(JournalError):
                    journal.check()

    asyncio.run(go())

    assert [line["run"] for line in store.lines(ACCOUNT)] == ["run-1", "run-1", "run-2"]


def test_a_lock_that_is_gone_while_the_session_lives_is_noticed(store: PostgresStore) -> None:
    async def go() -> None:
        async with opened(store) as journal:
            assert isinstance(journal, PostgresJournal)
            await journal.append(intent(1), durable=True)
            store._session._connection.execute("SELECT pg_advisory_unlock_all()")  # type: ignore[union-attr]
            with pytest.raises(LockLost, match="the lock is not ours"):
                await journal.append(intent(2), durable=True)

    asyncio.run(go())

    assert list(store.read(ACCOUNT).unsettled) == [LANE]


def test_a_record_that_somebody_else_wrote_is_noticed_before_the_next(store: PostgresStore, url: str) -> None:
    async def go() -> None:
        async with opened(store) as journal:
            await journal.append(intent(1), durable=True)
            forge(url, "INSERT INTO reconcile.record SELECT journal, 3, 'mine' FROM reconcile.record WHERE seq = 1")
            with pytest.raises(LockLost):
                await journal.append(intent(2), durable=True)

    asyncio.run(go())

    assert sql(url, "SELECT count(*) FROM reconcile.record") == [(3,)]


def test_a_tail_that_is_cut_off_under_the_run_is_noticed_before_the_next_record(store: PostgresStore, url: str) -> None:
    async def go() -> None:
        async with opened(store) as journal:
            await journal.append(intent(1), durable=True)
            forge(url, "DELETE FROM reconcile.record WHERE seq = 2")
            with pytest.raises(LockLost):
                await journal.append(intent(2), durable=True)

    asyncio.run(go())

    assert store.read(ACCOUNT).records == 0


# Tampering.

FORGED = "UPDATE reconcile.record SET line = replace(convert_from(line, 'UTF8'), '300.5', '100.5')::bytea WHERE seq = 5"
REORDERED = """
    UPDATE reconcile.record r SET line = o.line FROM reconcile.record o
    WHERE r.seq IN (5, 6) AND o.journal = r.journal AND o.seq = 11 - r.seq
"""
INSERTED = """
    CREATE TEMP TABLE more AS SELECT * FROM reconcile.record WHERE seq >= 5;
    DELETE FROM reconcile.record WHERE seq >= 6;
    INSERT INTO reconcile.record SELECT journal, seq + 1, line FROM more
"""
FORGERIES = {
    "forged": (FORGED, 5),
    "dropped": ("DELETE FROM reconcile.record WHERE seq = 5", 5),
    "reordered": (REORDERED, 5),
    "inserted": (INSERTED, 6),
    "without its beginning": ("DELETE FROM reconcile.record WHERE seq = 1", 1),
}


@pytest.mark.parametrize("case", FORGERIES)
def test_a_journal_that_was_tampered_with_names_its_first_bad_line(case: str, store: PostgresStore, url: str) -> None:
    statement, line = FORGERIES[case]
    asyncio.run(write(store, 9))
    forge(url, statement)

    with pytest.raises(ChainBroken, match=f"line {line}") as caught:
        store.read(ACCOUNT)

    assert caught.value.line == line


def test_a_cut_end_is_noticed_against_a_pinned_head(store: PostgresStore, url: str) -> None:
    head = asyncio.run(write(store, 9))
    forge(url, "DELETE FROM reconcile.record WHERE seq >= 9")

    assert store.read(ACCOUNT).records == 7
    with pytest.raises(ChainBroken, match="its end was cut off"):
        store.read(ACCOUNT, pinned=head)


def test_nothing_is_sent_on_a_tampered_journal(store: PostgresStore, url: str) -> None:
    asyncio.run(write(store, 9))
    forge(url, FORGED)

    with pytest.raises(ChainBroken):
        asyncio.run(unsettled(store))


def test_a_slip_of_the_owner_changes_and_deletes_nothing(store: PostgresStore, url: str) -> None:
    asyncio.run(write(store, 3))

    for slip in (
        "UPDATE reconcile.record SET seq = seq + 9",
        "DELETE FROM reconcile.record",
        "TRUNCATE reconcile.record",
    ):
        with pytest.raises(psycopg.errors.RaiseException, match="only ever added"):
            sql(url, slip)

    assert store.read(ACCOUNT).records == 3


# What the database itself lets a runner add.

RUNNERS = ("alpha", "beta")


@pytest.fixture
def shared(url: str) -> str:
    """A database whose tables belong to ``postgres``, with two runners that may read and add; the owner's URL."""
    asyncio.run(another(url).head(ACCOUNT))
    for runner in RUNNERS:
        sql(
            url,
            f"DO $$ BEGIN CREATE USER {runner}; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
            f"GRANT USAGE ON SCHEMA reconcile TO {runner}",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA reconcile TO {runner}",
            f"GRANT INSERT ON reconcile.journal, reconcile.record, reconcile.holder TO {runner}",
            f"GRANT UPDATE ON reconcile.holder TO {runner}",
            f"GRANT UPDATE (retired) ON reconcile.journal TO {runner}",
        )
    return url


def as_runner(url: str, runner: str) -> str:
    return url.replace("//postgres@", f"//{runner}@")


def add(url: str, seq: int, line: bytes, *, lock: str | None = ACCOUNT) -> None:
    """Add a record by hand to the journal there is, with or without an account's lock."""
    with psycopg.connect(url, autocommit=True) as connection:
        if lock is not None:
            connection.execute("SELECT pg_advisory_lock(%s)", (lock_of(lock),))
        connection.execute(
            "INSERT INTO reconcile.record SELECT max(id), %s, %s FROM reconcile.journal", (seq, line), prepare=False
        )


def test_a_record_that_follows_is_added_by_who_holds_the_lock(shared: str) -> None:
    asyncio.run(write(another(as_runner(shared, "alpha")), 3))
    add(as_runner(shared, "alpha"), 5, following(shared))
    assert sql(shared, "SELECT count(*) FROM reconcile.record") == [(5,)]


REFUSED_RECORDS: dict[str, tuple[int, bytes, str | None]] = {
    "without the lock": (5, b"", None),
    "with another account's lock": (5, b"", "binance-live-another"),
    "a record that is there": (4, b"", ACCOUNT),
    "a record with a gap before it": (6, b'{"seq":6,"prev":"%064d","at":"x"}\n' % 0, ACCOUNT),
    "another predecessor": (5, b'{"seq":5,"prev":"%064d","at":"x"}\n' % 0, ACCOUNT),
    "no record at all": (5, b"mine", ACCOUNT),
    "two lines": (5, b"\n\n", ACCOUNT),
}


@pytest.mark.parametrize("case", REFUSED_RECORDS)
def test_the_database_refuses_a_record_that_no_runner_may_add(case: str, shared: str) -> None:
    asyncio.run(write(another(as_runner(shared, "alpha")), 3))
    seq, line, lock = REFUSED_RECORDS[case]
    with pytest.raises(psycopg.errors.UniqueViolation):
        add(as_runner(shared, "alpha"), seq, line or following(shared), lock=lock)
    assert another(shared).read(ACCOUNT).records == 3


def following(url: str) -> bytes:
    """A record that would follow the last one."""
    ((last,),) = sql(url, "SELECT line FROM reconcile.record ORDER BY seq DESC LIMIT 1")
    return encode(NoteRecord(what="x"), seq=5, prev=line_hash(bytes(last)), at=rfc3339(0), run="r")


def begin(url: str) -> None:
    """A journal without any record."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO reconcile.journal (identity) VALUES (%s)", (ACCOUNT,))


def test_a_journal_begins_with_the_header_of_its_own_account(shared: str) -> None:
    alpha = as_runner(shared, "alpha")
    begin(alpha)
    for line in (chained([], account="binance-live-another")[0], following_header(b"noted")):
        with pytest.raises(psycopg.errors.UniqueViolation, match="does not follow"):
            add(alpha, 1, line)
    add(alpha, 1, chained([])[0])
    assert another(shared).read(ACCOUNT).records == 0


def following_header(kind: bytes) -> bytes:
    """A header of another kind."""
    return chained([])[0].replace(b'"kind":"journal"', b'"kind":"%s"' % kind)


def test_a_runner_adds_nothing_to_another_runners_journal(shared: str) -> None:
    asyncio.run(write(another(as_runner(shared, "alpha")), 3))
    with pytest.raises(JournalError, match="belongs to the runner alpha"):
        asyncio.run(write(another(as_runner(shared, "beta")), 1))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        add(as_runner(shared, "beta"), 5, following(shared))
    sql(shared, "UPDATE reconcile.journal SET runner = 'beta'")
    asyncio.run(write(another(as_runner(shared, "beta")), 1))
    assert another(shared).read(ACCOUNT).records == 4


def test_a_journal_is_put_aside_by_its_own_runner_under_the_lock_and_never_deleted(shared: str) -> None:
    asyncio.run(write(another(as_runner(shared, "alpha")), 3))
    aside = "UPDATE reconcile.journal SET retired = 'x'"
    for runner, error in (("alpha", psycopg.errors.UniqueViolation), ("beta", psycopg.errors.InsufficientPrivilege)):
        with pytest.raises(error):
            sql(as_runner(shared, runner), aside)
    with pytest.raises(psycopg.errors.RaiseException, match="never deleted"):
        sql(shared, "DELETE FROM reconcile.journal")
    name = asyncio.run(another(as_runner(shared, "alpha")).retire(ACCOUNT, holder=HOLDER))
    assert sql(shared, "SELECT retired FROM reconcile.journal") == [(name,)]


def test_tables_of_an_older_version_are_brought_up_to_date_by_their_owner_alone(shared: str) -> None:
    with psycopg.connect(shared, autocommit=True) as connection:
        connection.execute("DROP SCHEMA reconcile CASCADE")
        connection.execute("CREATE SCHEMA reconcile")
        connection.execute("CREATE TABLE reconcile.version AS SELECT 1 AS version")
        connection.execute(MIGRATIONS[0].encode())
        connection.execute("INSERT INTO reconcile.journal (identity) VALUES (%s)", (ACCOUNT,))
        connection.execute("GRANT USAGE ON SCHEMA reconcile TO alpha")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA reconcile TO alpha")
    with pytest.raises(JournalError, match="run this version once as their owner"):
        asyncio.run(write(another(as_runner(shared, "alpha")), 1))
    asyncio.run(write(another(shared), 1))
    assert sql(shared, "SELECT version, (SELECT runner FROM reconcile.journal) FROM reconcile.version") == [
        (VERSION, None)
    ]


# The database.


def test_runners_that_start_together_make_the_tables_once(url: str) -> None:
    async def one(number: int) -> None:
        store = another(url)
        async with store.open(f"account-{number}", run_id="r", holder={}, timeout_ms=0) as journal:
            await journal.append(NoteRecord(what="here"), durable=True)

    async def go() -> None:
        await asyncio.gather(*(one(number) for number in range(8)))

    asyncio.run(go())

    assert sql(url, "SELECT version FROM reconcile.version") == [(VERSION,)]
    assert another(url).identities() == sorted(f"account-{number}" for number in range(8))


def test_tables_of_a_newer_version_are_left_alone(store: PostgresStore, url: str) -> None:
    asyncio.run(write(store, 1))
    sql(url, "UPDATE reconcile.version SET version = version + 1")

    with pytest.raises(JournalError, match="a newer reconcile"):
        asyncio.run(write(store, 1))
    with pytest.raises(JournalError, match="a newer reconcile"):
        store.read(ACCOUNT)


def test_commits_are_made_durable_where_the_user_had_turned_that_off(server: Server) -> None:
    url = server.database("careless")
    for setting in ("synchronous_commit = off", "statement_timeout = 7000"):
        sql(server.url, f"ALTER DATABASE careless SET {setting}")
    store = another(url)

    async def go() -> list[object]:
        async with opened(store):
            connection = store._session._connection  # type: ignore[union-attr]
            shown = [
                connection.execute(f"SHOW {name}".encode()) for name in ("synchronous_commit", "statement_timeout")
            ]
            return [cursor.fetchone() for cursor in shown]

    assert asyncio.run(go()) == [("on",), ("0",)]


def test_a_database_that_does_not_flush_is_refused() -> None:
    with Server(fsync="off") as careless, pytest.raises(JournalError, match="turn fsync on"):
        asyncio.run(write(another(careless.plain_url), 1))


def test_an_ordinary_user_who_owns_a_database_can_do_everything(server: Server) -> None:
    store = another(server.plain_url)

    asyncio.run(write(store, 3))

    assert store.read(ACCOUNT).records == 3


def test_a_reader_can_be_somebody_who_may_not_write(url: str) -> None:
    asyncio.run(write(another(url), 3))
    sql(
        url,
        "CREATE USER auditor",
        "GRANT USAGE ON SCHEMA reconcile TO auditor",
        "GRANT SELECT ON ALL TABLES IN SCHEMA reconcile TO auditor",
    )
    auditor = another(url.replace("//postgres@", "//auditor@"))

    assert (auditor.read(ACCOUNT).records, auditor.holder(ACCOUNT)) == (3, None)
    with pytest.raises(JournalError, match="permission denied"):
        asyncio.run(write(auditor, 1))


def test_where_the_journal_has_been_changes_with_the_database_and_not_with_a_restart(server: Server, url: str) -> None:
    async def place() -> str:
        async with opened(another(url)) as journal:
            return str(journal.place)

    first = asyncio.run(place())
    server.restart()
    second = asyncio.run(place())
    with Server() as other:

        async def elsewhere() -> str:
            async with opened(another(other.url)) as journal:
                return str(journal.place)

        third = asyncio.run(elsewhere())

    assert first == second != third


# Passwords.


def everything_said(error: BaseException) -> str:
    """A message with all its causes, as a traceback would show them."""
    words = [str(error), repr(error)]
    while (inner := error.__cause__) is not None:
        words += [str(inner), repr(inner)]
        error = inner
    return "\n".join(words)


@pytest.mark.parametrize(
    "wrong",
    ["NoSuchPass%40word", "NoSuchPass%2Fword"],
)
def test_a_password_that_does_not_work_is_not_shown(server: Server, wrong: str) -> None:
    store = another(server.plain_url.replace("s3cret%2Fw%40rd", wrong))

    with pytest.raises(JournalError, match="password authentication failed") as caught:
        store.identities()

    assert "NoSuchPass" not in everything_said(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:se@cret@h/db",
        "postgresql://u:12?cret@h/db",
        "postgresql://u:12?x=cret@h/db",
        "postgresql://u:12/cret@h/db",
        "postgresql://u:12,cret@h/db?x=@",
        "postgresql://u:@cret@h/db",
        "postgresql://h/db?password=se?cret",
        "postgresql://h/db?password=se&cret",
        "postgresql://h/db?password=se#cret",
        "postgresql://cret%80@h/db",
        "postgresql://u:se/cret@h/db",
        "postgresql://u:se?cret@h/db",
        "postgresql://u:se#cret@h/db",
        "postgresql://u:se:cret@h/db",
        "postgresql://u:secret@h:port/db",
        "postgresql://u:secret@h/db?no_such_option=1",
        "postgresql://u:sec%zzret@h/db",
        "postgresql://h/db?password=se@cret&x=1",
        "postgresql:u:secret@h",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_showing_any_of_it(url: str) -> None:
    with pytest.raises(InputError) as caught:
        place_of(url)

    assert "cret" not in everything_said(caught.value)


@pytest.mark.parametrize(
    ("url", "shown", "secrets"),
    [
        ("postgresql://u:a%2Fb@db.example:5433/j", "postgresql://db.example:5433/j", ("a%2Fb", "a/b")),
        ("postgresql://db/j?password=x%20y", "postgresql://db/j", ("x y", "x%20y")),
        ("postgres://u@[::1]:5432/j", "postgresql://::1:5432/j", ()),
        ("postgresql://u@one,two:5433/j?target_session_attrs=read-write", "postgresql://one,two/j", ()),
        ("postgresql:///j", "postgresql:///j", ()),
    ],
)
def test_a_place_is_shown_without_its_user_and_password(url: str, shown: str, secrets: tuple[str, ...]) -> None:
    place = place_of(url)

    assert (place.secrets, PASSWORD in repr(place), any(each in repr(place) for each in secrets)) == (
        secrets,
        False,
        False,
    )
    assert place.shown.replace(":5432,5433", "").replace(":,5433", "") == shown


def test_without_the_extra_the_rest_of_the_program_imports_no_psycopg() -> None:
    code = (
        "import sys, reconcile.cli.world, reconcile.cli.apply, reconcile.cli.status; sys.exit('psycopg' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT)

    assert done.returncode == 0


def test_a_runner_needs_no_more_than_to_read_and_to_add(url: str) -> None:
    asyncio.run(another(url).head(ACCOUNT))
    sql(
        url,
        "DROP USER IF EXISTS runner",
        "CREATE USER runner",
        "GRANT USAGE ON SCHEMA reconcile TO runner",
        "GRANT SELECT ON ALL TABLES IN SCHEMA reconcile TO runner",
        "GRANT INSERT ON reconcile.journal, reconcile.record, reconcile.holder TO runner",
        "GRANT UPDATE ON reconcile.holder TO runner",
    )
    runner = another(url.replace("//postgres@", "//runner@"))

    asyncio.run(write(runner, 3))

    assert runner.read(ACCOUNT).records == 3
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sql(url.replace("//postgres@", "//runner@"), "ALTER TABLE reconcile.record DISABLE TRIGGER append_only")


def test_a_run_begins_at_a_checkpoint_and_knows_what_the_whole_journal_tells(
    store: PostgresStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "LEAST_BYTES", 1)
    monkeypatch.setattr(checkpoint, "TIMES_ITS_SIZE", 0)

    async def run(number: int) -> None:
        async with opened(store, run_id=f"run-{number}") as journal:
            for record in (RunStarted(host="h", command="apply"), intent(number), RunFinished()):
                await journal.append(record, durable=True)

    async def three() -> JournalState:
        for number in range(3):
            await run(number)
        async with opened(another(url)) as journal:
            state: JournalState = journal.state
            return state

    held = asyncio.run(three())
    forge(url, "UPDATE reconcile.record SET line = line || 'x'::bytea WHERE seq = 2")
    assert everything(held) == everything(another(url).read(ACCOUNT))
    assert sorted(held.unsettled) == [f"SYM{number}.long" for number in range(3)]
    with pytest.raises(ChainBroken, match="line 2"):
        another(url).read(ACCOUNT, whole=True)
    forge(url, "DELETE FROM reconcile.record WHERE seq = 13")  # the last checkpoint but one
    with pytest.raises(ChainBroken):
        another(url).read(ACCOUNT)
