"""A new account of the sandbox: its books, its number and the demo keys it answers to; or a fleet of accounts."""

import hashlib
from collections.abc import Callable, Iterable
from decimal import Decimal

from reconcile.sandbox.books import Books
from reconcile.sandbox.http import SandboxAccount
from reconcile.sandbox.keys import demo_keys
from reconcile.sandbox.rules import Rules
from reconcile.sandbox.values import CROSSED, HEDGE, ISOLATED, Market, Setting, brackets

LEVERAGE = Decimal(10)
FLEET_TIERS = brackets(
    [
        ("50000", "0.005", 75),
        ("600000", "0.0065", 50),
        ("3000000", "0.01", 40),
        ("12000000", "0.02", 25),
        ("60000000", "0.025", 20),
    ]
)


def leave_free(books: Books, asset: str, wanted: Decimal, now_ms: int) -> None:
    """Bring in what makes the free balance exactly what is wanted."""
    room = Decimal(10) ** 6
    books.deposit(asset, room, now_ms=now_ms)
    books.deposit(asset, wanted - books.rules.available(books.view(), asset), now_ms=now_ms)


def open_positions(books: Books, rows: Iterable[tuple[str, str, str, str, str | None]], now_ms: int) -> None:
    """Open what each row says: symbol, side, size, entry price and isolated margin; None opens a crossed position."""
    for symbol, side, size, entry, margin in rows:
        given, kind = (None, CROSSED) if margin is None else (Decimal(margin), ISOLATED)
        price = Decimal(entry)
        books.open_position(symbol, side, Decimal(size), now_ms=now_ms, price=price, margin=given, margin_type=kind)


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
    """The symbol of a fleet's account, spelled as the exchange spells its instruments."""
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
                symbol=symbol, asset="USDT", mark=Decimal(100), tiers=FLEET_TIERS, base=f"C{index}", quote="USDT"
            )
            books.add_market(market, setting=Setting(margin_type=ISOLATED, leverage=LEVERAGE))
        books.deposit("USDT", Decimal(max(100_000, 1000 * positions) + 1000 * positions), now_ms=now_ms)
        for index in range(1, positions + 1):
            books.open_position(fleet_symbol(exchange, index), "long", Decimal(50), now_ms=now_ms, margin=Decimal(1000))
        yield account_of(exchange, name, books)
