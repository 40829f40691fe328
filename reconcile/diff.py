"""Declared against observed: what every address is, and what one call would bring it where it should be.

Pure: the answer depends on nothing but the arguments, and comes in the file's order. Where several things are wrong
with an address, the first that a person has to mend is named. The same question just before a step is sent, where the
plan is only a ceiling, is answered in ``fresh.py`` and offered from here as well.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from reconcile.exchanges.traits import Scope, Traits
from reconcile.fresh import FreshMove, InSync, Send, Stale, fresh_move
from reconcile.model import (
    Address,
    DesiredAccount,
    MarginType,
    ObservedAccount,
    Position,
    Side,
    SymbolState,
    Target,
    Unmanaged,
)
from reconcile.money import ZERO, cut, minus, plain, plus
from reconcile.plan import Entry, MoveMargin, SetMarginType, Status, Step

__all__ = ["FreshMove", "InSync", "Send", "Stale", "amount_step", "diff", "fresh_move"]


def diff(
    desired: DesiredAccount,
    observed: ObservedAccount,
    *,
    held: Mapping[Address, str],
    traits: Traits,
    targets: Collection[Address] | None = None,
) -> tuple[Entry, ...]:
    """One entry per declared address in file order, then what is held or unmanaged without being declared.

    ``held`` maps an address to why an earlier outcome is unsettled; it holds the whole lane. ``targets`` restricts the
    declared addresses (None: all of them); what is held is shown all the same. Steps are named ``ADDRESS/action`` until
    the planner gives them their ids.
    """
    chosen = tuple(
        target for target in desired.targets if targets is None or target.address in targets or target.address in held
    )
    first: dict[str, Address] = {}
    for target in chosen:
        first.setdefault(target.address.symbol, target.address)
    view = _View(desired=desired, observed=observed, held=held, traits=traits, first=first)
    return (*(_declared(view, target) for target in chosen), *_undeclared(view))


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    desired: DesiredAccount
    observed: ObservedAccount
    held: Mapping[Address, str]
    traits: Traits
    first: Mapping[str, Address]
    """The first declared address of each symbol."""

    def held_reason(self, address: Address, *, whole_symbol: bool) -> str | None:
        reason = self.held.get(address)
        if reason is not None or not whole_symbol:
            return reason
        same = next((other for other in _slots(address.symbol) if other in self.held), None)
        return f"{same} is held: {self.held[same]}" if same is not None else None

    def observed_type(self, position: Position | None, symbol: SymbolState) -> MarginType | None:
        if position is not None and position.is_open:
            return position.margin_type
        if self.traits.margin_type_scope is not Scope.SYMBOL:
            return None
        return symbol.margin_type

    def entry(
        self,
        target: Target,
        status: Status,
        reason: str = "",
        *,
        blocked_by: str | None = None,
        steps: tuple[Step, ...] = (),
        wanted: Step | None = None,
    ) -> Entry:
        symbol = self.observed.symbols.get(target.address.symbol)
        position = self.observed.positions.get(target.address)
        return Entry(
            address=target.address,
            status=status,
            asset=symbol.asset if symbol else None,
            target=target,
            observed=position,
            observed_type=self.observed_type(position, symbol) if symbol else None,
            blocked_by=blocked_by,
            reason=reason,
            steps=steps,
            wanted=wanted,
        )

    def blocked(self, target: Target, blocked_by: str, reason: str, wanted: Step | None = None) -> Entry:
        return self.entry(target, Status.BLOCKED, reason, blocked_by=blocked_by, wanted=wanted)


def _declared(view: _View, target: Target) -> Entry:
    address = target.address
    held = view.held_reason(address, whole_symbol=view.traits.lane is Scope.SYMBOL)
    if held is not None:
        return view.entry(target, Status.HELD, held)
    symbol = view.observed.symbols.get(address.symbol)
    if symbol is None:
        return view.blocked(
            target, "account", f"{address.symbol} is not an instrument of this account; correct the symbol"
        )
    refused = _account_refuses(view, target)
    if refused is not None:
        return refused
    position = view.observed.positions.get(address)
    observed_type = view.observed_type(position, symbol)
    if observed_type is None:
        return view.entry(target, Status.WAITING, f"no open position; {target.margin_type} is expected when one opens")
    if observed_type is not target.margin_type:
        return _retype(view, target, observed_type, symbol)
    return _margin(view, target, position, symbol.asset)


def _account_refuses(view: _View, target: Target) -> Entry | None:
    if target.margin_type is not MarginType.ISOLATED:
        return None
    if view.observed.account_block is not None:
        return view.blocked(target, "account", view.observed.account_block)
    if view.observed.multi_assets:
        mend = "the account is in multi-assets mode, which is crossed only; switch it to single-asset mode"
        return view.blocked(target, "multi_assets", mend)
    return None


def _retype(view: _View, target: Target, before: MarginType, symbol: SymbolState) -> Entry:
    address = target.address
    held = view.held_reason(address, whole_symbol=True)
    if held is not None:
        return view.entry(target, Status.HELD, held)
    by_symbol = view.traits.margin_type_scope is Scope.SYMBOL
    first = view.first[address.symbol]
    step = SetMarginType(step_id=f"{address}/set_margin_type", address=address, before=before, after=target.margin_type)
    if view.observed.account_block is not None:
        return view.blocked(target, "account", view.observed.account_block, step)
    in_the_way = _in_the_way(view.observed, address, by_symbol=by_symbol)
    if in_the_way:
        mend = "close it" if by_symbol else f"close it and reopen it as {target.margin_type}"
        reason = f"{before}, and the type cannot change while {', '.join(in_the_way)} is open; {mend}, then apply again"
        return view.blocked(target, "open_position", reason, step)
    if symbol.open_orders is not False:
        known = "has open orders" if symbol.open_orders else "may have open orders: they were not read"
        return view.blocked(
            target, "open_orders", f"{before}, and {symbol.symbol} {known}; cancel them, then apply again", step
        )
    reason = "" if target.isolated_margin is None else "its margin waits for an open position"
    if first != address:
        shared = f"its type changes together with {first}"
        return view.entry(target, Status.CHANGE, f"{shared}; {reason}" if reason else shared)
    return view.entry(target, Status.CHANGE, reason, steps=(step,))


def _in_the_way(observed: ObservedAccount, address: Address, *, by_symbol: bool) -> list[str]:
    places = _slots(address.symbol) if by_symbol else [address]
    found = [observed.positions[place] for place in places if place in observed.positions]
    return [f"{position.address} ({plain(position.size)})" for position in found if position.is_open]


def _slots(symbol: str) -> list[Address]:
    """Every address a symbol can have, in order."""
    return [Address(symbol, side) for side in sorted(Side)]


def _margin(view: _View, target: Target, position: Position | None, asset: str) -> Entry:
    if target.isolated_margin is None:
        return view.entry(target, Status.IN_SYNC)
    if position is None or not position.is_open:
        return view.entry(target, Status.WAITING, "no open position")
    if position.size < 0 and target.address.side is not Side.NET:
        odd = f"the exchange shows a size of {plain(position.size)} for a {target.address.side} position; look there"
        return view.blocked(target, "account", odd)
    step_size = amount_step(view.desired, view.traits, asset)
    tolerance = target.tolerance.amount(target.isolated_margin, asset)
    delta = _delta(target.isolated_margin, position.isolated_margin, tolerance, step_size)
    if delta == 0:
        note = "auto-add margin is on, so the exchange may add to it" if position.auto_add else ""
        return view.entry(target, Status.IN_SYNC, note)
    step = _move(position, asset, delta, tolerance)
    return _movable(view, target, position, step, step_size)


def _movable(view: _View, target: Target, position: Position, step: MoveMargin, step_size: Decimal) -> Entry:
    if position.auto_add:
        mend = "auto-add margin is on and would fight the declared margin; switch it off"
        return view.blocked(target, "auto_add", mend, step)
    removable = None if position.risk is None else position.risk.removable()
    if step.action == "reduce_margin" and removable is not None and step.amount > removable:
        lowest = plain(minus(position.isolated_margin, cut(removable, step_size)))
        reason = (
            f"taking out {plain(step.amount)} {step.asset} is more than the {plain(removable)} that can be taken out "
            f"now; declare {lowest} or more"
        )
        return view.blocked(target, "removable", reason, step)
    return view.entry(target, Status.CHANGE, steps=(step,))


def _undeclared(view: _View) -> list[Entry]:
    declared = {target.address for target in view.desired.targets}
    report = view.desired.policy.unmanaged is not Unmanaged.IGNORE
    entries = []
    for address in sorted({*view.held, *view.observed.positions} - declared):
        position = view.observed.positions.get(address)
        held = view.held.get(address)
        unmanaged = position is not None and position.is_open and position.margin_type is MarginType.ISOLATED
        if held is None and not (report and unmanaged):
            continue
        margin = plain(position.isolated_margin) if position else "0"
        entries.append(
            Entry(
                address=address,
                status=Status.UNMANAGED if held is None else Status.HELD,
                asset=position.asset if position else None,
                target=None,
                observed=position,
                observed_type=position.margin_type if position and position.is_open else None,
                reason=held or f"open with {margin} isolated margin and declared by no file",
            )
        )
    return entries


def amount_step(desired: DesiredAccount, traits: Traits, asset: str) -> Decimal:
    """The smallest amount that margin of this asset is moved by: the file's, else the exchange's."""
    return desired.amount_step or traits.amount_step(asset)


def _delta(wanted: Decimal, live: Decimal, tolerance: Decimal, step_size: Decimal) -> Decimal:
    gap = minus(wanted, live)
    return ZERO if abs(gap) <= tolerance else cut(gap, step_size)


def _move(position: Position, asset: str, delta: Decimal, tolerance: Decimal) -> MoveMargin:
    before = position.isolated_margin
    after = plus(before, delta)
    told = position.liquidation_price
    price_before = position.liquidation_at(before) if told is None else told
    price_after = position.liquidation_at(after)
    action = "add_margin" if delta > 0 else "reduce_margin"
    return MoveMargin(
        step_id=f"{position.address}/{action}",
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
