"""Two homes, one database: the whole program on a shared journal."""

import asyncio
from pathlib import Path

from reconcile.clock import SystemClock
from reconcile.journal.postgres.store import PostgresStore
from reconcile.journal.postgres.url import place_of
from tests.cli.test_audit import ALICE, declare
from tests.kit.cli import run
from tests.kit.postgres_server import PASSWORD, Server


def test_runners_with_homes_of_their_own_share_journal_plan_and_audit(server: Server, tmp_path: Path) -> None:
    server.clear()
    first, second = tmp_path / "first", tmp_path / "second"
    for home in (first, second):
        home.mkdir()
    shared = {**ALICE, "RECONCILE_JOURNAL": server.url}

    done = run(first, "apply", str(declare(first, 3300)), "--auto-approve", "--format", "json", env=shared)
    log = run(second, "audit", "log", "--format", "json", env=shared)
    head = run(second, "audit", "head", env=shared).out.strip()

    assert (done.code, [row["amount"] for row in log.json["rows"]]) == (0, ["+300"])
    assert head == f"demo={done.json['accounts'][0]['journal_head']}"
    assert run(second, "audit", "verify", "--head", head, env=shared).code == 0
    assert not list(tmp_path.rglob("*.jsonl"))


def test_no_word_of_the_program_holds_the_password(server: Server, tmp_path: Path) -> None:
    shared = {**ALICE, "RECONCILE_JOURNAL": server.plain_url}
    state = str(declare(tmp_path, 3300))

    said = [
        run(tmp_path, *words, "-v", env=shared)
        for words in (
            ("apply", state, "--auto-approve"),
            ("status", state),
            ("doctor", state),
            ("audit", "verify"),
            ("audit", "show", "x"),
        )
    ]

    words = "".join(ended.out + ended.err for ended in said)
    assert [ended.code for ended in said] == [0, 0, 0, 0, 1]
    assert PASSWORD not in words
    assert "s3cret" not in words


def test_a_run_that_finds_the_account_held_is_on_record_for_every_runner(server: Server, tmp_path: Path) -> None:
    server.clear()
    shared = {**ALICE, "RECONCILE_JOURNAL": server.url}
    state = str(declare(tmp_path, 3300))
    run(tmp_path, "apply", state, "--auto-approve", env=shared)
    store = PostgresStore(place_of(server.url), SystemClock())

    async def locked_out() -> int:
        async with store.open("binance-sandbox-demo", run_id="x", holder={"host": "another"}, timeout_ms=0):
            words = ("apply", state, "--auto-approve", "--if-locked", "skip")
            return (await asyncio.to_thread(run, tmp_path, *words, env=shared)).code

    code = asyncio.run(locked_out())
    again = run(tmp_path, "apply", state, "--auto-approve", "--format", "json", env=shared)

    (row,) = run(tmp_path, "audit", "log", "--outcome", "refused:lock", "--format", "json", env=shared).json["rows"]
    chains = run(tmp_path, "audit", "verify", "--format", "json", env=shared).json
    assert (code, row["account"], row["actor"], "host another" in row["detail"]) == (4, "demo", "alice", True)
    assert (again.code, chains["good"], len(chains["journals"])) == (0, True, 2)


def test_the_doctor_names_the_database_and_says_when_it_is_not_there(server: Server, tmp_path: Path) -> None:
    state = str(declare(tmp_path, 3300))
    well = run(tmp_path, "doctor", state, env={"RECONCILE_JOURNAL": server.url})
    gone = run(tmp_path, "doctor", state, env={"RECONCILE_JOURNAL": "postgresql://u@127.0.0.1:1/none"})

    assert (well.code, gone.code) == (0, 1)
    assert "ok    journals     PostgreSQL " in well.out
    assert "FAIL  journals     PostgreSQL " in gone.out
