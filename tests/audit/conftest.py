"""A home with journals, and a desk that writes them."""

from pathlib import Path

import pytest

from reconcile.journal.file.disk import SystemDisk
from reconcile.journal.file.store import FileStore
from tests.kit.audit_month import Calendar, Desk
from tests.kit.journals import inline


@pytest.fixture
def clock() -> Calendar:
    return Calendar()


@pytest.fixture
def store(tmp_path: Path, clock: Calendar) -> FileStore:
    return FileStore(tmp_path, SystemDisk(), clock, inline)


@pytest.fixture
def desk(store: FileStore, clock: Calendar) -> Desk:
    return Desk(store=store, clock=clock)
