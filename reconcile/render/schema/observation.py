"""An observation: positions with all that the formulas need, for a rehearsal without the exchange."""

from typing import Any, Literal

from reconcile.render.schema.types import Amount, Model, Time


class ObservedSymbolModel(Model):
    """What belongs to a symbol in a saved observation."""

    symbol: str
    asset: str
    margin_type: Literal["isolated", "crossed"] | None
    open_orders: bool | None


class ObservedPositionModel(Model):
    """One position slot as it was read; ``risk`` has the numbers of the exchange's own formula and its name."""

    address: str
    asset: str
    margin_type: Literal["isolated", "crossed"]
    isolated_margin: Amount
    position: Amount
    mark_price: Amount | None
    liquidation_price: Amount | None
    notional: Amount
    auto_add: bool
    identity: str | None
    risk: dict[str, Any] | None


class ObservedAccountModel(Model):
    """One account as it was read."""

    account: str
    exchange: str
    product: str | None
    observed_at: Time
    position_mode: Literal["hedge", "one-way"]
    account_uid: str | None
    multi_assets: bool
    account_block: str | None
    available: dict[str, Amount]
    unknown_balances: tuple[str, ...]
    symbols: tuple[ObservedSymbolModel, ...]
    instruments: tuple[str, ...]
    positions: tuple[ObservedPositionModel, ...]
    unusable: dict[str, str]


class ObservationModel(Model):
    """``reconcile.observation/1``: accounts as they were read, for ``rehearse --from``."""

    format: Literal["reconcile.observation/1"]
    accounts: tuple[ObservedAccountModel, ...]
