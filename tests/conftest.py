"""What holds for the whole run of the tests."""

from collections.abc import Iterator

import pytest

from tests.kit import produced


@pytest.fixture(scope="session", autouse=True)
def _no_secret_was_ever_shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    yield
    assert produced.leaks(tmp_path_factory.getbasetemp()) == []
