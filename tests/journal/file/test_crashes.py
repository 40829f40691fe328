"""Crashes at any instant: what a durable append promised is there, whatever the disk lost besides."""

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconcile.errors import JournalError
from reconcile.journal.file.writer import FileJournal
from reconcile.journal.records import IntentStatus
from tests.kit.journals import ACCOUNT, HOLDER, intent, outcome, store_on
from tests.simulation.disk import SimulatedDisk, SimulatedProcess

SEEDS = 150
LIVES = 6
LANES = 5


class CrashError(BaseException):
    """The end of a process; nothing of the program may catch it."""


@dataclass
class World:
    """One disk over many lives, and what the program was promised in them."""

    seed: int
    dice: random.Random = field(init=False)
    disk: SimulatedDisk = field(init=False)
    process: SimulatedProcess = field(init=False)
    promised: list[str] = field(default_factory=list)
    """Ids of intents whose durable append returned."""
    operations: int = 0
    last_operation: int = 0
    numbers: int = 0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.disk = SimulatedDisk(self.seed, before=self.count)

    def count(self, process: str, operation: str, _path: Path) -> None:
        """Kill the process at the operation that was drawn."""
        self.operations += 1
        if process == "runner" and self.operations == self.last_operation:
            self.disk.kill(self.process)
            raise CrashError(operation)

    def live(self) -> None:
        """One run, up to its crash or its end; then perhaps a power cut."""
        self.process = self.disk.process("runner")
        self.operations, self.last_operation = 0, self.dice.randint(1, 120)
        try:
            asyncio.run(self.run())
        except (CrashError, JournalError):
            if not self.process.is_dead:
                raise
        self.disk.kill(self.process)
        if self.dice.random() < 0.6:
            self.disk.power_loss()

    async def run(self) -> None:
        """Settle what is open, then work on all lanes at once."""
        async with store_on(self.process).open(ACCOUNT, run_id="run", holder=HOLDER, timeout_ms=0) as journal:
            for found in list(journal.state.unsettled.values()):
                settled = outcome(int(found.intent.intent_id.partition("-")[2]), IntentStatus.NOT_APPLIED)
                await journal.append(settled, durable=False)
            await asyncio.gather(*(self.lane(journal, lane) for lane in range(LANES)))

    async def lane(self, journal: FileJournal, lane: int) -> None:
        """Intents one after the other, each with its outcome."""
        for _ in range(self.dice.randint(0, 4)):
            self.numbers += 1
            mine = intent(self.numbers, lane=f"LANE{lane}")
            await journal.append(mine, durable=True)
            self.promised.append(mine.intent_id)
            for _ in range(self.dice.randint(0, 2)):
                await asyncio.sleep(0)
            number = int(mine.intent_id.partition("-")[2])
            await journal.append(outcome(number, IntentStatus.APPLIED, effect_ms=1), durable=self.dice.random() < 0.3)

    def kept(self) -> list[str]:
        """The intents a later reader finds, the whole chain proven."""
        lines = store_on(self.disk.process("reader")).lines(ACCOUNT)
        return [line["intent_id"] for line in lines if line["kind"] == "intent"]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_intent_whose_durable_append_returned_outlives_any_crash(seed: int) -> None:
    world = World(seed)

    for _ in range(LIVES):
        world.live()
        assert set(world.promised) <= set(world.kept())

    assert len(world.kept()) == len(set(world.kept()))


def test_the_crashes_above_do_tear_lines_lose_files_and_leave_intents_open() -> None:
    seen: set[str] = set()
    for seed in range(SEEDS):
        world = World(seed)
        for _ in range(LIVES):
            world.live()
            store = store_on(world.disk.process("reader"))
            if store.read(ACCOUNT).unsettled:
                seen.add("open intent")
            if not store.identities():
                seen.add("lost file")
        if any(line["kind"] == "repaired" for line in store_on(world.disk.process("reader")).lines(ACCOUNT)):
            seen.add("torn line")
        if len(world.kept()) > len(world.promised):
            seen.add("unpromised intent kept")
        if world.numbers > len(world.kept()):
            seen.add("unpromised intent lost")

    assert seen == {"open intent", "lost file", "torn line", "unpromised intent kept", "unpromised intent lost"}


def test_a_crash_is_the_same_crash_for_the_same_seed() -> None:
    worlds = [World(7), World(7)]
    for world in worlds:
        for _ in range(LIVES):
            world.live()

    assert worlds[0].kept() == worlds[1].kept()
    assert worlds[0].promised == worlds[1].promised


class _Unflushed(SimulatedProcess):
    """A process whose flushes do nothing."""

    def flush(self, handle: int) -> None:
        """Lie."""


def test_a_disk_that_only_pretends_to_flush_is_caught_by_the_power_cuts_above() -> None:
    disk = SimulatedDisk(3)

    async def run() -> None:
        store = store_on(_Unflushed(disk, "liar"))
        async with store.open(ACCOUNT, run_id="run", holder=HOLDER, timeout_ms=0) as journal:
            for number in range(20):
                await journal.append(intent(number), durable=True)

    asyncio.run(run())
    disk.power_loss()

    assert len(store_on(disk.process("reader")).read(ACCOUNT).unsettled) < 20
