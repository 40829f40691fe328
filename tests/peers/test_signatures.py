"""Each adapter signs as other people's clients do: the same request, key and time give the same signature.

What a peer sends is taken from the wire, on loopback; then our own signing is asked about the very same bytes.
"""

from contextlib import closing
from datetime import datetime
from urllib.parse import parse_qsl

import ccxt
import pytest
from binance.um_futures import UMFutures

from reconcile.connect.secrets import Credentials
from reconcile.exchanges.binance import signing as binance
from reconcile.exchanges.bitget import signing as bitget
from reconcile.exchanges.okx import signing as okx
from reconcile.sandbox.http import Request
from tests.peers.kit import Served, served
from tests.peers.test_ccxt import BTC, connected
from tests.peers.test_python_okx import client_of

OKX_MARGIN, OKX_POSITIONS = "/api/v5/account/position/margin-balance", "/api/v5/account/positions"
BITGET_MARGIN, BITGET_POSITIONS = "/api/v2/mix/account/set-margin", "/api/v2/mix/position/all-position"
BINANCE_MARGIN, BINANCE_MODE = "/fapi/v1/positionMargin", "/fapi/v1/positionSide/dual"


def secrets(place: Served) -> Credentials:
    """The account's keys, as an adapter is given them."""
    return Credentials(key=place.account.key, secret=place.account.secret, passphrase=place.account.passphrase)


def target(request: Request) -> str:
    """Path and query as sent."""
    return f"{request.path}?{request.query}" if request.query else request.path


def _moment_ms(stamp: str) -> int:
    """The millisecond whose timestamp that is."""
    return round(datetime.fromisoformat(stamp).timestamp() * 1000)


def ours_okx(place: Served, sent: Request) -> dict[str, str]:
    """Our headers for the same request, key and time."""
    moment = _moment_ms(sent.headers["ok-access-timestamp"])
    made = okx.headers(secrets(place), method=sent.method, target=target(sent), body=sent.body, moment_ms=moment)
    return {name.lower(): value for name, value in made.items() if name.lower() != "content-type"}


def ours_bitget(place: Served, sent: Request) -> dict[str, str]:
    """Our headers for the same request, key and time."""
    moment = int(sent.headers["access-timestamp"])
    made = bitget.headers(secrets(place), method=sent.method, target=target(sent), body=sent.body, moment_ms=moment)
    return {name.lower(): value for name, value in made.items() if name.lower() not in {"content-type", "locale"}}


def test_okx_as_python_okx_signs() -> None:
    with served("okx") as place:
        with client_of(place) as client:
            client.get_positions(instType="SWAP", instId="BTC-USDT-SWAP,ETH-USDT-SWAP")
            client.adjustment_margin("BTC-USDT-SWAP", "long", "add", "12.5")
        for method, path in (("GET", OKX_POSITIONS), ("POST", OKX_MARGIN)):
            sent = place.last(method, path)
            ours = ours_okx(place, sent)
            assert ours == {name: sent.headers[name] for name in ours}


def test_okx_as_ccxt_signs() -> None:
    with connected("okx") as peer:
        place = peer.place
        peer.client.fetch_positions([BTC])
        with pytest.raises(TypeError):
            peer.move(12.5)
        for method, path in (("GET", OKX_POSITIONS), ("POST", OKX_MARGIN)):
            sent = place.last(method, path)
            ours = ours_okx(place, sent)
            assert ours == {name: sent.headers[name] for name in ours}


def test_bitget_as_ccxt_signs() -> None:
    with connected("bitget") as peer:
        place = peer.place
        peer.client.fetch_positions([BTC])
        peer.move(12.5)
        for method, path in (("GET", BITGET_POSITIONS), ("POST", BITGET_MARGIN)):
            sent = place.last(method, path)
            ours = ours_bitget(place, sent)
            assert ours == {name: sent.headers[name] for name in ours}


def check_binance(place: Served, sent: Request) -> None:
    """The signature over everything before it, in query or body."""
    whole = sent.query or sent.body.decode()
    payload, _, theirs = whole.rpartition("&signature=")
    assert binance.sign(place.account.secret, payload) == theirs
    assert sent.headers["x-mbx-apikey"] == place.account.key


def test_binance_as_its_connector_signs() -> None:
    with served("binance") as place:
        client = UMFutures(key=place.account.key, secret=place.account.secret, base_url=place.url)
        with closing(client.session):
            client.get_position_mode()
            client.modify_isolated_position_margin(symbol="BTCUSDT", amount=12.5, type=1, positionSide="LONG")
        for method, path in (("GET", BINANCE_MODE), ("POST", BINANCE_MARGIN)):
            check_binance(place, place.last(method, path))


def test_binance_as_ccxt_signs() -> None:
    with connected("binance") as peer:
        peer.move(12.5)
        check_binance(peer.place, peer.place.last("POST", BINANCE_MARGIN))


def test_the_whole_request_is_the_same_where_the_parameters_are() -> None:
    """Our adapter's own margin call for Binance, beside the connector's: the same query, but for order and window."""
    with served("binance") as place:
        client = UMFutures(key=place.account.key, secret=place.account.secret, base_url=place.url)
        params = {"symbol": "BTCUSDT", "amount": "12.5", "type": "1", "positionSide": "LONG", "recvWindow": "3000"}
        with closing(client.session):
            client.modify_isolated_position_margin(**params)
        sent = place.last("POST", BINANCE_MARGIN)
        theirs = dict(parse_qsl(sent.query))
        bare = {name: value for name, value in params.items() if name != "recvWindow"}
        ours = binance.signed(
            "POST",
            place.url,
            BINANCE_MARGIN,
            bare,
            credentials=secrets(place),
            signed_at_ms=int(theirs["timestamp"]),
            valid_ms=3000,
        )
        assert ours.url == f"{place.url}{target(sent)}"


def test_the_versions_are_those_that_the_tests_speak_of() -> None:
    assert ccxt.__version__ == "4.5.90"
