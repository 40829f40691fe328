"""``reconcile doctor`` on the sandbox's state files: its lines, its document, its exit codes."""

import json
from pathlib import Path

from tests.kit.cli import run

FILES = ("states/demo.toml", "states/demo-okx.toml", "states/demo-bitget.toml")


def test_all_three_exchanges_are_healthy_and_untouched(tmp_path: Path) -> None:
    before = {file: run(tmp_path, "plan", file, "--format", "json").json["accounts"][0]["entries"] for file in FILES}
    ended = run(tmp_path, "doctor", *FILES, "--format", "json")
    document = ended.json
    assert (ended.code, document["exit_code"]) == (0, 0)
    assert [each["exit_code"] for each in document["accounts"]] == [0, 0, 0]
    assert {check["check"] for each in document["accounts"] for check in each["checks"]} == {
        "credentials", "network", "clock", "account", "key", "modes", "journal", "lock", "outcomes", "freeze",
    }  # fmt: skip
    assert {check["verdict"] for each in document["accounts"] for check in each["checks"]} == {"ok", "unknown"}
    after = {file: run(tmp_path, "plan", file, "--format", "json").json["accounts"][0]["entries"] for file in FILES}
    assert [[e["observed"]["isolated_margin"] for e in before[f] if e["observed"]] for f in FILES] == [
        [e["observed"]["isolated_margin"] for e in after[f] if e["observed"]] for f in FILES
    ]


def test_another_position_mode_and_a_freeze_are_told_and_count(tmp_path: Path) -> None:
    state = tmp_path / "main.toml"
    account = '[account]\nname = "demo"\nexchange = "binance"\nposition_mode = "one-way"\nendpoint = "sandbox"\n'
    state.write_text(f"version = 1\n{account}[positions.BTCUSDT.net]\nisolated_margin = 10\n", encoding="utf-8")
    assert run(tmp_path, "freeze", "demo", str(state), "--reason", "incident").code == 0
    ended = run(tmp_path, "doctor", str(state))
    assert ended.code == 4
    assert "FAIL  modes        the account is in hedge mode and the file declares one-way; correct" in ended.out
    assert "FAIL  freeze       frozen: incident" in ended.out
    assert "2 checks failed" in ended.out


def test_missing_credentials_are_an_error_with_the_names_of_the_variables(tmp_path: Path) -> None:
    state = tmp_path / "main.toml"
    state.write_text(
        'version = 1\n[account]\nname = "main"\nexchange = "okx"\nposition_mode = "hedge"\nendpoint = "live"\n'
    )
    ended = run(tmp_path, "doctor", str(state))
    assert ended.code == 1
    assert "FAIL  credentials" in ended.out
    assert "MAIN_API_KEY" in ended.out
    assert "not checked: the check 'credentials' failed" in ended.out


def test_a_broken_chain_is_found_with_and_without_a_state_file(tmp_path: Path) -> None:
    run(tmp_path, "apply", "states/demo.toml", "--auto-approve")
    assert "every chain verified" in run(tmp_path, "doctor").out
    (journal,) = [each for each in (tmp_path / "home" / "journal").glob("*.jsonl") if "notes" not in each.name]
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    journal.write_text("".join([*lines[:2], *lines[3:]]), encoding="utf-8")
    for words in (["doctor"], ["doctor", "states/demo.toml"]):
        ended = run(tmp_path, *words)
        assert ended.code == 1
        assert "FAIL" in ended.out


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("", encoding="utf-8")
    ended = run(tmp_path, "doctor", "--home", str(in_the_way), "--format", "json")
    home = json.loads(ended.out)["runner"][0]
    assert (ended.code, home["verdict"]) == (1, "failed")
