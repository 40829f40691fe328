"""The assignments of ``reconcile sandbox set``: a person's hand, and the exchange's, in a sandbox account.

Each is one text; all of one invocation happen or none::

    mark SYMBOL PRICE                     the mark price moves
    margin ADDRESS +AMOUNT|-AMOUNT        a person moves margin in or out
    fund ADDRESS +AMOUNT|-AMOUNT          a funding payment
    top-up ADDRESS AMOUNT                 the exchange adds margin by itself
    open ADDRESS SIZE [PRICE [MARGIN]]    open, or add to, a position (at the mark, with the initial margin)
    close ADDRESS [SIZE [PRICE]]          close it, or a part of it
    reopen ADDRESS                        close and open the same again
    flip SYMBOL                           turn a one-way position around
    type SYMBOL isolated|crossed          a person changes the margin type
    leverage SYMBOL NUMBER
    orders SYMBOL NUMBER                  how many orders rest
    algo-orders SYMBOL NUMBER             how many conditional orders rest
    auto-add ADDRESS on|off
    deposit ASSET +AMOUNT|-AMOUNT
    multi-assets on|off
    mode hedge|one-way
    switch NAME VALUE                     what the exchange's documents leave open; a name of the dialect's switches

An ADDRESS is SYMBOL.side, as in state files.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal

from reconcile.errors import InputError
from reconcile.money import parse, plain
from reconcile.sandbox.books import Books
from reconcile.sandbox.registry import simulated
from reconcile.sandbox.store import Kept
from reconcile.sandbox.values import HUMAN, ISOLATED, Denied, Refusal


def carry_out(kept: Kept, text: str, now_ms: int) -> str:
    """Do what one assignment says and tell what is so now; InputError when it cannot be read or is forbidden."""
    verb, *words = text.split() or [""]
    doing = f"setting the sandbox: {text!r}"
    known = VERBS.get(verb)
    if known is None:
        raise InputError(f"{doing}: no such assignment; expected one of {', '.join(VERBS)}")
    usage, least, most, action = known
    if not least <= len(words) <= most:
        raise InputError(f"{doing}: it does not fit; expected {verb} {usage}")
    try:
        return action(_Setting(kept=kept, words=tuple(words), now_ms=now_ms))
    except Denied as denied:
        raise InputError(f"{doing}: {_WHY[denied.why]} ({denied}); nothing was changed") from denied
    except ValueError as error:
        raise InputError(f"{doing}: {error}; expected {verb} {usage}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    """The words of one assignment."""

    kept: Kept
    words: tuple[str, ...]
    now_ms: int

    @property
    def books(self) -> Books:
        return self.kept.books

    def symbol(self) -> str:
        if self.words[0] not in self.books.markets:
            raise ValueError(f"{self.words[0]!r} is not listed; there are {', '.join(self.books.markets)}")
        return self.words[0]

    def address(self) -> tuple[str, str]:
        symbol, dot, side = self.words[0].rpartition(".")
        if not dot or side not in {"long", "short", "net"}:
            raise ValueError(f"{self.words[0]!r} is not an address like BTCUSDT.long")
        if symbol not in self.books.markets:
            raise ValueError(f"{symbol!r} is not listed; there are {', '.join(self.books.markets)}")
        return symbol, side

    def amount(self, index: int = 1) -> Decimal:
        return parse(self.words[index])

    def optional(self, index: int) -> Decimal | None:
        return parse(self.words[index]) if index < len(self.words) else None

    def count(self) -> int:
        if not self.words[1].isdecimal():
            raise ValueError(f"{self.words[1]!r} is not a whole number")
        return int(self.words[1])

    def on(self, index: int) -> bool:
        if self.words[index] not in {"on", "off"}:
            raise ValueError(f"{self.words[index]!r} is neither on nor off")
        return self.words[index] == "on"

    def margin_is(self) -> str:
        symbol, side = self.address()
        asset = self.books.markets[symbol].asset
        return f"{symbol}.{side}: isolated margin {plain(self.books.margin(symbol, side))} {asset}"

    def size_is(self) -> str:
        symbol, side = self.address()
        position = self.books.position(symbol, side)
        if position is None:
            return f"{symbol}.{side}: flat"
        held = f", isolated margin {plain(position.margin)}" if position.margin_type == ISOLATED else ""
        return f"{symbol}.{side}: size {plain(position.size)} at {plain(position.entry)}{held}"


def _mark(given: _Setting) -> str:
    symbol, price = given.symbol(), given.amount()
    given.books.set_mark(symbol, price, now_ms=given.now_ms)
    return f"{symbol}: mark price {plain(price)}"


def _margin(given: _Setting) -> str:
    symbol, side = given.address()
    given.books.move_margin(symbol, side, given.amount(), now_ms=given.now_ms, by=HUMAN)
    return given.margin_is()


def _fund(given: _Setting) -> str:
    symbol, side = given.address()
    given.books.fund(symbol, side, given.amount(), now_ms=given.now_ms)
    return given.margin_is()


def _top_up(given: _Setting) -> str:
    symbol, side = given.address()
    given.books.auto_add(symbol, side, given.amount(), now_ms=given.now_ms)
    return given.margin_is()


def _open(given: _Setting) -> str:
    symbol, side = given.address()
    size, price, margin = given.amount(), given.optional(2), given.optional(3)
    given.books.open_position(symbol, side, size, now_ms=given.now_ms, price=price, margin=margin, by=HUMAN)
    return given.size_is()


def _close(given: _Setting) -> str:
    symbol, side = given.address()
    size, price = given.optional(1), given.optional(2)
    given.books.close_position(symbol, side, now_ms=given.now_ms, size=size, price=price, by=HUMAN)
    return given.size_is()


def _reopen(given: _Setting) -> str:
    symbol, side = given.address()
    given.books.reopen(symbol, side, now_ms=given.now_ms, by=HUMAN)
    return given.size_is()


def _flip(given: _Setting) -> str:
    position = given.books.flip(given.symbol(), now_ms=given.now_ms, by=HUMAN)
    return f"{position.symbol}.net: size {plain(position.size)} at {plain(position.entry)}"


def _type(given: _Setting) -> str:
    symbol, kind = given.symbol(), given.words[1]
    if kind not in {"isolated", "crossed"}:
        raise ValueError(f"{kind!r} is neither isolated nor crossed")
    given.books.set_margin_type(symbol, kind, now_ms=given.now_ms, by=HUMAN)
    return f"{symbol}: {kind}"


def _leverage(given: _Setting) -> str:
    symbol, leverage = given.symbol(), given.amount()
    given.books.set_leverage(symbol, leverage, now_ms=given.now_ms, by=HUMAN)
    return f"{symbol}: leverage {plain(leverage)}"


def _orders(given: _Setting) -> str:
    given.books.set_orders(given.symbol(), now_ms=given.now_ms, open_orders=given.count())
    return f"{given.symbol()}: {given.count()} open orders"


def _algo_orders(given: _Setting) -> str:
    given.books.set_orders(given.symbol(), now_ms=given.now_ms, algo_orders=given.count())
    return f"{given.symbol()}: {given.count()} conditional orders"


def _auto_add(given: _Setting) -> str:
    symbol, side = given.address()
    others = tuple(each for each in given.books.settings[symbol].auto_add if each != side)
    sides = (*others, side) if given.on(1) else others
    given.books.set_auto_add(symbol, sides, now_ms=given.now_ms)
    return f"{symbol}.{side}: automatic margin {given.words[1]}"


def _deposit(given: _Setting) -> str:
    asset = given.words[0]
    if asset not in given.books.wallet:
        raise ValueError(f"{asset!r} is not held; there are {', '.join(given.books.wallet)}")
    given.books.deposit(asset, given.amount(), now_ms=given.now_ms)
    return f"{asset}: wallet {plain(given.books.wallet[asset])}"


def _multi_assets(given: _Setting) -> str:
    given.books.set_multi_assets(on=given.on(0), now_ms=given.now_ms)
    return f"multi-assets mode {given.words[0]}"


def _mode(given: _Setting) -> str:
    given.books.set_position_mode(given.words[0], now_ms=given.now_ms)
    return f"position mode {given.words[0]}"


def _switch(given: _Setting) -> str:
    name, word = given.words
    row = simulated(given.kept.exchange)
    defaults = {field.name: field.default for field in fields(row.switches)}
    value: object = word
    if word in {"on", "off", "true", "false"}:
        value = word in {"on", "true"}
    elif word == "none":
        value = None
    elif word.lstrip("-").isdecimal() and not isinstance(defaults.get(name), str):
        value = int(word)
    row.switched({name: value})
    given.kept.switches[name] = value
    return f"switch {name} {word}"


VERBS: Mapping[str, tuple[str, int, int, Callable[[_Setting], str]]] = {
    "mark": ("SYMBOL PRICE", 2, 2, _mark),
    "margin": ("ADDRESS +AMOUNT|-AMOUNT", 2, 2, _margin),
    "fund": ("ADDRESS +AMOUNT|-AMOUNT", 2, 2, _fund),
    "top-up": ("ADDRESS AMOUNT", 2, 2, _top_up),
    "open": ("ADDRESS SIZE [PRICE [MARGIN]]", 2, 4, _open),
    "close": ("ADDRESS [SIZE [PRICE]]", 1, 3, _close),
    "reopen": ("ADDRESS", 1, 1, _reopen),
    "flip": ("SYMBOL", 1, 1, _flip),
    "type": ("SYMBOL isolated|crossed", 2, 2, _type),
    "leverage": ("SYMBOL NUMBER", 2, 2, _leverage),
    "orders": ("SYMBOL NUMBER", 2, 2, _orders),
    "algo-orders": ("SYMBOL NUMBER", 2, 2, _algo_orders),
    "auto-add": ("ADDRESS on|off", 2, 2, _auto_add),
    "deposit": ("ASSET +AMOUNT|-AMOUNT", 2, 2, _deposit),
    "multi-assets": ("on|off", 1, 1, _multi_assets),
    "mode": ("hedge|one-way", 1, 1, _mode),
    "switch": ("NAME VALUE", 2, 2, _switch),
}

_WHY: Mapping[Refusal, str] = {
    Refusal.AMOUNT: "that amount cannot be used",
    Refusal.NO_SYMBOL: "no such symbol",
    Refusal.SIDE: "the side does not fit",
    Refusal.CROSSED: "the symbol is crossed",
    Refusal.NO_POSITION: "no such open position",
    Refusal.FUNDS: "not enough free balance",
    Refusal.REMOVABLE: "more than may be taken out",
    Refusal.SAME_TYPE: "it is so already",
    Refusal.MULTI_ASSETS: "not in multi-assets mode",
    Refusal.OPEN_ORDERS: "orders are resting",
    Refusal.OPEN_POSITION: "a position is open",
    Refusal.NEGATIVE: "a wallet would become negative",
}
