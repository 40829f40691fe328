"""Open positions with each exchange's own formula, and the sandbox's position that is the same one."""

from dataclasses import dataclass, replace
from decimal import Decimal

from reconcile.exchanges.binance.risk import BinanceRisk, BinanceTier
from reconcile.exchanges.bitget.risk import InverseRisk, LinearRisk
from reconcile.exchanges.okx.risk import IsolatedRisk
from reconcile.model.account import Address, MarginType, Position, Side
from reconcile.sandbox.binance.rules import BinanceRules
from reconcile.sandbox.bitget.rules import BitgetRules
from reconcile.sandbox.okx.rules import OkxRules
from reconcile.sandbox.rules import Rules
from reconcile.sandbox.values import BookPosition, Market, RiskTier, brackets

FEE = Decimal("0.0005")
TIERS = brackets(
    [("50000", "0.004", 125), ("250000", "0.005", 100), ("1000000", "0.01", 50), ("50000000", "0.025", 20)]
)
FLAT = (RiskTier(floor=Decimal(0), cap=Decimal(10) ** 12, mmr=Decimal("0.005"), leverage=100),)

MeasuredRisk = BinanceRisk | IsolatedRisk | LinearRisk | InverseRisk


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One position: on which exchange, which way, and how large."""

    exchange: str
    side: Side
    size: Decimal
    entry: Decimal
    mark: Decimal
    margin: Decimal
    inverse: bool = False
    leverage: Decimal = Decimal(10)

    @property
    def long(self) -> bool:
        """Whether it gains when the price rises."""
        return self.side is Side.LONG


def risk_of(place: Place) -> MeasuredRisk:
    """The adapter's formula for it; ``size`` of an inverse one is in quote currency."""
    sign = 1 if place.long else -1
    profit = sign * place.size * (place.mark - place.entry)
    if place.inverse:
        profit = sign * place.size * (1 / place.entry - 1 / place.mark)
    rate = FLAT[0].mmr + FEE
    if place.exchange == "binance":
        tiers = tuple(BinanceTier(floor=tier.floor, rate=tier.mmr, deduction=tier.cum) for tier in TIERS)
        return BinanceRisk(
            sign=sign,
            size=place.size,
            entry=place.entry,
            mark=place.mark,
            wallet=place.margin,
            leverage=place.leverage,
            tiers=tiers,
        )
    if place.exchange == "okx":
        return IsolatedRisk(
            inverse=place.inverse,
            long=place.long,
            size=place.size,
            entry=place.entry,
            leverage=place.leverage,
            margin=place.margin,
            profit=profit,
            rate=rate,
            tick=Decimal("0.1"),
            mark=place.mark,
            own_rate=rate,
        )
    if place.inverse:
        return InverseRisk(
            long=place.long,
            value=place.size,
            entry=place.entry,
            leverage=place.leverage,
            margin=place.margin,
            profit=profit,
            rate=rate,
            mark=place.mark,
            own_value=place.size,
        )
    return LinearRisk(
        long=place.long,
        size=place.size,
        entry=place.entry,
        leverage=place.leverage,
        margin=place.margin,
        profit=profit,
        rate=rate,
        mark=place.mark,
        own_offset=Decimal(0),
    )


def position_of(place: Place) -> Position:
    """The position as an adapter shows it."""
    notional = place.size / place.mark if place.inverse else place.size * place.mark
    bare = Position(
        address=Address("BTCUSD" if place.inverse else "BTCUSDT", place.side),
        asset="BTC" if place.inverse else "USDT",
        margin_type=MarginType.ISOLATED,
        isolated_margin=place.margin,
        size=place.size,
        mark_price=place.mark,
        notional=notional,
        risk=risk_of(place),
    )
    return with_margin(bare, place.margin)


def with_margin(position: Position, margin: Decimal) -> Position:
    """The same position with another margin, and the liquidation price that the exchange would show for it."""
    found = position.risk
    assert isinstance(found, BinanceRisk | IsolatedRisk | LinearRisk | InverseRisk)
    risk = replace(found, wallet=margin) if isinstance(found, BinanceRisk) else replace(found, margin=margin)
    return replace(position, isolated_margin=margin, risk=risk, liquidation_price=risk.liquidation_price(margin))


def booked(place: Place) -> tuple[Rules, Market, BookPosition]:
    """The same position in the sandbox's books."""
    rules: Rules = {"binance": BinanceRules, "okx": OkxRules, "bitget": BitgetRules}[place.exchange]()
    market = Market(
        symbol="X",
        asset="BTC" if place.inverse else "USDT",
        mark=place.mark,
        tiers=TIERS if place.exchange == "binance" else FLAT,
        inverse=place.inverse,
        taker_fee=FEE,
        tick=Decimal("0.1"),
    )
    held = BookPosition(
        symbol="X",
        side=place.side.value,
        margin_type="isolated",
        size=place.size,
        entry=place.entry,
        margin=place.margin,
        leverage=place.leverage,
        identity=1,
        opened_ms=0,
        updated_ms=0,
    )
    return rules, market, held


def _place(exchange: str, side: Side, *, inverse: bool = False, mark: str = "60500") -> Place:
    return Place(
        exchange=exchange,
        side=side,
        size=Decimal(50_000) if inverse else Decimal("1.2"),
        entry=Decimal(60_000),
        mark=Decimal(mark),
        margin=Decimal("0.08") if inverse else Decimal(7_200),
        inverse=inverse,
    )


PLACES = {
    **{
        f"{name} {side}": _place(name, side)
        for name in ("binance", "okx", "bitget")
        for side in (Side.LONG, Side.SHORT)
    },
    **{
        f"{name} {side} inverse": _place(name, side, inverse=True)
        for name in ("okx", "bitget")
        for side in (Side.LONG, Side.SHORT)
    },
    "binance long in loss": _place("binance", Side.LONG, mark="55000"),
    "okx short in loss": _place("okx", Side.SHORT, mark="66000"),
}
POSITIONS = {name: position_of(place) for name, place in PLACES.items()}
