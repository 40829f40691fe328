"""What everybody but the program does to an account: people, the exchange, other programs."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal

from reconcile.sandbox.books import Books
from reconcile.sandbox.values import CROSSED, HEDGE, HUMAN, Denied
from tests.simulation.schedule import LEVER, PRICE, Happening, Schedule
from tests.simulation.small import MARK, SIZE, symbol_of

CENT = Decimal("0.01")
DUST = Decimal("0.00000001")
"""Moved many times over, it fills pages of a ledger and changes nothing else."""


def act(books: Books, schedule: Schedule, each: Happening, now_ms: int) -> None:
    """Let it happen; what the account's rules deny does not. Raises KeyError for what nobody can do."""
    aim = schedule.aims[each.on % len(schedule.aims)]
    symbol = symbol_of(schedule, aim)
    side = aim.side if schedule.mode == HEDGE else "net"
    doing = _DOINGS[each.how]
    with suppress(Denied):
        doing(books, symbol, side, Decimal(aim.target - aim.before if each.how == "human_same" else each.value), now_ms)


def _add(books: Books, symbol: str, side: str, amount: Decimal, now_ms: int) -> None:
    books.move_margin(symbol, side, amount, now_ms=now_ms, by=HUMAN)


def _reduce(books: Books, symbol: str, side: str, amount: Decimal, now_ms: int) -> None:
    books.move_margin(symbol, side, -amount, now_ms=now_ms, by=HUMAN)


def _noise(books: Books, symbol: str, side: str, amount: Decimal, now_ms: int) -> None:
    for _ in range(int(amount)):
        books.move_margin(symbol, side, DUST, now_ms=now_ms, by=HUMAN)


def _fund(books: Books, symbol: str, side: str, amount: Decimal, now_ms: int) -> None:
    books.fund(symbol, side, amount * CENT, now_ms=now_ms)


def _auto(books: Books, symbol: str, side: str, amount: Decimal, now_ms: int) -> None:
    books.auto_add(symbol, side, amount, now_ms=now_ms)


def _fill(books: Books, symbol: str, side: str, _: Decimal, now_ms: int) -> None:
    books.open_position(symbol, side, SIZE / 10, now_ms=now_ms)


def _part(books: Books, symbol: str, side: str, _: Decimal, now_ms: int) -> None:
    books.close_position(symbol, side, size=SIZE / 2, now_ms=now_ms)


def _close(books: Books, symbol: str, side: str, _: Decimal, now_ms: int) -> None:
    books.close_position(symbol, side, now_ms=now_ms)


def _reopen(books: Books, symbol: str, side: str, _: Decimal, now_ms: int) -> None:
    books.reopen(symbol, side, now_ms=now_ms)


def _flip(books: Books, symbol: str, _side: str, _: Decimal, now_ms: int) -> None:
    books.flip(symbol, now_ms=now_ms)


def _crossed(books: Books, symbol: str, side: str, _: Decimal, now_ms: int) -> None:
    books.close_position(symbol, side, now_ms=now_ms)
    books.set_margin_type(symbol, CROSSED, now_ms=now_ms, by=HUMAN)


def _price(books: Books, symbol: str, _side: str, thousandths: Decimal, now_ms: int) -> None:
    books.set_mark(symbol, MARK * (1000 + thousandths) / 1000, now_ms=now_ms)


def _lever(books: Books, symbol: str, _side: str, leverage: Decimal, now_ms: int) -> None:
    books.set_leverage(symbol, leverage, now_ms=now_ms, by=HUMAN)


_DOINGS: Mapping[str, Callable[[Books, str, str, Decimal, int], None]] = {
    "human_add": _add,
    "human_same": _add,
    "human_reduce": _reduce,
    "noise": _noise,
    "fund": _fund,
    "auto": _auto,
    "fill": _fill,
    "part": _part,
    "close": _close,
    "reopen": _reopen,
    "flip": _flip,
    "crossed": _crossed,
    PRICE: _price,
    LEVER: _lever,
}
