"""One account's books: what every simulated exchange does with money, in Decimal, whatever its dialect.

An operation takes the time at which it happens. It changes the account, or raises ``Denied`` and changes nothing, and
then checks the invariants. Money is conserved (the account holds what came in), ``wallet - cross`` equals the sum of
the isolated margins, and no wallet is negative. A broken invariant raises ``BooksBroken``: a bug here, and no test may
go on over it.

``effects`` is the oracle's journal: every change of margin, in order, with who did it and by which request.
``as_of`` answers how the account looked before, as far back as ``keep_ms``; with ``keep_ms`` 0 nothing is kept.

The module is longer than most because all writes to an account are here and nowhere else.
"""

from bisect import bisect_right
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal
from typing import Any

from reconcile.money import ZERO
from reconcile.sandbox.rules import Rules
from reconcile.sandbox.values import (
    CROSSED,
    EXCHANGE,
    HEDGE,
    ISOLATED,
    ONE_WAY,
    BookEffect,
    BookPosition,
    BookRow,
    BooksBroken,
    Denied,
    Key,
    Market,
    Refusal,
    RequestOrigin,
    Setting,
    View,
)

FIRST_ROW = 700_000_001


class Books:
    """One account. Read its attributes freely; change it only through its operations."""

    __slots__ = (
        "_last_identity",
        "_last_row",
        "_past",
        "_past_times",
        "cross",
        "effects",
        "ended",
        "inflow",
        "keep_ms",
        "markets",
        "modes",
        "multi_assets",
        "now_ms",
        "position_mode",
        "positions",
        "revision",
        "rows",
        "rules",
        "settings",
        "uid",
        "wallet",
    )

    def __init__(self, *, uid: str, position_mode: str, rules: Rules, keep_ms: int = 0) -> None:
        """An empty account. ``position_mode`` is ``hedge`` or ``one-way``; ``uid`` the exchange's id of the account."""
        self.uid = uid
        self.position_mode = position_mode
        self.rules = rules
        self.keep_ms = keep_ms
        self.modes: dict[str, str] = {}
        self.multi_assets = False
        self.now_ms = 0
        self.revision = 0
        self.wallet: dict[str, Decimal] = {}
        self.cross: dict[str, Decimal] = {}
        self.inflow: dict[str, Decimal] = {}
        self.markets: dict[str, Market] = {}
        self.ended: dict[str, Market] = {}
        self.settings: dict[str, Setting] = {}
        self.positions: dict[Key, BookPosition] = {}
        self.rows: list[BookRow] = []
        self.effects: list[BookEffect] = []
        self._last_row = FIRST_ROW - 1
        self._last_identity = 0
        self._past: list[View] = []
        self._past_times: list[int] = []

    # ---- looking -------------------------------------------------------------------------------------------------

    def view(self) -> View:
        """The account now. It shares the books' own mappings: use it before the next operation."""
        return View(
            time_ms=self.now_ms,
            position_mode=self.position_mode,
            multi_assets=self.multi_assets,
            modes=self.modes,
            wallet=self.wallet,
            cross=self.cross,
            markets=self.markets,
            settings=self.settings,
            positions=self.positions,
        )

    def as_of(self, time_ms: int) -> View:
        """The account as it was at a moment; the oldest state kept when that is older, the present when it is later."""
        if not self._past or time_ms >= self._past_times[-1]:
            return self.view()
        return self._past[max(0, bisect_right(self._past_times, time_ms) - 1)]

    def rows_as_of(self, time_ms: int) -> list[BookRow]:
        """The history as it showed at a moment, oldest first."""
        rows = self.rows
        if not rows or rows[-1].time_ms <= time_ms:
            return rows
        return rows[: bisect_right(rows, time_ms, key=lambda row: row.time_ms)]

    def position(self, symbol: str, side: str, margin_type: str | None = None) -> BookPosition | None:
        """An open position; without a type the isolated one comes before the crossed one. None when there is none."""
        if margin_type is not None:
            return self.positions.get((symbol, side, margin_type))
        return self.positions.get((symbol, side, ISOLATED)) or self.positions.get((symbol, side, CROSSED))

    def margin(self, symbol: str, side: str) -> Decimal:
        """The isolated margin of a position; 0 when there is none."""
        position = self.positions.get((symbol, side, ISOLATED))
        return ZERO if position is None else position.margin

    def removable(self, symbol: str, side: str) -> Decimal:
        """The margin that may be taken out now."""
        position = self.positions.get((symbol, side, ISOLATED))
        return ZERO if position is None else self._cut(self.rules.removable(self.markets[symbol], position))

    def mode_of(self, symbol: str) -> str:
        """The position mode a symbol is traded in."""
        return self.modes.get(self.rules.scope(self._market(symbol)), self.position_mode)

    def known_market(self, symbol: str) -> Market:
        """A market that is listed, or was: rows of the history outlive their contract."""
        return self.markets.get(symbol) or self.ended[symbol]

    def open_on(self, symbol: str) -> list[BookPosition]:
        """The open positions of a symbol."""
        return [position for position in self.positions.values() if position.symbol == symbol]

    # ---- setting up ----------------------------------------------------------------------------------------------

    def add_market(self, market: Market, *, setting: Setting | None = None) -> None:
        """List a symbol, with this account's setting for it."""
        self.markets[market.symbol] = market
        self.settings[market.symbol] = setting or Setting()
        self.wallet.setdefault(market.asset, ZERO)
        self.cross.setdefault(market.asset, ZERO)
        self.inflow.setdefault(market.asset, ZERO)
        self._done(market.asset)

    def delist(self, symbol: str, *, now_ms: int) -> None:
        """A contract ends: its positions are settled at the mark price, and it is no longer listed."""
        market = self._market(symbol)
        for position in self.open_on(symbol):
            self.close_position(symbol, position.side, now_ms=now_ms, margin_type=position.margin_type)
        self._tick(now_ms)
        self.ended[symbol] = self.markets.pop(symbol)
        del self.settings[symbol]
        self._done(market.asset)

    def deposit(self, asset: str, amount: Decimal, *, now_ms: int) -> None:
        """Money comes in (or out, when negative)."""
        if self.cross.get(asset, ZERO) + amount < 0:
            raise Denied(Refusal.FUNDS, f"{asset}: only {self.cross.get(asset, ZERO)} is not allocated")
        self._tick(now_ms)
        self._pay(asset, amount)
        self._done(asset)

    def set_mark(self, symbol: str, price: Decimal, *, now_ms: int) -> None:
        """The mark price moves."""
        market = self._market(symbol)
        if price <= 0:
            raise Denied(Refusal.AMOUNT, "a price must be positive")
        self._tick(now_ms)
        self.markets[symbol] = replace(market, mark=price)
        self._done(None)

    def set_orders(
        self, symbol: str, *, now_ms: int, open_orders: int | None = None, algo_orders: int | None = None
    ) -> None:
        """Set the number of orders that rest on a symbol; None leaves a number as it is."""
        self._market(symbol)
        self._tick(now_ms)
        setting = self.settings[symbol]
        self.settings[symbol] = replace(
            setting,
            open_orders=setting.open_orders if open_orders is None else open_orders,
            algo_orders=setting.algo_orders if algo_orders is None else algo_orders,
        )
        self._done(None)

    def set_auto_add(self, symbol: str, sides: tuple[str, ...], *, now_ms: int) -> None:
        """The sides on which the exchange may top up isolated margin by itself."""
        self._market(symbol)
        self._tick(now_ms)
        self.settings[symbol] = replace(self.settings[symbol], auto_add=sides)
        self._done(None)

    def set_multi_assets(self, *, on: bool, now_ms: int) -> None:
        """Share all assets as collateral; refused while anything is isolated."""
        if on and any(position.margin_type == ISOLATED for position in self.positions.values()):
            raise Denied(Refusal.OPEN_POSITION, "an isolated position is open")
        self._tick(now_ms)
        self.multi_assets = on
        self._done(None)

    def set_position_mode(self, mode: str, *, now_ms: int, scope: str | None = None) -> None:
        """Hedge or one-way, everywhere or in one scope; only while nothing is open there."""
        if mode not in {HEDGE, ONE_WAY}:
            raise Denied(Refusal.SIDE, f"{mode!r} is neither {HEDGE} nor {ONE_WAY}")
        held = [self.rules.scope(self.markets[position.symbol]) for position in self.positions.values()]
        if scope in held or (scope is None and held):
            raise Denied(Refusal.OPEN_POSITION, "a position is open")
        self._tick(now_ms)
        if scope is None:
            self.position_mode = mode
            self.modes.clear()
        else:
            self.modes[scope] = mode
        self._done(None)

    # ---- margin --------------------------------------------------------------------------------------------------

    def move_margin(self, symbol: str, side: str, amount: Decimal, *, now_ms: int, by: RequestOrigin) -> BookPosition:
        """Move free balance into an isolated position (amount > 0) or out of it (< 0); returns what it became."""
        market = self._market(symbol)
        self._side(symbol, side)
        if amount == 0 or not amount.is_finite():
            raise Denied(Refusal.AMOUNT)
        position = self.positions.get((symbol, side, ISOLATED))
        if position is None:
            crossed = self.rules.type_on_symbol and self.settings[symbol].margin_type == CROSSED
            raise Denied(Refusal.CROSSED if crossed else Refusal.NO_POSITION)
        if amount > 0 and amount > self.rules.addable(self.view(), market.asset):
            raise Denied(Refusal.FUNDS)
        if amount < 0 and -amount > self.rules.removable(market, position):
            raise Denied(Refusal.REMOVABLE)
        self._tick(now_ms)
        return self._shift(position, amount, cause="add" if amount > 0 else "reduce", by=by)

    def auto_add(self, symbol: str, side: str, amount: Decimal, *, now_ms: int) -> BookPosition:
        """The exchange tops an isolated position up by itself."""
        position = self._isolated(symbol, side)
        if amount <= 0:
            raise Denied(Refusal.AMOUNT)
        if amount > self.rules.addable(self.view(), self.markets[symbol].asset):
            raise Denied(Refusal.FUNDS)
        self._tick(now_ms)
        return self._shift(position, amount, cause="auto", by=EXCHANGE)

    def set_margin_type(
        self, symbol: str, margin_type: str, *, now_ms: int, by: RequestOrigin, algo_orders: bool = True
    ) -> None:
        """Change a symbol's margin type. ``algo_orders`` says whether resting conditional orders forbid it."""
        self._market(symbol)
        setting = self.settings[symbol]
        if setting.margin_type == margin_type:
            raise Denied(Refusal.SAME_TYPE)
        if margin_type == ISOLATED and self.multi_assets:
            raise Denied(Refusal.MULTI_ASSETS)
        if setting.open_orders or (algo_orders and setting.algo_orders):
            raise Denied(Refusal.OPEN_ORDERS)
        if self.open_on(symbol):
            raise Denied(Refusal.OPEN_POSITION)
        self._tick(now_ms)
        self.settings[symbol] = replace(setting, margin_type=margin_type)
        self.effects.append(
            BookEffect(
                time_ms=self.now_ms,
                symbol=symbol,
                side="",
                margin_type=margin_type,
                change=ZERO,
                margin=ZERO,
                identity=0,
                actor=by.actor,
                cause="type",
                request=by.request,
                delivery=by.delivery,
            )
        )
        self._done(None)

    def set_leverage(
        self,
        symbol: str,
        leverage: Decimal,
        *,
        now_ms: int,
        by: RequestOrigin = EXCHANGE,
        side: str | None = None,
        margin_type: str | None = None,
    ) -> None:
        """Change the leverage of a symbol and of what is open on it; what that pulls in is the dialect's rule.

        With a side or a type, of the open positions only those that fit change.
        """
        market = self._market(symbol)
        if leverage < 1:
            raise Denied(Refusal.AMOUNT, "leverage is at least 1")
        touched = [
            position
            for position in self.open_on(symbol)
            if side in {None, position.side} and margin_type in {None, position.margin_type}
        ]
        pulls = [
            (position.key, self._cut(self.rules.top_up(market, position, leverage)))
            for position in touched
            if position.margin_type == ISOLATED
        ]
        if sum((pull for _, pull in pulls), ZERO) > self.rules.addable(self.view(), market.asset):
            raise Denied(Refusal.FUNDS)
        self._tick(now_ms)
        self.settings[symbol] = replace(self.settings[symbol], leverage=leverage)
        for position in touched:
            self.positions[position.key] = replace(position, leverage=leverage, updated_ms=self.now_ms)
        for key, pull in pulls:
            if pull > 0:
                self._shift(self.positions[key], pull, cause="leverage", by=by)
        self._done(None)

    def fund(self, symbol: str, side: str, amount: Decimal, *, now_ms: int) -> None:
        """A funding payment settles into the position (isolated) or into the account (crossed)."""
        position = self.position(symbol, side)
        if position is None:
            raise Denied(Refusal.NO_POSITION)
        held = position.margin if position.margin_type == ISOLATED else self.cross[self.markets[symbol].asset]
        if held + amount < 0:
            raise Denied(Refusal.NEGATIVE, f"only {held} is there to pay it from")
        self._tick(now_ms)
        gained = amount if position.margin_type == ISOLATED else ZERO
        self._book(position, paid=amount, gained=gained, cause="funding", by=EXCHANGE)

    # ---- positions -----------------------------------------------------------------------------------------------

    def open_position(
        self,
        symbol: str,
        side: str,
        size: Decimal,
        *,
        now_ms: int,
        price: Decimal | None = None,
        margin: Decimal | None = None,
        margin_type: str | None = None,
        by: RequestOrigin = EXCHANGE,
    ) -> BookPosition:
        """Open a position, or add to it, at ``price`` (None: at the mark).

        ``size`` is unsigned for long and short, signed for net. An isolated position is given ``margin`` from the free
        balance, by default its value over the leverage. ``margin_type`` None takes the symbol's.
        """
        market, setting = self._market(symbol), self.settings[symbol]
        self._side(symbol, side)
        if size == 0 or (side != "net" and size < 0):
            raise Denied(Refusal.AMOUNT, "the size must be positive for long and short, and not zero")
        kind = margin_type or setting.margin_type
        if self.rules.type_on_symbol and kind != setting.margin_type:
            raise Denied(Refusal.CROSSED, f"{symbol} is {setting.margin_type}")
        at, old = price or market.mark, self.positions.get((symbol, side, kind))
        if old is not None and (old.size > 0) != (size > 0):
            raise Denied(Refusal.SIDE, "close what is open the other way first")
        given = self._cut(market.notional(size, at) / setting.leverage) if margin is None else margin
        if kind == CROSSED:
            given = ZERO
        if given < 0 or given > self.cross[market.asset]:
            raise Denied(Refusal.FUNDS, f"{self.cross[market.asset]} {market.asset} is not allocated")
        self._tick(now_ms)
        grown = self._grown(market, old, size, at) if old else self._opened(symbol, side, kind, size, at)
        self._book(grown, paid=ZERO, gained=given, cause="fill", by=by)
        return self.positions[grown.key]

    def close_position(
        self,
        symbol: str,
        side: str,
        *,
        now_ms: int,
        size: Decimal | None = None,
        price: Decimal | None = None,
        margin_type: str | None = None,
        by: RequestOrigin = EXCHANGE,
    ) -> None:
        """Close all of a position, or an unsigned ``size`` of it, at ``price`` (None: at the mark).

        Margin comes back in proportion. A loss greater than what stands behind the closed part is paid by the
        exchange's insurance fund, so no wallet becomes negative.
        """
        position = self.position(symbol, side, margin_type)
        if position is None:
            raise Denied(Refusal.NO_POSITION)
        market, whole = self.markets[symbol], abs(position.size)
        part = whole if size is None else size
        if not 0 < part <= whole:
            raise Denied(Refusal.AMOUNT, f"only {whole} is open")
        self._tick(now_ms)
        back = position.margin if part == whole else self._cut(position.margin * part / whole)
        behind = back if position.margin_type == ISOLATED else self.cross[market.asset]
        profit = max(-behind, self._cut(market.profit(position, price or market.mark) * part / whole))
        left = position.size - part * (1 if position.size > 0 else -1)
        self._book(replace(position, size=left), paid=profit, gained=-back, cause="fill", by=by)

    def reopen(self, symbol: str, side: str, *, now_ms: int, by: RequestOrigin = EXCHANGE) -> BookPosition:
        """Close a position and open the same again at the mark: it has a new identity and fresh initial margin."""
        position = self.position(symbol, side)
        if position is None:
            raise Denied(Refusal.NO_POSITION)
        return self._again(position, position.size, now_ms, by)

    def flip(self, symbol: str, *, now_ms: int, by: RequestOrigin = EXCHANGE) -> BookPosition:
        """Turn a net position around: closed, and opened the other way."""
        position = self.position(symbol, "net")
        if position is None:
            raise Denied(Refusal.NO_POSITION)
        return self._again(position, -position.size, now_ms, by)

    def _again(self, position: BookPosition, size: Decimal, now_ms: int, by: RequestOrigin) -> BookPosition:
        """Close and open anew, with the initial margin or what free money there is; it cannot end half done."""
        symbol, side, kind = position.key
        market = self.markets[symbol]
        self.close_position(symbol, side, now_ms=now_ms, margin_type=kind, by=by)
        wanted = self._cut(market.notional(size, market.mark) / self.settings[symbol].leverage)
        margin = min(wanted, self.cross[market.asset])
        return self.open_position(symbol, side, size, now_ms=now_ms, margin=margin, margin_type=kind, by=by)

    # ---- inside --------------------------------------------------------------------------------------------------

    def _opened(self, symbol: str, side: str, kind: str, size: Decimal, price: Decimal) -> BookPosition:
        self._last_identity += 1
        return BookPosition(
            symbol=symbol,
            side=side,
            margin_type=kind,
            size=size,
            entry=price,
            margin=ZERO,
            leverage=self.settings[symbol].leverage,
            identity=self._last_identity,
            opened_ms=self.now_ms,
            updated_ms=self.now_ms,
        )

    def _grown(self, market: Market, old: BookPosition, size: Decimal, price: Decimal) -> BookPosition:
        total = old.size + size
        if market.inverse:
            entry = total / (old.size / old.entry + size / price)
        else:
            entry = (old.size * old.entry + size * price) / total
        return replace(old, size=total, entry=entry)

    def _shift(self, position: BookPosition, amount: Decimal, *, cause: str, by: RequestOrigin) -> BookPosition:
        self._book(position, paid=ZERO, gained=amount, cause=cause, by=by)
        return self.positions[position.key]

    def _book(self, position: BookPosition, *, paid: Decimal, gained: Decimal, cause: str, by: RequestOrigin) -> None:
        """The one place where money moves: ``paid`` comes from outside, ``gained`` goes into the position's margin."""
        asset = self.markets[position.symbol].asset
        self._pay(asset, paid)
        self.cross[asset] -= gained
        margin = position.margin + gained
        after = replace(position, margin=margin, updated_ms=self.now_ms)
        if after.size == 0:
            self.positions.pop(after.key, None)
        else:
            self.positions[after.key] = after
        self._last_row += 1
        row = BookRow(
            row_id=self._last_row,
            time_ms=self.now_ms,
            symbol=after.symbol,
            side=after.side,
            margin_type=after.margin_type,
            asset=asset,
            cause=cause,
            change=gained,
            paid=paid,
            balance=self.cross[asset],
            margin=margin,
        )
        self.rows.append(row)
        if gained != 0:
            self.effects.append(_effect(after, gained, cause, by))
        self._done(asset)

    def _pay(self, asset: str, amount: Decimal) -> None:
        for purse in (self.wallet, self.cross, self.inflow):
            purse[asset] = purse.get(asset, ZERO) + amount

    def _market(self, symbol: str) -> Market:
        market = self.markets.get(symbol)
        if market is None:
            raise Denied(Refusal.NO_SYMBOL, f"{symbol} is not listed")
        return market

    def _isolated(self, symbol: str, side: str) -> BookPosition:
        position = self.positions.get((symbol, side, ISOLATED))
        if position is None:
            raise Denied(Refusal.NO_POSITION)
        return position

    def _side(self, symbol: str, side: str) -> None:
        mode = self.mode_of(symbol)
        if side not in (("long", "short") if mode == HEDGE else ("net",)):
            raise Denied(Refusal.SIDE, f"{side!r} does not exist in {mode} mode")

    def _cut(self, amount: Decimal) -> Decimal:
        return amount.quantize(self.rules.amount_step, rounding=ROUND_DOWN)

    def _tick(self, now_ms: int) -> None:
        """Time never goes back in the books, and what was so until now is kept for stale reads."""
        if self.keep_ms and not self._past:
            self._remember()
        self.now_ms = max(self.now_ms, now_ms)

    def _done(self, asset: str | None) -> None:
        self.revision += 1
        if asset is not None:
            self.check(asset)
        if self.keep_ms:
            self._remember()

    def _remember(self) -> None:
        live = self.view()
        self._past.append(
            replace(
                live,
                modes=dict(live.modes),
                wallet=dict(live.wallet),
                cross=dict(live.cross),
                markets=dict(live.markets),
                settings=dict(live.settings),
                positions=dict(live.positions),
            )
        )
        self._past_times.append(self.now_ms)
        if len(self._past) > 64 and self._past_times[32] < self.now_ms - self.keep_ms:
            del self._past[:32], self._past_times[:32]

    def check(self, asset: str) -> None:
        """Raise ``BooksBroken`` unless the invariants hold for one asset."""
        wallet, cross, isolated = self.wallet[asset], self.cross[asset], ZERO
        for position in self.positions.values():
            if position.margin_type == ISOLATED and self.markets[position.symbol].asset == asset:
                if position.margin < 0:
                    raise BooksBroken(f"{position.key}: its margin is {position.margin}")
                isolated += position.margin
        if wallet - cross != isolated:
            raise BooksBroken(f"{asset}: wallet {wallet} less cross {cross} is not the isolated margins, {isolated}")
        if wallet != self.inflow[asset]:
            raise BooksBroken(f"{asset}: the wallet holds {wallet}, but {self.inflow[asset]} came in")
        if cross < 0:
            raise BooksBroken(f"{asset}: the cross wallet is {cross}")

    # ---- kept by the store ---------------------------------------------------------------------------------------

    def counters(self) -> dict[str, Any]:
        """The numbers that must go on where they were when the books are loaded again."""
        return {"last_row": self._last_row, "last_identity": self._last_identity, "revision": self.revision}

    def go_on(self, counters: dict[str, Any], now_ms: int) -> None:
        """Continue from stored ``counters`` and time."""
        self._last_row, self._last_identity = counters["last_row"], counters["last_identity"]
        self.revision, self.now_ms = counters["revision"], now_ms


def _effect(position: BookPosition, change: Decimal, cause: str, by: RequestOrigin) -> BookEffect:
    return BookEffect(
        time_ms=position.updated_ms,
        symbol=position.symbol,
        side=position.side,
        margin_type=position.margin_type,
        change=change,
        margin=position.margin,
        identity=position.identity,
        actor=by.actor,
        cause=cause,
        request=by.request,
        delivery=by.delivery,
    )
