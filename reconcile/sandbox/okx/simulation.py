"""OKX as the sandbox simulates it."""

from collections.abc import Iterable

from reconcile.sandbox.faults import REPLIES
from reconcile.sandbox.http import SandboxAccount, SimulatedExchange
from reconcile.sandbox.okx import replies
from reconcile.sandbox.okx.demo import seed_okx
from reconcile.sandbox.okx.dialect import SimulatedOkx
from reconcile.sandbox.okx.gate import VALIDITY_MS, OkxSwitches
from reconcile.sandbox.okx.rules import OkxRules
from reconcile.sandbox.simulation import ExchangeSimulation


def _dialect(accounts: Iterable[SandboxAccount], switches: OkxSwitches) -> SimulatedExchange:
    return SimulatedOkx(accounts, switches=switches)


SIMULATION = ExchangeSimulation(
    name="okx",
    rules=OkxRules(),
    switches=OkxSwitches,
    dialect=_dialect,
    seed=seed_okx,
    replies={**REPLIES, **replies.REPLIES},
    validity_ms=VALIDITY_MS,
)
