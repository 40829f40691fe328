"""A margin call that reaches the exchange reaches it once, whatever the other side does to its connection.

Clients commonly send again when a kept connection turns out to be closed. For a relative transfer that is money twice.
"""

import asyncio
import re
import socket
import struct
from collections.abc import Callable

import pytest

from reconcile.errors import InDoubt
from reconcile.exchanges.http.bounded import Bounds
from reconcile.exchanges.http.wire import HttpRequest, RequestsWire, http_adapter
from tests.kit.raw_server import accepting

PATIENT = Bounds(silence_ms=20_000)
HASTY = Bounds(silence_ms=300)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
RESET = struct.pack("ii", 1, 0)
"""A linger time of zero: closing sends a reset."""

React = Callable[[socket.socket], None]
"""The server's reaction to a request; it hangs up afterwards."""


def says(data: bytes) -> React:
    return lambda connection: connection.sendall(data)


def resets(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def answers_and_resets(connection: socket.socket) -> None:
    connection.sendall(ANSWER)
    resets(connection)


def is_silent(connection: socket.socket) -> None:
    connection.recv(1)


def status(line: str, *headers: str) -> React:
    head = "".join(f"{each}\r\n" for each in (f"HTTP/1.1 {line}", *headers, "Content-Length: 2", ""))
    return says(head.encode() + b"{}")


BROKEN: dict[str, React] = {
    "hangs up": says(b""),
    "resets": resets,
    "breaks off in the status line": says(b"HTTP/1.1 20"),
    "breaks off in the body": says(ANSWER[:-1]),
    "says continue and hangs up": says(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "speaks no HTTP": says(b"SSH-2.0-OpenSSH_9.6\r\n"),
}
ANSWERED: dict[str, React] = {
    "breaks off in the headers": says(b"HTTP/1.1 200 OK\r\nContent-"),  # a status and no body: the adapters' doubt
    "redirects": status("307 Temporary Redirect", "Location: /p"),
    "redirects for good": status("308 Permanent Redirect", "Location: /p"),
    "asks for credentials": status("401 Unauthorized", 'WWW-Authenticate: Basic realm="x"'),
    "closes an idle connection with a word": status("408 Request Timeout", "Connection: close"),
    "names a time to come back": status("413 Content Too Large", "Retry-After: 0"),
    "is misdirected": status("421 Misdirected Request"),
    "is too early": status("425 Too Early"),
    "is busy": status("429 Too Many Requests", "Retry-After: 0"),
    "is down": status("503 Service Unavailable", "Retry-After: 0"),
}


def keeps(connection: socket.socket) -> None:
    connection.sendall(ANSWER)


def arrivals(*reactions: React, bounds: Bounds = PATIENT) -> tuple[list[str], list[bool]]:
    """Send a call for each reaction: the calls as they arrived, and whether each got an answer."""
    arrived: list[str] = []
    left = list(reactions)

    def handle(connection: socket.socket) -> None:
        while request := connection.recv(65_536):
            arrived.extend(number.decode() for number in re.findall(rb"POST /p\?call=([0-9]+) ", request))
            react = left.pop(0)
            react(connection)
            if react is not keeps:
                return

    def is_answered(wire: RequestsWire, request: HttpRequest) -> bool:
        try:
            asyncio.run(wire.send(request))
        except InDoubt:
            return False
        return True

    with accepting(handle) as url:
        adapter = http_adapter(1, bounds)
        wire = RequestsWire(adapter, threads=None, bounds=bounds)
        answered = [
            is_answered(wire, HttpRequest(method="POST", url=f"{url}?call={number}"))
            for number in range(len(reactions))
        ]
        adapter.close()
    return arrived, answered


@pytest.mark.parametrize("react", BROKEN.values(), ids=BROKEN.keys())
def test_a_call_without_a_whole_answer_is_doubt_and_is_not_sent_again(react: React) -> None:
    assert arrivals(react, keeps) == (["0", "1"], [False, True])


@pytest.mark.parametrize("react", BROKEN.values(), ids=BROKEN.keys())
def test_a_call_on_a_kept_connection_without_a_whole_answer_is_not_sent_again(react: React) -> None:
    assert arrivals(keeps, react, keeps) == (["0", "1", "2"], [True, False, True])


def test_a_call_without_any_answer_is_not_sent_again() -> None:
    arrived, answered = arrivals(keeps, is_silent, keeps, bounds=HASTY)
    assert (arrived.count("1"), answered[1]) == (1, False)


@pytest.mark.parametrize("react", ANSWERED.values(), ids=ANSWERED.keys())
def test_an_answer_that_asks_for_another_try_gets_none(react: React) -> None:
    assert arrivals(keeps, react, keeps) == (["0", "1", "2"], [True, True, True])


@pytest.mark.parametrize("goes", [says(ANSWER), answers_and_resets], ids=["closed", "reset"])
def test_a_call_that_meets_a_kept_connection_that_is_gone_arrives_at_most_once(goes: React) -> None:
    arrived, answered = arrivals(goes, keeps)
    assert arrived in (["0"], ["0", "1"])
    assert not answered[1] or arrived == ["0", "1"]
