"""From OKX's rows to the model: positions, instruments, tiers, balances, account configuration.

Sources: OKX API guide v5 (Get positions, Get instruments, Get position tiers, Get balance, Get account configuration).

One instrument can have a crossed and an isolated position at once, even on the same side. An address can show only one
of them: the one of the declared type, so that the other is left alone. If only the other exists, the address shows that
one, so that a person sees the obstacle. A position's ``size`` is in contracts, as OKX prints it.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from reconcile.errors import ReadFailed
from reconcile.exchanges.http.rows import Row, SymbolTable, UnknownMode, costing, symbol_table
from reconcile.exchanges.okx.risk import ORDINARY_TAKER_FEE, IsolatedRisk, fitted
from reconcile.model.account import Address, MarginType, Position, PositionMode, Side
from reconcile.model.by_symbol import BySymbol
from reconcile.money import ZERO

SWAP = "SWAP"
FUTURES = "FUTURES"
_FUTURES_ID = re.compile(r".+-\d{6}")
_MARGIN_TYPES = {"isolated": MarginType.ISOLATED, "cross": MarginType.CROSSED}
_MODES = {"net_mode": PositionMode.ONE_WAY, "long_short_mode": PositionMode.HEDGE}


def type_of(symbol: str) -> str | None:
    """``SWAP`` or ``FUTURES`` by the instrument's id; None for anything else (spot, margin pairs, options)."""
    if symbol.endswith("-SWAP"):
        return SWAP
    return FUTURES if _FUTURES_ID.fullmatch(symbol) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One swap or future. ``contract`` is the size of one contract: base currency when linear, quote when inverse."""

    symbol: str
    kind: str
    family: str
    asset: str
    """As the public list tells it; ``USD`` of a linear contract stands for the account's settle currency."""
    inverse: bool
    contract: Decimal
    tick: Decimal

    def margin_asset(self, settle: str) -> str:
        """The margin asset on an account whose settle currency is ``settle`` (empty where OKX tells none)."""
        return settle if settle and self.asset == "USD" and not self.inverse else self.asset


@dataclass(frozen=True, slots=True, kw_only=True)
class OkxTier:
    """The maintenance rate of positions of ``smallest`` to ``largest`` contracts, on all of their value."""

    smallest: Decimal
    largest: Decimal
    rate: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OkxConfig:
    """The parts of the account's configuration that decide whether isolated margin can be managed."""

    uid: str | None
    """None only where an earlier look of the same run told none."""
    mode: PositionMode
    block: str | None
    settle: str
    """The currency behind USD-margined contracts; empty where OKX tells none. It says nothing about any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPosition:
    """One open position as OKX prints it, and where it belongs."""

    address: Address
    kind: str
    margin_type: MarginType
    row: Row


def instruments(found: Iterable[Row]) -> SymbolTable[Instrument]:
    """The swaps and futures; rows that are not yet fit for trading (empty sizes or types) are left out."""
    fit = (row for row in found if all(map(row.has, ("ctVal", "tickSz", "settleCcy", "ctType"))))
    return symbol_table(fit, "instId", _instrument)


def _instrument(row: Row) -> Instrument:
    return Instrument(
        symbol=row.name("instId"),
        kind=row.text("instType"),
        family=row.text("instFamily"),
        asset=row.name("settleCcy"),
        inverse=row.text("ctType") == "inverse",
        contract=row.number("ctVal") * (row.optional("ctMult") or 1),
        tick=row.number("tickSz"),
    )


def tiers(found: Iterable[Row]) -> dict[str, list[OkxTier]]:
    """The tiers of one answer by instrument family."""
    by_family: dict[str, list[OkxTier]] = {}
    for row in found:
        tier = OkxTier(smallest=row.number("minSz"), largest=row.number("maxSz"), rate=row.number("mmr"))
        by_family.setdefault(row.text("instFamily"), []).append(tier)
    return by_family


def config(row: Row) -> OkxConfig:
    """The account's configuration.

    A key without the permission to trade blocks nothing here. Plan and drift are meant to run with one, and the
    exchange tells apply. Whether isolated margin is still open to account levels 3 and 4 is unconfirmed (50072), so
    that is left to the exchange too.
    """
    mode = _MODES.get(row.text("posMode"))
    if mode is None:
        raise UnknownMode(f"reading the account's configuration: position mode {row.text('posMode')!r} is not known")
    block = None
    if row.text("acctLv") == "1":
        block = "the account is in spot mode, which has no derivatives; switch its mode to futures on OKX"
    elif row.has("ctIsoMode") and row.text("ctIsoMode") == "autonomy":
        block = "isolated margin is in the withdrawn manual transfer mode; switch it to automatic on OKX"
    settle = row.text("settleCcy") if row.has("settleCcy") else ""
    return OkxConfig(uid=row.account_id("uid"), mode=mode, block=block, settle=settle)


def balances(found: Iterable[Row]) -> dict[str, Decimal | None]:
    """Free balance by currency: ``availBal``, else ``availEq``, else None. OKX leaves out what is zero, and what is
    empty is not zero."""
    return {row.name("ccy"): _either(row, "availBal", "availEq") for row in found}


def _either(row: Row, first: str, second: str) -> Decimal | None:
    amount = row.optional(first)
    return row.optional(second) if amount is None else amount


def open_positions(found: Iterable[Row], sides: Collection[Side], unusable: dict[Address, str]) -> list[OpenPosition]:
    """The swaps and futures that hold something; ``pos`` 0 is a position that OKX still remembers.

    ``unusable`` gets the addresses whose row cannot be used, or has a side that the position mode does not have.
    """
    opened = []
    for row in found:
        if row.text("instType") not in {SWAP, FUTURES}:
            continue
        mode, side = row.text("mgnMode"), row.text("posSide")
        if mode not in _MARGIN_TYPES or side not in {"long", "short", "net"}:
            raise UnknownMode(f"reading positions: margin mode {mode!r} or side {side!r} is not known")
        address = Address(row.name("instId"), Side(side))
        with costing(unusable, address):
            if row.number("pos") == 0:
                continue
            if address.side not in sides:
                problem = f"its side is {side}, and this account's are {' and '.join(sides)}"
                raise ReadFailed(f"reading positions: {problem}", again=True)
            kind = row.text("instType")
            opened.append(OpenPosition(address=address, kind=kind, margin_type=_MARGIN_TYPES[mode], row=row))
    return opened


def chosen(found: Iterable[OpenPosition], declared: Mapping[str, MarginType]) -> dict[Address, OpenPosition]:
    """One row per address: of the declared type if there is one, else the other; isolated where nothing is declared."""
    kept: dict[Address, OpenPosition] = {}
    for item in found:
        other = kept.get(item.address)
        if other is not None and other.margin_type is item.margin_type:
            raise ReadFailed(f"reading positions: {item.address} is listed twice", again=True)
        if other is None or item.margin_type is _declared_type(item.address, declared):
            kept[item.address] = item
    return kept


def _declared_type(address: Address, declared: Mapping[str, MarginType]) -> MarginType:
    """By address where that is told: the sides of one instrument may be declared with different types."""
    if isinstance(declared, BySymbol):
        kind: MarginType = declared.by_address.get(address, MarginType.ISOLATED)
        return kind
    return declared.get(address.symbol, MarginType.ISOLATED)


def needs_tiers(found: OpenPosition, instrument: Instrument, *, is_measured: bool) -> bool:
    """Whether the row does not tell the maintenance rate: it shows no liquidation price; or, where a measure is
    declared, no maintenance margin."""
    bare = _bare(found, instrument)
    if bare is None:
        return False
    return (is_measured and _shown_rate(bare, found) is None) or fitted(bare, found.row.optional("liqPx")) is None


def risk(found: OpenPosition, instrument: Instrument | None, ladder: Sequence[OkxTier]) -> IsolatedRisk | None:
    """The risk of an open isolated position; None where the rows do not tell.

    The rate is the one behind the price that the row shows, else that of the tier which holds the size.
    """
    bare = None if instrument is None else _bare(found, instrument)
    if bare is None:
        return None
    size = abs(found.row.number("pos"))
    rate = next((tier.rate for tier in ladder if tier.smallest <= size <= tier.largest), _shown_rate(bare, found))
    own = rate + ORDINARY_TAKER_FEE if rate is not None and 0 <= rate < 1 - ORDINARY_TAKER_FEE else None
    bare = replace(bare, own_rate=own)
    return fitted(bare, found.row.optional("liqPx")) or bare.unfitted()


def _shown_rate(bare: IsolatedRisk, found: OpenPosition) -> Decimal | None:
    """The tier's rate by the maintenance margin that the row shows (an amount, without fees); None without one."""
    maintenance, now = found.row.optional("mmr"), bare.exposure()
    if maintenance is None or now is None or now.notional <= 0:
        return None
    return maintenance / now.notional


def _bare(found: OpenPosition, instrument: Instrument) -> IsolatedRisk | None:
    """The risk before its rate is known (0)."""
    row = found.row
    entry, leverage = row.optional("avgPx"), row.optional("lever")
    if found.margin_type is not MarginType.ISOLATED or not entry or not leverage:
        return None
    return IsolatedRisk(
        inverse=instrument.inverse,
        long=_is_long(found),
        size=abs(row.number("pos")) * instrument.contract,
        entry=entry,
        leverage=leverage,
        margin=row.number("margin"),
        profit=row.optional("upl") or ZERO,
        rate=ZERO,
        tick=instrument.tick,
        mark=row.optional("markPx"),
    )


def position(
    found: OpenPosition, instrument: Instrument | None, found_risk: IsolatedRisk | None, *, settle: str
) -> Position:
    """One open position; its notional is in the margin asset, 0 where the instrument was not read.

    Raises ReadFailed where the row and the instrument (for USD-margined ones, the account) name different assets.
    """
    row = found.row
    if instrument is not None:
        _check_asset(row.name("ccy"), instrument, settle)
    isolated = found.margin_type is MarginType.ISOLATED
    size, mark = row.number("pos"), row.optional("markPx")
    return Position(
        address=found.address,
        asset=row.name("ccy"),
        margin_type=found.margin_type,
        isolated_margin=row.number("margin") if isolated else ZERO,
        size=size if found.address.side is Side.NET else abs(size),
        mark_price=mark,
        liquidation_price=row.optional("liqPx"),
        notional=_notional(abs(size), mark, instrument),
        identity=f"{row.text('posId')}@{row.time('cTime')}",
        risk=found_risk,
    )


def _check_asset(asset: str, instrument: Instrument, settle: str) -> None:
    expected = instrument.margin_asset(settle)
    by_account = expected != instrument.asset
    if asset == expected or (instrument.asset == "USD" and not instrument.inverse and not settle):
        return
    source = "settleCcy of account/config" if by_account else "settleCcy of the instrument"
    raise ReadFailed(
        f"reading positions: ccy of the position is {asset} and {source} is {expected}; look at the account on OKX",
        again=True,
    )


def _notional(contracts: Decimal, mark: Decimal | None, instrument: Instrument | None) -> Decimal:
    if instrument is None or not mark:
        return ZERO
    amount = contracts * instrument.contract
    return amount / mark if instrument.inverse else amount * mark


def _is_long(found: OpenPosition) -> bool:
    return found.address.side is Side.LONG or (found.address.side is Side.NET and found.row.number("pos") > 0)
