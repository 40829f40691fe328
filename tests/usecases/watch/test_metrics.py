"""The metrics of a watch: docs/metrics.md lists them all; counts are those of the exchange and of the lock."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconcile.model.account import WhenShort
from reconcile.render.metrics.exposition import exposition
from reconcile.render.metrics.families import families
from reconcile.render.metrics.snapshot import AccountSnapshot, Snapshot
from reconcile.sandbox.faults import Fault, Scripted
from reconcile.sandbox.http import answer
from tests.kit.scene import Scene, desired, play
from tests.usecases.test_bands import banded
from tests.usecases.watch.test_side_by_side import Two, held
from tests.usecases.watch.test_watch import ETH, LONG, MINUTE, Vigil, parsed, watched

DOC = Path(__file__).parents[3] / "docs" / "metrics.md"
MAIN = (("account", "main"),)
ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<kind>\w+) \|(?P<labels>[^|]*)\| (?P<text>[^|]+) \|$", re.MULTILINE)


def everything() -> Snapshot:
    """A snapshot with at least one sample of each family."""
    limited = banded(when_short=WhenShort.NEAREST_FIRST, min_available=Decimal(4000))
    whole = replace(limited, targets=(*limited.targets, *desired({ETH: "1500"}).targets))
    plan, _ = play(lambda scene: scene.plan(whole))
    account = AccountSnapshot(
        plan=plan.accounts[0], is_frozen=False, read_ms=1, good_ms=1, undone={LONG: 1}, gave_up=frozenset({LONG})
    )
    return Snapshot(rounds=1, at_ms=1, accounts=(account,))


def test_the_page_lists_every_metric_with_its_labels_in_order() -> None:
    listed = [
        (row["name"], row["kind"], set(re.findall(r"`(\w+)`", row["labels"])), row["text"])
        for row in ROW.finditer(DOC.read_text(encoding="utf-8"))
    ]
    written = [
        (name, kind, {label for labels, _ in samples for label in labels}, text)
        for name, kind, text, samples in families(everything())
    ]
    assert listed == written
    assert all(samples for *_, samples in families(everything()))


def test_the_alerts_of_the_page_name_metrics_that_there_are() -> None:
    text = DOC.read_text(encoding="utf-8")
    rules = yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])["groups"][0]["rules"]
    named = {name for rule in rules for name in re.findall(r"reconcile_\w+", rule["expr"])}
    assert len(rules) == 6
    assert named <= {name for name, *_ in families(everything())}


def after(vigil: Vigil) -> dict[Any, float]:
    return parsed(exposition(vigil.snapshots[-1]))


def counted(found: Mapping[Any, float], name: str, **labels: str) -> float:
    return found[name, tuple(sorted({"account": "main", **labels}.items()))]


def test_requests_are_those_that_left() -> None:
    vigil = Vigil([desired({LONG: "4500", ETH: "1500"})], apply=True, rounds=4)
    seen: list[str] = []
    vigil.before = lambda request: seen.append(request.method)
    watched(vigil)
    found = after(vigil)
    kinds = {kind: counted(found, "reconcile_requests_total", kind=kind) for kind in ("read", "public", "write")}
    assert kinds["write"] == seen.count("POST") == 1
    assert kinds["read"] + kinds["public"] == seen.count("GET") > 4
    assert counted(found, "reconcile_throttles_total") == 0


def test_a_throttle_is_counted() -> None:
    throttled = answer(429, {"code": -1003, "msg": "Too many requests."}, {"retry-after": "7"})
    vigil = Vigil([desired({LONG: "4500", ETH: "1500"})], apply=True, rounds=5)
    scene = Scene(faults=Scripted([Fault(arrives_ms=(), reply=throttled)], method="POST"))
    play(vigil, scene)
    found = after(vigil)
    assert scene.margin(LONG) == 4500
    assert counted(found, "reconcile_throttles_total") == 1
    assert counted(found, "reconcile_requests_total", kind="write") == 2


def test_counters_begin_at_0_and_runs_are_by_exit_code() -> None:
    vigil = Vigil([desired({LONG: "4500", ETH: "1500"})], apply=True, rounds=4)
    watched(vigil)
    first, last = parsed(exposition(vigil.snapshots[0])), after(vigil)
    for outcome in ("applied", "accepted", "refused", "unknown", "skipped"):
        assert counted(first, "reconcile_steps_total", outcome=outcome) == 0
    assert counted(first, "reconcile_runs_total", exit_code="0") == 0
    assert counted(last, "reconcile_runs_total", exit_code="0") == 1
    assert counted(last, "reconcile_steps_total", outcome="applied") == 1


def test_a_good_run_is_one_that_read_the_account_and_ended_well() -> None:
    refused = answer(400, {"code": -4051, "msg": "Isolated balance insufficient."})
    vigil = Vigil([desired({LONG: "4500", ETH: "1500"})], apply=True, rounds=4)
    scene = Scene(faults=Scripted([Fault(arrives_ms=(), reply=refused)] * 9, method="POST"))
    play(vigil, scene)
    good = [counted(parsed(exposition(s)), "reconcile_last_good_run_timestamp_seconds") for s in vigil.snapshots]
    read = [counted(parsed(exposition(s)), "reconcile_account_read_timestamp_seconds") for s in vigil.snapshots]
    failed = [s.accounts[0].runs for s in vigil.snapshots]
    assert failed[0] == {}
    assert failed[-1].keys() == {3}
    assert good[0] == read[0]
    assert good[-1] < read[-1]


@pytest.mark.parametrize(("patience_s", "is_skipped"), [(0, True), (90, False)])
def test_locks_that_were_met_are_counted_with_their_wait(patience_s: int, is_skipped: bool) -> None:  # noqa: FBT001
    async def act(scene: Scene) -> Two:
        two = Two(scene, rounds=5, lock_timeout_ms=patience_s * 1000, skip_locked=is_skipped)
        async with held(two, "one"):
            task = asyncio.ensure_future(two.watch.run())
            await scene.pass_time(MINUTE + 1_000)
        await task
        return two

    two, _ = play(act)
    found = parsed(exposition(two.snapshots[-1]))
    waits = found["reconcile_lock_waits_total", (("account", "one"),)]
    seconds = found["reconcile_lock_wait_seconds_total", (("account", "one"),)]
    assert (waits, seconds) == (2, 0) if is_skipped else waits == 1 and 60 <= seconds <= 62
    assert found["reconcile_lock_waits_total", (("account", "two"),)] == 0
