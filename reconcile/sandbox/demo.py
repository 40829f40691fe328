"""What a new account of the sandbox holds, and the demo keys it answers to.

The Binance account shows every kind of line a plan can have: too little and too much margin, a flat symbol of the wrong
type, no position where margin is declared, something in sync, something nobody declared, and a crossed position.
"""

import hashlib
from collections.abc import Callable, Iterable
from decimal import Decimal

from reconcile.money import ZERO
from reconcile.sandbox.books import Books
from reconcile.sandbox.http import SandboxAccount
from reconcile.sandbox.keys import demo_keys
from reconcile.sandbox.rules import Rules
from reconcile.sandbox.values import CROSSED, HEDGE, ISOLATED, Market, RiskTier, Setting, brackets

LEVERAGE = Decimal(10)
AVAILABLE = Decimal(5000)

_DEEP = brackets(
    [
        ("300000", "0.004", 125),
        ("3000000", "0.005", 100),
        ("12000000", "0.0065", 75),
        ("70000000", "0.01", 50),
        ("400000000", "0.025", 20),
    ]
)
_MIDDLE = brackets(
    [
        ("50000", "0.005", 75),
        ("600000", "0.0065", 50),
        ("3000000", "0.01", 40),
        ("12000000", "0.02", 25),
        ("60000000", "0.025", 20),
    ]
)
_SHALLOW = brackets(
    [("10000", "0.0065", 75), ("100000", "0.01", 50), ("1000000", "0.02", 25), ("10000000", "0.025", 20)]
)

_MARKETS: tuple[tuple[str, str, tuple[RiskTier, ...], str], ...] = (
    ("BTC", "60500", _DEEP, ISOLATED),
    ("ETH", "3010", _DEEP, ISOLATED),
    ("SOL", "150", _MIDDLE, CROSSED),
    ("XRP", "0.6", _MIDDLE, ISOLATED),
    ("DOGE", "0.205", _SHALLOW, ISOLATED),
    ("ADA", "0.81", _SHALLOW, CROSSED),
    ("LINK", "15.1", _SHALLOW, ISOLATED),
    ("BNB", "605", _MIDDLE, ISOLATED),
)

_POSITIONS: tuple[tuple[str, str, str, str, str | None], ...] = (
    ("BTCUSDT", "long", "0.5", "60000", "3000"),
    ("BTCUSDT", "short", "0.2", "61000", "2500"),
    ("ETHUSDT", "long", "4", "3000", "1500"),
    ("DOGEUSDT", "long", "20000", "0.20", "800"),
    ("ADAUSDT", "long", "5000", "0.80", None),
    ("LINKUSDT", "long", "200", "15", "600"),
    ("BNBUSDT", "long", "5", "600", "400"),
)


def seed_binance(books: Books, now_ms: int) -> None:
    """The demo account: 5000 USDT free, seven open positions, two flat symbols."""
    for base, mark, tiers, kind in _MARKETS:
        market = Market(symbol=f"{base}USDT", asset="USDT", mark=Decimal(mark), tiers=tiers, base=base, quote="USDT")
        books.add_market(market, setting=Setting(margin_type=kind, leverage=LEVERAGE))
    margins = [Decimal(margin) for *_, margin in _POSITIONS if margin is not None]
    books.deposit("USDT", sum(margins, ZERO), now_ms=now_ms)
    for symbol, side, size, entry, margin in _POSITIONS:
        given = None if margin is None else Decimal(margin)
        books.open_position(symbol, side, Decimal(size), now_ms=now_ms, price=Decimal(entry), margin=given)
    leave_free(books, "USDT", AVAILABLE, now_ms)


def leave_free(books: Books, asset: str, wanted: Decimal, now_ms: int) -> None:
    """Bring in what makes the free balance exactly what is wanted."""
    room = Decimal(10) ** 6
    books.deposit(asset, room, now_ms=now_ms)
    books.deposit(asset, wanted - books.rules.available(books.view(), asset), now_ms=now_ms)


def new_books(account: str, rules: Rules, seed: Callable[[Books, int], None], *, now_ms: int, keep_ms: int) -> Books:
    """A fresh account, seeded."""
    books = Books(uid=uid_of(account), position_mode=HEDGE, rules=rules)
    seed(books, now_ms)
    books.keep_ms = keep_ms
    return books


def uid_of(account: str) -> str:
    """The number under which a sandbox exchange knows an account."""
    return str(100_000_000 + int.from_bytes(hashlib.sha256(account.encode()).digest()[:4]) % 900_000_000)


def account_of(exchange: str, account: str, books: Books) -> SandboxAccount:
    """An account with its demo keys."""
    keys = demo_keys(exchange, account)
    return SandboxAccount(key=keys.key, secret=keys.secret, passphrase=keys.passphrase, books=books)


def fleet_symbol(exchange: str, number: int) -> str:
    """What a fleet's accounts hold, spelled as the exchange spells its instruments."""
    return f"C{number}-USDT-SWAP" if exchange == "okx" else f"C{number}USDT"


def fleet(
    exchange: str, rules: Rules, *, accounts: int, positions: int, now_ms: int, keep_ms: int = 0
) -> Iterable[SandboxAccount]:
    """Many accounts, each with that many isolated long positions of 1000 USDT margin and as much free, but at least
    100000 USDT. Their symbols are ``fleet_symbol``'s, from 1."""
    for number in range(1, accounts + 1):
        name = f"fleet-{number}"
        books = Books(uid=uid_of(name), position_mode=HEDGE, rules=rules, keep_ms=keep_ms)
        for index in range(1, positions + 1):
            symbol = fleet_symbol(exchange, index)
            market = Market(
                symbol=symbol, asset="USDT", mark=Decimal(100), tiers=_MIDDLE, base=f"C{index}", quote="USDT"
            )
            books.add_market(market, setting=Setting(margin_type=ISOLATED, leverage=LEVERAGE))
        books.deposit("USDT", Decimal(max(100_000, 1000 * positions) + 1000 * positions), now_ms=now_ms)
        for index in range(1, positions + 1):
            books.open_position(fleet_symbol(exchange, index), "long", Decimal(50), now_ms=now_ms, margin=Decimal(1000))
        yield account_of(exchange, name, books)
