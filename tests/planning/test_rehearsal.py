"""Rehearsing a move of prices: the margins that the plans of its rounds lead to."""

from reconcile.model.account import MarginType, Policy
from reconcile.planning.rehearsal import rehearse_move
from tests.kit.desk import BINANCE, D, desired, observed, position, symbol, target

LIMITS = Policy(allow_reduce=True, min_liquidation_distance=None, max_margin=None)


def test_a_reduction_frees_balance_and_counts_as_no_addition() -> None:
    declared = desired(target("BTCUSDT.long", "900"), target("ETHUSDT.long", "1000"), policy=LIMITS)
    look = observed(
        [position("BTCUSDT.long", "1200")],
        [symbol("ETHUSDT", MarginType.CROSSED, open_orders=False)],
        available={"USDT": D(100)},
    )
    found = rehearse_move(declared, look, BINANCE, shock=D("-0.01"), rounds=2)
    (fate,) = found.fates
    assert (fate.margin_before, fate.margin_after, fate.stopped_by) == (D(1200), D(900), None)
    assert (found.added, found.needed) == ({}, {})
