"""The loopback wire: a venue behind real sockets, in real time.

It binds loopback addresses only. It keeps connections alive, and can really cut them. A lost request or a broken
channel is a reset, a timeout is silence, and a cut answer promises more bytes than it sends. A server cannot refuse a
connection it has accepted, so a fault in which nothing left the client is a reset without an effect here. A client must
doubt where a refused connect would make it certain.
"""

import socket
import struct
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self, cast
from urllib.parse import urlsplit

from reconcile.clock import Clock, SystemClock
from reconcile.errors import InputError, ReconcileError
from reconcile.sandbox.faults import Ending
from reconcile.sandbox.http import Answer, Request
from reconcile.sandbox.venue import Delivery, Venue

LOOPBACK = ("127.0.0.1", "::1")
MAX_BODY = 1 << 20
SILENCE_MS = 60_000
"""The time for which an unanswered request is held before its connection is closed."""
_RESET = struct.pack("ii", 1, 0)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def _exchange(self) -> None:
        server = cast("_Server", self.server)
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = -1
        if not 0 <= length <= MAX_BODY:
            self._write(Answer(status=413, headers={}, body=b""))
            self.close_connection = True
            return
        path, _, query = self.path.partition("?")
        request = Request(
            method=self.command,
            path=path if path.startswith("/") else urlsplit(path).path,
            query=query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length) if length else b"",
        )
        try:
            delivery = server.owner.pass_on(request)
        except ReconcileError as error:
            self._write(Answer(status=500, headers={"content-type": "text/plain"}, body=str(error).encode()))
            return
        self._end(delivery)

    do_GET = do_POST = do_PUT = do_DELETE = _exchange  # noqa: N815 - the library's names

    def _end(self, delivery: Delivery) -> None:
        if delivery.trouble is None and delivery.answer is not None:
            self._write(delivery.answer)
        elif delivery.trouble is Ending.CUT and delivery.answer is not None:
            self._write(delivery.answer, promised=2 * len(delivery.answer.body) + 1)
            self.close_connection = True
        elif delivery.trouble is Ending.TIMEOUT:
            self.close_connection = True
        else:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.close_connection = True

    def _write(self, answer: Answer, *, promised: int | None = None) -> None:
        try:
            reason = HTTPStatus(answer.status).phrase
        except ValueError:
            reason = "Unknown"
        lines = [f"HTTP/1.1 {answer.status} {reason}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        lines.append(f"content-length: {len(answer.body) if promised is None else promised}")
        self.wfile.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + answer.body)
        self.wfile.flush()

    def log_message(self, *args: object) -> None:
        """A request line holds a signature: nothing is logged."""


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], owner: "SandboxServer") -> None:
        self.owner = owner
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.open_sockets: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without looking up our own name, which can take seconds."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def get_request(self) -> tuple[socket.socket, object]:
        connection, peer = super().get_request()
        self.open_sockets.add(connection)
        return connection, peer

    def shutdown_request(self, request: object) -> None:
        connection = cast("socket.socket", request)
        self.open_sockets.discard(connection)
        if connection.fileno() >= 0 and connection.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == _RESET:
            connection.close()
        else:
            super().shutdown_request(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error; anything else is a bug, and is shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(cast("socket.socket", request), client_address)


class SandboxServer:
    """A venue served on loopback until ``stop``; use it as a context manager."""

    def __init__(self, venue: Venue, *, port: int = 0, host: str = "127.0.0.1", clock: Clock | None = None) -> None:
        """Bind at once (port 0 picks one) and serve after ``start``; raises InputError."""
        if host not in LOOPBACK:
            raise InputError(f"serving the sandbox on {host}: it is for this machine only; use 127.0.0.1")
        self.venue = venue
        self.lock = threading.Lock()
        self._clock = clock or SystemClock()
        self._stopping = threading.Event()
        try:
            self._server = _Server((host, port), self)
        except OSError as error:
            raise InputError(f"serving the sandbox on port {port}: {error.strerror}; choose another port") from error
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._server.server_port}"

    def start(self) -> Self:
        """Begin to serve on threads of its own."""
        self._thread.start()
        return self

    def wait(self, seconds: float | None = None) -> bool:
        """Until someone stops it, or time is up; whether it was stopped."""
        return self._stopping.wait(seconds)

    def stop(self) -> None:
        """Stop serving, cut what is open, and apply what was due by now."""
        self._stopping.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        for connection in list(self._server.open_sockets):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._server.server_close()
        with self.lock:
            self.venue.advance(self._clock.wall_ms())

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def pass_on(self, request: Request) -> Delivery:
        """Put a request through the venue in real time; called on a connection's thread."""
        with self.lock:
            now = self._clock.wall_ms()
            self.venue.advance(now)
            sent = self.venue.send(request, now, timeout_ms=SILENCE_MS)
            self.venue.advance(now)
        left = sent.at_ms - now
        while left > 0 and not self._stopping.wait(left / 1000):
            left = sent.at_ms - self._clock.wall_ms()
        if sent.at_ms > now:
            with self.lock:
                self.venue.advance(self._clock.wall_ms())
        return sent.delivery()
