"""The conduct of lanes: none waits for what can only come after it, and all share the places for writes."""

import asyncio
from dataclasses import replace

import pytest

from reconcile.exchanges.wire import HttpRequest
from reconcile.model import Policy
from reconcile.plan import Result
from reconcile.sandbox.demo import new_books
from reconcile.sandbox.registry import simulated
from reconcile.sandbox.venue import Sent
from reconcile.workflow import applying
from tests.scene import HOUR_MS, finish
from tests.simulation.loop import VirtualLoop
from tests.simulation.machine import EPOCH_MS
from tests.simulation.world import Place, Process, declared

POLICY = Policy(allow_reduce=True, min_liquidation_distance=None, max_margin=None)


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

    def after(request: HttpRequest, _: Sent) -> None:
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
