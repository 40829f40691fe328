"""``reconcile show`` as a person types it: a saved plan from its file alone."""

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reconcile.model.plan import PlanError, SavedPlan, Status
from reconcile.render.common.json import digest_of
from reconcile.render.plan.show import SavedPlanView
from tests.kit.cli import ROOT, run
from tests.kit.documents_sample import WHEN, account, plan
from tests.kit.documents_sample import entry as entry_of


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A plan of the demo account, in a folder that has nothing else."""
    made, file = tmp_path / "made", tmp_path / "plan.json"
    made.mkdir()
    assert run(made, "plan", str(ROOT / "states" / "demo.toml"), "--out", str(file)).code == 0
    return file


def test_a_plan_is_shown_without_home_keys_or_state_file(saved: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "made")
    document = json.loads(saved.read_text())

    done = run(tmp_path, "show", str(saved))

    assert (done.code, done.err, (tmp_path / "home").exists()) == (0, "", False)
    assert "+ BTCUSDT.long" in done.out
    assert document["digest"] in done.out
    assert f"expires: {document['expires_at'][:19]}Z, in 59 min" in done.out
    assert "scope:   demo: 3 steps for 8 positions" in done.out


def test_the_next_command_applies_the_plan_that_was_shown(saved: Path, tmp_path: Path) -> None:
    shown = run(tmp_path, "show", str(saved), "--format", "json").json

    done = run(tmp_path / "made", *shlex.split(shown["next_command"])[1:], "--auto-approve")

    assert (done.code, "3 steps applied" in done.out) == (0, True)


def test_the_document_holds_the_saved_plan_to_the_letter(saved: Path, tmp_path: Path) -> None:
    document = json.loads(saved.read_text())
    document["of_a_later_version"] = {"x": [1]}
    document["digest"] = digest_of(document)
    saved.write_text(json.dumps(document))

    shown = run(tmp_path, "show", str(saved), "--format", "json").json

    assert shown["plan"] == document
    assert (shown["digest"], shown["expired"]) == (document["digest"], False)
    assert shown["scope"] == [{"account": "demo", "targets": [], "positions": 8, "steps": 3, "outside": 0}]


def test_a_plan_of_some_targets_says_what_it_leaves_out(tmp_path: Path) -> None:
    file = tmp_path / "part.json"
    demo = str(ROOT / "states" / "demo.toml")
    assert run(tmp_path, "plan", demo, "--target", "BTC*", "--out", str(file)).code == 0

    text, document = run(tmp_path, "show", str(file)), run(tmp_path, "show", str(file), "--format", "json").json

    (scope,) = document["scope"]
    assert (scope["targets"], scope["steps"], scope["outside"]) == (["BTC*"], 2, 3)
    assert "3 declared left out by --target BTC*" in text.out


def test_the_comment_leads_with_expiry_and_command(saved: Path, tmp_path: Path) -> None:
    page = run(tmp_path, "show", str(saved), "--format", "markdown").out

    assert page.index("expires") < page.index("reconcile apply") < page.index("### Margin plan")


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (lambda text: text.replace('"1500"', '"15000"'), 4, "changed after it was saved"),
        (lambda text: text[: len(text) // 2], 1, "not JSON"),
        (lambda _: "version = 1", 1, "no saved plan is there"),
        (lambda _: '{"format": "reconcile.result/1"}', 1, "its format is"),
    ],
)
def test_what_is_no_unchanged_plan_is_an_error(
    saved: Path, tmp_path: Path, change: Callable[[str], str], code: int, says: str
) -> None:
    saved.write_text(change(saved.read_text()))

    done = run(tmp_path, "show", str(saved))

    assert (done.code, done.out) == (code, "")
    assert says in done.err


def test_a_plan_that_is_not_there_and_another_digest_are_errors(saved: Path, tmp_path: Path) -> None:
    assert run(tmp_path, "show", str(tmp_path / "none.json")).code == 1
    assert run(tmp_path, "show", str(saved), "--digest", "sha256:00").code == 4


def test_the_next_step_is_what_can_be_done_with_it() -> None:
    refused = PlanError(key="exchange", message="no connection could be made")
    idle = account([entry_of("A.net", Status.IN_SYNC, asset=None)])
    kinds = {"full": account(), "idle": idle, "failed": account([], errors=[refused], exit_code=1)}

    def following(kind: str, now_ms: int) -> str | None:
        saved_plan = SavedPlan(plan=plan(kinds[kind]), digest="sha256:0")
        return SavedPlanView(file="a b.json", saved=saved_plan, whole={}, now_ms=now_ms).next_command

    in_time, too_late = WHEN + 3_600_000, WHEN + 3_600_001
    assert following("full", in_time) == "reconcile apply 'a b.json' --digest sha256:0"
    assert following("full", too_late) == "reconcile plan states/main.toml --out 'a b.json'"
    assert following("failed", in_time) == "reconcile plan states/main.toml --out 'a b.json'"
    assert (following("idle", in_time), following("idle", too_late)) == (None, None)


def test_the_expiry_is_told_in_words() -> None:
    def told(now_ms: int) -> str:
        shown = SavedPlanView(file="p", saved=SavedPlan(plan=plan(), digest="d"), whole={}, now_ms=now_ms)
        return shown.expiry

    assert told(WHEN) == "2026-01-01T01:00:00Z, in 1 h"
    assert told(WHEN + 3_600_000 + 90_000) == "2026-01-01T01:00:00Z, 1 min ago: apply refuses it"
