"""The SQL views of a shared journal tell what ``audit movements`` and ``audit log`` tell."""

import asyncio
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reconcile.audit.exporting import export
from reconcile.audit.run_log import Filter
from reconcile.audit.views import SQL
from reconcile.clock import SystemClock
from reconcile.journal.postgres.store import PostgresStore
from reconcile.journal.postgres.url import place_of
from reconcile.journal.records import IntentStatus, NoteRecord
from tests.cli.test_audit import ALICE, declare
from tests.kit.audit_month import LONG, SHORT, Calendar, Desk
from tests.kit.cli import run
from tests.kit.postgres_server import Server


def query(server: Server, text: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(SQL.encode())
        return connection.execute(text.encode()).fetchall()


@pytest.fixture
def desk(server: Server) -> Desk:
    server.clear()
    clock = Calendar()
    return Desk(store=PostgresStore(place_of(server.url), SystemClock()), clock=clock)


def test_the_views_tell_the_movements_that_the_export_tells(server: Server, tmp_path: Path) -> None:
    server.clear()
    shared = {**ALICE, "RECONCILE_JOURNAL": server.url}
    for margin, reason in ((3300, "weekly review"), (3600, "more")):
        run(tmp_path, "apply", str(declare(tmp_path, margin)), "--auto-approve", "--reason", reason, env=shared)
        run(tmp_path, "sandbox", "set", "demo", "--margin", "BTCUSDT.long=-50", env=shared)
    run(tmp_path, "apply", str(declare(tmp_path, 3600)), "--auto-approve", env=shared)

    told = run(tmp_path, "audit", "movements", "--format", "json", env=shared).json["movements"]
    names = ("account", "address", "asset", "cause", "change", "actor", "reason", "run_id", "plan_id", "digest")
    rows = query(server, f"SELECT {', '.join(names)} FROM reconcile.audit_movements ORDER BY at")  # noqa: S608

    as_told = [tuple(None if row[name] is None else str(row[name]) for name in names) for row in told]
    assert [tuple(None if value is None else str(value) for value in row) for row in rows] == as_told
    assert len(rows) == 5


def test_a_step_has_the_last_outcome_that_any_run_or_person_told(server: Server, desk: Desk) -> None:
    desk.apply((LONG, "300"), known=(IntentStatus.UNKNOWN,), reason="weekly review")
    desk.settle(f"run0001-{LONG}", IntentStatus.APPLIED, "1500")
    desk.apply((SHORT, "-7"), known=(IntentStatus.UNKNOWN,))
    desk.resolve(f"run0003-{SHORT}", applied=False)
    desk.apply((LONG, "1"), known=(), finish=False)

    names = "run_id, outcome, change::text, actor, digest"
    steps = query(server, f"SELECT {names} FROM reconcile.audit_steps ORDER BY run_id")  # noqa: S608 - our own words
    runs = query(server, "SELECT run_id, command, exit_code FROM reconcile.audit_runs ORDER BY run_id")
    movements = query(server, "SELECT run_id, change::text FROM reconcile.audit_movements")

    assert steps == [
        ("run0001", "applied", "300", "alice", "sha256:abc"),
        ("run0003", "not_applied", "-7", "alice", "sha256:abc"),
        ("run0005", "in_flight", "1", "alice", "sha256:abc"),
    ]
    assert [row[1:] for row in runs] == [("apply", 0), ("apply", 0), ("apply", 0), ("resolve", 0), ("apply", None)]
    assert movements == [("run0001", "300")]
    exported = [each.movement for each in export(desk.store, Filter()).movements if each.movement.cause == "reconcile"]
    assert [(each.run_id, str(each.change)) for each in exported] == [("run0001", "300"), ("run0005", "None")]


def test_a_text_that_sql_cannot_hold_breaks_no_view(server: Server, desk: Desk) -> None:
    async def go() -> None:
        async with desk.store.open(desk.identity, run_id="x", holder={}, timeout_ms=0) as journal:
            await journal.append(NoteRecord(what="odd \x00 \ud800 \\u0000 €", details={"a": "\x00"}), durable=True)

    asyncio.run(go())

    (row,) = query(server, "SELECT record ->> 'what' FROM reconcile.audit_records WHERE record ->> 'kind' = 'noted'")

    assert row == ("odd � � \\ufffd €",)


def test_the_command_prints_what_is_to_be_run(tmp_path: Path) -> None:
    assert run(tmp_path, "audit", "views").out == SQL
