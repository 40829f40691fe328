"""Binance's formulas against the numbers its own documents print, and against themselves over every tier."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.errors import ReadFailed
from reconcile.exchanges.binance.risk import BinanceRisk, BinanceTier, tiers_by_symbol

D = Decimal
FIRST = BinanceTier(floor=D(0), rate=D("0.004"), deduction=D(0))
# deductions by the documented recursion: floor * (rate - rate before) + deduction before
TIERS = (
    FIRST,
    BinanceTier(floor=D(50_000), rate=D("0.005"), deduction=D(50)),
    BinanceTier(floor=D(250_000), rate=D("0.01"), deduction=D(1_300)),
    BinanceTier(floor=D(1_000_000), rate=D("0.025"), deduction=D(16_300)),
)
LONG = BinanceRisk(
    sign=1,
    size=D(20),
    entry=D("6563.665"),
    mark=D("6679.50671178"),
    wallet=D("13200.70726908"),
    leverage=D(10),
    tiers=TIERS,
)
SHORT = BinanceRisk(
    sign=-1,
    size=D(10),
    entry=D("6563.86"),
    mark=D("6679.50671178"),
    wallet=D("6570.42511771"),
    leverage=D(10),
    tiers=TIERS,
)


def rounded(value: Decimal | None, digits: str) -> Decimal | None:
    return None if value is None else value.quantize(D(digits))


def test_the_liquidation_prices_of_the_documentation() -> None:
    assert rounded(LONG.liquidation_price(LONG.wallet), "0.0001") == D("5930.7836")
    assert rounded(SHORT.liquidation_price(SHORT.wallet), "0.0001") == D("7189.9527")


def test_the_removable_margin_of_the_documentation() -> None:
    assert rounded(LONG.removable(), "0.00000001") == D("2158.52808112")
    assert SHORT.removable() == 0


def test_the_sample_position_at_the_first_tier() -> None:
    sample = BinanceRisk(
        sign=1,
        size=D("0.050"),
        entry=D(60_000),
        mark=D(60_500),
        wallet=D(310),
        leverage=D(10),
        tiers=(FIRST,),
    )
    assert rounded(sample.liquidation_price(sample.wallet), "0.00000001") == D("54016.06425703")
    assert sample.removable() == D("32.5")


def test_a_long_with_more_margin_than_notional_is_never_liquidated() -> None:
    assert LONG.liquidation_price(D(200_000)) is None


@given(
    sign=st.sampled_from([1, -1]),
    size=st.decimals("0.001", 1000, places=3),
    entry=st.decimals(1, 100_000, places=2),
    share=st.decimals("0.01", "1.5", places=4),
)
def test_at_the_liquidation_price_the_margin_left_is_the_maintenance_margin_of_its_tier(
    sign: int, size: Decimal, entry: Decimal, share: Decimal
) -> None:
    risk = BinanceRisk(sign=sign, size=size, entry=entry, mark=entry, wallet=D(1), leverage=D(10), tiers=TIERS)
    margin = share * size * entry
    price = risk.liquidation_price(margin)
    if price is None:
        return
    notional = size * price
    tier = next(tier for tier in reversed(TIERS) if notional >= tier.floor)
    left = margin + sign * size * (price - entry)
    assert abs(left - (notional * tier.rate - tier.deduction)) < D("1e-9")


@given(margin=st.decimals(1, 50_000, places=4), more=st.decimals(1, 50_000, places=4))
def test_more_margin_moves_the_liquidation_price_away(margin: Decimal, more: Decimal) -> None:
    low, high = SHORT.liquidation_price(margin), SHORT.liquidation_price(margin + more)
    assert low is not None
    assert high is not None
    assert low < high


def test_where_tiers_do_not_join_the_earliest_liquidation_counts() -> None:
    torn = (FIRST, BinanceTier(floor=D(100_000), rate=D("0.5"), deduction=D(0)))
    risk = BinanceRisk(sign=-1, size=D(1), entry=D(90_000), mark=D(90_000), wallet=D(1), leverage=D(1), tiers=torn)
    assert rounded(risk.liquidation_price(D(50_000)), "0.01") == D("93333.33")


BRACKET = {"bracket": 1, "initialLeverage": 75, "notionalCap": 10_000, "notionalFloor": 0, "cum": 0}
ROW = {"symbol": "BTCUSDT", "notionalCoef": D("1.5"), "brackets": [{**BRACKET, "maintMarginRatio": D("0.0065")}]}


@pytest.mark.parametrize("payload", [ROW, [ROW]], ids=["object", "list"])
def test_brackets_are_read_in_both_shapes_as_they_are_printed(payload: object) -> None:
    assert tiers_by_symbol("reading", payload) == {
        "BTCUSDT": (BinanceTier(floor=D(0), rate=D("0.0065"), deduction=D(0)),),
    }


def test_brackets_that_cannot_be_are_a_failed_read() -> None:
    with pytest.raises(ReadFailed, match="between 0 and 1"):
        tiers_by_symbol("reading", [{"symbol": "X", "brackets": [{**BRACKET, "maintMarginRatio": 1}]}])["X"]
