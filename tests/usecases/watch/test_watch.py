"""A watch tells each change of state once, applies only what it may, and does not fight for ever."""

import asyncio
import json as plain_json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reconcile.clock import SystemClock
from reconcile.concurrency import Stop
from reconcile.errors import Declined, InputError, Interrupted, NotSent
from reconcile.exchanges.http.wire import HttpRequest
from reconcile.journal.file.disk import SystemDisk
from reconcile.model.account import DesiredAccount, Policy
from reconcile.model.measures import Band, Measure, Thresholds
from reconcile.render.metrics.exposition import exposition
from reconcile.render.metrics.snapshot import Snapshot
from reconcile.sandbox.faults import Ending, Fault, Scripted
from reconcile.usecases.watch.lock import watch_lock
from reconcile.usecases.watch.loop import Watch
from reconcile.usecases.watch.news import News
from reconcile.usecases.watch.settings import Settings
from tests.kit import cli as cli_kit
from tests.kit.scene import Scene, desired, play
from tests.simulation.world import declared
from tests.usecases.test_bands import banded

LONG = "BTCUSDT.long"
ETH = "ETHUSDT.long"
IN_SYNC: Mapping[str, str] = {LONG: "3000", ETH: "1500"}
MINUTE = 60_000


@asynccontextmanager
async def unlocked(_: str, __: Mapping[str, str]) -> AsyncIterator[None]:
    yield


class Vigil:
    """One watch and what came of it. ``between`` is called before each look, with the number of rounds so far."""

    def __init__(self, accounts: Sequence[DesiredAccount] | None = None, **settings: Any) -> None:
        self.settings = Settings(**{"interval_ms": MINUTE, "apply": False, "rounds": 6, **settings})
        self.accounts = list(accounts or [desired(IN_SYNC)])
        self.news: list[News] = []
        self.snapshots: list[Snapshot] = []
        self.between: dict[int, Callable[[], None]] = {}
        self.before: Callable[[HttpRequest], None] | None = None
        self.stop = Stop()
        self._loads = 0

    def load(self) -> Sequence[DesiredAccount]:
        """Called at the start of each round."""
        self.between.get(self._loads, lambda: None)()
        self._loads += 1
        return self.accounts

    async def __call__(self, scene: Scene) -> None:
        process = scene.process()
        process.before = self.before
        process.stop = self.stop
        watch = Watch(
            scene.world(process),
            self.load,
            self.settings,
            hold=unlocked,
            tell=self.news.append,
            publish=self.snapshots.append,
        )
        await watch.run()

    def turns(self, address: str = LONG) -> list[tuple[str | None, str | None]]:
        return [(n.before, n.after) for n in self.news if n.address == address and n.after is not None]

    def said(self, word: str) -> list[str]:
        return [n.message for n in self.news if word in n.message]


def watched(vigil: Vigil, setup: Callable[[Scene], None] = lambda _: None) -> Scene:
    scene = Scene()
    setup(scene)
    play(vigil, scene)
    return scene


# Telling.


def test_a_quiet_account_says_nothing() -> None:
    vigil = Vigil()
    watched(vigil)
    assert vigil.news == []
    assert len(vigil.snapshots) == 6


def test_a_change_of_state_is_told_once_and_with_its_amount() -> None:
    vigil = Vigil()
    watched(vigil, lambda scene: vigil.between.update({2: lambda: scene.by_hand(LONG, "-100")}))
    assert vigil.turns() == [("in_sync", "change")]
    assert vigil.news[0].message.startswith("2900 → 3000 (+100 USDT)")


def test_an_amount_that_changes_within_a_state_is_not_told() -> None:
    vigil = Vigil()
    scene: Scene = Scene()
    vigil.between = {n: lambda: scene.by_hand(LONG, "-30") for n in range(2, 6)}
    play(vigil, scene)
    assert vigil.turns() == [("in_sync", "change")]


def test_what_flickers_for_one_look_is_not_believed() -> None:
    vigil = Vigil(needed=2, of=3)
    scene = Scene()
    vigil.between = {2: lambda: scene.by_hand(LONG, "-100"), 3: lambda: scene.by_hand(LONG, "100")}
    play(vigil, scene)
    assert vigil.news == []


def test_without_debouncing_the_flicker_is_told() -> None:
    vigil = Vigil(needed=1, of=1)
    scene = Scene()
    vigil.between = {2: lambda: scene.by_hand(LONG, "-100"), 3: lambda: scene.by_hand(LONG, "100")}
    play(vigil, scene)
    assert vigil.turns() == [("in_sync", "change"), ("change", "in_sync")]


def test_a_closed_position_and_one_that_nobody_declared_are_told() -> None:
    vigil = Vigil()
    scene = Scene()

    def happen() -> None:
        scene.place.books.close_position("ETHUSDT", "long", now_ms=scene.now_ms())
        scene.place.books.close_position("DOGEUSDT", "long", now_ms=scene.now_ms())

    vigil.between = {2: happen}
    play(vigil, scene)
    assert vigil.turns(ETH) == [("in_sync", "waiting")]
    assert vigil.turns("DOGEUSDT.long") == [("unmanaged", "absent")]


def test_an_exchange_that_cannot_be_reached_is_one_change_and_the_addresses_keep_their_states() -> None:
    vigil = Vigil(rounds=9)
    dead = {"now": False}

    def refuse(_: HttpRequest) -> None:
        if dead["now"]:
            raise NotSent("connecting: refused")

    vigil.before = refuse
    vigil.between = {3: lambda: dead.update(now=True), 6: lambda: dead.update(now=False)}
    watched(vigil)
    assert vigil.turns("") == [("ok", "unreadable (exchange)"), ("unreadable (exchange)", "ok")]
    assert vigil.turns() == []
    assert [snapshot.accounts[0].plan.observed is None for snapshot in vigil.snapshots].count(True) == 3


def test_a_freeze_is_a_state() -> None:
    vigil = Vigil(apply=True)
    scene = Scene()
    vigil.between = {3: lambda: scene.env.update(RECONCILE_FROZEN="main")}
    play(vigil, scene)
    assert vigil.turns("") == [("ok", "frozen")]


def test_a_state_file_that_broke_is_said_once_and_nothing_is_done_until_it_is_mended() -> None:
    vigil = Vigil(rounds=7)
    scene = Scene()
    broken = {"now": False}

    def load() -> Sequence[DesiredAccount]:
        Vigil.load(vigil)
        if broken["now"]:
            raise InputError("main.toml:3: wrong")
        return vigil.accounts

    vigil.load = load  # type: ignore[method-assign]
    vigil.between = {2: lambda: broken.update(now=True), 4: lambda: broken.update(now=False)}
    play(vigil, scene)
    assert [n.message for n in vigil.news] == ["state files: wrong: main.toml:3: wrong", "state files: good again"]
    assert len(vigil.snapshots) == 5


def test_a_state_file_that_is_wrong_from_the_start_ends_the_watch() -> None:
    vigil = Vigil()

    def load() -> Sequence[DesiredAccount]:
        raise InputError("main.toml:3: wrong")

    vigil.load = load  # type: ignore[method-assign]
    with pytest.raises(InputError):
        watched(vigil)


def test_a_newly_declared_margin_is_seen_without_a_restart() -> None:
    vigil = Vigil()
    vigil.between = {2: lambda: vigil.accounts.__setitem__(0, desired({LONG: "3100", ETH: "1500"}))}
    watched(vigil)
    assert vigil.turns() == [("in_sync", "change")]


def test_an_account_that_nobody_declares_any_more_is_let_go() -> None:
    vigil = Vigil()
    other = replace(desired(IN_SYNC), name="other")
    vigil.between = {3: lambda: vigil.accounts.__setitem__(0, other)}
    watched(vigil)
    assert vigil.said("no state file declares this account any more") != []
    assert [account.plan.desired.name for account in vigil.snapshots[-1].accounts] == ["other"]


# Applying.


def test_without_apply_nothing_is_sent() -> None:
    vigil = Vigil([desired({LONG: "4500"})])
    scene = watched(vigil)
    assert scene.moved_by_calls() == []


def test_what_is_believed_to_need_a_change_is_applied_once() -> None:
    vigil = Vigil([desired({LONG: "4500", ETH: "1500"})], apply=True, reason="nightly")
    scene = watched(vigil)
    assert scene.moved_by_calls() == [(LONG, Decimal(1500))]
    assert vigil.turns() == [(None, "change"), ("change", "in_sync")]
    assert vigil.said("applied +1500") != []


def test_what_is_not_yet_believed_is_not_applied() -> None:
    vigil = Vigil([desired({LONG: "4500"})], apply=True, needed=3, of=3, rounds=2)
    assert watched(vigil).moved_by_calls() == []


def test_a_frozen_account_is_looked_at_and_left_alone() -> None:
    vigil = Vigil([desired({LONG: "4500"})], apply=True)
    scene = watched(vigil, lambda scene: scene.env.update(RECONCILE_FROZEN="*"))
    assert scene.moved_by_calls() == []
    assert vigil.turns() == [(None, "change")]


def test_an_account_that_policy_refuses_is_left_alone() -> None:
    vigil = Vigil([desired({LONG: "4500"}, max_total_add=Decimal(100))], apply=True)
    scene = watched(vigil)
    assert scene.moved_by_calls() == []
    assert vigil.turns("") == [(None, "refused (max_total_add)")]


def test_somebody_who_keeps_undoing_us_is_met_less_and_less_often_and_then_left_alone() -> None:
    vigil = Vigil([desired({LONG: "3100", ETH: "1500"})], apply=True, needed=1, of=1, undo_limit=3, rounds=60)
    scene = Scene()

    def undo() -> None:
        if scene.margin(LONG) == 3100:
            scene.by_hand(LONG, "-100")

    vigil.between = dict.fromkeys(range(60), undo)
    play(vigil, scene)
    ours = [change for address, change in scene.moved_by_calls() if change > 0]
    assert ours == [Decimal(100)] * 3, "the first try, and one after each undoing below the limit"
    waits = [n.at_ms for n in vigil.news if n.message.startswith("applied")]
    assert waits[2] - waits[1] > waits[1] - waits[0]
    (over,) = vigil.said("the change keeps being undone")
    assert "3 times in a row" in over
    assert "manual" in over
    assert vigil.snapshots[-1].accounts[0].gave_up == {LONG}


def test_after_giving_up_another_declared_margin_is_applied() -> None:
    vigil = Vigil([desired({LONG: "3100"})], apply=True, needed=1, of=1, undo_limit=1, rounds=20)
    scene = Scene()
    vigil.between = {
        1: lambda: scene.by_hand(LONG, "-100"),
        10: lambda: vigil.accounts.__setitem__(0, desired({LONG: "3200"})),
    }
    play(vigil, scene)
    assert vigil.said("the change keeps being undone") != []
    assert scene.margin(LONG) == 3200


def test_a_price_that_falls_and_falls_is_nobody_undoing_us() -> None:
    """Eight falls within an hour, each answered; a limit of two undoings is never counted."""
    vigil = Vigil([banded(at_most="90000", max_margin=None)], apply=True, needed=1, of=1, undo_limit=2, rounds=40)
    scene = Scene()

    def fall() -> None:
        market = scene.place.books.markets["BTCUSDT"]
        scene.place.books.set_mark("BTCUSDT", market.mark * Decimal("0.965"), now_ms=scene.now_ms())

    scene.place.books.deposit("USDT", Decimal(50_000), now_ms=scene.now_ms())
    vigil.between = dict.fromkeys(range(2, 18, 2), fall)
    play(vigil, scene)
    assert vigil.said("undone") == []
    assert len(scene.moved_by_calls()) >= 4
    assert vigil.snapshots[-1].accounts[0].gave_up == frozenset()


def test_a_hand_that_keeps_taking_margin_out_of_a_band_is_left_alone_at_last() -> None:
    vigil = Vigil([banded()], apply=True, needed=1, of=1, undo_limit=3, rounds=60)
    scene = Scene()

    def undo() -> None:
        market = scene.place.books.markets["BTCUSDT"]
        scene.place.books.set_mark("BTCUSDT", market.mark * Decimal("0.9999"), now_ms=scene.now_ms())
        if scene.margin(LONG) > 4000:
            scene.by_hand(LONG, "-1000")

    vigil.between = dict.fromkeys(range(60), undo)
    play(vigil, scene)
    assert len([change for _, change in scene.moved_by_calls() if change > 0]) == 3
    assert vigil.snapshots[-1].accounts[0].gave_up == {LONG}


def test_funding_now_and_then_is_not_somebody_undoing_us() -> None:
    vigil = Vigil([desired({ETH: "1600"})], apply=True, undo_limit=2, rounds=500)
    scene = Scene()
    vigil.between = {n: lambda: scene.fund(ETH, "-4") for n in (100, 200, 300, 400)}
    play(vigil, scene)
    assert vigil.said("undo") == []
    assert scene.margin(ETH) == 1600


def test_a_step_that_fails_is_not_tried_again_each_round() -> None:
    vigil = Vigil([desired({LONG: "4500"})], apply=True, needed=1, of=1, rounds=30)
    scene = Scene(faults=Scripted([Fault(ending=Ending.REFUSED)] * 1000, method="POST"))
    play(vigil, scene)
    tries = vigil.said("given up after")
    assert scene.margin(LONG) == 3000
    assert 1 < len(tries) <= 5


# Ending.


def test_a_request_to_stop_ends_the_watch_between_looks() -> None:
    vigil = Vigil(rounds=None)
    scene = Scene()

    async def stopped(scene: Scene) -> int:
        task = asyncio.ensure_future(vigil(scene))
        await scene.pass_time(10 * MINUTE + 1000)
        vigil.stop.set()
        with pytest.raises(Interrupted, match="stopped the watch after 11 rounds"):
            await task
        return scene.loop.now_ms()

    ended_ms, _ = play(stopped, scene)
    assert ended_ms <= 10 * MINUTE + 1100


def test_a_request_to_stop_while_applying_settles_what_is_in_flight() -> None:
    vigil = Vigil([desired({LONG: "4500"})], apply=True, rounds=None, needed=1, of=1)

    async def stopped(scene: Scene) -> int:
        process = scene.process()
        process.before = lambda request: process.stop.set() if request.method == "POST" else None
        world = scene.world(process)
        watch = Watch(world, vigil.load, vigil.settings, hold=unlocked, tell=vigil.news.append, publish=lambda _: None)
        with pytest.raises(Interrupted):
            await watch.run()
        return len(world.store.read(world.store.identities()[0]).unsettled)

    unsettled, scene = play(stopped)
    assert scene.margin(LONG) == 4500
    assert unsettled == 0 or vigil.said("accepted") != []


def test_two_watches_of_one_account_are_never_at_work_at_once(tmp_path: Path) -> None:
    async def twice() -> str:
        hold = watch_lock(SystemDisk(), SystemClock(), tmp_path)
        async with hold("binance-live-1", {"host": "alpha", "command": "watch"}):
            try:
                async with hold("binance-live-1", {"host": "beta"}):
                    return "both"
            except Declined as error:
                return str(error)

    message = asyncio.run(twice())
    assert "another watch is running" in message
    assert "host alpha" in message


def test_the_lock_is_free_again_after_a_watch(tmp_path: Path) -> None:
    async def in_turn() -> None:
        hold = watch_lock(SystemDisk(), SystemClock(), tmp_path)
        for _ in range(2):
            async with hold("binance-live-1", {"host": "alpha"}):
                pass

    asyncio.run(in_turn())


def test_a_second_watch_ends_at_its_start() -> None:
    vigil = Vigil()

    @asynccontextmanager
    async def taken(_: str, __: Mapping[str, str]) -> AsyncIterator[None]:
        raise Declined("lock", "starting the watch: another watch is running")
        yield

    async def second(scene: Scene) -> None:
        watch = Watch(
            scene.world(), vigil.load, vigil.settings, hold=taken, tell=vigil.news.append, publish=lambda _: None
        )
        await watch.run()

    with pytest.raises(Declined):
        play(second)
    assert vigil.news == []


# Metrics.


def parsed(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """As the official client reads it."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def at(address: str) -> tuple[tuple[str, str], ...]:
    return (("account", "main"), ("address", address), ("asset", "USDT"))


def test_the_metrics_are_what_prometheus_reads() -> None:
    vigil = Vigil([desired({LONG: "4500", ETH: "1500"})], apply=True, rounds=4)
    watched(vigil)
    before, after = parsed(exposition(vigil.snapshots[0])), parsed(exposition(vigil.snapshots[-1]))
    main = (("account", "main"),)
    assert before["reconcile_isolated_margin", at(LONG)] == 3000
    assert before["reconcile_pending", at(LONG)] == 1500
    assert after["reconcile_isolated_margin", at(LONG)] == 4500
    assert after["reconcile_declared_margin", at(LONG)] == 4500
    assert after["reconcile_pending", at(LONG)] == 0
    assert after["reconcile_account_up", main] == 1
    assert after["reconcile_watch_rounds_total", ()] == 4
    assert after["reconcile_steps_total", (*main, ("outcome", "applied"))] == 1
    assert after["reconcile_entries", (*main, ("status", "in_sync"))] == 2
    assert 0 < after["reconcile_liquidation_distance_ratio", at(LONG)] < 1


def test_every_family_has_help_and_a_type_and_is_written_once() -> None:
    vigil = Vigil(rounds=1)
    watched(vigil)
    text = exposition(vigil.snapshots[0])
    families = list(text_string_to_metric_families(text))
    assert all(family.documentation and family.type in {"gauge", "counter"} for family in families)
    assert len({family.name for family in families}) == len(families)


@pytest.mark.parametrize("name", ['"quoted"', "back\\slash", "new\nline", "plain"])
def test_a_label_comes_back_as_it_was(name: str) -> None:
    vigil = Vigil(rounds=1)
    watched(vigil)
    (account,) = vigil.snapshots[0].accounts
    plan = replace(account.plan, desired=replace(account.plan.desired, name=name))
    text = exposition(replace(vigil.snapshots[0], accounts=(replace(account, plan=plan),)))
    assert parsed(text)["reconcile_account_up", (("account", name),)] == 1


# The command.


def declare(folder: Path, margin: str = "4500") -> str:
    file = folder / "demo.toml"
    file.write_text(
        'version = 1\n[account]\nname = "demo"\nexchange = "binance"\nposition_mode = "hedge"\nendpoint = "sandbox"\n'
        f"[positions.BTCUSDT.long]\nisolated_margin = {margin}\n"
    )
    return str(file)


def test_the_command_writes_lines_metrics_and_a_heartbeat(tmp_path: Path) -> None:
    metrics, heartbeat = tmp_path / "m.prom", tmp_path / "beat"
    ended = cli_kit.run(
        tmp_path, "watch", declare(tmp_path), "--rounds", "1", "--debounce", "1/1", "--format", "json",
        "--metrics", str(metrics), "--heartbeat", str(heartbeat),
    )  # fmt: skip
    assert ended.code == 0, ended.err
    (line,) = (plain_json.loads(line) for line in ended.out.splitlines())
    assert (line["account"], line["address"], line["from"], line["to"]) == ("demo", LONG, None, "change")
    assert parsed(metrics.read_text())["reconcile_watch_rounds_total", ()] == 1
    assert heartbeat.read_text().endswith("Z\n")


def test_the_command_applies_when_asked_to(tmp_path: Path) -> None:
    words = ("watch", declare(tmp_path), "--rounds", "1", "--debounce", "1/1", "--apply", "--reason", "nightly")
    assert cli_kit.run(tmp_path, *words).code == 0
    plan = cli_kit.run(tmp_path, "plan", declare(tmp_path), "--detailed-exitcode")
    assert plan.code == 0


@pytest.mark.parametrize(
    "words",
    [("--debounce", "3/2"), ("--debounce", "x"), ("--interval", "1"), ("--rounds", "0"), ("--format", "json=FILE")],
)
def test_a_wrong_command_line_is_64(tmp_path: Path, words: tuple[str, str]) -> None:
    assert cli_kit.run(tmp_path, "watch", declare(tmp_path), "--rounds", "1", *words).code == 64


@pytest.mark.parametrize("with_band", [False, True])
def test_somebody_who_keeps_turning_auto_add_back_is_left_alone_at_last(*, with_band: bool) -> None:
    made = declared("bitget", {LONG: "3000"}, policy=Policy(max_margin=None))
    bounds = Thresholds(floor=Decimal("0.01"), target=Decimal("0.02"), ceiling=None)
    band = Band(measure=Measure.LIQUIDATION_DISTANCE, bounds=bounds, at_most=Decimal(9000))
    (target,) = made.targets
    if with_band:
        target = replace(target, isolated_margin=None, band=band)
    account = replace(made, targets=(replace(target, auto_add=False),))
    vigil = Vigil([account], apply=True, needed=1, of=1, undo_limit=3, rounds=60)
    scene = Scene("bitget")

    def undo() -> None:
        scene.place.books.set_auto_add("BTCUSDT", ("long",), now_ms=scene.now_ms())

    vigil.between = dict.fromkeys(range(60), undo)
    play(vigil, scene)
    assert len([n for n in vigil.news if n.message.startswith("applied")]) == 3
    assert vigil.snapshots[-1].accounts[0].gave_up == {LONG}
    assert scene.moved_by_calls() == []
