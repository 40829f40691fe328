"""The sandbox's own formulas against the golden vectors of the exchange's documents."""

from decimal import Decimal
from itertools import pairwise

import pytest

from reconcile.sandbox.binance.rules import BinanceRules
from reconcile.sandbox.values import BookPosition, Market, RiskTier, brackets
from tests.kit.binance_client import D

MARK = D("6679.50671178")
SAMPLE = Market(
    symbol="BTCUSDT",
    asset="USDT",
    mark=MARK,
    tiers=(RiskTier(floor=D(0), cap=D(10**9), mmr=D("0.005"), leverage=125, cum=D(50)),),
)


def position(side: str, size: str, entry: str, margin: str) -> BookPosition:
    return BookPosition(
        symbol="BTCUSDT",
        side=side,
        margin_type="isolated",
        size=D(size),
        entry=D(entry),
        margin=D(margin),
        leverage=D(10),
        identity=1,
        opened_ms=0,
        updated_ms=0,
    )


LONG = position("long", "20", "6563.665", "13200.70726908")
SHORT = position("short", "10", "6563.86", "6570.42511771")


@pytest.mark.parametrize(
    ("held", "price", "removable"), [(LONG, "5930.7836", "2158.52808112"), (SHORT, "7189.9527", "0")]
)
def test_the_documents_samples_come_out(held: BookPosition, price: str, removable: str) -> None:
    rules = BinanceRules()
    liquidation = rules.liquidation_price(SAMPLE, held)
    assert liquidation is not None
    assert round(liquidation, 4) == D(price)
    assert round(rules.removable(SAMPLE, held), 8) == D(removable)


@pytest.mark.parametrize(("size", "margin"), [("1", "50"), ("300", "3000"), ("3000", "30000"), ("20000", "400000")])
@pytest.mark.parametrize("side", ["long", "short"])
def test_at_the_liquidation_price_margin_and_loss_equal_maintenance_in_its_bracket(
    side: str, size: str, margin: str
) -> None:
    tiers = brackets([("10000", "0.0065", 75), ("100000", "0.01", 50), ("1000000", "0.02", 25), ("1e9", "0.025", 20)])
    market = Market(symbol="X", asset="USDT", mark=D(100), tiers=tiers)
    held = position(side, size, "100", margin)
    price = BinanceRules().liquidation_price(market, held)
    assert price is not None
    tier = market.tier(market.notional(held.size, price))
    owed = price * held.size * tier.mmr - tier.cum
    assert abs(held.margin + market.profit(held, price) - owed) < D("1e-12")


def test_brackets_join_without_a_jump() -> None:
    tiers = brackets([("10000", "0.0065", 75), ("100000", "0.01", 50), ("1000000", "0.02", 25)])
    for lower, upper in pairwise(tiers):
        edge: Decimal = lower.cap
        assert edge * lower.mmr - lower.cum == edge * upper.mmr - upper.cum


def test_a_position_with_enough_margin_is_never_liquidated() -> None:
    assert BinanceRules().liquidation_price(SAMPLE, position("long", "1", "100", "1000")) is None
