"""From Bitget's rows to the model: positions, accounts, contracts, tiers.

Sources: Bitget API doc (Get All Positions, Get Account List, Get Single Account, Get Contract Config, Get Position
Tier). Rows name long or short in one-way mode too; there a short is a net position of negative size. Numbers come as
strings or as JSON numbers, and fields that have nothing to say as "", null or not at all.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from reconcile.errors import ReadFailed
from reconcile.exchanges.bitget.risk import OFFSET_SINCE_MS, BitgetTier, InverseRisk, LinearRisk, tier_offset
from reconcile.exchanges.http.rows import Row, SymbolTable, UnknownMode, costing, symbol_table
from reconcile.model.account import Address, MarginType, ObservedAccount, Position, PositionMode, Side
from reconcile.money import ZERO

COIN = "COIN-FUTURES"
WIRE_TYPES = {MarginType.ISOLATED: "isolated", MarginType.CROSSED: "crossed"}
_TYPES = {text: kind for kind, text in WIRE_TYPES.items()}
_MODES = {"one_way_mode": PositionMode.ONE_WAY, "hedge_mode": PositionMode.HEDGE}
_SIDES = {"long": Side.LONG, "short": Side.SHORT}

BitgetRisk = LinearRisk | InverseRisk


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One contract: its margin asset, all coins it takes as margin, and the fee of closing at the market."""

    symbol: str
    asset: str
    coins: Collection[str]
    taker_fee: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolMode:
    """The answer of ``account/account`` about one symbol, flat or not."""

    margin_type: MarginType
    position_mode: PositionMode
    union: bool


def contracts(found: Iterable[Row]) -> SymbolTable[Contract]:
    """The contracts of one product."""
    return symbol_table(found, "symbol", _contract)


def _contract(row: Row) -> Contract:
    coins = row.texts("supportMarginCoins")
    if not coins:
        raise ReadFailed(f"reading contracts: {row.text('symbol')} names no margin coin", again=False)
    own = [coin for coin in (row.text("quoteCoin"), row.text("baseCoin")) if coin in coins]
    return Contract(
        symbol=row.text("symbol"),
        asset=own[0] if own else coins[0],
        coins=coins,
        taker_fee=row.optional("takerFeeRate") or ZERO,
    )


def balances(found: Iterable[Row]) -> dict[str, Decimal | None]:
    """Free balance by margin coin: what isolated positions may take, else what is available, else None."""
    free: dict[str, Decimal | None] = {}
    for row in found:
        isolated = row.optional("isolatedMaxAvailable")
        free[row.name("marginCoin")] = row.optional("available") if isolated is None else isolated
    return free


def is_union(found: Iterable[Row]) -> bool:
    """Whether any row says that the account is in multi-asset mode, which is crossed only."""
    return any(row.has("assetMode") and row.text("assetMode") == "union" for row in found)


def symbol_mode(row: Row) -> SymbolMode:
    """One answer of ``account/account``."""
    return SymbolMode(margin_type=margin_type(row), position_mode=position_mode(row), union=is_union([row]))


def margin_type(row: Row) -> MarginType:
    """The margin type of a row; raises ReadFailed for a word that Bitget does not document."""
    found = _TYPES.get(row.text("marginMode"))
    if found is None:
        raise UnknownMode(f"reading the account: margin mode {row.text('marginMode')!r} is not known")
    return found


def position_mode(row: Row) -> PositionMode:
    """The position mode of a row; raises ReadFailed for a word that Bitget does not document."""
    found = _MODES.get(row.text("posMode"))
    if found is None:
        raise UnknownMode(f"reading the account: position mode {row.text('posMode')!r} is not known")
    return found


def tiers(found: Iterable[Row]) -> list[BitgetTier]:
    """The tiers of one symbol, rising."""
    ladder = [BitgetTier(start=row.number("startUnit"), rate=row.number("keepMarginRate")) for row in found]
    return sorted(ladder, key=lambda tier: tier.start)


def opened(found: Iterable[Row], unusable: dict[Address, str]) -> dict[Address, Row]:
    """The rows that hold something, by address; whether size-zero rows are ever listed is not documented.

    ``unusable`` gets the addresses whose row cannot be used.
    """
    kept: dict[Address, Row] = {}
    for row in found:
        address = _address(row)
        with costing(unusable, address):
            if row.number("total") == 0:
                continue
        if address in kept:
            raise ReadFailed(f"reading positions: {address} is listed twice", again=True)
        kept[address] = row
    return {address: row for address, row in kept.items() if address not in unusable}


def _address(row: Row) -> Address:
    side = _SIDES.get(row.text("holdSide"))
    if side is None:
        raise UnknownMode(f"reading positions: side {row.text('holdSide')!r} is not known")
    one_way = position_mode(row) is PositionMode.ONE_WAY
    return Address(row.name("symbol"), Side.NET if one_way else side)


def position(
    address: Address, row: Row, contract: Contract | None, ladder: Sequence[BitgetTier], *, product: str
) -> Position:
    """One open position; its notional is in the margin asset.

    Raises ReadFailed where the row's margin coin is none that the contract takes.
    """
    found_risk = risk(row, contract, ladder, product=product)
    kind, total = margin_type(row), row.number("total")
    if contract is not None and row.name("marginCoin") not in contract.coins:
        raise ReadFailed(
            f"reading positions: marginCoin of the position is {row.name('marginCoin')} and supportMarginCoins of the "
            f"contract is {', '.join(contract.coins)}; look at the account on Bitget",
            again=True,
        )
    short = row.text("holdSide") == "short"
    return Position(
        address=address,
        asset=row.name("marginCoin"),
        margin_type=kind,
        isolated_margin=row.number("marginSize") if kind is MarginType.ISOLATED else ZERO,
        size=-total if short and address.side is Side.NET else total,
        mark_price=row.optional("markPrice"),
        liquidation_price=shown_price(row),
        notional=_notional(row, found_risk, product=product),
        auto_add=row.has("autoMargin") and row.text("autoMargin") == "on",
        identity=str(row.time("cTime")),
        risk=found_risk,
    )


def shown_price(row: Row) -> Decimal | None:
    """The liquidation price of a row; zero and below mean that there is none."""
    price = row.optional("liquidationPrice")
    return price if price is not None and price > 0 else None


def need_tiers(
    found: Mapping[Address, Row], measured: Collection[str], unusable: dict[Address, str], *, product: str
) -> set[str]:
    """The symbols whose offset comes from tiers; ``unusable`` gets the addresses whose row cannot be used."""
    symbols = set()
    for address, row in found.items():
        with costing(unusable, address):
            if _needs_tiers(row, product=product, is_measured=address.symbol in measured):
                symbols.add(address.symbol)
    return symbols


def _needs_tiers(row: Row, *, product: str, is_measured: bool) -> bool:
    """Whether the tiers are needed for an isolated linear row.

    They are if the row has an offset and shows no price to derive it from. They are too if a measure is declared,
    because our own formula is then compared with the shown price.
    """
    isolated = margin_type(row) is MarginType.ISOLATED
    unknown = is_measured or shown_price(row) is None
    return isolated and product != COIN and unknown and row.time("cTime") >= OFFSET_SINCE_MS


def risk(
    row: Row, contract: Contract | None, ladder: Sequence[BitgetTier], *, product: str
) -> LinearRisk | InverseRisk | None:
    """The risk of an open isolated position; None where the rows do not tell.

    A rate of 1 and more, fee included, is no maintenance rate: no formula has a price for it. The unit of a
    coin-margined size is only believed where the row's liquidation price or its profit tells it.
    """
    entry, leverage = row.optional("openPriceAvg"), row.optional("leverage")
    maintenance, shown = row.optional("keepMarginRate"), shown_price(row)
    if contract is None or margin_type(row) is not MarginType.ISOLATED or not entry or not leverage:
        return None
    if maintenance is None:
        return None
    long, size = row.text("holdSide") == "long", row.number("total")
    margin, profit = row.number("marginSize"), row.optional("unrealizedPL") or ZERO
    rate = maintenance + contract.taker_fee
    if not (0 <= rate < 1 and size > 0 and entry > 0 and leverage > 0):
        return None
    if product == COIN:
        inverse = InverseRisk(
            long=long,
            value=size * entry,
            entry=entry,
            leverage=leverage,
            margin=margin,
            profit=profit,
            rate=rate,
            mark=row.optional("markPrice"),
            own_value=size * entry,
        )
        if shown is None:
            return inverse if inverse.reproduces_profit() else None
        return inverse.fitted(shown)
    has_offset = row.time("cTime") >= OFFSET_SINCE_MS
    offset = tier_offset(ladder, maintenance) if has_offset else ZERO
    linear = LinearRisk(
        long=long,
        size=size,
        entry=entry,
        leverage=leverage,
        margin=margin,
        profit=profit,
        rate=rate,
        offset=offset,
        mark=row.optional("markPrice"),
        own_offset=offset if ladder or not has_offset else None,
    )
    return linear if shown is None else linear.fitted(shown)


def _notional(row: Row, found_risk: BitgetRisk | None, *, product: str) -> Decimal:
    """The value at the mark price in the margin asset; a coin-margined size is taken as coins where no price tells."""
    mark, size = row.optional("markPrice"), row.number("total")
    if isinstance(found_risk, InverseRisk) and mark:
        return found_risk.value / mark
    if product == COIN:
        return size
    return size * mark if mark else ZERO


def common_mode(found: Iterable[PositionMode]) -> PositionMode | None:
    """The one position mode that all rows agree on, None without rows; raises ReadFailed when they do not agree."""
    modes = set(found)
    if len(modes) > 1:
        raise ReadFailed("reading the account: its rows show two position modes; try again", again=True)
    return next(iter(modes), None)


def settled(
    declared: Mapping[str, MarginType], flat: Iterable[str], reuse: ObservedAccount | None
) -> dict[str, MarginType]:
    """The types of flat symbols that an earlier look of this run has shown to be as declared."""
    if reuse is None:
        return {}
    seen = {symbol: reuse.symbols[symbol].margin_type for symbol in flat if symbol in reuse.symbols}
    return {symbol: kind for symbol, kind in seen.items() if kind is not None and kind is declared[symbol]}
