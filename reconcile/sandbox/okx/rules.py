"""OKX v5 formulas, as measured on its demo by public simulators: removable margin, liquidation price, tiers by size.

Written here by itself and checked against the same measured vectors as the adapter, never shared with it. Brackets
(``RiskTier.floor`` and ``cap``) are in contracts: the one that holds the size applies to all of it.
"""

from decimal import Decimal

from reconcile.money import ZERO
from reconcile.sandbox.rules import Rules
from reconcile.sandbox.values import CROSSED, BookPosition, Market, RiskTier, View


class OkxRules(Rules):
    """Linear and inverse contracts; the margin type belongs to each position."""

    type_on_symbol = False

    def tier(self, market: Market, position: BookPosition) -> RiskTier:
        """The bracket of a position's size."""
        return market.tier(abs(position.size))

    def maintenance(self, market: Market, position: BookPosition) -> Decimal:
        """``mmr``: value at the mark times the bracket's rate, without fees."""
        return market.notional(position.size, market.mark) * self.tier(market, position).mmr

    def closing_fee(self, market: Market, position: BookPosition) -> Decimal:
        """The fee of closing at the mark price."""
        return market.notional(position.size, market.mark) * market.taker_fee

    def margin_ratio(self, market: Market, position: BookPosition) -> Decimal:
        """``(margin + upl) / (mmr + closing fee)``; liquidation near 1."""
        behind = position.margin + market.profit(position, market.mark)
        return behind / (self.maintenance(market, position) + self.closing_fee(market, position))

    def liquidation_price(self, market: Market, position: BookPosition) -> Decimal | None:
        """The estimate with its buffer of one tick; None for crossed positions and where no price reaches it."""
        if position.margin_type == CROSSED:
            return None
        rate = self.tier(market, position).mmr + market.taker_fee
        quantity, sign, margin = abs(position.size) * market.contract_value, position.direction, position.margin
        if market.inverse:
            value = quantity / position.entry
            bottom = margin + value if sign > 0 else value - margin
            price = quantity * (1 + sign * rate) / bottom if bottom > 0 else None
        else:
            price = (position.entry * quantity - sign * margin) / (quantity * (1 - sign * rate))
        if price is None or price <= 0:
            return None
        price += sign * market.tick
        return price if price > 0 else None

    def top_up(self, market: Market, position: BookPosition, leverage: Decimal) -> Decimal:
        """Cash comes in until margin and profit reach the initial margin at the entry; raising returns nothing."""
        wanted = market.notional(position.size, position.entry) / leverage
        return max(ZERO, wanted - position.margin - market.profit(position, market.mark))

    def crossed_initial(self, view: View, asset: str) -> Decimal:
        """``imr`` of the crossed positions of one asset, at the mark."""
        need = ZERO
        for position in view.positions.values():
            market = view.markets[position.symbol]
            if position.margin_type == CROSSED and market.asset == asset:
                need += market.notional(position.size, market.mark) / position.leverage
        return need

    def cross_ratio(self, view: View, asset: str) -> Decimal:
        """``mgnRatio`` of all crossed positions of one asset; 0 without one."""
        equity, owed = view.cross.get(asset, ZERO), ZERO
        for position in view.positions.values():
            market = view.markets[position.symbol]
            if position.margin_type == CROSSED and market.asset == asset:
                equity += market.profit(position, market.mark)
                owed += self.maintenance(market, position) + self.closing_fee(market, position)
        return equity / owed if owed else ZERO
