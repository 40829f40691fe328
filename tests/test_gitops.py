"""The workflows of docs/gitops.md work as they are: run step by step in a repository with real commits and a merge."""

import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kit.cli import ROOT, Ended, process
from tests.kit.documents import check
from tests.kit.pipeline import Job, Runner, git, sources, workflows

DOCUMENT = ROOT / "docs" / "gitops.md"
FILES = workflows(DOCUMENT)
PLAN, APPLY, DRIFT = (FILES[f".github/workflows/margin-{name}.yml"] for name in ("plan", "apply", "drift"))
GITLAB = FILES[".gitlab-ci.yml"]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
SECRET = "s3cr3t-of-a-key-nobody-has"
FACTS = {
    "secrets.MAIN_API_KEY": SECRET,
    "secrets.MAIN_API_SECRET": SECRET,
    "github.token": "token",
    "github.event.pull_request.number": "7",
    "github.server_url": "https://forge.example",
    "github.repository": "desk/margin",
    "github.run_id": "42",
}


@dataclass(slots=True, kw_only=True)
class Desk:
    """A repository whose state file was imported from the sandbox, its runner, and people at the exchange."""

    folder: Path
    origin: Path
    runner: Runner

    def reconcile(self, *words: str) -> Ended:
        """At somebody's own shell, with the runner's home."""
        return process(self.folder, *words, env={"RECONCILE_HOME": str(self.runner.home)}, cwd=self.folder)

    def clone(self, name: str, at: str) -> Path:
        """A fresh checkout of a commit, as a job gets one."""
        place = self.folder / name
        git(self.folder, "clone", "--quiet", str(self.origin), str(place))
        git(place, "checkout", "--quiet", at)
        return place

    def propose(self, margin: str) -> str:
        """Edit the margin of BTCUSDT.long on a branch and push it; its commit."""
        place = self.folder / "trader"
        if not place.exists():
            git(self.folder, "clone", "--quiet", str(self.origin), str(place))
        git(place, "checkout", "--quiet", "-B", "raise", "origin/main")
        file = place / "states" / "main.toml"
        declared = tomllib.loads(file.read_text())["positions"]["BTCUSDT"]["long"]["isolated_margin"]
        before = f"[positions.BTCUSDT.long]\nisolated_margin = {declared}\n"
        assert before in file.read_text()
        file.write_text(file.read_text().replace(before, f"[positions.BTCUSDT.long]\nisolated_margin = {margin}\n"))
        git(place, "commit", "--quiet", "--all", "--message", f"Raise BTCUSDT.long to {margin}")
        git(place, "push", "--quiet", "--force", "origin", "raise")
        return git(place, "rev-parse", "HEAD")

    def merge(self) -> str:
        """Merge what was proposed with a merge commit; that commit."""
        place = self.folder / "trader"
        git(place, "checkout", "--quiet", "-B", "main", "origin/main")
        git(place, "merge", "--quiet", "--no-ff", "--message", "Merge the proposal", "raise")
        git(place, "push", "--quiet", "origin", "main")
        git(place, "fetch", "--quiet")
        return git(place, "rev-parse", "HEAD")

    def margin(self) -> str:
        """What the sandbox's books have behind BTCUSDT.long."""
        shown = json.loads(self.reconcile("sandbox", "show", "main", "--format", "json").out)
        return next(str(p["isolated_margin"]) for p in shown["positions"] if p["address"] == "BTCUSDT.long")

    def github(self, workflow: Any, name: str, place: Path, **more: str) -> Job:
        return self.runner.github(workflow["jobs"][name], place, facts={**FACTS, **more})


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """``reconcile import``, committed and pushed."""
    origin = tmp_path / "origin.git"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
    made = Desk(folder=tmp_path, origin=origin, runner=Runner(tmp_path / "runner"))
    seed = tmp_path / "seed"
    (seed / "states").mkdir(parents=True)
    words = ("import", "--exchange", "binance", "--endpoint", "sandbox", "--name", "main")
    ended = made.reconcile(*words, "--out", str(seed / "states" / "main.toml"))
    assert ended.code == 0, ended.err
    file = seed / "states" / "main.toml"
    file.write_text(
        file.read_text().replace('endpoint = "sandbox"\n', 'endpoint = "sandbox"\ngrace = 0.3\n')
    )  # no waits
    git(seed, "init", "--quiet", "--initial-branch=main")
    git(seed, "add", ".")
    git(seed, "commit", "--quiet", "--message", "Declare the margin that is live")
    git(seed, "push", "--quiet", str(origin), "main")
    return made


def apply_merge(desk: Desk, commit: str, turn: str) -> tuple[Job, Job]:
    """The workflow of a merge: both of its jobs, each in a checkout of its own."""
    planned = desk.github(APPLY, "plan", desk.clone(f"plan-{turn}", commit))
    digest = planned.outputs["digest"]
    applied = desk.github(APPLY, "apply", desk.clone(f"apply-{turn}", commit), **{"needs.plan.outputs.digest": digest})
    return planned, applied


def test_the_whole_story_of_a_pull_request(desk: Desk) -> None:
    proposed = desk.propose("4500")
    place = desk.clone("review", proposed)
    review = desk.github(PLAN, "plan", place)
    assert review.code == 0, review.out
    written = desk.runner.folder / "job1"
    comment = (written / "plan.md").read_text()
    assert "<code>BTCUSDT.long</code> | 3000 | 4500 | **+1500** USDT" in comment
    assert desk.runner.called() == [f"gh pr comment 7 --body-file {written}/plan.md --edit-last --create-if-none"]
    check(json.loads((written / "plan.json").read_text()))
    assert git(place, "status", "--porcelain") == ""
    assert not (desk.runner.home / "journal").exists(), "a pull request's job is on a runner without the home"

    merged = desk.merge()
    planned, applied = apply_merge(desk, merged, "1")
    assert (planned.code, planned.outputs["code"]) == (0, "2"), planned.out
    assert planned.outputs["digest"] in planned.summary
    assert applied.code == 0, applied.out
    assert desk.margin() == "4500"
    result = json.loads(desk.runner.artifacts["result"])
    check(result)
    assert (result["git_commit"], result["actor"]) == (merged, "reviewer")
    assert result["reason"] == "approved in https://forge.example/desk/margin/actions/runs/42"
    assert result["accounts"][0]["state_file_checked"] is True

    again = desk.github(
        APPLY, "apply", desk.clone("again", merged), **{"needs.plan.outputs.digest": planned.outputs["digest"]}
    )
    assert again.code == 4
    assert "used before" in again.out
    assert desk.margin() == "4500"

    assert desk.github(DRIFT, "drift", desk.clone("quiet", merged)).code == 0
    desk.reconcile("sandbox", "set", "main", "--margin", "BTCUSDT.long=-100")
    drifted = desk.github(DRIFT, "drift", desk.clone("drifted", merged))
    assert drifted.code == 2
    assert "BTCUSDT.long −100 USDT: manual −100 at " in drifted.out
    assert "**−100** USDT" in drifted.summary

    planned, applied = apply_merge(desk, merged, "2")
    assert "drifted −100: manual −100" in planned.summary
    assert applied.code == 0, applied.out
    assert desk.margin() == "4500"
    assert desk.github(DRIFT, "drift", desk.clone("mended", merged)).code == 0


def test_a_pull_request_with_a_wrong_file_fails_at_its_line(desk: Desk) -> None:
    job = desk.github(PLAN, "validate", desk.clone("review", desk.propose('"a lot"')))
    assert job.code == 1
    assert [step.name for step in job.steps] == ["Check the files"]
    assert "::error file=states/main.toml,line=" in job.out
    assert desk.runner.called() == []


def test_a_pull_request_that_policy_refuses_fails_and_is_commented_all_the_same(desk: Desk) -> None:
    proposed = desk.propose("40000")
    job = desk.github(PLAN, "plan", desk.clone("review", proposed))
    assert job.code in {3, 4}
    assert desk.runner.called() != []


def test_a_merge_that_changes_nothing_has_nothing_to_approve(desk: Desk) -> None:
    commit = git(desk.origin, "rev-parse", "main")
    planned = desk.github(APPLY, "plan", desk.clone("plan", commit))
    assert (planned.code, planned.outputs["code"]) == (0, "0")
    assert APPLY["jobs"]["apply"]["if"] == "needs.plan.outputs.code == '2'"


def test_another_plan_than_the_approved_one_is_not_applied(desk: Desk) -> None:
    desk.propose("4500")
    merged = desk.merge()
    planned = desk.github(APPLY, "plan", desk.clone("plan", merged))
    assert planned.code == 0
    job = desk.github(APPLY, "apply", desk.clone("apply", merged), **{"needs.plan.outputs.digest": "sha256:other"})
    assert job.code == 4
    assert desk.margin() == "3000"


def test_a_plan_is_stale_once_the_account_moved(desk: Desk) -> None:
    desk.propose("4500")
    merged = desk.merge()
    planned = desk.github(APPLY, "plan", desk.clone("plan", merged))
    desk.reconcile("sandbox", "set", "main", "--margin", "BTCUSDT.long=-100")
    digest = {"needs.plan.outputs.digest": planned.outputs["digest"]}
    job = desk.github(APPLY, "apply", desk.clone("apply", merged), **digest)
    assert job.code == 4
    assert "moved from 3000 to 2900" in job.out
    assert desk.margin() == "2900"


def test_secrets_are_gone_after_each_job_and_in_no_output(desk: Desk) -> None:
    job = desk.github(PLAN, "plan", desk.clone("review", desk.propose("4500")))
    folder = next(path for path in desk.runner.folder.iterdir() if path.name.startswith("job"))
    assert not (folder / "secrets").exists()
    assert SECRET not in job.out + job.summary
    texts = [path.read_text(errors="replace") for path in desk.folder.rglob("*") if path.is_file()]
    assert not any(SECRET in text for text in texts)


def test_the_gitlab_pipeline_reviews_plans_applies_and_looks_for_drift(desk: Desk) -> None:
    facts = {
        "MARGIN_BOT_TOKEN": "token",
        "CI_API_V4_URL": "https://forge.example/api/v4",
        "CI_PROJECT_ID": "1",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_JOB_URL": "https://forge.example/jobs/42",
        "GITLAB_USER_LOGIN": "reviewer",
    }

    def job(name: str, place: Path) -> Job:
        return desk.runner.gitlab(GITLAB, name, place, facts=facts)

    review = desk.clone("review", desk.propose("4500"))
    assert (job("validate", review).code, job("review", review).code) == (0, 0)
    assert git(review, "status", "--porcelain") == ""
    assert any("merge_requests/7/notes" in call for call in desk.runner.called())
    merged = desk.merge()
    assert job("plan", desk.clone("plan", merged)).code == 0
    applied = job("apply", desk.clone("apply", merged))
    assert applied.code == 0, applied.out
    assert desk.margin() == "4500"
    assert job("apply", desk.clone("again", merged)).code == 4
    assert job("drift", desk.clone("drift", merged)).code == 0


# What the files say besides their steps.


def test_an_apply_is_never_cancelled_and_never_beside_another() -> None:
    assert APPLY["jobs"]["apply"]["concurrency"] == {"group": "margin-apply", "cancel-in-progress": False}
    assert (GITLAB["apply"]["resource_group"], GITLAB["apply"]["interruptible"]) == ("margin", False)


def test_an_apply_waits_for_an_approval_of_its_plan() -> None:
    job = APPLY["jobs"]["apply"]
    assert (job["needs"], job["environment"]) == ("plan", "margin")
    assert GITLAB["apply"]["rules"][0]["when"] == "manual"


@pytest.mark.parametrize("workflow", [PLAN, APPLY, DRIFT], ids=["plan", "apply", "drift"])
def test_a_workflow_asks_for_no_more_than_it_needs(workflow: Any) -> None:
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        more = {"pull-requests": "write"} if (workflow, name) == (PLAN, "plan") else {}
        assert job["permissions"] == {"contents": "read", **more}


def test_the_key_that_moves_margin_is_for_the_apply_alone() -> None:
    environments = {
        (file, name): job.get("environment")
        for file, each in (("plan", PLAN), ("apply", APPLY), ("drift", DRIFT))
        for name, job in each["jobs"].items()
    }
    assert environments == {
        ("plan", "validate"): None,
        ("plan", "plan"): "margin-plan",
        ("apply", "plan"): "margin-read",
        ("apply", "apply"): "margin",
        ("drift", "drift"): "margin-read",
    }
    assert {name: GITLAB[name].get("environment") for name in ("validate", "review", "plan", "apply", "drift")} == {
        "validate": None,
        "review": {"name": "margin-plan", "action": "access"},
        "plan": {"name": "margin-read", "action": "access"},
        "apply": "margin",
        "drift": {"name": "margin-read", "action": "access"},
    }


def test_a_pull_request_gets_neither_the_home_nor_its_runner_and_a_fork_no_key() -> None:
    for job in PLAN["jobs"].values():
        assert job["runs-on"] == "ubuntu-latest"
        assert "RECONCILE_HOME" not in job.get("env", {})
    assert "secrets." not in str(PLAN["jobs"]["validate"])
    assert PLAN["jobs"]["plan"]["if"] == "github.event.pull_request.head.repo.full_name == github.repository"
    assert all(GITLAB[name]["tags"] == ["margin-plan"] for name in ("validate", "review"))
    assert "RECONCILE_HOME" not in str(GITLAB["review"])
    assert "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID" in GITLAB["review"]["rules"][0]["if"]


@pytest.mark.parametrize("workflow", [PLAN, APPLY, DRIFT], ids=["plan", "apply", "drift"])
def test_no_workflow_runs_a_strangers_proposal_with_secrets(workflow: Any) -> None:
    triggers = set(workflow[True])  # YAML 1.1 reads ``on`` as true
    assert triggers <= {"pull_request", "push", "schedule"}


@pytest.mark.parametrize("workflow", [PLAN, APPLY, DRIFT, ACTION], ids=["plan", "apply", "drift", "action"])
def test_actions_are_pinned_by_commit_and_leave_no_token_behind(workflow: Any) -> None:
    jobs = workflow.get("jobs", {"action": workflow.get("runs")})
    for step in (step for job in jobs.values() for step in job["steps"] if "uses" in step):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
        if step["uses"].startswith("actions/checkout@"):
            assert step["with"] == {"persist-credentials": False}


def test_an_audit_of_the_workflows_finds_nothing(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("zizmor")
    if not program.exists() and "CI" not in os.environ:
        pytest.skip("zizmor is not installed: pip install -e '.[test]'")
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    for name, text in sources(DOCUMENT).items():
        if name.startswith(".github/"):
            (tmp_path / name).write_text(text)
    words = [
        str(program),
        "--offline",
        "--no-progress",
        "--persona",
        "pedantic",
        str(tmp_path),
        str(ROOT / "action.yml"),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("file", list(FILES))
def test_no_secret_is_put_on_a_command_line(file: str) -> None:
    jobs = FILES[file].get("jobs", {})
    runs = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    assert not any("secrets." in run for run in runs)


def test_the_hook_validates_and_runs_offline(desk: Desk) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    file = desk.clone("hook", "main") / "states" / "main.toml"
    words = hook["entry"].split()
    assert words[0] == "reconcile"
    assert desk.reconcile(*words[1:], str(file)).code == 0
    assert hook["id"] in DOCUMENT.read_text()


def test_the_action_installs_this_checkout() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    assert action["runs"]["using"] == "composite"
    (step,) = (step for step in action["runs"]["steps"] if "run" in step)
    assert '"$GITHUB_ACTION_PATH"' in step["run"]
    assert step["shell"] == "bash"
