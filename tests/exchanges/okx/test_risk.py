"""Liquidation price and removable margin: vectors worked by hand, and that the shown price gives the rate away."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.exchanges.okx.risk import IsolatedRisk, fitted

LONG = IsolatedRisk(
    inverse=False,
    long=True,
    size=Decimal("0.5"),
    entry=Decimal(4000),
    leverage=Decimal(10),
    margin=Decimal(300),
    profit=Decimal(-20),
    rate=Decimal("0.0045"),
    tick=Decimal("0.01"),
)
SHORT = replace(LONG, long=False)
COIN_LONG = IsolatedRisk(
    inverse=True,
    long=True,
    size=Decimal(5000),
    entry=Decimal(50000),
    leverage=Decimal(5),
    margin=Decimal("0.025"),
    profit=Decimal("0.001"),
    rate=Decimal("0.01"),
    tick=Decimal("0.1"),
)
COIN_SHORT = replace(COIN_LONG, long=False)


@pytest.mark.parametrize(
    ("risk", "price"),
    [
        (LONG, "3415.37916122551481667503"),  # (2000 - 300) / (0.5 * 0.9955) + 0.01
        (SHORT, "4579.38273270283723245395"),  # (2000 + 300) / (0.5 * 1.0045) - 0.01
        (COIN_LONG, "40400.1"),  # 5000 * 1.01 / (0.025 + 0.1) + 0.1
        (COIN_SHORT, "65999.9"),  # 5000 * 0.99 / (0.1 - 0.025) - 0.1
    ],
)
def test_the_liquidation_price_follows_the_formula(risk: IsolatedRisk, price: str) -> None:
    found = risk.liquidation_price(risk.margin)
    assert found is not None
    assert abs(found - Decimal(price)) < Decimal("1e-6")


@pytest.mark.parametrize(("risk", "margin"), [(LONG, "2000"), (LONG, "2500"), (COIN_SHORT, "0.1"), (COIN_SHORT, "1")])
def test_there_is_no_liquidation_price_once_the_margin_covers_everything(risk: IsolatedRisk, margin: str) -> None:
    assert risk.liquidation_price(Decimal(margin)) is None


@pytest.mark.parametrize(
    ("risk", "amount"),
    [
        (LONG, "80"),  # 300 - 200 - 20
        (replace(LONG, profit=Decimal(50)), "100"),  # profit does not help
        (replace(LONG, margin=Decimal(200), profit=Decimal(0)), "0"),  # just opened
        (replace(LONG, margin=Decimal(150)), "0"),
        (COIN_LONG, "0.005"),  # 0.025 - 5000 / (50000 * 5)
    ],
)
def test_what_is_above_the_opening_margin_and_the_loss_can_be_taken_out(risk: IsolatedRisk, amount: str) -> None:
    assert risk.removable() == Decimal(amount)


@pytest.mark.parametrize("risk", [LONG, SHORT, COIN_LONG, COIN_SHORT])
@given(rate=st.decimals("0.001", "0.5", places=5))
def test_the_shown_price_gives_the_rate_away(risk: IsolatedRisk, rate: Decimal) -> None:
    true = risk.with_rate(rate)
    shown = true.liquidation_price(true.margin)
    assert shown is not None
    found = fitted(risk.with_rate(Decimal(0)), shown)
    assert found is not None
    assert abs(found.rate - rate) < Decimal("1e-12")


@pytest.mark.parametrize("shown", [None, Decimal(0), Decimal("0.005"), Decimal(100), Decimal(100000)])
def test_a_price_that_no_rate_explains_gives_none(shown: Decimal | None) -> None:
    assert fitted(LONG, shown) is None


@given(more=st.decimals("0.01", "1000", places=2))
def test_more_margin_moves_the_liquidation_price_away(more: Decimal) -> None:
    lower, higher = LONG.liquidation_price(LONG.margin), LONG.liquidation_price(LONG.margin + more)
    assert lower is not None
    assert higher is not None
    assert higher < lower


@pytest.mark.parametrize("price", ["0.1", "0.05", "0.0001"])
def test_a_price_under_the_buffer_takes_more_margin_than_any_price_above_it(price: str) -> None:
    """At one tick the formula divides by zero, and below it by less."""
    assert COIN_LONG.margin_at(Decimal(price)) > COIN_LONG.margin_at(Decimal("0.101"))
