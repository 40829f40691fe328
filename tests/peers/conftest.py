"""These tests are there only where the clients are."""

from importlib.util import find_spec

import pytest

PEERS = ("ccxt", "okx", "binance")
collect_ignore_glob = [] if all(find_spec(name) for name in PEERS) else ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What other people's code warns of is not ours to mend."""
    for item in items:
        if "peers" in item.path.parts:
            item.add_marker(pytest.mark.filterwarnings("default"))
