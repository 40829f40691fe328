"""A journal begun under a key's fingerprint goes on under the account's id, whatever breaks the move off."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from reconcile.audit.reading import runs
from reconcile.audit.run_log import rows
from reconcile.audit.verifying import verify
from reconcile.errors import Declined, JournalError
from reconcile.journal.base import Store
from reconcile.journal.chain import line_hash
from reconcile.journal.codec import FORMAT, GENESIS, Header, encode, rfc3339
from reconcile.journal.file.store import FileStore
from reconcile.journal.identity import notes_of
from reconcile.journal.moving import JournalNames, journal_names
from reconcile.journal.postgres.session import Session
from reconcile.journal.postgres.store import PostgresStore
from reconcile.journal.records import IntentStatus, NoteRecord, PlanUsed, Record, Relocation, RunFinished, RunStarted
from reconcile.journal.run_end import RunEnd
from reconcile.model.run_start import RunStart
from tests.kit.journals import ACCOUNT, HOME, START_MS, intent, outcome, store_on
from tests.simulation.disk import SimulatedDisk

NEW = "binance-live-xYz"
MOVER = {"host": "alpha", "actor": "ann", "command": "apply", "account": "main"}
RECORDS: list[Record] = [
    RunStarted(host="alpha", command="apply", details=RunStart(account="main")),
    PlanUsed(plan_id="p-1", digest="d"),
    intent(1),
    outcome(1, IntentStatus.APPLIED, effect_ms=2_000, after="1500.5"),
    intent(2),
    outcome(2, IntentStatus.UNKNOWN, effect_ms=3_000),
    RunFinished(details=RunEnd(exit_code=5)),
]
SETTLED = RECORDS[:4]


async def write(store: Store, identity: str, records: list[Record], *, run_id: str = "run-1") -> str:
    async with store.open(identity, run_id=run_id, holder=MOVER, timeout_ms=0) as journal:
        for record in records:
            await journal.append(record, durable=True)
        return journal.head


async def move(store: Store, old: str = ACCOUNT, new: str = NEW) -> bool:
    return await store.move(old, new, run_id="run-2", holder=MOVER, timeout_ms=0)


async def find_and_move(store: Store) -> JournalNames:
    """What a run does before it takes its journal."""
    found = journal_names(store, NEW, (ACCOUNT,))
    for old in found.moves:
        await move(store, old)
    return found


def kinds(store: Store, identity: str = NEW) -> list[str]:
    return [str(line["kind"]) for line in store.lines(identity)]


def check_moved(store: Store, records: list[Record], *, runs: int = 0) -> None:
    """The new journal holds every record, is proven, goes on, and is the only one."""
    state = store.read(NEW)
    assert store.identities() == [NEW]
    found = [kind for kind in kinds(store) if kind != "repaired"]  # of a torn last line
    assert found == ["journal", *[record.kind for record in records], "moved", *["run_started"] * runs]
    assert (state.identities, state.led_to(NEW)) == ([ACCOUNT, NEW], None)
    assert list(state.unsettled) == (["SYM2.long"] if records is RECORDS else [])
    assert state.used_plans == {"p-1"}
    assert all(verdict.is_good for verdict in verify(store, {}))
    with pytest.raises(Declined, match=f"it was moved to {NEW}"):
        store.read(ACCOUNT)
    with pytest.raises(Declined, match=f"it was moved to {NEW}"):
        asyncio.run(write(store, ACCOUNT, []))


@pytest.fixture(params=["file", "postgres"])
def any_store(request: pytest.FixtureRequest) -> Store:
    if request.param == "file":
        return store_on(SimulatedDisk(1).process("p"))
    found: PostgresStore = request.getfixturevalue("store")
    return found


def test_everything_goes_along_and_the_old_name_is_closed(any_store: Store) -> None:
    asyncio.run(write(any_store, ACCOUNT, RECORDS))

    assert asyncio.run(find_and_move(any_store)) == JournalNames(reads=ACCOUNT, moves=(ACCOUNT,))
    check_moved(any_store, RECORDS)
    (act,) = [line for line in any_store.lines(NEW) if line["kind"] == "moved"]
    assert (act["to"], act["actor"], act["host"], act["run"]) == (NEW, "ann", "alpha", "run-2")

    asyncio.run(write(any_store, NEW, [RECORDS[0]]))
    assert asyncio.run(find_and_move(any_store)) == JournalNames(reads=NEW)
    assert asyncio.run(move(any_store)) is False
    check_moved(any_store, RECORDS, runs=1)


def test_the_log_shows_who_moved_it(any_store: Store) -> None:
    asyncio.run(write(any_store, ACCOUNT, SETTLED))
    asyncio.run(move(any_store))
    asyncio.run(write(any_store, NEW, [RECORDS[0], RunFinished(details=RunEnd(exit_code=0))], run_id="run-2"))

    read = list(runs(any_store.lines(NEW), identity=NEW))
    shown = [(row.account, row.what, row.outcome, row.detail) for run in read for row in rows(run)]

    assert [(run.run_id, run.command) for run in read] == [("run-1", "apply"), ("run-2", "move"), ("run-2", "apply")]
    assert shown[1:] == [
        ("main", "move", "moved", f"the journal goes on as {NEW}"),
        ("main", "run", "in_sync", ""),
    ]


def test_a_head_pinned_before_the_move_still_pins(any_store: Store) -> None:
    head = asyncio.run(write(any_store, ACCOUNT, RECORDS))
    asyncio.run(move(any_store))

    for pins in ({ACCOUNT: head}, {"main": head}, {NEW: head}):
        (verdict,) = verify(any_store, pins)
        assert verdict.is_good, verdict.message
    (cut,) = verify(any_store, {ACCOUNT: "ab" * 32})
    assert not cut.is_good


def test_notes_from_before_the_move_stay_pinned_by_the_journal(any_store: Store) -> None:
    notes = asyncio.run(write(any_store, notes_of(ACCOUNT), [NoteRecord(what="a"), NoteRecord(what="b")]))
    began = RunStarted(host="alpha", command="apply", details=RunStart(account="main", notes_head=notes))
    asyncio.run(write(any_store, ACCOUNT, [began]))
    asyncio.run(move(any_store))
    later = asyncio.run(write(any_store, notes_of(NEW), [NoteRecord(what="c")]))
    began = RunStarted(host="alpha", command="apply", details=RunStart(account="main", notes_head=later))
    asyncio.run(write(any_store, NEW, [began]))

    verdicts = verify(any_store, {})

    assert {verdict.identity for verdict in verdicts} == {NEW, notes_of(ACCOUNT), notes_of(NEW)}
    assert all(verdict.is_good for verdict in verdicts), [verdict.message for verdict in verdicts]
    assert any_store.read(NEW).notes_heads == {ACCOUNT: [bytes.fromhex(notes)], NEW: [bytes.fromhex(later)]}


def test_two_journals_are_refused_while_the_old_one_has_something_unsettled(any_store: Store) -> None:
    asyncio.run(write(any_store, ACCOUNT, RECORDS))
    asyncio.run(write(any_store, NEW, SETTLED))
    before = kinds(any_store, ACCOUNT), kinds(any_store, NEW)

    with pytest.raises(Declined, match=r"are journals of one account, and .+ has unsettled steps"):
        journal_names(any_store, NEW, (ACCOUNT,))
    with pytest.raises(Declined, match=r"are journals of one account, and .+ has unsettled steps"):
        asyncio.run(move(any_store))

    assert (kinds(any_store, ACCOUNT), kinds(any_store, NEW)) == before


def test_a_settled_old_journal_beside_the_new_one_is_closed_where_it_stands(any_store: Store) -> None:
    asyncio.run(write(any_store, ACCOUNT, SETTLED))
    asyncio.run(write(any_store, NEW, RECORDS))

    assert asyncio.run(find_and_move(any_store)) == JournalNames(reads=NEW, moves=(ACCOUNT,), beside=(ACCOUNT,))
    assert asyncio.run(find_and_move(any_store)) == JournalNames(reads=NEW, beside=(ACCOUNT,))

    assert any_store.identities() == sorted([ACCOUNT, NEW])
    assert kinds(any_store, ACCOUNT)[-1] == "moved"
    assert all(verdict.is_good for verdict in verify(any_store, {}))
    with pytest.raises(Declined, match=f"it was moved to {NEW}"):
        asyncio.run(write(any_store, ACCOUNT, []))


def test_an_empty_journal_of_the_new_name_gives_way(any_store: Store) -> None:
    asyncio.run(write(any_store, ACCOUNT, RECORDS))
    asyncio.run(write(any_store, NEW, []))

    asyncio.run(find_and_move(any_store))

    check_moved(any_store, RECORDS)


def test_of_two_old_journals_the_one_with_unsettled_steps_goes_along(any_store: Store) -> None:
    other = "binance-127.0.0.1-9000-xyz"
    asyncio.run(write(any_store, other, SETTLED))
    asyncio.run(write(any_store, ACCOUNT, RECORDS))

    found = journal_names(any_store, NEW, (other, ACCOUNT))
    for old in found.moves:
        asyncio.run(move(any_store, old))

    assert found == JournalNames(reads=ACCOUNT, moves=(ACCOUNT, other), beside=(other,))
    assert list(any_store.read(NEW).unsettled) == ["SYM2.long"]
    assert journal_names(any_store, NEW, (other, ACCOUNT)) == JournalNames(reads=NEW, beside=(other,))


def test_the_locks_of_both_names_are_taken(any_store: Store) -> None:
    asyncio.run(write(any_store, ACCOUNT, RECORDS))

    async def held(identity: str) -> None:
        async with any_store.open(identity, run_id="other", holder=MOVER, timeout_ms=0):
            with pytest.raises(Declined, match="taking the account's lock"):
                await move(any_store)

    for identity in (ACCOUNT, NEW):
        asyncio.run(held(identity))
    assert kinds(any_store, ACCOUNT)[-1] == "run_finished"


# Crashes.


class CrashError(BaseException):
    """The end of a process; nothing of the program may catch it."""


def operations_of(change: Callable[[SimulatedDisk], None]) -> int:
    """How many operations of the disk a move takes."""
    counted: list[str] = []
    disk = SimulatedDisk(1)
    change(disk)
    disk.before = lambda process, operation, _path: counted.append(operation) if process == "mover" else None
    asyncio.run(move(store_on(disk.process("mover"))))
    return len(counted)


def begun(disk: SimulatedDisk) -> None:
    asyncio.run(write(store_on(disk.process("before")), ACCOUNT, RECORDS))


OPERATIONS = operations_of(begun)


@pytest.mark.parametrize("power", [False, True], ids=["killed", "power cut"])
@pytest.mark.parametrize("last", range(1, OPERATIONS + 1))
def test_whatever_breaks_a_move_off_the_next_run_finishes_it(last: int, power: bool) -> None:  # noqa: FBT001
    for seed in range(4 if power else 1):
        disk = SimulatedDisk(seed)
        begun(disk)
        mover, count = disk.process("mover"), 0

        def crash(process: str, operation: str, _path: Path) -> None:
            nonlocal count
            count += process == "mover"
            if process == "mover" and count == last:
                disk.kill(mover)  # noqa: B023 - called in this turn of the loop
                raise CrashError(operation)

        disk.before = crash
        with pytest.raises(CrashError):
            asyncio.run(move(store_on(mover)))
        if power:
            disk.power_loss()

        reader = store_on(disk.process("reader"))
        seen = reader.read(journal_names(reader, NEW, (ACCOUNT,)).reads)
        assert (list(seen.unsettled), seen.used_plans) == (["SYM2.long"], {"p-1"})
        if (HOME / "journal" / f"{ACCOUNT}.jsonl") in disk.paths():
            assert all(verdict.is_good for verdict in verify(reader, {}))

        asyncio.run(find_and_move(store_on(disk.process("next"))))
        check_moved(store_on(disk.process("after")), RECORDS)


@pytest.mark.parametrize("act", ["_insert", "transaction ends"])
def test_a_move_in_postgresql_is_whole_or_not_there(
    store: PostgresStore, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(write(store, ACCOUNT, RECORDS))
    real = Session._insert

    def lost(self: Session, values: Mapping[str, Any]) -> None:
        if act != "_insert":
            real(self, values)
        self.close()  # the process is killed: the server ends the transaction

    monkeypatch.setattr(Session, "_insert", lost)
    with pytest.raises(JournalError):
        asyncio.run(move(store))
    monkeypatch.undo()

    assert kinds(store, ACCOUNT) == ["journal", *[record.kind for record in RECORDS]]
    asyncio.run(find_and_move(store))
    check_moved(store, RECORDS)


# What no move makes.


def journal_of(records: list[Record]) -> bytes:
    lines, head = [], GENESIS
    every: list[Record | Header] = [Header(format=FORMAT, identity=ACCOUNT), *records]
    for seq, record in enumerate(every, start=1):
        lines.append(encode(record, seq=seq, prev=head, at=rfc3339(START_MS), run="r"))
        head = line_hash(lines[-1])
    return b"".join(lines)


@pytest.mark.parametrize(
    "records",
    [
        pytest.param(SETTLED, id="never moved"),
        pytest.param(
            [Relocation(to="another", with_records=True, account="", actor="", host="")], id="moved to another"
        ),
        pytest.param([Relocation(to=NEW, with_records=False, account="", actor="", host="")], id="closed for it"),
    ],
)
def test_a_journal_put_under_a_name_that_it_was_not_led_to_is_refused(records: list[Record]) -> None:
    disk = SimulatedDisk(1)
    store: FileStore = store_on(disk.process("p"))
    asyncio.run(write(store, "elsewhere", []))
    disk.replace(HOME / "journal" / f"{NEW}.jsonl", journal_of(records))

    with pytest.raises(JournalError, match="put it back where it belongs"):
        store.read(NEW)
