"""Compare declared with observed: the status of every address, and the call that would bring it to its target.

Pure: the result depends only on the arguments, and is in the file's order. If an address has several problems, the
entry names all of them. ``fresh.py`` answers the same question just before a send, when the plan is only a ceiling.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from reconcile.model.account import (
    Address,
    DesiredAccount,
    MarginType,
    ObservedAccount,
    Position,
    Side,
    SymbolState,
    Target,
)
from reconcile.model.holds import Hold
from reconcile.model.plan import Entry, MoveMargin, SetMarginType, Status, Step
from reconcile.model.traits import Scope, Traits
from reconcile.money import cut, minus, plain, plus
from reconcile.planning.auto_add import fights, with_switch
from reconcile.planning.bands import Assessment, assess
from reconcile.planning.moves import amount_step, margin_move
from reconcile.planning.obstacles import account_refuses, refused, slots, type_is_fixed
from reconcile.planning.undeclared import undeclared
from reconcile.planning.unlisted import not_shown, reasons


def diff(
    desired: DesiredAccount,
    observed: ObservedAccount,
    *,
    held: Mapping[Address, Hold],
    traits: Traits,
    targets: Collection[Address] | None = None,
    step_id: Callable[[Address, str], str] = "{}/{}".format,
) -> tuple[Entry, ...]:
    """One entry per declared address in file order, then held or unmanaged addresses that are not declared.

    ``held`` maps an address to a hold, which covers the whole lane. ``targets`` restricts the declared addresses (None:
    all of them); held addresses are shown in any case. ``step_id`` names a step.
    """
    chosen = desired.targets
    if targets is not None:
        chosen = tuple(target for target in chosen if target.address in targets or target.address in held)
    first = {target.address.symbol: target.address for target in reversed(chosen)}
    view = _View(
        desired=desired,
        observed=observed,
        held=held,
        traits=traits,
        first=first,
        unlisted=reasons(chosen, observed),
        step_id=step_id,
    )
    return (*[_declared(_Place(view, target)) for target in chosen], *undeclared(desired, observed, held))


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    desired: DesiredAccount
    observed: ObservedAccount
    held: Mapping[Address, Hold]
    traits: Traits
    first: Mapping[str, Address]
    """The first declared address of each symbol."""

    unlisted: Mapping[str, str]
    """The reason that blocks a symbol that the exchange does not list."""

    step_id: Callable[[Address, str], str]

    def hold(self, address: Address, *, whole_symbol: bool) -> Hold | None:
        hold = self.held.get(address)
        if hold is not None or not whole_symbol:
            return hold
        same = next((other for other in slots(address.symbol) if other in self.held), None)
        return None if same is None else replace(self.held[same], reason=f"{same} is held: {self.held[same].reason}")


class _Place:
    """One declared address, with its state on the exchange, looked up once."""

    __slots__ = ("asset", "observed_type", "position", "symbol", "target", "view")

    def __init__(self, view: _View, target: Target) -> None:
        self.view = view
        self.target = target
        self.symbol = view.observed.symbols.get(target.address.symbol)
        self.position = position = view.observed.positions.get(target.address)
        self.observed_type: MarginType | None = None
        self.asset = self.symbol.asset if self.symbol else None
        if position is not None and position.is_open:
            self.asset = position.asset  # what its margin is in; a list of instruments may only name its family
        if self.symbol is None:
            return
        if position is not None and position.is_open:
            self.observed_type = position.margin_type
        elif view.traits.margin_type_scope is Scope.SYMBOL:
            self.observed_type = self.symbol.margin_type

    def entry(
        self,
        status: Status,
        reason: str = "",
        *,
        blocked_by: str | None = None,
        steps: tuple[Step, ...] = (),
        wanted: Step | None = None,
        found: Assessment | None = None,
        hold: Hold | None = None,
    ) -> Entry:
        return Entry(
            address=self.target.address,
            status=status,
            asset=self.asset,
            target=self.target,
            observed=self.position,
            observed_type=self.observed_type,
            blocked_by=blocked_by,
            reason=reason,
            hold=hold,
            steps=steps,
            wanted=wanted,
            measure=None if found is None else found.value,
            wanted_margin=None if found is None else found.wanted,
        )

    def blocked(self, blocked_by: str, reason: str, wanted: Step | None = None) -> Entry:
        return self.entry(Status.BLOCKED, reason, blocked_by=blocked_by, wanted=wanted)


def _declared(place: _Place) -> Entry:
    view, target = place.view, place.target
    if view.held:
        held = view.hold(target.address, whole_symbol=view.traits.lane is Scope.SYMBOL)
        if held is not None:
            return place.entry(Status.HELD, held.reason, hold=held)
    if place.symbol is None or target.address in view.observed.unusable:
        return place.blocked(*not_shown(target.address, view.observed, view.unlisted))
    if place.observed_type is None:
        entry = place.entry(Status.WAITING, f"no open position; {target.margin_type} is expected when one opens")
    elif place.observed_type is not target.margin_type and target.template is not None:
        gone = f"{place.observed_type} now, and {target.template} declares open isolated positions only"
        return place.entry(Status.WAITING, gone)
    elif place.observed_type is not target.margin_type:
        entry = _retype(place, place.observed_type, place.symbol)
    else:
        entry = _isolated(place, place.asset or place.symbol.asset)
    return refused(entry, account_refuses(view.observed, target))


def _retype(place: _Place, before: MarginType, symbol: SymbolState) -> Entry:
    view, target = place.view, place.target
    address = target.address
    held = view.hold(address, whole_symbol=True)
    if held is not None:
        return place.entry(Status.HELD, held.reason, hold=held)
    first = view.first[address.symbol]
    step = SetMarginType(
        step_id=view.step_id(address, "set_margin_type"), address=address, before=before, after=target.margin_type
    )
    by_symbol = view.traits.margin_type_scope is Scope.SYMBOL
    reasons = type_is_fixed(view.observed, target, before, symbol, by_symbol=by_symbol)
    if reasons:
        return refused(place.entry(Status.CHANGE, steps=(step,)), reasons)
    reason = "" if target.isolated_margin is None else "its margin waits for an open position"
    if first != address:
        shared = f"its type changes together with {first}"
        return place.entry(Status.CHANGE, f"{shared}; {reason}" if reason else shared)
    return place.entry(Status.CHANGE, reason, steps=(step,))


def _isolated(place: _Place, asset: str) -> Entry:
    """An address whose margin type is as declared: compare its margin, and the exchange's own additions."""
    target, position = place.target, place.position
    entry = _margin(place, asset)
    if target.auto_add is None or entry.status is Status.WAITING:
        return entry
    if position is None or not position.is_open:
        return place.entry(Status.WAITING, "no open position")
    return with_switch(entry, target, position, place.view.traits, place.view.step_id)


def _margin(place: _Place, asset: str) -> Entry:
    target, position = place.target, place.position
    if not target.declares_margin:
        return place.entry(Status.IN_SYNC)
    if position is None or not position.is_open:
        return place.entry(Status.WAITING, "no open position")
    if position.size < 0 and target.address.side is not Side.NET:
        odd = f"the exchange shows a size of {plain(position.size)} for a {target.address.side} position; look there"
        return place.blocked("account", odd)
    if target.isolated_margin is None:
        return _banded(place, position, asset)
    return _amount(place, position, asset, target.isolated_margin)


def _amount(place: _Place, position: Position, asset: str, declared: Decimal) -> Entry:
    """A declared amount: in sync within its tolerance."""
    view = place.view
    if declared == position.isolated_margin:
        return _in_sync(place, position)
    step_size = amount_step(view.desired, view.traits, asset)
    tolerance = place.target.tolerance.amount(declared, asset)
    gap = minus(declared, position.isolated_margin)
    delta = cut(gap, step_size)
    if delta == 0 or abs(gap) <= tolerance:
        return _in_sync(place, position)
    step = margin_move(view.step_id, position, asset, delta, tolerance)
    return _movable(place, position, step, step_size)


def _banded(place: _Place, position: Position, asset: str) -> Entry:
    """A declared measure: in sync inside its band, else the margin that brings it back."""
    view, target = place.view, place.target
    step_size = amount_step(view.desired, view.traits, asset)
    found = assess(target, position, step_size, allow_reduce=view.desired.policy.allow_reduce)
    step = None
    if found.wanted is not None:
        delta = cut(minus(found.wanted, position.isolated_margin), step_size)
        step = _measured_move(place, position, asset, delta, found) if delta else None
    if found.blocked_by is not None:
        entry = place.blocked(found.blocked_by, found.text, step)
    elif step is None:
        return _in_sync(place, position, found)
    else:
        entry = _movable(place, position, step, step_size)
        if found.text:
            entry = replace(entry, reason="; ".join(part for part in (entry.reason, found.text) if part))
    return replace(entry, measure=found.value, wanted_margin=found.wanted)


def _measured_move(place: _Place, position: Position, asset: str, delta: Decimal, found: Assessment) -> MoveMargin:
    margin = position.isolated_margin
    after = plus(margin, delta)
    tolerance = place.target.tolerance.amount(max(margin, after), asset)
    measures = found.value, found.at(after)
    return margin_move(place.view.step_id, position, asset, delta, tolerance, measures=measures)


def _in_sync(place: _Place, position: Position, found: Assessment | None = None) -> Entry:
    is_told = position.auto_add and place.target.auto_add is None
    note = "auto-add margin is on, so the exchange may add to it" if is_told else ""
    text = "" if found is None else found.text
    return place.entry(Status.IN_SYNC, "; ".join(part for part in (text, note) if part), found=found)


def _movable(place: _Place, position: Position, step: MoveMargin, step_size: Decimal) -> Entry:
    reasons = []
    if fights(place.target, position, place.view.traits):
        remedy = "auto-add margin is on and would fight the declared margin; switch it off"
        reasons.append(("auto_add", remedy))
    removable = None if position.risk is None else position.risk.removable()
    if step.action == "reduce_margin" and removable is not None and step.amount > removable:
        lowest = plain(minus(position.isolated_margin, cut(removable, step_size)))
        words = (
            f"taking out {plain(step.amount)} {step.asset} is more than the {plain(removable)} that can be taken out "
            f"now; declare {lowest} or more"
        )
        reasons.append(("removable", words))
    return refused(place.entry(Status.CHANGE, steps=(step,)), reasons)
