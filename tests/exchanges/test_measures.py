"""Measures by each exchange's formula: the inverse holds forward, all grow with margin, and the sandbox agrees."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.exchanges.binance.risk import BinanceRisk, BinanceTier
from reconcile.exchanges.bitget.risk import LinearRisk
from reconcile.exchanges.okx.risk import ORDINARY_TAKER_FEE, IsolatedRisk
from reconcile.model.risk import Risk
from reconcile.money import ZERO
from tests.kit.binance_client import D
from tests.kit.measured import PLACES, POSITIONS, booked, position_of, risk_of

EVERY_PLACE = pytest.mark.parametrize("name", sorted(PLACES))
SHARES = st.decimals("0.05", "0.99", places=4)
NEAR = D("1e-18")


def _risk(name: str) -> Risk:
    return risk_of(PLACES[name])


def _away(name: str, share: Decimal) -> Decimal:
    """A price that this share of the mark price loses."""
    place = PLACES[name]
    return place.mark * (1 - share if place.long else 1 + share)


@EVERY_PLACE
@given(share=SHARES)
def test_the_margin_for_a_price_is_liquidated_at_that_price(name: str, share: Decimal) -> None:
    risk, price = _risk(name), _away(name, share)
    found = risk.liquidation_price(risk.margin_at(price))
    assert found is not None
    assert abs(found / price - 1) < NEAR


@EVERY_PLACE
@given(shares=st.tuples(SHARES, SHARES))
def test_a_price_further_away_takes_more_margin(name: str, shares: tuple[Decimal, Decimal]) -> None:
    nearer, further = sorted(shares)
    risk = _risk(name)
    lower, higher = risk.margin_at(_away(name, nearer)), risk.margin_at(_away(name, further))
    assert (lower < higher) is (nearer < further)


@EVERY_PLACE
@given(share=SHARES)
def test_the_sandbox_liquidates_there_as_well(name: str, share: Decimal) -> None:
    price = _away(name, share)
    margin = _risk(name).margin_at(price)
    rules, market, held = booked(replace(PLACES[name], margin=margin))
    found = rules.liquidation_price(market, held)
    assert found is not None
    assert abs(found / price - 1) < D("1e-9")
    bare = price - (held.direction * market.tick if PLACES[name].exchange == "okx" else ZERO)
    there = replace(market, mark=bare)
    owed = rules.maintenance(there, held)
    if PLACES[name].exchange == "okx":  # its maintenance is shown without the closing fee
        owed += there.notional(held.size, bare) * there.taker_fee
    assert abs(held.margin + there.profit(held, bare) - owed) < D("1e-6")


@EVERY_PLACE
def test_profit_value_and_maintenance_are_those_of_the_sandbox(name: str) -> None:
    rules, market, held = booked(PLACES[name])
    found = _risk(name).exposure()
    assert found is not None
    fee = market.notional(held.size, market.mark) * market.taker_fee if PLACES[name].exchange == "okx" else ZERO
    expected = (
        market.profit(held, market.mark),
        market.notional(held.size, market.mark),
        rules.maintenance(market, held) + fee,
    )
    for ours, theirs in zip((found.profit, found.notional, found.maintenance), expected, strict=True):
        assert abs(ours - theirs) < D("1e-15")


@EVERY_PLACE
def test_our_own_formula_needs_nothing_of_the_price_that_is_shown(name: str) -> None:
    held = POSITIONS[name]
    risk = _risk(name).unfitted()
    assert risk is not None
    own = risk.liquidation_price(held.isolated_margin)
    assert own is not None
    assert held.liquidation_price is not None
    assert abs(own / held.liquidation_price - 1) <= D("0.001")


BINANCE_ROWS = [  # live rows: side, size, entry, wallet, rate, printed
    (1, "0.02", "313.20000000000005", "0.31074682", "0.025", "305.29503487"),
    (1, "0.008", "94501.4", "38.17776480", "0.004", "90089.53755020"),
    (1, "5.737", "2614.8", "5722.76987864", "0.004", "1623.77551366"),
]
OKX_ROWS = [  # measured on its demo: side, size, entry, margin, rate, tick, printed
    ("long", "0.01", "78059.0500000000000002", "156.1181", "0.004", "0.01", "62729.53285283777"),
    ("short", "0.01", "78091.5", "156.183", "0.004", "0.01", "93289.98502239921"),
    ("long", "0.0005", "2268", "0.2268", "0.0065", "0.1", "1827.290332326284"),
    ("long", "50000", "0.08274984376", "827.4984376", "0.0065", "0.0000001", "0.0666666407935549"),
    ("long", "10", "102.43", "102.43", "0.005", "0.01", "92.70683257918553"),
    ("long", "10", "102.43", "128.8375", "0.005", "0.01", "90.05147812971343"),
]
BITGET_ROWS = [  # the API documents' examples: size, entry, margin, rate with fee, printed
    ("0.01", "25000", "9.6695050093373343", "0.0046", "24144.1124161806977797"),
    ("0.5", "4000", "101.25", "0.0056", "3818.886"),
]


def _vectors() -> list[tuple[Risk, Decimal, str]]:
    found: list[tuple[Risk, Decimal, str]] = []
    for sign, size, entry, wallet, rate, printed in BINANCE_ROWS:
        tiers = (BinanceTier(floor=ZERO, rate=D(rate), deduction=ZERO),)
        risk = BinanceRisk(
            sign=sign, size=D(size), entry=D(entry), mark=D(entry), wallet=D(wallet), leverage=D(10), tiers=tiers
        )
        found.append((risk, D(wallet), printed))
    for side, size, entry, margin, rate, tick, printed in OKX_ROWS:
        place = replace(PLACES[f"okx {side}"], size=D(size), entry=D(entry), margin=D(margin))
        own = D(rate) + ORDINARY_TAKER_FEE
        okx = risk_of(place)
        assert isinstance(okx, IsolatedRisk)
        found.append((replace(okx, own_rate=own, rate=ZERO, tick=D(tick)), D(margin), printed))
    for size, entry, margin, rate, printed in BITGET_ROWS:
        linear = risk_of(replace(PLACES["bitget long"], size=D(size), entry=D(entry), margin=D(margin)))
        assert isinstance(linear, LinearRisk)
        found.append((replace(linear, rate=D(rate)), D(margin), printed))
    return found


@pytest.mark.parametrize(("risk", "margin", "printed"), _vectors())
def test_our_own_price_is_that_of_every_recorded_row(risk: Risk, margin: Decimal, printed: str) -> None:
    own = risk.unfitted()
    assert own is not None
    price = own.liquidation_price(margin)
    assert price is not None
    assert abs(price / D(printed) - 1) <= D("0.001")


def test_every_tier_of_binance_gives_its_own_margins_back() -> None:
    for size in ("0.5", "3", "12", "60"):
        place = replace(PLACES["binance short"], size=D(size))
        held = position_of(place)
        assert held.risk is not None
        price = held.risk.liquidation_price(place.margin)
        assert price is not None
        assert abs(held.risk.margin_at(price) - place.margin) < D("1e-15")
