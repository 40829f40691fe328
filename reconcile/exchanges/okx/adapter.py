"""OKX v5: reading an account, and the one call there is.

The margin type lives on the position: no symbol has one, and no call changes it. Bills name no side, so one call per
instrument is in flight at a time. Only swaps and futures are managed; margin pairs are not.

Each look reads positions and balance. Configuration and the instruments of the declared kinds are read once per run.
Tiers are read only for open isolated positions that show no liquidation price, five families in a request.
"""

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import assert_never

from reconcile.concurrency import gather_all
from reconcile.errors import ReadFailed
from reconcile.exchanges.base import Accepted, Call, Writer, above_zero, open_isolated
from reconcile.exchanges.http.answers import write_answer
from reconcile.exchanges.http.pages import read_pages
from reconcile.exchanges.http.rows import Row, SymbolTable, costing, rows
from reconcile.exchanges.http.transport import Setup, Transport
from reconcile.exchanges.okx import ledger
from reconcile.exchanges.okx.account import (
    FUTURES,
    SWAP,
    Instrument,
    OkxConfig,
    OkxTier,
    OpenPosition,
    balances,
    chosen,
    config,
    instruments,
    needs_tiers,
    open_positions,
    position,
    risk,
    tiers,
    type_of,
)
from reconcile.exchanges.okx.dialect import (
    BALANCE,
    BILLS,
    BILLS_ARCHIVE,
    CHARGES,
    CONFIG,
    INSTRUMENTS,
    MOVE_MARGIN,
    POSITIONS,
    TIERS,
    WRITING,
    OkxDialect,
)
from reconcile.exchanges.okx.inspection import inspection
from reconcile.model.account import Address, MarginType, ObservedAccount, Position, SymbolState
from reconcile.model.auto_add import SetAutoAdd
from reconcile.model.doctor import AccountInspection
from reconcile.model.ledger import LedgerRead, LedgerRow, by_symbol
from reconcile.model.plan import MoveMargin, SetMarginType, Step
from reconcile.money import plain

FAMILIES_PER_REQUEST = 5


def build(setup: Setup) -> Writer:
    """The adapter; sends nothing yet."""
    return Okx(setup)


class Okx:
    """One OKX account; fulfils ``base.Writer``."""

    def __init__(self, setup: Setup) -> None:
        self.traits = setup.traits
        self._dialect = OkxDialect(setup)
        self._transport = Transport(setup, self._dialect)
        self.time = self._transport.time
        self.requests: Mapping[str, int] = self._transport.requests
        self.throttles: Mapping[str, int] = self._transport.throttles
        self._instruments: SymbolTable[Instrument] | None = None
        self._settle = ""
        self._tiers: dict[tuple[str, str], list[OkxTier]] = {}

    async def sync_time(self) -> int:
        """See ``Reader.sync_time``."""
        return await self._transport.sync_time()

    async def account_uid(self) -> str | None:
        """The user id of this (sub-)account."""
        return _config(await self._read(CONFIG)).uid

    async def inspect(self) -> AccountInspection:
        """The permissions, addresses and account level that the account's configuration names."""
        return inspection(_only(await self._read(CONFIG)))

    async def observe(
        self,
        declared: Mapping[str, MarginType],
        *,
        reuse: ObservedAccount | None = None,
        measured: Collection[str] = (),
    ) -> ObservedAccount:
        """See ``Reader.observe``."""
        await self._transport.synced()
        sent_at_ms = self.time.earliest()
        listed, accounts, *configured = await gather_all(
            self._read(path) for path in (POSITIONS, BALANCE, *((CONFIG,) if reuse is None else ()))
        )
        if reuse is None:
            self._tiers.clear()
            self._instruments = None
            self._settle = _config(configured[0]).settle
            fixed = _config(configured[0])
        else:
            mode, block = reuse.position_mode, reuse.account_block
            fixed = OkxConfig(uid=reuse.uid, mode=mode, block=block, settle=self._settle)
        unusable: dict[Address, str] = {}
        found = chosen(open_positions(listed, fixed.mode.sides, unusable), declared)
        listing = await self._listed(declared)
        odd = [symbol for symbol in declared if symbol in listing.odd]
        unusable |= {Address(symbol, side): listing.odd[symbol] for symbol in odd for side in fixed.mode.sides}
        free = balances(row for account in accounts for row in account.rows("details"))
        return ObservedAccount(
            sent_at_ms=sent_at_ms,
            position_mode=fixed.mode,
            uid=fixed.uid,
            multi_assets=False,
            account_block=fixed.block,
            available={asset: amount for asset, amount in free.items() if amount is not None},
            unknown_balances=[asset for asset, amount in free.items() if amount is None],
            positions=await self._positions(found, listing.known, unusable, measured),
            symbols={
                symbol: SymbolState(
                    symbol=symbol, asset=listing.known[symbol].margin_asset(self._settle), margin_type=None
                )
                for symbol in declared
                if symbol in listing.known
            },
            instruments=listing.known.keys(),
            unusable=unusable,
        )

    async def _listed(self, declared: Iterable[str]) -> SymbolTable[Instrument]:
        """The instruments of the declared kinds, read once per run; of all kinds where a declared name shows none."""
        if self._instruments is None:
            declared_kinds = {type_of(symbol) for symbol in declared}
            kinds = sorted({SWAP, FUTURES} if None in declared_kinds else filter(None, declared_kinds))
            answers = await gather_all(self._read(INSTRUMENTS, {"instType": kind}, signed=False) for kind in kinds)
            self._instruments = instruments(row for answer in answers for row in answer)
        return self._instruments

    async def _positions(
        self,
        found: Mapping[Address, OpenPosition],
        known: Mapping[str, Instrument],
        unusable: dict[Address, str],
        measured: Collection[str],
    ) -> dict[Address, Position]:
        wanted = set()
        for address, item in found.items():
            instrument = known.get(address.symbol)
            with costing(unusable, address):
                if instrument is not None and needs_tiers(item, instrument, is_measured=address.symbol in measured):
                    wanted.add((instrument.kind, instrument.family))
        await self._read_tiers(wanted - self._tiers.keys())
        positions: dict[Address, Position] = {}
        for address, item in found.items():
            instrument = known.get(address.symbol)
            with costing(unusable, address):
                found_risk = risk(item, instrument, self._ladder(instrument))
                positions[address] = position(item, instrument, found_risk, settle=self._settle)
        return {address: held for address, held in positions.items() if address not in unusable}

    async def _read_tiers(self, wanted: Iterable[tuple[str, str]]) -> None:
        for kind in sorted({kind for kind, _ in wanted}):
            families = sorted(family for of_kind, family in wanted if of_kind == kind)
            for start in range(0, len(families), FAMILIES_PER_REQUEST):
                batch = ",".join(families[start : start + FAMILIES_PER_REQUEST])
                params = {"instType": kind, "tdMode": "isolated", "instFamily": batch}
                answer = tiers(await self._read(TIERS, params, signed=False))
                self._tiers.update({(kind, family): ladder for family, ladder in answer.items()})

    def _ladder(self, instrument: Instrument | None) -> list[OkxTier]:
        return [] if instrument is None else self._tiers.get((instrument.kind, instrument.family), [])

    async def ledger(self, symbol: str, *, since_ms: int) -> LedgerRead:
        """See ``Reader.ledger``; beyond a week, the archive is read as well."""
        return (await self.ledgers((symbol,), since_ms=since_ms))[symbol]

    async def ledgers(self, symbols: Collection[str], *, since_ms: int) -> Mapping[str, LedgerRead]:
        """See ``Reader.ledgers``; several symbols are read as one, by leaving their names out."""
        await self._transport.synced()
        age = self.time.latest() - since_ms
        params = {"mgnMode": "isolated", "begin": str(since_ms - 1), "limit": str(ledger.PAGE)}
        if len(symbols) == 1:
            (symbol,) = symbols
            params["instId"] = symbol
            kind = type_of(symbol)
            if kind is not None:
                params["instType"] = kind
        found = await self._pages(BILLS, params)
        if age > ledger.WEEK_MS - self.traits.grace_ms:
            found |= await self._pages(BILLS_ARCHIVE, params)
        return by_symbol(symbols, found.values(), since_ms=since_ms, reaches_back=age <= self.traits.ledger_reach_ms)

    async def _pages(self, path: str, params: Mapping[str, str]) -> dict[str, LedgerRow]:
        async def page(below: int | None) -> list[Row]:
            return await self._read(path, params if below is None else {**params, "after": str(below)})

        return await read_pages(f"reading {path}", page, ledger.movement)

    async def newest_row(self, symbol: str) -> str | None:  # noqa: ARG002  (one read tells it for the whole account)
        """The newest margin transfer of the account; bill ids only grow."""
        found = await self._read(BILLS, {"type": ledger.TRANSFER, "limit": "1"})
        return str(max(row.whole("billId") for row in found)) if found else None

    def turn(self) -> AbstractAsyncContextManager[None]:
        """See ``Writer.turn``."""
        return self._transport.turn(CHARGES[MOVE_MARGIN])

    def prepare(self, step: Step, amount: Decimal | None, position: Position | None, *, signed_at_ms: int) -> Call:
        """See ``Writer.prepare``. Raises ValueError for what must never be sent: a call that OKX does not have, a
        non-positive amount, a position that is not isolated."""
        match step:
            case SetMarginType():
                raise ValueError(f"changing the margin type of {step.address}: OKX has no call for it")
            case SetAutoAdd():
                raise ValueError(f"switching auto-add of {step.address}: OKX has no call for it")
            case MoveMargin():
                body = _margin_call(step, amount, position)
            case _:
                assert_never(step)
        return Call(request=self._dialect.post(MOVE_MARGIN, body, signed_at_ms=signed_at_ms), signed_at_ms=signed_at_ms)

    async def send(self, call: Call) -> Accepted:
        """See ``Writer.send``."""
        return await self._transport.send(
            call,
            lambda response, now_ms: write_answer(f"sending POST {MOVE_MARGIN}", response, WRITING, now_ms=now_ms),
            CHARGES[MOVE_MARGIN],
        )

    async def _read(self, path: str, params: Mapping[str, str] | None = None, *, signed: bool = True) -> list[Row]:
        payload = await self._transport.get(path, params or {}, CHARGES[path], signed=signed)
        return rows(f"reading {path}", payload)


def _config(found: list[Row]) -> OkxConfig:
    return config(_only(found))


def _only(found: list[Row]) -> Row:
    if len(found) != 1:
        raise ReadFailed(f"reading {CONFIG}: one account was expected, not {len(found)}; try again", again=True)
    return found[0]


def _margin_call(step: MoveMargin, amount: Decimal | None, position: Position | None) -> dict[str, str]:
    """The body of a margin call; ``ccy`` is for margin pairs only, which are not managed."""
    doing = f"moving margin of {step.address}"
    amount = above_zero(amount, doing)
    open_isolated(position, doing)
    return {
        "instId": step.address.symbol,
        "posSide": step.address.side.value,
        "type": "add" if step.action == "add_margin" else "reduce",
        "amt": plain(amount),
    }
