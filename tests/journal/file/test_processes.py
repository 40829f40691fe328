"""Real processes on a real disk: locks that die with their holder, and a journal that survives SIGKILL."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconcile.clock import SystemClock
from reconcile.errors import Declined, JournalError, LockLost
from reconcile.journal.file.disk import SystemDisk
from reconcile.journal.file.store import FileStore
from reconcile.journal.records import NoteRecord
from tests.kit.journals import ACCOUNT, intent

ROOT = Path(__file__).parents[3]

PRELUDE = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.kit.journals import ACCOUNT, intent, outcome
from reconcile.clock import SystemClock
from reconcile.journal.file.disk import SystemDisk
from reconcile.journal.file.store import FileStore
from reconcile.journal.records import IntentStatus, NoteRecord

HOME, NAME = Path(sys.argv[1]), sys.argv[2]

class Quick(SystemClock):
    async def sleep(self, milliseconds):
        await asyncio.sleep(0.005)

class Deadly(SystemDisk):
    left = 2
    def flush(self, handle):
        Deadly.left -= 1
        if not Deadly.left:
            os.kill(os.getpid(), signal.SIGKILL)
        super().flush(handle)

def opened(disk=SystemDisk(), timeout_ms=0):
    holder = {"host": "alpha", "pid": str(os.getpid())}
    return FileStore(HOME, disk, Quick()).open(ACCOUNT, run_id=NAME, holder=holder, timeout_ms=timeout_ms)
"""

HOLD = """
async def main():
    async with opened() as journal:
        await journal.append(intent(1), durable=False)
        print(os.getpid(), flush=True)
        sys.stdin.readline()

asyncio.run(main())
"""

CONTEND = """
async def main():
    for turn in range(5):
        async with opened(timeout_ms=60_000) as journal:
            for each in range(4):
                await journal.append(NoteRecord(what=f"{NAME} {turn} {each}"), durable=each == 3)

asyncio.run(main())
"""

DIE = """
async def main():
    async with opened(Deadly()) as journal:
        await journal.append(intent(1), durable=True)
        await journal.append(intent(2), durable=True)

asyncio.run(main())
"""


def start(script: str, home: Path, name: str = "run-1") -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + script, str(home), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def store(home: Path) -> FileStore:
    return FileStore(home, SystemDisk(), SystemClock())


async def take(home: Path) -> list[str]:
    """Open the journal now or not at all; the lanes that are open in it."""
    async with store(home).open(ACCOUNT, run_id="run-2", holder={}, timeout_ms=0) as journal:
        return list(journal.state.unsettled)


@pytest.fixture
def holder(tmp_path: Path) -> "Iterator[subprocess.Popen[str]]":
    """A process that holds the account's lock."""
    with start(HOLD, tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == str(process.pid)
        yield process
        process.kill()


def test_a_second_process_is_told_who_holds_the_lock(holder: "subprocess.Popen[str]", tmp_path: Path) -> None:
    with pytest.raises(Declined, match=f"host alpha, pid {holder.pid}, since 20"):
        asyncio.run(take(tmp_path))

    held = store(tmp_path).holder(ACCOUNT)
    assert held is not None
    assert (held["host"], held["pid"]) == ("alpha", str(holder.pid))


def test_the_lock_of_a_process_that_was_killed_is_free_at_once(holder: "subprocess.Popen[str]", tmp_path: Path) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()

    assert store(tmp_path).holder(ACCOUNT) is None
    assert asyncio.run(take(tmp_path)) == ["SYM1.long"]


def test_a_holder_that_ends_leaves_its_lock_and_no_name(holder: "subprocess.Popen[str]", tmp_path: Path) -> None:
    holder.communicate("\n")

    assert holder.returncode == 0
    assert store(tmp_path).holder(ACCOUNT) is None
    assert (tmp_path / "journal" / f"{ACCOUNT}.lock").read_bytes() == b""


def test_processes_that_contend_for_one_journal_write_one_unbroken_chain(tmp_path: Path) -> None:
    processes = [start(CONTEND, tmp_path, f"run-{number}") for number in range(3)]
    for process in processes:
        process.communicate()

    whats = [line["what"] for line in store(tmp_path).lines(ACCOUNT) if line["kind"] == "noted"]

    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(whats) == sorted(f"run-{n} {turn} {each}" for n in range(3) for turn in range(5) for each in range(4))
    assert all(len({what.rpartition(" ")[0] for what in whats[at : at + 4]}) == 1 for at in range(0, 60, 4))


def test_a_kill_between_write_and_flush_leaves_a_journal_that_goes_on(tmp_path: Path) -> None:
    with start(DIE, tmp_path) as process:
        process.communicate()

    assert process.returncode == -signal.SIGKILL
    assert list(store(tmp_path).read(ACCOUNT).unsettled) == ["SYM1.long", "SYM2.long"]
    assert asyncio.run(take(tmp_path)) == ["SYM1.long", "SYM2.long"]


def test_what_is_written_is_private_to_the_user(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.mkdir(mode=0o755)

    asyncio.run(take(tmp_path))

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {"journal": 0o700, f"{ACCOUNT}.jsonl": 0o600, f"{ACCOUNT}.lock": 0o600}


def test_a_home_that_is_not_there_is_made_with_its_parents(tmp_path: Path) -> None:
    home = tmp_path / "a" / "b"

    asyncio.run(take(home))

    assert [stat.S_IMODE(path.stat().st_mode) for path in (home, home.parent)] == [0o700, 0o700]


def test_a_home_that_is_a_file_is_explained(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("not a folder")

    with pytest.raises(JournalError, match="choose a home that is a folder"):
        asyncio.run(take(home))


def test_a_link_in_the_place_of_a_journal_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir(mode=0o700)
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / "journal" / f"{ACCOUNT}.jsonl").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(JournalError, match="not a link to it"):
        asyncio.run(take(tmp_path))


def test_a_lock_file_that_is_replaced_under_its_holder_is_noticed(tmp_path: Path) -> None:
    lock = tmp_path / "journal" / f"{ACCOUNT}.lock"

    async def go() -> None:
        async with store(tmp_path).open(ACCOUNT, run_id="r", holder={}, timeout_ms=0) as journal:
            (tmp_path / "new").write_text("")
            (tmp_path / "new").replace(lock)
            with pytest.raises(LockLost):
                await journal.append(intent(1), durable=True)

    asyncio.run(go())

    assert store(tmp_path).read(ACCOUNT).unsettled == {}


def test_a_journal_that_somebody_else_appends_to_is_noticed(tmp_path: Path) -> None:
    async def go() -> None:
        async with store(tmp_path).open(ACCOUNT, run_id="r", holder={}, timeout_ms=0) as journal:
            with (tmp_path / "journal" / f"{ACCOUNT}.jsonl").open("ab") as file:
                file.write(b"{}\n")
            with pytest.raises(LockLost):
                await journal.append(intent(1), durable=True)

    asyncio.run(go())


def test_an_unfinished_line_on_a_real_disk_is_moved_aside(tmp_path: Path) -> None:
    asyncio.run(take(tmp_path))
    with (tmp_path / "journal" / f"{ACCOUNT}.jsonl").open("ab") as file:
        file.write(b'{"seq":2,')

    asyncio.run(take(tmp_path))

    last = list(store(tmp_path).lines(ACCOUNT))[-1]
    assert (last["kind"], (tmp_path / "journal" / last["file"]).read_bytes()) == ("repaired", b'{"seq":2,')


def test_a_journal_is_put_aside_on_a_real_disk(tmp_path: Path) -> None:
    asyncio.run(take(tmp_path))

    name = asyncio.run(store(tmp_path).retire(ACCOUNT, holder={}))

    assert (tmp_path / "journal" / str(name)).is_file()
    assert store(tmp_path).identities() == []


def test_appends_on_a_real_disk_share_flushes(tmp_path: Path) -> None:
    class Counting(SystemDisk):
        flushes = 0

        def flush(self, handle: int) -> None:
            self.flushes += 1
            super().flush(handle)

    disk = Counting()

    async def go() -> None:
        counting = FileStore(tmp_path, disk, SystemClock())
        async with counting.open(ACCOUNT, run_id="r", holder={}, timeout_ms=0) as journal:
            await asyncio.gather(*(journal.append(NoteRecord(what=str(n)), durable=True) for n in range(200)))

    asyncio.run(go())

    assert disk.flushes == 1
    assert store(tmp_path).read(ACCOUNT).records == 200
