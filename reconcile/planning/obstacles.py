"""All obstacles to the change of an entry at once, so that a person does not meet them one after another."""

from dataclasses import replace

from reconcile.model.account import Address, MarginType, ObservedAccount, Side, SymbolState, Target
from reconcile.model.plan import Entry, Status
from reconcile.money import plain


def refused(entry: Entry, reasons: list[tuple[str, str]]) -> Entry:
    """The entry blocked by these reasons too, each a key and its text; earlier reasons follow them."""
    if not reasons or entry.status is Status.HELD:
        return entry
    texts = [text for _, text in reasons] + ([entry.reason] if entry.status is Status.BLOCKED else [])
    return replace(
        entry,
        status=Status.BLOCKED,
        blocked_by=reasons[0][0],
        reason="; ".join(texts),
        steps=(),
        wanted=entry.move or next(iter(entry.steps), entry.wanted),
    )


def account_refuses(observed: ObservedAccount, target: Target) -> list[tuple[str, str]]:
    """The reasons why the account as a whole takes no isolated margin, each a key and its text."""
    if target.margin_type is not MarginType.ISOLATED:
        return []
    found = [] if observed.account_block is None else [("account", observed.account_block)]
    if observed.multi_assets:
        remedy = "the account is in multi-assets mode, which is crossed only; switch it to single-asset mode"
        found.append(("multi_assets", remedy))
    return found


def type_is_fixed(
    observed: ObservedAccount, target: Target, before: MarginType, symbol: SymbolState, *, by_symbol: bool
) -> list[tuple[str, str]]:
    """The reasons why the margin type cannot change, each a key and its text; ``by_symbol``: both sides share it."""
    wanted = target.margin_type
    reasons = []
    if observed.account_block is not None and wanted is not MarginType.ISOLATED:
        reasons.append(("account", observed.account_block))
    in_the_way = _in_the_way(observed, target.address, by_symbol=by_symbol)
    if in_the_way:
        remedy = "close it" if by_symbol else f"close it and reopen it as {wanted}"
        words = (
            f"{before}, and the type cannot change while {', '.join(in_the_way)} is open; {remedy}, then apply again"
        )
        reasons.append(("open_position", words))
    if symbol.open_orders is not False:
        known = "has open orders" if symbol.open_orders else "may have open orders: they were not read"
        reasons.append(("open_orders", f"{before}, and {symbol.symbol} {known}; cancel them, then apply again"))
    return reasons


def _in_the_way(observed: ObservedAccount, address: Address, *, by_symbol: bool) -> list[str]:
    places = slots(address.symbol) if by_symbol else [address]
    found = [observed.positions[place] for place in places if place in observed.positions]
    return [
        *(f"{position.address} ({plain(position.size)})" for position in found if position.is_open),
        *(f"{place} (its size cannot be read)" for place in places if place in observed.unusable),
    ]


def slots(symbol: str) -> list[Address]:
    """Every address a symbol can have, in order."""
    return [Address(symbol, side) for side in sorted(Side)]
