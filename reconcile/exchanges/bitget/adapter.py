"""Bitget v2, classic futures of one product: reading an account, and the three calls there are.

The margin type lives on the symbol. An open position's row tells it; of a flat symbol only ``account/account`` does,
one request for each. It is asked for declared symbols only, and again within a run while one is not as declared. Orders
are read only for flat symbols whose type must change. Bills name no side, so one call per symbol is in flight at a
time. Positions and balances are read each time, contracts once per run, tiers where ``need_tiers`` says so.
"""

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from functools import partial
from typing import assert_never
from urllib.parse import urlsplit

from reconcile.concurrency import gather_all
from reconcile.errors import ReadFailed
from reconcile.exchanges.base import Accepted, Call, Writer
from reconcile.exchanges.bitget import calls, ledger
from reconcile.exchanges.bitget.account import (
    Contract,
    SymbolMode,
    balances,
    common_mode,
    contracts,
    is_union,
    margin_type,
    need_tiers,
    opened,
    position,
    position_mode,
    settled,
    symbol_mode,
    tiers,
)
from reconcile.exchanges.bitget.dialect import (
    ACCOUNT,
    ACCOUNTS,
    BILLS,
    CHARGES,
    CONTRACTS,
    ORDERS,
    PLAN_ORDERS,
    POSITIONS,
    SET_AUTO_MARGIN,
    SET_MARGIN,
    SET_MARGIN_MODE,
    TIERS,
    WRITE_CHARGES,
    WRITING,
    BitgetDialect,
)
from reconcile.exchanges.bitget.inspection import information, inspection
from reconcile.exchanges.bitget.risk import BitgetTier
from reconcile.exchanges.http.answers import write_answer
from reconcile.exchanges.http.pages import read_pages
from reconcile.exchanges.http.rows import Row, SymbolTable, costing, rows, unless_refused
from reconcile.exchanges.http.transport import Params, Setup, Transport
from reconcile.model.account import Address, MarginType, ObservedAccount, Position, PositionMode, SymbolState
from reconcile.model.auto_add import SetAutoAdd
from reconcile.model.doctor import AccountInspection
from reconcile.model.ledger import LedgerRead, LedgerRow, by_symbol
from reconcile.model.plan import MoveMargin, SetMarginType, Step

PLAN_TYPES = ("normal_plan", "track_plan")
"""The trigger orders a flat symbol can have; profit and loss orders belong to positions."""
_EDGE_MS = 60_000
"""A query of bills reaches this far beyond now, so that it misses nothing new."""


def build(setup: Setup) -> Writer:
    """The adapter for one account and product; sends nothing yet."""
    return Bitget(setup)


class Bitget:
    """One product of one Bitget account; fulfils ``base.Writer``."""

    def __init__(self, setup: Setup) -> None:
        self.traits = setup.traits
        self._product = setup.product or setup.traits.products[0]
        self._dialect = BitgetDialect(setup)
        self._transport = Transport(setup, self._dialect)
        self.time = self._transport.time
        self.requests: Mapping[str, int] = self._transport.requests
        self.throttles: Mapping[str, int] = self._transport.throttles
        self._contracts: SymbolTable[Contract] | None = None
        self._tiers: dict[str, list[BitgetTier]] = {}
        self._uid: str | None = None

    async def sync_time(self) -> int:
        """See ``Reader.sync_time``."""
        return await self._transport.sync_time()

    async def account_uid(self) -> str | None:
        """The user id, which the account's information in the spot section tells; None without permission for that."""
        found = await information(self._read)
        uid = None if found is None else found.account_id("userId")
        self._uid = uid or self._uid
        return uid

    async def inspect(self) -> AccountInspection:
        """See ``Reader.inspect``."""
        return inspection(await information(self._read))

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
        if reuse is None:
            self._tiers.clear()
            self._contracts = None
        listing, (listed, accounts) = await self._listed_and_read()
        known, unusable = listing.known, dict[Address, str]()
        found = opened(listed, unusable)
        types = {address.symbol: margin_type(row) for address, row in found.items()}
        broken = dict(listing.odd)
        flat = [symbol for symbol in declared if symbol in known and symbol not in types]
        types |= settled(declared, flat, reuse)
        modes = await self._modes([symbol for symbol in flat if symbol not in types], broken)
        types |= {symbol: mode.margin_type for symbol, mode in modes.items()}
        asked = [*modes.values()]
        mode = common_mode([*map(position_mode, found.values()), *(item.position_mode for item in asked)])
        mode = mode or await self._mode_of_nothing(known, reuse)
        unusable |= {
            Address(symbol, side): broken[symbol] for symbol in declared if symbol in broken for side in mode.sides
        }
        other = [symbol for symbol in flat if symbol in types and types[symbol] is not declared[symbol]]
        orders = await self._orders(other)
        free = balances(accounts)
        return ObservedAccount(
            sent_at_ms=sent_at_ms,
            position_mode=mode,
            uid=self._uid,
            multi_assets=is_union([*listed, *accounts])
            or any(item.union for item in asked)
            or (reuse is not None and reuse.multi_assets),
            account_block=None,
            available={coin: amount for coin, amount in free.items() if amount is not None},
            unknown_balances=[coin for coin, amount in free.items() if amount is None],
            positions=await self._positions(found, known, unusable, measured),
            symbols={
                symbol: SymbolState(
                    symbol=symbol,
                    asset=known[symbol].asset,
                    margin_type=types[symbol],
                    open_orders=orders.get(symbol),
                )
                for symbol in declared
                if symbol in known and symbol in types
            },
            instruments=known.keys(),
            unusable=unusable,
        )

    async def _listed_and_read(self) -> tuple[SymbolTable[Contract], list[list[Row]]]:
        """The contracts, read once per run, and what is read each time, side by side."""
        reads = [self._rows(POSITIONS, self._of_product()), self._rows(ACCOUNTS, self._of_product())]
        if self._contracts is not None:
            return self._contracts, await gather_all(reads)
        *listed, table = await gather_all([*reads, self._rows(CONTRACTS, self._of_product(), signed=False)])
        self._contracts = contracts(table)
        return self._contracts, listed

    async def _modes(self, symbols: list[str], broken: dict[str, str]) -> dict[str, SymbolMode]:
        """The modes of flat symbols; one that the exchange refuses to tell of is broken, and costs no other."""

        asked = await gather_all(unless_refused(self._mode(symbol)) for symbol in symbols)
        found = dict(zip(symbols, asked, strict=True))
        broken |= {symbol: str(mode) for symbol, mode in found.items() if isinstance(mode, ReadFailed)}
        return {symbol: mode for symbol, mode in found.items() if not isinstance(mode, ReadFailed)}

    async def _mode(self, symbol: str) -> SymbolMode:
        contract = None if self._contracts is None else self._contracts.known.get(symbol)
        coin = "" if contract is None else contract.asset
        payload = await self._read(ACCOUNT, self._of_product(symbol=symbol, marginCoin=coin))
        return symbol_mode(Row(f"reading {ACCOUNT}", payload))

    async def _mode_of_nothing(self, known: Mapping[str, Contract], reuse: ObservedAccount | None) -> PositionMode:
        """The position mode where no row tells it: any symbol's account does."""
        if reuse is not None:
            return reuse.position_mode
        if not known:
            raise ReadFailed(f"reading {CONTRACTS}: {self._product} has no contracts; check the product", again=False)
        return (await self._mode(min(known))).position_mode

    async def _orders(self, symbols: list[str]) -> dict[str, bool]:
        """Whether each symbol has open orders of any kind."""
        return dict(zip(symbols, await gather_all(map(self._has_orders, symbols)), strict=True))

    async def _has_orders(self, symbol: str) -> bool:
        params = self._of_product(symbol=symbol)
        answers = await gather_all(
            [
                self._read(ORDERS, params),
                *(self._read(PLAN_ORDERS, {**params, "planType": kind}) for kind in PLAN_TYPES),
            ]
        )
        listed = [Row(f"reading the orders of {symbol}", answer) for answer in answers]
        return any(answer.has("entrustedList") and answer.rows("entrustedList") for answer in listed)

    async def _positions(
        self,
        found: Mapping[Address, Row],
        known: Mapping[str, Contract],
        unusable: dict[Address, str],
        measured: Collection[str],
    ) -> dict[Address, Position]:
        wanted = sorted(need_tiers(found, measured, unusable, product=self._product) - self._tiers.keys())
        ladders = await gather_all(self._ladder(symbol) for symbol in wanted)
        self._tiers.update(zip(wanted, ladders, strict=True))
        positions: dict[Address, Position] = {}
        for address, row in found.items():
            with costing(unusable, address):
                ladder = self._tiers.get(address.symbol, [])
                positions[address] = position(address, row, known.get(address.symbol), ladder, product=self._product)
        return {address: held for address, held in positions.items() if address not in unusable}

    async def _ladder(self, symbol: str) -> list[BitgetTier]:
        """The tiers of a symbol, none where Bitget refuses to tell them; raises ReadFailed for any other failure."""
        found = await unless_refused(self._rows(TIERS, self._of_product(symbol=symbol), signed=False))
        return [] if isinstance(found, ReadFailed) else tiers(found)

    async def ledger(self, symbol: str, *, since_ms: int) -> LedgerRead:
        """See ``Reader.ledger``; no query is by symbol."""
        return (await self.ledgers((symbol,), since_ms=since_ms))[symbol]

    async def ledgers(self, symbols: Collection[str], *, since_ms: int) -> Mapping[str, LedgerRead]:
        """See ``Reader.ledgers``; one query per kind of business, as bills of trades may be very many."""
        await self._transport.synced()
        now = self.time.latest()
        start = max(since_ms, now - self.traits.ledger_reach_ms)
        found: dict[str, LedgerRow] = {}
        for first, last in ledger.windows(start, now + _EDGE_MS):
            span = {"startTime": str(first), "endTime": str(last)}
            for business in ledger.TYPES:
                bills = partial(self._bills, {**span, "businessType": business})
                found |= await read_pages(f"reading {BILLS}", bills, ledger.movement)
        reaches_back = since_ms >= now - self.traits.ledger_reach_ms
        return by_symbol(symbols, found.values(), since_ms=since_ms, reaches_back=reaches_back)

    async def _bills(self, query: Params, below: int | None) -> list[Row]:
        page = {} if below is None else {"idLessThan": str(below)}
        payload = await self._read(BILLS, self._of_product(**query, **page, limit=str(ledger.PAGE)))
        answer = Row(f"reading {BILLS}", payload)
        return answer.rows("bills") if answer.has("bills") else []

    async def newest_row(self, symbol: str) -> None:
        """No one request tells it: a query picks one kind of business. The signed time is the cursor."""

    def turn(self) -> AbstractAsyncContextManager[None]:
        """See ``Writer.turn``."""
        return self._transport.turn(WRITE_CHARGES)

    def prepare(self, step: Step, amount: Decimal | None, position: Position | None, *, signed_at_ms: int) -> Call:
        """See ``Writer.prepare``. Raises ValueError for what must never be sent: a non-positive amount, a position that
        is not isolated, a symbol that no look has shown."""
        match step:
            case SetMarginType():
                path, body = SET_MARGIN_MODE, self._of_product(**calls.margin_mode(step, self._contract(step)))
            case SetAutoAdd():
                path, body = SET_AUTO_MARGIN, calls.auto_margin(step, position)
            case MoveMargin():
                path, body = SET_MARGIN, self._of_product(**calls.margin(step, amount, position))
            case _:
                assert_never(step)
        return Call(request=self._dialect.post(path, body, signed_at_ms=signed_at_ms), signed_at_ms=signed_at_ms)

    def _contract(self, step: Step) -> Contract | None:
        return None if self._contracts is None else self._contracts.known.get(step.address.symbol)

    async def send(self, call: Call) -> Accepted:
        """See ``Writer.send``."""
        path = urlsplit(call.request.url).path
        form = next(form for write, form in WRITING.items() if path.endswith(write))
        return await self._transport.send(
            call,
            lambda response, now_ms: write_answer(f"sending POST {path}", response, form, now_ms=now_ms),
            WRITE_CHARGES,
        )

    def _of_product(self, **params: str) -> dict[str, str]:
        return {"productType": self._product, **params}

    async def _rows(self, path: str, params: Params, *, signed: bool = True) -> list[Row]:
        """A list; null stands for an empty one."""
        payload = await self._read(path, params, signed=signed)
        return [] if payload is None else rows(f"reading {path}", payload)

    async def _read(self, path: str, params: Params, *, signed: bool = True) -> object:
        return await self._transport.get(path, params, CHARGES[path], signed=signed)
