"""Connecting imports one exchange, and a read-only connection cannot write."""

import asyncio
import random
import subprocess
import sys
from pathlib import Path

import pytest

from reconcile import exchanges
from reconcile.connect.secrets import Credentials
from reconcile.errors import NotSent
from reconcile.exchanges.base import Writer
from reconcile.exchanges.catalogue import TRAITS
from reconcile.exchanges.http.limits import Limits
from reconcile.exchanges.registry import connect
from reconcile.model.account import Address, MarginType, Side
from reconcile.model.plan import SetMarginType
from reconcile.sandbox.registry import SIMULATED
from tests.kit.fakes import FakeWire, VirtualClock, answer, run


def connected(exchange: str, wire: FakeWire, *, read_only: bool) -> Writer:
    return connect(
        exchange,
        wire=wire,
        credentials=Credentials(key="k", secret="s", passphrase="p"),
        clock=wire.clock,
        url="https://h/",
        demo=False,
        product=None,
        limits=Limits(wire.clock),
        dice=random.Random(1),
        read_only=read_only,
    )


def test_a_read_only_connection_lets_no_write_reach_the_wire() -> None:
    wire = FakeWire(VirtualClock())
    wire.answers["/fapi/v1/marginType"] = answer({"code": 200, "msg": "success"})
    address = Address("BTCUSDT", Side.LONG)
    step = SetMarginType(step_id="s", address=address, before=MarginType.CROSSED, after=MarginType.ISOLATED)

    async def main() -> None:
        writer = connected("binance", wire, read_only=True)
        await writer.send(writer.prepare(step, None, None, signed_at_ms=1))

    with pytest.raises(NotSent, match="only reads"):
        run(main)
    assert wire.sent == []


def test_an_account_carries_the_traits_of_its_exchange() -> None:
    async def main() -> Writer:
        return connected("binance", FakeWire(VirtualClock()), read_only=True)

    assert asyncio.run(main()).traits is TRAITS["binance"]


def test_a_name_that_is_no_exchange_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        connected("nowhere", FakeWire(VirtualClock()), read_only=True)


def test_importing_one_exchange_imports_no_more_of_another_than_its_traits() -> None:
    program = (
        "import sys, reconcile.exchanges.registry\n"
        "before = [n for n in sys.modules if n.endswith('.adapter')]\n"
        "import reconcile.exchanges.binance.adapter\n"
        "others = ('reconcile.exchanges.okx.', 'reconcile.exchanges.bitget.')\n"
        "print(before, sorted(n for n in sys.modules if n.startswith(others)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] ['reconcile.exchanges.bitget.traits', 'reconcile.exchanges.okx.traits']"


def test_the_sandbox_simulates_every_exchange() -> None:
    assert {name: each.name for name, each in SIMULATED.items()} == {name: name for name in TRAITS}


def test_every_package_with_an_adapter_is_in_the_catalogue() -> None:
    packages = {path.parent.name for path in Path(exchanges.__path__[0]).glob("*/adapter.py")}
    assert {name: traits.name for name, traits in TRAITS.items()} == {name: name for name in packages}
