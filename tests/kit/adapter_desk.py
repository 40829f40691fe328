"""An adapter behind the fake wire, and what every adapter's tests need: a position, a step, the requests it made."""

import dataclasses
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Generic, TypeVar

from reconcile.connect.secrets import Credentials
from reconcile.exchanges.base import Writer
from reconcile.exchanges.catalogue import TRAITS
from reconcile.exchanges.http.transport import Setup
from reconcile.exchanges.http.wire import HttpRequest
from reconcile.model.account import Address, MarginType, Position
from reconcile.model.plan import MoveMargin
from tests.kit.fakes import SERVED_MS, FakeWire, VirtualClock, path_of, setup

Adapter = TypeVar("Adapter", bound=Writer)


class AdapterDesk(Generic[Adapter]):
    """The wire, its answers by path and the adapter on it. ``time_path`` is where the exchange tells its time."""

    def __init__(
        self,
        build: Callable[[Setup], Adapter],
        exchange: str,
        *,
        url: str,
        time_path: str,
        answers: Mapping[str, Any],
        demo: bool = False,
        product: str | None = None,
    ) -> None:
        self.wire = FakeWire(VirtualClock())
        self.wire.answers = dict(answers)
        self._time_path = time_path
        self.adapter = build(
            dataclasses.replace(
                setup(self.wire),
                traits=TRAITS[exchange],
                credentials=Credentials(key="k", secret="SIM-SECRET", passphrase="p"),
                url=url,
                demo=demo,
                product=product,
            )
        )

    def served_ms(self) -> int:
        """The exchange's time."""
        return SERVED_MS + self.wire.clock.monotonic_ms()

    def paths(self) -> list[str]:
        """What was asked for, without the questions for the time."""
        return [path for path in map(path_of, self.requests()) if path != self._time_path]

    def requests(self) -> list[HttpRequest]:
        """Every request, in order."""
        return [request for _, request in self.wire.sent]

    def asked(self, path: str) -> list[HttpRequest]:
        """The requests for one path."""
        return [request for request in self.requests() if path_of(request) == path]


def isolated(address: Address, size: str, margin: str) -> Position:
    """An isolated position with a margin in USDT."""
    return Position(
        address=address,
        asset="USDT",
        margin_type=MarginType.ISOLATED,
        isolated_margin=Decimal(margin),
        size=Decimal(size),
    )


def margin_step(address: Address, amount: str, *, before: str, add: bool = True) -> MoveMargin:
    """A step that moves this amount of USDT."""
    return MoveMargin(
        step_id="s",
        address=address,
        asset="USDT",
        amount=Decimal(amount),
        before=Decimal(before),
        after=Decimal(before) + (Decimal(amount) if add else -Decimal(amount)),
        tolerance=Decimal(1),
        action="add_margin" if add else "reduce_margin",
    )
