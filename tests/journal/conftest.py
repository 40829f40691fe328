"""One PostgreSQL server for the tests that ask for it; each finds its database empty."""

from collections.abc import Iterator

import pytest

from reconcile.clock import SystemClock
from reconcile.journal.postgres.store import PostgresStore
from reconcile.journal.postgres.url import place_of
from tests.kit.postgres_server import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server that runs for the whole session."""
    with Server() as running:
        yield running


@pytest.fixture
def url(server: Server) -> str:
    """An empty database, as its owner."""
    server.clear()
    return server.url


@pytest.fixture
def store(url: str) -> PostgresStore:
    """A store on an empty database."""
    return PostgresStore(place_of(url), SystemClock())
