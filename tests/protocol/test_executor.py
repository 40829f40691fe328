"""The conduct of lanes: none waits for what can only come after it, and all share the places for writes."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest

from reconcile.errors import Interrupted, ReadFailed
from reconcile.exchanges.http.exchange_time import ExchangeTime, Sample
from reconcile.exchanges.http.wire import HttpRequest
from reconcile.model.account import Address, MarginType, Policy, Target, Tolerance
from reconcile.model.plan import OutcomeKind, Result, StepResult
from reconcile.protocol.executor import Executor
from reconcile.sandbox.demo import fleet, fleet_symbol, new_books
from reconcile.sandbox.faults import Ending, Fault, Scripted
from reconcile.sandbox.http import Answer
from reconcile.sandbox.registry import simulated
from reconcile.sandbox.venue import SentRequest
from reconcile.usecases import apply as applying
from reconcile.usecases.run_records import make_context
from tests.kit.desk import move
from tests.kit.scene import HOUR_MS, Scene, desired, finish, play
from tests.simulation.loop import VirtualLoop
from tests.simulation.machine import EPOCH_MS
from tests.simulation.world import Place, Process, declared

POSITIONS = "/fapi/v3/positionRisk"
POLICY = Policy(allow_reduce=True, min_liquidation_distance=None, max_margin=None)


async def never() -> None:
    """No reason to halt."""


@pytest.mark.parametrize(("exchange", "quote"), [("okx", "-USDT-SWAP"), ("bitget", "USDT"), ("binance", "USDT")])
def test_an_addition_does_not_wait_for_a_reduction_that_comes_behind_it_in_its_lane(exchange: str, quote: str) -> None:
    loop, kind = VirtualLoop(), simulated(exchange)
    books = new_books("main", kind.rules, kind.seed, now_ms=EPOCH_MS - HOUR_MS, keep_ms=120_000)
    place = Place(exchange=exchange, books=books, loop=loop, seed=1, cold_fence=False)
    nearly_all = {f"ETH{quote}.long": "5500"}
    both_sides = {f"BTC{quote}.long": "3500", f"BTC{quote}.short": "2000"}

    async def work() -> Result:
        await place.process("first").apply(declared(exchange, nearly_all, policy=POLICY))
        second = place.process("second").apply(declared(exchange, {**nearly_all, **both_sides}, policy=POLICY))
        return await asyncio.wait_for(second, timeout=600)

    assert finish(work(), loop).exit_code == 0


def test_all_accounts_share_the_places_for_writes_as_they_share_the_wire() -> None:
    loop, kind = VirtualLoop(), simulated("binance")
    under_way: list[str] = []
    most: list[int] = []

    def before(request: HttpRequest) -> None:
        if request.method == "POST":
            under_way.append(request.url)
            most.append(len(under_way))

    def after(request: HttpRequest, _: SentRequest) -> None:
        if request.method == "POST":
            under_way.remove(request.url)

    def process(name: str) -> Process:
        books = new_books(name, kind.rules, kind.seed, now_ms=EPOCH_MS - HOUR_MS, keep_ms=120_000)
        place = Place(exchange="binance", books=books, loop=loop, seed=1, cold_fence=False)
        made = place.process(name)
        made.before, made.after = before, after
        return made

    worlds = {name: process(name).world() for name in ("one", "two")}
    accounts = [
        replace(declared("binance", {"BTCUSDT.long": "3500"}, policy=POLICY), name=name, credentials=name.upper())
        for name in worlds
    ]
    world = replace(
        worlds["one"],
        parallelism=1,
        connect=lambda desired, read_only: replace(
            worlds[desired.name].connect(desired, read_only), identify=lambda _: desired.name
        ),
    )
    work = applying.apply(world, accounts, reason=None, git_commit=None, confirm=None)
    assert (finish(work, loop).exit_code, most) == (0, [1, 1])


def test_after_a_refusal_of_the_timestamp_nothing_is_signed_before_the_time_was_asked_for() -> None:
    reply = Answer(status=400, headers={}, body=b'{"code": -1021, "msg": "Timestamp for this request is outside"}')
    scene = Scene(faults=Scripted([Fault(arrives_ms=(), reply=reply)], method="POST"))
    process = scene.process()
    asked: list[str] = []
    process.before = lambda request: asked.append("write" if request.method == "POST" else urlsplit(request.url).path)
    play(lambda scene: scene.apply(desired({"BTCUSDT.long": "3500"}), process), scene)
    between = asked[asked.index("write") + 1 :]
    assert "/fapi/v1/time" in between[: between.index("write")]


def test_a_margin_type_is_left_alone_where_orders_were_opened_since_the_plan() -> None:
    typed = Target(
        address=Address.parse("SOLUSDT.long"),
        margin_type=MarginType.ISOLATED,
        isolated_margin=None,
        tolerance=Tolerance(value=Decimal(0), percent=False),
    )
    scene = Scene()
    process = scene.process()
    writes: list[str] = []
    process.before = lambda request: writes.append(request.url) if request.method == "POST" else None

    async def work(scene: Scene) -> Result:
        saved = await scene.saved(replace(desired({}), targets=(typed,)))
        scene.place.books.set_orders("SOLUSDT", now_ms=scene.now_ms(), open_orders=1)
        return await scene.apply_saved(saved, process)

    result, _ = play(work, scene)
    assert ([step.outcome for step in result.accounts[0].steps], writes) == ([OutcomeKind.SKIPPED], [])


def test_waiting_for_the_exchange_hears_a_request_to_stop_though_its_clock_stands_still() -> None:
    scene = Scene()
    process = scene.process()

    async def work(scene: Scene) -> None:
        world = scene.world(process)
        connection = world.connect(desired(), False)  # noqa: FBT003 - not read only
        await connection.adapter.sync_time()

        async def standing_still() -> int:
            process.stop.set()
            await asyncio.sleep(0.01)
            return 0

        async with world.store.open("a", run_id="r", holder={}, timeout_ms=0) as journal:
            context = make_context(world, desired(), connection, journal, halted=never)
            with patch.object(connection.adapter, "sync_time", standing_still):
                await context.pass_exchange_time(1, why="")

    with pytest.raises(Interrupted):
        play(lambda scene: asyncio.wait_for(work(scene), 60), scene)


def test_a_wait_for_an_exchange_whose_clock_goes_back_is_told_and_ends() -> None:
    scene = Scene()
    process = scene.process()
    told: list[str] = []

    async def work(scene: Scene) -> int:
        world = replace(scene.world(process), progress=told.append)
        connection = world.connect(desired(), False)  # noqa: FBT003 - not read only
        adapter = connection.adapter
        end_ms = await adapter.sync_time() + 30_000
        began_ms = scene.now_ms()

        async def set_back() -> int:
            at_ms = world.clock.monotonic_ms()
            adapter.time.forget()
            adapter.time.take(Sample(served_ms=end_ms - 30_000, sent_at=at_ms, received_at=at_ms))
            return end_ms - 30_000

        async with world.store.open("a", run_id="r", holder={}, timeout_ms=0) as journal:
            context = make_context(world, desired(), connection, journal, halted=never)
            with patch.object(adapter, "sync_time", set_back), pytest.raises(ReadFailed, match="goes back or stands"):
                await context.pass_exchange_time(end_ms, why="waiting for the fence")
        return scene.now_ms() - began_ms

    waited_ms, _ = play(work, scene)
    assert "the exchange's clock was set back; waiting for the fence until" in told[1]
    assert waited_ms < 700_000


def test_doubt_ends_on_two_looks_though_the_time_we_know_goes_back_between_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene(faults=Scripted([Fault(arrives_ms=(), ending=Ending.TIMEOUT)], method="POST"))
    process = scene.process()
    asked: list[str] = []
    known = ExchangeTime.earliest
    process.before = lambda request: asked.append("write" if request.method == "POST" else urlsplit(request.url).path)

    def earliest(time: ExchangeTime) -> int:
        looked = "write" in asked and POSITIONS in asked[asked.index("write") :]
        return known(time) - (4_000 if looked else 0)

    monkeypatch.setattr(ExchangeTime, "earliest", earliest)
    play(lambda scene: scene.apply(desired({"BTCUSDT.long": "3500"}), process), scene)
    between = asked[asked.index("write") + 1 :]
    assert between[: between.index("write")].count(POSITIONS) >= 2


def test_many_accounts_on_a_slow_wire_all_come_to_their_end() -> None:
    loop, kind = VirtualLoop(), simulated("okx")
    found = fleet("okx", kind.rules, accounts=12, positions=3, now_ms=EPOCH_MS - HOUR_MS)
    places = [
        Place(exchange="okx", books=account.books, loop=loop, seed=1, cold_fence=False, latency_ms=1000)
        for account in found
    ]
    worlds = {f"fleet-{number}": place.process().world() for number, place in enumerate(places)}
    targets = {f"{fleet_symbol('okx', number)}.long": "1010" for number in range(1, 4)}
    world = replace(
        worlds["fleet-0"],
        parallelism=1,
        connect=lambda desired, read_only: replace(
            worlds[desired.name].connect(desired, read_only), identify=lambda _: desired.name
        ),
    )
    accounts = [replace(declared("okx", targets, policy=POLICY), name=name) for name in worlds]
    work = applying.apply(world, accounts, reason=None, git_commit=None, confirm=None)
    assert finish(work, loop).exit_code == 0


def test_a_bug_between_two_steps_of_a_lane_ends_that_lane_alone() -> None:
    """On OKX both sides of a symbol share a lane; the step behind the bug is not started."""
    scene = Scene(exchange="okx")
    btc, eth = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
    account = declared("okx", {f"{btc}.long": "3100", f"{btc}.short": "2600", f"{eth}.long": "1600"}, policy=POLICY)
    steps = [move(f"{btc}.long", "3000", "3100"), move(f"{btc}.short", "2500", "2600")]
    steps.append(move(f"{eth}.long", "1500", "1600"))

    def progress(line: str) -> None:
        if f"{btc}.long" in line and ": applied" in line:
            raise RuntimeError("a bug after the first step")

    async def work(scene: Scene) -> tuple[StepResult, ...]:
        world = scene.world()
        connection = world.connect(account, False)  # noqa: FBT003 - not read only
        await connection.adapter.sync_time()
        async with world.store.open("a", run_id="r", holder={}, timeout_ms=0) as journal:
            context = make_context(world, account, connection, journal, halted=never)
            executor = Executor(replace(context, progress=progress), parallelism=2)
            return await executor.run(steps)

    (first, second, other), scene = play(work, scene)
    assert [each.outcome for each in (first, second, other)] == ["applied", "skipped", "applied"]
    assert (second.detail or "").startswith(f"not started: running {btc}: internal error: RuntimeError at ")
    assert sorted(scene.moved_by_calls()) == [(f"{btc}.long", Decimal(100)), (f"{eth}.long", Decimal(100))]


def test_a_plan_without_steps_sends_nothing_and_asks_for_nothing() -> None:
    scene = Scene()
    process = scene.process()
    asked: list[str] = []
    process.before = lambda request: asked.append(request.url)

    async def work(scene: Scene) -> tuple[StepResult, ...]:
        world = scene.world(process)
        connection = world.connect(desired(), False)  # noqa: FBT003 - not read only
        async with world.store.open("a", run_id="r", holder={}, timeout_ms=0) as journal:
            context = make_context(world, desired(), connection, journal, halted=never)
            return await Executor(context, parallelism=1).run(())

    results, _ = play(work, scene)
    assert (results, asked) == ((), [])
