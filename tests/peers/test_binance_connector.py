"""binance-futures-connector against the sandbox: reads, addition, reduction, margin type, refusals."""

from collections.abc import Iterator
from typing import Any

import pytest
from binance.error import ClientError
from binance.um_futures import UMFutures

from tests.peers.kit import D, Served, served


@pytest.fixture
def place() -> Iterator[Served]:
    with served("binance") as found:
        yield found


@pytest.fixture
def client(place: Served) -> Iterator[Any]:
    made = UMFutures(key=place.account.key, secret=place.account.secret, base_url=place.url)
    yield made
    made.session.close()


def test_its_reads_show_the_books(place: Served, client: Any) -> None:
    rows = {(row["symbol"], row["positionSide"]): row for row in client.get_position_risk()}
    assert rows["BTCUSDT", "LONG"]["isolatedWallet"] == "3000.00000000"
    assert rows["ADAUSDT", "LONG"]["isolatedWallet"] == "0"
    assert client.get_position_mode() == {"dualSidePosition": True}
    assert D(client.balance()[0]["availableBalance"]) == 5000
    config = {row["symbol"]: row["marginType"] for row in client.symbol_configuration()}
    assert config["SOLUSDT"] == "CROSSED"
    assert set(config) == set(place.books.markets)


def test_its_additions_and_reductions_are_in_the_books_and_in_the_history(place: Served, client: Any) -> None:
    added = client.modify_isolated_position_margin(symbol="BTCUSDT", amount=12.5, type=1, positionSide="LONG")
    taken = client.modify_isolated_position_margin(symbol="BTCUSDT", amount=7.25, type=2, positionSide="SHORT")
    assert (added["code"], taken["code"]) == (200, 200)
    assert place.books.margin("BTCUSDT", "long") == D("3012.5")
    assert place.books.margin("BTCUSDT", "short") == D("2492.75")
    rows = [row for row in client.get_position_margin_history("BTCUSDT") if row["deltaType"] == "USER_ADJUST"]
    assert [(row["positionSide"], row["type"], D(row["amount"])) for row in rows] == [
        ("LONG", 1, D("12.5")),
        ("SHORT", 2, D("7.25")),
    ]


def test_it_changes_the_margin_type_of_a_flat_symbol_once(place: Served, client: Any) -> None:
    assert client.change_margin_type(symbol="SOLUSDT", marginType="ISOLATED")["code"] == 200
    assert place.books.settings["SOLUSDT"].margin_type == "isolated"
    with pytest.raises(ClientError) as caught:
        client.change_margin_type(symbol="SOLUSDT", marginType="ISOLATED")
    assert caught.value.error_code == -4046


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ({"symbol": "ADAUSDT", "amount": 1, "type": 1, "positionSide": "LONG"}, -4049),
        ({"symbol": "XRPUSDT", "amount": 1, "type": 1, "positionSide": "LONG"}, -4054),
        ({"symbol": "BTCUSDT", "amount": 100_000, "type": 1, "positionSide": "LONG"}, -4050),
        ({"symbol": "BTCUSDT", "amount": 2_000, "type": 2, "positionSide": "SHORT"}, -4051),
        ({"symbol": "BTCUSDT", "amount": -1, "type": 1, "positionSide": "LONG"}, -4055),
    ],
)
def test_it_raises_what_the_exchange_refuses(place: Served, client: Any, call: dict[str, Any], code: int) -> None:
    before = dict(place.books.positions)
    with pytest.raises(ClientError) as caught:
        client.modify_isolated_position_margin(**call)
    assert caught.value.error_code == code
    assert dict(place.books.positions) == before
