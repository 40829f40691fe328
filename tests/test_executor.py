"""The conduct of one account's lanes: none waits for what can only come after it."""

import asyncio

import pytest

from reconcile.model import Policy
from reconcile.plan import Result
from reconcile.sandbox.demo import new_books
from reconcile.sandbox.registry import simulated
from tests.scene import HOUR_MS, finish
from tests.simulation.loop import VirtualLoop
from tests.simulation.machine import EPOCH_MS
from tests.simulation.world import Place, declared

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
