"""Journals in files, on a disk that is simulated: opening, appending, flushing together, the lock, what goes wrong."""

import asyncio
import errno
import json
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

import pytest

from reconcile.clock import Clock, SystemClock
from reconcile.errors import ChainBroken, Declined, JournalError, LockLost
from reconcile.journal import run_end
from reconcile.journal.chain import line_hash
from reconcile.journal.codec import GENESIS, MAX_LINE, Header, encode, rfc3339
from reconcile.journal.file.disk import SystemDisk
from reconcile.journal.file.store import FileStore
from reconcile.journal.file.writer import FileJournal
from reconcile.journal.records import (
    Checkpoint,
    IntentStatus,
    NoteRecord,
    PlanUsed,
    Record,
    Relocation,
    Repaired,
    Resolved,
    RunFinished,
    RunStarted,
)
from tests.kit.journals import (
    ACCOUNT,
    HELD,
    HOLDER,
    HOME,
    JOURNAL,
    LOCK,
    SINCE,
    VirtualClock,
    as_store,
    chained,
    everything,
    inline,
    intent,
    outcome,
    steps,
    store_on,
)
from tests.simulation.disk import SimulatedDisk

T = TypeVar("T")


@dataclass
class Held:
    """What happened while a journal was held."""

    head: str = ""
    records: int = 0
    waited: list[Mapping[str, str]] = field(default_factory=list)


async def write(store: FileStore, *numbers: int, durable: bool = True, run_id: str = "run-1") -> Held:
    """One run that journals these intents as refused."""
    async with store.open(ACCOUNT, run_id=run_id, holder=HOLDER, timeout_ms=0) as journal:
        for number in numbers:
            await journal.append(intent(number), durable=durable)
            await journal.append(outcome(number, IntentStatus.REFUSED), durable=False)
        return Held(head=journal.head, records=journal.state.records)


def hold(store: FileStore, inside: Callable[[FileJournal], Coroutine[Any, Any, T]], *, timeout_ms: int = 0) -> T:
    """Open the journal, do something, close it."""

    async def go() -> T:
        async with store.open(ACCOUNT, run_id="run-1", holder=HOLDER, timeout_ms=timeout_ms) as journal:
            return await inside(journal)

    return asyncio.run(go())


def kinds(disk: SimulatedDisk) -> list[str]:
    return [line["kind"] for line in store_on(disk.process("reader")).lines(ACCOUNT)]


# Opening.


def test_a_new_journal_begins_with_its_header() -> None:
    disk = SimulatedDisk(1)

    asyncio.run(write(store_on(disk.process("a"))))

    header = json.loads(disk.content(JOURNAL))
    assert (header["kind"], header["format"], header["identity"], header["run"]) == (
        "journal",
        "reconcile.journal/1",
        ACCOUNT,
        "run-1",
    )


def test_a_new_journal_knows_of_no_run() -> None:
    state = hold(store_on(SimulatedDisk(1).process("a")), _state)

    assert (state.records, state.last_host) == (0, None)


async def _state(journal: FileJournal) -> Any:
    return journal.state


def test_what_one_run_wrote_the_next_one_knows() -> None:
    disk = SimulatedDisk(1)

    async def first(journal: FileJournal) -> None:
        await journal.append(RunStarted(host="alpha", command="apply"), durable=False)
        await journal.append(PlanUsed(plan_id="p", digest="d"), durable=False)
        await journal.append(intent(1), durable=True)

    hold(store_on(disk.process("a")), first)
    state = hold(store_on(disk.process("b")), _state)

    assert (state.last_host, state.used_plans, list(state.unsettled)) == ("alpha", {"p"}, ["SYM1.long"])


def every_kind() -> list[Record]:
    """Records of every kind, each of which may change what a journal adds up to."""
    found = {
        "declared": {"SYM50.long": "7"},
        "live": {"SYM50.long": {"isolated_margin": "7.5"}},
        "live_at_ms": 5_000,
        "out_of_place": [],
    }
    return [
        RunStarted(host="alpha", command="apply", cold_until_ms=9_000),
        PlanUsed(plan_id="p", digest="d"),
        *steps(20),
        outcome(30, IntentStatus.APPLIED, effect_ms=3_000, claim="row 1"),
        intent(31),
        outcome(31, IntentStatus.UNKNOWN, effect_ms=4_000),
        intent(32),
        Resolved(intent_id="intent-32", applied=True, reason="looked", actor="ana", effect_ms=6_000),
        Repaired(file="torn", size=3),
        NoteRecord(what="refused"),
        RunFinished(details=run_end.read(found)),
        Relocation(to="okx-live-7", with_records=True, account="main", actor="ana", host="alpha"),
    ]


def test_the_folded_state_is_the_appended_one() -> None:
    disk = SimulatedDisk(1)

    async def many(journal: FileJournal) -> Any:
        for record in every_kind():
            await journal.append(record, durable=False)
        return journal.state

    assert {type(record) for record in every_kind()} == set(get_args(Record)) - {Checkpoint}
    written = hold(store_on(disk.process("a")), many)
    read = store_on(disk.process("b")).read(ACCOUNT)

    assert everything(written) == everything(read)


def test_a_file_store_is_all_that_the_program_asks_of_a_store() -> None:
    store = as_store(store_on(SimulatedDisk(1).process("a")))

    async def go() -> str:
        async with store.open(ACCOUNT, run_id="r", holder=HOLDER, timeout_ms=0) as journal:
            return journal.head

    assert asyncio.run(go()) == store.read(ACCOUNT).head


@pytest.mark.parametrize("torn", [b"", b'{"seq":', b"x" * 20_000])
@pytest.mark.parametrize("size", [0, 10, 5_000, 100_000])
def test_the_head_is_that_of_the_last_whole_line_whatever_its_length(size: int, torn: bytes) -> None:
    disk = SimulatedDisk(1)
    held = hold(store_on(disk.process("a")), lambda journal: long_line(journal, size))
    disk.replace(JOURNAL, disk.content(JOURNAL) + torn)

    assert asyncio.run(store_on(disk.process("b")).head(ACCOUNT)) == held


async def long_line(journal: FileJournal, size: int) -> str:
    for _ in range(2):
        await journal.append(NoteRecord(what="x" * size), durable=True)
    return journal.head


@pytest.mark.parametrize("content", [None, b"", b"not ended"])
def test_without_a_whole_line_there_is_no_head(content: bytes | None) -> None:
    disk = SimulatedDisk(1)
    if content is not None:
        asyncio.run(write(store_on(disk.process("a")), 1))
        disk.replace(JOURNAL, content)

    assert asyncio.run(store_on(disk.process("b")).head(ACCOUNT)) is None


def test_a_last_line_that_was_changed_is_no_head() -> None:
    disk = SimulatedDisk(1)
    asyncio.run(write(store_on(disk.process("a")), 1))
    disk.replace(JOURNAL, disk.content(JOURNAL).replace(b"refused", b"Refused"))

    with pytest.raises(JournalError, match="its last line was changed"):
        asyncio.run(store_on(disk.process("b")).head(ACCOUNT))


def test_the_head_of_a_long_journal_is_known_from_its_end() -> None:
    disk = SimulatedDisk(1)
    head = asyncio.run(write(store_on(disk.process("a")), *range(300))).head
    content = disk.content(JOURNAL)
    disk.replace(JOURNAL, b"?" * (len(content) // 2) + content[len(content) // 2 :])

    assert asyncio.run(store_on(disk.process("b")).head(ACCOUNT)) == head


def test_each_line_names_the_run_it_was_written_in() -> None:
    disk = SimulatedDisk(1)
    asyncio.run(write(store_on(disk.process("a")), 1, run_id="one"))
    asyncio.run(write(store_on(disk.process("a")), 2, run_id="two"))

    runs = [line["run"] for line in store_on(disk.process("a")).lines(ACCOUNT)]

    assert runs == ["one", "one", "one", "two", "two"]


def test_an_intent_for_a_lane_in_doubt_is_refused_and_the_journal_goes_on() -> None:
    disk = SimulatedDisk(1)

    async def twice(journal: FileJournal) -> None:
        await journal.append(intent(1), durable=True)
        with pytest.raises(JournalError, match=r"an earlier one on SYM1\.long is unsettled"):
            await journal.append(intent(1), durable=True)
        await journal.append(outcome(1, IntentStatus.NOT_APPLIED), durable=True)
        await journal.append(intent(1), durable=True)

    hold(store_on(disk.process("a")), twice)

    assert disk.open_handles == 0
    assert kinds(disk) == ["journal", "intent", "outcome", "intent"]


@pytest.mark.parametrize("identity", ["", "../etc/passwd", "a/b", ".hidden", "a" * 201, "a\n"])
def test_an_identity_that_is_no_file_name_is_refused(identity: str) -> None:
    with pytest.raises(JournalError, match="no journal is called"):
        store_on(SimulatedDisk(1).process("a")).read(identity)


# Reading.


def test_a_home_that_is_not_there_holds_no_journals() -> None:
    store = store_on(SimulatedDisk(1).process("a"))

    assert store.identities() == []
    assert store.read(ACCOUNT).records == 0
    assert list(store.lines(ACCOUNT)) == []
    assert store.holder(ACCOUNT) is None


def test_the_accounts_are_listed_in_order() -> None:
    disk = SimulatedDisk(1)
    for identity in ("okx-live-9", "binance-live-key-1", "okx-live-10"):
        disk.replace(HOME / "journal" / f"{identity}.jsonl", b"")
    disk.replace(LOCK, b"")

    assert store_on(disk.process("a")).identities() == ["binance-live-key-1", "okx-live-10", "okx-live-9"]


def test_a_reader_needs_no_lock_and_sees_every_line_that_was_written() -> None:
    disk = SimulatedDisk(1)

    async def look(journal: FileJournal) -> Any:
        await journal.append(intent(1), durable=False)
        return store_on(disk.process("reader")).read(ACCOUNT).head, journal.head

    seen, head = hold(store_on(disk.process("a")), look)

    assert seen == head


@pytest.mark.parametrize("torn", [b"{", b'{"seq":5,"prev":"', b"\0\0\0"])
def test_a_reader_ignores_an_unfinished_last_line(torn: bytes) -> None:
    disk = SimulatedDisk(1)
    lines = chained(steps(3))
    disk.replace(JOURNAL, b"".join(lines) + torn)
    store = store_on(disk.process("a"))

    assert store.read(ACCOUNT).head == line_hash(lines[-1])
    assert len(list(store.lines(ACCOUNT))) == 4
    assert disk.content(JOURNAL).endswith(torn)


def test_a_pinned_head_that_is_gone_is_noticed() -> None:
    disk = SimulatedDisk(1)
    held = asyncio.run(write(store_on(disk.process("a")), 1, 2))
    lines = disk.content(JOURNAL).splitlines(keepends=True)
    disk.replace(JOURNAL, b"".join(lines[:-1]))
    store = store_on(disk.process("a"))

    assert store.read(ACCOUNT).records == 3
    with pytest.raises(ChainBroken, match="no line has the pinned hash") as caught:
        store.read(ACCOUNT, pinned=held.head)
    assert caught.value.line == 5


def test_a_pinned_head_of_a_journal_that_is_gone_is_noticed() -> None:
    with pytest.raises(ChainBroken):
        store_on(SimulatedDisk(1).process("a")).read(ACCOUNT, pinned="ab" * 32)


def test_a_broken_chain_is_not_opened_and_the_lock_is_free_again() -> None:
    disk = SimulatedDisk(1)
    lines = chained(steps(5))
    disk.replace(JOURNAL, b"".join([*lines[:2], *lines[3:]]))
    store = store_on(disk.process("a"))

    with pytest.raises(ChainBroken, match="line 3"):
        hold(store, _state)

    assert store.holder(ACCOUNT) is None
    assert disk.content(JOURNAL) == b"".join([*lines[:2], *lines[3:]])


def test_a_journal_of_a_newer_version_is_read_and_not_opened() -> None:
    disk = SimulatedDisk(1)
    newer = Header(format="reconcile.journal/2", identity=ACCOUNT)
    content = encode(newer, seq=1, prev=GENESIS, at=rfc3339(0), run="run-1")
    disk.replace(JOURNAL, content)
    store = store_on(disk.process("a"))

    with pytest.raises(JournalError, match="a newer reconcile wrote it"):
        hold(store, _state)

    assert store.read(ACCOUNT).head == line_hash(content)
    assert disk.content(JOURNAL) == content


def test_a_line_without_an_end_is_a_break_and_is_not_held_in_memory() -> None:
    disk = SimulatedDisk(1)
    disk.replace(JOURNAL, b"".join(chained(steps(2))) + b"x" * (4 * MAX_LINE))

    with pytest.raises(ChainBroken, match="line 4: it has no end"):
        store_on(disk.process("a")).read(ACCOUNT)


def test_lines_across_the_chunks_of_a_reader_are_whole() -> None:
    disk = SimulatedDisk(1)
    lines = chained([NoteRecord(what="x" * 300_000) for _ in range(9)])
    disk.replace(JOURNAL, b"".join(lines))

    assert store_on(disk.process("a")).read(ACCOUNT).head == line_hash(lines[-1])


def test_a_file_that_shrinks_while_it_is_read_ends_where_it_ends() -> None:
    disk = SimulatedDisk(1)
    lines = chained([NoteRecord(what="x" * 300_000) for _ in range(9)])
    disk.replace(JOURNAL, b"".join(lines))
    reads = iter([False, False, False, False, True])  # three chunks from the end, then two from the beginning

    def shrink(process: str, asked: str, _path: Path) -> None:
        if (process, asked) == ("reader", "read") and next(reads, False):
            scribbler = disk.process("scribbler")
            scribbler.truncate(scribbler.open_append(JOURNAL), 700_000)

    disk.before = shrink

    assert store_on(disk.process("reader")).read(ACCOUNT).head == line_hash(lines[3])


# An unfinished last line.

TORN = {"a part of a line": (4, b'{"seq":5,"prev'), "a part of the header": (0, b'{"seq":1'), "zeros": (3, b"\0" * 50)}


@pytest.mark.parametrize(("whole", "torn"), TORN.values(), ids=TORN)
def test_a_writer_moves_an_unfinished_line_aside_and_says_so(whole: int, torn: bytes) -> None:
    disk = SimulatedDisk(1)
    disk.replace(JOURNAL, b"".join(chained(steps(3))[:whole]) + torn)

    asyncio.run(write(store_on(disk.process("a"))))

    last = list(store_on(disk.process("a")).lines(ACCOUNT))[-1]
    assert (last["kind"], last["size"], last["seq"]) == ("repaired", len(torn), max(whole, 1) + 1)
    assert disk.content(JOURNAL.with_name(last["file"])) == torn


@pytest.mark.parametrize("seed", range(20))
def test_an_unfinished_line_is_safe_in_its_own_file_before_it_is_cut_off(seed: int) -> None:
    disk = SimulatedDisk(seed)
    disk.replace(JOURNAL, b"".join(chained(steps(3))) + b"torn")

    asyncio.run(write(store_on(disk.process("a")), 1))
    disk.power_loss()

    (repaired,) = [line for line in store_on(disk.process("a")).lines(ACCOUNT) if line["kind"] == "repaired"]
    assert disk.content(JOURNAL.with_name(repaired["file"])) == b"torn"


def test_a_repaired_journal_is_not_repaired_again() -> None:
    disk = SimulatedDisk(1)
    disk.replace(JOURNAL, b"".join(chained(steps(1))) + b"{")
    asyncio.run(write(store_on(disk.process("a"))))

    asyncio.run(write(store_on(disk.process("a"))))

    assert kinds(disk).count("repaired") == 1


# Flushing together.


@pytest.mark.parametrize("count", [1, 2, 50, 500])
def test_appends_that_wait_at_the_same_time_share_one_flush(count: int) -> None:
    disk = SimulatedDisk(1)

    async def together(journal: FileJournal) -> None:
        await asyncio.gather(*(journal.append(intent(number), durable=True) for number in range(count)))

    hold(store_on(disk.process("a")), together)

    assert disk.flushes == 1
    assert [line.get("intent_id") for line in store_on(disk.process("a")).lines(ACCOUNT)][1:] == [
        f"intent-{number}" for number in range(count)
    ]


class SlowFlushes:
    """Blocking work that takes ten milliseconds; never two at once."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.running = 0
        self.most = 0

    async def __call__(self, work: Callable[[], T]) -> T:
        self.running += 1
        self.most = max(self.most, self.running)
        for _ in range(10):
            await self.clock.sleep(1)
        self.running -= 1
        return work()


def test_appends_that_come_during_a_flush_share_the_next_and_never_two_run_at_once() -> None:
    disk, clock = SimulatedDisk(1), VirtualClock()
    slow = SlowFlushes(clock)
    store = FileStore(HOME, disk.process("a"), clock, slow)

    async def one(journal: FileJournal, number: int) -> None:
        for _ in range(number % 7):
            await asyncio.sleep(0)
        await journal.append(intent(number), durable=True)

    async def together(journal: FileJournal) -> None:
        await asyncio.gather(*(one(journal, number) for number in range(100)))

    hold(store, together)

    assert disk.flushes == 2
    assert slow.most == 1
    assert len(store.read(ACCOUNT).unsettled) == 100


def test_a_durable_append_returns_only_when_a_power_cut_could_not_take_it() -> None:
    disk = SimulatedDisk(1)

    async def cut(journal: FileJournal) -> None:
        await journal.append(intent(1), durable=True)
        disk.power_loss()

    hold(store_on(disk.process("a")), cut)

    assert kinds(disk) == ["journal", "intent"]


def test_a_file_whose_maker_died_before_its_name_was_safe_gets_a_safe_name() -> None:
    disk = SimulatedDisk(1)
    dead = disk.process("a")
    asyncio.run(write(store_on(dead)))
    disk.kill(dead)

    asyncio.run(write(store_on(disk.process("b")), 1))
    disk.power_loss()

    assert "intent" in kinds(disk)


def test_cancelling_one_who_waits_for_a_flush_stops_nobody_else() -> None:
    disk, clock = SimulatedDisk(1), VirtualClock()
    store = FileStore(HOME, disk.process("a"), clock, SlowFlushes(clock))

    async def cancel_first(journal: FileJournal) -> None:
        first = asyncio.ensure_future(journal.append(intent(1), durable=True))
        second = asyncio.ensure_future(journal.append(intent(2), durable=True))
        for _ in range(3):
            await asyncio.sleep(0)
        first.cancel()
        await second
        assert first.cancelled()

    hold(store, cancel_first)
    disk.power_loss()

    assert kinds(disk) == ["journal", "intent", "intent"]


def test_closing_waits_for_the_flush_that_runs() -> None:
    disk, clock = SimulatedDisk(1), VirtualClock()
    store = FileStore(HOME, disk.process("a"), clock, SlowFlushes(clock))

    async def leave_early(journal: FileJournal) -> None:
        waiting = asyncio.ensure_future(journal.append(intent(1), durable=True))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting.cancel()

    hold(store, leave_early)

    assert disk.flushes == 1
    assert store.holder(ACCOUNT) is None


def test_being_cancelled_while_a_journal_is_opened_frees_the_lock() -> None:
    disk, clock = SimulatedDisk(1), VirtualClock()
    store = FileStore(HOME, disk.process("a"), clock, SlowFlushes(clock))

    async def go() -> None:
        opening = asyncio.ensure_future(write(store))
        for _ in range(4):
            await asyncio.sleep(0)
        assert store.holder(ACCOUNT) == HELD
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        assert opening.cancelled()

    asyncio.run(go())

    assert store.holder(ACCOUNT) is None
    assert disk.open_handles == 0


# The lock.


def test_the_holder_is_shown_while_it_holds_and_nobody_afterwards() -> None:
    disk = SimulatedDisk(1)
    other = store_on(disk.process("b"))

    async def look(journal: FileJournal) -> Mapping[str, str] | None:
        return other.holder(ACCOUNT)

    assert hold(store_on(disk.process("a")), look) == HELD
    assert other.holder(ACCOUNT) is None


def test_a_lock_that_is_held_is_waited_for_and_the_waiter_told_once() -> None:
    disk, clock = SimulatedDisk(1), VirtualClock()
    held = Held()

    async def first() -> None:
        async with store_on(disk.process("a"), clock).open(ACCOUNT, run_id="1", holder=HOLDER, timeout_ms=0):
            while clock.now < 5_000:  # noqa: ASYNC110 - until it is late, not until something happens
                await asyncio.sleep(0)

    async def second() -> int:
        store = store_on(disk.process("b"), clock)
        async with store.open(ACCOUNT, run_id="2", holder={}, timeout_ms=60_000, on_wait=held.waited.append):
            return clock.now

    async def both() -> int:
        return (await asyncio.gather(first(), second()))[1]

    assert asyncio.run(both()) in range(5_000, 5_401)
    assert held.waited == [HELD]


@pytest.mark.parametrize(("timeout_ms", "text"), [(0, "not free, "), (1_500, "not free within 1.5 s, ")])
def test_a_lock_that_does_not_get_free_in_time_names_its_holder(timeout_ms: int, text: str) -> None:
    disk, clock = SimulatedDisk(1), VirtualClock()

    async def second(journal: FileJournal) -> None:
        store = store_on(disk.process("b"), clock)
        async with store.open(ACCOUNT, run_id="2", holder={}, timeout_ms=timeout_ms):
            raise AssertionError

    with pytest.raises(Declined, match=f"{text}it is held by host alpha, pid 7, since {SINCE}; wait") as caught:
        hold(store_on(disk.process("a"), clock), second)

    assert caught.value.key == "lock"
    assert clock.now == timeout_ms


def test_the_lock_of_a_killed_process_is_free_at_once() -> None:
    disk = SimulatedDisk(1)
    dead = disk.process("a")

    async def die(journal: FileJournal) -> None:
        await journal.append(intent(1), durable=False)
        disk.kill(dead)

    hold(store_on(dead), die)
    state = hold(store_on(disk.process("b")), _state)

    assert list(state.unsettled) == ["SYM1.long"]


def test_locks_of_two_accounts_are_two_locks() -> None:
    disk = SimulatedDisk(1)
    store = store_on(disk.process("a"))

    async def other(journal: FileJournal) -> str:
        async with store.open("okx-live-1", run_id="2", holder={}, timeout_ms=0) as second:
            return second.identity

    assert hold(store, other) == "okx-live-1"


def test_a_lock_file_that_is_replaced_while_it_is_opened_is_opened_anew() -> None:
    disk = SimulatedDisk(1)
    replacements = [b"new", b"newer"]

    def replace(process: str, asked: str, path: Path) -> None:
        if (process, asked, path) == ("a", "lock", LOCK) and replacements:
            disk.replace(LOCK, replacements.pop())

    disk.before = replace

    async def look(journal: FileJournal) -> Any:
        journal.check()
        return store_on(disk.process("b")).holder(ACCOUNT)

    assert hold(store_on(disk.process("a")), look) == HELD


def test_a_lock_file_that_is_replaced_whenever_it_is_opened_is_not_ours() -> None:
    disk = SimulatedDisk(1)
    disk.before = lambda _process, asked, _path: disk.replace(LOCK, b"") if asked == "lock" else None

    with pytest.raises(Declined):
        hold(store_on(disk.process("a")), _state)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff"])
def test_a_holder_that_has_not_given_its_name_is_a_holder_all_the_same(text: bytes) -> None:
    disk = SimulatedDisk(1)

    async def wipe(journal: FileJournal) -> Any:
        process = disk.process("scribbler")
        handle = process.open_append(LOCK)
        process.truncate(handle, 0)
        process.write(handle, text)
        with pytest.raises(Declined, match="a process that has not given its name"):
            await write(store_on(disk.process("b")))
        return store_on(disk.process("b")).holder(ACCOUNT)

    assert hold(store_on(disk.process("a")), wipe) == {}


LOSSES: dict[str, Callable[[SimulatedDisk], None]] = {
    "the lock file is replaced": lambda disk: disk.replace(LOCK, b"mine"),
    "the lock file is removed": lambda disk: disk.remove(LOCK),
    "the journal is replaced by its copy": lambda disk: disk.replace(JOURNAL, disk.content(JOURNAL)),
    "the journal is removed": lambda disk: disk.remove(JOURNAL),
    "the journal has grown": lambda disk: _scribble(disk, b"{}\n", cut=0),
    "the journal was cut": lambda disk: _scribble(disk, b"", cut=1),
    "the last record was changed": lambda disk: _scribble(disk, b"?\n", cut=2),
}


def _scribble(disk: SimulatedDisk, text: bytes, *, cut: int) -> None:
    """What another writer does to the same file."""
    process = disk.process("scribbler")
    handle = process.open_append(JOURNAL)
    process.truncate(handle, len(disk.content(JOURNAL)) - cut)
    process.write(handle, text)
    process.close(handle)


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
def test_a_holder_notices_that_it_holds_the_account_no_more(lose: Callable[[SimulatedDisk], None]) -> None:
    disk = SimulatedDisk(1)

    async def go(journal: FileJournal) -> bytes:
        await journal.append(intent(1), durable=True)
        journal.check()
        lose(disk)
        left = disk.content(JOURNAL) if "journal" not in _missing(disk) else b""
        with pytest.raises(LockLost, match="nothing more is sent"):
            journal.check()
        with pytest.raises(LockLost, match="nothing more is sent"):
            await journal.append(intent(2), durable=True)
        return left

    left = hold(store_on(disk.process("a")), go)

    assert left == (disk.content(JOURNAL) if "journal" not in _missing(disk) else b"")


def _missing(disk: SimulatedDisk) -> set[str]:
    return set() if disk.process("x").stat(JOURNAL) else {"journal"}


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
def test_an_append_looks_by_itself_whether_the_account_is_still_held(lose: Callable[[SimulatedDisk], None]) -> None:
    disk = SimulatedDisk(1)

    async def go(journal: FileJournal) -> None:
        lose(disk)
        with pytest.raises(LockLost):
            await journal.append(intent(1), durable=True)

    hold(store_on(disk.process("a")), go)

    assert "journal" in _missing(disk) or b"intent" not in disk.content(JOURNAL)


@pytest.mark.parametrize("lose", [name for name in LOSSES if name != "the last record was changed"])
def test_an_intent_does_not_count_if_the_account_was_lost_while_it_was_written(
    lose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SimulatedDisk(1)

    async def go(journal: FileJournal) -> None:
        put = journal._put

        def late(line: bytes) -> None:
            LOSSES[lose](disk)
            put(line)

        monkeypatch.setattr(journal, "_put", late)
        with pytest.raises(LockLost, match="nothing more is sent"):
            await journal.append(intent(1), durable=True)

    hold(store_on(disk.process("a")), go)


def test_of_two_runs_that_write_an_intent_at_one_moment_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SimulatedDisk(1)
    second = store_on(disk.process("b"))

    async def other(journal: FileJournal) -> None:
        await journal.append(intent(2), durable=True)

    async def go(journal: FileJournal) -> None:
        put = journal._put

        def late(line: bytes) -> None:
            disk.remove(LOCK)
            with ThreadPoolExecutor() as elsewhere:
                elsewhere.submit(hold, second, other).result()
            put(line)

        monkeypatch.setattr(journal, "_put", late)
        with pytest.raises(LockLost):
            await journal.append(intent(1), durable=True)

    hold(store_on(disk.process("a")), go)

    with pytest.raises(ChainBroken):
        second.read(ACCOUNT)


# Trouble with the disk.


def test_a_full_disk_lets_nothing_follow_the_part_that_fitted() -> None:
    disk = SimulatedDisk(1)

    async def fill(journal: FileJournal) -> None:
        await journal.append(intent(1), durable=True)
        disk.capacity = sum(len(disk.content(path)) for path in (JOURNAL, LOCK)) + 100
        with pytest.raises(JournalError, match="no space left on device; nothing more is sent"):
            await journal.append(intent(2), durable=True)
        disk.capacity = None
        with pytest.raises(JournalError, match="no space left on device; nothing more is sent"):
            await journal.append(intent(3), durable=True)

    hold(store_on(disk.process("a")), fill)
    asyncio.run(write(store_on(disk.process("b")), 4))

    assert kinds(disk) == ["journal", "intent", "repaired", "intent", "outcome"]


@pytest.mark.parametrize("capacity", [0, 10, 60, 200])
def test_on_a_disk_that_is_full_already_nothing_can_be_sent(capacity: int) -> None:
    disk = SimulatedDisk(1, capacity=capacity)

    with pytest.raises(JournalError, match="no space left on device"):
        asyncio.run(write(store_on(disk.process("a")), 1))

    assert store_on(disk.process("a")).read(ACCOUNT).unsettled == {}


def test_after_a_failed_flush_nothing_is_trusted_any_more() -> None:
    disk = SimulatedDisk(1)
    disk.failing_flushes = 1

    async def fail(journal: FileJournal) -> list[Any]:
        both = (journal.append(intent(1), durable=True), journal.append(intent(2), durable=True))
        results = list(await asyncio.gather(*both, return_exceptions=True))
        with pytest.raises(JournalError):
            await journal.append(NoteRecord(what="anything"), durable=False)
        with pytest.raises(JournalError):
            journal.check()
        return results

    results = hold(store_on(disk.process("a")), fail)

    assert [type(result) for result in results] == [JournalError, JournalError]
    assert "flushing the journal to disk" in str(results[0])
    assert isinstance(results[0].__cause__, JournalError)


def test_a_closed_journal_takes_nothing_more() -> None:
    store = store_on(SimulatedDisk(1).process("a"))
    journal = hold(store, _itself)

    with pytest.raises(JournalError, match="it was closed"):
        asyncio.run(journal.append(intent(1), durable=True))


async def _itself(journal: FileJournal) -> FileJournal:
    return journal


FAILURES = {
    "permission": (errno.EACCES, "choose a home that is yours"),
    "read-only": (errno.EROFS, "choose a home that can be written"),
    "not a folder": (errno.ENOTDIR, "choose a home that is a folder"),
    "quota": (errno.EDQUOT, "make room within your quota"),
    "anything else": (errno.EIO, "check the disk"),
}


@pytest.mark.parametrize("operation", ["make_folder", "open_append", "lock", "stat", "truncate", "write"])
@pytest.mark.parametrize(("number", "advice"), FAILURES.values(), ids=FAILURES)
def test_a_disk_that_refuses_to_open_a_journal_is_explained(operation: str, number: int, advice: str) -> None:
    def refuse(_process: str, asked: str, path: Path) -> None:
        if asked == operation:
            raise OSError(number, "refused", str(path))

    disk = SimulatedDisk(1, before=refuse)

    with pytest.raises(JournalError, match=advice):
        asyncio.run(write(store_on(disk.process("a")), 1))


def test_a_disk_that_refuses_to_be_looked_at_kills_the_journal() -> None:
    disk = SimulatedDisk(1)

    def refuse(process: str, asked: str, _path: Path) -> None:
        if asked == "stat" and process == "a":
            raise OSError(errno.ESTALE, "stale file handle")

    async def go(journal: FileJournal) -> None:
        disk.before = refuse
        for _ in range(2):
            with pytest.raises(JournalError, match=r"checking the journal and its lock: .*stale file handle"):
                journal.check()

    hold(store_on(disk.process("a")), go)

    assert kinds(disk) == ["journal"]


# Putting a journal aside.


def test_a_retired_journal_is_kept_and_the_next_run_begins_a_new_one() -> None:
    disk = SimulatedDisk(1)
    store = store_on(disk.process("a"))
    asyncio.run(write(store, 1))
    content = disk.content(JOURNAL)

    names = [asyncio.run(store.retire(ACCOUNT, holder=HOLDER))]
    asyncio.run(write(store, 2))
    names.append(asyncio.run(store.retire(ACCOUNT, holder=HOLDER)))

    assert names == [f"{ACCOUNT}.jsonl.20231114T221320.000Z", f"{ACCOUNT}.jsonl.20231114T221320.000Z-2"]
    assert disk.content(JOURNAL.with_name(str(names[0]))) == content
    assert store.identities() == []
    assert store.read(ACCOUNT).records == 0


def test_nothing_is_retired_where_there_is_nothing() -> None:
    disk = SimulatedDisk(1)

    assert asyncio.run(store_on(disk.process("a")).retire(ACCOUNT, holder=HOLDER)) is None
    assert disk.process("x").names(HOME / "journal") == []


def test_a_journal_that_is_held_is_not_retired() -> None:
    disk = SimulatedDisk(1)
    other = store_on(disk.process("b"))

    async def retire(journal: FileJournal) -> None:
        with pytest.raises(Declined):
            await other.retire(ACCOUNT, holder={})

    hold(store_on(disk.process("a")), retire)

    assert kinds(disk) == ["journal"]


def test_blocking_work_runs_on_threads_unless_told_otherwise() -> None:
    disk = SimulatedDisk(1)

    asyncio.run(write(FileStore(HOME, disk.process("a"), VirtualClock()), 1, 2))

    assert kinds(disk) == ["journal", "intent", "outcome", "intent", "outcome"]
    assert asyncio.run(inline(lambda: disk.flushes)) == 2


# Put back.


def _cut(content: bytes) -> bytes:
    return b"".join(content.splitlines(keepends=True)[:-1])


CHANGES: dict[str, tuple[Callable[[bytes], bytes], int, bool]] = {
    "left alone": (lambda content: content, 0, False),
    "put back as it is a moment later": (lambda content: content, 1_000, False),
    "put back as it is": (lambda content: content, 1_001, True),
    "cut": (_cut, 60_000, True),
    "put back by a clock that is behind": (_cut, -60_000, True),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changed_at_another_time_than_its_last_record_may_be_an_older_copy(change: str) -> None:
    alter, later_ms, expected = CHANGES[change]
    disk, clock = SimulatedDisk(1), VirtualClock()
    first = FileStore(HOME, disk.process("a", wall_ms=clock.wall_ms), clock, run_blocking=inline)
    asyncio.run(write(first, 1))
    disk.replace(JOURNAL, alter(disk.content(JOURNAL)), changed_ms=clock.wall_ms() + later_ms)

    async def told(journal: FileJournal) -> bool:
        return journal.was_changed

    store = FileStore(HOME, disk.process("b", wall_ms=clock.wall_ms), clock, run_blocking=inline)
    assert hold(store, told) is expected


async def _was_changed(journal: FileJournal) -> bool:
    return journal.was_changed


def _put_back(disk: SimulatedDisk, clock: VirtualClock, content: bytes) -> None:
    disk.replace(JOURNAL, content, changed_ms=clock.wall_ms() - 60_000)


def test_a_torn_line_that_is_put_aside_does_not_hide_that_the_journal_may_be_an_older_copy() -> None:
    disk, clock = SimulatedDisk(1), VirtualClock()
    store = FileStore(HOME, disk.process("a", wall_ms=clock.wall_ms), clock, run_blocking=inline)
    asyncio.run(write(store, 1))
    _put_back(disk, clock, disk.content(JOURNAL)[:-10])

    assert hold(store, _was_changed)
    assert hold(store, _was_changed)  # the first one wrote a line of its own, and began no run

    async def begin(journal: FileJournal) -> None:
        await journal.append(RunStarted(host="alpha", command="apply"), durable=True)

    hold(store, begin)
    assert not hold(store, _was_changed)


def test_a_move_does_not_hide_that_the_journal_may_be_an_older_copy() -> None:
    disk, clock = SimulatedDisk(1), VirtualClock()
    store = FileStore(HOME, disk.process("a", wall_ms=clock.wall_ms), clock, run_blocking=inline)
    asyncio.run(write(store, 1))
    _put_back(disk, clock, disk.content(JOURNAL))

    async def moved() -> bool:
        await store.move(ACCOUNT, "binance-live-9", run_id="run-2", holder=HOLDER, timeout_ms=0)
        async with store.open("binance-live-9", run_id="run-3", holder=HOLDER, timeout_ms=0) as journal:
            return journal.was_changed

    assert asyncio.run(moved())


def test_a_real_disk_tells_a_journal_of_now_from_one_that_was_put_back(tmp_path: Path) -> None:
    async def told(journal: FileJournal) -> bool:
        await journal.append(RunStarted(host="alpha", command="apply"), durable=True)
        return journal.was_changed

    async def opened(clock: Clock) -> bool:
        async with FileStore(tmp_path, SystemDisk(), clock).open(
            ACCOUNT, run_id="run", holder=HOLDER, timeout_ms=0
        ) as journal:
            return await told(journal)

    now, long_ago = SystemClock(), VirtualClock()
    assert [asyncio.run(opened(clock)) for clock in (now, now, long_ago, now, now)] == [
        False,
        False,
        False,
        True,
        False,
    ]
