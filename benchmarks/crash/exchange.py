"""One account on its way through a path: prices, fills, funding and the exchange's own liquidation and top-up."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal

from benchmarks.crash.paths import SIZE, START, SYMBOLS, TICK_MS, PricePath
from reconcile.money import ZERO
from reconcile.sandbox.books import Books
from reconcile.sandbox.registry import simulated
from reconcile.sandbox.values import HEDGE, ISOLATED, BookPosition, Denied, Market, Setting, brackets

NAMES: Mapping[str, tuple[str, str]] = {
    "binance": ("BTCUSDT", "ETHUSDT"),
    "okx": ("BTC-USDT-SWAP", "ETH-USDT-SWAP"),
    "bitget": ("BTCUSDT", "ETHUSDT"),
}
ASSET = "USDT"
EPOCH_MS = 1_767_225_600_000
_TIERS = brackets([("50000", "0.005", 125), ("600000", "0.0065", 50)])
_BASES = ("BTC", "ETH")


@dataclass(slots=True, kw_only=True)
class Account:
    """The books of one account and what has become of its positions; ``tops_up`` is the exchange's own auto-add."""

    exchange: str
    path: PricePath
    leverage: int
    tops_up: bool = False
    keep_ms: int = 0
    liquidated: int = 0
    locked: Decimal = ZERO
    """The sum over all ticks of the isolated margin behind open positions."""
    values: Decimal = ZERO
    """The same sum of the positions' values."""
    moves: dict[str, int] = field(default_factory=dict)
    books: Books = field(init=False)

    def __post_init__(self) -> None:
        kind = simulated(self.exchange)
        books = Books(uid="100000001", position_mode=HEDGE, rules=kind.rules)
        opened_ms = EPOCH_MS - 3_600_000
        for name, base in zip(NAMES[self.exchange], _BASES, strict=True):
            market = Market(symbol=name, asset=ASSET, mark=Decimal(100), tiers=_TIERS, base=base, quote=ASSET)
            setting = Setting(margin_type=ISOLATED, leverage=Decimal(self.leverage))
            books.add_market(market, setting=setting)
        initial = (SIZE * START / self.leverage).quantize(Decimal("0.01"))
        books.deposit(ASSET, self.path.free + initial * SYMBOLS, now_ms=opened_ms)
        for symbol in range(SYMBOLS):
            books.open_position(*self.place(symbol), SIZE, now_ms=opened_ms, margin=initial, margin_type=ISOLATED)
        books.effects.clear()
        books.keep_ms = self.keep_ms
        self.books = books

    def place(self, symbol: int) -> tuple[str, str]:
        """The symbol and side of a position, as the exchange calls them."""
        return NAMES[self.exchange][symbol], "long" if self.path.long[symbol] else "short"

    def position(self, symbol: int) -> BookPosition | None:
        """What is open there."""
        return self.books.positions.get((*self.place(symbol), ISOLATED))

    def market(self, symbol: int) -> Market:
        """The symbol's market with its mark price."""
        return self.books.markets[NAMES[self.exchange][symbol]]

    def free(self) -> Decimal:
        """The free balance."""
        return self.books.cross[ASSET]

    def tick(self, number: int) -> None:
        """Let one tick happen: its events, its prices, and what the exchange does about them."""
        now_ms = EPOCH_MS + number * TICK_MS
        for event in self.path.events:
            if event.tick == number:
                self._happen(event.what, event.symbol, event.value, now_ms)
        for symbol, mark in enumerate(self.path.marks[number]):
            self.books.set_mark(NAMES[self.exchange][symbol], mark, now_ms=now_ms)
            self._liquidate(symbol, now_ms)
        for symbol in range(SYMBOLS):
            held = self.position(symbol)
            if held is not None:
                self.locked += held.margin
                self.values += self.market(symbol).notional(held.size, self.market(symbol).mark)

    def distance(self, symbol: int, margin: Decimal | None = None) -> Decimal | None:
        """How far an open position is from its liquidation price, with another margin if given; None where nothing
        liquidates it."""
        held, market = self.position(symbol), self.market(symbol)
        if held is None:
            return None
        there = held if margin is None else replace(held, margin=margin)
        price = self.books.rules.liquidation_price(market, there)
        return None if price is None else (market.mark - price) * held.direction / market.mark

    def _happen(self, what: str, symbol: int, value: Decimal, now_ms: int) -> None:
        held, market, place = self.position(symbol), self.market(symbol), self.place(symbol)
        if held is None:
            return
        with suppress(Denied):
            if what == "fund":
                paid = (value * market.notional(held.size, market.mark)).quantize(Decimal("0.01"))
                self.books.fund(*place, paid, now_ms=now_ms)
            elif what == "fill":
                self.books.open_position(*place, value, now_ms=now_ms)
            elif value < held.size:
                self.books.close_position(*place, size=value, now_ms=now_ms)

    def _liquidate(self, symbol: int, now_ms: int) -> None:
        """What the exchange does where the mark price has reached the liquidation price."""
        distance = self.distance(symbol)
        if distance is None or distance > 0:
            return
        if self.tops_up:
            self._top_up(symbol, now_ms)
            distance = self.distance(symbol)
            if distance is None or distance > 0:
                return
        self.books.close_position(*self.place(symbol), now_ms=now_ms)
        self.liquidated += 1

    def _top_up(self, symbol: int, now_ms: int) -> None:
        """One initial margin from the free balance, as far as that goes."""
        held, market = self.position(symbol), self.market(symbol)
        if held is None:
            return
        amount = min(self.free(), market.notional(held.size, held.entry) / held.leverage).quantize(Decimal("0.01"))
        with suppress(Denied):
            self.books.auto_add(*self.place(symbol), amount, now_ms=now_ms)
            self.count(symbol)

    def count(self, symbol: int) -> None:
        """One more move of margin on a position."""
        name = NAMES[self.exchange][symbol]
        self.moves[name] = self.moves.get(name, 0) + 1
