"""A ledger row with fewer decimals than were sent is ours only where the margin moved by exactly what was sent."""

from decimal import Decimal

import pytest

from reconcile.evidence.possible import MarginEvidence
from reconcile.evidence.verdict import sight
from reconcile.model.ledger import Cause, LedgerRead, LedgerRow
from reconcile.money import decimals
from tests.kit.desk import D, intent, position, row

SENT = "24.999993"
STEP = D("0.000001")


def seen(live: str, *rows: LedgerRow) -> tuple[tuple[str, ...], MarginEvidence]:
    made = intent(SENT, before="240", wanted="264.999993")
    ledger = LedgerRead(rows=rows, reaches_back=True)
    found = sight(made, position("BTCUSDT.long", live), ledger, claims=(), step_size=STEP, shared=False)
    return found.rows, found.margin


@pytest.mark.parametrize("printed", ["25", "25.00", "24.99999"])
def test_a_row_that_equals_ours_after_rounding_is_ours(printed: str) -> None:
    assert seen("264.999993", row(printed, "r1", side=None)) == (("r1",), MarginEvidence.MOVED)


@pytest.mark.parametrize("printed", ["25", "25.00"])
def test_the_same_row_may_be_another_partys_where_the_margin_moved_by_what_is_printed(printed: str) -> None:
    assert seen("265", row(printed, "r1", side=None)) == ((), MarginEvidence.CANNOT_TELL)


def test_other_movements_are_taken_into_account() -> None:
    funding = row("-0.5", "r2", side=None, cause=Cause.FUNDING)
    assert seen("264.499993", row("25", "r1", side=None), funding) == (("r1",), MarginEvidence.MOVED)
    assert seen("264.5", row("25", "r1", side=None), funding)[0] == ()


def test_of_two_that_fit_none_is_taken() -> None:
    assert seen("264.999993", row("25", "r1", side=None), row("25.00", "r2", side=None))[0] == ()


def test_another_direction_or_amount_never_fits() -> None:
    assert seen("264.999993", row("-25", "r1", side=None))[0] == ()
    assert seen("264.999993", row("32", "r1", side=None))[0] == ()


@pytest.mark.parametrize(("text", "printed"), [("25", 0), ("25.00", 2), ("1E+3", 0), ("0.000001", 6), ("NaN", 0)])
def test_decimals_are_those_that_were_printed(text: str, printed: int) -> None:
    assert decimals(Decimal(text)) == printed
