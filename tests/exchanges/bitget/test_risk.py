"""Liquidation price, margin ratio and removable margin: the document's example, vectors by hand, and the fit."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.exchanges.bitget.account import Contract, risk
from reconcile.exchanges.bitget.risk import OFFSET_SINCE_MS, BitgetTier, InverseRisk, LinearRisk, tier_offset
from reconcile.exchanges.http.rows import Row
from tests.kit.bitget_account import position_row

DOCUMENTED = LinearRisk(
    long=True,
    size=Decimal("0.01"),
    entry=Decimal(25000),
    leverage=Decimal(20),
    margin=Decimal("9.6695050093373343"),
    profit=Decimal(1),
    rate=Decimal("0.0046"),
)
LONG = LinearRisk(
    long=True,
    size=Decimal("0.5"),
    entry=Decimal(4000),
    leverage=Decimal(20),
    margin=Decimal("101.25"),
    profit=Decimal(5),
    rate=Decimal("0.0056"),
)
COIN_LONG = InverseRisk(
    long=True,
    value=Decimal(5000),
    entry=Decimal(50000),
    leverage=Decimal(5),
    margin=Decimal("0.025"),
    profit=Decimal("-0.001"),
    rate=Decimal("0.01"),
)
LADDER = [
    BitgetTier(start=Decimal(0), rate=Decimal("0.004")),
    BitgetTier(start=Decimal(1000), rate=Decimal("0.005")),
    BitgetTier(start=Decimal(5000), rate=Decimal("0.01")),
]


@pytest.mark.parametrize(
    ("risk", "price"),
    [
        (DOCUMENTED, "24144.1124161806977797"),  # (9.6695050093373343 - 250) / (0.01 * (0.0046 - 1))
        (LONG, "3818.8857602574416733"),  # (101.25 - 2000) / (0.5 * (0.0056 - 1))
        (replace(LONG, long=False), "4179.0970564836913286"),  # (101.25 + 2000) / (0.5 * 1.0056)
        (replace(LONG, offset=Decimal(26)), "3766.5929203539823008"),  # (127.25 - 2000) / (0.5 * -0.9944)
        (COIN_LONG, "40400"),  # 5000 * 1.01 / (0.025 + 0.1)
        (replace(COIN_LONG, long=False), "66000"),  # 5000 * 0.99 / (0.1 - 0.025)
    ],
)
def test_the_liquidation_price_follows_the_formula(risk: LinearRisk | InverseRisk, price: str) -> None:
    found = risk.liquidation_price(risk.margin)
    assert found is not None
    assert abs(found - Decimal(price)) < Decimal("1e-12")


def test_the_price_that_the_document_prints_is_where_its_margin_ratio_is_one() -> None:
    price = DOCUMENTED.liquidation_price(DOCUMENTED.margin)
    assert price is not None
    maintenance = DOCUMENTED.size * price * DOCUMENTED.rate
    equity = DOCUMENTED.margin + DOCUMENTED.size * (price - DOCUMENTED.entry)
    assert abs(maintenance / equity - 1) < Decimal("1e-20")


@pytest.mark.parametrize(
    ("risk", "margin"),
    [(LONG, "2000"), (LONG, "3000"), (replace(COIN_LONG, long=False), "0.1"), (replace(COIN_LONG, long=False), "1")],
)
def test_there_is_no_liquidation_price_once_the_margin_covers_everything(
    risk: LinearRisk | InverseRisk, margin: str
) -> None:
    assert risk.liquidation_price(Decimal(margin)) is None


@pytest.mark.parametrize(
    ("risk", "amount"),
    [
        (LONG, "1.25"),  # 101.25 - 100, profit does not help
        (replace(LONG, profit=Decimal(-1)), "0.25"),
        (replace(LONG, margin=Decimal(99)), "0"),
        (COIN_LONG, "0.004"),  # 0.025 - 0.001 - 5000 / (50000 * 5)
    ],
)
def test_what_is_above_the_opening_margin_and_the_loss_can_be_taken_out(
    risk: LinearRisk | InverseRisk, amount: str
) -> None:
    assert risk.removable() == Decimal(amount)


@pytest.mark.parametrize(("rate", "offset"), [("0.004", "0"), ("0.005", "1"), ("0.01", "26"), ("0.003", "0")])
def test_the_offset_sums_start_times_step_over_the_lower_tiers(rate: str, offset: str) -> None:
    assert tier_offset(LADDER, Decimal(rate)) == Decimal(offset)


def test_without_tiers_there_is_no_offset() -> None:
    assert tier_offset([], Decimal("0.01")) == 0


@given(offset=st.decimals("-5", "50", places=3), long=st.booleans())
def test_the_shown_price_gives_the_offset_away(offset: Decimal, *, long: bool) -> None:
    true = replace(LONG, long=long, offset=offset)
    shown = true.liquidation_price(true.margin)
    assert shown is not None
    assert abs(replace(true, offset=Decimal(0)).fitted(shown).offset - offset) < Decimal("1e-15")


@given(value=st.decimals("100", "100000", places=1), long=st.booleans())
def test_the_shown_price_gives_the_value_of_a_coin_margined_position_away(value: Decimal, *, long: bool) -> None:
    true = replace(COIN_LONG, long=long, value=value, margin=value / 500000)
    shown = true.liquidation_price(true.margin)
    assert shown is not None
    assert abs(replace(true, value=Decimal(1)).fitted(shown).value / value - 1) < Decimal("1e-15")


def test_a_price_that_no_value_explains_changes_nothing() -> None:
    assert COIN_LONG.fitted(Decimal(60000)) == COIN_LONG


def test_offsets_are_for_positions_since_the_tenth_of_november_2025() -> None:
    assert OFFSET_SINCE_MS == 1_762_761_600_000


@pytest.mark.parametrize(("rate", "fee"), [("0.9994", "0.0006"), ("1", "0"), ("2", "0.0006"), ("-1", "0")])
@pytest.mark.parametrize("shown", ["", "3900"])
@pytest.mark.parametrize("product", ["USDT-FUTURES", "COIN-FUTURES"])
def test_a_rate_that_is_none_gives_no_risk_and_no_division_by_zero(
    rate: str, fee: str, shown: str, product: str
) -> None:
    row = Row("reading", position_row(keepMarginRate=rate, liquidationPrice=shown))
    contract = Contract(symbol="ETHUSDT", asset="USDT", coins=("USDT",), taker_fee=Decimal(fee))
    assert risk(row, contract, [], product=product) is None
