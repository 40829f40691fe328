"""One margin step as data: its amount, its direction, and its effect on the liquidation price."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from reconcile.model.account import Address, DesiredAccount, Percent, Position, Target
from reconcile.model.plan import Entry, MoveMargin
from reconcile.model.traits import Traits
from reconcile.money import cut, minus, plus
from reconcile.planning.bands import measure_at

StepId = Callable[[Address, str], str]
"""Names a step by its address and action."""


def amount_step(desired: DesiredAccount, traits: Traits, asset: str) -> Decimal:
    """The smallest amount by which margin of this asset moves: the file's value, else the exchange's."""
    return desired.amount_step or traits.amount_step(asset)


def margin_move(
    step_id: StepId,
    position: Position,
    asset: str,
    delta: Decimal,
    tolerance: Decimal,
    *,
    measures: tuple[Decimal | None, Decimal | None] = (None, None),
) -> MoveMargin:
    """The step that moves ``delta`` (not 0; below 0 takes out), with its effect on the liquidation price.

    ``measures`` are the values of the declared measure before and after it.
    """
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
        measure_before=measures[0],
        measure_after=measures[1],
    )


def resized(step: MoveMargin, amount: Decimal, target: Target | None, position: Position | None) -> MoveMargin:
    """The same step with another amount (> 0), and that amount's effect on liquidation price and measure."""
    after = plus(step.before, amount if step.action == "add_margin" else -amount)
    if target is None or position is None:
        return replace(step, amount=amount, after=after, ceiling=None)
    price = position.liquidation_at(after)
    return replace(
        step,
        amount=amount,
        after=after,
        ceiling=None,
        liquidation_price_after=price,
        liquidation_distance_after=position.distance_to(price),
        measure_after=None if target.band is None else measure_at(target, position, after),
    )


def with_headroom(
    entry: Entry,
    headroom: Percent | None,
    step_size: Callable[[str], Decimal],
    room_for: Callable[[MoveMargin, Position], Decimal | None],
) -> Entry:
    """The entry with what its addition may grow to where its measure asks for more just before it is sent.

    Within ``at_most`` and ``room_for`` (None: no limit). Without ``headroom``, a reduction and a declared amount have
    none.
    """
    band = None if entry.target is None else entry.target.band
    step, held = next((step for step in entry.steps if isinstance(step, MoveMargin)), None), entry.observed
    if headroom is None or band is None or held is None or step is None or step.action != "add_margin":
        return entry
    wider, room = plus(step.amount, headroom.of(step.amount)), room_for(step, held)
    most = min(wider, minus(band.at_most, step.before), wider if room is None else room)
    ceiling = cut(most, step_size(step.asset))
    return with_move(entry, replace(step, ceiling=ceiling)) if ceiling > step.amount else entry


def with_move(entry: Entry, move: MoveMargin) -> Entry:
    """The entry with another margin step in the place of its own."""
    return replace(entry, steps=tuple(move if isinstance(step, MoveMargin) else step for step in entry.steps))
