"""The loopback server, over real sockets."""

import http.client
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
import requests

from reconcile.clock import SystemClock
from reconcile.errors import InputError
from reconcile.sandbox.demo import fleet
from reconcile.sandbox.faults import REPLIES, Ending, Fault, Scripted
from reconcile.sandbox.registry import simulated
from reconcile.sandbox.server import SandboxServer
from reconcile.sandbox.venue import Venue
from tests.kit.binance_client import Client, D


@contextmanager
def served(*faults: Fault, latency_ms: int = 0) -> Iterator[tuple[SandboxServer, Client]]:
    """A demo account on a port; the faults happen to its requests in order."""
    client = Client(now_ms=SystemClock().wall_ms())
    venue = Venue(dialect=client.binance, faults=Scripted(faults), latency_ms=latency_ms)
    with SandboxServer(venue) as server:
        yield server, client


def call(server: SandboxServer, client: Client, method: str, path: str, **params: object) -> requests.Response:
    """One signed request over a connection of its own."""
    made = client.request(method, path, timestamp=SystemClock().wall_ms(), **params)
    with requests.Session() as session:
        return session.request(
            method, f"{server.url}{made.path}?{made.query}", headers={"X-MBX-APIKEY": client.account.key}, timeout=5
        )


def add_ten(server: SandboxServer, client: Client) -> requests.Response:
    """The margin call."""
    return call(
        server, client, "POST", "/fapi/v1/positionMargin", symbol="BTCUSDT", positionSide="LONG", amount=10, type=1
    )


def test_a_signed_request_is_answered_as_documented() -> None:
    with served() as (server, client):
        answer = add_ten(server, client)
        row = call(server, client, "GET", "/fapi/v2/positionRisk", symbol="BTCUSDT").json()[0]
    assert answer.json() == {
        "code": 200,
        "msg": "Successfully modify position margin.",
        "amount": 10,
        "type": 1,
    }
    assert (row["isolatedWallet"], client.books.margin("BTCUSDT", "long")) == ("3010.00000000", D(3010))


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="needs curl and openssl")
def test_curl_with_a_signature_of_openssl_is_answered() -> None:
    with served() as (server, client):
        query = f"symbol=BTCUSDT&positionSide=LONG&amount=12.5&type=1&timestamp={SystemClock().wall_ms()}"
        signed = subprocess.run(
            ["openssl", "dgst", "-sha256", "-hmac", client.account.secret],
            input=query.encode(),
            capture_output=True,
            check=True,
        )
        signature = signed.stdout.decode().split()[-1]
        key = f"X-MBX-APIKEY: {client.account.key}"
        url = f"{server.url}/fapi/v1/positionMargin"
        body = f"{query}&signature={signature}"
        told = subprocess.run(["curl", "-s", "-H", key, "-d", body, url], capture_output=True, check=True)
    assert json.loads(told.stdout)["code"] == 200
    assert client.books.margin("BTCUSDT", "long") == D("3012.5")


def test_a_connection_is_kept_for_many_requests() -> None:
    with served() as (server, _):
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=5)
        local = []
        for _ in range(3):
            connection.request("GET", "/fapi/v1/ping")
            connection.getresponse().read()
            local.append(connection.sock.getsockname())
        connection.close()
    assert len(set(local)) == 1


@pytest.mark.parametrize(
    ("fault", "effect"),
    [
        (Fault(ending=Ending.LOST), 10),
        (Fault(arrives_ms=(), ending=Ending.LOST), 0),
        (Fault(ending=Ending.CUT), 10),
        (Fault(ending=Ending.REFUSED), 0),
        (Fault(ending=Ending.TLS), 10),
    ],
)
def test_a_connection_is_really_cut(fault: Fault, effect: int) -> None:
    with served(fault) as (server, client):
        with pytest.raises((requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            add_ten(server, client)
        assert client.books.margin("BTCUSDT", "long") == D(3000 + effect)
        assert add_ten(server, client).status_code == 200


def test_silence_lasts_until_the_client_gives_up() -> None:
    with served(Fault(ending=Ending.TIMEOUT)) as (server, client):
        made = client.request("GET", "/fapi/v1/time")
        with requests.Session() as session, pytest.raises(requests.exceptions.ReadTimeout):
            session.get(f"{server.url}{made.path}", timeout=0.2)


def test_a_late_request_is_applied_by_the_time_it_is_looked_for() -> None:
    late = Fault(arrives_ms=(150,), ending=Ending.LOST)
    with served(late, Fault(answer_ms=200)) as (server, client):
        with pytest.raises(requests.exceptions.ConnectionError):
            add_ten(server, client)
        before = client.books.margin("BTCUSDT", "long")
        call(server, client, "GET", "/fapi/v1/time")
        after = call(server, client, "GET", "/fapi/v2/positionRisk", symbol="BTCUSDT").json()[0]["isolatedWallet"]
    assert (before, after) == (D(3000), "3010.00000000")


@pytest.mark.parametrize("name", sorted(REPLIES))
def test_any_reply_crosses_the_socket(name: str) -> None:
    with served(Fault(reply=REPLIES[name])) as (server, client):
        made = client.request("GET", "/fapi/v1/time")
        with requests.Session() as session:
            answer = session.get(f"{server.url}{made.path}", timeout=5, allow_redirects=False)
    assert (answer.status_code, answer.content) == (REPLIES[name].status, REPLIES[name].body)


def test_only_loopback_is_bound() -> None:
    with pytest.raises(InputError, match="this machine only"):
        SandboxServer(Venue(dialect=Client().binance), host="0.0.0.0")  # noqa: S104 - refused


def test_a_port_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match="choose another port"):
            SandboxServer(Venue(dialect=Client().binance), port=port)


def test_a_body_that_is_too_large_is_refused() -> None:
    with served() as (server, _):
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=5)
        connection.putrequest("POST", "/fapi/v1/positionMargin")
        connection.putheader("Content-Length", str(1 << 30))
        connection.endheaders()
        status = connection.getresponse().status
        connection.close()
    assert status == 413


def test_many_accounts_share_one_server_each_by_its_own_key() -> None:
    row = simulated("binance")
    accounts = list(fleet("binance", row.rules, accounts=30, positions=4, now_ms=SystemClock().wall_ms()))
    switches = row.switched({"weight_limit": None})
    with SandboxServer(Venue(dialect=row.dialect(accounts, switches))) as server:
        for number, account in enumerate(accounts):
            client = Client(books=account.books)
            client.account = account
            path = "/fapi/v1/positionMargin"
            call(server, client, "POST", path, symbol="C2USDT", positionSide="LONG", amount=number + 1, type=1)
    margins = [account.books.margin("C2USDT", "long") for account in accounts]
    assert margins == [D(1001 + number) for number in range(30)]
