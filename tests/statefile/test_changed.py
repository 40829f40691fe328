"""Which accounts a plan of changed files is about: files are compared as they are now, and doubt means changed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reconcile import statefile
from reconcile.errors import InputError
from reconcile.model.plan import SinceCommit
from reconcile.statefile.changed import changed_since
from tests.kit.pipeline import git

STATE = """version = 1
[account]
name = "{name}"
exchange = "okx"
position_mode = "hedge"
endpoint = "sandbox"
[positions.BTC-USDT-SWAP.long]
isolated_margin = 1500
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working tree with three committed state files, one of them in a subfolder; it is the current folder."""
    place = tmp_path / "tree"
    (place / "states" / "desk").mkdir(parents=True)
    for path in ("a", "b", "desk/c"):
        (place / "states" / f"{path}.toml").write_text(STATE.format(name=path[-1]))
    git(place, "init", "--quiet", "--initial-branch=main")
    git(place, "add", ".")
    git(place, "commit", "--quiet", "--message", "Declare")
    monkeypatch.chdir(place)
    return place


def since(*paths: str, revision: str = "HEAD") -> SinceCommit:
    named = paths or ("states",)
    return changed_since(revision, statefile.load([Path(path) for path in named]), named)


def edit(place: Path) -> None:
    with (place / "states" / "b.toml").open("a") as file:
        file.write("# another word\n")


def commit(place: Path) -> None:
    edit(place)
    git(place, "commit", "--quiet", "--all", "--message", "Change")


def stage(place: Path) -> None:
    edit(place)
    git(place, "add", ".")


def rename(place: Path) -> None:
    (place / "states" / "b.toml").rename(place / "states" / "d.toml")


def link_to_the_same(place: Path) -> None:
    """A link whose target is as committed may have had another target then."""
    moved = place / "states" / "b.toml"
    moved.rename(place / "states" / "b.txt")
    moved.symlink_to("b.txt")


def convert(place: Path) -> None:
    """Line ends as a filter of git writes them: git itself would call the file unchanged."""
    git(place, "config", "core.autocrlf", "true")
    path = place / "states" / "b.toml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


@pytest.mark.parametrize("change", [edit, stage, rename, link_to_the_same, convert])
def test_what_differs_from_the_commit_is_changed_whatever_git_says(change: Callable[[Path], None], tree: Path) -> None:
    assert since().unchanged == ("a", "b", "c")
    change(tree)
    assert since().unchanged == ("a", "c")


def test_a_committed_change_is_one_since_the_commit_before(tree: Path) -> None:
    commit(tree)
    assert since().unchanged == ("a", "b", "c")
    assert since(revision="HEAD~1") == SinceCommit(
        commit=git(tree, "rev-parse", "HEAD~1"), unchanged=("a", "c"), deleted=()
    )


def test_a_new_file_is_a_change_even_where_git_ignores_it(tree: Path) -> None:
    (tree / ".gitignore").write_text("*.toml\n")
    (tree / "states" / "d.toml").write_text(STATE.format(name="d"))
    assert since().unchanged == ("a", "b", "c")


def test_a_change_that_was_taken_back_is_none(tree: Path) -> None:
    commit(tree)
    git(tree, "revert", "--no-edit", "HEAD")
    assert since(revision="HEAD~2").unchanged == ("a", "b", "c")


def test_deleted_files_are_named_as_they_were_typed(tree: Path) -> None:
    (tree / "states" / "b.toml").unlink()
    (tree / "states" / "desk" / "c.toml").unlink()
    assert since().deleted == ("states/b.toml", "states/desk/c.toml")
    assert since("./states").deleted == ("states/b.toml", "states/desk/c.toml")
    assert since(".").deleted == ("states/b.toml", "states/desk/c.toml")
    assert since(str(tree / "states")).deleted == (f"{tree}/states/b.toml", f"{tree}/states/desk/c.toml")
    assert since("states/a.toml").deleted == ()


def test_a_link_from_outside_to_a_checkout_is_followed(tree: Path) -> None:
    (tree.parent / "link").symlink_to(tree / "states")
    assert since("../link").unchanged == ("a", "b", "c")
    edit(tree)
    assert since("../link").unchanged == ("a", "c")


def test_a_folder_that_is_a_link_inside_the_checkout_counts_as_changed(tree: Path) -> None:
    (tree / "current").symlink_to("states")
    git(tree, "add", ".")
    git(tree, "commit", "--quiet", "--message", "Link")
    assert since("current").unchanged == ()


def test_outside_of_a_checkout_it_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.toml").write_text(STATE.format(name="a"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"--changed-since HEAD: a.toml is in no git repository"):
        since("a.toml")


def test_files_of_two_repositories_are_an_error(tree: Path) -> None:
    other = tree / "states" / "desk"
    git(other, "init", "--quiet")
    git(other, "add", ".")
    git(other, "commit", "--quiet", "--message", "Inner")
    with pytest.raises(InputError, match="in several repositories"):
        since()


def test_a_change_of_an_included_file_is_one_of_the_accounts_that_include_it(tree: Path) -> None:
    desk = tree / "desk-policy.toml"
    desk.write_text("[policy]\nmax_add = 5000\n")
    including = tree / "states" / "a.toml"
    including.write_text(STATE.format(name="a").replace("[account]", 'include = ["../desk-policy.toml"]\n[account]', 1))
    git(tree, "add", ".")
    git(tree, "commit", "--quiet", "--message", "Share a policy")
    assert since().unchanged == ("a", "b", "c")
    desk.write_text("[policy]\nmax_add = 4000\n")
    assert since().unchanged == ("b", "c")
