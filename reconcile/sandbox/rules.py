"""The formulas in which exchanges differ: liquidation price, what can be removed, what is free.

``Rules`` is the rule set of a plain linear or inverse contract. Its maintenance rate is flat, and its initial margin is
measured at the entry price. A dialect subclasses it where its exchange differs. All results are computed from the
arguments, so that a stale read shows stale results too.
"""

from decimal import Decimal

from reconcile.money import ZERO
from reconcile.sandbox.values import CROSSED, BookPosition, Market, View


class Rules:
    """The facts that the account rules need from an exchange. All amounts are in the symbol's margin asset."""

    type_on_symbol = True
    """Whether the margin type belongs to the symbol (Binance, Bitget) or to each position (OKX)."""
    amount_step = Decimal("0.00000001")
    """The step to which the exchange rounds its own margin bookings."""

    def scope(self, market: Market) -> str:  # noqa: ARG002 - for dialects
        """The scope of the position mode: the account, unless an exchange divides its accounts."""
        return ""

    def initial_margin(self, market: Market, position: BookPosition) -> Decimal:
        """The margin that must stay behind an isolated position."""
        return market.notional(position.size, position.entry) / position.leverage

    def maintenance(self, market: Market, position: BookPosition) -> Decimal:
        """The maintenance requirement at the mark price."""
        notional = market.notional(position.size, market.mark)
        return notional * (market.tier(notional).mmr + market.taker_fee)

    def removable(self, market: Market, position: BookPosition) -> Decimal:
        """The margin that may be taken out of an isolated position now; never negative."""
        loss = min(ZERO, market.profit(position, market.mark))
        return max(ZERO, position.margin + loss - self.initial_margin(market, position))

    def liquidation_price(self, market: Market, position: BookPosition) -> Decimal | None:
        """The mark price at which an isolated position is liquidated; None when it never is, or is crossed."""
        if position.margin_type == CROSSED:
            return None
        rate = market.tier(market.notional(position.size, market.mark)).mmr + market.taker_fee
        quantity, sign = abs(position.size) * market.contract_value, position.direction
        if market.inverse:
            bottom = sign * position.margin + quantity / position.entry
            price = quantity * (1 + sign * rate) / bottom if bottom > 0 else ZERO
        else:
            price = (position.margin - sign * quantity * position.entry) / (quantity * (rate - sign))
        return price if price > 0 else None

    def available(self, view: View, asset: str) -> Decimal:
        """Free balance of an asset: what is not allocated, plus crossed profit, less crossed initial margin."""
        free = view.cross.get(asset, ZERO)
        for position in view.positions.values():
            if position.margin_type == CROSSED:
                market = view.markets[position.symbol]
                if market.asset == asset:
                    need = market.notional(position.size, market.mark) / position.leverage
                    free += market.profit(position, market.mark) - need
        return max(ZERO, free)

    def addable(self, view: View, asset: str) -> Decimal:
        """The amount that may be moved into isolated positions now."""
        return max(ZERO, min(view.cross.get(asset, ZERO), self.available(view, asset)))

    def top_up(self, market: Market, position: BookPosition, leverage: Decimal) -> Decimal:  # noqa: ARG002 - for dialects
        """The margin that a lower leverage pulls into an isolated position; 0 where the exchange moves nothing."""
        return ZERO
