"""One margin step as data: its amount, its direction, and what it does to the liquidation price."""

from collections.abc import Callable
from decimal import Decimal

from reconcile.model.account import Address, DesiredAccount, Position
from reconcile.model.plan import MoveMargin
from reconcile.model.traits import Traits
from reconcile.money import plus

StepId = Callable[[Address, str], str]
"""Names a step by its address and action."""


def amount_step(desired: DesiredAccount, traits: Traits, asset: str) -> Decimal:
    """The smallest amount that margin of this asset is moved by: the file's, else the exchange's."""
    return desired.amount_step or traits.amount_step(asset)


def margin_move(step_id: StepId, position: Position, asset: str, delta: Decimal, tolerance: Decimal) -> MoveMargin:
    """The step that moves ``delta`` (not 0; below 0 takes out), with what it does to the liquidation price."""
    before = position.isolated_margin
    after = plus(before, delta)
    told = position.liquidation_price
    price_before = position.liquidation_at(before) if told is None else told
    price_after = position.liquidation_at(after)
    return MoveMargin(
        step_id=step_id(position.address, "add_margin" if delta > 0 else "reduce_margin"),
        address=position.address,
        asset=asset,
        amount=abs(delta),
        before=before,
        after=after,
        tolerance=tolerance,
        action="add_margin" if delta > 0 else "reduce_margin",
        liquidation_price_before=price_before,
        liquidation_price_after=price_after,
        liquidation_distance_before=position.distance_to(price_before),
        liquidation_distance_after=position.distance_to(price_after),
    )
