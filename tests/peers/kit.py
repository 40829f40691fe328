"""A served demo account that remembers what reached it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from reconcile.clock import SystemClock
from reconcile.sandbox.books import Books
from reconcile.sandbox.demo import account_of, new_books
from reconcile.sandbox.http import FRESH, Answer, Lag, Request, Responder, SandboxAccount
from reconcile.sandbox.registry import simulated
from reconcile.sandbox.server import SandboxServer
from reconcile.sandbox.venue import Venue

D = Decimal


@dataclass(slots=True)
class Recorder:
    """Passes requests on and keeps them."""

    inner: Responder
    seen: list[Request] = field(default_factory=list)

    def handle(self, request: Request, now_ms: int, lag: Lag = FRESH) -> Answer:
        """See ``Responder``."""
        self.seen.append(request)
        return self.inner.handle(request, now_ms, lag)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """An account of the demo, its keys, where it is served, and what reached it."""

    url: str
    account: SandboxAccount
    seen: list[Request]

    @property
    def books(self) -> Books:
        """The exchange's own books."""
        return self.account.books

    def last(self, method: str, path: str) -> Request:
        """The last request to a path."""
        return next(each for each in reversed(self.seen) if (each.method, each.path) == (method, path))


@contextmanager
def served(exchange: str, **switches: object) -> Iterator[Served]:
    """Serve a fresh demo account on loopback."""
    kind = simulated(exchange)
    books = new_books("peer", kind.rules, kind.seed, now_ms=SystemClock().wall_ms(), keep_ms=0)
    account = account_of(exchange, "peer", books)
    recorder = Recorder(kind.dialect([account], kind.switched(switches)))
    with SandboxServer(Venue(dialect=recorder)) as server:
        yield Served(url=server.url, account=account, seen=recorder.seen)


def headers_of(request: Request, *names: str) -> Mapping[str, str]:
    """Some headers of a request, by their names in lower case."""
    return {name: request.headers[name] for name in names}
