"""What a run costs in requests and flushes, counted in virtual time: nothing here measures how fast a machine is."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import pytest

from reconcile.exchanges.http.wire import HttpRequest
from reconcile.journal.file.store import FileStore
from reconcile.model.plan import Result
from reconcile.protocol.timing import VERIFY_EVERY_MS
from reconcile.sandbox.demo import fleet, fleet_symbol
from reconcile.sandbox.faults import Ending, Fault, Faults, NoFaults, Scripted
from reconcile.sandbox.http import answer
from reconcile.sandbox.registry import simulated
from reconcile.sandbox.venue import SentRequest
from reconcile.usecases import apply as applying
from reconcile.usecases.world import World
from tests.kit.scene import HOUR_MS, finish
from tests.simulation.loop import VirtualLoop
from tests.simulation.machine import EPOCH_MS
from tests.simulation.world import HOME, Place, Process, declared

T = TypeVar("T")
EXCHANGES = pytest.mark.parametrize("exchange", ["binance", "okx", "bitget"])
LOOKS = {
    "binance": "/fapi/v3/positionRisk",
    "okx": "/api/v5/account/positions",
    "bitget": "/api/v2/mix/position/all-position",
}


@dataclass(slots=True, kw_only=True)
class Stage:
    """One fleet account, the program, and a log of its requests: (when sent, when answered, request)."""

    exchange: str = "binance"
    positions: int = 10
    faults: Faults = field(default_factory=NoFaults)
    latency_ms: int = 20
    loop: VirtualLoop = field(default_factory=VirtualLoop)
    log: list[tuple[int, int, HttpRequest]] = field(default_factory=list)
    process: Process = field(init=False)
    _sent: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rules = simulated(self.exchange).rules
        (account,) = fleet(
            self.exchange,
            rules,
            accounts=1,
            positions=self.positions,
            now_ms=EPOCH_MS - HOUR_MS,
            keep_ms=60_000,
        )
        place = Place(
            exchange=self.exchange,
            books=account.books,
            loop=self.loop,
            seed=1,
            faults=self.faults,
            latency_ms=self.latency_ms,
            cold_fence=False,
        )
        self.process = place.process()
        self.process.before, self.process.after = self._before, self._after

    def _before(self, request: HttpRequest) -> None:
        self._sent[id(request)] = self.loop.now_ms()

    def _after(self, request: HttpRequest, _: SentRequest) -> None:
        self.log.append((self._sent.pop(id(request)), self.loop.now_ms(), request))

    def targets(self, margin: str = "1100", *, sides: Sequence[str] = ("long",)) -> Mapping[str, str]:
        """Every position is to have this margin."""
        numbers = range(1, self.positions + 1)
        return {f"{fleet_symbol(self.exchange, number)}.{side}": margin for number in numbers for side in sides}

    def plan(self) -> Counter[str]:
        """Plan all positions; how often each path was asked for."""
        finish(self.process.plan(declared(self.exchange, self.targets())), self.loop)
        return self.paths()

    def apply(self, *, parallelism: int = 10, change: Callable[[World], World] = lambda world: world) -> Result:
        """Apply to all positions."""
        world = change(replace(self.process.world(), parallelism=parallelism))
        desired = declared(self.exchange, self.targets())
        return finish(self._apply(world, [desired]), self.loop)

    async def _apply(self, world: World, accounts: Sequence[Any]) -> Result:
        return await applying.apply(world, accounts, reason=None, git_commit=None, confirm=None)

    def paths(self) -> Counter[str]:
        """How often each path was asked for."""
        return Counter(urlsplit(request.url).path for _, _, request in self.log)

    def writes(self) -> list[tuple[int, int, HttpRequest]]:
        """The writes, in the order they were sent."""
        return sorted((entry for entry in self.log if entry[2].method != "GET"), key=lambda entry: entry[0])


@EXCHANGES
def test_planning_asks_as_much_for_two_hundred_targets_as_for_one(exchange: str) -> None:
    one, many = (Stage(exchange=exchange, positions=positions).plan() for positions in (1, 200))
    assert many == one


@EXCHANGES
def test_so_many_changes_are_so_many_writes_one_look_before_and_one_after(exchange: str) -> None:
    stage = Stage(exchange=exchange, positions=20)
    result = stage.apply()
    found = (result.exit_code, len(stage.writes()), stage.paths()[LOOKS[exchange]])
    assert found == (0, 20, 2)


def test_while_writing_goes_on_there_is_one_look_for_every_five_seconds() -> None:
    stage = Stage(positions=400, latency_ms=200)
    stage.apply(parallelism=4)
    writing_ms = stage.writes()[-1][1] - stage.writes()[0][0]
    between = stage.paths()[LOOKS["binance"]] - 2
    assert writing_ms // VERIFY_EVERY_MS - 1 <= between <= writing_ms // VERIFY_EVERY_MS + 1


def test_a_second_apply_costs_one_look_and_no_write() -> None:
    stage = Stage(positions=30)
    desired = declared("binance", stage.targets())

    async def twice() -> None:
        await stage.process.apply(desired)
        stage.log.clear()
        await stage.process.apply(desired)

    finish(twice(), stage.loop)
    assert (len(stage.writes()), stage.paths()[LOOKS["binance"]]) == (0, 1)


@EXCHANGES
def test_never_are_two_calls_of_one_symbol_under_way_where_the_ledger_names_no_side(exchange: str) -> None:
    stage = Stage(exchange=exchange, positions=8, faults=Scripted([Fault(ending=Ending.LOST)] * 3, method="POST"))
    books = stage.process.place.books
    for number in range(1, 9):
        books.open_position(fleet_symbol(exchange, number), "short", Decimal(50), now_ms=EPOCH_MS - HOUR_MS + 1)
    desired = declared(exchange, stage.targets("1300", sides=("long", "short")))
    finish(stage.process.apply(desired), stage.loop)
    busy: dict[str, int] = {}
    overlaps = []
    for sent, answered, request in stage.writes():
        lane = _lane(exchange, request)
        if sent < busy.get(lane, 0):
            overlaps.append(lane)
        busy[lane] = max(answered, busy.get(lane, 0))
    assert overlaps == []


def test_as_many_calls_are_under_way_as_were_asked_for_and_never_more() -> None:
    stage = Stage(positions=60)
    stage.apply(parallelism=6)
    ends = [(sent, 1) for sent, _, _ in stage.writes()] + [(answered, -1) for _, answered, _ in stage.writes()]
    under_way, most = 0, 0
    for _, change in sorted(ends):
        under_way += change
        most = max(most, under_way)
    assert most == 6


def test_the_wire_is_never_idle_while_there_is_something_to_send() -> None:
    stage = Stage(positions=60)
    stage.apply(parallelism=6)
    writes = stage.writes()
    assert writes[-1][1] - writes[0][0] <= 60 // 6 * (stage.latency_ms + 2)


def test_a_fence_holds_nobody_else() -> None:
    stage = Stage(positions=40, faults=Scripted([Fault(ending=Ending.LOST)], method="POST"))
    stage.apply(parallelism=4)
    first, *others = stage.writes()
    assert others[-1][1] - first[0] < 1_000


def test_after_a_throttle_everything_on_the_limit_waits_as_long_as_it_was_told() -> None:
    throttled = answer(429, {"code": -1003, "msg": "Too many requests."}, {"retry-after": "7"})
    stage = Stage(positions=40, faults=Scripted([Fault(arrives_ms=(), reply=throttled)], method="POST"))
    result = stage.apply(parallelism=4)
    told_ms = stage.writes()[0][1]
    too_soon = [sent for sent, _, _ in stage.log if told_ms < sent < told_ms + 7_000]
    assert (result.exit_code, too_soon) == (0, [])


def test_intents_that_wait_for_the_disk_together_share_a_flush() -> None:
    stage = Stage(positions=200)
    flushes: list[int] = []

    async def slow(work: Callable[[], T]) -> T:
        flushes.append(stage.loop.now_ms())
        await asyncio.sleep(0.05)
        return work()

    def on_a_slow_disk(world: World) -> World:
        return replace(world, store=FileStore(HOME, stage.process.disk, stage.process.clock, run_blocking=slow))

    result = stage.apply(parallelism=20, change=on_a_slow_disk)
    assert (result.exit_code, len(flushes) <= 200 // 8) == (0, True)


def _lane(exchange: str, request: HttpRequest) -> str:
    if exchange == "binance":
        query = parse_qs(urlsplit(request.url).query)
        return f"{query['symbol'][0]}.{query['positionSide'][0]}"
    body = json.loads(request.body)
    return str(body.get("instId") or body["symbol"])
