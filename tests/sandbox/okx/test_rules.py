"""The sandbox's OKX formulas against positions that public simulators measured on the exchange's demo."""

from decimal import Decimal

import pytest

from reconcile.sandbox.okx.rules import OkxRules
from reconcile.sandbox.values import BookPosition, Market, RiskTier
from tests.kit.binance_client import D

RULES = OkxRules()


def market(contract: str, tick: str, mark: str, mmr: str, *, inverse: bool = False) -> Market:
    tier = RiskTier(floor=D(0), cap=D(10**9), mmr=D(mmr), leverage=100)
    return Market(
        symbol="X",
        asset="BTC" if inverse else "USDT",
        mark=D(mark),
        tiers=(tier,),
        contract_value=D(contract),
        inverse=inverse,
        taker_fee=D("0.0005"),
        tick=D(tick),
    )


def position(side: str, size: str, entry: str, margin: str, leverage: str = "5") -> BookPosition:
    return BookPosition(
        symbol="X",
        side=side,
        margin_type="isolated",
        size=D(size),
        entry=D(entry),
        margin=D(margin),
        leverage=D(leverage),
        identity=1,
        opened_ms=0,
        updated_ms=0,
    )


BTC_LONG = (market("0.01", "0.01", "78058.84", "0.004"), position("long", "1", "78059.0500000000000002", "156.1181"))
BTC_SHORT = (market("0.01", "0.01", "78084.77", "0.004"), position("short", "1", "78091.5", "156.183"))
YFI = (market("0.0001", "0.1", "2267.5", "0.0065"), position("long", "5", "2268", "0.2268"))
DOGE = (market("1000", "0.0000001", "0.082727", "0.0065"), position("long", "50", "0.08274984376", "827.4984376"))
SOL = (market("1", "0.01", "102.43", "0.005"), position("long", "10", "102.43", "102.43", "10"))
SOL_LATER = (market("1", "0.01", "102.37", "0.005"), position("long", "10", "102.43", "128.8375", "8"))


@pytest.mark.parametrize(
    ("held", "price", "ratio"),
    [
        (BTC_LONG, "62729.53285283777", "44.44396617275433"),
        (BTC_SHORT, "93289.98502239921", "44.4674280130285"),
        (YFI, "1827.290332326284", "28.546227752401958"),
        (DOGE, "0.0666666407935549", "28.539870368803413"),
        (SOL, "92.70683257918553", "18.181818181818183"),
        (SOL_LATER, "90.05147812971343", "22.77611516157965"),
    ],
)
def test_measured_liquidation_prices_and_ratios_come_out(
    held: tuple[Market, BookPosition], price: str, ratio: str
) -> None:
    liquidation = RULES.liquidation_price(*held)
    assert liquidation is not None
    assert abs(liquidation - D(price)) < D("1e-9")
    assert abs(RULES.margin_ratio(*held) - D(ratio)) < D("1e-10")


@pytest.mark.parametrize(
    ("margin", "opened", "profit", "told"),
    [
        ("0.0525399422495225", "0.0025399422495225", "-0.0000198321856687", "0.0499801678143313"),
        ("0.4728502007444572", "0.0228502007444570", "-0.0009061129977059", "0.4490938870022943"),
        ("0.0525417195206246", "0.0025417195206246", "-0.0000073917989708", "0.0499926082010292"),
    ],
)
def test_measured_removable_amounts_come_out(margin: str, opened: str, profit: str, told: str) -> None:
    entry = D("78740.1")
    size = D(opened) * 100 * entry / 100
    mark = 1 / (1 / entry - D(profit) / (size * 100))
    place = market("100", "0.1", str(mark), "0.004", inverse=True)
    removable = RULES.removable(place, position("long", str(size), str(entry), margin, "100"))
    assert abs(removable - D(told)) < D("1e-15")


@pytest.mark.parametrize(
    ("before", "mark", "leverage", "after"),
    [("102.43", "102.40", "20", "102.43"), ("102.43", "102.35", "8", "128.8375")],
)
def test_lowering_the_leverage_pulls_in_what_lacks_and_raising_returns_nothing(
    before: str, mark: str, leverage: str, after: str
) -> None:
    held = position("long", "10", "102.43", before, "10")
    pulled = RULES.top_up(market("1", "0.01", mark, "0.005"), held, D(leverage))
    assert held.margin + pulled == D(after)


def test_inverse_contracts_liquidate_where_margin_and_profit_meet_maintenance_and_fee() -> None:
    place = market("100", "0.1", "60500", "0.004", inverse=True)
    for side in ("long", "short"):
        held = position(side, "300", "60000", "0.06", "10")
        price = RULES.liquidation_price(place, held)
        assert price is not None
        exact = price - held.direction * place.tick
        owed: Decimal = place.notional(held.size, exact) * (D("0.004") + place.taker_fee)
        assert abs(held.margin + place.profit(held, exact) - owed) < D("1e-15")


def test_an_inverse_short_that_is_fully_covered_is_never_liquidated() -> None:
    place = market("100", "0.1", "60500", "0.004", inverse=True)
    assert RULES.liquidation_price(place, position("short", "300", "60000", "0.5")) is None


def test_a_long_that_is_fully_covered_is_never_liquidated() -> None:
    place = market("1", "0.01", "110", "0.005")
    assert RULES.liquidation_price(place, position("long", "10", "100", "1000")) is None


def test_the_bracket_of_a_size_applies_to_all_of_it() -> None:
    low = RiskTier(floor=D(0), cap=D(10), mmr=D("0.004"), leverage=100)
    high = RiskTier(floor=D(10), cap=D(100), mmr=D("0.01"), leverage=50)
    place = Market(symbol="X", asset="USDT", mark=D(100), tiers=(low, high))
    assert RULES.maintenance(place, position("long", "10", "100", "5")) == D(10) * 100 * D("0.004")
    assert RULES.maintenance(place, position("long", "11", "100", "5")) == D(11) * 100 * D("0.01")
