"""Risk on Bitget: liquidation price and removable margin, linear and inverse.

With M the margin, S the size, E the average entry price, d = +1 long or −1 short, and r the maintenance rate plus
taker fee:

    linear    (M + offset − S·E·d) / (S·(r − d))
    inverse   long Q·(1 + r) / (M + Q/E)     short Q·(1 − r) / (Q/E − M)     Q being the value in quote currency

    margin with which L is the liquidation price: the same equations for M
    maintenance with the taker fee = r · value at the mark − offset, as the exchange's own ratio has it

    removable = M + min(0, unrealised profit) − S·E/leverage     (inverse: Q/(E·leverage))

Source of the linear form: Bitget API doc, Get All Positions, whose example it reproduces. Source of the offset: the
support notice of 2025-09-29. For positions opened since 2025-11-10, the offset is a sum over the lower tiers: the start
of each tier times its step of the rate. Removable is our assumption: Bitget documents none, and a refusal decides.

The offset depends on the position's age and the tiers, and the unit of an inverse size on the symbol. If the row shows
a liquidation price, ``fitted`` takes both from it. Tiers are needed only if there is none, or to check the formula
against the shown price. ``own_offset`` and ``own_value`` are the formula's values without that price.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from reconcile.model.risk import Exposure, with_profit_at_mark
from reconcile.money import ZERO

_PROFIT_AMISS = Decimal("0.05")
"""The tolerance of a computed profit, as a share of the shown one: each is of its own moment."""
OFFSET_SINCE_MS = 1_762_761_600_000
"""Positions opened before 2025-11-10 08:00 UTC keep the rate of their highest tier on the whole value: no offset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BitgetTier:
    """One maintenance tier: the notional it starts at, and the rate from there on."""

    start: Decimal
    rate: Decimal


def tier_offset(tiers: Sequence[BitgetTier], rate: Decimal) -> Decimal:
    """The offset of a position whose maintenance rate is ``rate``; ``tiers`` in rising order."""
    offset = ZERO
    previous: Decimal | None = None
    for tier in tiers:
        if tier.rate > rate:
            break
        if previous is not None:
            offset += tier.start * (tier.rate - previous)
        previous = tier.rate
    return offset


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearRisk:
    """One open isolated position on a linear contract. ``rate`` is r above; ``profit`` is unrealised."""

    long: bool
    size: Decimal
    entry: Decimal
    leverage: Decimal
    margin: Decimal
    profit: Decimal
    rate: Decimal
    offset: Decimal = ZERO
    mark: Decimal | None = None
    own_offset: Decimal | None = None

    def liquidation_price(self, margin: Decimal) -> Decimal | None:
        """The mark price of liquidation with this margin; None when it is never reached."""
        price = (margin + self.offset - self._value) / self._slope
        return price if price > 0 else None

    def removable(self) -> Decimal:
        """The margin that can be taken out now, by our assumption; 0 for a position that was just opened."""
        return max(ZERO, self.margin + min(ZERO, self.profit) - self.size * self.entry / self.leverage)

    def margin_at(self, price: Decimal) -> Decimal:
        """The margin that is used up at this mark price."""
        return price * self._slope - self.offset + self._value

    def exposure(self) -> Exposure | None:
        """The position at its mark price; maintenance has the taker fee in it."""
        if not self.mark:
            return None
        notional = self.size * self.mark
        profit = notional - self._value if self.long else -self._value - notional
        return Exposure(profit=profit, notional=notional, maintenance=notional * self.rate - self.offset)

    def moved(self, mark: Decimal, margin: Decimal) -> "LinearRisk":
        """The same position at another mark price and with another margin."""
        own_offset = None if self.own_offset is None else self.offset
        return with_profit_at_mark(replace(self, mark=mark, margin=margin, own_offset=own_offset))

    def unfitted(self) -> "LinearRisk | None":
        """The same position with the offset of its tiers; None where they were not read."""
        return None if self.own_offset is None else replace(self, offset=self.own_offset)

    def fitted(self, shown: Decimal) -> "LinearRisk":
        """The same position with the offset behind the liquidation price that the row shows."""
        return replace(self, offset=shown * self._slope - self.margin + self._value)

    @property
    def _value(self) -> Decimal:
        return self.size * self.entry if self.long else -self.size * self.entry

    @property
    def _slope(self) -> Decimal:
        return self.size * (self.rate - 1 if self.long else self.rate + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class InverseRisk:
    """One open isolated position on a coin-margined contract. ``value`` is Q above, in quote currency."""

    long: bool
    value: Decimal
    entry: Decimal
    leverage: Decimal
    margin: Decimal
    profit: Decimal
    rate: Decimal
    mark: Decimal | None = None
    own_value: Decimal | None = None

    def liquidation_price(self, margin: Decimal) -> Decimal | None:
        """The mark price of liquidation with this margin; None when it is never reached."""
        coins = self.value / self.entry
        under = margin + coins if self.long else coins - margin
        if under <= 0:
            return None
        return self.value * (1 + self.rate if self.long else 1 - self.rate) / under

    def removable(self) -> Decimal:
        """The margin that can be taken out now, by our assumption; 0 for a position that was just opened."""
        return max(ZERO, self.margin + min(ZERO, self.profit) - self.value / (self.entry * self.leverage))

    def margin_at(self, price: Decimal) -> Decimal:
        """The margin that is used up at this mark price."""
        coins = self.value / self.entry
        if self.long:
            return self.value * (1 + self.rate) / price - coins
        return coins - self.value * (1 - self.rate) / price

    def exposure(self) -> Exposure | None:
        """The position at its mark price; maintenance has the taker fee in it."""
        if not self.mark:
            return None
        notional = self.value / self.mark
        profit = self.value / self.entry - notional if self.long else notional - self.value / self.entry
        return Exposure(profit=profit, notional=notional, maintenance=notional * self.rate)

    def moved(self, mark: Decimal, margin: Decimal) -> "InverseRisk":
        """The same position at another mark price and with another margin."""
        own_value = None if self.own_value is None else self.value
        return with_profit_at_mark(replace(self, mark=mark, margin=margin, own_value=own_value))

    def unfitted(self) -> "InverseRisk | None":
        """The same position with the value that its size says; None where its unit is not known."""
        return None if self.own_value is None else replace(self, value=self.own_value)

    def reproduces_profit(self) -> bool:
        """Whether the value gives the profit that the row shows: a size in another unit is off by the price."""
        now = self.exposure()
        return (
            now is not None and bool(self.profit) and abs(now.profit - self.profit) <= _PROFIT_AMISS * abs(self.profit)
        )

    def fitted(self, shown: Decimal) -> "InverseRisk":
        """The same position with the value behind the liquidation price that the row shows, where there is one."""
        share = shown / self.entry
        under = 1 + self.rate - share if self.long else share - 1 + self.rate
        return replace(self, value=shown * self.margin / under) if under > 0 and self.margin > 0 else self


SHAPES: Mapping[str, type[LinearRisk] | type[InverseRisk]] = {"linear": LinearRisk, "inverse": InverseRisk}
"""The formulas of this exchange, by the name that a saved observation has for each."""
