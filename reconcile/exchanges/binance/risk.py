"""Risk on Binance USD-M: liquidation price and removable margin of a linear position.

With W the isolated wallet, q the unsigned size, s = +1 long or −1 short, E the entry price, P the mark price, and the
tier's maintenance rate m and deduction c (``cum``):

    liquidation price = (W + c − s·q·E) / (q·(m − s)), with the tier that its own notional falls into
    margin with which L is the liquidation price = q·L·m − c − s·q·(L − E), with the tier of q·L
    removable = max(0, min(W − (q·P·m − c), W + s·q·(P − E) − q·P/leverage))

Sources: Binance Support, "How to Calculate Liquidation Price of USD-M Futures Contracts" and "How to Adjust Margin
Balance in Cross/Isolated Margin Mode". That the initial rate is 1/leverage is inferred from the initial margin that
positions show.

Maintenance margin as the tiers give it is continuous and grows slower than notional, so exactly one tier holds the
liquidation price that it gives. Tiers are taken as printed for this account: ``notionalCoef`` is not applied, since
no document says whether the printed bounds have it in them. Where it does matter, bounds without it come earlier and
demand more, so both results err to the safe side.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Context, Decimal

from reconcile.errors import ReadFailed
from reconcile.exchanges.http.rows import Row, rows
from reconcile.model.risk import Exposure
from reconcile.money import ZERO

_DIVISION = Context(prec=40)


@dataclass(frozen=True, slots=True, kw_only=True)
class BinanceTier:
    """One bracket: from ``floor`` notional on, ``rate`` of it is maintenance margin, less ``deduction``."""

    floor: Decimal
    rate: Decimal
    deduction: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BinanceRisk:
    """One open isolated position; fulfils ``model.Risk``. ``tiers`` by rising floor, at least one."""

    sign: int
    size: Decimal
    entry: Decimal
    mark: Decimal
    wallet: Decimal
    leverage: Decimal
    tiers: tuple[BinanceTier, ...]

    def liquidation_price(self, margin: Decimal) -> Decimal | None:
        """The mark price at which this margin is used up; None where no price above zero does that.

        Where tiers do not join, so that none holds the price that it gives, the earliest liquidation counts.
        """
        prices: list[Decimal] = []
        for index, tier in enumerate(self.tiers):
            price = self._price(margin, tier)
            if self._is_in(index, price * self.size):
                break
            prices.append(price)
        else:
            price = max(prices) if self.sign > 0 else min(prices)
        return price if price > 0 else None

    def removable(self) -> Decimal:
        """The most that can be taken out at the present mark price."""
        now = self.exposure()
        above_initial = self.wallet + now.profit - _DIVISION.divide(now.notional, self.leverage)
        return max(ZERO, min(self.wallet - now.maintenance, above_initial))

    def margin_at(self, price: Decimal) -> Decimal:
        """The wallet that is used up at this mark price."""
        return self._maintenance(self.size * price) - self._profit(price)

    def exposure(self) -> Exposure:
        """The position at its mark price; maintenance without a fee, as Binance liquidates."""
        notional = self.size * self.mark
        return Exposure(profit=self._profit(self.mark), notional=notional, maintenance=self._maintenance(notional))

    def moved(self, mark: Decimal, margin: Decimal) -> "BinanceRisk":
        """The same position at another mark price and with another wallet."""
        return replace(self, mark=mark, wallet=margin)

    def unfitted(self) -> "BinanceRisk":
        """Itself: nothing in it is taken from the price that Binance shows."""
        return self

    def _profit(self, price: Decimal) -> Decimal:
        return self.sign * self.size * (price - self.entry)

    def _maintenance(self, notional: Decimal) -> Decimal:
        tier = next(tier for tier in reversed(self.tiers) if notional >= tier.floor or tier is self.tiers[0])
        return notional * tier.rate - tier.deduction

    def _price(self, margin: Decimal, tier: BinanceTier) -> Decimal:
        left = margin + tier.deduction - self.sign * self.size * self.entry
        return _DIVISION.divide(left, self.size * (tier.rate - self.sign))

    def _is_in(self, index: int, notional: Decimal) -> bool:
        last = index + 1 == len(self.tiers)
        starts = index == 0 or notional >= self.tiers[index].floor
        return starts and (last or notional < self.tiers[index + 1].floor)


SHAPES: Mapping[str, type[BinanceRisk]] = {"linear": BinanceRisk}
"""The formulas of this exchange, by the name that a saved observation has for each."""


class _Brackets(Mapping[str, tuple[BinanceTier, ...]]):
    """The tiers of every symbol, each read when it is first asked for: an account uses a few of hundreds."""

    def __init__(self, listed: Mapping[str, Row]) -> None:
        self._listed = listed
        self._read: dict[str, tuple[BinanceTier, ...]] = {}

    def __getitem__(self, symbol: str) -> tuple[BinanceTier, ...]:
        found = self._read.get(symbol)
        if found is None:
            found = self._read[symbol] = _tiers(self._listed[symbol])
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)


def tiers_by_symbol(what: str, payload: object) -> Mapping[str, tuple[BinanceTier, ...]]:
    """The answer of leverageBracket: a list over symbols, or one object; raises ReadFailed, also when one is read."""
    return _Brackets(
        {row.text("symbol"): row for row in rows(what, [payload] if isinstance(payload, dict) else payload)}
    )


def _tiers(row: Row) -> tuple[BinanceTier, ...]:
    tiers = [
        BinanceTier(
            floor=bracket.number("notionalFloor"),
            rate=bracket.number("maintMarginRatio"),
            deduction=bracket.number("cum"),
        )
        for bracket in row.rows("brackets")
    ]
    if any(tier.rate < 0 or tier.rate >= 1 for tier in tiers):
        raise ReadFailed(f"reading the brackets of {row.text('symbol')}: a rate is not between 0 and 1", again=False)
    return tuple(sorted(tiers, key=lambda tier: tier.floor))
