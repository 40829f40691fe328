"""The judge of conclusions: which runs conclude something, and that a false conclusion is found."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.simulation.claims import claims, false_claims
from tests.simulation.schedule import Aim, Go, Schedule
from tests.simulation.simulation import Simulation

RUNS = (Go(), Go(command="plan"), Go(command="drift"), Go(revised=True), Go(command="plan"))


def test_each_command_is_held_to_what_it_concludes() -> None:
    simulation = Simulation(Schedule(aims=(Aim(revised=1500),), runs=RUNS)).play()
    words = [(claim.ran.number, claim.words.split()[0]) for claim in claims(simulation)]
    simulation.close()
    expected = [(0, "exits"), (1, "plans"), (2, "says"), (3, "exits"), (4, "plans"), (0, "journals"), (3, "journals")]
    assert words == expected
    assert list(false_claims(simulation)) == []


def _drift_is_old(simulation: Simulation) -> None:
    ran = simulation.ran[2]
    assert ran.drift is not None
    (entry,) = ran.drift.entries
    ran.drift = replace(ran.drift, entries=(replace(entry, observed=Decimal(1000)),))


def _apply_is_another(simulation: Simulation) -> None:
    simulation.ran[3].go = replace(simulation.ran[3].go, revised=False)
    simulation.schedule = replace(simulation.schedule, aims=(Aim(target=1700, revised=1500),))


@pytest.mark.parametrize(
    ("falsify", "words"),
    [(_drift_is_old, "run 2 says drift"), (_apply_is_another, "run 0 exits 0 for 1700")],
    ids=["drift", "apply"],
)
def test_a_conclusion_that_was_never_true_is_found(falsify: object, words: str) -> None:
    simulation = Simulation(Schedule(aims=(Aim(revised=1500),), runs=RUNS)).play()
    assert callable(falsify)
    falsify(simulation)
    found = list(false_claims(simulation))
    simulation.close()
    assert any(each.startswith(words) for each in found)
