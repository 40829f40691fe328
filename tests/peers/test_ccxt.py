"""ccxt against the sandbox of each exchange; and where this version of it is wrong, the test says so."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ccxt
import pytest

from tests.peers.kit import D, Served, served


def _binance(place: Served) -> Any:
    client = ccxt.binanceusdm({"apiKey": place.account.key, "secret": place.account.secret})
    for name in list(client.urls["api"]):
        version = {"fapiPrivateV2": "v2", "fapiPublicV2": "v2", "fapiPrivateV3": "v3", "fapiPublicV3": "v3"}
        client.urls["api"][name] = f"{place.url}/fapi/{version.get(name, 'v1')}"
    client.options["fetchMarkets"] = {"types": ["linear"]}
    return client


def _okx(place: Served) -> Any:
    keys = place.account
    client = ccxt.okx({"apiKey": keys.key, "secret": keys.secret, "password": keys.passphrase})
    client.urls["api"] = {"rest": place.url}
    client.options["fetchMarkets"] = {"types": ["swap"]}
    return client


def _bitget(place: Served) -> Any:
    keys = place.account
    client = ccxt.bitget({"apiKey": keys.key, "secret": keys.secret, "password": keys.passphrase})
    client.urls["api"] = dict.fromkeys(client.urls["api"], place.url)
    client.options["fetchMarkets"] = {"types": ["swap"]}
    client.options["defaultType"] = "swap"
    return client


MAKE: dict[str, Callable[[Served], Any]] = {"binance": _binance, "okx": _okx, "bitget": _bitget}
BTC, ETH, SOL, ADA = "BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT", "ADA/USDT:USDT"
NAMES = {"binance": "BTCUSDT", "okx": "BTC-USDT-SWAP", "bitget": "BTCUSDT"}


class Peer:
    """One exchange, served, and ccxt's client of it."""

    def __init__(self, exchange: str, place: Served) -> None:
        self.exchange, self.place = exchange, place
        self.client = MAKE[exchange](place)
        self.client.has["fetchCurrencies"] = False
        self.client.enableRateLimit = False

    def margin(self, side: str = "long") -> Any:
        """What the books hold behind the first symbol."""
        return self.place.books.margin(NAMES[self.exchange], side)

    @staticmethod
    def side(exchange: str, side: str) -> dict[str, str]:
        """How a side is named in the extra parameters."""
        names = {"binance": ("positionSide", side.upper()), "okx": ("posSide", side), "bitget": ("holdSide", side)}
        return dict([names[exchange]])

    def move(self, amount: float, side: str = "long") -> Any:
        """The margin call: out when negative."""
        extra = self.side(self.exchange, side)
        if amount > 0:
            return self.client.add_margin(BTC, amount, extra)
        return self.client.reduce_margin(BTC, amount if self.exchange == "bitget" else -amount, extra)


@contextmanager
def connected(exchange: str) -> Iterator[Peer]:
    """A peer of a fresh account; its connections are closed in the end."""
    with served(exchange) as place:
        peer = Peer(exchange, place)
        yield peer
        peer.client.session.close()


@pytest.fixture(params=list(MAKE))
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    with connected(request.param) as found:
        yield found


@pytest.fixture
def okx() -> Iterator[Peer]:
    with connected("okx") as found:
        yield found


def test_its_positions_and_balances_are_the_books(peer: Peer) -> None:
    rows = [row for row in peer.client.fetch_positions() if row["contracts"]]
    found = {(row["symbol"], row["side"], row["marginMode"]): row for row in rows}
    isolated = found[BTC, "long", "isolated"]
    own = {"binance": "isolatedWallet", "okx": "margin", "bitget": "marginSize"}[peer.exchange]
    assert D(isolated["info"][own]) == 3000
    dollars = [held for held in peer.place.books.positions.values() if held.symbol.endswith(("USDT", "USDT-SWAP"))]
    assert sum(1 for symbol, *_ in found if symbol.endswith(":USDT")) == len(dollars)
    assert peer.client.fetch_balance()["USDT"]["free"] == 5000


def test_its_additions_and_reductions_are_in_the_books(peer: Peer) -> None:
    for amount, side in ((12.5, "long"), (-7.25, "short")):
        if peer.exchange == "okx":
            with pytest.raises(TypeError):
                peer.move(amount, side)
        else:
            assert peer.move(amount, side)["status"] == "ok"
    assert peer.margin("long") == D("3012.5")
    assert peer.margin("short") == D("2492.75")


def test_okx_answer_parser_raises_after_the_margin_was_moved(okx: Peer) -> None:
    """Its parser indexes a string: an exception in the caller, and the call has taken effect."""
    with pytest.raises(TypeError, match="string indices"):
        okx.move(25.0)
    assert okx.margin() == 3025
    with pytest.raises(TypeError, match="string indices"):
        okx.move(25.0)  # what a retrying loop does next doubles it
    assert okx.margin() == 3050


@pytest.mark.parametrize("exchange", ["binance", "bitget"])
def test_it_cuts_margin_to_the_step_of_contracts(exchange: str) -> None:
    """Amounts of margin are rounded as if they were sizes: 12.3456 is sent as 12.345."""
    with connected(exchange) as peer:
        peer.move(12.3456)
        assert peer.margin() == D("3012.345")


def test_it_changes_the_margin_mode_of_a_flat_symbol(peer: Peer) -> None:
    books = peer.place.books
    if peer.exchange == "okx":
        extra = {"lever": 10, "posSide": "short"}
        peer.client.set_margin_mode("isolated", SOL, extra)
        kinds = {held.margin_type for held in books.open_on("SOL-USDT-SWAP")}
        assert kinds == {"crossed"}  # its success says nothing: on OKX the mode belongs to the position
    else:
        peer.client.set_margin_mode("isolated", SOL)
        assert books.settings["SOLUSDT"].margin_type == "isolated"


@pytest.mark.parametrize(("exchange", "code"), [("binance", "4048"), ("bitget", "45117")])
def test_a_margin_mode_that_cannot_change_is_an_error(exchange: str, code: str) -> None:
    with connected(exchange) as peer, pytest.raises(ccxt.ExchangeError, match=code):
        peer.client.set_margin_mode("isolated", ADA)


def test_refusals_are_errors_and_move_nothing(peer: Peer) -> None:
    with pytest.raises(ccxt.ExchangeError):
        peer.move(100_000.0)
    assert peer.margin() == 3000
