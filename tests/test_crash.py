"""A slice of ``benchmarks.crash``: five minutes of each path, on every exchange, with and without faults."""

import pytest

from benchmarks.crash.__main__ import NARROWER, OURS, Lived, compared, live, sweep_table, table, verdicts
from benchmarks.crash.players import WIDE
from reconcile.sandbox.registry import SIMULATED

SEEDS = (3,)
TICKS = 60


@pytest.fixture(scope="module")
def lived() -> list[Lived]:
    return [live(seed, exchange, TICKS) for seed in SEEDS for exchange in SIMULATED]


def test_bands_lose_nothing_where_the_funds_suffice_and_double_nothing(lived: list[Lived]) -> None:
    enough = [each for each in lived if each.sufficed]
    ours = [name for name in lived[0].by if name.startswith(OURS)]
    assert len(ours) == 2
    assert sum(each.by["nothing"].liquidated for each in enough) >= len(SIMULATED)
    assert [each.by[name].liquidated for each in enough for name in ours] == [0] * len(enough) * 2
    assert sum(each.by[name].doubled for each in lived for name in ours) == 0
    assert sum(sum(each.by[name].moves) for each in enough for name in ours) > 0


def test_a_script_that_reads_again_doubles_under_the_same_faults(lived: list[Lived]) -> None:
    assert sum(each.by["script, faults"].doubled for each in lived) > 0
    assert sum(each.by["script"].doubled for each in lived) == 0


def test_the_figures_are_printed_for_every_player(lived: list[Lived]) -> None:
    printed = table(lived)
    assert all(f"| {exchange} | {name} |" in printed for exchange in SIMULATED for name in lived[0].by)
    assert len(verdicts(lived)) == 3


def test_narrower_bands_lock_less_and_are_compared_with_the_top_up_at_equal_survival() -> None:
    lived = [live(SEEDS[0], "okx", TICKS, widths=NARROWER[1:2])]
    wide, narrow = compared(lived)
    assert (wide.width, narrow.width) == (str(WIDE), "3-4.5-7%")
    assert narrow.locked < wide.locked
    assert all(each.ratio == each.locked / each.top_up_locked for each in (wide, narrow))
    assert f"| {narrow.width} | {narrow.liquidated} of 2 |" in sweep_table([narrow])
    *_, told = verdicts(lived)
    equal = [each.ratio for each in (wide, narrow) if each.liquidated <= each.top_up_liquidated]
    assert f"at equal survival: {min(equal):.2f}" in told
