"""Bands in the simulation: fresh schedules each time, and programs that go by another file than the judge's."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from reconcile.model.account import DesiredAccount, Target, WhenShort
from reconcile.model.measures import Thresholds
from tests.simulation import simulation
from tests.simulation.declare import declared
from tests.simulation.explore import banded_schedule
from tests.simulation.oracle import verdict
from tests.simulation.schedule import Schedule
from tests.simulation.test_schedules import EXCHANGES, SCHEDULES, SEED
from tests.simulation.timeline import timeline


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_fresh_schedules_with_bands_are_survived(exchange: str) -> None:
    for seed in range(SEED, SEED + SCHEDULES // 40):
        schedule = banded_schedule(seed, exchange)
        if verdict(schedule).violations:
            pytest.fail(f"seed {seed}\n{timeline(verdict(schedule, watch=True))}")


def test_a_schedule_with_bands_survives_being_written_down() -> None:
    for seed in range(100):
        schedule = banded_schedule(seed)
        assert Schedule.from_json(schedule.to_json()) == schedule


Defect = Callable[[DesiredAccount], DesiredAccount]


def _each(change: Callable[[Target], Target]) -> Defect:
    def changed(desired: DesiredAccount) -> DesiredAccount:
        targets = (target if target.band is None else change(target) for target in desired.targets)
        return replace(desired, targets=tuple(targets))

    return changed


def _further(target: Target) -> Target:
    if target.band is None:
        raise ValueError("only bands come here")
    bounds = target.band.bounds
    wider = Thresholds(floor=bounds.floor, target=bounds.target * Decimal("1.2"), ceiling=None)
    return replace(target, band=replace(target.band, bounds=wider))


def _nearer(target: Target) -> Target:
    if target.band is None:
        raise ValueError("only bands come here")
    bounds = target.band.bounds
    lower = Thresholds(floor=bounds.floor / 4, target=bounds.target / 2, ceiling=bounds.target * Decimal("0.8"))
    return replace(target, band=replace(target.band, bounds=lower))


def _richer(target: Target) -> Target:
    if target.band is None:
        raise ValueError("only bands come here")
    return replace(target, band=replace(target.band, at_most=target.band.at_most * 3))


def _reducing(desired: DesiredAccount) -> DesiredAccount:
    return replace(desired, policy=replace(desired.policy, allow_reduce=True))


def _timeless(desired: DesiredAccount) -> DesiredAccount:
    return replace(desired, policy=replace(desired.policy, max_day_add=None, max_day_changes=None))


def _last_first(desired: DesiredAccount) -> DesiredAccount:
    targets = (replace(each, priority=9 - (each.priority or 9) or None) for each in desired.targets)
    return replace(desired, targets=tuple(targets))


def _shared_otherwise(way: WhenShort) -> Defect:
    def changed(desired: DesiredAccount) -> DesiredAccount:
        is_shared = desired.policy.when_short in {WhenShort.NEAREST_FIRST, WhenShort.PRO_RATA}
        return replace(desired, policy=replace(desired.policy, when_short=way)) if is_shared else desired

    return changed


@pytest.mark.parametrize(
    ("defect", "first", "words"),
    [
        (_each(_richer), 0, "at_most is"),
        (_each(_further), 0, "the target needed less"),
        (_each(_nearer), 0, "the target needed more"),
        (_each(_nearer), 0, "below its floor"),
        (_reducing, 0, "reductions are not allowed"),
        (_timeless, 61, "max_day_add is"),
        (_timeless, 165, "max_day_changes is"),
        (_last_first, 150, "comes after it and gets"),
        (_shared_otherwise(WhenShort.PRIORITY), 54, "of its need, and"),
        (_shared_otherwise(WhenShort.PRIORITY), 495, "comes after it and gets"),
    ],
)
def test_a_program_that_goes_by_another_file_is_noticed(
    defect: Defect, first: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(schedule: Schedule, *, revised: bool = False) -> DesiredAccount:
        return defect(declared(schedule, revised=revised))

    monkeypatch.setattr(simulation, "declared", wrong)
    found = (verdict(banded_schedule(seed)).violations for seed in range(first, first + 30))
    assert any(words in violation for violations in found for violation in violations)
