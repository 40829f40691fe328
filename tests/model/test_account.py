"""The words as values."""

from decimal import Decimal

import pytest

from reconcile.model.account import Address, Percent, PositionMode, Side, Tolerance
from tests.kit.desk import D, at, position, target


@pytest.mark.parametrize("text", ["BTCUSDT.long", "BTC-USDT-SWAP.net", "1000PEPEUSDT.short", "币.USDT.long"])
def test_an_address_is_read_back_as_written(text: str) -> None:
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize("text", ["BTCUSDT", ".long", "BTCUSDT.both", "BTCUSDT.", ""])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a"):
        Address.parse(text)


def test_a_mode_names_its_sides() -> None:
    assert PositionMode.HEDGE.sides == (Side.LONG, Side.SHORT)
    assert PositionMode.ONE_WAY.sides == (Side.NET,)


@pytest.mark.parametrize(
    ("tolerance", "asset", "amount"),
    [
        (Tolerance(value=D("0.5"), percent=True), None, "7.5"),
        (Tolerance(value=D(2), percent=False), "USDT", "2"),
        (Tolerance(value=D(2), percent=False, shared=D(2)), "USDT", "2"),
        (Tolerance(value=D("0.1"), percent=False, shared={"USDT": D(3), "BTC": D("0.1")}), "USDT", "3"),
        (Tolerance(value=D("0.1"), percent=False, shared={"USDT": D(3), "BTC": D("0.1")}), None, "0.1"),
    ],
)
def test_a_tolerance_is_an_amount_of_the_margin_asset(tolerance: Tolerance, asset: str | None, amount: str) -> None:
    assert tolerance.amount(Decimal(1500), asset) == Decimal(amount)


def test_a_percentage_is_a_share_as_written() -> None:
    assert Percent(value=D(5)).of(D(200)) == D(10)


@pytest.mark.parametrize(
    ("place", "size", "price", "distance"),
    [
        ("BTCUSDT.long", "1", "9000", "0.1"),
        ("BTCUSDT.short", "1", "11000", "0.1"),
        ("BTCUSDT.net", "1", "9000", "0.1"),
        ("BTCUSDT.net", "-1", "11000", "0.1"),
        ("BTCUSDT.long", "1", "10100", "-0.01"),
        ("BTCUSDT.short", "1", "9900", "-0.01"),
    ],
)
def test_a_distance_is_a_share_of_the_mark_price(place: str, size: str, price: str, distance: str) -> None:
    assert position(place, size=size).distance_to(D(price)) == D(distance)


def test_there_is_no_distance_without_a_price_on_both_ends() -> None:
    assert position("BTCUSDT.long").distance_to(None) is None
    assert position("BTCUSDT.long", mark=None).distance_to(D(1)) is None
    assert position("BTCUSDT.long", mark="0").distance_to(D(1)) is None


def test_a_liquidation_price_comes_from_the_risk_model_or_not_at_all() -> None:
    assert position("BTCUSDT.long").liquidation_at(D(1000)) == D(9000)
    assert position("BTCUSDT.long", risk=False).liquidation_at(D(1000)) is None


def test_a_slot_without_size_is_flat() -> None:
    assert not position("BTCUSDT.long", size="0").is_open
    assert position("BTCUSDT.net", size="-1").is_open


def test_a_target_leaves_margin_alone_unless_it_names_some() -> None:
    assert target("BTCUSDT.long").isolated_margin is None
    assert target("BTCUSDT.long").address == at("BTCUSDT.long")
