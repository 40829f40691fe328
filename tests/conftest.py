"""What holds for the whole run of the tests."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.kit import produced

os.environ.pop("COLUMNS", None)  # a worker is given a terminal's width; each test says its own

# A loaded machine makes one example slow; the time limit of the whole run is CI's.
settings.register_profile("reconcile", deadline=None)
settings.load_profile("reconcile")


@pytest.fixture(scope="session", autouse=True)
def _no_secret_was_ever_shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    yield
    assert produced.leaks(tmp_path_factory.getbasetemp()) == []
