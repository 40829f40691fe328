"""``watch --listen``: what Prometheus and a health check are served, over the wire."""

import builtins
import http.client
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reconcile.cli.metrics_server import LATE_AFTER, MetricsServer, address_of
from reconcile.errors import InputError, UsageError
from reconcile.render.metrics.exposition import exposition
from reconcile.render.metrics.snapshot import AccountSnapshot, Snapshot
from tests.cli.test_audit import declare
from tests.kit.cli import run
from tests.kit.documents_sample import WHEN, account

MINUTE = 60_000


class Clock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now_ms = WHEN

    def wall_ms(self) -> int:
        """As the test says."""
        return self.now_ms

    def monotonic_ms(self) -> int:
        """The same."""
        return self.now_ms

    async def sleep(self, milliseconds: int) -> None:
        """Nobody waits here."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


SNAPSHOT = Snapshot(
    rounds=7,
    at_ms=WHEN,
    accounts=(AccountSnapshot(plan=account(), is_frozen=False, read_ms=WHEN, steps={"applied": 3}),),
)


def get(server: MetricsServer, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def samples(text: str) -> dict[Any, float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_prometheus_is_served_what_the_file_would_hold(clock: Clock) -> None:
    with MetricsServer(("127.0.0.1", 0), clock, interval_ms=MINUTE) as server:
        before = get(server, "/metrics")
        server.publish(SNAPSHOT)
        status, text = get(server, "/metrics")

    assert before == (200, "")
    assert status == 200
    assert samples(text) == samples(exposition(SNAPSHOT))
    assert samples(text)["reconcile_steps_total", (("account", "main"), ("outcome", "applied"))] == 3


def test_a_watch_whose_rounds_do_not_end_is_not_healthy(clock: Clock) -> None:
    with MetricsServer(("127.0.0.1", 0), clock, interval_ms=MINUTE) as server:
        clock.now_ms += LATE_AFTER * MINUTE
        begun = get(server, "/healthz")
        clock.now_ms += 1
        late = get(server, "/healthz")
        server.publish(replace(SNAPSHOT, at_ms=clock.now_ms))
        well = get(server, "/healthz")

    assert (begun[0], json.loads(begun[1])["status"]) == (200, "ok")
    assert (late[0], json.loads(late[1])["status"]) == (503, "late")
    assert well[0] == 200
    assert json.loads(well[1]) == {
        "format": "reconcile.health/1", "status": "ok", "rounds": 7, "round_at": "2026-01-01T00:03:00.001Z",
    }  # fmt: skip


def test_nothing_else_is_served(clock: Clock) -> None:
    with MetricsServer(("127.0.0.1", 0), clock, interval_ms=MINUTE) as server:
        assert get(server, "/")[0] == 404
        assert get(server, "/metrics", "POST")[0] == 405


@pytest.mark.parametrize("text", ["9464", ":9464", "host:", "host:x", "host:70000", "host:-1", "host:\u0661"])
def test_an_address_that_is_none_is_a_wrong_command_line(text: str) -> None:
    with pytest.raises(UsageError):
        address_of(text)


def test_an_address_is_a_host_and_a_port() -> None:
    assert address_of("127.0.0.1:9464") == ("127.0.0.1", 9464)
    assert address_of("[::1]:0") == ("::1", 0)


def test_a_port_that_is_taken_is_said_before_the_watch_begins(clock: Clock, tmp_path: Path) -> None:
    with MetricsServer(("127.0.0.1", 0), clock, interval_ms=MINUTE) as server:
        words = ("watch", str(declare(tmp_path, 3300)), "--rounds", "1", "--listen", f"127.0.0.1:{server.port}")
        done = run(tmp_path, *words)

    assert (done.code, "name another address with --listen" in done.err) == (1, True)


def test_without_the_client_it_is_said_what_to_install(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **more: Any) -> Any:
        if name == "prometheus_client":
            raise ImportError("No module named 'prometheus_client'")
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(InputError, match=r"install the extra \[metrics\]"):
        MetricsServer(("127.0.0.1", 0), clock, interval_ms=MINUTE)


def test_a_watch_listens_while_it_lasts(tmp_path: Path) -> None:
    done = run(tmp_path, "watch", str(declare(tmp_path, 3300)), "--rounds", "1", "--listen", "127.0.0.1:0")
    assert done.code == 0, done.err
