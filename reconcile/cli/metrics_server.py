"""``watch --listen``: the metrics of a watch over HTTP for Prometheus, and ``/healthz`` for whoever restarts it.

Prometheus' own client writes the answer; it is the extra ``[metrics]``, loaded only here. The server has threads of its
own: a slow reader holds up no round. It answers reads only and knows nothing but the last round.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from reconcile.clock import Clock
from reconcile.errors import InputError, UsageError
from reconcile.money import parse, whole
from reconcile.render.common.values import rfc3339
from reconcile.render.metrics.families import families
from reconcile.render.metrics.snapshot import Snapshot

if TYPE_CHECKING:
    from prometheus_client import Metric

LATE_AFTER = 3
"""After how many intervals without the end of a round a watch is not healthy any more."""
_PORTS = 65_535
_Answer = Callable[..., Any]


def address_of(text: str) -> tuple[str, int]:
    """``HOST:PORT`` or ``[IPv6]:PORT``; raises UsageError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or len(port) > len(str(_PORTS)) or whole(port) > _PORTS:
        raise UsageError(f"--listen {text}: not HOST:PORT; write one like 127.0.0.1:9464")
    return host.removeprefix("[").removesuffix("]"), whole(port)


class MetricsServer:
    """Serves what was published last, while it is entered."""

    def __init__(self, address: tuple[str, int], clock: Clock, *, interval_ms: int) -> None:
        """Raises InputError where the client is missing or the address cannot be had."""
        self._clock = clock
        self._interval_ms = interval_ms
        self._since_ms = clock.wall_ms()
        self._snapshot: Snapshot | None = None
        answer = _application(self._families, self._health)
        host, port = address
        try:
            self._server = make_server(host, port, answer, _server_class(host), _QuietHandler)
        except OSError as error:
            raise InputError(
                f"listening on {host}:{port}: {error.strerror or error}; name another address with --listen"
            ) from error
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    def publish(self, snapshot: Snapshot) -> None:
        """The metrics to serve from now on."""
        self._snapshot = snapshot

    def _families(self) -> Iterable[tuple[str, str, str, Any]]:
        return () if self._snapshot is None else families(self._snapshot)

    def _health(self) -> tuple[bool, dict[str, Any]]:
        """Whether rounds end in time, and the document that says so."""
        snapshot = self._snapshot
        last_ms = self._since_ms if snapshot is None else snapshot.at_ms
        is_late = self._clock.wall_ms() - last_ms > LATE_AFTER * self._interval_ms
        return not is_late, {
            "format": "reconcile.health/1",
            "status": "late" if is_late else "ok",
            "rounds": 0 if snapshot is None else snapshot.rounds,
            "round_at": None if snapshot is None else rfc3339(snapshot.at_ms),
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


def _application(
    read: Callable[[], Iterable[tuple[str, str, str, Any]]], health: Callable[[], tuple[bool, dict[str, Any]]]
) -> _Answer:
    """The WSGI application; raises InputError where Prometheus' client is missing."""
    try:
        from prometheus_client import CollectorRegistry, Metric, make_wsgi_app  # noqa: PLC0415 - only --listen needs it
    except ImportError as error:
        raise InputError(
            f"listening for Prometheus: its client is missing ({error}); install the extra [metrics]: "
            "pip install '.[metrics]' in reconcile's checkout; --metrics FILE needs none"
        ) from error

    class Collector:
        """Asked at each scrape."""

        def collect(self) -> Iterable["Metric"]:
            """The families as the client has them."""
            for name, kind, text, samples in read():
                metric = Metric(name.removesuffix("_total") if kind == "counter" else name, text, kind)
                for labels, value in samples:
                    metric.add_sample(name, dict(labels), parse(value))  # type: ignore[arg-type]
                yield metric

    registry = CollectorRegistry()
    registry.register(Collector())
    metrics: _Answer = make_wsgi_app(registry)

    def answer(environ: dict[str, Any], start: _Answer) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if environ.get("REQUEST_METHOD") not in {"GET", "HEAD"}:
            start("405 Method Not Allowed", [("Allow", "GET, HEAD")])
            return [b""]
        if path == "/metrics":
            found: Iterable[bytes] = metrics(environ, start)
            return found
        if path == "/healthz":
            is_well, document = health()
            start("200 OK" if is_well else "503 Service Unavailable", [("Content-Type", "application/json")])
            return [json.dumps(document).encode() + b"\n"]
        start("404 Not Found", [("Content-Type", "text/plain")])
        return [b"/metrics and /healthz are here\n"]

    return answer


def _server_class(host: str) -> type[WSGIServer]:
    class Server(ThreadingMixIn, WSGIServer):
        """One thread for each reader, none of which keeps the process."""

        daemon_threads = True
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        def server_bind(self) -> None:
            """Without asking a name server what this host is called."""
            super(WSGIServer, self).server_bind()
            self.setup_environ()

    return Server


class _QuietHandler(WSGIRequestHandler):
    timeout = 10
    """Seconds for a reader to send its request."""

    def log_message(self, *_: Any) -> None:
        """Scrapes are no news."""
