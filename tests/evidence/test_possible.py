"""Which margins can stand around a step, and what a reading proves of it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.evidence.possible import MOST_UNSURE, MarginEvidence, Possible, margins_around
from tests.kit.desk import FENCE_MS, SIGNED_MS, D, at, intent

MOVED, NOT_MOVED, CANNOT_TELL = MarginEvidence.MOVED, MarginEvidence.NOT_MOVED, MarginEvidence.CANNOT_TELL
LONG = "BTCUSDT.long"


@pytest.mark.parametrize(
    ("unsure", "reading", "verdict"),
    [
        ((), "1300", MOVED),
        (("500",), "1000", NOT_MOVED),
        (("500",), "1500", NOT_MOVED),
        (("500",), "1800", MOVED),
        (("300",), "1300", CANNOT_TELL),
        (("-300",), "1000", CANNOT_TELL),
        (("40", "30"), "1300", MOVED),
        (("200", "100"), "1300", CANNOT_TELL),
        (("1000",) * (MOST_UNSURE + 1), "1300", CANNOT_TELL),
    ],
)
def test_a_movement_that_may_or_may_not_count_leaves_what_fits_one_case_only(
    unsure: tuple[str, ...], reading: str, verdict: MarginEvidence
) -> None:
    possible = Possible(before=D(1000), amount=D(300), unsure=[D(each) for each in unsure])
    assert possible.verdict(D(reading)) is verdict


@pytest.mark.parametrize(("older", "verdict"), [((), MOVED), (("1300",), CANNOT_TELL), (("1390",), MOVED)])
def test_a_margin_from_around_an_earlier_step_is_no_proof(older: tuple[str, ...], verdict: MarginEvidence) -> None:
    possible = Possible(before=D(1000), amount=D(300), older=[D(each) for each in older])
    assert possible.verdict(D(1310)) is verdict


def test_the_margins_around_calls_are_those_of_the_address_since_then() -> None:
    calls = [intent("300"), intent("200", before="1500", wanted="1700")]
    assert margins_around(calls, at(LONG), since_ms=FENCE_MS) == (D(1200), D(1500), D(1500), D(1700))
    assert margins_around(calls, at(LONG), since_ms=0, but_after=SIGNED_MS) == (D(1200), D(1500))
    assert margins_around(calls, at(LONG), since_ms=FENCE_MS + 1) == ()
    assert margins_around(calls, at("BTCUSDT.short"), since_ms=0) == ()


WHOLE = st.integers(-400, 400).map(Decimal)


@given(
    before=st.integers(1000, 2000).map(Decimal),
    amount=WHOLE.filter(bool),
    since=WHOLE,
    unsure=st.lists(WHOLE, max_size=3),
    counts=st.lists(st.booleans(), min_size=3, max_size=3),
    happened=st.booleans(),
)
def test_the_truth_is_never_denied(
    *,
    before: Decimal,
    amount: Decimal,
    since: Decimal,
    unsure: list[Decimal],
    counts: list[bool],
    happened: bool,
) -> None:
    """Whatever of the unsure movements counted, a reading from after all of it never proves the opposite."""
    moved = sum((each for each, counted in zip(unsure, counts, strict=False) if counted), Decimal(0))
    reading = before + since + moved + (amount if happened else 0)
    possible = Possible(before=before, amount=amount, since=since, unsure=unsure)
    assert possible.verdict(reading) is not (NOT_MOVED if happened else MOVED)
    assert possible.adds_up(reading) or not happened
