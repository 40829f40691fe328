"""The simulated disk does what the real one does, and loses only what was not flushed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reconcile.journal.file.disk import Disk, SystemDisk, write_all
from tests.simulation.disk import SimulatedDisk

FILE = Path("/home/journal/file")


@pytest.fixture(params=["real", "simulated"])
def disk(request: pytest.FixtureRequest) -> Disk:
    return SystemDisk() if request.param == "real" else SimulatedDisk(1).process("a")


@pytest.fixture
def path(tmp_path: Path, disk: Disk) -> Path:
    disk.make_folder(tmp_path / "home" / "journal")
    return tmp_path / "home" / "journal" / "file"


def test_what_was_appended_is_read_by_every_handle(disk: Disk, path: Path) -> None:
    first, second = disk.open_append(path), disk.open_append(path)
    write_all(disk, first, b"one")
    write_all(disk, second, b"two")

    reader = disk.open_read(path)

    assert (disk.read(reader, 0, 100), disk.read(reader, 2, 2), disk.read(reader, 6, 1)) == (b"onetwo", b"et", b"")


def test_a_cut_file_goes_on_at_its_new_end(disk: Disk, path: Path) -> None:
    handle = disk.open_append(path)
    write_all(disk, handle, b"abcdef")
    disk.truncate(handle, 2)
    write_all(disk, handle, b"X")

    assert (disk.read(handle, 0, 100), disk.stat_handle(handle).size) == (b"abX", 3)


def test_a_reader_cannot_write(disk: Disk, path: Path) -> None:
    disk.close(disk.open_append(path))

    with pytest.raises(OSError, match=r".+"):
        disk.write(disk.open_read(path), b"x")


def test_a_closed_handle_is_no_handle(disk: Disk, path: Path) -> None:
    handle = disk.open_append(path)
    disk.close(handle)

    with pytest.raises(OSError, match=r".+"):
        disk.read(handle, 0, 1)


def test_a_file_that_is_not_there_cannot_be_read(disk: Disk, path: Path) -> None:
    assert disk.stat(path) is None
    with pytest.raises(FileNotFoundError):
        disk.open_read(path)


def test_a_renamed_file_is_the_same_file_and_a_new_one_is_another(disk: Disk, path: Path) -> None:
    handle = disk.open_append(path)
    disk.rename(path, path.with_name("aside"))
    disk.close(disk.open_append(path))

    mine = disk.stat_handle(handle)

    assert mine.is_same_file(disk.stat(path.with_name("aside")))
    assert not mine.is_same_file(disk.stat(path))
    assert not mine.is_same_file(disk.stat(path.with_name("nothing")))
    assert sorted(disk.names(path.parent)) == ["aside", "file"]


def test_a_folder_that_is_not_there_has_no_names(disk: Disk, path: Path) -> None:
    assert disk.names(path.parent.with_name("other")) == []


def test_a_lock_belongs_to_one_handle_until_that_is_closed(disk: Disk, path: Path) -> None:
    first, second = disk.open_append(path), disk.open_append(path)
    reader = disk.open_read(path)

    taken = [disk.is_locked(reader), disk.lock(first), disk.lock(second), disk.is_locked(reader), disk.lock(first)]
    disk.close(first)

    assert taken == [False, True, False, True, True]
    assert (disk.is_locked(reader), disk.lock(second)) == (False, True)


def test_flushing_keeps_what_is_there(disk: Disk, path: Path) -> None:
    handle = disk.open_append(path)
    write_all(disk, handle, b"kept")
    disk.flush(handle)
    disk.flush_folder(path.parent)

    assert disk.read(handle, 0, 10) == b"kept"


class Stuck(SystemDisk):
    """A disk that takes nothing and does not say why."""

    def write(self, handle: int, data: bytes) -> int:
        """Take nothing."""
        return super().write(handle, data[:0])


def test_a_disk_that_takes_nothing_and_does_not_say_why_is_an_error(tmp_path: Path) -> None:
    disk = Stuck()

    with pytest.raises(OSError, match="takes no more bytes"):
        write_all(disk, disk.open_append(tmp_path / "file"), b"x")


# What only the simulated one can be made to do.


def surviving(seed: int, do: Callable[[Disk, int], None]) -> bytes | None:
    """What a power cut leaves of a file; None when not even its name."""
    world = SimulatedDisk(seed)
    process = world.process("a")
    process.make_folder(FILE.parent)
    handle = process.open_append(FILE)
    do(process, handle)
    world.power_loss()
    try:
        return world.content(FILE)
    except FileNotFoundError:
        return None


def _flush_file_only(disk: Disk, handle: int) -> None:
    disk.write(handle, b"abc")
    disk.flush(handle)


def _flush_both(disk: Disk, handle: int) -> None:
    _flush_file_only(disk, handle)
    disk.flush_folder(FILE.parent)


def _write_more(disk: Disk, handle: int) -> None:
    _flush_both(disk, handle)
    disk.write(handle, b"de")
    disk.write(handle, b"f")


def _cut_and_write(disk: Disk, handle: int) -> None:
    _flush_both(disk, handle)
    disk.truncate(handle, 1)
    disk.write(handle, b"xy")


LEFT: dict[str, tuple[Callable[[Disk, int], None], set[bytes | None]]] = {
    "flushed, but not its name": (_flush_file_only, {b"abc", None}),
    "flushed with its name": (_flush_both, {b"abc"}),
    "written after the flush": (_write_more, {b"abc", b"abcd", b"abcde", b"abcdef"}),
    "cut after the flush": (_cut_and_write, {b"abc", b"a", b"ax", b"axy"}),
}


@pytest.mark.parametrize(("do", "left"), LEFT.values(), ids=LEFT)
def test_a_power_cut_leaves_any_beginning_of_what_was_not_flushed_and_nothing_else(
    do: Callable[[Disk, int], None], left: set[bytes | None]
) -> None:
    assert {surviving(seed, do) for seed in range(200)} == left


def test_what_a_failed_flush_was_to_flush_never_gets_safe() -> None:
    world = SimulatedDisk(1)
    process = world.process("a")
    process.make_folder(FILE.parent)
    handle = process.open_append(FILE)
    process.flush_folder(FILE.parent)
    process.write(handle, b"abc")
    world.failing_flushes = 1
    with pytest.raises(OSError, match="input/output error"):
        process.flush(handle)
    process.write(handle, b"def")
    process.flush(handle)

    seen = world.content(FILE)
    world.power_loss()

    assert (seen, world.content(FILE)) == (b"abcdef", b"\0\0\0def")


def test_a_full_disk_takes_what_fits_and_then_nothing() -> None:
    process = SimulatedDisk(1, capacity=5).process("a")
    process.make_folder(FILE.parent)
    handle = process.open_append(FILE)

    taken = [process.write(handle, b"abc"), process.write(handle, b"def")]

    assert taken == [3, 2]
    with pytest.raises(OSError, match="no space left"):
        process.write(handle, b"g")


def test_a_killed_process_leaves_what_it_wrote_and_no_lock() -> None:
    world = SimulatedDisk(1)
    process, other = world.process("a"), world.process("b")
    process.make_folder(FILE.parent)
    handle = process.open_append(FILE)
    process.write(handle, b"abc")
    process.lock(handle)

    world.kill(process)

    assert other.lock(other.open_append(FILE))
    assert world.content(FILE) == b"abc"
    with pytest.raises(OSError, match="dead"):
        process.write(handle, b"x")
