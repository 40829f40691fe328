"""The in-process wire raises what a real connection raises, so that the program judges both alike."""

import asyncio

import pytest
import requests

from reconcile.errors import InDoubt, NotSent
from reconcile.exchanges.http.wire import HttpRequest, RequestsWire
from reconcile.sandbox.adapter import SandboxAdapter
from reconcile.sandbox.faults import Ending, Fault, Scripted
from reconcile.sandbox.venue import Venue
from tests.kit.binance_client import Client, D


def wire_of(client: Client, *faults: Fault, waited: list[int] | None = None) -> RequestsWire:
    """The program's own wire over the client's exchange."""
    venue = Venue(dialect=client.binance, faults=Scripted(faults), latency_ms=20)
    follow = None if waited is None else waited.append
    adapter = SandboxAdapter(venue, now_ms=lambda: client.now_ms, wait_until=follow)
    return RequestsWire(adapter, threads=None)


def add_ten(client: Client) -> HttpRequest:
    """An addition as the program would send it."""
    made = client.request("POST", "/fapi/v1/positionMargin", symbol="BTCUSDT", positionSide="LONG", amount="10", type=1)
    url = f"http://127.0.0.1{made.path}?{made.query}"
    return HttpRequest(method="POST", url=url, headers={"X-MBX-APIKEY": client.account.key})


def test_an_answer_comes_through_whole() -> None:
    client, waited = Client(), list[int]()
    answer = asyncio.run(wire_of(client, waited=waited).send(add_ten(client)))
    assert (answer.status, answer.headers["x-mbx-used-weight-1m"]) == (200, "1")
    assert answer.body == b'{"code":200,"msg":"Successfully modify position margin.","amount":10,"type":1}'
    assert waited == [client.now_ms + 20]


@pytest.mark.parametrize("ending", [Ending.REFUSED, Ending.NAME, Ending.CONNECT_TIMEOUT])
def test_what_never_left_is_known_not_to_be_sent(ending: Ending) -> None:
    client = Client()
    with pytest.raises(NotSent):
        asyncio.run(wire_of(client, Fault(ending=ending)).send(add_ten(client)))
    assert client.books.margin("BTCUSDT", "long") == D(3000)


@pytest.mark.parametrize("ending", [Ending.LOST, Ending.TIMEOUT, Ending.TLS, Ending.CUT])
def test_everything_else_is_doubt_and_here_it_took_effect(ending: Ending) -> None:
    client = Client()
    with pytest.raises(InDoubt):
        asyncio.run(wire_of(client, Fault(ending=ending)).send(add_ten(client)))
    assert client.books.margin("BTCUSDT", "long") == D(3010)


def test_a_session_of_requests_can_use_it() -> None:
    client = Client()
    session = requests.Session()
    session.mount("http://", SandboxAdapter(Venue(dialect=client.binance), now_ms=lambda: client.now_ms))
    served = session.get("http://sandbox/fapi/v1/time", timeout=3).json()
    assert served == {"serverTime": client.now_ms}
