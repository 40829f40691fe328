"""``plan --changed-since``: only the accounts whose files changed are read, and the plan says what it leaves out."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.test_commit import bare_repository, run_without_programs
from tests.kit.cli import ROOT, run
from tests.kit.pipeline import git

DEMO = (ROOT / "states" / "demo.toml").read_text()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of three accounts on the sandbox; it is the current folder."""
    place = tmp_path / "tree"
    (place / "states").mkdir(parents=True)
    for name in ("a", "b", "c"):
        (place / "states" / f"{name}.toml").write_text(DEMO.replace('name = "demo"', f'name = "{name}"'))
    git(place, "init", "--quiet", "--initial-branch=main")
    git(place, "add", ".")
    git(place, "commit", "--quiet", "--message", "Declare")
    monkeypatch.chdir(place)
    return place


def edit(tree: Path) -> None:
    path = tree / "states" / "b.toml"
    path.write_text(path.read_text().replace("isolated_margin = 4500", "isolated_margin = 4600"))


def test_only_changed_accounts_are_planned_and_the_rest_is_named(tree: Path) -> None:
    edit(tree)
    (tree / "states" / "c.toml").unlink()
    ended = run(tree.parent, "plan", "states", "--changed-since", "HEAD", "--format", "json", "--format", "text=t.txt")
    made = json.loads(ended.out)
    assert ended.code == 0
    assert [account["account"] for account in made["accounts"]] == ["b"]
    assert made["changed_since"] == {
        "commit": git(tree, "rev-parse", "HEAD"),
        "unchanged": ["a"],
        "deleted": ["states/c.toml"],
    }
    words = (
        f"Scope: only accounts whose files changed since commit {git(tree, 'rev-parse', '--short=12', 'HEAD')} are "
        "planned; 1 other is left out; deleted since then: states/c.toml (nothing is sent for a deleted file)."
    )
    assert words in (tree / "t.txt").read_text()


def test_where_nothing_changed_nothing_is_read_and_no_output_says_in_sync(tree: Path) -> None:
    files = [f"--format={name}={name}.out" for name in ("json", "markdown", "github")]
    ended = run(
        tree.parent, "plan", "states", "--changed-since", "main", "--detailed-exitcode", *files, "--out", "p.json"
    )
    words = f"no state file changed since commit {git(tree, 'rev-parse', '--short=12', 'HEAD')}; nothing was planned"
    assert (ended.code, ended.out) == (0, f"Plan: nothing was planned.\nScope: {words}.\n")
    assert not (tree.parent / "sandbox").exists(), "an account was read"
    made = json.loads((tree / "json.out").read_text())
    assert (made["accounts"], made["changed_since"]["unchanged"]) == ([], ["a", "b", "c"])
    for name in ("markdown", "github"):
        shown = (tree / f"{name}.out").read_text()
        assert words in shown
        assert "sync" not in shown
    applied = run(tree.parent, "apply", "p.json", "--auto-approve")
    assert (applied.code, applied.out.splitlines()[-1]) == (
        0,
        "NOTHING TO DO: the plan holds no account, so nothing was read and nothing was sent.",
    )


def test_a_saved_plan_of_changed_accounts_is_applied_to_them_alone(tree: Path) -> None:
    edit(tree)
    run(tree.parent, "plan", "states", "--changed-since", "HEAD", "--out", "p.json")
    shown = run(tree.parent, "show", "p.json")
    assert "only accounts whose files changed since commit" in shown.out
    applied = run(tree.parent, "apply", "p.json", "--auto-approve", "--format", "json")
    assert [(each["account"], each["converged"]) for each in json.loads(applied.out)["accounts"]] == [("b", True)]


def test_targets_and_overrides_are_checked_against_every_account(tree: Path) -> None:
    edit(tree)
    words = ("plan", "states", "--changed-since", "HEAD", "--format", "json")
    ended = run(tree.parent, *words, "--target", "a:BTC*", "--override", "a:max_add=1", "--override", "b:max_add=2")
    made = json.loads(ended.out)
    assert (ended.code, made["scope"], made["overrides"]) == (0, ["a:BTC*"], {"b:max_add": "2"})
    assert run(tree.parent, *words, "--target", "d:BTC*").code == 64


def test_every_file_is_still_checked(tree: Path) -> None:
    edit(tree)
    git(tree, "commit", "--quiet", "--all", "--message", "Change")
    (tree / "states" / "a.toml").write_text("version = 2\n")
    ended = run(tree.parent, "plan", "states", "--changed-since", "HEAD~1")
    assert (ended.code, "states/a.toml:1: version" in ended.err) == (1, True)


@pytest.mark.parametrize(
    ("revision", "code", "words"),
    [
        ("nope", 1, "no such commit, branch or tag; 'git rev-parse' names a commit"),
        ("HEAD~7", 1, "its history is shorter than that"),
        ("0" * 40, 1, "a forge writes zeros for 'no commit before', so plan everything instead"),
        ("HEAD@{1}", 64, "'HEAD@{1}' is not the name of a commit"),
        ("", 64, "'' is not the name of a commit"),
    ],
)
def test_what_names_no_commit_ends_before_the_first_request(revision: str, code: int, words: str, tree: Path) -> None:
    ended = run(tree.parent, "plan", "states", f"--changed-since={revision}")
    assert (ended.code, words in ended.err) == (code, True), ended.err
    assert not (tree.parent / "sandbox").exists()


def test_a_hostile_repository_runs_nothing(tree: Path) -> None:
    """Every door that git has for a program: a repository in the state folder, a monitor, a filter, a missing object
    that git would fetch."""
    marker = tree.parent / "marker"
    bare_repository(tree / "states", marker)
    run_it = str(tree / "states" / "run.sh")
    (tree / ".gitattributes").write_text("*.toml filter=evil diff=evil\n")
    settings = {
        "core.fsmonitor": run_it,
        "core.hooksPath": str(tree / "states"),
        "core.sshCommand": run_it,
        "filter.evil.clean": run_it,
        "diff.evil.textconv": run_it,
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": "ssh://host/repository",
        "protocol.allow": "always",
    }
    for key, value in settings.items():
        git(tree, "config", key, value)
    edit(tree)
    folder = git(tree, "rev-parse", "HEAD:states")

    planned = run_without_programs(tree, "plan", "states/", "--changed-since", "HEAD", "--format", "json")
    assert planned.returncode == 0, planned.stderr
    assert [account["account"] for account in json.loads(planned.stdout)["accounts"]] == ["b"]

    (tree / ".git" / "objects" / folder[:2] / folder[2:]).unlink()
    missing = run_without_programs(tree, "plan", "states/", "--changed-since", "HEAD")
    assert (missing.returncode, f"object {folder[:12]} is not in this clone" in missing.stderr) == (1, True)
    assert not marker.exists()
    subprocess.run(["git", "-C", str(tree), "ls-tree", "-r", "HEAD"], capture_output=True, check=False)
    assert marker.exists(), "this repository does not do what the test needs it to do"
