"""Every slot of a Binance account, by whichever version of positionRisk the exchange still has.

Version 3 lists symbols with a position or an order, and symbolConfig lists every symbol with its type. Version 2 lists
both in one answer and is to be retired. A path that is gone is answered with -5000 (the testnet) or with an HTML page
and 404 (the mainnet). After either, the other version takes its place for the rest of the run.
"""

from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconcile.errors import ReadFailed
from reconcile.exchanges.binance.account import SIDES, Slot, SymbolConfig
from reconcile.exchanges.http.rows import Row, costing, rows
from reconcile.exchanges.http.transport import at_once
from reconcile.model.account import Address, MarginType, Side

VERSION_2 = "/fapi/v2/positionRisk"
VERSION_3 = "/fapi/v3/positionRisk"
SYMBOLS = "/fapi/v1/symbolConfig"
RETIRED = "-5000"

Get = Callable[[str], Coroutine[Any, Any, object]]
"""Reads a path with weight 5; raises ReadFailed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """``rows`` are positionRisk's; ``configs`` are symbolConfig's by symbol, None where each row has its own (2)."""

    rows: Sequence[Row]
    configs: Mapping[str, Row] | None

    @property
    def instruments(self) -> Collection[str]:
        """Every symbol that the exchange lists."""
        return {row.text("symbol") for row in self.rows} if self.configs is None else self.configs.keys()

    def config(self, row: Row) -> SymbolConfig:
        """The state of the symbol in a row of positionRisk; raises ReadFailed."""
        symbol = row.text("symbol")
        if self.configs is not None and symbol not in self.configs:
            raise ReadFailed(f"reading the positions: {SYMBOLS} does not list {symbol}; try again", again=True)
        return SymbolConfig.of(row if self.configs is None else self.configs[symbol])


@dataclass(slots=True)
class SlotTable:
    """The result of a listing. ``unusable`` maps an address to why its row cannot be used."""

    kept: dict[Address, Slot] = field(default_factory=dict)
    configs: dict[str, SymbolConfig] = field(default_factory=dict)
    """Of the declared symbols that are listed."""
    unusable: dict[Address, str] = field(default_factory=dict)


class Listings:
    """The reads of one adapter; it remembers which version was there."""

    def __init__(self, get: Get) -> None:
        self._get = get
        self._version_3_first = True

    async def read(self) -> Listing:
        """Raises ReadFailed."""
        versions = (self._version_3, self._version_2)
        first, other = versions if self._version_3_first else versions[::-1]
        try:
            return await first()
        except ReadFailed as error:
            if not is_gone(error):
                raise
            self._version_3_first = not self._version_3_first
        try:
            return await other()
        except ReadFailed as error:
            if not is_gone(error):
                raise
            problem = f"the exchange has neither {VERSION_3} nor {VERSION_2}; check the endpoint, or update reconcile"
            raise ReadFailed(f"reading the positions: {problem}", again=False, status=error.status) from error

    async def _version_3(self) -> Listing:
        async with at_once() as group:
            positions = group.create_task(self._get(VERSION_3))
            symbols = group.create_task(self._get(SYMBOLS))
        listed = rows(f"reading {SYMBOLS}", symbols.result())
        return Listing(
            rows=rows(f"reading {VERSION_3}", positions.result()),
            configs={row.text("symbol"): row for row in listed},
        )

    async def _version_2(self) -> Listing:
        return Listing(rows=rows(f"reading {VERSION_2}", await self._get(VERSION_2)), configs=None)


def is_gone(error: ReadFailed) -> bool:
    """Whether a read failed because the exchange no longer has its path."""
    return error.code == RETIRED or error.status == 404


def slots_of(listing: Listing, sides: Collection[Side], declared: Collection[str]) -> SlotTable:
    """The rows of declared symbols, and every row with a position or an isolated wallet (flat slots can have one).

    Raises ReadFailed where an address is listed twice, a row names no address, or a mode is not known.
    """
    found = SlotTable()
    seen = set()
    for row in listing.rows:
        side = SIDES.get(row.text("positionSide"))
        if side is None or side not in sides:
            continue
        address = Address(row.name("symbol"), side)
        with costing(found.unusable, address):
            amount = row.number("positionAmt")
            if address.symbol not in declared and amount == 0 and row.number("isolatedWallet") == 0:
                continue
            found.kept[address] = Slot(address=address, row=row, config=listing.config(row), amount=amount)
        if address in seen:
            raise ReadFailed(f"reading the positions: {address} is listed twice", again=True)
        seen.add(address)
    for symbol in declared:
        if listing.configs is not None and symbol in listing.configs:
            with costing(found.unusable, *(Address(symbol, side) for side in sides)):
                found.configs[symbol] = SymbolConfig.of(listing.configs[symbol])
    if listing.configs is None:
        found.configs |= {
            slot.address.symbol: slot.config for slot in found.kept.values() if slot.address.symbol in declared
        }
    return found


def to_change(declared: Mapping[str, MarginType], found: SlotTable) -> list[str]:
    """The declared symbols that are flat and have another type than declared."""
    other = [symbol for symbol, config in found.configs.items() if config.margin_type is not declared[symbol]]
    busy = {slot.address.symbol for slot in found.kept.values() if slot.amount != 0} if other else set()
    busy |= {address.symbol for address in found.unusable}
    return [symbol for symbol in other if symbol not in busy]
