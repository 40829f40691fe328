"""Traits of Binance, as data. The numbers come from its documentation."""

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
    clock_ahead_ms=1_000,
    ledger_reach_ms=30 * DAY_MS,
    stable_step=Decimal("1e-8"),
    coin_step=Decimal("1e-8"),
    products=(),
    needs_passphrase=False,
    endpoints=MappingProxyType({"live": "https://fapi.binance.com", "testnet": "https://demo-fapi.binance.com"}),
    other_services=MappingProxyType(
        {
            "papi.binance.com": "portfolio margin, which has no isolated margin to manage",
            "dapi.binance.com": "COIN-M futures, which are not managed here",
            "demo-dapi.binance.com": "COIN-M futures, which are not managed here",
            "api.binance.com": "spot trading, which has no positions",
        }
    ),
    hosts=(".binance.com", ".binancefuture.com"),
)
