"""A pool of schedules reaches what chance alone does not, and the same seeds lead to the same pool."""

from tests.simulation.pool import SHARE, Pool, watched
from tests.simulation.schedule import Go, Happening, Schedule

_SEEDS = range(700, 760)


def _played(*, share: float) -> Pool:
    pool = Pool("binance", share=share)
    assert [found.violations for found in pool.play(_SEEDS) if found.violations] == []
    return pool


def test_with_a_pool_more_pairs_are_reached_than_by_chance() -> None:
    assert len(_played(share=SHARE).found) > 1.1 * len(_played(share=0).found)


def test_the_same_seeds_make_the_same_schedules() -> None:
    first, second = Pool("okx"), Pool("okx")
    seeds = range(20, 28)
    assert [found.schedule for found in first.play(seeds)] == [found.schedule for found in second.play(seeds)]
    assert first.found == second.found


def test_a_pair_is_an_arrow_and_the_last_fault_before_it() -> None:
    lost = Happening(where="write", n=1, how="lost")
    _, pairs = watched(Schedule(runs=(Go(),), happenings=(lost,)))
    assert {("planned intent_written", ""), ("sent lost", "write lost"), ("looking found", "write lost")} <= pairs
