"""Files with secrets: whose they may be, who may read and write them, and how containers mount them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reconcile.connect import secret_files
from reconcile.files import regular

STRANGER = 65_533
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
READ_BY_OTHERS = (
    "{path} may be read by others (mode {mode}); run 'chmod 600' on it; where a container mounts it, set its mode "
    "(Kubernetes: defaultMode 0400, or 0440 with fsGroup for a user who is not root; Docker: uid and mode 0400)"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that every user can enter."""
    made = tmp_path / "secrets"
    made.mkdir()
    made.chmod(0o755)
    return made


def put(path: Path, mode: int, text: str = "key-1\n") -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def read(path: Path) -> tuple[bytes | None, list[str]]:
    warnings: list[str] = []
    return secret_files.read(path, warnings.append), warnings


def kubernetes(folder: Path, *, mode: int = 0o644, folder_mode: int = 0o1777) -> Path:
    """A secret as Kubernetes mounts it; the path of the key."""
    folder.chmod(folder_mode)
    version = folder / "..2026_01_01_00_00_00.1"
    version.mkdir()
    version.chmod(0o755)
    put(version / "MAIN_API_KEY", mode)
    (folder / "..data").symlink_to(version.name)
    (folder / "MAIN_API_KEY").symlink_to("..data/MAIN_API_KEY")
    return folder / "MAIN_API_KEY"


@pytest.mark.parametrize("mode", [0o400, 0o600])
def test_a_private_file_is_read_without_a_word(folder: Path, mode: int) -> None:
    assert read(put(folder / "key", mode)) == (b"key-1\n", [])


def test_no_file_is_none(folder: Path) -> None:
    (folder / "dangling").symlink_to("nowhere")
    assert (read(folder / "key"), read(folder / "dangling")) == ((None, []), (None, []))


@pytest.mark.parametrize("mode", [0o440, 0o444, 0o604, 0o640, 0o644])
def test_a_file_that_others_may_read_is_read_with_a_warning(folder: Path, mode: int) -> None:
    path = put(folder / "key", mode)
    assert read(path) == (b"key-1\n", [READ_BY_OTHERS.format(path=path, mode=f"{mode:04o}")])


def test_a_file_in_a_folder_that_others_cannot_enter_is_private(folder: Path) -> None:
    folder.chmod(0o700)
    assert read(put(folder / "key", 0o644)) == (b"key-1\n", [])


@AS_ROOT
@pytest.mark.parametrize(("mode", "warned"), [(0o440, False), (0o444, True)])
def test_a_group_that_a_container_gives_its_user_is_no_other(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: int,
    warned: bool,  # noqa: FBT001 - a column of the table
) -> None:
    path = put(folder / "key", mode)
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    assert bool(read(path)[1]) == warned


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(folder: Path, mode: int) -> None:
    path = put(folder / "key", mode)
    with pytest.raises(
        ValueError, match=rf"{path} may be written by others \(mode 0{mode:o}\); run 'chmod go-w' on it"
    ):
        read(path)


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o703])
def test_a_file_in_a_folder_that_others_may_write_into_is_refused(folder: Path, mode: int) -> None:
    path = put(folder / "key", 0o600)
    folder.chmod(mode)
    with pytest.raises(
        ValueError, match=rf"{path} may be replaced by others, .* the folder {folder} \(mode 0{mode:o}\)"
    ):
        read(path)


def test_a_link_does_not_hide_who_may_write_where_it_leads(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(put(folder / "key", 0o600))
    assert read(link) == (b"key-1\n", [])
    folder.chmod(0o777)
    with pytest.raises(ValueError, match=f"{link} may be replaced by others, who may write into the folder {folder} "):
        read(link)


def test_what_kubernetes_mounts_is_read(folder: Path) -> None:
    path = kubernetes(folder)
    assert read(path) == (b"key-1\n", [READ_BY_OTHERS.format(path=path, mode="0644")])
    (folder / "..data" / "MAIN_API_KEY").chmod(0o400)
    assert read(path) == (b"key-1\n", [])


def test_a_secret_that_kubernetes_changes_just_now_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kubernetes(folder, mode=0o400)
    reads = iter([FileNotFoundError(2, "gone"), FileNotFoundError(2, "gone")])

    def swapped(path: Path, *, most: int) -> tuple[bytes, os.stat_result]:
        for error in reads:
            raise error
        return real(path, most=most)

    real = regular.read_with_status
    monkeypatch.setattr(regular, "read_with_status", swapped)
    assert read(path) == (b"key-1\n", [])


@AS_ROOT
@pytest.mark.parametrize("give", ["the file", "the link"])
def test_a_file_of_another_user_where_all_may_write_is_refused(folder: Path, give: str) -> None:
    path = kubernetes(folder, mode=0o400)
    os.lchown(path if give == "the link" else path.resolve(), STRANGER, -1)
    with pytest.raises(ValueError, match=f"{path} may come from another user \\(uid {STRANGER}\\)"):
        read(path)


@AS_ROOT
@pytest.mark.parametrize("give", ["the file", "its folder"])
def test_a_file_of_another_user_is_read_with_a_warning(folder: Path, give: str) -> None:
    path = put(folder / "key", 0o600)
    os.chown(path if give == "the file" else folder, STRANGER, -1)
    said = (
        f"{path} may be changed by uid {STRANGER}, who owns it or its folder; give both to root or to this user (uid 0)"
    )
    assert read(path) == (b"key-1\n", [said])


IRREGULAR: dict[str, Callable[[Path], object]] = {
    "a FIFO": os.mkfifo,
    "a folder": Path.mkdir,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to a terminal": lambda path: path.symlink_to("/dev/tty"),
    "a link to itself": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("make", IRREGULAR.values(), ids=IRREGULAR)
def test_what_is_no_regular_file_is_refused(folder: Path, make: Callable[[Path], object]) -> None:
    make(folder / "key")
    with pytest.raises(ValueError, match=r"key cannot be read \(.+\); name a regular file that this user can read"):
        read(folder / "key")


def test_a_large_file_is_not_read_to_its_end(folder: Path) -> None:
    path = put(folder / "key", 0o600)
    os.truncate(path, 1 << 40)
    with pytest.raises(ValueError, match="longer than 8192 bytes"):
        read(path)
