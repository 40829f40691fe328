"""Traits of Bitget, as data. The numbers come from its documentation."""

from decimal import Decimal
from types import MappingProxyType

from reconcile.model.traits import DAY_MS, Scope, Traits

TRAITS = Traits(
    name="bitget",
    title="Bitget v2",
    lane=Scope.SYMBOL,
    margin_type_scope=Scope.SYMBOL,
    validity_ms=30_000,
    grace_ms=5_000,
    clock_ahead_ms=30_000,
    ledger_reach_ms=90 * DAY_MS,
    stable_step=Decimal("1e-4"),
    coin_step=Decimal("1e-8"),
    products=("USDT-FUTURES", "COIN-FUTURES", "USDC-FUTURES"),
    needs_passphrase=True,
    endpoints=MappingProxyType({"live": "https://api.bitget.com", "testnet": "https://api.bitget.com"}),
    hosts=(".bitget.com",),
    sets_auto_add=True,
)
