"""Bitget v2 formulas: liquidation price and risk rate as the documents' example has them, an assumed limit of removal.

No document gives the removable margin; the assumption here is the initial margin at the entry price plus any loss.
Written here by itself and checked against the same vectors as the adapter, never shared with it.
"""

from dataclasses import replace
from decimal import Decimal

from reconcile.money import ZERO
from reconcile.sandbox.rules import Rules
from reconcile.sandbox.values import CROSSED, BookPosition, Market

SLICES_SINCE_MS = 1_762_761_600_000
"""Linear positions opened since 2025-11-10 08:00 UTC owe each slice of their value at the rate of its own tier."""
USDT, COIN, USDC = "USDT-FUTURES", "COIN-FUTURES", "USDC-FUTURES"
PRODUCTS = (USDT, COIN, USDC)


class BitgetRules(Rules):
    """The margin type belongs to the symbol, the position mode to the product."""

    def scope(self, market: Market) -> str:
        """The product type of a contract."""
        if market.inverse:
            return COIN
        return USDC if market.asset == "USDC" else USDT

    def maintenance(self, market: Market, position: BookPosition) -> Decimal:
        """The rate of the tier, with the closing fee, less what the lower slices owe less."""
        return super().maintenance(market, position) - self._offset(market, position)

    def liquidation_price(self, market: Market, position: BookPosition) -> Decimal | None:
        """``(margin + offset - d*S*E) / (S*(r - d))``; inverse contracts have no offset."""
        offset = self._offset(market, position)
        return super().liquidation_price(market, replace(position, margin=position.margin + offset))

    def _offset(self, market: Market, position: BookPosition) -> Decimal:
        if market.inverse or position.opened_ms < SLICES_SINCE_MS:
            return ZERO
        return market.tier(market.notional(position.size, market.mark)).cum

    def risk_rate(self, market: Market, position: BookPosition) -> Decimal:
        """``marginRatio``: maintenance with the closing fee over margin and profit; liquidation at 1."""
        behind = position.margin + market.profit(position, market.mark)
        return self.maintenance(market, position) / behind if behind > 0 else Decimal(1)

    def shown_margin(self, market: Market, position: BookPosition) -> Decimal:
        """``marginSize``: what is allocated, and on crossed rows the value at the mark over the leverage."""
        if position.margin_type == CROSSED:
            return market.notional(position.size, market.mark) / position.leverage
        return position.margin

    def removable(self, market: Market, position: BookPosition) -> Decimal:
        """Assumed: what exceeds the initial margin at the entry, less a loss, and does not liquidate."""
        loss = min(ZERO, market.profit(position, market.mark))
        spare = position.margin + loss - self.initial_margin(market, position)
        safe = position.margin + market.profit(position, market.mark) - self.maintenance(market, position)
        return max(ZERO, min(spare, safe))

    def top_up(self, market: Market, position: BookPosition, leverage: Decimal) -> Decimal:
        """Lowering the leverage pulls in what the initial margin lacks; raising returns nothing."""
        return max(ZERO, market.notional(position.size, position.entry) / leverage - position.margin)
