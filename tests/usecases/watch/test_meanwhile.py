"""While one lane of an account is in doubt, its other positions are topped up, within every limit.

BTCUSDT.long is below its floor from the start; its first margin call has no answer. A second later the price of
ETHUSDT falls through the floor of ETHUSDT.long.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest

from reconcile.model.account import DesiredAccount, WhenShort
from reconcile.model.measures import Band, Measure, Thresholds
from reconcile.sandbox.faults import Ending, Fault, Scripted
from reconcile.sandbox.http import Request
from reconcile.sandbox.values import BookEffect
from tests.kit.scene import Scene, desired, play
from tests.usecases.watch.test_watch import ETH, LONG, Vigil

D = Decimal
INTERVAL_MS = 2_000
FALLS_MS = 1_000
FLOORS: Mapping[str, tuple[str, str]] = {LONG: ("0.12", "0.15"), ETH: ("0.08", "0.11")}
LATE = Fault(arrives_ms=(4_000,), ending=Ending.LOST)
NEVER = Fault(arrives_ms=(), ending=Ending.LOST)
HEARD = Fault(ending=Ending.LOST)
UNSENT = Fault(ending=Ending.REFUSED)
"""Never left, which is certain at once: the step is tried again after a pause, and nothing is open meanwhile."""
DOUBTS = [pytest.param((LATE,), id="late"), pytest.param((NEVER,), id="never"), pytest.param((HEARD,), id="heard")]
TRIES = [*DOUBTS, pytest.param((UNSENT, UNSENT), id="not sent twice")]


def two_bands(**limits: Any) -> DesiredAccount:
    """Both positions declare a distance."""
    made = desired(dict.fromkeys(FLOORS, "1"), **limits)

    def band(floor: str, aim: str) -> Band:
        bounds = Thresholds(floor=D(floor), target=D(aim))
        return Band(measure=Measure.LIQUIDATION_DISTANCE, bounds=bounds, at_most=D(9000), rounding=D(5))

    targets = (replace(each, isolated_margin=None, band=band(*FLOORS[str(each.address)])) for each in made.targets)
    return replace(made, targets=tuple(targets))


@dataclass
class Night:
    """What a watch of the two positions did until the doubt was over, and a while after."""

    scene: Scene
    vigil: Vigil
    least_free: D
    written: list[tuple[int, str]]
    """Each margin call: when it was sent, in milliseconds since the start, and for which symbol."""

    def additions(self, address: str) -> list[BookEffect]:
        symbol, _, side = address.rpartition(".")
        effects = self.scene.place.books.effects
        return [each for each in effects if (each.symbol, each.side, each.cause) == (symbol, side, "add")]

    def added(self) -> D:
        return sum((each.change for address in FLOORS for each in self.additions(address)), D(0))


def night(
    *faults: Fault,
    free: str = "5000",
    others: Mapping[str, D] = MappingProxyType({}),
    btc_falls_ms: int | None = None,
    interval_ms: int = INTERVAL_MS,
    **limits: Any,
) -> Night:
    """Play it, with these faults for the first margin calls."""
    scene, written, free_balance = Scene(faults=Scripted(faults, method="POST")), [], [D(5000)]
    books, venue = scene.place.books, scene.place.venue
    for asset, balance in {**others, "USDT": D(free) - books.cross["USDT"]}.items():
        books.deposit(asset, balance, now_ms=scene.now_ms())

    def fall(symbol: str, share: str, at_ms: int) -> None:
        mark = books.markets[symbol].mark * D(share)
        venue.at(at_ms, lambda now_ms: books.set_mark(symbol, mark, now_ms=now_ms))

    fall("ETHUSDT", "0.95", FALLS_MS)
    if btc_falls_ms is not None:
        fall("BTCUSDT", "0.95", btc_falls_ms)
    pick = venue.faults.pick

    class Noting:
        def pick(self, request: Request) -> Fault:
            free_balance.append(books.cross["USDT"])
            if request.method == "POST":
                written.append(
                    (scene.loop.now_ms(), "BTCUSDT" if "BTCUSDT" in f"{request.query}{request.body!r}" else "ETHUSDT")
                )
            return pick(request)

    venue.faults = Noting()
    vigil = Vigil([two_bands(**limits)], apply=True, rounds=20_000 // interval_ms, interval_ms=interval_ms)
    play(vigil, scene)
    return Night(scene, vigil, min(free_balance), written)


@pytest.mark.parametrize("faults", DOUBTS)
def test_a_position_that_falls_while_another_is_in_doubt_is_topped_up_at_the_next_interval(
    faults: Sequence[Fault],
) -> None:
    done = night(*faults)
    (eth,) = done.additions(ETH)
    at_ms = eth.time_ms - done.scene.now_ms() + done.scene.loop.now_ms()
    assert FALLS_MS < at_ms <= 2 * INTERVAL_MS
    (btc,) = done.additions(LONG)
    assert btc.margin == D(4395)


def test_without_a_doubt_the_next_turn_does_it() -> None:
    done = night()
    assert (len(done.additions(LONG)), len(done.additions(ETH))) == (1, 1)


def test_a_lane_in_doubt_gets_no_second_call_however_far_it_falls() -> None:
    done = night(NEVER, btc_falls_ms=1_500)
    first, second, *_ = [at_ms for at_ms, symbol in done.written if symbol == "BTCUSDT"]
    assert second - first >= 10_000
    assert len(done.additions(ETH)) == 1


@pytest.mark.parametrize("faults", TRIES)
def test_a_lane_between_two_attempts_gets_no_second_step(faults: Sequence[Fault]) -> None:
    done = night(*faults, interval_ms=900)
    assert [each.margin for each in done.additions(LONG)] == [D(4395)]
    assert len(done.additions(ETH)) == 1
    assert [news.kind for news in done.vigil.news if news.address == LONG and news.after is None] == ["applied"]


@pytest.mark.parametrize("faults", TRIES)
@pytest.mark.parametrize("way", [WhenShort.REFUSE, WhenShort.NEAREST_FIRST])
def test_min_available_is_left_whatever_becomes_of_the_doubt(faults: Sequence[Fault], way: WhenShort) -> None:
    done = night(*faults, free="2100", min_available=D(200), when_short=way)
    assert done.least_free >= D(200)
    assert done.scene.place.books.cross["USDT"] >= D(200)
    assert done.additions(LONG) != []


def test_a_balance_in_another_asset_needs_no_limit() -> None:
    done = night(NEVER, others={"BNB": D(3)}, min_available={"USDT": D(200)})
    (eth,) = done.additions(ETH)
    assert eth.time_ms - done.scene.now_ms() + done.scene.loop.now_ms() <= 2 * INTERVAL_MS
    assert [news.kind for news in done.vigil.news if news.kind in {"applied", "short"}] == ["applied", "applied"]


@pytest.mark.parametrize("faults", TRIES)
@pytest.mark.parametrize(
    ("limits", "most"),
    [
        pytest.param({"max_day_add": D(1500)}, D(1500), id="max_day_add"),
        pytest.param({"max_day_changes": 1}, D(1395), id="max_day_changes"),
    ],
)
def test_a_day_never_gets_more_than_its_limit(faults: Sequence[Fault], limits: Mapping[str, Any], most: D) -> None:
    done = night(*faults, interval_ms=900, **limits)
    assert D(1395) <= done.added() <= most


@pytest.mark.parametrize("faults", TRIES)
@pytest.mark.parametrize("limits", [{"max_total_add": D(1500)}, {"max_changes": 1}])
def test_the_limits_of_one_run_count_what_it_began_meanwhile(
    faults: Sequence[Fault], limits: Mapping[str, Any]
) -> None:
    """Both are applied in the end, by two runs."""
    done = night(*faults, **limits)
    (eth,) = done.additions(ETH)
    (settled_ms,) = [news.at_ms for news in done.vigil.news if (news.address, news.kind) == (LONG, "applied")]
    assert eth.time_ms >= settled_ms
    assert len(done.additions(LONG)) == 1
