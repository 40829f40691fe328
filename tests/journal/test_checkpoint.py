"""Checkpoints: a reader that begins at one knows what a reader of the whole journal knows, or reads the whole."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest

from reconcile.audit.verifying import verify
from reconcile.errors import ChainBroken
from reconcile.journal import checkpoint, run_end
from reconcile.journal.brake import Brake
from reconcile.journal.checkpoint import FOLD_VERSION, restored, taken
from reconcile.journal.codec import decode, encode, parse_line, rfc3339, seal, stored
from reconcile.journal.file.writer import FileJournal
from reconcile.journal.folding import fold, resumed
from reconcile.journal.records import (
    Checkpoint,
    Intent,
    IntentStatus,
    NoteRecord,
    Outcome,
    PlanUsed,
    Record,
    Relocation,
    Resolved,
    RunFinished,
    RunStarted,
)
from reconcile.journal.state import JournalState
from reconcile.model.account import Address, Side
from reconcile.model.notes import RefusalNote, WatchNote
from reconcile.model.run_start import RunStart
from tests.kit.journals import ACCOUNT, JOURNAL, START_MS, as_store, chained, everything, store_on
from tests.simulation.disk import SimulatedDisk

DAY_MS = 86_400_000
STATUSES = (*IntentStatus, IntentStatus.ACCEPTED, IntentStatus.ACCEPTED)


def history(seed: int, count: int) -> Iterator[Record]:
    """Records of every kind that a state takes in, in an order that a journal may have, over some months."""
    dice = random.Random(seed)
    now, opened = START_MS, [f"i{number}" for number in range(3)]
    for number in range(count):
        now += dice.choice((1_000, 60_000, DAY_MS))
        place = Address(f"SYM{dice.randrange(4)}", dice.choice((Side.LONG, Side.SHORT)))
        match dice.randrange(8):
            case 0:
                facts = RunStart(account=dice.choice(("main", "desk")), notes_head="ab" * 32, policy={"max_add": "5"})
                yield RunStarted(host="alpha", command="apply", cold_until_ms=now, details=facts, machine="m")
            case 1:
                yield PlanUsed(plan_id=f"p{number}", digest="d")
                yield Relocation(to="elsewhere", with_records=False, account="main", actor="ana", host="h")
            case 2 | 3 | 4:
                opened = [*opened[-3:], f"i{number}"]
                yield intent(f"i{number}", place, now, is_move=dice.random() < 0.9)
            case 5:
                known = dice.choice(STATUSES)
                effect_ms = dice.choice((None, now))
                claim = dice.choice((None, f"row {number}"))
                yield Outcome(
                    intent_id=dice.choice(opened[-2:]), known=known, effect_ms=effect_ms, after="1500", claim=claim
                )
            case 6:
                word = {"applied": dice.random() < 0.5, "key_deleted": dice.random() < 0.5}
                yield Resolved(intent_id=dice.choice(opened), reason="r", actor="a", effect_ms=now, **word)
            case _:
                yield RunFinished(details=run_end.read(an_end(dice, opened, now)))


def intent(intent_id: str, place: Address, now: int, *, is_move: bool) -> Intent:
    """A step of one lane for each symbol."""
    return Intent(
        intent_id=intent_id,
        step_id="s",
        lane=place.symbol,
        address=place,
        action="add_margin" if is_move else "set_margin_type",
        asset="USDT" if is_move else None,
        amount=Decimal("300.5") if is_move else None,
        before="1200" if is_move else "crossed",
        wanted="1500.5" if is_move else "isolated",
        size=Decimal("0.25"),
        identity=None,
        cursor="7",
        signed_at_ms=now,
        fence_ms=now + 8_000,
        calls_seen_ms=now if is_move else None,
        free=Decimal(9_000) if is_move else None,
    )


def an_end(dice: random.Random, opened: Sequence[str], now: int) -> dict[str, Any]:
    """What a run may say as it ends."""
    ours = [{"intent_id": dice.choice(opened), "amount": "300.5"}]
    return {
        "exit_code": 0,
        "declared": {"SYM1.long": dice.choice(("7", "8"))},
        "live": {"SYM1.long": {"isolated_margin": "7.50", "asset": "USDT", "size": "1"}},
        "live_at_ms": dice.choice((None, now)),
        "out_of_place": dice.choice(([], ["SYM1.long"])),
        "moved": {"SYM1.long": {"from": None, "to": "7.5", "asset": "USDT", "causes": [], "ours": ours}},
    }


def lined(records: Sequence[Record], at: int) -> list[bytes]:
    """A journal of these records with a checkpoint behind the first ``at`` of them."""
    before = chained(records[:at])
    made = taken(fold(before, identity=ACCOUNT, name="j").state, size=sum(map(len, before)))
    return chained([*records[:at], made, *records[at:]])


def begun(lines: Sequence[bytes], at: int) -> JournalState | None:
    """What a reader knows that begins at line ``at`` + 2."""
    before = sum(map(len, lines[: at + 1]))
    found = resumed(lines[0], lines[at + 1 :], before=before, identity=ACCOUNT, name="j")
    return None if found is None else found.state


@pytest.mark.parametrize("seed", range(12))
def test_a_reader_that_begins_at_a_checkpoint_knows_what_one_of_the_whole_journal_knows(seed: int) -> None:
    records = list(history(seed, 240))
    for at in (1, 60, 119, 239):
        lines = lined(records, at)
        whole, part = fold(lines, identity=ACCOUNT, name="j").state, begun(lines, at)
        assert part is not None
        assert everything(part, notes=False) == everything(whole, notes=False)
        assert list(part.unsettled) == list(whole.unsettled)
        assert [list(part.margins.sent[each]) for each in whole.margins.sent] == [
            list(steps) for steps in whole.margins.sent.values()
        ]


def test_the_histories_reach_every_part_of_a_state() -> None:
    states = [fold(chained(list(history(seed, 240))), identity=ACCOUNT, name="j").state for seed in range(12)]
    parts = [stored(checkpoint._parts(state)) for state in states]
    assert {name for each in parts for name, part in each.items() if part} == set(checkpoint._PARTS)


def test_a_change_of_the_fold_has_another_version() -> None:
    """Where this fails, a record changes a state in another way than it did: raise ``FOLD_VERSION``, then this."""
    records = [each for seed in range(4) for each in history(seed, 200)]
    parts = stored(checkpoint._parts(fold(chained(records), identity=ACCOUNT, name="j").state))
    line = encode(taken(JournalState(), size=None), seq=1, prev="0" * 64, at=rfc3339(0), run="r")
    found = sha256(repr(parts).encode() + line).hexdigest()[:16]
    assert (FOLD_VERSION, found) == (5, "49d36a6a60219f13")


RECORDS = list(history(3, 120))
LINES = lined(RECORDS, 80)


def rewritten(at: int, **changes: object) -> list[bytes]:
    """The journal with a checkpoint that was forged, and the lines behind it chained anew by the forger."""
    forged = decode(parse_line(LINES[at + 1]))
    assert isinstance(forged, Checkpoint)
    return chained([*RECORDS[:at], replace(forged, **changes), *RECORDS[at:]])  # type: ignore[arg-type]


def other(**parts: object) -> dict[str, object]:
    found = decode(parse_line(LINES[81]))
    assert isinstance(found, Checkpoint)
    return {**found.state, **parts}


@pytest.mark.parametrize(
    "changes",
    [
        {"state": other(unsettled=[])},
        {"state": other(records=3)},
        {"state": other(claims=["row x"])},
        {"size": 7},
    ],
    ids=["an open step forgotten", "another count", "a claim", "another place"],
)
def test_a_forged_checkpoint_is_found_by_who_reads_the_whole_journal(changes: dict[str, object]) -> None:
    with pytest.raises(ChainBroken, match="line 82: its checkpoint is not what the records before it add up to"):
        fold(rewritten(80, **changes), identity=ACCOUNT, name="j", prove=True)
    believed = fold(rewritten(80, **changes), identity=ACCOUNT, name="j").state
    assert everything(believed) | {"head": ""} == everything(fold(LINES, identity=ACCOUNT, name="j").state) | {
        "head": ""
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"state": other(records=3)},
        {"state": {}},
        {"state": other(unsettled=[{}])},
        {"state": other(effects={"x": {"address": "nonsense"}})},
        {"size": 7},
        {"version": FOLD_VERSION + 1},
    ],
    ids=["another count", "nothing", "a step that is none", "an effect that is none", "another place", "another fold"],
)
def test_nothing_begins_at_a_checkpoint_that_does_not_fit(changes: dict[str, object]) -> None:
    assert begun(rewritten(80, **changes), 80) is None


def test_a_checkpoint_of_another_version_is_only_counted() -> None:
    state = fold(rewritten(80, version=FOLD_VERSION + 1, state={"new": 1}), identity=ACCOUNT, name="j").state
    assert everything(state) | {"head": ""} == everything(fold(LINES, identity=ACCOUNT, name="j").state) | {"head": ""}


@pytest.mark.parametrize("line", [82, 100, 120])
def test_a_chain_that_breaks_behind_a_checkpoint_is_read_whole(line: int) -> None:
    lines = [*LINES]
    lines[line] = lines[line].replace(b'"at":"2023', b'"at":"2024')
    assert begun(lines, 80) is None


# In a store.


async def a_run(journal: FileJournal, records: Sequence[Record], *, is_killed: bool) -> None:
    for record in records:
        await journal.append(record, durable=False)
    if not is_killed:
        await journal.append(RunFinished(), durable=True)


def run(disk: SimulatedDisk, records: Sequence[Record], *, process: str, is_killed: bool = False) -> None:
    async def go() -> None:
        store = store_on(disk.process(process))
        async with store.open(ACCOUNT, run_id=process, holder={}, timeout_ms=0) as journal:
            await a_run(journal, records, is_killed=is_killed)

    asyncio.run(go())


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run leaves a checkpoint."""
    monkeypatch.setattr(checkpoint, "LEAST_BYTES", 1)
    monkeypatch.setattr(checkpoint, "TIMES_ITS_SIZE", 0)


def kinds(disk: SimulatedDisk) -> list[str]:
    return [parse_line(line)["kind"] for line in disk.content(JOURNAL).splitlines(keepends=True)]


STEPS: list[Record] = [intent("a", Address("SYM1", Side.LONG), START_MS, is_move=True)]


def test_a_run_leaves_a_checkpoint_behind_its_end(always: None) -> None:
    disk = SimulatedDisk(1)
    run(disk, STEPS, process="a")
    run(disk, [PlanUsed(plan_id="p", digest="d")], process="b")
    assert kinds(disk) == ["journal", "intent", "run_finished", "checkpoint", "plan_used", "run_finished", "checkpoint"]
    read = store_on(disk.process("c")).read(ACCOUNT)
    assert everything(read) == everything(store_on(disk.process("d")).read(ACCOUNT, whole=True))
    assert (list(read.unsettled), read.used_plans, read.records) == (["SYM1"], {"p"}, 6)


def test_runs_that_are_killed_leave_checkpoints_too(always: None) -> None:
    disk = SimulatedDisk(1)
    for process in ("a", "b", "c"):
        step = intent(process, Address(f"SYM{process}", Side.LONG), START_MS, is_move=True)
        run(disk, [RunStarted(host="h", command="apply"), step], process=process, is_killed=True)
    assert kinds(disk) == ["journal", *["run_started", "checkpoint", "intent"] * 3]
    read = store_on(disk.process("d")).read(ACCOUNT)
    assert everything(read) == everything(store_on(disk.process("e")).read(ACCOUNT, whole=True))
    (verdict,) = verify(as_store(store_on(disk.process("f"))), {})
    assert (verdict.is_good, verdict.records) == (True, 9)


@pytest.mark.parametrize("note", [WatchNote(host="h"), RefusalNote(key="lock", exit_code=4)], ids=["watch", "refused"])
def test_notes_of_runs_without_the_lock_leave_checkpoints_too(always: None, note: RefusalNote | WatchNote) -> None:
    disk = SimulatedDisk(1)
    for process in ("a", "b", "c"):
        run(disk, [NoteRecord(what=note.what, details=note)], process=process, is_killed=True)
    assert kinds(disk) == ["journal", *["noted", "checkpoint"] * 3]
    assert store_on(disk.process("d")).read(ACCOUNT).records == 6
    (verdict,) = verify(as_store(store_on(disk.process("e"))), {})
    assert (verdict.is_good, verdict.records) == (True, 6)


def test_the_brakes_last_record_stays_the_last(always: None) -> None:
    disk = SimulatedDisk(1)
    run(
        disk,
        [Brake().record(command="freeze", account="*", reason="r", actor="a", host="h")],
        process="a",
        is_killed=True,
    )
    assert kinds(disk) == ["journal", "noted"]


def test_no_run_leaves_one_before_it_is_worth_its_place() -> None:
    disk = SimulatedDisk(1)
    run(disk, STEPS, process="a")
    assert "checkpoint" not in kinds(disk)


def test_a_reader_begins_at_the_last_checkpoint_but_one(always: None) -> None:
    disk = SimulatedDisk(1)
    run(disk, STEPS, process="a")
    run(disk, [], process="b")
    good = disk.content(JOURNAL)
    disk.replace(JOURNAL, good.replace(b'"1200"', b'"1201"', 1))  # within the first step
    store = store_on(disk.process("b"))
    assert list(store.read(ACCOUNT).unsettled) == ["SYM1"]
    with pytest.raises(ChainBroken, match="line 2"):
        store.read(ACCOUNT, whole=True)
    (verdict,) = verify(as_store(store), {})
    assert (verdict.is_good, verdict.bad_line) == (False, 2)


def test_lines_that_were_taken_out_before_a_checkpoint_have_the_whole_journal_read(always: None) -> None:
    disk = SimulatedDisk(1)
    run(disk, STEPS, process="a")
    run(disk, [], process="b")
    lines = disk.content(JOURNAL).splitlines(keepends=True)
    disk.replace(JOURNAL, b"".join([lines[0], *lines[2:]]))
    with pytest.raises(ChainBroken, match="line 2"):
        store_on(disk.process("b")).read(ACCOUNT)


def test_a_last_checkpoint_that_was_forged_is_not_believed(always: None) -> None:
    disk = SimulatedDisk(1)
    run(disk, STEPS, process="a")
    run(disk, [], process="b")
    lines = disk.content(JOURNAL).splitlines(keepends=True)
    body = lines[-1][: lines[-1].rindex(b',"crc"')].replace(b'"known":null', b'"known":"accepted"') + b"}"
    disk.replace(JOURNAL, b"".join(lines[:-1]) + seal(body))
    store = store_on(disk.process("c"))
    assert store.read(ACCOUNT).unsettled["SYM1"].known is None  # as the records have it
    with pytest.raises(ChainBroken, match="line 6: its checkpoint is not what the records before it add up to"):
        store.read(ACCOUNT, whole=True)
    (verdict,) = verify(as_store(store), {})
    assert (verdict.is_good, verdict.bad_line) == (False, 6)


@pytest.mark.parametrize("cut", [1, 40, 300])
def test_a_checkpoint_that_a_crash_cut_short_is_moved_aside(always: None, cut: int) -> None:
    disk = SimulatedDisk(1)
    run(disk, STEPS, process="a")
    disk.replace(JOURNAL, disk.content(JOURNAL)[:-cut])
    assert list(store_on(disk.process("b")).read(ACCOUNT).unsettled) == ["SYM1"]
    run(disk, [], process="c")
    assert kinds(disk) == ["journal", "intent", "run_finished", "repaired", "run_finished", "checkpoint"]


def test_what_only_looks_like_a_checkpoint_is_passed_by(always: None) -> None:
    disk = SimulatedDisk(1)
    facts = RunStart(policy={"kind": "checkpoint", "run": {"kind": "checkpoint", "run": "x"}})
    run(disk, STEPS, process="a")
    run(disk, [RunStarted(host="h", command="apply", details=facts)] * 3, process="b")
    lines = disk.content(JOURNAL).splitlines(keepends=True)
    disk.replace(JOURNAL, b"".join(lines[:-1]))  # the last checkpoint is gone, and those in the facts are none
    read = store_on(disk.process("c")).read(ACCOUNT)
    assert (list(read.unsettled), read.records) == (["SYM1"], len(lines) - 2)


def test_an_account_that_no_line_holds_goes_without(always: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from reconcile.journal import codec

    monkeypatch.setattr(codec, "MAX_LINE", 1_500)
    disk = SimulatedDisk(1)
    run(disk, [intent(f"i{n}", Address(f"SYM{n}", Side.LONG), START_MS, is_move=True) for n in range(4)], process="a")
    assert kinds(disk)[-1] == "run_finished"


def test_a_checkpoint_gives_back_what_was_put_in() -> None:
    state = fold(chained(RECORDS), identity=ACCOUNT, name="j").state
    line = encode(taken(state, size=5), seq=2, prev="0" * 64, at=rfc3339(0), run="r")
    found = decode(parse_line(line))
    assert isinstance(found, Checkpoint)
    again = restored(found)
    assert everything(again, notes=False) | {"records": 0, "head": ""} == everything(state, notes=False) | {
        "records": 0,
        "head": "",
    }
