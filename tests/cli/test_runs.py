"""Whole runs from the command line: apply, the question, saved plans, signals; the sandbox's books are the judge."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from reconcile.clock import SystemClock
from reconcile.render.common.json import digest_of
from reconcile.sandbox.store import SandboxStore
from tests.kit.cli import ROOT, SECONDS, at_terminal, environment, process, run, started

DEMO = "states/demo.toml"
BEFORE = {"BTCUSDT.long": Decimal(3000), "BTCUSDT.short": Decimal(2500)}
AFTER = {"BTCUSDT.long": Decimal(4500), "BTCUSDT.short": Decimal(2000)}


def books(home: Path, account: str = "demo") -> dict[str, Decimal]:
    """What the sandbox's books say about the positions that the demo changes."""
    with SandboxStore(home / "home").locked(account, "binance") as kept:
        return {f"BTCUSDT.{side}": kept.books.margin("BTCUSDT", side) for side in ("long", "short")}


def test_apply_reaches_what_is_declared_and_a_second_one_sends_nothing(tmp_path: Path) -> None:
    first = run(tmp_path, "apply", DEMO, "--auto-approve", "--format", "json")
    second = run(tmp_path, "apply", DEMO, "--auto-approve", "--format", "json")
    assert (first.code, second.code, books(tmp_path)) == (0, 0, AFTER)
    assert [account["requests"]["write"] for account in second.json["accounts"]] == [0]


@pytest.mark.parametrize(
    ("typed", "code", "left"),
    [
        (b"yes\n", 0, AFTER),
        (b"y\n", 4, BEFORE),
        (b"YES\n", 4, BEFORE),
        (b" yes\n", 4, BEFORE),
        (b"\n", 4, BEFORE),
        (b"\x04", 4, BEFORE),
        (b"\x03", 130, BEFORE),
    ],
)
def test_only_yes_goes_on(typed: bytes, code: int, left: Mapping[str, Decimal], tmp_path: Path) -> None:
    ended = at_terminal(tmp_path, "apply", DEMO, typed=typed)
    assert (ended.code, books(tmp_path)) == (code, left)
    assert "demo: Binance USD-M SANDBOX: 3 requests, +1500 −500 USDT" in ended.out
    assert "Traceback" not in ended.out


def test_ctrl_c_at_the_question_still_lists_every_account(tmp_path: Path) -> None:
    words = ["apply", DEMO, "states/demo-okx.toml", "--format", f"json={tmp_path / 'result.json'}"]
    ended = at_terminal(tmp_path, *words, typed=b"\x03")
    document = json.loads((tmp_path / "result.json").read_text())
    assert ended.code == document["exit_code"] == 130
    assert [account["account"] for account in document["accounts"]] == ["demo", "demo-okx"]
    assert {error["key"] for account in document["accounts"] for error in account["errors"]} == {"interrupted"}
    assert books(tmp_path) == BEFORE
    assert "INTERRUPTED: nothing was sent" in ended.out


def test_with_nothing_to_send_it_does_not_ask(tmp_path: Path) -> None:
    run(tmp_path, "apply", DEMO, "--auto-approve")
    ended = at_terminal(tmp_path, "apply", DEMO, typed=b"never asked")
    assert ended.code == 0
    assert "Type 'yes' to apply" not in ended.out


def test_no_color_is_obeyed_at_a_terminal(tmp_path: Path) -> None:
    assert "\x1b" in at_terminal(tmp_path, "plan", DEMO, typed=b"").out
    assert "\x1b" not in at_terminal(tmp_path, "plan", DEMO, typed=b"", env={"NO_COLOR": "1"}).out
    assert "\x1b" not in at_terminal(tmp_path, "plan", DEMO, "--no-color", typed=b"").out


# Saved plans.


def saved(home: Path, *words: str) -> str:
    """The path of a saved plan of the demo."""
    path = home / "plan.json"
    assert run(home, "plan", DEMO, "--out", str(path), *words).code == 0
    return str(path)


def test_a_saved_plan_is_applied_once(tmp_path: Path) -> None:
    plan = saved(tmp_path)
    digest = json.loads(Path(plan).read_text())["digest"]
    first = run(tmp_path, "apply", plan, "--digest", digest, "--auto-approve")
    again = run(tmp_path, "apply", plan, "--auto-approve")
    assert (first.code, again.code, books(tmp_path)) == (0, 4, AFTER)


def test_a_saved_plan_that_was_changed_is_refused(tmp_path: Path) -> None:
    plan = Path(saved(tmp_path))
    plan.write_text(plan.read_text().replace('"1500"', '"1600"'))
    assert (run(tmp_path, "apply", str(plan), "--auto-approve").code, books(tmp_path)) == (4, BEFORE)


def test_a_saved_plan_that_is_not_the_reviewed_one_is_refused(tmp_path: Path) -> None:
    ended = run(tmp_path, "apply", saved(tmp_path), "--auto-approve", "--digest", "sha256:" + "0" * 64)
    assert (ended.code, books(tmp_path)) == (4, BEFORE)
    assert "not the reviewed one" in ended.err


def test_an_expired_plan_is_refused(tmp_path: Path) -> None:
    plan = Path(saved(tmp_path))
    document = json.loads(plan.read_text())
    document |= {"created_at": "2019-12-31T23:50:00.000Z", "expires_at": "2020-01-01T00:00:00.000Z"}
    document["digest"] = digest_of(document)
    plan.write_text(json.dumps(document))
    ended = run(tmp_path, "apply", str(plan), "--auto-approve")
    assert (ended.code, books(tmp_path)) == (4, BEFORE)
    assert "expired" in ended.out


def test_a_plan_that_expires_before_it_was_made_is_no_plan(tmp_path: Path) -> None:
    plan = Path(saved(tmp_path))
    document = json.loads(plan.read_text())
    document["expires_at"] = "2020-01-01T00:00:00.000Z"
    document["digest"] = digest_of(document)
    plan.write_text(json.dumps(document))
    ended = run(tmp_path, "apply", str(plan), "--auto-approve")
    assert (ended.code, books(tmp_path)) == (1, BEFORE)
    assert "it expires before it was made" in ended.err


@pytest.mark.parametrize("words", [["--target", "*"], ["--override", "max_add=1", "--reason", "r"], [DEMO]])
def test_a_saved_plan_stands_alone(words: list[str], tmp_path: Path) -> None:
    assert run(tmp_path, "apply", saved(tmp_path), "--auto-approve", *words).code == 64


def test_a_plan_whose_state_file_changed_is_stale_and_one_without_it_says_so(tmp_path: Path) -> None:
    state, plan = tmp_path / "demo.toml", str(tmp_path / "plan.json")
    state.write_text((ROOT / DEMO).read_text())
    assert run(tmp_path, "plan", str(state), "--out", plan).code == 0
    state.write_text(state.read_text() + "\n# changed\n")
    assert (run(tmp_path, "apply", plan, "--auto-approve").code, books(tmp_path)) == (4, BEFORE)
    state.unlink()
    ended = run(tmp_path, "apply", plan, "--auto-approve", "--format", "json")
    assert (ended.code, books(tmp_path)) == (0, AFTER)
    assert [account["state_file_checked"] for account in ended.json["accounts"]] == [False]


def test_a_saved_plan_carries_its_targets_and_overrides(tmp_path: Path) -> None:
    plan = saved(tmp_path, "--target", "BTCUSDT.long", "--override", "max_total_add=1500")
    assert json.loads(Path(plan).read_text())["overrides"] == {"max_total_add": "1500"}
    assert run(tmp_path, "apply", plan, "--auto-approve").code == 0
    assert books(tmp_path) == {**BEFORE, "BTCUSDT.long": Decimal(4500)}


def test_a_plan_for_an_exchange_nobody_knows_is_an_input_error(tmp_path: Path) -> None:
    plan = Path(saved(tmp_path))
    document = json.loads(plan.read_text())
    document["accounts"][0]["exchange"] = "mtgox"
    document["digest"] = digest_of(document)
    plan.write_text(json.dumps(document))
    ended = run(tmp_path, "apply", str(plan), "--auto-approve")
    assert (ended.code, "'mtgox' is not known" in ended.err) == (1, True)


# Freezing, locks, a person's changes.


def test_a_frozen_account_is_refused_and_says_why(tmp_path: Path) -> None:
    frozen = tmp_path / "home" / "frozen"
    frozen.mkdir(parents=True)
    (frozen / "demo").write_text("incident 7\n")
    ended = run(tmp_path, "apply", DEMO, "--auto-approve")
    assert (ended.code, books(tmp_path)) == (4, BEFORE)
    assert "incident 7" in ended.out


def test_a_persons_change_is_what_the_next_plan_shows(tmp_path: Path) -> None:
    quick = tmp_path / "quick.toml"
    quick.write_text((ROOT / DEMO).read_text().replace('"sandbox"', '"sandbox"\ngrace = 0.3'))
    run(tmp_path, "apply", str(quick), "--auto-approve")
    assert run(tmp_path, "sandbox", "set", "--margin", "BTCUSDT.long=-100").code == 0
    document = run(tmp_path, "plan", str(quick), "--format", "json").json
    changes = [entry for entry in document["accounts"][0]["entries"] if entry["status"] == "change"]
    assert [(entry["address"], entry["steps"][0]["amount"]) for entry in changes] == [("BTCUSDT.long", "100")]


def test_a_reset_begins_anew_with_a_new_journal(tmp_path: Path) -> None:
    run(tmp_path, "apply", DEMO, "--auto-approve")
    ended = run(tmp_path, "sandbox", "reset", "demo", "--format", "json")
    assert ended.json["reset"] is True
    assert len(ended.json["journals"]) == 1
    assert books(tmp_path) == BEFORE
    assert run(tmp_path, "apply", DEMO, "--auto-approve").code == 0


# Signals, on a real server.


@contextmanager
def served(home: Path, *words: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """A sandbox server as its own process; gives a state file for it, and the environment with its keys."""
    server = subprocess.Popen(
        [sys.executable, "-m", "reconcile", "sandbox", "serve", "--format", "json", *words],
        env=environment(home),
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert server.stdout is not None
        facts = json.loads(server.stdout.readline())
        state = home / "served.toml"
        endpoint = f'{json.dumps(facts["url"])}\ncold_start = "trust"\ngrace = 0.3'
        state.write_text((ROOT / DEMO).read_text().replace('"sandbox"', endpoint))
        yield state, {"DEMO_API_KEY": facts["api_key"], "DEMO_API_SECRET": facts["api_secret"]}
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(SECONDS) == 0
        if server.stdout is not None:
            server.stdout.close()


def until(moved: Mapping[str, Decimal], home: Path) -> None:
    """Wait until the books are no longer these."""
    clock = SystemClock()
    end = clock.monotonic_ms() + SECONDS * 1000
    while books(home) == moved:
        if clock.monotonic_ms() > end:
            pytest.fail("nothing was sent in time")


def test_the_first_signal_starts_nothing_new_and_the_next_run_finishes(tmp_path: Path) -> None:
    faults = tmp_path / "faults.toml"  # the first call is answered late, so that the signal comes before the second
    faults.write_text('[[rule]]\nmethod = "POST"\npath = "/fapi/v1/positionMargin"\nnth = [1]\nanswer_ms = 6000\n')
    with served(tmp_path, "--faults", str(faults)) as (state, keys):
        words = ["apply", str(state), "--auto-approve", "--parallelism", "1", "--format", "json"]
        with started(tmp_path, *words, env=keys) as child:
            until(BEFORE, tmp_path)
            child.send_signal(signal.SIGTERM)
            out, error = child.communicate(timeout=SECONDS)
        steps = json.loads(out)["accounts"][0]["steps"]
        assert child.returncode == 130
        assert "stopping" in error
        assert {step["outcome"] for step in steps} == {"applied", "skipped"}
        assert process(tmp_path, *words, env=keys).code == 0
    assert books(tmp_path) == AFTER


def test_the_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text('[[rule]]\nmethod = "POST"\npath = "/fapi/v1/positionMargin"\nanswer = "timeout"\n')
    with served(tmp_path, "--faults", str(faults)) as (state, keys):  # noqa: SIM117 - the second needs the first
        with started(tmp_path, "apply", str(state), "--auto-approve", env=keys) as child:
            until(BEFORE, tmp_path)
            child.send_signal(signal.SIGINT)
            assert child.stderr is not None
            while "stopping" not in child.stderr.readline():
                assert child.poll() is None
            child.send_signal(signal.SIGINT)
            assert child.wait(3) == 130
            assert "stopped at once" in child.stderr.read()


def test_a_signal_ends_a_reading_command_at_once(tmp_path: Path) -> None:
    with served(tmp_path, "--latency", "60000") as (state, keys):  # noqa: SIM117 - the second needs the first
        with started(tmp_path, "plan", str(state), "--format", "json", env=keys) as child:
            assert child.stderr is not None
            while "reading 1 account" not in child.stderr.readline():
                assert child.poll() is None
            child.send_signal(signal.SIGINT)
            out, _ = child.communicate(timeout=3)
    assert child.returncode == 130
    assert json.loads(out)["exit_code"] == 130


def test_an_unattended_apply_shows_what_it_is_about_to_send(tmp_path: Path) -> None:
    ended = run(tmp_path, "apply", DEMO, "--auto-approve")
    assert ended.out.startswith(
        "sending to demo: Binance USD-M SANDBOX: 3 requests, +1500 −500 USDT\n  + BTCUSDT.long "
    )
    again = run(tmp_path, "apply", DEMO, "--auto-approve")
    assert "sending" not in again.out


def test_beside_a_document_what_is_sent_is_shown_on_stderr(tmp_path: Path) -> None:
    ended = run(tmp_path, "apply", DEMO, "--auto-approve", "--format", "json")
    assert ended.json["exit_code"] == 0
    assert ended.err.startswith("sending to demo: Binance USD-M SANDBOX: 3 requests, +1500 −500 USDT\n")


def test_what_was_typed_before_the_question_is_no_answer(tmp_path: Path) -> None:
    ended = at_terminal(tmp_path, "apply", DEMO, typed=b"no\n", ahead=b"yes\n")
    assert (ended.code, books(tmp_path)) == (4, BEFORE)
    assert "Cancelled: nothing was sent." in ended.out
