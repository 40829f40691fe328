"""What became of each row of a look, so that the next one need not work out again what has not changed.

A look every five seconds reads every slot of the account, and in five seconds most stay as they were. The reader hands
out an unchanged row as the same object, and the position of an unchanged row is the position it was. Nothing else is
taken over: a row that is in any way another is read like the first time, and where more than amounts and prices have
changed (which slots there are, their types, whether they are open), all of them are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from reconcile.exchanges.binance.account import Config, Slot, slot_of
from reconcile.exchanges.binance.risk import Tier
from reconcile.exchanges.http.answers import Row, listed
from reconcile.model.account import Address, MarginType, Position, PositionMode, SymbolState


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """What does not change within a run. ``block`` is a reason why nothing can be managed."""

    mode: PositionMode
    multi_assets: bool
    block: str | None
    tiers: Mapping[str, tuple[Tier, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """positionRisk in either version. ``configs`` None: each row carries its own (version 2)."""

    what: str
    values: Sequence[object]
    configs: Mapping[str, Config] | None

    @classmethod
    def of(cls, path: str, payload: object, *, configs: Mapping[str, Config] | None = None) -> Self:
        """From what was read at ``path``; raises ReadFailed where that is no list."""
        what = f"reading {path}"
        return cls(what=what, values=listed(what, payload), configs=configs)

    @property
    def rows(self) -> list[Row]:
        """All of them; raises ReadFailed where one is no object."""
        return [Row(self.what, value) for value in self.values]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One look: its rows, the slot of each (None: not kept), and what followed from them.

    ``symbols`` are without open orders, which are read at every look for the symbols ``to_change``.
    """

    listing: Listing
    fixed: Fixed
    declared: Mapping[str, MarginType]
    slots: Sequence[Slot | None]
    positions: Mapping[Address, Position]
    symbols: Mapping[str, SymbolState]
    to_change: Sequence[str]
    is_listed_once: bool
    """Whether no two rows are of one slot."""

    def again(
        self, listing: Listing, fixed: Fixed, declared: Mapping[str, MarginType], assets: Mapping[str, str]
    ) -> "Seen | None":
        """The next look by what has changed; None where it is to be read as a whole. Raises ReadFailed."""
        if not self._is_like(listing, fixed, declared):
            return None
        slots, positions = list(self.slots), dict(self.positions)
        for place, (value, before) in enumerate(zip(listing.values, self.listing.values, strict=True)):
            if value is before:
                continue
            old, new = slots[place], slot_of(Row(listing.what, value), None, fixed.mode.sides, declared)
            if old is None and new is None:
                continue
            if old is None or new is None or not _is_same_slot(old, new):
                return None
            slots[place], positions[new.address] = new, position(new, assets, fixed)
        return Seen(
            listing=listing,
            fixed=fixed,
            declared=declared,
            slots=slots,
            positions=positions,
            symbols=self.symbols,
            to_change=self.to_change,
            is_listed_once=True,
        )

    def _is_like(self, listing: Listing, fixed: Fixed, declared: Mapping[str, MarginType]) -> bool:
        """Whether rows mean what they meant, and each slot is listed once."""
        return (
            listing.configs is None
            and self.listing.configs is None
            and len(listing.values) == len(self.listing.values)
            and fixed.mode is self.fixed.mode
            and fixed.tiers is self.fixed.tiers
            and (declared is self.declared or declared == self.declared)
            and self.is_listed_once
        )


def _is_same_slot(old: Slot, new: Slot) -> bool:
    was_open, is_open = (slot.row.number("positionAmt") != 0 for slot in (old, new))
    return new.address == old.address and new.config == old.config and is_open == was_open


def position(slot: Slot, assets: Mapping[str, str], fixed: Fixed) -> Position:
    """The position of one slot; raises ReadFailed."""
    symbol = slot.address.symbol
    return slot.position(assets[symbol], fixed.tiers.get(symbol, ()))


def to_change(declared: Mapping[str, MarginType], known: Mapping[str, Config], slots: Sequence[Slot]) -> list[str]:
    """The declared symbols that are flat and have another type than declared."""
    other = [symbol for symbol in declared if symbol in known and known[symbol].margin_type is not declared[symbol]]
    busy = {slot.address.symbol for slot in slots if slot.row.number("positionAmt") != 0} if other else set()
    return [symbol for symbol in other if symbol not in busy]
