"""Binance's rows as the model's values: positions, symbols, free balance. Pure.

One-way accounts have one BOTH row for a symbol, hedge accounts a LONG and a SHORT row. A BOTH row in hedge mode, as
older pages show, is not a position; neither are LONG or SHORT rows in one-way mode. A missing row is a flat slot. Rows
of declared symbols are kept, and all rows with a position or an isolated wallet, which can remain in a flat slot.

Rows of version 3 name the symbol's margin asset. Otherwise it is the free-balance asset at the end of the symbol's
name, before a delivery date. If two assets fit or none does, ``asset_of`` returns None and the adapter reads
exchangeInfo, whose answer has megabytes on the live exchange.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from reconcile.errors import ReadFailed
from reconcile.exchanges.binance.risk import BinanceRisk, BinanceTier
from reconcile.exchanges.http.rows import Row, UnknownMode, rows
from reconcile.model.account import Address, MarginType, Position, PositionMode, Side
from reconcile.money import ZERO

SIDES = {"BOTH": Side.NET, "LONG": Side.LONG, "SHORT": Side.SHORT}
WIRE_SIDES = {side: name for name, side in SIDES.items()}
WIRE_TYPES = {MarginType.ISOLATED: "ISOLATED", MarginType.CROSSED: "CROSSED"}
_TYPES = {
    "isolated": MarginType.ISOLATED,
    "cross": MarginType.CROSSED,
    "crossed": MarginType.CROSSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolConfig:
    """The state of a symbol: its type, the position's leverage, and whether the exchange adds margin by itself."""

    margin_type: MarginType
    leverage: Decimal
    auto_add: bool

    @staticmethod
    def of(row: Row) -> "SymbolConfig":
        """From a row of positionRisk version 2 or of symbolConfig; raises ReadFailed."""
        return _config(row.text("marginType"), row.number("leverage"), row.flag("isAutoAddMargin"))


@lru_cache(maxsize=1024)
def _config(kind: str, leverage: Decimal, auto_add: bool) -> SymbolConfig:  # noqa: FBT001 - a cache knows no keywords
    """One for all symbols that are alike; an account has few kinds of them."""
    return SymbolConfig(margin_type=margin_type(kind), leverage=leverage, auto_add=auto_add)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One answer of ``/fapi/v3/balance``: free balance by asset, and the account's alias ("unique account code")."""

    uid: str
    available: Mapping[str, Decimal]
    unknown: Collection[str] = ()
    """The assets whose free balance the row does not tell."""

    @staticmethod
    def of(what: str, payload: object) -> "Balance":
        """Raises ReadFailed where the rows do not name one and the same account."""
        table = rows(what, payload)
        names = {row.account_id("accountAlias") for row in table}
        if len(names) != 1:
            problem = "the rows name several accounts" if names else "there are no rows, so no account is named"
            raise ReadFailed(f"{what}: {problem}; check the endpoint", again=not names)
        free = {row.name("asset"): row.optional("availableBalance") for row in table}
        return Balance(
            uid=names.pop(),
            available={asset: amount for asset, amount in free.items() if amount is not None},
            unknown=[asset for asset, amount in free.items() if amount is None],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountConfig:
    """The facts that do not change within a run. ``block`` is a reason why nothing can be managed."""

    mode: PositionMode
    multi_assets: bool
    block: str | None
    tiers: Mapping[str, tuple[BinanceTier, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One row that is kept, not yet a position: the asset and the tiers may still be missing."""

    address: Address
    row: Row
    config: SymbolConfig
    amount: Decimal
    """Its signed size."""

    def position(self, asset: str, tiers: tuple[BinanceTier, ...]) -> Position:
        """The position; raises ReadFailed when a field is missing."""
        row, side, amount = self.row, self.address.side, self.amount
        isolated = self.config.margin_type is MarginType.ISOLATED
        wallet = row.number("isolatedWallet") if isolated else ZERO
        mark = row.optional("markPrice") or None
        liquidation = row.optional("liquidationPrice")
        risk = None
        if isolated and amount != 0 and tiers and mark is not None and self.config.leverage > 0:
            risk = BinanceRisk(
                sign=-1 if side is Side.SHORT or (side is Side.NET and amount < 0) else 1,
                size=abs(amount),
                entry=row.number("entryPrice"),
                mark=mark,
                wallet=wallet,
                leverage=self.config.leverage,
                tiers=tiers,
            )
        return Position(
            address=self.address,
            asset=asset,
            margin_type=self.config.margin_type,
            isolated_margin=wallet,
            size=amount if side is Side.NET else abs(amount),
            mark_price=mark,
            liquidation_price=liquidation if liquidation is not None and liquidation > 0 else None,
            notional=abs(row.number("notional")),
            auto_add=self.config.auto_add,
            risk=risk,
        )


def margin_type(text: str) -> MarginType:
    """``ISOLATED``/``CROSSED`` as in symbolConfig, ``isolated``/``cross`` as in positionRisk; raises ReadFailed."""
    found = _TYPES.get(text.lower())
    if found is None:
        raise UnknownMode(f"reading the positions: {text!r} is no margin type that Binance documents")
    return found


def asset_of(symbol: str, assets: Collection[str]) -> str | None:
    """The one asset that the symbol's name ends with; None where that is not clear."""
    name = symbol.partition("_")[0]
    found = [asset for asset in assets if name.endswith(asset) and name != asset]
    return found[0] if len(found) == 1 else None
