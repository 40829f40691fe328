"""Spans for OpenTelemetry: what they say, that they hold no amount and no secret, and that nothing waits for them."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from reconcile.cli import tracing as module
from reconcile.cli.tracing import Tracing, tracing
from reconcile.model.plan import Result
from reconcile.model.spans import RunSpan, Spans
from reconcile.sandbox.faults import Ending, Fault, Scripted
from reconcile.usecases.apply import apply
from tests.cli.test_audit import declare
from tests.kit.cli import ROOT, run
from tests.kit.scene import Scene, desired, play

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9/secret-path", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
TARGETS = {"BTCUSDT.long": "4500", "ETHUSDT.long": "1600"}


def applied(scene: Scene, *, declared: Mapping[str, str] = TARGETS) -> list[RunSpan]:
    """The spans of one apply."""
    told: list[RunSpan] = []

    play(lambda _: apply_with(scene, told.append, declared), scene)
    return told


async def apply_with(scene: Scene, spans: Spans, declared: Mapping[str, str] = TARGETS) -> Result:
    """One apply whose runs are told to ``spans``."""
    world = replace(scene.world(), spans=spans)
    return await apply(world, [desired(declared)], reason=None, git_commit=None, confirm=None)


def test_a_run_has_a_span_and_each_step_one_within_it() -> None:
    (told,) = applied(Scene())
    run_span, steps = told.run, told.steps
    assert run_span.attributes == {
        "reconcile.account": "main",
        "reconcile.exchange": "binance",
        "reconcile.command": "apply",
        "reconcile.run_id": run_span.attributes["reconcile.run_id"],
        "reconcile.plan_id": run_span.attributes["reconcile.plan_id"],
        "reconcile.exit_code": 0,
        "reconcile.steps": 2,
    }
    assert {(step.attributes["reconcile.address"], step.attributes["reconcile.outcome"]) for step in steps} == {
        ("BTCUSDT.long", "applied"),
        ("ETHUSDT.long", "applied"),
    }
    for step in steps:
        assert run_span.began_ms <= step.began_ms < step.ended_ms <= run_span.ended_ms
        assert step.problem == ""


def test_a_step_that_ended_badly_is_an_error_and_so_is_its_run() -> None:
    scene = Scene(faults=Scripted([Fault(arrives_ms=(), ending=Ending.LOST)] * 99, method="POST"))
    (told,) = applied(scene, declared={"BTCUSDT.long": "4500"})
    assert told.run.problem == f"exit {told.run.attributes['reconcile.exit_code']}"
    assert told.steps[0].problem == told.steps[0].attributes["reconcile.outcome"] != "applied"
    assert told.steps[0].ended_ms - told.steps[0].began_ms > 5_000


def test_a_run_that_was_refused_has_a_span_without_steps() -> None:
    scene = Scene(env={"RECONCILE_FROZEN": "main"})
    (told,) = applied(scene)
    assert (told.run.attributes["reconcile.exit_code"], told.run.problem, told.steps) == (4, "exit 4", ())


def test_tracing_that_fails_changes_no_run() -> None:
    def broken(_: RunSpan) -> None:
        raise RuntimeError("no tracing today")

    result, scene = play(lambda scene: apply_with(scene, broken))
    assert (result.exit_code, scene.margin("BTCUSDT.long")) == (0, Decimal(4500))


# The library.


def exported(spans: Sequence[RunSpan]) -> list[dict[str, Any]]:
    """What an exporter is given, as JSON."""
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter").InMemorySpanExporter()
    to = Tracing(memory, lambda _: None, host="collector.example")
    for span in spans:
        to(span)
    to.close()
    return [json.loads(span.to_json()) for span in memory.get_finished_spans()]


def test_a_collector_gets_a_trace_for_each_run() -> None:
    told = applied(Scene())
    spans = exported([told[0], told[0]])
    assert [span["name"] for span in spans] == ["reconcile.step", "reconcile.step", "reconcile.run"] * 2
    step, _, whole = spans[:3]
    assert step["parent_id"] == whole["context"]["span_id"]
    assert step["context"]["trace_id"] == whole["context"]["trace_id"] != spans[3]["context"]["trace_id"]
    assert step["start_time"].startswith("2026-01-01T00:00:0")
    assert (step["status"], step["attributes"]["reconcile.action"]) == ({"status_code": "OK"}, "add_margin")
    assert step["resource"]["attributes"]["service.name"] == "reconcile"


def test_spans_hold_no_amount() -> None:
    text = json.dumps(exported(applied(Scene())))
    assert not [amount for amount in ("4500", "1500", "1600", "3000") if amount in text]


def test_without_an_endpoint_or_where_it_is_switched_off_there_is_no_tracing() -> None:
    assert tracing({}, pytest.fail) is None
    assert tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, pytest.fail) is None
    assert tracing({**ENDPOINT, "OTEL_SDK_DISABLED": "TRUE"}, pytest.fail) is None
    assert tracing({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, pytest.fail) is None


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    lines: list[str] = []
    assert tracing(ENDPOINT, lines.append) is None
    assert len(lines) == 1
    assert "install the extra [otel]: pip install '.[otel]' in reconcile's checkout" in lines[0]


def test_a_collector_that_is_not_there_costs_one_line(tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.sdk")
    ended = run(tmp_path, "apply", str(declare(tmp_path, 3300)), "--auto-approve", env=ENDPOINT)
    assert ended.code == 0
    lines = [line for line in ended.err.splitlines() if "OpenTelemetry" in line or "Traceback" in line]
    assert lines
    assert all("reconcile: OpenTelemetry: " in line and "127.0.0.1" in line for line in lines), lines
    assert len(lines) <= 2  # not sent, and on a busy machine not given up in time
    assert "secret-path" not in ended.err


class Stuck:
    """An exporter that never comes back."""

    def export(self, _: object) -> None:
        """Hang."""
        time.sleep(600)

    def shutdown(self) -> None:
        """Hang as well."""
        time.sleep(600)

    def force_flush(self, _: int = 0) -> bool:
        """Nothing was flushed."""
        return False


def test_a_collector_that_does_not_answer_holds_up_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.sdk")
    monkeypatch.setattr(module, "DRAIN_S", 0.05)
    lines: list[str] = []
    told = applied(Scene())
    to = Tracing(Stuck(), lines.append, host="collector.example")  # type: ignore[arg-type,unused-ignore]
    to(told[0])
    to.close()
    assert lines == ["OpenTelemetry: collector.example did not take all spans within 0 s; the rest is dropped"]


def test_a_command_that_reads_loads_no_tracing(tmp_path: Path) -> None:
    words = ["plan", str(declare(tmp_path, 3300)), "--home", str(tmp_path)]
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "reconcile", *words],
        env=ENDPOINT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, "reconcile.usecases.plan" in ended.stderr) == (0, True)
    assert "opentelemetry" not in ended.stderr
    assert "reconcile.cli.tracing" not in ended.stderr


def test_the_page_lists_the_attributes() -> None:
    (told,) = applied(Scene())
    page = (ROOT / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(reconcile\.\w+)` \| (`reconcile\..*) \|$", page, re.MULTILINE)
    listed = {name: re.findall(r"`([\w.]+)`", attributes) for name, attributes in rows}
    assert listed == {span.name: list(span.attributes) for span in (told.run, told.steps[0])}
