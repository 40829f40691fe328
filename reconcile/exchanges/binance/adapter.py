"""Binance USD-M futures, translated: account reads into the model, steps into one signed request, answers into facts.

One look is accountConfig, positionRisk, balance and leverageBracket at once; a later look of the same run
positionRisk and balance. positionRisk version 2 lists every symbol with its type; when it is answered as retired
(-5000), version 3 and symbolConfig take its place for the rest of the run. Order lists (conditional orders have one
of their own) are read for declared flat symbols whose type must change, and for no others. An account's id is the
``accountAlias`` of its balance. Its ledger has no cursor: the signed time is the cursor.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import assert_never

from reconcile.errors import ReadFailed
from reconcile.exchanges.base import Accepted, Call, LedgerRead, LedgerRow, Writer
from reconcile.exchanges.binance import codes, ledger
from reconcile.exchanges.binance.account import (
    WIRE_SIDES,
    WIRE_TYPES,
    AccountConfig,
    Balance,
    Listing,
    SymbolConfig,
    asset_of,
    position,
    slot_of,
    to_change,
)
from reconcile.exchanges.binance.dialect import POSITIONS, BinanceDialect, classify, weight_of
from reconcile.exchanges.binance.risk import BinanceTier, tiers_by_symbol
from reconcile.exchanges.http.rows import Row, rows
from reconcile.exchanges.http.transport import Params, Setup, Transport, at_once
from reconcile.model.account import Address, MarginType, ObservedAccount, Position, PositionMode, SymbolState
from reconcile.model.plan import MoveMargin, SetMarginType, Step
from reconcile.money import ZERO, plain

RETIRED = "-5000"
_EDGE_MS = 60_000
"""How far inside the ledger's reach a read begins, so that it is not refused for a second."""
_AHEAD_MS = 1_000
"""How far ahead of the exchange's clock a row may be dated, and still be read."""


class Binance:
    """Fulfils ``base.Writer``."""

    def __init__(self, setup: Setup) -> None:
        self.traits = setup.traits
        self._dialect = BinanceDialect(setup)
        self._transport = Transport(setup, self._dialect)
        self.time = self._transport.time
        self.requests: Mapping[str, int] = self._transport.requests
        self._clock = setup.clock
        self._version_2 = True
        self._tiers: Mapping[str, tuple[BinanceTier, ...]] | None = None
        self._assets: dict[str, str] = {}
        self._uid: str | None = None

    async def sync_time(self) -> int:
        """See ``base.Reader``."""
        return await self._transport.sync_time()

    async def account_uid(self) -> str | None:
        """The account's alias, which every row of its balance names."""
        return (await self._balance()).uid

    async def observe(
        self, declared: Mapping[str, MarginType], *, reuse: ObservedAccount | None = None
    ) -> ObservedAccount:
        """See ``base.Reader``."""
        await self._transport.synced()
        sent_at = self.time.earliest()
        fixed, listing, balance = await self._together(reuse)
        slots = [slot for row in listing.rows if (slot := slot_of(row, listing.configs, fixed.mode.sides, declared))]
        configs = listing.configs or {slot.address.symbol: slot.config for slot in slots}
        known = {symbol: configs[symbol] for symbol in declared if symbol in configs}
        assets = await self._assets_of({slot.address.symbol: slot.row for slot in slots}, known, balance.available)
        orders = await self._orders_of(to_change(declared, known, slots))
        symbols = {
            symbol: SymbolState(
                symbol=symbol,
                asset=assets[symbol],
                margin_type=config.margin_type,
                open_orders=orders.get(symbol),
            )
            for symbol, config in known.items()
        }
        return ObservedAccount(
            sent_at_ms=sent_at,
            position_mode=fixed.mode,
            uid=balance.uid,
            multi_assets=fixed.multi_assets,
            account_block=fixed.block,
            available=balance.available,
            positions={slot.address: position(slot, assets, fixed) for slot in slots},
            symbols=symbols,
            instruments=listing.instruments,
        )

    async def ledger(self, symbol: str, *, since_ms: int) -> LedgerRead:
        """See ``base.Reader``. Rows older than thirty days are out of reach."""
        return (await self.ledgers((symbol,), since_ms=since_ms))[symbol]

    async def ledgers(self, symbols: Collection[str], *, since_ms: int) -> Mapping[str, LedgerRead]:
        """See ``base.Reader``: funding (weight 30) is read once, for all symbols where there are several, and the
        history (weight 1) for each, of which no request tells more."""
        await self._transport.synced()
        reach = self.time.latest() - self.traits.ledger_reach_ms + _EDGE_MS
        start = max(since_ms, reach)
        async with at_once() as group:
            moving = {symbol: group.create_task(self._movements(symbol, start)) for symbol in symbols}
            paying = group.create_task(self._funding(next(iter(symbols)) if len(symbols) == 1 else None, start))
        reaches_back = since_ms >= reach
        return {
            symbol: LedgerRead(rows=ledger.merged(symbol, task.result(), paying.result()), reaches_back=reaches_back)
            for symbol, task in moving.items()
        }

    async def newest_row(self, symbol: str) -> None:
        """Rows have no id here; the signed time is the cursor."""

    def turn(self) -> AbstractAsyncContextManager[None]:
        """See ``base.Writer``."""
        return self._transport.turn(weight_of(1))

    def prepare(self, step: Step, amount: Decimal | None, position: Position | None, *, signed_at_ms: int) -> Call:  # noqa: ARG002
        """See ``base.Writer``. Raises ValueError for an amount that is not positive: it must never be sent."""
        match step:
            case SetMarginType():
                path = "/fapi/v1/marginType"
                params = {"symbol": step.address.symbol, "marginType": WIRE_TYPES[step.after]}
            case MoveMargin():
                path = "/fapi/v1/positionMargin"
                params = _margin_params(step, amount)
            case _:
                assert_never(step)
        request = self._dialect.signed(
            "POST", path, params, signed_at_ms=signed_at_ms, valid_ms=self.traits.validity_ms
        )
        return Call(request=request, signed_at_ms=signed_at_ms)

    async def send(self, call: Call) -> Accepted:
        """See ``base.Writer``."""
        name = codes.MARGIN if "/positionMargin?" in call.request.url else codes.TYPE
        return await self._transport.send(
            call, lambda response, now_ms: classify(name, response, now_ms=now_ms), weight_of(1)
        )

    async def _together(self, reuse: ObservedAccount | None) -> tuple[AccountConfig, Listing, Balance]:
        """The reads of one look, all under way at once."""
        async with at_once() as group:
            listing = group.create_task(self._listing())
            balance = group.create_task(self._balance())
            if reuse is None or self._tiers is None:
                config = group.create_task(self._get("/fapi/v1/accountConfig", weight=5))
                brackets = group.create_task(self._get("/fapi/v1/leverageBracket", weight=1))
        if reuse is None or self._tiers is None:
            self._tiers = tiers_by_symbol("reading /fapi/v1/leverageBracket", brackets.result())
            fixed = _fixed(Row("reading /fapi/v1/accountConfig", config.result()), self._tiers)
        else:
            fixed = AccountConfig(
                mode=reuse.position_mode,
                multi_assets=reuse.multi_assets,
                block=reuse.account_block,
                tiers=self._tiers,
            )
        return fixed, listing.result(), balance.result()

    async def _listing(self) -> Listing:
        if self._version_2:
            path, _ = POSITIONS
            try:
                return Listing.of(path, await self._get(path, weight=5))
            except ReadFailed as error:
                if error.code != RETIRED:
                    raise
                self._version_2 = False
        path, configs = POSITIONS[1], "/fapi/v1/symbolConfig"
        async with at_once() as group:
            positions = group.create_task(self._get(path, weight=5))
            symbols = group.create_task(self._get(configs, weight=5))
        return Listing.of(
            path,
            positions.result(),
            configs={row.text("symbol"): SymbolConfig.of(row) for row in rows(f"reading {configs}", symbols.result())},
        )

    async def _balance(self) -> Balance:
        """Free balance and the account's id, which must stay the same for as long as this adapter lives."""
        path = "/fapi/v3/balance"
        found = Balance.of(f"reading {path}", await self._get(path, weight=5))
        if self._uid not in {None, found.uid}:
            raise ReadFailed(
                f"reading {path}: it is the balance of another account than before; check the endpoint", again=False
            )
        self._uid = found.uid
        return found

    async def _assets_of(
        self, table: Mapping[str, Row], known: Mapping[str, SymbolConfig], available: Mapping[str, Decimal]
    ) -> Mapping[str, str]:
        """The margin asset of every symbol in use; exchangeInfo only where a name does not tell, and once."""
        unclear = False
        for symbol in {*table, *known} - self._assets.keys():
            row = table.get(symbol)
            told = row.name("marginAsset") if row is not None and row.has("marginAsset") else None
            asset = told or asset_of(symbol, available)
            if asset is None:
                unclear = True
            else:
                self._assets[symbol] = asset
        if unclear:
            path = "/fapi/v1/exchangeInfo"
            info = Row(f"reading {path}", await self._get(path, weight=1, is_signed=False))
            self._assets |= {row.text("symbol"): row.name("marginAsset") for row in info.rows("symbols")}
        missing = {*table, *known} - self._assets.keys()
        if missing:
            raise ReadFailed(f"reading the positions: exchangeInfo does not list {min(missing)}", again=False)
        return self._assets

    async def _orders_of(self, symbols: Sequence[str]) -> dict[str, bool]:
        async with at_once() as group:
            found = {symbol: group.create_task(self._has_orders(symbol)) for symbol in symbols}
        return {symbol: task.result() for symbol, task in found.items()}

    async def _has_orders(self, symbol: str) -> bool:
        params = {"symbol": symbol}
        paths = ("/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders")
        async with at_once() as group:
            found = {path: group.create_task(self._get(path, params, weight=1)) for path in paths}
        return any(rows(f"reading {path}", task.result()) for path, task in found.items())

    async def _movements(self, symbol: str, start_ms: int) -> list[LedgerRow]:
        path = "/fapi/v1/positionMargin/history"

        async def page(start: int, end: int) -> object:
            return await self._get(path, _window(symbol, start, end, ledger.HISTORY_PAGE), weight=1)

        what = f"reading {path}"
        table = await ledger.read_all(
            what, page, start_ms=start_ms, end_ms=self._end(start_ms), limit=ledger.HISTORY_PAGE
        )
        return ledger.movements(what, table)

    async def _funding(self, symbol: str | None, start_ms: int) -> list[LedgerRow]:
        path = "/fapi/v1/income"

        async def page(start: int, end: int) -> object:
            params = {**_window(symbol, start, end, ledger.INCOME_PAGE), "incomeType": "FUNDING_FEE"}
            return await self._get(path, params, weight=30)

        table = await ledger.read_all(
            f"reading {path}", page, start_ms=start_ms, end_ms=self._end(start_ms), limit=ledger.INCOME_PAGE
        )
        return ledger.funding(table)

    def _end(self, start_ms: int) -> int:
        return max(start_ms, self.time.latest() + _AHEAD_MS)

    async def _get(self, path: str, params: Params | None = None, *, weight: int, is_signed: bool = True) -> object:
        return await self._transport.get(path, params or {}, weight_of(weight), signed=is_signed)


def build(setup: Setup) -> Writer:
    """The adapter for one account."""
    return Binance(setup)


def _fixed(config: Row, tiers: Mapping[str, tuple[BinanceTier, ...]]) -> AccountConfig:
    return AccountConfig(
        mode=PositionMode.HEDGE if config.flag("dualSidePosition") else PositionMode.ONE_WAY,
        multi_assets=config.flag("multiAssetsMargin"),
        block=None if config.flag("canTrade") else "trading is disabled for this account; see the exchange's notices",
        tiers=tiers,
    )


def _margin_params(step: MoveMargin, amount: Decimal | None) -> dict[str, str]:
    address: Address = step.address
    if amount is None or not amount.is_finite() or amount <= ZERO:
        raise ValueError(f"moving margin of {address}: {amount} is not a positive amount; this is a bug")
    return {
        "symbol": address.symbol,
        "positionSide": WIRE_SIDES[address.side],
        "type": "1" if step.action == "add_margin" else "2",
        "amount": plain(amount),
    }


def _window(symbol: str | None, start_ms: int, end_ms: int, limit: int) -> dict[str, str]:
    of = {} if symbol is None else {"symbol": symbol}
    return {**of, "startTime": str(start_ms), "endTime": str(end_ms), "limit": str(limit)}
