"""Commits are read as git reads them, whatever form the repository has, and a damaged one is an error."""

import atexit
import random
import shutil
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest

from reconcile.errors import InputError, UsageError
from reconcile.files.git.commits import Commit
from reconcile.files.git.objects import Objects
from reconcile.files.git.refs import Repository
from tests.kit.pipeline import git

FILES = 40


def write(place: Path, turn: int) -> None:
    """Many similar files in a few folders, so that git packs trees as deltas; one of them changes each turn."""
    for number in range(FILES):
        path = place / f"desk-{number % 3}" / f"a{number:03}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"version = 1\n# {number} {turn if number == turn % FILES else 0}\n")


@lru_cache(maxsize=2)
def original(*words: str) -> Path:
    """A repository with six commits on ``main``, and an annotated tag of the third; made once."""
    folder = tempfile.mkdtemp(prefix="reconcile-test-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    place = Path(folder, "tree")
    place.mkdir()
    git(place, "init", "--quiet", "--initial-branch=main", *words)
    (place / "link.toml").symlink_to("desk-0/a000.toml")
    for turn in range(6):
        write(place, turn)
        git(place, "add", ".")
        git(place, "-c", "gc.auto=0", "commit", "--quiet", "--message", f"Turn {turn}")
        if turn == 2:
            git(place, "tag", "--annotate", "v1.0", "--message", "One")
    return place


def made(place: Path, *words: str) -> Path:
    """A copy of it."""
    return shutil.copytree(original(*words), place, symlinks=True)


def packed(place: Path) -> Path:
    git(place, "repack", "-a", "-d", "-f", "--depth=50", "--quiet")
    git(place, "pack-refs", "--all")
    return place


def packed_by_name(place: Path) -> Path:
    """Deltas that name their base instead of its place."""
    git(place, "config", "repack.useDeltaBaseOffset", "false")
    return packed(place)


def borrowing(place: Path) -> Path:
    git(place.parent, "clone", "--quiet", "--shared", str(place), str(place.parent / "borrowing"))
    return place.parent / "borrowing"


def in_another_worktree(place: Path) -> Path:
    git(place, "worktree", "add", "--quiet", "-b", "other", str(place.parent / "other"))
    return place.parent / "other"


def commit(place: Path, revision: str) -> Commit:
    repository = Repository.around(place)
    assert repository is not None
    return Commit(repository, revision)


def listed(place: Path, revision: str) -> dict[str, tuple[str, str]]:
    """Mode and name of every file and folder of a commit, as git lists them."""
    found: dict[str, tuple[str, str]] = {}
    for line in git(place, "ls-tree", "-r", "-t", "-z", revision).split("\0"):
        if line:
            about, _, path = line.partition("\t")
            mode, _, name = about.split(" ")
            found[path] = (mode.lstrip("0"), name)
    return found


@pytest.mark.parametrize("words", [(), ("--object-format=sha256",)], ids=["sha1", "sha256"])
@pytest.mark.parametrize(
    "shape",
    [lambda place: place, packed, packed_by_name, in_another_worktree],
    ids=["loose", "packed", "named", "other"],
)
def test_a_commit_holds_what_git_lists(shape: Callable[[Path], Path], words: tuple[str, ...], tmp_path: Path) -> None:
    place = shape(made(tmp_path / "tree", *words))
    for revision in ("HEAD", "v1.0"):
        whole = listed(place, revision)
        found = commit(place, revision)
        assert {path: found.entry(path) for path in whole} == whole
        files = {path for path, (mode, _) in whole.items() if mode != "40000"}
        assert set(found.files("", most=1000)) == files
        assert found.entry("desk-0/none.toml") is None
        assert found.entry("desk-0/a000.toml/below") is None


def test_deltas_are_what_the_packed_shapes_test(tmp_path: Path) -> None:
    place = packed(made(tmp_path / "tree"))
    packs = list((place / ".git" / "objects" / "pack").glob("*.idx"))
    shown = git(place, "verify-pack", "-v", str(packs[0]))
    assert [line for line in shown.splitlines() if " tree " in line and len(line.split()) == 7], "no tree is a delta"


@pytest.mark.parametrize("shape", [lambda place: place, packed, borrowing], ids=["loose", "packed", "borrowing"])
def test_a_revision_names_the_commit_that_git_names(shape: Callable[[Path], Path], tmp_path: Path) -> None:
    place = shape(made(tmp_path / "tree"))
    whole = git(place, "rev-parse", "HEAD~2")
    revisions = ["HEAD", "main", "v1.0", "refs/heads/main", "tags/v1.0", "HEAD^", "main~4", "HEAD~2^", "v1.0~1"]
    revisions += [whole, whole[:7], f"{whole[:9]}~1"]
    named = git(place, "rev-parse", *(f"{revision}^{{commit}}" for revision in revisions)).splitlines()
    assert [commit(place, revision).name for revision in revisions] == named


def test_a_remote_branch_is_found_by_its_short_name(tmp_path: Path) -> None:
    place = borrowing(made(tmp_path / "tree"))
    assert commit(place, "origin/main~1").name == git(place, "rev-parse", "origin/main~1")
    assert commit(place, "origin").name == git(place, "rev-parse", "origin")


@pytest.mark.parametrize("revision", ["", "HEAD@{1}", "HEAD:states", "a b", "main^{tree}", "~1", "*"])
def test_what_is_no_revision_is_a_wrong_command_line(revision: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not the name of a commit"):
        commit(made(tmp_path / "tree"), revision)


def test_what_names_no_commit_says_what_to_do(tmp_path: Path) -> None:
    place = made(tmp_path / "tree")
    folder = git(place, "rev-parse", "HEAD:desk-0")
    for revision, words in {
        "nope": "no such commit, branch or tag",
        "../HEAD": "no such commit, branch or tag",
        "1234567": "no such commit, branch or tag",
        "1" * 40: f"object {'1' * 12} is not in this clone",
        "0" * 40: "a forge writes zeros",
        "HEAD~6": "its history is shorter than that",
        folder: "it names a tree",
    }.items():
        with pytest.raises(InputError, match=words):
            commit(place, revision)


def test_a_shallow_clone_says_that_it_is_one(tmp_path: Path) -> None:
    place = made(tmp_path / "tree")
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{place}", str(tmp_path / "shallow"))
    for revision in ("HEAD~1", git(place, "rev-parse", "HEAD~1")):
        with pytest.raises(InputError, match="this clone is shallow: fetch its history first"):
            commit(tmp_path / "shallow", revision)


def test_a_folder_with_too_much_in_it_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"more than 10 files and folders below desk-0"):
        list(commit(made(tmp_path / "tree"), "HEAD").files("desk-0", most=10))


@pytest.mark.parametrize("shape", [lambda place: place, packed, packed_by_name], ids=["loose", "packed", "named"])
def test_a_damaged_repository_is_read_truly_or_is_an_error(shape: Callable[[Path], Path], tmp_path: Path) -> None:
    place = shape(made(tmp_path / "tree"))
    true = listed(place, "HEAD~3")
    dice = random.Random(16)
    files = sorted(each for each in (place / ".git" / "objects").rglob("*") if each.is_file())
    errors = 0
    for _ in range(80):
        file = dice.choice(files)
        before = file.read_bytes()
        after = bytearray(before)
        for _ in range(dice.choice((1, 1, 3))):
            after[dice.randrange(len(after))] = dice.randrange(256)
        file.chmod(0o644)
        file.write_bytes(after[: dice.choice((len(after), len(after), dice.randrange(len(after))))])
        try:
            found = commit(place, "HEAD~3")
            assert {path: found.entry(path) for path in true} == true
        except InputError:
            errors += 1
        file.write_bytes(before)
    assert errors > 3


def test_a_bomb_is_not_inflated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = made(tmp_path / "tree")
    (place / "big.toml").write_text("#" * 3_000_000)
    monkeypatch.setattr("reconcile.files.git.objects.MOST_BYTES", 100_000)
    blob = git(place, "hash-object", "-w", "big.toml")
    with pytest.raises(InputError, match="not an object of at most 64 MiB"):
        commit(place, blob)


def test_a_delta_that_is_its_own_base_ends(tmp_path: Path) -> None:
    """Found in a file that git would not write: the pack's only delta names itself."""
    place = packed_by_name(made(tmp_path / "tree"))
    (pack,) = (place / ".git" / "objects" / "pack").glob("*.pack")
    shown = git(place, "verify-pack", "-v", str(pack.with_suffix(".idx")))
    rows = [line.split() for line in shown.splitlines() if len(line.split()) == 7 and " tree " in line]
    pack.chmod(0o644)
    raw = bytearray(pack.read_bytes())
    for row in rows:
        raw = raw.replace(bytes.fromhex(row[6]), bytes.fromhex(row[0]))
    pack.write_bytes(raw)
    objects = Objects(place / ".git" / "objects", width=20)
    with pytest.raises(InputError, match="more than 4096 deltas in a row"):
        objects.read(rows[0][0])
