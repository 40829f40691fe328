"""Binance as the sandbox simulates it."""

from collections.abc import Iterable

from reconcile.sandbox.binance import replies
from reconcile.sandbox.binance.demo import seed_binance
from reconcile.sandbox.binance.dialect import VALIDITY_MS, SimulatedBinance
from reconcile.sandbox.binance.gate import BinanceSwitches
from reconcile.sandbox.binance.rules import BinanceRules
from reconcile.sandbox.faults import REPLIES
from reconcile.sandbox.http import SandboxAccount, SimulatedExchange
from reconcile.sandbox.simulation import ExchangeSimulation


def _dialect(accounts: Iterable[SandboxAccount], switches: BinanceSwitches) -> SimulatedExchange:
    return SimulatedBinance(accounts, switches=switches)


SIMULATION = ExchangeSimulation(
    name="binance",
    rules=BinanceRules(),
    switches=BinanceSwitches,
    dialect=_dialect,
    seed=seed_binance,
    replies={**REPLIES, **replies.REPLIES},
    validity_ms=VALIDITY_MS,
)
