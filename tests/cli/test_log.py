"""What is said on stderr: requests with -v, JSON for a collector, a countdown for a person who waits."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

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
    assert json.loads(line)["level"] == "warning"
    assert "nowhere" in json.loads(line)["message"]


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
