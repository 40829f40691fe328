"""The exchanges that the sandbox can be: every package here that has a ``simulation``."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

from reconcile.errors import InputError
from reconcile.sandbox.simulation import ExchangeSimulation


def _found() -> dict[str, ExchangeSimulation]:
    packages = (each.name for each in iter_modules(import_module(__package__).__path__) if each.ispkg)
    modules = (f"{__package__}.{name}.simulation" for name in packages)
    found: list[ExchangeSimulation] = [import_module(module).SIMULATION for module in modules if find_spec(module)]
    return {simulation.name: simulation for simulation in found}


SIMULATED: Mapping[str, ExchangeSimulation] = _found()
"""By name, in alphabetical order."""


def simulated(exchange: str) -> ExchangeSimulation:
    """The exchange of that name; raises InputError."""
    if exchange not in SIMULATED:
        raise InputError(f"opening the sandbox: {exchange!r} is not simulated; expected {', '.join(SIMULATED)}")
    return SIMULATED[exchange]
