"""``freeze`` and ``unfreeze`` on the command line: on a fresh home, without keys, on record."""

from pathlib import Path

import pytest

from tests.kit.cli import run

DEMO = "states/demo.toml"
WHY = ("--reason", "incident 42")


def test_a_freeze_on_a_fresh_home_refuses_the_next_apply_until_it_is_lifted(tmp_path: Path) -> None:
    done = run(tmp_path, "freeze", "demo", DEMO, *WHY)
    assert done.code == 0
    assert done.out.startswith("frozen: demo (incident 42); nothing more is sent, what is in flight is settled\n")
    refused = run(tmp_path, "apply", DEMO, "--auto-approve")
    assert (refused.code, "frozen: starting demo: incident 42 (by " in refused.out) == (4, True)
    assert "! frozen: incident 42 (by " in run(tmp_path, "status", DEMO).out
    assert run(tmp_path, "plan", DEMO).code == 0
    assert run(tmp_path, "unfreeze", "demo", "--reason", "over").code == 0
    assert run(tmp_path, "apply", DEMO, "--auto-approve").code == 0
    assert run(tmp_path, "freeze", "demo", *WHY).code == 0  # now a journal knows it


def test_everything_is_frozen_without_any_name(tmp_path: Path) -> None:
    assert run(tmp_path, "freeze", "--all", *WHY, "--format", "json").json["account"] == "*"
    assert run(tmp_path, "watch", DEMO, "--interval", "1s", "--rounds", "1", "--debounce", "1/1", "--apply").code == 0
    assert run(tmp_path, "plan", DEMO, "--detailed-exitcode").code == 2
    assert run(tmp_path, "apply", DEMO, "--auto-approve").code == 4
    assert run(tmp_path, "unfreeze", "--all", "--reason", "over", "--format", "json").json["frozen"] == {}
    assert run(tmp_path, "apply", DEMO, "--auto-approve").code == 0


def test_who_froze_what_and_why_is_on_record_and_proven(tmp_path: Path) -> None:
    env = {"RECONCILE_ACTOR": "alice"}
    head = run(tmp_path, "freeze", "demo", DEMO, *WHY, "--format", "json", env=env).json["journal_head"]
    run(tmp_path, "unfreeze", "demo", "--reason", "over", env={"RECONCILE_ACTOR": "bob"})
    rows = run(tmp_path, "audit", "log", "--format", "json").json["rows"]
    assert [(row["account"], row["what"], row["outcome"], row["actor"], row["reason"]) for row in rows] == [
        ("demo", "freeze", "frozen", "alice", "incident 42"),
        ("demo", "unfreeze", "unfrozen", "bob", "over"),
    ]
    assert run(tmp_path, "audit", "verify", "--head", f"brake_notes={head}").code == 0


def test_a_name_that_nothing_knows_is_an_error_and_freezes_nothing(tmp_path: Path) -> None:
    fresh = run(tmp_path, "freeze", "demo", *WHY)
    misspelt = run(tmp_path, "freeze", "dmeo", DEMO, *WHY)
    assert (fresh.code, misspelt.code) == (1, 1)
    assert "name its state file behind it ('reconcile freeze demo PATH'), or freeze all with --all" in fresh.err
    assert "did you mean demo?" in misspelt.err
    assert run(tmp_path, "apply", DEMO, "--auto-approve").code == 0
    assert run(tmp_path, "unfreeze", "dmeo", *WHY).code == 1


def test_a_broken_state_file_beside_it_does_not_leave_a_person_without_a_way(tmp_path: Path) -> None:
    (tmp_path / "states").mkdir()
    (tmp_path / "states" / "bad.toml").write_text("version = 2\n")
    done = run(tmp_path, "freeze", "demo", str(tmp_path / "states"), DEMO, *WHY)
    assert done.code == 1
    assert "freezing demo: not frozen; name its own state file alone, or freeze all with --all" in done.err
    assert run(tmp_path, "freeze", "demo", DEMO, *WHY).code == 0


@pytest.mark.parametrize(
    "words",
    [
        ["freeze", *WHY],
        ["freeze", "demo", "--all", *WHY],
        ["freeze", "demo"],
        ["freeze", "demo", "--reason", " "],
        ["unfreeze", *WHY],
        ["unfreeze", "demo", "--all", *WHY],
        ["unfreeze", "--all"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_told_from_a_refusal(tmp_path: Path, words: list[str]) -> None:
    assert run(tmp_path, *words).code == 64
