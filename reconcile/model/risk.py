"""The risk of one open isolated position by its exchange's formulas; each adapter's ``risk`` fulfils ``Risk``."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, ClassVar, Protocol, TypeVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One open position at its mark price, in its margin asset: unrealised profit, value and maintenance margin.

    The maintenance margin has the closing fee in it where the exchange liquidates on both (OKX, Bitget).
    """

    profit: Decimal
    notional: Decimal
    maintenance: Decimal


class Risk(Protocol):
    """How an exchange computes what a margin is worth for one open isolated position; built by its adapter."""

    def liquidation_price(self, margin: Decimal) -> Decimal | None:
        """The mark price at which a position with this isolated margin is liquidated; None when it never is."""
        ...

    def removable(self) -> Decimal:
        """How much isolated margin the exchange lets us take out now; 0 when nothing."""
        ...

    def margin_at(self, price: Decimal) -> Decimal:
        """The isolated margin with which the position is liquidated at this mark price (> 0): the inverse of
        ``liquidation_price``. At or below 0 where profit alone carries the position that far."""
        ...

    def exposure(self) -> Exposure | None:
        """The position at its mark price; None where the exchange shows no mark price."""
        ...

    def moved(self, mark: Decimal, margin: Decimal) -> "Risk":
        """The same position at another mark price (> 0) and with another isolated margin, by this formula."""
        ...

    def unfitted(self) -> "Risk | None":
        """The same position by our own formula alone, nothing taken from the liquidation price that the exchange
        shows; None where the formula lacks what it needs."""
        ...


class _WithProfit(Protocol):
    """A formula that keeps the unrealised profit as a field of its own."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def exposure(self) -> Exposure | None: ...


Formula = TypeVar("Formula", bound=_WithProfit)


def with_profit_at_mark(risk: Formula) -> Formula:
    """The same position with the profit that it has at its own mark price; as it is where it has none."""
    now = risk.exposure()
    return risk if now is None else replace(risk, profit=now.profit)
