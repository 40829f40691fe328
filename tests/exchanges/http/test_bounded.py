"""An answer ends: in time, in bytes and in headers, whatever a gateway sends; and what is in bounds arrives whole."""

import asyncio
import gzip
import resource
import socket
import threading
import time
import zlib
from dataclasses import replace

import pytest

from reconcile.clock import SystemClock
from reconcile.errors import InDoubt
from reconcile.exchanges.http.bounded import Bounds
from reconcile.exchanges.http.wire import HttpRequest, HttpResponse, RequestsWire, http_adapter
from tests.kit.raw_server import Speak, speaking

SMALL = Bounds(head_bytes=16 * 1024, body_bytes=100_000, silence_ms=400, answer_ms=600)
PATIENT = replace(SMALL, silence_ms=20_000, answer_ms=20_000)
OK = b"HTTP/1.1 200 OK\r\n"


def once(data: bytes) -> Speak:
    return lambda connection: connection.sendall(data)


def forever(head: bytes, piece: bytes, pause_s: float = 0.0) -> Speak:
    """Say the same thing until the other side has had enough."""

    def speak(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(piece)
            time.sleep(pause_s)

    return speak


def ask(speak: Speak, *, bounds: Bounds = SMALL, method: str = "POST") -> HttpResponse:
    with speaking(speak) as url:
        adapter = http_adapter(1, bounds)
        try:
            return asyncio.run(
                RequestsWire(adapter, threads=None, bounds=bounds).send(HttpRequest(method=method, url=url))
            )
        finally:
            adapter.close()


def with_length(body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    return OK + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body


HOSTILE: dict[str, tuple[Speak, str]] = {
    "a body that trickles": (forever(OK + b"Content-Length: 99999\r\n\r\n", b"x", 0.02), "did not end within 0.6 s"),
    "chunks that trickle": (
        forever(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 0.02),
        "did not end within 0.6 s",
    ),
    "headers that trickle": (forever(OK, b"a", 0.02), "did not end within 0.6 s"),
    "a status line that trickles": (forever(b"HTTP", b"x", 0.02), "did not end within 0.6 s"),
    "interim answers without end": (forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "headers do not end"),
    "headers without end": (forever(OK, b"a: " + b"b" * 1000 + b"\r\n"), "headers do not end"),
    "too many headers": (once(OK + b"a: b\r\n" * 101 + b"Content-Length: 2\r\n\r\n{}"), "connection broke"),
    "a body without end": (forever(OK + b"Connection: close\r\n\r\n", b"x" * 10_000), "longer than 100000 bytes"),
    "chunks without end": (
        forever(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"3e8\r\n" + b"x" * 1000 + b"\r\n"),
        "longer than 100000 bytes",
    ),
    "a length nobody has": (once(OK + b"Content-Length: 999999999999999\r\n\r\n{}"), "longer than 100000 bytes"),
    "a chunk nobody has": (
        once(OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n{}"),
        "no complete answer",
    ),
    "a bomb": (once(with_length(gzip.compress(bytes(50_000_000)), b"Content-Encoding: gzip")), "longer than 100000"),
    "a bomb in a bomb": (
        once(with_length(gzip.compress(gzip.compress(bytes(50_000_000))), b"Content-Encoding: gzip, gzip")),
        "was not asked for",
    ),
    "half a bomb": (once(with_length(gzip.compress(b"{}" * 99)[:-4], b"Content-Encoding: gzip")), "does not end where"),
    "no gzip at all": (once(with_length(b"{}", b"Content-Encoding: gzip")), "cannot be unpacked"),
    "another compression": (once(with_length(b"{}", b"Content-Encoding: zstd")), "was not asked for"),
}


@pytest.mark.parametrize(("speak", "words"), HOSTILE.values(), ids=HOSTILE.keys())
def test_an_answer_out_of_bounds_is_doubt_and_takes_neither_time_nor_memory(speak: Speak, words: str) -> None:
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began_ms = SystemClock().monotonic_ms()
    with pytest.raises(InDoubt, match=words):
        ask(speak)
    assert SystemClock().monotonic_ms() - began_ms < 3_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 30_000


WHOLE = b'{"a": "' + b"b" * 90_000 + b'"}'


@pytest.mark.parametrize(
    "answer",
    [
        with_length(WHOLE),
        OK + b"Connection: close\r\n\r\n" + WHOLE,
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%s\r\n0\r\n\r\n" % (len(WHOLE), WHOLE),
        b"HTTP/1.1 100 Continue\r\n\r\n" + with_length(WHOLE),
        with_length(gzip.compress(WHOLE), b"Content-Encoding: gzip"),
        with_length(zlib.compress(WHOLE), b"Content-Encoding: deflate"),
    ],
    ids=["length", "until it closes", "chunked", "after an interim answer", "gzip", "deflate"],
)
def test_an_answer_within_the_bounds_arrives_whole(answer: bytes) -> None:
    assert ask(once(answer), bounds=PATIENT).body == WHOLE


def test_a_slow_answer_that_ends_in_time_arrives() -> None:
    def speak(connection: socket.socket) -> None:
        for place in range(0, len(answer), 10):
            connection.sendall(answer[place : place + 10])
            time.sleep(0.02)

    answer = with_length(b'{"serverTime": 1}')
    assert ask(speak).body == b'{"serverTime": 1}'


def test_a_connection_is_kept_after_an_answer_and_given_up_after_a_broken_one() -> None:
    seen = []

    def speak(connection: socket.socket) -> None:
        seen.append(connection)
        connection.sendall(with_length(b"{}"))
        connection.recv(65_536)
        connection.sendall(with_length(b"x" * 100_001))

    with speaking(speak) as url:
        adapter = http_adapter(1, PATIENT)
        wire = RequestsWire(adapter, threads=None, bounds=PATIENT)
        asked = HttpRequest(method="GET", url=url)
        assert asyncio.run(wire.send(asked)).body == b"{}"
        with pytest.raises(InDoubt, match="longer than"):
            asyncio.run(wire.send(asked))
        assert len(seen) == 1
        assert asyncio.run(wire.send(asked)).body == b"{}"
        adapter.close()
    assert len(seen) == 2


@pytest.mark.parametrize("interim", [b"101 Switching Protocols", b"102 Processing", b"103 Early Hints"])
def test_the_answer_behind_an_interim_one_is_never_that_of_the_next_request(interim: bytes) -> None:
    def speak(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 " + interim + b"\r\n\r\n" if not seen else with_length(b'{"to": 2}'))
        seen.append(connection)
        if connection.recv(65_536):  # the second request on the same connection, before the answer to the first
            connection.sendall(with_length(b'{"to": 1}'))

    seen: list[socket.socket] = []
    with speaking(speak) as url:
        adapter = http_adapter(1, PATIENT)
        wire = RequestsWire(adapter, threads=None, bounds=PATIENT)
        call = HttpRequest(method="POST", url=url)
        with pytest.raises(InDoubt, match="an interim answer"):
            asyncio.run(wire.send(call))
        assert asyncio.run(wire.send(call)).body == b'{"to": 2}'
        adapter.close()


def test_nothing_is_asked_to_be_compressed() -> None:
    heard: list[bytes] = []

    def speak(connection: socket.socket) -> None:
        connection.sendall(with_length(heard[0]))

    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                heard.append(connection.recv(65_536))
                speak(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        adapter = http_adapter(1)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/p"
        answer = asyncio.run(RequestsWire(adapter, threads=None).send(HttpRequest(method="GET", url=url)))
        adapter.close()
        thread.join()
    assert b"accept-encoding: identity" in answer.body.lower()
