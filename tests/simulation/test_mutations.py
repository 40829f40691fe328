"""The simulation is not too kind: every deliberate defect is noticed. ``test_reach.py`` has the program itself."""

import pytest

from reconcile.sandbox.registry import SIMULATED
from tests.simulation.hits import VALIDITY_MS
from tests.simulation.mutations import MUTATIONS, Mutation, hunt
from tests.simulation.traps import traps

EXCHANGES = tuple(SIMULATED)
CASES = [
    pytest.param(mutation, exchange, id=f"{mutation.name}-{exchange}")
    for mutation in MUTATIONS
    for exchange in EXCHANGES
    if not mutation.exchanges or exchange in mutation.exchanges
]


@pytest.mark.parametrize(("mutation", "exchange"), CASES)
def test_every_defect_is_caught(mutation: Mutation, exchange: str) -> None:
    caught = hunt(mutation, mutation.ordered(traps(exchange, VALIDITY_MS[exchange])))
    assert caught.violation is not None, f"{mutation.name} goes unnoticed on {exchange}: make the simulation less kind"
