"""Traits of OKX, as data. The numbers come from its documentation."""

from decimal import Decimal
from types import MappingProxyType

from reconcile.model.traits import DAY_MS, Scope, Traits

TRAITS = Traits(
    name="okx",
    title="OKX v5",
    lane=Scope.SYMBOL,
    margin_type_scope=Scope.POSITION,
    validity_ms=30_000,
    grace_ms=5_000,
    clock_ahead_ms=30_000,
    ledger_reach_ms=90 * DAY_MS,
    stable_step=Decimal("1e-6"),
    coin_step=Decimal("1e-8"),
    products=(),
    needs_passphrase=True,
    endpoints=MappingProxyType({"live": "https://openapi.okx.com", "testnet": "https://openapi.okx.com"}),
    hosts=(".okx.com",),
    regions=MappingProxyType({"eea": "https://eea.okx.com", "us": "https://us.okx.com"}),
)
