"""Files that the program writes: whole, through no link that a checkout can hold, over no one else's files."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconcile.errors import InputError
from reconcile.files import documents
from tests.kit.cli import ROOT, Ended, run

DEMO = str(ROOT / "states" / "demo.toml")
NOBODY = 65_534


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a command runs, beside a folder with a file that no command may touch."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "journal.jsonl").write_text("the journal\n")
    place = tmp_path / "checkout"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def committed_file_link(checkout: Path) -> str:
    (checkout / "out.txt").symlink_to("../outside/journal.jsonl")
    return "out.txt"


def committed_dangling_link(checkout: Path) -> str:
    (checkout / "out.txt").symlink_to("../outside/new.txt")
    return "out.txt"


def committed_folder_link(checkout: Path) -> str:
    (checkout / "out").symlink_to("../outside")
    return "out/journal.jsonl"


def committed_folder_link_by_its_whole_path(checkout: Path) -> str:
    (checkout / "out").symlink_to("../outside")
    return str(checkout / "out" / "new.txt")


def committed_link_above_a_folder(checkout: Path) -> str:
    (checkout.parent / "outside" / "deep").mkdir()
    (checkout / "out").symlink_to("../outside")
    return "out/deep/new.txt"


def committed_link_before_dots(checkout: Path) -> str:
    (checkout / "out").symlink_to("../outside")
    return "out/../checkout/new.txt"


LINKS = (
    committed_file_link,
    committed_dangling_link,
    committed_folder_link,
    committed_folder_link_by_its_whole_path,
    committed_link_above_a_folder,
    committed_link_before_dots,
)


def outside(checkout: Path) -> dict[str, str]:
    """Every file outside of the checkout."""
    place = checkout.parent / "outside"
    return {str(path.relative_to(place)): path.read_text() for path in place.rglob("*") if path.is_file()}


def plan_out(home: Path, file: str) -> Ended:
    return run(home, "plan", DEMO, "--out", file)


def apply_markdown(home: Path, file: str) -> Ended:
    return run(home, "apply", DEMO, "--auto-approve", "--format", f"markdown={file}")


def watch_metrics(home: Path, file: str) -> Ended:
    return run(home, "watch", DEMO, "--rounds", "1", "--metrics", file)


def watch_heartbeat(home: Path, file: str) -> Ended:
    return run(home, "watch", DEMO, "--rounds", "1", "--heartbeat", file)


def import_out(home: Path, file: str) -> Ended:
    return run(home, "import", "--exchange", "okx", "--endpoint", "sandbox", "--out", file)


def audit_report(home: Path, file: str) -> Ended:
    return run(home, "audit", "report", "--html", file)


def audit_csv(home: Path, file: str) -> Ended:
    return run(home, "audit", "log", "--format", f"csv={file}")


WRITERS = (plan_out, apply_markdown, watch_metrics, watch_heartbeat, import_out, audit_report, audit_csv)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("writer", WRITERS)
def test_no_command_writes_through_a_committed_link(
    writer: Callable[[Path, str], Ended], link: Callable[[Path], str], checkout: Path, tmp_path: Path
) -> None:
    file = link(checkout)
    ended = writer(tmp_path, file)
    assert ended.code == 1
    assert f"writing {file}: " in ended.err
    assert "symbolic link" in ended.err
    assert outside(checkout) == {"journal.jsonl": "the journal\n"}
    assert not (tmp_path / "home" / "journal").exists()


@pytest.mark.parametrize("writer", WRITERS)
def test_every_writer_writes_a_whole_file_where_it_may(
    writer: Callable[[Path, str], Ended], checkout: Path, tmp_path: Path
) -> None:
    if writer in {audit_report, audit_csv}:  # which tell nothing of nothing
        run(tmp_path, "apply", DEMO, "--auto-approve")
    ended = writer(tmp_path, "out.txt")
    assert ended.code == 0, ended.err
    assert (checkout / "out.txt").stat().st_size > 0
    assert [path.name for path in checkout.iterdir()] == ["out.txt"]


def test_content_is_replaced_and_nothing_is_left_beside_it(checkout: Path) -> None:
    (checkout / "out.txt").write_text("before, and longer")
    documents.write("out.txt", "after")
    documents.write("../checkout/./out2.txt", "€")
    assert {path.name: path.read_text() for path in checkout.iterdir()} == {"out.txt": "after", "out2.txt": "€"}
    assert stat.S_IMODE((checkout / "out.txt").stat().st_mode) == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_another_name_of_a_file_keeps_what_it_had(checkout: Path) -> None:
    (checkout / "out.txt").hardlink_to(checkout.parent / "outside" / "journal.jsonl")
    documents.write("out.txt", "after")
    assert outside(checkout) == {"journal.jsonl": "the journal\n"}


def test_a_file_name_that_is_no_text_does_not_stop_a_document(checkout: Path) -> None:
    documents.write("out.txt", "states/\udcff.toml")
    assert (checkout / "out.txt").read_text() == "states/\\udcff.toml"


def fifo(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(("make", "why"), [(fifo, "not a regular file"), (folder, "cannot be a file there")])
def test_what_is_no_regular_file_is_refused_without_waiting(
    make: Callable[[Path], None], why: str, checkout: Path
) -> None:
    make(checkout / "out.txt")
    for act in (documents.check, lambda file: documents.write(file, "x")):
        with pytest.raises(InputError, match=f"^writing out.txt: .*{why}"):
            act("out.txt")
    with pytest.raises(InputError, match="it is there already"):
        documents.create("out.txt", "x")


def test_the_null_device_takes_everything_and_stays(checkout: Path) -> None:
    documents.check(os.devnull)
    documents.write(os.devnull, "x")
    assert Path(os.devnull).is_char_device()
    assert list(checkout.iterdir()) == []


@pytest.mark.parametrize("file", ["nowhere/out.txt", "", ".", "..", "deep/", "out.txt/out.txt"])
def test_a_place_that_can_hold_no_file_is_refused(file: str, checkout: Path) -> None:
    (checkout / "deep").mkdir()
    (checkout / "out.txt").write_text("")
    for act in (documents.check, lambda name: documents.write(name, "x"), lambda name: documents.create(name, "x")):
        with pytest.raises(
            InputError, match=r"name a file in an existing folder|does not exist; make it first: mkdir -p nowhere$"
        ):
            act(file)


@pytest.fixture
def another_user(checkout: Path) -> Iterator[None]:
    """Root becomes a user that owns the checkout; without root there is no other user to be."""
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    for path in checkout.parents:
        mode = path.stat().st_mode
        if mode & 0o011 != 0o011:
            path.chmod(mode | 0o011)
    checkout.chmod(0o777)
    yield
    os.seteuid(0)


@pytest.mark.usefixtures("another_user")
def test_a_file_of_another_user_is_not_replaced(checkout: Path) -> None:
    (checkout / "out.txt").write_text("of root")
    os.seteuid(NOBODY)
    with pytest.raises(InputError, match="it belongs to another user"):
        documents.write("out.txt", "x")
    os.seteuid(0)
    assert (checkout / "out.txt").read_text() == "of root"


@pytest.mark.usefixtures("another_user")
def test_a_link_that_only_root_can_have_made_is_followed_and_no_other(checkout: Path) -> None:
    system, target = checkout.parent / "system", checkout / "target"
    system.mkdir(mode=0o755)
    target.mkdir()
    target.chmod(0o777)
    (system / "logs").symlink_to(target)
    os.seteuid(NOBODY)
    (checkout / "logs").symlink_to(target)
    documents.write(str(system / "logs" / "out.txt"), "x")
    with pytest.raises(InputError, match="the folder logs is a symbolic link"):
        documents.write("logs/out.txt", "y")
    os.seteuid(0)
    system.chmod(0o777)
    os.seteuid(NOBODY)
    with pytest.raises(InputError, match="the folder logs is a symbolic link"):
        documents.write(str(system / "logs" / "out.txt"), "y")
    assert (target / "out.txt").read_text() == "x"


def test_links_of_the_system_lead_a_relative_target_onward(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "_is_of_system", lambda _link, _folder: True)
    (checkout / "a").mkdir()
    (checkout / "b").symlink_to("./a/../a")
    (checkout / "c").symlink_to(checkout / "b")
    (checkout / "loop").symlink_to("loop")
    documents.write("c/out.txt", "x")
    assert (checkout / "a" / "out.txt").read_text() == "x"
    with pytest.raises(InputError, match="the folder loop is a symbolic link"):
        documents.write("loop/out.txt", "x")


def test_a_link_put_in_place_at_the_last_moment_is_replaced(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flush = os.fsync

    def attack(handle: int) -> None:
        if not (checkout / "out.txt").is_symlink() and not stat.S_ISDIR(os.fstat(handle).st_mode):
            (checkout / "out.txt").symlink_to("../outside/journal.jsonl")
        flush(handle)

    monkeypatch.setattr(os, "fsync", attack)
    documents.write("out.txt", "x")
    assert (checkout / "out.txt").read_text() == "x"
    assert not (checkout / "out.txt").is_symlink()
    assert outside(checkout) == {"journal.jsonl": "the journal\n"}


def test_a_failed_write_leaves_the_old_content_and_nothing_else(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "out.txt").write_text("before")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device; name a file that can be written"):
        documents.write("out.txt", "after")
    assert {path.name: path.read_text() for path in checkout.iterdir()} == {"out.txt": "before"}


def test_create_never_replaces(checkout: Path) -> None:
    documents.create("out.txt", "first")
    with pytest.raises(InputError, match="it is there already"):
        documents.create("out.txt", "second")
    assert {path.name: path.read_text() for path in checkout.iterdir()} == {"out.txt": "first"}


def test_private_files_are_the_users_own_and_replace_a_link(checkout: Path) -> None:
    (checkout / "state.json").symlink_to("../outside/journal.jsonl")
    documents.replace_private(checkout / "state.json", b"{}")
    assert stat.S_IMODE((checkout / "state.json").lstat().st_mode) == 0o600
    assert outside(checkout) == {"journal.jsonl": "the journal\n"}
