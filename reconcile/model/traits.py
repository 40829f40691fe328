"""Differences between exchanges, as data, so that no code outside an adapter asks for an exchange by name.

Each exchange's package holds its own ``Traits``; ``exchanges/catalogue.py`` finds them. A state file can set the amount
step, which no exchange documents.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

DAY_MS = 86_400_000
STABLE_ASSETS = frozenset({"DAI", "EUR", "EURI"})
"""Margin assets without USD in their names whose amounts are counted in cents rather than in coins."""


def is_stable(asset: str) -> bool:
    """Whether amounts of an asset are counted in cents: the listed ones, and every asset that has USD in its name.

    No exchange tells a precision for margin amounts; new dollar assets (USDG, PYUSD, …) come often and coins that are
    called like one do not.
    """
    return "USD" in asset or asset in STABLE_ASSETS


class Scope(StrEnum):
    """The scope of a property: one address, one position, or a whole symbol."""

    ADDRESS = "address"
    POSITION = "position"
    SYMBOL = "symbol"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """One exchange's nature.

    ``lane`` is the scope that may have one margin call in flight; ``margin_type_scope`` what a margin type lives on.
    ``validity_ms`` bounds how long a signed request can still be accepted; ``grace_ms`` is how long its effect, reads
    and ledger rows may lag; ``clock_ahead_ms`` is how far ahead of the exchange's clock a request may be signed and
    still be accepted. A row may be dated that long before its signature. ``ledger_reach_ms`` is how far back the ledger
    can be read. ``products`` is empty where there is only one. ``hosts`` are the exchange's own (a leading dot means
    any subdomain). ``regions`` are the exchange's other sites by name, each with its own host for live and paper
    trading; empty where there is one site. ``other_services`` are hosts of the exchange that serve something else, with
    what that is. ``sets_auto_add``: a call switches whether the exchange adds margin to a position by itself.
    """

    name: str
    title: str
    lane: Scope
    margin_type_scope: Scope
    validity_ms: int
    grace_ms: int
    clock_ahead_ms: int
    ledger_reach_ms: int
    stable_step: Decimal
    coin_step: Decimal
    products: tuple[str, ...]
    needs_passphrase: bool
    endpoints: Mapping[str, str]
    hosts: tuple[str, ...]
    regions: Mapping[str, str] = field(default_factory=dict)
    sets_auto_add: bool = False
    other_services: Mapping[str, str] = field(default_factory=dict)

    def amount_step(self, asset: str) -> Decimal:
        """The smallest amount of an asset that a margin call is made with."""
        return self.stable_step if is_stable(asset) else self.coin_step


def environment(endpoint_kind: str) -> str:
    """Which accounts an endpoint of that kind leads to: ``testnet``, else ``live``, since any host may be a proxy."""
    return "testnet" if endpoint_kind == "testnet" else "live"
