"""Bitget as the sandbox simulates it."""

from collections.abc import Iterable

from reconcile.sandbox.bitget import replies
from reconcile.sandbox.bitget.demo import seed_bitget
from reconcile.sandbox.bitget.dialect import SimulatedBitget
from reconcile.sandbox.bitget.gate import VALIDITY_MS, BitgetSwitches
from reconcile.sandbox.bitget.rules import BitgetRules
from reconcile.sandbox.faults import REPLIES
from reconcile.sandbox.http import SandboxAccount, SimulatedExchange
from reconcile.sandbox.simulation import ExchangeSimulation


def _dialect(accounts: Iterable[SandboxAccount], switches: BitgetSwitches) -> SimulatedExchange:
    return SimulatedBitget(accounts, switches=switches)


SIMULATION = ExchangeSimulation(
    name="bitget",
    rules=BitgetRules(),
    switches=BitgetSwitches,
    dialect=_dialect,
    seed=seed_bitget,
    replies={**REPLIES, **replies.REPLIES},
    validity_ms=VALIDITY_MS,
)
