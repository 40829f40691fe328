"""Why margin moved is told once: ``drift``, ``audit diff RUN live`` and the end of a run say the same."""

from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcile.audit.comparing import compare
from reconcile.model.reports import Comparison
from reconcile.money import ZERO, plus
from reconcile.sandbox.registry import SIMULATED
from reconcile.usecases.audit_live import compare_with_live
from reconcile.usecases.drift import drift
from tests.kit.scene import Scene, play
from tests.simulation.world import declared

PLACES = {"okx": ("BTC-USDT-SWAP.long", "BTC-USDT-SWAP.short")}
Causes = Mapping[str, Decimal]
Told = tuple[Causes, Causes, Causes]


def fill(scene: Scene, place: str) -> None:
    """The position grows by a tenth."""
    symbol, _, side = place.rpartition(".")
    size = scene.place.books.positions[symbol, side, "isolated"].size
    scene.place.books.open_position(symbol, side, size / 10, now_ms=scene.now_ms(), margin_type="isolated")


def by_cause(found: Comparison, address: str) -> Causes:
    """What others moved."""
    sums: dict[str, Decimal] = {}
    for change in found.addresses:
        for each in change.movements if change.address == address else ():
            if each.cause != "reconcile" and each.change:
                sums[each.cause] = plus(sums.get(each.cause, ZERO), each.change)
    return {cause: amount for cause, amount in sums.items() if amount}


MOVES = st.lists(
    st.tuples(
        st.sampled_from(("fund", "by hand", "by hand on the other side", "fill")),
        st.integers(-9, 9).filter(bool).map(lambda tenths: str(Decimal(tenths) / 10)),
        st.sampled_from((0, 300, 4_000, 70_000)),
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("exchange", SIMULATED)
@given(
    amount=st.sampled_from((500, 20)),
    beside=st.sampled_from((0, 500, 30)),
    moves=MOVES,
    after_ms=st.sampled_from((0, 2_000, 600_000)),
)
@settings(max_examples=12, deadline=None)
def test_all_say_the_same(
    exchange: str, *, amount: int, beside: int, moves: list[tuple[str, str, int]], after_ms: int
) -> None:
    mine, other = PLACES.get(exchange, ("BTCUSDT.long", "BTCUSDT.short"))
    aims = {mine: amount, other: beside} if beside else {mine: amount}

    async def act(scene: Scene) -> Mapping[str, Told]:
        account = declared(exchange, {place: str(scene.margin(place) + more) for place, more in aims.items()})
        first = await scene.apply(account)
        await scene.pass_time(after_ms)
        for kind, change, wait_ms in moves:
            if kind == "fund":
                scene.fund(mine, change)
            elif kind == "fill":
                fill(scene, mine)
            else:
                scene.by_hand(mine if kind == "by hand" else other, change if kind == "by hand" else change.lstrip("-"))
            await scene.pass_time(wait_ms)
        await scene.pass_time(60_000)
        (seen,) = await drift(scene.world(), [account])
        (live,) = await compare_with_live(scene.world(), first.run_id)
        last = await scene.apply(account)
        (ended,) = compare(scene.world().store, first.run_id, last.run_id)
        causes = {
            str(entry.address): {str(share.cause): share.amount for share in entry.causes} for entry in seen.entries
        }
        return {place: (causes[place], by_cause(live, place), by_cause(ended, place)) for place in aims}

    told, _ = play(act, Scene(exchange=exchange))
    for drifted, live, ended in told.values():
        assert live == ended
        assert drifted == (live if sum(live.values()) else {})  # what cancels out is no drift


@pytest.mark.parametrize("exchange", SIMULATED)
@pytest.mark.parametrize("size", ["half", "all"])
def test_a_position_that_shrank_or_went_has_one_cause(exchange: str, size: str) -> None:
    mine, _ = PLACES.get(exchange, ("BTCUSDT.long", "BTCUSDT.short"))

    async def act(scene: Scene) -> Told:
        account = declared(exchange, {mine: str(scene.margin(mine) + 500)})
        first = await scene.apply(account)
        await scene.pass_time(600_000)
        symbol, _, side = mine.rpartition(".")
        half = scene.place.books.positions[symbol, side, "isolated"].size / 2
        wanted = half if size == "half" else None
        scene.place.books.close_position(symbol, side, now_ms=scene.now_ms(), size=wanted, margin_type="isolated")
        await scene.pass_time(60_000)
        (seen,) = await drift(scene.world(), [account])
        (live,) = await compare_with_live(scene.world(), first.run_id)
        await scene.apply(declared(exchange, {mine: str(scene.margin(mine))}))
        (entry,) = seen.entries
        return {str(share.cause): share.amount for share in entry.causes}, by_cause(live, mine), {}

    (drifted, live, _), _ = play(act, Scene(exchange=exchange))
    assert drifted == live
    assert "unexplained" not in drifted
