"""A position below its floor is topped up at the first sound look; everything else waits until looks agree."""

from collections.abc import Callable
from decimal import Decimal

from reconcile.model.account import DesiredAccount
from reconcile.model.plan import Status
from reconcile.sandbox.faults import NO_FAULT, Fault
from reconcile.sandbox.http import Lag, Request
from tests.kit.scene import Scene, desired
from tests.simulation.loop import VirtualLoop
from tests.usecases.test_bands import banded
from tests.usecases.watch.test_watch import LONG, Vigil, watched

D = Decimal


def priced(scene: Scene, share: str) -> None:
    """The mark price of BTCUSDT moves to this share of what it is."""
    market = scene.place.books.markets["BTCUSDT"]
    scene.place.books.set_mark("BTCUSDT", market.mark * D(share), now_ms=scene.now_ms())


def watching(rounds: int, account: DesiredAccount, events: dict[int, Callable[[Scene], None]]) -> tuple[Vigil, Scene]:
    """A watch with the default debounce; ``events`` happen before the look of that number."""
    vigil = Vigil([account], apply=True, rounds=rounds)
    scene = watched(
        vigil,
        lambda scene: vigil.between.update(
            {number: (lambda event=event: event(scene)) for number, event in events.items()}  # type: ignore[misc]
        ),
    )
    return vigil, scene


def in_band() -> DesiredAccount:
    """Inside at the start (10.4 %), and allowed to take out above 40 %."""
    return banded(floor="0.08", aim="0.1", allow_reduce=True)


def test_the_first_look_below_the_floor_is_acted_on() -> None:
    vigil, scene = watching(1, banded(), {})
    assert scene.margin(LONG) == D(4395)
    assert vigil.turns() == [(None, "change (below floor)")]


def test_a_price_that_falls_through_the_floor_is_met_by_the_same_look() -> None:
    vigil, scene = watching(3, in_band(), {2: lambda scene: priced(scene, "0.97")})
    ((address, added),) = scene.moved_by_calls()
    assert (address, added > 0) == (LONG, True)
    assert vigil.turns() == [("in_sync", "change (below floor)")]


def test_a_declared_amount_still_waits_until_two_looks_agree() -> None:
    once, scene = watching(1, desired({LONG: "4500"}), {})
    assert (scene.margin(LONG), once.turns()) == (D(3000), [])
    _, scene = watching(2, desired({LONG: "4500"}), {})
    assert scene.margin(LONG) == D(4500)


def test_above_the_ceiling_still_waits_until_two_looks_agree_also_just_after_an_addition() -> None:
    def up(scene: Scene) -> None:
        priced(scene, "1.6")

    vigil, scene = watching(3, in_band(), {1: lambda scene: priced(scene, "0.97"), 2: up})
    assert [change > 0 for _, change in scene.moved_by_calls()] == [True]
    _, scene = watching(4, in_band(), {1: lambda scene: priced(scene, "0.97"), 2: up})
    assert [change > 0 for _, change in scene.moved_by_calls()] == [True, False]
    assert vigil.turns() == [(None, "change (below floor)")]


class StaleAfterWrite:
    """From 1.5 s to 30 s after a write, when the run has ended, reads show the state from before it."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._written_ms: int | None = None

    def pick(self, request: Request) -> Fault:
        """See ``Faults.pick``."""
        now_ms = self._loop.now_ms()
        if request.method == "POST":
            self._written_ms = now_ms
        elif self._written_ms is not None and 1_500 <= now_ms - self._written_ms < 30_000:
            behind_ms = now_ms - self._written_ms + 1
            return Fault(lag=Lag(positions_ms=behind_ms, balances_ms=behind_ms))
        return NO_FAULT


def test_a_look_that_may_predate_our_own_addition_adds_nothing_again() -> None:
    vigil = Vigil([banded()], apply=True, rounds=50, interval_ms=1_000)
    seen: list[Status] = []

    def note() -> None:
        (account,) = vigil.snapshots[-1].accounts
        seen.extend(entry.status for entry in account.plan.entries)

    def setup(scene: Scene) -> None:
        scene.place.venue.faults = StaleAfterWrite(scene.loop)
        vigil.between.update(dict.fromkeys(range(1, 50), note))

    scene = watched(vigil, setup)
    assert Status.HELD in seen
    assert scene.moved_by_calls() == [(LONG, D(1395))]
