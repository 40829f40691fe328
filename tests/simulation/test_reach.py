"""The program passes every trap; with the explorer they reach every arrow, evidence cell, rule and class of codes."""

from collections.abc import Mapping
from functools import cache

import pytest

from reconcile.exchanges.catalogue import TRAITS
from tests.explorer.scopes import OUTSIDE, SCOPES
from tests.explorer.search import explore
from tests.kit import reach
from tests.simulation.hits import VALIDITY_MS
from tests.simulation.oracle import verdict
from tests.simulation.traps import traps

_SOME = ("kills", "lost answers", "other hands", "both sides, late positions", "reopening, positions with an id")
"""The scopes that reach, in few states, the arrows that a calm end of a run never takes."""


@cache
def _played(exchange: str) -> tuple[Mapping[str, tuple[str, ...]], reach.Hits]:
    """The violations of each trap where there are any, and what all of them reached."""
    with reach.counting() as hits:
        found = {name: verdict(trap).violations for name, trap in traps(exchange, VALIDITY_MS[exchange]).items()}
    return {name: violations for name, violations in found.items() if violations}, hits


@pytest.mark.parametrize("exchange", TRAITS)
def test_the_program_passes_every_trap(exchange: str) -> None:
    assert _played(exchange)[0] == {}


def test_the_campaign_of_every_test_run_reaches_everything_the_assumptions_allow() -> None:
    with reach.counting() as hits:
        for name in _SOME:
            explore(SCOPES[name], most=5_000)
    for exchange in TRAITS:
        hits += _played(exchange)[1]
    assert reach.missing(hits) == [], "\n".join(reach.lines(hits))


def test_the_arrow_for_worlds_outside_is_taken_there() -> None:
    with reach.counting() as hits:
        explore(OUTSIDE["a yes that is never done"], most=20_000)
    assert hits["arrow confirming not_found"] > 0


def test_whatever_is_not_reached_is_named() -> None:
    with reach.counting() as hits:
        pass
    assert len(reach.missing(hits)) == len(reach.everything()) - len(reach.OUTSIDE)
