"""Freshness of whole looks: what a look says about each declared address, and when it says nothing."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import pytest

from reconcile.exchanges.base import Reader
from reconcile.journal.state import JournalState
from reconcile.model.account import ObservedAccount, Position, Target
from reconcile.protocol.freshness import differs, doubts, lane_look
from tests.kit.desk import CROSSED, at, desired, observed, position, symbol, target
from tests.kit.fakes import run

LONG = "BTCUSDT.long"


def test_a_free_balance_that_the_exchange_does_not_tell_is_none() -> None:
    look = replace(observed([position(LONG)]), unknown_balances=frozenset({"USDT"}))
    assert lane_look(look, at(LONG)).available is None
    assert lane_look(observed([position(LONG)]), at(LONG)).available is not None


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
