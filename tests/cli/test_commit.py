"""The commit in the record is read from git's files: it is git's own answer, and nothing in a folder is ever run."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reconcile.cli.commit import commit_of, place_of
from reconcile.files.git import refs
from tests.kit.cli import ROOT, environment, run
from tests.kit.pipeline import git

DEMO = (ROOT / "states" / "demo.toml").read_text()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A working tree with one commit of ``states/main.toml`` on ``main``."""
    place = tmp_path / "tree"
    (place / "states").mkdir(parents=True)
    (place / "states" / "main.toml").write_text(DEMO)
    git(place, "init", "--quiet", "--initial-branch=main")
    git(place, "add", ".")
    git(place, "commit", "--quiet", "--message", "Declare")
    return place


def found(place: Path) -> str | None:
    return commit_of([str(place / "states")])


def on_a_branch(place: Path) -> Path:
    git(place, "checkout", "--quiet", "-b", "desk/raise-1.5")
    return place


def packed(place: Path) -> Path:
    git(place, "pack-refs", "--all")
    return place


def detached(place: Path) -> Path:
    git(place, "checkout", "--quiet", "--detach")
    return place


def in_another_worktree(place: Path) -> Path:
    git(place, "worktree", "add", "--quiet", "-b", "other", str(place.parent / "other"))
    return place.parent / "other"


def in_another_worktree_packed(place: Path) -> Path:
    return packed(in_another_worktree(place))


def in_a_submodule(place: Path) -> Path:
    whole = place.parent / "whole"
    git(place.parent, "init", "--quiet", str(whole))
    git(whole, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(place), "sub")
    return whole / "sub"


def behind_a_symbolic_ref(place: Path) -> Path:
    git(place, "symbolic-ref", "refs/heads/alias", "refs/heads/main")
    git(place, "symbolic-ref", "HEAD", "refs/heads/alias")
    return place


@pytest.mark.parametrize(
    "shape",
    [
        lambda place: place,
        on_a_branch,
        packed,
        detached,
        in_another_worktree,
        in_another_worktree_packed,
        in_a_submodule,
        behind_a_symbolic_ref,
    ],
)
def test_it_is_the_commit_that_git_names(shape: Callable[[Path], Path], tree: Path) -> None:
    place = shape(tree)
    assert found(place) == git(place, "rev-parse", "HEAD")
    assert commit_of([str(place / "states" / "main.toml")]) == git(place, "rev-parse", "HEAD")


def test_outside_a_working_tree_and_before_the_first_commit_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "states").mkdir()
    assert found(tmp_path) is None
    git(tmp_path, "init", "--quiet")
    assert found(tmp_path) is None
    assert commit_of([]) is None


BIG = "x" * 5000


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("HEAD", "ref: refs/heads/../../../secret\n"),
        ("HEAD", "ref: /etc/passwd\n"),
        ("HEAD", "ref: refs/heads/.invalid\n"),
        ("HEAD", "\x1b[31m\n"),
        ("HEAD", f"ref: refs/heads/{BIG}\n"),
        ("HEAD", "ref: refs/heads/main\nref: refs/heads/main\n"),
        ("refs/heads/main", "not a commit\n"),
        ("refs/heads/main", "ref: refs/heads/main\n"),
        ("refs/heads/main", "A" * 40),
    ],
)
def test_what_git_would_not_write_is_no_commit(file: str, text: str, tree: Path) -> None:
    (tree / ".git" / file).write_text(text)
    assert found(tree) is None


def test_only_regular_files_are_read_and_none_is_waited_for(tree: Path) -> None:
    head = tree / ".git" / "HEAD"
    head.unlink()
    os.mkfifo(head)
    assert found(tree) is None
    head.unlink()
    head.symlink_to(tree / ".git" / "refs" / "heads" / "main")
    assert found(tree) is None
    head.unlink()
    head.symlink_to("/dev/zero")
    assert found(tree) is None


def test_packed_refs_are_read_up_to_a_bound(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed(tree)
    monkeypatch.setattr(refs, "_PACKED", 10)
    assert found(tree) is None


def bare_repository(folder: Path, marker: Path) -> None:
    """What git takes for a repository that a pull request can carry, and that runs a command of its own."""
    hook = folder / "run.sh"
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    for name in ("objects", "refs"):
        (folder / name).mkdir()
        (folder / name / "keep").write_text("")
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / "config").write_text(
        f"[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = {folder}\n\tfsmonitor = {hook}\n"
    )


_NO_PROGRAM = """
import os, runpy, sys
STARTS = ("subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn")
def watch(event, args):
    if event.startswith(STARTS):
        os.write(2, f"STARTED {event} {args}".encode())
        os._exit(99)
sys.addaudithook(watch)
sys.argv = ["reconcile", *sys.argv[1:]]
runpy.run_module("reconcile", run_name="__main__")
"""


def run_without_programs(tree: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """A command that ends with 99 at once where it starts any program."""
    return subprocess.run(
        [sys.executable, "-c", _NO_PROGRAM, *words],
        env=environment(tree.parent),
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_repository_inside_the_state_folder_runs_nothing(tree: Path) -> None:
    marker = tree.parent / "marker"
    bare_repository(tree / "states", marker)
    subprocess.run(
        ["git", "-C", str(tree / "states"), "-c", "safe.bareRepository=all", "status"], capture_output=True, check=False
    )
    assert marker.exists(), "this repository does not do what the test needs it to do"
    marker.unlink()

    planned = run_without_programs(tree, "plan", "states/", "--format", "json", "--out", "plan.json")
    applied = run_without_programs(tree, "apply", "states/", "--auto-approve")
    saved = run_without_programs(tree, "apply", "plan.json", "--auto-approve")

    assert (planned.returncode, applied.returncode, saved.returncode) == (0, 0, 4), applied.stderr
    assert f'"git_commit":"{git(tree, "rev-parse", "HEAD")}"' in planned.stdout.replace(": ", ":")
    assert not marker.exists()


@pytest.mark.parametrize(
    "words",
    [
        ("validate", "states/"),
        ("drift", "states/"),
        ("status", "states/"),
        ("watch", "states/", "--rounds", "1"),
        ("import", "--exchange", "okx", "--endpoint", "sandbox"),
        ("audit", "verify"),
        ("sandbox", "show"),
        ("--help",),
    ],
    ids=lambda words: words[0],
)
def test_no_command_starts_a_program(words: tuple[str, ...], tree: Path) -> None:
    ended = run_without_programs(tree, *words)
    assert ended.returncode == (words[0] == "audit"), ended.stderr  # there is no journal


def test_annotations_name_a_file_from_the_root_of_its_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "repository" / "infra" / "states"
    folder.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    bad = folder / "main.toml"
    bad.write_text("version = 2\n")
    monkeypatch.chdir(folder)
    assert "::error file=infra/states/main.toml,line=1," in run(tmp_path, "validate", ".", "--format", "github").out
    assert place_of("main.toml") == "infra/states/main.toml"
    assert place_of("/nowhere/main.toml") == "/nowhere/main.toml"
