"""Binance USD-M futures, translated: account reads into the model, steps into one signed request, answers into facts.

One look is accountConfig, leverageBracket, balance, positionRisk and symbolConfig at once; a later look of the same
run the last three. Order lists (conditional orders have one of their own) are read only for declared flat symbols whose
type must change. An account's id is the ``accountAlias`` of its balance. Its ledger's cursor is the signed time.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import assert_never

from reconcile.errors import ReadFailed
from reconcile.exchanges.base import Accepted, Call, Writer, above_zero
from reconcile.exchanges.binance import codes, ledger
from reconcile.exchanges.binance.account import WIRE_SIDES, WIRE_TYPES, AccountConfig, Balance, asset_of
from reconcile.exchanges.binance.dialect import BinanceDialect, classify, weight_of
from reconcile.exchanges.binance.listing import Listing, Listings, SlotTable, slots_of, to_change
from reconcile.exchanges.binance.risk import BinanceTier, tiers_by_symbol
from reconcile.exchanges.http.rows import Row, costing, rows, unless_refused
from reconcile.exchanges.http.transport import Params, Setup, Transport, at_once
from reconcile.model.account import Address, MarginType, ObservedAccount, Position, PositionMode, Side, SymbolState
from reconcile.model.auto_add import SetAutoAdd
from reconcile.model.doctor import AccountInspection
from reconcile.model.ledger import LedgerRead, LedgerRow
from reconcile.model.plan import MoveMargin, SetMarginType, Step
from reconcile.money import plain

_EDGE_MS = 60_000
"""A read begins this far inside the ledger's reach, so that it is not refused for a second."""
_AHEAD_MS = 1_000
"""A row dated up to this far ahead of the exchange's clock is still read."""


class Binance:
    """Fulfils ``base.Writer``."""

    def __init__(self, setup: Setup) -> None:
        self.traits = setup.traits
        self._dialect = BinanceDialect(setup)
        self._transport = Transport(setup, self._dialect)
        self.time = self._transport.time
        self.requests: Mapping[str, int] = self._transport.requests
        self.throttles: Mapping[str, int] = self._transport.throttles
        self._clock = setup.clock
        self._listings = Listings(lambda path: self._get(path, weight=5))
        self._tiers: Mapping[str, tuple[BinanceTier, ...]] | None = None
        self._assets: dict[str, str] = {}
        self._uid: str | None = None

    async def sync_time(self) -> int:
        """See ``base.Reader``."""
        return await self._transport.sync_time()

    async def account_uid(self) -> str | None:
        """The account's alias, which every row of its balance names."""
        return (await self._balance()).uid

    async def inspect(self) -> AccountInspection:
        """Nothing: ``canTrade`` and ``canWithdraw`` of accountConfig are the account's, whatever the key may do."""
        return AccountInspection(told="Binance's futures API does not tell what a key may do")

    async def observe(
        self,
        declared: Mapping[str, MarginType],
        *,
        reuse: ObservedAccount | None = None,
        measured: Collection[str] = (),  # noqa: ARG002 - the brackets are read in any case
    ) -> ObservedAccount:
        """See ``base.Reader``."""
        await self._transport.synced()
        sent_at = self.time.earliest()
        fixed, listing, balance = await self._together(reuse)
        found = slots_of(listing, fixed.mode.sides, declared)
        await self._learn_assets(found, balance.available, fixed.mode.sides)
        orders = await self._orders_of(to_change(declared, found))
        positions = self._positions(found, fixed)
        return ObservedAccount(
            sent_at_ms=sent_at,
            position_mode=fixed.mode,
            uid=balance.uid,
            multi_assets=fixed.multi_assets,
            account_block=fixed.block,
            available=balance.available,
            positions=positions,
            symbols={
                symbol: SymbolState(
                    symbol=symbol,
                    asset=self._assets[symbol],
                    margin_type=config.margin_type,
                    open_orders=orders.get(symbol),
                )
                for symbol, config in found.configs.items()
                if symbol in self._assets
            },
            instruments=listing.instruments,
            unusable=found.unusable,
            unknown_balances=balance.unknown,
        )

    def _positions(self, found: SlotTable, fixed: AccountConfig) -> dict[Address, Position]:
        positions: dict[Address, Position] = {}
        for address, slot in found.kept.items():
            if address not in found.unusable:
                with costing(found.unusable, address):
                    tiers = fixed.tiers.get(address.symbol, ())
                    positions[address] = slot.position(self._assets[address.symbol], tiers)
        return positions

    async def ledger(self, symbol: str, *, since_ms: int) -> LedgerRead:
        """See ``base.Reader``. Rows older than thirty days are out of reach."""
        found = (await self._ledgers((symbol,), since_ms))[symbol]
        if isinstance(found, ReadFailed):
            raise found
        return found

    async def ledgers(self, symbols: Collection[str], *, since_ms: int) -> Mapping[str, LedgerRead]:
        """See ``base.Reader``: funding (weight 30) is read once, for all symbols where there are several. The history
        (weight 1) is read for each symbol: no request tells more. A symbol that the exchange refuses, since it is gone,
        has no rows and a ledger that does not reach back."""
        found = await self._ledgers(symbols, since_ms)
        nothing = LedgerRead(rows=(), reaches_back=False)
        return {symbol: nothing if isinstance(read, ReadFailed) else read for symbol, read in found.items()}

    async def _ledgers(self, symbols: Collection[str], since_ms: int) -> dict[str, LedgerRead | ReadFailed]:
        await self._transport.synced()
        reach = self.time.latest() - self.traits.ledger_reach_ms + _EDGE_MS
        start = max(since_ms, reach)
        async with at_once() as group:
            moving = {symbol: group.create_task(unless_refused(self._movements(symbol, start))) for symbol in symbols}
            paying = group.create_task(self._funding(next(iter(symbols)) if len(symbols) == 1 else None, start))
        reaches_back = since_ms >= reach
        found: dict[str, LedgerRead | ReadFailed] = {}
        for symbol, task in moving.items():
            moved = task.result()
            if isinstance(moved, ReadFailed):
                found[symbol] = moved
            else:
                rows_of = ledger.merged(symbol, moved, paying.result())
                found[symbol] = LedgerRead(rows=rows_of, reaches_back=reaches_back)
        return found

    async def newest_row(self, symbol: str) -> None:
        """Rows have no id here; the signed time is the cursor."""

    def turn(self) -> AbstractAsyncContextManager[None]:
        """See ``base.Writer``."""
        return self._transport.turn(weight_of(1))

    def prepare(self, step: Step, amount: Decimal | None, position: Position | None, *, signed_at_ms: int) -> Call:  # noqa: ARG002
        """See ``base.Writer``. Raises ValueError for an amount that is not positive: it must never be sent."""
        match step:
            case SetMarginType():
                kind = WIRE_TYPES[step.after]
                path, params = "/fapi/v1/marginType", {"symbol": step.address.symbol, "marginType": kind}
            case SetAutoAdd():
                raise ValueError(f"switching auto-add of {step.address}: Binance has no call for it")
            case MoveMargin():
                path, params = "/fapi/v1/positionMargin", _margin_params(step, amount)
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
            listing = group.create_task(self._listings.read())
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

    async def _learn_assets(self, found: SlotTable, available: Mapping[str, Decimal], sides: Collection[Side]) -> None:
        """The margin asset of every symbol in use; exchangeInfo only where neither row nor name tells, and once."""
        told: dict[str, str] = {}
        for address, slot in found.kept.items():
            if slot.row.has("marginAsset"):
                with costing(found.unusable, address):
                    told[address.symbol] = slot.row.name("marginAsset")
        symbols = {*(address.symbol for address in found.kept), *found.configs}
        guessed = {symbol: asset for symbol in symbols if (asset := asset_of(symbol, available)) is not None}
        self._assets = {**guessed, **self._assets, **told}
        missing = sorted(symbols - self._assets.keys())
        if not missing:
            return
        path = "/fapi/v1/exchangeInfo"
        info = Row(f"reading {path}", await self._get(path, weight=1, is_signed=False))
        listed = {row.text("symbol"): row for row in info.rows("symbols")}
        for symbol in missing:
            with costing(found.unusable, *(Address(symbol, side) for side in sides)):
                if symbol not in listed:
                    raise ReadFailed(
                        f"reading {path}: it does not list {symbol}, so its margin asset is not known", again=False
                    )
                self._assets[symbol] = listed[symbol].name("marginAsset")

    async def _orders_of(self, symbols: Sequence[str]) -> dict[str, bool]:
        async with at_once() as group:
            found = {symbol: group.create_task(unless_refused(self._has_orders(symbol))) for symbol in symbols}
        told = {symbol: task.result() for symbol, task in found.items()}
        return {symbol: orders for symbol, orders in told.items() if not isinstance(orders, ReadFailed)}

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
    amount = above_zero(amount, f"moving margin of {step.address}")
    return {
        "symbol": step.address.symbol,
        "positionSide": WIRE_SIDES[step.address.side],
        "type": "1" if step.action == "add_margin" else "2",
        "amount": plain(amount),
    }


def _window(symbol: str | None, start_ms: int, end_ms: int, limit: int) -> dict[str, str]:
    of = {} if symbol is None else {"symbol": symbol}
    return {**of, "startTime": str(start_ms), "endTime": str(end_ms), "limit": str(limit)}
