"""How Binance differs from other exchanges, as data. The numbers come from its documentation."""

from decimal import Decimal
from types import MappingProxyType

from reconcile.model.traits import DAY_MS, Scope, Traits

TRAITS = Traits(
    name="binance",
    title="Binance USD-M",
    lane=Scope.ADDRESS,
    margin_type_scope=Scope.SYMBOL,
    validity_ms=3_000,
    grace_ms=5_000,
    ledger_reach_ms=30 * DAY_MS,
    stable_step=Decimal("1e-8"),
    coin_step=Decimal("1e-8"),
    products=(),
    needs_passphrase=False,
    endpoints=MappingProxyType({"live": "https://fapi.binance.com", "testnet": "https://demo-fapi.binance.com"}),
    hosts=(".binance.com", ".binancefuture.com"),
)
