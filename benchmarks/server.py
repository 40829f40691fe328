"""What the simulated exchange can do by itself, so that nobody mistakes its limits for a client's.

    python -m benchmarks.server

Ten connections of a raw socket client send prepared, signed requests as fast as they are answered; no latency is added.
The row compares that with the rate at which the apply benchmarks ask (500 calls a second at 20 ms and ten at once).
"""

import hmac
import socket
import threading
import time
from collections.abc import Mapping

from benchmarks.running import Row, table
from benchmarks.states import Served, served

CONNECTIONS = 10
REQUESTS = 4_000
POSITIONS = 1_000
ASKED = 500
TURNS = 3


def _write(keys: Mapping[str, str], number: int) -> bytes:
    query = (
        f"symbol=C{number % POSITIONS + 1}USDT&positionSide=LONG&amount=1&type=1&recvWindow=60000"
        f"&timestamp={int(time.time() * 1000)}"
    )
    signature = hmac.digest(keys["secret"].encode(), query.encode(), "sha256").hex()
    path = f"/fapi/v1/positionMargin?{query}&signature={signature}"
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nX-MBX-APIKEY: {keys['key']}\r\nContent-Length: 0\r\n\r\n".encode()


def _client(exchange: Served, requests: list[bytes]) -> None:
    host, port = exchange.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for request in requests:
            connection.sendall(request)
            if b" 200 " not in connection.recv(65_536)[:16]:
                raise RuntimeError("the exchange refused")


def _rate(exchange: Served) -> tuple[float, float]:
    """Writes a second, and the exchange's CPU microseconds for each."""
    prepared = [_write(exchange.accounts[0], number) for number in range(REQUESTS)]
    shares = [prepared[start::CONNECTIONS] for start in range(CONNECTIONS)]
    clients = [threading.Thread(target=_client, args=(exchange, share)) for share in shares]
    before, began = exchange.cpu_seconds(), time.perf_counter()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    seconds = time.perf_counter() - began
    return REQUESTS / seconds, (exchange.cpu_seconds() - before) / REQUESTS * 1e6


def rows() -> list[Row]:
    """One row."""
    with served(positions=POSITIONS) as exchange:
        found = sorted(_rate(exchange) for _ in range(TURNS))
    (rate, cpu) = found[len(found) // 2]
    return [
        Row(
            work=f"the simulated exchange alone, {CONNECTIONS} connections, {POSITIONS:,} positions",
            measure=f"margin calls a second ÷ the {ASKED} that the apply rows ask for",
            reach="≥ 4",
            value=rate / ASKED,
            low=found[0][0] / ASKED,
            high=found[-1][0] / ASKED,
            reached=rate / ASKED >= 4,
            detail=f"{rate:,.0f} calls a second, {cpu:.0f} µs of its CPU for each",
        )
    ]


if __name__ == "__main__":
    print(table(rows()))
