"""What is said on stderr: requests with -v, JSON for a collector, a countdown for a person who waits."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reconcile.cli import COMMANDS, runner
from reconcile.cli.progress import CountingClock, Progress
from reconcile.cli.request_log import LoggedWire
from reconcile.cli.session import Invocation
from reconcile.clock import SystemClock
from reconcile.errors import InDoubt, NotSent
from reconcile.exchanges.http.wire import HttpRequest, HttpResponse
from tests.kit.cli import run

DEMO = "states/demo.toml"


def test_v_tells_each_request_and_each_step(tmp_path: Path) -> None:
    lines = run(tmp_path, "apply", DEMO, "--auto-approve", "-v").err.splitlines()
    posts = [line for line in lines if "POST /fapi/v1/positionMargin: 200, " in line]
    assert len(posts) == 2
    assert all(line.startswith("reconcile: ") for line in lines)
    assert all(" ms, weight " in line for line in posts)
    assert sum(line.endswith(" of 3)") and ": applied (" in line for line in lines) == 3
    assert "reconcile: demo: BTCUSDT.long +1500 USDT: applied (" in "\n".join(lines)


def test_no_query_and_no_key_is_in_what_v_says(tmp_path: Path) -> None:
    said = run(tmp_path, "plan", DEMO, "-v").err
    assert "/fapi/v3/balance" in said
    assert "?" not in said
    assert "signature" not in said


def test_json_lines_are_json_and_have_the_fields_of_a_request(tmp_path: Path) -> None:
    said = run(tmp_path, "apply", DEMO, "--auto-approve", "-v", "--log-format", "json", "--format", "json").err
    lines = [json.loads(line) for line in said.splitlines()]
    assert {"at", "level", "message"} <= set.intersection(*(set(line) for line in lines))
    sent = [line for line in lines if line.get("event") == "request" and line["method"] == "POST"]
    assert {(line["path"], line["status"]) for line in sent} == {
        ("/fapi/v1/positionMargin", 200),
        ("/fapi/v1/marginType", 200),
    }
    assert any(line["message"].startswith("sending to demo: Binance USD-M SANDBOX: 3 requests") for line in lines)


def test_an_error_is_a_line_of_json_too(tmp_path: Path) -> None:
    ended = run(tmp_path, "plan", "nowhere", env={"RECONCILE_LOG_FORMAT": "json"})
    (line,) = ended.err.splitlines()
    assert ended.code == 1
    assert json.loads(line)["level"] == "error"
    assert "nowhere" in json.loads(line)["message"]


SAVED = "{home}/plan.json"
EVERY_COMMAND: tuple[tuple[str, ...], ...] = (
    ("validate", DEMO),
    ("plan", DEMO, "-v", "--out", SAVED),
    ("show", SAVED),
    ("apply", DEMO),
    ("apply", SAVED, "--auto-approve", "-v"),
    ("drift", DEMO, "-v"),
    ("rehearse", DEMO, "--shock", "-5%", "-v"),
    ("import", "--exchange", "okx", "--endpoint", "sandbox", "-v"),
    ("watch", DEMO, "--rounds", "1", "--notify", "false"),
    ("status", DEMO),
    ("doctor", DEMO, "-v"),
    ("resolve", "demo:BTCUSDT.long", "--as", "applied", "--reason", "r"),
    ("freeze", "demo", "--reason", "r"),
    ("apply", DEMO, "--auto-approve"),
    ("unfreeze", "demo", "--reason", "r"),
    ("audit", "log"),
    ("audit", "movements"),
    ("audit", "show", "0"),
    ("audit", "diff", "0", "1"),
    ("audit", "head"),
    ("audit", "verify"),
    ("audit", "report", "--html", "{home}/report.html"),
    ("audit", "views"),
    ("explain", "3"),
    ("schema",),
    ("sandbox", "show"),
    ("sandbox", "set", "--margin", "BTCUSDT.long=1"),
    ("sandbox", "reset"),
    ("sandbox", "serve", "--faults", "nowhere"),
)
"""At least one line of each command, in an order in which they work."""


def not_json(said: str) -> list[str]:
    """The lines of stderr that are no line of the log."""
    found = []
    for line in said.splitlines():
        try:
            log = json.loads(line)
        except ValueError:
            log = None
        if not isinstance(log, dict) or not {"at", "level", "message"} <= set(log):
            found.append(line)
    return found


def test_every_command_writes_nothing_but_json_to_stderr(tmp_path: Path) -> None:
    assert {words[0] for words in EVERY_COMMAND} == set(COMMANDS)
    bad, lines = {}, 0
    for words in EVERY_COMMAND:
        filled = [word.format(home=tmp_path) for word in words]
        for more in ((), ("--bogus",)):
            ended = run(tmp_path, *filled, *more, "--log-format", "json")
            lines += len(ended.err.splitlines())
            if not_json(ended.err):
                bad[*words, *more] = not_json(ended.err)
            if more:
                assert (ended.code, len(ended.err.splitlines())) == (64, 1), words
    assert bad == {}
    assert lines > 60


@pytest.mark.parametrize(
    "words",
    [
        ("--log-format=json",),
        ("--log-format", "json", "bogus"),
        ("audit", "--log-format", "json"),
        ("plan", "--log-format", "json"),
        ("plan", "--log-format", "text", "--log-format=json"),
        ("--log-format", "json", "schema", "--of", "nothing"),
        ("--log-format", "json"),
    ],
)
def test_a_wrong_command_line_is_one_line_of_json(words: tuple[str, ...], tmp_path: Path) -> None:
    ended = run(tmp_path, *words)
    (line,) = ended.err.splitlines()
    assert (ended.code, json.loads(line)["level"]) == (64, "error")
    assert "--help' shows how it is written" in json.loads(line)["message"]


def test_a_signal_is_told_in_the_format_of_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    for as_json in (False, True):
        session = Invocation()
        session.log_json = as_json
        runner._tell(session.line("warning", "stopping"))
        said = capfd.readouterr().err
        assert said == "\nreconcile: stopping\n" if not as_json else not_json(said) == []


class Failing:
    """A wire that fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def send(self, _: HttpRequest) -> HttpResponse:
        raise self._error


@pytest.mark.parametrize(("error", "words"), [(NotSent("x"), "not sent"), (InDoubt("x"), "no answer")])
def test_a_request_without_an_answer_is_told_and_its_error_passed_on(error: Exception, words: str) -> None:
    told: list[tuple[str, Mapping[str, Any]]] = []

    def log(_: str, message: str, **fields: Any) -> None:
        told.append((message, fields))

    wire = LoggedWire(Failing(error), log, SystemClock())
    with pytest.raises(type(error)):
        asyncio.run(wire.send(HttpRequest(method="POST", url="https://x/api/y?signature=abc")))
    ((message, fields),) = told
    assert message.startswith(f"POST /api/y: {words}, ")
    assert (fields["status"], fields["path"]) == (None, "/api/y")


def test_a_long_wait_is_counted_down_and_the_line_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        await real(seconds / 50)

    monkeypatch.setattr(asyncio, "sleep", sleep)

    async def wait() -> None:
        clock = CountingClock(shown.append)
        await asyncio.gather(clock.sleep(5_000), clock.sleep(2_000), clock.sleep(10))

    asyncio.run(wait())
    assert shown[0] == "waiting 5 s (2 waits)"
    assert shown[-1] == ""
    assert len(shown) >= 4


def test_a_run_that_takes_longer_than_a_second_shows_every_line_it_kept(capsys: pytest.CaptureFixture[str]) -> None:
    class Later(SystemClock):
        now = 0

        def monotonic_ms(self) -> int:
            return self.now

    async def say() -> None:
        clock = Later()
        progress = Progress(Invocation(), clock)
        progress("first")
        progress("second")
        Later.now = 1_500
        progress("third")

    asyncio.run(say())
    assert capsys.readouterr().err == "reconcile: first\nreconcile: second\nreconcile: third\n"


def test_nothing_typed_is_one_line_of_json_where_the_environment_asks_for_it(tmp_path: Path) -> None:
    (line,) = run(tmp_path, env={"RECONCILE_LOG_FORMAT": "json"}).err.splitlines()
    assert json.loads(line)["message"].startswith("no command: write one behind 'reconcile'")


def test_an_option_without_its_value_is_told_as_text(tmp_path: Path) -> None:
    ended = run(tmp_path, "plan", DEMO, "--log-format")
    assert (ended.code, "reconcile: Option '--log-format' requires an argument." in ended.err) == (64, True)
