"""Positions near their liquidation price: told when one comes near, and when it is away again.

This is a state beside the one that a plan gives an address: a position can be in sync and near. A near position counts
as away only a tenth further off than the limit. A price at the limit is thus not told again and again.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from reconcile.model.account import Position
from reconcile.model.plan import AccountPlan
from reconcile.render.common.values import percent, price
from reconcile.usecases.watch.debounce import Debouncer, Turn

NEAR, AWAY = "near_liquidation", "away"
_LEEWAY = Decimal("1.1")


class NearTurn(NamedTuple):
    """A change of an address between near and away, with the words for it."""

    address: str
    turn: Turn
    message: str


class Nearness:
    """The positions of an account that are near liquidation; ``limit``: a share of the mark price; None: none is."""

    def __init__(self, limit: Decimal | None, *, needed: int, of: int) -> None:
        self._limit = limit
        self._states: Debouncer[str] = Debouncer(needed=needed, of=of)

    def see(self, account: AccountPlan) -> Iterator[NearTurn]:
        """Take in one look. A position that was closed is forgotten: that is a change of its own."""
        if self._limit is None:
            return
        shown = {str(entry.address): entry.observed for entry in account.entries}
        for address in self._states.known():
            held = shown.get(address)
            if held is None or not held.is_open:
                self._states.forget(address)
        for address, position in shown.items():
            if position is not None and position.is_open:
                found = self._state(address, position, self._limit)
                turn = self._states.see(address, found)
                if turn is not None:
                    yield NearTurn(address, turn, _words(position, self._limit, found))

    def _state(self, address: str, position: Position, limit: Decimal) -> str:
        distance = position.distance_to(position.liquidation_price)
        if distance is None:
            return AWAY
        was_near = self._states.held(address) == NEAR
        return NEAR if distance < (limit * _LEEWAY if was_near else limit) else AWAY


def _words(position: Position, limit: Decimal, state: str) -> str:
    """``3.9% from its liquidation price 48012.3 (mark 50000), nearer than 5.0%``."""
    distance = position.distance_to(position.liquidation_price)
    if distance is None:
        return "no mark price liquidates it any more"
    where = f"from its liquidation price {price(position.liquidation_price)} (mark {price(position.mark_price)})"
    return f"{percent(distance)} {where}, {'nearer than' if state == NEAR else 'limit'} {percent(limit)}"
