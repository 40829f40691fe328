"""The exchanges that the sandbox can be: one row each, so that a new dialect is one module and one row."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from reconcile.errors import InputError
from reconcile.sandbox.binance import dialect as binance
from reconcile.sandbox.binance import replies as binance_replies
from reconcile.sandbox.binance.gate import BinanceSwitches
from reconcile.sandbox.binance.rules import BinanceRules
from reconcile.sandbox.bitget import demo as bitget_demo
from reconcile.sandbox.bitget import dialect as bitget
from reconcile.sandbox.bitget import gate as bitget_gate
from reconcile.sandbox.bitget import replies as bitget_replies
from reconcile.sandbox.bitget import rules as bitget_rules
from reconcile.sandbox.books import Books
from reconcile.sandbox.demo import seed_binance
from reconcile.sandbox.faults import REPLIES
from reconcile.sandbox.http import Answer, SandboxAccount, SimulatedExchange
from reconcile.sandbox.okx import demo as okx_demo
from reconcile.sandbox.okx import dialect as okx
from reconcile.sandbox.okx import gate as okx_gate
from reconcile.sandbox.okx import replies as okx_replies
from reconcile.sandbox.okx import rules as okx_rules
from reconcile.sandbox.rules import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeSimulation:
    """One exchange: how to make its dialect over accounts, its rules, its demo account and its odd answers.

    ``validity_ms`` is how late a write of the program's can arrive and still count.
    """

    name: str
    rules: Rules
    switches: type[Any]
    dialect: Callable[[Iterable[SandboxAccount], Any], SimulatedExchange]
    seed: Callable[[Books, int], None]
    replies: Mapping[str, Answer]
    validity_ms: int

    def switched(self, values: Mapping[str, object]) -> Any:
        """The switches with some set otherwise; raises InputError for a name or type that does not fit."""
        known = {field.name: field for field in fields(self.switches)}
        for name, value in values.items():
            if name not in known:
                raise InputError(f"setting a switch of {self.name}: {name!r} is not one; expected {', '.join(known)}")
            kind = type(known[name].default)
            if kind is not type(None) and value is not None and type(value) is not kind:
                raise InputError(f"setting the switch {name}: {value!r} does not fit; expected a {kind.__name__}")
        return self.switches(**values)


def _binance(accounts: Iterable[SandboxAccount], switches: BinanceSwitches) -> SimulatedExchange:
    return binance.SimulatedBinance(accounts, switches=switches)


def _okx(accounts: Iterable[SandboxAccount], switches: okx_gate.OkxSwitches) -> SimulatedExchange:
    return okx.SimulatedOkx(accounts, switches=switches)


def _bitget(accounts: Iterable[SandboxAccount], switches: bitget_gate.BitgetSwitches) -> SimulatedExchange:
    return bitget.SimulatedBitget(accounts, switches=switches)


SIMULATED: Mapping[str, ExchangeSimulation] = {
    "binance": ExchangeSimulation(
        name="binance",
        rules=BinanceRules(),
        switches=BinanceSwitches,
        dialect=_binance,
        seed=seed_binance,
        replies={**REPLIES, **binance_replies.REPLIES},
        validity_ms=binance.VALIDITY_MS,
    ),
    "okx": ExchangeSimulation(
        name="okx",
        rules=okx_rules.OkxRules(),
        switches=okx_gate.OkxSwitches,
        dialect=_okx,
        seed=okx_demo.seed_okx,
        replies={**REPLIES, **okx_replies.REPLIES},
        validity_ms=okx_gate.VALIDITY_MS,
    ),
    "bitget": ExchangeSimulation(
        name="bitget",
        rules=bitget_rules.BitgetRules(),
        switches=bitget_gate.BitgetSwitches,
        dialect=_bitget,
        seed=bitget_demo.seed_bitget,
        replies={**REPLIES, **bitget_replies.REPLIES},
        validity_ms=bitget_gate.VALIDITY_MS,
    ),
}


def simulated(exchange: str) -> ExchangeSimulation:
    """The exchange of that name; raises InputError."""
    if exchange not in SIMULATED:
        raise InputError(f"opening the sandbox: {exchange!r} is not simulated; expected {', '.join(SIMULATED)}")
    return SIMULATED[exchange]
