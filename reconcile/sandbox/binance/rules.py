"""Binance USD-M formulas, from the support pages on margin adjustment and liquidation price.

Written here by itself and checked against the same golden vectors as the adapter, never shared with it.
"""

from dataclasses import replace
from decimal import Decimal

from reconcile.money import ZERO
from reconcile.sandbox.rules import Rules
from reconcile.sandbox.values import CROSSED, BookPosition, Market, View


class BinanceRules(Rules):
    """Isolated margin of linear contracts with joined maintenance brackets."""

    def maintenance(self, market: Market, position: BookPosition) -> Decimal:
        """``q * mark * MMR - cum`` of the bracket at the mark."""
        notional = market.notional(position.size, market.mark)
        tier = market.tier(notional)
        return notional * tier.mmr - tier.cum

    def initial_margin(self, market: Market, position: BookPosition) -> Decimal:
        """Measured at the mark price, not at the entry."""
        return market.notional(position.size, market.mark) / position.leverage

    def removable(self, market: Market, position: BookPosition) -> Decimal:
        """``max(0, min(WB - MM, WB + profit - initial margin at the mark))``."""
        margin = position.margin
        after_profit = margin + market.profit(position, market.mark) - self.initial_margin(market, position)
        return max(ZERO, min(margin - self.maintenance(market, position), after_profit))

    def liquidation_price(self, market: Market, position: BookPosition) -> Decimal | None:
        """``(WB + cum - s*q*entry) / (q*(MMR - s))``, with the bracket chosen at the price it gives."""
        quantity, sign = abs(position.size), position.direction
        for tier in market.tiers:
            price = (position.margin + tier.cum - sign * quantity * position.entry) / (quantity * (tier.mmr - sign))
            if price * quantity <= tier.cap:
                return price if price > 0 else None
        return None

    def crossed_liquidation_price(self, view: View, position: BookPosition) -> Decimal | None:
        """The same formula with the whole cross wallet behind the position; others in the account are left out."""
        market = view.markets[position.symbol]
        return self.liquidation_price(market, replace(position, margin=view.cross.get(market.asset, ZERO)))

    def addable(self, view: View, asset: str) -> Decimal:
        """``max(0, min(cross wallet - maintenance of crossed positions, available))``."""
        free = view.cross.get(asset, ZERO)
        for position in view.positions.values():
            if position.margin_type == CROSSED and view.markets[position.symbol].asset == asset:
                free -= self.maintenance(view.markets[position.symbol], position)
        return max(ZERO, min(free, self.available(view, asset)))
