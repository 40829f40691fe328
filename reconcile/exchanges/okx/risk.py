"""Risk on OKX: liquidation price and removable margin, linear and inverse.

Source: okx-position-simulator-go, measured on OKX demo; not in the API guide. With Q the size (base currency for
linear, quote currency for inverse), E the average entry price, M the margin, and r the tier's maintenance rate plus
the fee of closing:

    linear   long (E·Q − M) / (Q·(1 − r)) + tick      short (E·Q + M) / (Q·(1 + r)) − tick
    inverse  long Q·(1 + r) / (M + Q/E) + tick        short Q·(1 − r) / (Q/E − M) − tick

    margin with which L is the liquidation price: the same equations for M, L without the tick
    maintenance with the fee of closing = r · value at the mark, as the exchange's own ratio has it

    removable = M − opening margin + min(0, unrealised profit), the opening margin being Q·E/leverage or Q/(E·leverage)

The fee of closing depends on the account and is in no read that we make. If the exchange shows a liquidation price,
``fitted`` derives r from it. Otherwise r comes from the tier and the ordinary fee. ``own_rate`` is r by the tier and
the ordinary fee in any case, to check the formula against the shown price.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from reconcile.model.risk import Exposure, with_profit_at_mark
from reconcile.money import ZERO

ORDINARY_TAKER_FEE = Decimal("0.0005")
_HIGHEST_RATE = Decimal("0.75")
"""A fitted rate beyond this is no rate: the row's fields do not belong together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolatedRisk:
    """One open isolated position. ``rate`` is r above; ``size`` is Q, unsigned; ``profit`` is unrealised."""

    inverse: bool
    long: bool
    size: Decimal
    entry: Decimal
    leverage: Decimal
    margin: Decimal
    profit: Decimal
    rate: Decimal
    tick: Decimal
    mark: Decimal | None = None
    own_rate: Decimal | None = None

    def liquidation_price(self, margin: Decimal) -> Decimal | None:
        """The mark price of liquidation with this margin; None when it is never reached."""
        over, under = self.terms(margin)
        if under <= 0:
            return None
        price = over / under + (self.tick if self.long else -self.tick)
        return price if over > 0 and price > 0 else None

    def removable(self) -> Decimal:
        """The margin that can be taken out now; 0 for a position that was just opened."""
        opened = self.size / (self.entry * self.leverage) if self.inverse else self.size * self.entry / self.leverage
        return max(ZERO, self.margin - opened + min(ZERO, self.profit))

    def margin_at(self, price: Decimal) -> Decimal:
        """The margin that is used up at this mark price, with the buffer of one tick."""
        bare = price - self.tick if self.long else price + self.tick
        if self.inverse:
            if self.long:  # no margin brings the price under the buffer
                return self.size * (1 + self.rate) / max(bare, self.tick / 1000) - self.size / self.entry
            return self.size / self.entry - self.size * (1 - self.rate) / bare
        if self.long:
            return self.entry * self.size - bare * self.size * (1 - self.rate)
        return bare * self.size * (1 + self.rate) - self.entry * self.size

    def exposure(self) -> Exposure | None:
        """The position at its mark price; maintenance has the fee of closing in it."""
        if not self.mark:
            return None
        sign = 1 if self.long else -1
        if self.inverse:
            notional, profit = self.size / self.mark, sign * self.size * (1 / self.entry - 1 / self.mark)
        else:
            notional, profit = self.size * self.mark, sign * self.size * (self.mark - self.entry)
        return Exposure(profit=profit, notional=notional, maintenance=notional * self.rate)

    def moved(self, mark: Decimal, margin: Decimal) -> "IsolatedRisk":
        """The same position at another mark price and with another margin."""
        own_rate = None if self.own_rate is None else self.rate
        return with_profit_at_mark(replace(self, mark=mark, margin=margin, own_rate=own_rate))

    def unfitted(self) -> "IsolatedRisk | None":
        """The same position with r by the tier and the ordinary fee; None where the tier is not known."""
        return None if self.own_rate is None else self.with_rate(self.own_rate)

    def with_rate(self, rate: Decimal) -> "IsolatedRisk":
        """The same position with another r."""
        return replace(self, rate=rate)

    def terms(self, margin: Decimal) -> tuple[Decimal, Decimal]:
        """Numerator and denominator of the liquidation price, before the tick."""
        return self._inverse(margin) if self.inverse else self._linear(margin)

    def _linear(self, margin: Decimal) -> tuple[Decimal, Decimal]:
        if self.long:
            return self.entry * self.size - margin, self.size * (1 - self.rate)
        return self.entry * self.size + margin, self.size * (1 + self.rate)

    def _inverse(self, margin: Decimal) -> tuple[Decimal, Decimal]:
        if self.long:
            return self.size * (1 + self.rate), margin + self.size / self.entry
        return self.size * (1 - self.rate), self.size / self.entry - margin


def fitted(risk: IsolatedRisk, shown: Decimal | None) -> IsolatedRisk | None:
    """The same position with the rate behind the liquidation price that the exchange shows; None when it cannot be.

    ``shown`` is the row's own price, None where the row has none; the rate of ``risk`` is not looked at.
    """
    bare = None if shown is None else shown - (risk.tick if risk.long else -risk.tick)
    if bare is None or bare <= 0:
        return None
    over, under = risk.with_rate(ZERO).terms(risk.margin)
    if over <= 0 or under <= 0:
        return None
    ratio = bare * under / over if risk.inverse else over / (bare * under)
    rate = ratio - 1 if risk.inverse is risk.long else 1 - ratio
    return risk.with_rate(rate) if ZERO <= rate <= _HIGHEST_RATE else None


SHAPES: Mapping[str, type[IsolatedRisk]] = {"isolated": IsolatedRisk}
"""The formulas of this exchange, by the name that a saved observation has for each."""
