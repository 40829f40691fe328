"""Profit at another mark price: recomputed where there is one, and left alone where there is none."""

from dataclasses import dataclass
from decimal import Decimal

import pytest

from reconcile.model.risk import Exposure, with_profit_at_mark


@dataclass(frozen=True, kw_only=True)
class OfOneCoin:
    """A long position of one coin that was opened at 100."""

    profit: Decimal
    mark: Decimal | None

    def exposure(self) -> Exposure | None:
        if self.mark is None:
            return None
        return Exposure(profit=self.mark - 100, notional=self.mark, maintenance=Decimal(1))


@pytest.mark.parametrize(("mark", "profit"), [(Decimal(97), Decimal(-3)), (None, Decimal(7))])
def test_the_profit_is_that_of_the_mark_price(mark: Decimal | None, profit: Decimal) -> None:
    there = with_profit_at_mark(OfOneCoin(profit=Decimal(7), mark=mark))
    assert (there.profit, there.mark) == (profit, mark)
