"""Freshness of whole looks: what a look says about each declared address, and when it says nothing."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import pytest

from reconcile.errors import ReadFailed
from reconcile.exchanges.base import Reader
from reconcile.journal.state import JournalState
from reconcile.model.account import ObservedAccount, Position, Target
from reconcile.protocol.freshness import check_balance, differs, doubts, lane_look
from tests.kit.desk import CROSSED, at, desired, move, observed, position, symbol, target
from tests.kit.fakes import run

LONG = "BTCUSDT.long"


@pytest.mark.parametrize(
    ("before", "after", "is_refused"), [("1200", "1500", True), ("1500", "1200", False)], ids=["addition", "reduction"]
)
def test_only_an_addition_needs_a_free_balance_that_is_told(before: str, after: str, is_refused: bool) -> None:  # noqa: FBT001
    look = replace(observed([position(LONG)]), unknown_balances=frozenset({"USDT"}))
    step = move(LONG, before, after)
    if not is_refused:
        check_balance(step, lane_look(look, at(LONG)), look)
        return
    with pytest.raises(ReadFailed, match="does not tell the free balance of USDT") as refused:
        check_balance(step, lane_look(look, at(LONG)), look)
    assert refused.value.again


TARGET = target(LONG, "1000")
LIVE: dict[str, tuple[Target, Sequence[Position], bool]] = {
    "as declared": (TARGET, [position(LONG, "1000")], False),
    "another margin": (TARGET, [position(LONG, "1001")], True),
    "another margin type": (TARGET, [position(LONG, "1000", kind=CROSSED)], True),
    "auto-add that is on": (replace(TARGET, auto_add=False), [position(LONG, "1000", auto_add=True)], True),
    "auto-add as declared": (replace(TARGET, auto_add=True), [position(LONG, "1000", auto_add=True)], False),
    "flat, of the declared type": (TARGET, [], False),
    "flat, of another type": (target(LONG, kind=CROSSED), [], True),
}


@pytest.mark.parametrize(("declared", "positions", "expected"), LIVE.values(), ids=LIVE)
def test_what_differs_from_what_is_declared(
    declared: Target,
    positions: Sequence[Position],
    expected: bool,  # noqa: FBT001
) -> None:
    assert differs(declared, observed(positions, [symbol("BTCUSDT")])) is expected


def test_an_address_that_cannot_be_read_is_in_no_doubt_and_asks_nothing() -> None:
    look: ObservedAccount = replace(observed(), unusable={at(LONG): "its margin is not a number"})
    nothing_is_asked = cast("Reader", None)
    found = run(lambda: doubts(desired(TARGET), nothing_is_asked, JournalState(), look, grace_ms=5_000))
    assert found == {}
