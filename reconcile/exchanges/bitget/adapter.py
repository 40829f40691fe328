"""Bitget v2, classic futures of one product: reading an account, and the two calls there are.

The margin type lives on the symbol. An open position's row tells it; of a flat symbol only ``account/account`` does,
one request for each, so it is asked for declared symbols only, and again within a run while it is not as declared.
Orders are read for flat symbols whose type must change, and for no others. Bills name no side, so one call per symbol
is in flight at a time. The account's id is told in the spot section, to a key that may read it. Positions and balances
are read each time, contracts once per run, tiers where ``need_tiers`` says so, once per symbol and run.
"""

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import assert_never
from urllib.parse import urlsplit

from reconcile.concurrency import gather_all
from reconcile.errors import ReadFailed, RefusalKind
from reconcile.exchanges.base import Accepted, Call, Writer
from reconcile.exchanges.bitget import ledger
from reconcile.exchanges.bitget.account import (
    WIRE_TYPES,
    Contract,
    SymbolMode,
    available,
    common_mode,
    contracts,
    hold_side,
    is_union,
    margin_type,
    need_tiers,
    opened,
    position,
    position_mode,
    risk,
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
    INFO,
    ORDERS,
    PLAN_ORDERS,
    POSITIONS,
    SET_MARGIN,
    SET_MARGIN_MODE,
    TIERS,
    WRITE_CHARGES,
    WRITING,
    BitgetDialect,
)
from reconcile.exchanges.bitget.risk import BitgetTier
from reconcile.exchanges.http.answers import write_answer
from reconcile.exchanges.http.rows import Row, rows
from reconcile.exchanges.http.transport import Params, Setup, Transport
from reconcile.model.account import Address, MarginType, ObservedAccount, Position, PositionMode, SymbolState
from reconcile.model.ledger import LedgerRead, LedgerRow, by_symbol
from reconcile.model.plan import MoveMargin, SetMarginType, Step
from reconcile.money import plain

PLAN_TYPES = ("normal_plan", "track_plan")
"""The trigger orders a flat symbol can have; profit and loss orders belong to positions."""
_EDGE_MS = 60_000
"""How far a query of bills reaches beyond now, so that nothing new is missed."""


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
        self._contracts: Mapping[str, Contract] | None = None
        self._tiers: dict[str, list[BitgetTier]] = {}
        self._uid: str | None = None

    async def sync_time(self) -> int:
        """See ``Reader.sync_time``."""
        return await self._transport.sync_time()

    async def account_uid(self) -> str | None:
        """The user id, which the account's information in the spot section tells; None without permission for that."""
        try:
            found = await self._read(INFO, {})
        except ReadFailed as error:
            if error.kind is not RefusalKind.PERMISSION:
                raise
            return None
        self._uid = Row(f"reading {INFO}", found).account_id("userId")
        return self._uid

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
        known, (listed, accounts) = await self._known_and_listed()
        found = opened(listed)
        types = {address.symbol: margin_type(row) for address, row in found.items()}
        flat = [symbol for symbol in declared if symbol in known and symbol not in types]
        types |= settled(declared, flat, reuse)
        modes = await self._modes([symbol for symbol in flat if symbol not in types])
        types |= {symbol: mode.margin_type for symbol, mode in modes.items()}
        asked = [*modes.values()]
        mode = common_mode([*map(position_mode, found.values()), *(item.position_mode for item in asked)])
        orders = await self._orders([symbol for symbol in flat if types[symbol] is not declared[symbol]])
        return ObservedAccount(
            sent_at_ms=sent_at_ms,
            position_mode=mode or await self._mode_of_nothing(known, reuse),
            uid=self._uid,
            multi_assets=is_union([*listed, *accounts])
            or any(item.union for item in asked)
            or (reuse is not None and reuse.multi_assets),
            account_block=None,
            available=available(accounts),
            positions=await self._positions(found, known, measured),
            symbols={
                symbol: SymbolState(
                    symbol=symbol,
                    asset=known[symbol].asset,
                    margin_type=types[symbol],
                    open_orders=orders.get(symbol),
                )
                for symbol in declared
                if symbol in known
            },
            instruments=known.keys(),
        )

    async def _known_and_listed(self) -> tuple[Mapping[str, Contract], list[list[Row]]]:
        """The contracts, read once per run, and what is read each time, side by side."""
        reads = [self._rows(POSITIONS, self._of_product()), self._rows(ACCOUNTS, self._of_product())]
        if self._contracts is not None:
            return self._contracts, await gather_all(reads)
        *listed, table = await gather_all([*reads, self._rows(CONTRACTS, self._of_product(), signed=False)])
        self._contracts = contracts(table)
        return self._contracts, listed

    async def _modes(self, symbols: list[str]) -> dict[str, SymbolMode]:
        return dict(zip(symbols, await gather_all(map(self._mode, symbols)), strict=True))

    async def _mode(self, symbol: str) -> SymbolMode:
        contract = None if self._contracts is None else self._contracts.get(symbol)
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
        self, found: Mapping[Address, Row], known: Mapping[str, Contract], measured: Collection[str]
    ) -> dict[Address, Position]:
        wanted = sorted(need_tiers(found, measured, product=self._product) - self._tiers.keys())
        ladders = await gather_all(self._rows(TIERS, self._of_product(symbol=name), signed=False) for name in wanted)
        self._tiers.update({symbol: tiers(ladder) for symbol, ladder in zip(wanted, ladders, strict=True)})
        return {address: self._position(address, row, known.get(address.symbol)) for address, row in found.items()}

    def _position(self, address: Address, row: Row, contract: Contract | None) -> Position:
        found_risk = risk(row, contract, self._tiers.get(address.symbol, []), product=self._product)
        return position(address, row, found_risk, product=self._product)

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
                found |= await self._pages({**span, "businessType": business})
        reaches_back = since_ms >= now - self.traits.ledger_reach_ms
        return by_symbol(symbols, found.values(), since_ms=since_ms, reaches_back=reaches_back)

    async def _pages(self, query: Params) -> dict[str, LedgerRow]:
        """Every page, newest first, until one is empty: a short page is no proof of the end."""
        found: dict[str, LedgerRow] = {}
        below: int | None = None
        for _ in range(ledger.MOST_PAGES):
            page = await self._bills(query if below is None else {**query, "idLessThan": str(below)})
            if not page:
                return found
            oldest = min(row.whole("billId") for row in page)
            if below is not None and oldest >= below:
                raise ReadFailed(f"reading {BILLS}: the pages do not go on; try again later", again=True)
            below = oldest
            moved = (ledger.movement(row) for row in page)
            found.update({row.row_id: row for row in moved if row is not None})
        raise ReadFailed(f"reading {BILLS}: more than {ledger.MOST_PAGES} pages; narrow the time", again=False)

    async def _bills(self, query: Params) -> list[Row]:
        payload = await self._read(BILLS, self._of_product(**query, limit=str(ledger.PAGE)))
        answer = Row(f"reading {BILLS}", payload)
        return answer.rows("bills") if answer.has("bills") else []

    async def newest_row(self, symbol: str) -> None:
        """No one request tells it: a query picks one kind of business. The signed time is the cursor."""

    def turn(self) -> AbstractAsyncContextManager[None]:
        """See ``Writer.turn``."""
        return self._transport.turn(WRITE_CHARGES)

    def prepare(self, step: Step, amount: Decimal | None, position: Position | None, *, signed_at_ms: int) -> Call:
        """See ``Writer.prepare``. Raises ValueError for what must never be sent: an amount that is not positive, a
        position that is not isolated, a symbol that no look has shown."""
        match step:
            case SetMarginType():
                path, body = SET_MARGIN_MODE, self._mode_call(step)
            case MoveMargin():
                path, body = SET_MARGIN, self._margin_call(step, amount, position)
            case _:
                assert_never(step)
        return Call(request=self._dialect.post(path, body, signed_at_ms=signed_at_ms), signed_at_ms=signed_at_ms)

    def _mode_call(self, step: SetMarginType) -> dict[str, str]:
        symbol = step.address.symbol
        contract = None if self._contracts is None else self._contracts.get(symbol)
        if contract is None:
            raise ValueError(f"changing the margin type of {symbol}: no look has shown its margin coin")
        mode = WIRE_TYPES[step.after]
        return self._of_product(symbol=symbol, marginCoin=contract.asset, marginMode=mode)

    def _margin_call(self, step: MoveMargin, amount: Decimal | None, held: Position | None) -> dict[str, str]:
        if amount is None or amount <= 0:
            raise ValueError(f"moving margin of {step.address}: the amount {amount} is not above zero")
        if held is None or not held.is_open or held.margin_type is not MarginType.ISOLATED:
            raise ValueError(f"moving margin of {step.address}: there is no open isolated position")
        return self._of_product(
            symbol=step.address.symbol,
            marginCoin=held.asset,
            holdSide=hold_side(held),
            amount=plain(amount) if step.action == "add_margin" else f"-{plain(amount)}",
        )

    async def send(self, call: Call) -> Accepted:
        """See ``Writer.send``."""
        path = urlsplit(call.request.url).path
        manners = WRITING[SET_MARGIN_MODE if path.endswith(SET_MARGIN_MODE) else SET_MARGIN]
        return await self._transport.send(
            call,
            lambda response, now_ms: write_answer(f"sending POST {path}", response, manners, now_ms=now_ms),
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
