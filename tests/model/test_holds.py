"""What is unknown: a call of ours, as against a reading that may be old, and a yes that is not seen yet."""

import pytest

from reconcile.model.holds import AT_WORK, UNSEEN, UNSETTLED, Hold
from reconcile.model.status import AccountStatus, OpenStep
from tests.kit.desk import D, at


@pytest.mark.parametrize(("by", "unknown"), [(UNSETTLED, True), (UNSEEN, False), (AT_WORK, False), ("adds up", False)])
def test_a_hold_is_unknown_where_it_is_about_a_call_of_ours(by: str, *, unknown: bool) -> None:
    hold = Hold(reason="why", by=by)
    assert (hold.is_unknown, hold.word) == (unknown, "unknown" if unknown else "held")


@pytest.mark.parametrize(
    ("outcomes", "unknown"),
    [((), False), (("accepted",), False), ((None,), True), (("accepted", "unknown"), True)],
)
def test_a_status_is_unknown_where_a_step_has_no_yes(outcomes: tuple[str | None, ...], *, unknown: bool) -> None:
    steps = tuple(
        OpenStep(
            address=at("BTCUSDT.long"),
            outcome=outcome,
            asset="USDT",
            amount=D(300),
            action="add_margin",
            since="2026-01-01T00:00:00Z",
            evidence="",
            resolvable_at_ms=0,
        )
        for outcome in outcomes
    )
    assert AccountStatus(account="main", unsettled=steps).is_unknown is unknown
