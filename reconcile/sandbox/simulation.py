"""One exchange that the sandbox can be, as a value: each exchange's package has its own."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from reconcile.errors import InputError
from reconcile.sandbox.books import Books
from reconcile.sandbox.http import Answer, SandboxAccount, SimulatedExchange
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
