"""How the exchanges differ, as data. Nothing outside an adapter ever asks for an exchange by name.

Every number here comes from the exchange sheets; what no exchange documents (amount steps) can be set in a state file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

STABLE_ASSETS = frozenset({"DAI", "EUR", "EURI"})
"""Margin assets without USD in their names whose amounts are counted in cents rather than in coins."""


def is_stable(asset: str) -> bool:
    """Whether amounts of an asset are counted in cents: the listed ones, and every asset that has USD in its name.

    No exchange tells a precision for margin amounts; new dollar assets (USDG, PYUSD, …) come often and coins that are
    called like one do not.
    """
    return "USD" in asset or asset in STABLE_ASSETS


class Scope(StrEnum):
    """What a thing belongs to: one address, one position, or a whole symbol."""

    ADDRESS = "address"
    POSITION = "position"
    SYMBOL = "symbol"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """One exchange's nature.

    ``lane`` is the scope that may have one margin call in flight; ``margin_type_scope`` what a margin type lives on.
    ``validity_ms`` bounds how long a signed request can still be accepted; ``grace_ms`` is how long its effect, reads
    and ledger rows may lag; ``ledger_reach_ms`` how far back the ledger can be read. ``products`` is empty where there
    is only one. ``hosts`` are the exchange's own (a leading dot means any subdomain).
    """

    name: str
    title: str
    lane: Scope
    margin_type_scope: Scope
    validity_ms: int
    grace_ms: int
    ledger_reach_ms: int
    stable_step: Decimal
    coin_step: Decimal
    products: tuple[str, ...]
    needs_passphrase: bool
    endpoints: Mapping[str, str]
    hosts: tuple[str, ...]

    def amount_step(self, asset: str) -> Decimal:
        """The smallest amount of an asset that a margin call is made with."""
        return self.stable_step if is_stable(asset) else self.coin_step


_DAY_MS = 86_400_000

TRAITS: Mapping[str, Traits] = MappingProxyType(
    {
        "binance": Traits(
            name="binance",
            title="Binance USD-M",
            lane=Scope.ADDRESS,
            margin_type_scope=Scope.SYMBOL,
            validity_ms=3_000,
            grace_ms=5_000,
            ledger_reach_ms=30 * _DAY_MS,
            stable_step=Decimal("1e-8"),
            coin_step=Decimal("1e-8"),
            products=(),
            needs_passphrase=False,
            endpoints=MappingProxyType(
                {"live": "https://fapi.binance.com", "testnet": "https://demo-fapi.binance.com"}
            ),
            hosts=(".binance.com", ".binancefuture.com"),
        ),
        "okx": Traits(
            name="okx",
            title="OKX v5",
            lane=Scope.SYMBOL,
            margin_type_scope=Scope.POSITION,
            validity_ms=30_000,
            grace_ms=5_000,
            ledger_reach_ms=90 * _DAY_MS,
            stable_step=Decimal("1e-6"),
            coin_step=Decimal("1e-8"),
            products=(),
            needs_passphrase=True,
            endpoints=MappingProxyType({"live": "https://openapi.okx.com", "testnet": "https://openapi.okx.com"}),
            hosts=(".okx.com",),
        ),
        "bitget": Traits(
            name="bitget",
            title="Bitget v2",
            lane=Scope.SYMBOL,
            margin_type_scope=Scope.SYMBOL,
            validity_ms=30_000,
            grace_ms=5_000,
            ledger_reach_ms=90 * _DAY_MS,
            stable_step=Decimal("1e-4"),
            coin_step=Decimal("1e-8"),
            products=("USDT-FUTURES", "COIN-FUTURES", "USDC-FUTURES"),
            needs_passphrase=True,
            endpoints=MappingProxyType({"live": "https://api.bitget.com", "testnet": "https://api.bitget.com"}),
            hosts=(".bitget.com",),
        ),
    }
)


def environment(endpoint_kind: str) -> str:
    """Which accounts an endpoint of that kind leads to: ``testnet``, else ``live``, since any host may be a proxy."""
    return "testnet" if endpoint_kind == "testnet" else "live"
