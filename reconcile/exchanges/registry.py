"""From an exchange's name to its adapter, importing only the one that is asked for."""

import random
from importlib import import_module
from typing import Protocol

from reconcile.clock import Clock
from reconcile.connect.secrets import Credentials
from reconcile.exchanges.base import Writer
from reconcile.exchanges.catalogue import TRAITS
from reconcile.exchanges.http.limits import Limits
from reconcile.exchanges.http.transport import Setup
from reconcile.exchanges.http.wire import ReadOnlyWire, Wire
from reconcile.model.traits import Traits


class Build(Protocol):
    """The form of ``reconcile.exchanges.<name>.adapter.build``."""

    def __call__(self, setup: Setup) -> Writer:
        """The adapter; sends nothing yet."""
        ...


def connect(
    exchange: str,
    *,
    wire: Wire,
    credentials: Credentials,
    clock: Clock,
    url: str,
    demo: bool,
    product: str | None,
    limits: Limits,
    dice: random.Random,
    traits: Traits | None = None,
    read_only: bool,
) -> Writer:
    """The adapter for one account; raises KeyError for a name that is not in ``TRAITS``.

    ``traits`` replaces the exchange's own (another amount step, another grace). With ``read_only`` it is given a wire
    that cannot write.
    """
    own = TRAITS[exchange]
    build: Build = import_module(f"reconcile.exchanges.{own.name}.adapter").build
    return build(
        Setup(
            traits=own if traits is None else traits,
            credentials=credentials,
            url=url.rstrip("/"),
            demo=demo,
            product=product,
            wire=ReadOnlyWire(wire) if read_only else wire,
            clock=clock,
            limits=limits,
            dice=dice,
        )
    )
