"""The sandbox's Bitget formulas against the examples of the exchange's documents."""

from dataclasses import replace

import pytest

from reconcile.sandbox.bitget.rules import BitgetRules
from reconcile.sandbox.values import BookPosition, Market, RiskTier, brackets
from tests.kit.binance_client import D

RULES = BitgetRules()


def market(mark: str, mmr: str, *, inverse: bool = False) -> Market:
    tier = RiskTier(floor=D(0), cap=D(10**9), mmr=D(mmr), leverage=100)
    return Market(
        symbol="X",
        asset="BTC" if inverse else "USDT",
        mark=D(mark),
        tiers=(tier,),
        inverse=inverse,
        taker_fee=D("0.0006"),
    )


def position(side: str, size: str, entry: str, margin: str, kind: str = "isolated") -> BookPosition:
    return BookPosition(
        symbol="X",
        side=side,
        margin_type=kind,
        size=D(size),
        entry=D(entry),
        margin=D(margin),
        leverage=D(20),
        identity=1,
        opened_ms=0,
        updated_ms=0,
    )


@pytest.mark.parametrize(
    ("place", "held", "price", "rate"),
    [
        (
            market("25100", "0.004"),
            position("long", "0.01", "25000", "9.6695050093373343"),
            "24144.1124161806977798",
            "0.1082149545822005",
        ),
        (market("4010", "0.005"), position("long", "0.5", "4000", "101.25"), "3818.886", "0.10567"),
    ],
)
def test_the_documents_examples_come_out(place: Market, held: BookPosition, price: str, rate: str) -> None:
    liquidation = RULES.liquidation_price(place, held)
    assert liquidation is not None
    digits = -int(D(price).as_tuple().exponent)
    assert round(liquidation, digits) == D(price)
    digits = -int(D(rate).as_tuple().exponent)
    assert abs(RULES.risk_rate(place, held) - D(rate)) <= D(10) ** -digits


@pytest.mark.parametrize("side", ["long", "short"])
@pytest.mark.parametrize("inverse", [False, True])
def test_at_the_liquidation_price_the_risk_rate_is_one(side: str, inverse: bool) -> None:  # noqa: FBT001
    place = market("60500", "0.004", inverse=inverse)
    held = position(side, "30000" if inverse else "0.5", "60000", "0.06" if inverse else "3000")
    price = RULES.liquidation_price(place, held)
    assert price is not None
    there = market(str(price), "0.004", inverse=inverse)
    assert abs(RULES.risk_rate(there, held) - 1) < D("1e-12")


@pytest.mark.parametrize(("opened_ms", "owed"), [(1_762_761_599_999, "0.0106"), (1_762_761_600_000, "0.0066")])
def test_since_november_2025_each_slice_of_the_value_owes_the_rate_of_its_own_tier(opened_ms: int, owed: str) -> None:
    tiers = brackets([("100000", "0.004", 125), ("1000000", "0.01", 50)])
    place = replace(market("1000", "0.004"), tiers=tiers)
    held = replace(position("short", "150", "1000", "20000"), opened_ms=opened_ms)
    assert RULES.maintenance(place, held) == D(owed) * 150_000
    price = RULES.liquidation_price(place, held)
    assert price is not None
    assert abs(RULES.risk_rate(replace(place, mark=price), held) - 1) < D("1e-12")


def test_crossed_rows_show_their_value_over_the_leverage() -> None:
    assert RULES.shown_margin(market("60000", "0.004"), position("long", "1", "50000", "0", "crossed")) == 3000


@pytest.mark.parametrize(
    ("mark", "removable"), [("60000", "1500"), ("61000", "1500"), ("59000", "1000"), ("54000", "0")]
)
def test_the_initial_margin_and_a_loss_stay(mark: str, removable: str) -> None:
    held = position("long", "0.5", "60000", "3000")
    assert RULES.removable(market(mark, "0.004"), held) == D(removable)


@pytest.mark.parametrize(
    ("asset", "inverse", "product"),
    [("USDT", False, "USDT-FUTURES"), ("USDC", False, "USDC-FUTURES"), ("BTC", True, "COIN-FUTURES")],
)
def test_a_contract_belongs_to_one_product(asset: str, inverse: bool, product: str) -> None:  # noqa: FBT001
    tier = RiskTier(floor=D(0), cap=D(1), mmr=D("0.1"), leverage=1)
    place = Market(symbol="X", asset=asset, mark=D(1), tiers=(tier,), inverse=inverse)
    assert RULES.scope(place) == product
