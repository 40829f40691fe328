"""Accounts, targets and positions for the tests of the pure core, with everything ordinary left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from reconcile.exchanges.catalogue import TRAITS
from reconcile.journal.records import Intent
from reconcile.model.account import (
    Address,
    DesiredAccount,
    MarginType,
    ObservedAccount,
    Policy,
    Position,
    PositionMode,
    Side,
    SymbolState,
    Target,
    Tolerance,
)
from reconcile.model.holds import Hold
from reconcile.model.ledger import Cause, LedgerRow
from reconcile.model.plan import MoveMargin
from reconcile.model.risk import Exposure

BINANCE, OKX, BITGET = TRAITS["binance"], TRAITS["okx"], TRAITS["bitget"]
ISOLATED, CROSSED = MarginType.ISOLATED, MarginType.CROSSED
NOTHING_HELD: Mapping[Address, Hold] = {}
D = Decimal


def at(text: str) -> Address:
    return Address.parse(text)


def hold(reason: str, *, is_unknown: bool = True) -> Hold:
    """An unsettled step's hold; ``is_unknown`` False: a reading's."""
    return Hold(reason=reason, by="unsettled step" if is_unknown else "adds up")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearRisk:
    """A position without tiers: each unit of margin moves the liquidation price by 1 / size.

    Its maintenance margin is 0.5 % of the value, and plays no part in the liquidation price.
    """

    entry: Decimal
    size: Decimal
    is_long: bool = True
    most: Decimal = Decimal("1e12")
    mark: Decimal = Decimal(10000)

    def liquidation_price(self, margin: Decimal) -> Decimal | None:
        price = self.entry - margin / self.size if self.is_long else self.entry + margin / self.size
        return price if price > 0 else None

    def removable(self) -> Decimal:
        return self.most

    def margin_at(self, price: Decimal) -> Decimal:
        gap = self.entry - price if self.is_long else price - self.entry
        return gap * self.size

    def exposure(self) -> Exposure:
        profit = (self.mark - self.entry) * (self.size if self.is_long else -self.size)
        notional = self.size * self.mark
        return Exposure(profit=profit, notional=notional, maintenance=notional / 200)

    def moved(self, mark: Decimal, margin: Decimal) -> "LinearRisk":  # noqa: ARG002 - it holds no margin
        return replace(self, mark=mark)

    def unfitted(self) -> "LinearRisk":
        return self


def position(
    place: str,
    margin: str = "1000",
    *,
    size: str = "1",
    kind: MarginType = ISOLATED,
    mark: str | None = "10000",
    notional: str = "10000",
    auto_add: bool = False,
    identity: str | None = None,
    most: str = "1e12",
    risk: bool = True,
    told: str | None = None,
) -> Position:
    """An open isolated position of one coin at 10 000, unless said otherwise."""
    address = at(place)
    amount = Decimal(size)
    is_long = address.side is Side.LONG or (address.side is Side.NET and amount > 0)
    known = LinearRisk(entry=Decimal(10000), size=abs(amount), is_long=is_long, most=Decimal(most)) if amount else None
    if known is not None and mark is not None:
        known = replace(known, mark=Decimal(mark))
    return Position(
        address=address,
        asset=asset_of(address.symbol),
        margin_type=kind,
        isolated_margin=Decimal(margin),
        size=amount,
        mark_price=None if mark is None else Decimal(mark),
        liquidation_price=None if told is None else Decimal(told),
        notional=Decimal(notional),
        auto_add=auto_add,
        identity=identity,
        risk=known if risk else None,
    )


def asset_of(symbol: str) -> str:
    return "BTC" if symbol.endswith("USD") else "USDT"


def target(
    place: str,
    margin: str | None = None,
    kind: MarginType = ISOLATED,
    *,
    tolerance: str = "0",
    percent: bool = False,
    shared: Decimal | Mapping[str, Decimal] | None = None,
) -> Target:
    return Target(
        address=at(place),
        margin_type=kind,
        isolated_margin=None if margin is None else Decimal(margin),
        tolerance=Tolerance(value=Decimal(tolerance), percent=percent, shared=shared),
    )


def desired(
    *targets: Target,
    policy: Policy | None = None,
    mode: PositionMode = PositionMode.HEDGE,
    amount_step: str | None = None,
) -> DesiredAccount:
    return DesiredAccount(
        name="main",
        exchange="binance",
        position_mode=mode,
        endpoint="sandbox",
        product=None,
        credentials="MAIN",
        targets=targets,
        policy=Policy(allow_reduce=True, min_liquidation_distance=None, max_margin=None) if policy is None else policy,
        amount_step=None if amount_step is None else Decimal(amount_step),
        grace_ms=None,
        path="states/main.toml",
        sha256="0" * 64,
    )


def symbol(name: str, kind: MarginType | None = ISOLATED, *, open_orders: bool | None = False) -> SymbolState:
    return SymbolState(symbol=name, asset=asset_of(name), margin_type=kind, open_orders=open_orders)


def observed(
    positions: Sequence[Position] = (),
    symbols: Sequence[SymbolState] = (),
    *,
    available: Mapping[str, Decimal] | None = None,
    mode: PositionMode = PositionMode.HEDGE,
    multi_assets: bool = False,
    account_block: str | None = None,
) -> ObservedAccount:
    """An account as read; the symbols of its positions are known without being listed."""
    known = {place.address.symbol: symbol(place.address.symbol, place.margin_type) for place in positions}
    return ObservedAccount(
        sent_at_ms=1_000_000,
        position_mode=mode,
        uid=None,
        multi_assets=multi_assets,
        account_block=account_block,
        available={"USDT": Decimal(100_000)} if available is None else available,
        positions={place.address: place for place in positions},
        symbols={**known, **{state.symbol: state for state in symbols}},
    )


def move(
    place: str = "BTCUSDT.long",
    before: str = "1200",
    after: str = "1500",
    *,
    tolerance: str = "0",
    distance: str | None = None,
) -> MoveMargin:
    """A planned margin step."""
    delta = Decimal(after) - Decimal(before)
    return MoveMargin(
        step_id=f"{place} {delta}",
        address=at(place),
        asset=asset_of(at(place).symbol),
        amount=abs(delta),
        before=Decimal(before),
        after=Decimal(after),
        tolerance=Decimal(tolerance),
        action="add_margin" if delta > 0 else "reduce_margin",
        liquidation_distance_before=None if distance is None else Decimal(distance),
    )


SIGNED_MS = 1_000_000
FENCE_MS = SIGNED_MS + 8_000


def intent(
    amount: str | None = "300",
    *,
    action: str = "add_margin",
    before: str = "1200",
    wanted: str = "1500",
    cursor: str | None = None,
    identity: str | None = None,
    place: str = "BTCUSDT.long",
) -> Intent:
    """An intent signed at ``SIGNED_MS`` with its fence at ``FENCE_MS``."""
    return Intent(
        intent_id="i1",
        step_id="s1",
        lane=place,
        address=at(place),
        action=action,
        asset=None if amount is None else "USDT",
        amount=None if amount is None else Decimal(amount),
        before=before,
        wanted=wanted,
        size=None if amount is None else Decimal(1),
        identity=identity,
        cursor=cursor,
        signed_at_ms=SIGNED_MS,
        fence_ms=FENCE_MS,
    )


def row(
    change: str = "300",
    row_id: str = "r1",
    *,
    time_ms: int = SIGNED_MS + 100,
    side: str | None = "long",
    cause: Cause = Cause.MANUAL,
    symbol: str = "BTCUSDT",
) -> LedgerRow:
    """A ledger row; ours unless said otherwise."""
    return LedgerRow(
        row_id=row_id,
        symbol=symbol,
        side=side,
        asset="USDT",
        cause=cause,
        change=Decimal(change),
        time_ms=time_ms,
    )
