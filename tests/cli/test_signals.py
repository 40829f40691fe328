"""Ctrl-C and SIGTERM on real processes: what is in flight is settled or journalled, and nobody is locked out."""

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from threading import Event

import pytest

from reconcile.clock import SystemClock
from tests.kit.cli import SECONDS, process, run, started

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])


@contextmanager
def served(home: Path, *words: str) -> Iterator[dict[str, str]]:
    """A sandbox exchange as a process of its own; its URL and demo keys.

    Its positions were opened more than a second ago: a clock may be that far ahead, so what is younger than that can
    be an effect of the first request as far as anybody knows.
    """
    with started(home, "sandbox", "serve", "--exchange", "binance", "--format", "json", *words) as server:
        assert server.stdout is not None
        facts = json.loads(server.stdout.readline())
        margins(home)
        Event().wait(1.2)
        yield facts


def rule(home: Path, what: str) -> str:
    """A file of what happens to margin calls."""
    file = home / "faults.toml"
    file.write_text(f'[[rule]]\nmethod = "POST"\n{what}\n')
    return str(file)


def state(home: Path, facts: Mapping[str, str] | None = None, *, long: str = "4500", short: str = "2600") -> str:
    """Two positions of one account to add to."""
    file = home / "main.toml"
    endpoint = facts["url"] if facts else "sandbox"
    file.write_text(
        f'version = 1\n[account]\nname = "main"\nexchange = "binance"\nposition_mode = "hedge"\ngrace = 0.3\n'
        f'cold_start = "trust"\n'
        f'endpoint = "{endpoint}"\n[positions.BTCUSDT.long]\nisolated_margin = {long}\n'
        f"[positions.BTCUSDT.short]\nisolated_margin = {short}\n"
    )
    return str(file)


def keys(facts: Mapping[str, str]) -> dict[str, str]:
    return {"MAIN_API_KEY": facts["api_key"], "MAIN_API_SECRET": facts["api_secret"]}


def margins(home: Path, account: str = "demo") -> dict[str, Decimal]:
    """What the sandbox's books have behind both positions."""
    shown = run(home, "sandbox", "show", account, "--format", "json").json
    return {
        p["address"]: Decimal(p["isolated_margin"]) for p in shown["positions"] if p["address"].startswith("BTCUSDT")
    }


def wait_until_sent(home: Path) -> None:
    """Until the first call took effect; its answer is still under way then."""
    clock = SystemClock()
    end = clock.monotonic_ms() + SECONDS * 1000
    before = {"BTCUSDT.long": Decimal(3000), "BTCUSDT.short": Decimal(2500)}
    while margins(home) == before:
        if clock.monotonic_ms() > end:
            pytest.fail("nothing was sent in time")


def heard(child: "subprocess.Popen[str]", word: str) -> None:
    """Read what it says until it says this."""
    assert child.stderr is not None
    while word not in child.stderr.readline():
        assert child.poll() is None


@SIGNALS
def test_the_first_signal_settles_what_is_in_flight_and_says_what_was_and_was_not_done(
    tmp_path: Path, number: signal.Signals
) -> None:
    with served(tmp_path, "--faults", rule(tmp_path, "answer_ms = 900")) as facts:
        words = ["apply", state(tmp_path, facts), "--auto-approve", "--parallelism", "1"]
        with started(tmp_path, *words, env=keys(facts)) as child:
            wait_until_sent(tmp_path)
            child.send_signal(number)
            out, _ = child.communicate(timeout=SECONDS)
        assert child.returncode == 130
        assert "applied" in out
        assert "not started: asked to stop" in out
        assert "INTERRUPTED: 1 of 2 steps applied" in out
        status = process(tmp_path, "status", state(tmp_path, facts), "--format", "json", env=keys(facts)).json
        assert (status["accounts"][0]["lock"], status["accounts"][0]["unsettled"]) == (None, [])
        assert process(tmp_path, *words, env=keys(facts)).code == 0
    assert margins(tmp_path) == {"BTCUSDT.long": 4500, "BTCUSDT.short": 2600}


@SIGNALS
def test_the_second_signal_ends_it_at_once_and_the_next_run_settles_and_moves_nothing_twice(
    tmp_path: Path, number: signal.Signals
) -> None:
    with served(tmp_path, "--faults", rule(tmp_path, 'nth = [1]\nanswer = "timeout"')) as facts:
        words = ["apply", state(tmp_path, facts), "--auto-approve", "--parallelism", "1"]
        with started(tmp_path, *words, env=keys(facts)) as child:
            wait_until_sent(tmp_path)
            child.send_signal(number)
            heard(child, "stopping")
            child.send_signal(number)
            assert child.wait(3) == 130
        left = process(tmp_path, "status", state(tmp_path, facts), "--format", "json", env=keys(facts)).json
        assert left["accounts"][0]["lock"] is None
        assert left["accounts"][0]["unsettled"] != []
        detailed = process(tmp_path, "status", state(tmp_path, facts), "--detailed-exitcode", env=keys(facts))
        assert (detailed.code, "held, nothing is sent to: BTCUSDT." in detailed.out) == (5, True)
        again = process(tmp_path, *words, env=keys(facts))
    assert again.code == 0, again.err
    assert margins(tmp_path) == {"BTCUSDT.long": 4500, "BTCUSDT.short": 2600}


def test_a_run_that_waits_for_the_lock_ends_at_the_first_signal(tmp_path: Path) -> None:
    with served(tmp_path, "--latency", "1000") as facts:
        words = ["apply", state(tmp_path, facts), "--auto-approve", "-v"]
        with started(tmp_path, *words, env=keys(facts)) as first:
            clock = SystemClock()
            end = clock.monotonic_ms() + SECONDS * 1000
            while not any((tmp_path / "home" / "journal").glob("*.jsonl")):
                assert clock.monotonic_ms() < end
            first.send_signal(signal.SIGSTOP)  # so that it holds the lock however slow the second is
            with started(tmp_path, *words, env=keys(facts)) as second:
                heard(second, "waiting for the lock, held by")
                second.send_signal(signal.SIGTERM)
                out, _ = second.communicate(timeout=SECONDS)
            assert first.poll() is None, "the first goes on"
            first.send_signal(signal.SIGCONT)
    assert second.returncode == 130
    assert "INTERRUPTED: nothing was sent" in out


@SIGNALS
@pytest.mark.parametrize("applies", [False, True], ids=["looking", "applying"])
def test_a_watch_ends_with_130_and_frees_its_lock(
    tmp_path: Path,
    number: signal.Signals,
    applies: bool,  # noqa: FBT001 - a table
) -> None:
    beat = tmp_path / "beat"
    words = ["watch", state(tmp_path), "--interval", "1s", "--debounce", "1/1", "--heartbeat", str(beat)]
    with started(tmp_path, *words, *(["--apply"] if applies else [])) as child:
        clock = SystemClock()
        end = clock.monotonic_ms() + SECONDS * 1000
        while not beat.exists():
            assert clock.monotonic_ms() < end
            assert child.poll() is None
        assert run(tmp_path, *words, "--rounds", "1").code == 4, "never two at once"
        child.send_signal(number)
        out, error = child.communicate(timeout=SECONDS)
    assert child.returncode == 130, error
    assert out.count("BTCUSDT.long") >= 1
    assert run(tmp_path, *words, "--rounds", "1").code == 0
    wanted = {"BTCUSDT.long": 4500, "BTCUSDT.short": 2600} if applies else {"BTCUSDT.long": 3000, "BTCUSDT.short": 2500}
    assert margins(tmp_path, "main") == wanted
