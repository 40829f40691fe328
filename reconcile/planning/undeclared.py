"""Entries for addresses that no state file declares, from exchange and journal: held, or unmanaged."""

from collections.abc import Mapping

from reconcile.model.account import Address, DesiredAccount, MarginType, ObservedAccount, Unmanaged
from reconcile.model.holds import Hold
from reconcile.model.plan import Entry, Status
from reconcile.money import plain
from reconcile.planning.templates import template_of


def undeclared(desired: DesiredAccount, observed: ObservedAccount, held: Mapping[Address, Hold]) -> list[Entry]:
    """One entry for each such address: held ones always, the others if the policy asks for them.

    An address whose data cannot be used may be an open isolated position, and counts as unmanaged like one.
    """
    declared = {target.address for target in desired.targets}
    asked = desired.policy.unmanaged is not Unmanaged.IGNORE
    found = {
        address: _unmanaged(desired, observed, address) if asked else ""
        for address in (*observed.positions, *observed.unusable)
    }
    told = {address: hold.reason for address, hold in held.items()}
    reasons = {address: reason for address, reason in {**found, **told}.items() if reason and address not in declared}
    return [_entry(observed, address, reasons[address], hold=held.get(address)) for address in sorted(reasons)]


def _unmanaged(desired: DesiredAccount, observed: ObservedAccount, address: Address) -> str:
    """The reason why an address is shown as unmanaged; empty if it is not."""
    if address in observed.unusable:
        problem = observed.unusable[address]
        return f"not declared in any state file, and what the exchange shows of it cannot be used: {problem}"
    position = observed.positions[address]
    if not position.is_open or position.margin_type is not MarginType.ISOLATED:
        return ""
    shown = f"open with {plain(position.isolated_margin)} isolated margin"
    template = template_of(desired.templates, address)
    if template is not None and desired.types.get(address.symbol) is not MarginType.CROSSED:
        return f"{shown}; opened since this run or plan began, the next one declares it from {template.address}"
    return f"{shown}; not declared in any state file"


def _entry(observed: ObservedAccount, address: Address, reason: str, *, hold: Hold | None) -> Entry:
    position = observed.positions.get(address)
    return Entry(
        address=address,
        status=Status.UNMANAGED if hold is None else Status.HELD,
        asset=position.asset if position else None,
        target=None,
        observed=position,
        observed_type=position.margin_type if position and position.is_open else None,
        reason=reason,
        hold=hold,
    )
