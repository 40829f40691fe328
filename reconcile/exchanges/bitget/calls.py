"""The bodies of Bitget's calls: margin, margin mode, auto margin. Each raises ValueError for what must never be sent.

Sources: Bitget API doc (Adjust Position Margin, Change Margin Mode, Set Isolated Position Auto Margin). The last one
prints no product type, so none is sent: a symbol belongs to one product.
"""

from decimal import Decimal

from reconcile.exchanges.base import above_zero, open_isolated
from reconcile.exchanges.bitget.account import WIRE_TYPES, Contract
from reconcile.model.account import Position, Side
from reconcile.model.auto_add import SetAutoAdd
from reconcile.model.plan import MoveMargin, SetMarginType
from reconcile.money import plain


def margin(step: MoveMargin, amount: Decimal | None, held: Position | None) -> dict[str, str]:
    """The body of a margin call, without its product."""
    doing = f"moving margin of {step.address}"
    amount, held = above_zero(amount, doing), open_isolated(held, doing)
    return {
        "symbol": step.address.symbol,
        "marginCoin": held.asset,
        "holdSide": hold_side(held),
        "amount": plain(amount) if step.action == "add_margin" else f"-{plain(amount)}",
    }


def margin_mode(step: SetMarginType, contract: Contract | None) -> dict[str, str]:
    """The body of a change of the margin mode, without its product; ``contract`` is the symbol's."""
    symbol = step.address.symbol
    if contract is None:
        raise ValueError(f"changing the margin type of {symbol}: no look has shown its margin coin")
    return {"symbol": symbol, "marginCoin": contract.asset, "marginMode": WIRE_TYPES[step.after]}


def auto_margin(step: SetAutoAdd, held: Position | None) -> dict[str, str]:
    """The body of a switch of auto margin."""
    held = open_isolated(held, f"switching auto-add of {step.address}")
    return {
        "symbol": step.address.symbol,
        "autoMargin": step.after.value,
        "marginCoin": held.asset,
        "holdSide": hold_side(held),
    }


def hold_side(position: Position) -> str:
    """The ``holdSide`` that Bitget knows a position by; in one-way mode its sign tells."""
    match position.address.side:
        case Side.LONG | Side.SHORT:
            return position.address.side.value
        case Side.NET:
            return "long" if position.size > 0 else "short"
