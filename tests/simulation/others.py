"""What everybody but the program does to an account: people, the exchange, other programs."""

from contextlib import suppress
from decimal import Decimal

from reconcile.sandbox.accounts import Books
from reconcile.sandbox.values import CROSSED, HEDGE, HUMAN, Denied
from tests.simulation.schedule import Happening, Schedule
from tests.simulation.small import SIZE, symbol_of

CENT = Decimal("0.01")
DUST = Decimal("0.00000001")
"""Moved many times over, it fills pages of a ledger and changes nothing else."""


def act(books: Books, schedule: Schedule, each: Happening, now_ms: int) -> None:
    """Let it happen; what the account's rules deny does not."""
    aim = schedule.aims[each.on % len(schedule.aims)]
    symbol = symbol_of(schedule, aim)
    side = aim.side if schedule.mode == HEDGE else "net"
    amount = Decimal(each.value)
    with suppress(Denied):
        match each.how:
            case "human_add":
                books.move_margin(symbol, side, amount, now_ms=now_ms, by=HUMAN)
            case "human_reduce":
                books.move_margin(symbol, side, -amount, now_ms=now_ms, by=HUMAN)
            case "human_same":
                books.move_margin(symbol, side, Decimal(aim.target - aim.before), now_ms=now_ms, by=HUMAN)
            case "noise":
                for _ in range(each.value):
                    books.move_margin(symbol, side, DUST, now_ms=now_ms, by=HUMAN)
            case "fund":
                books.fund(symbol, side, amount * CENT, now_ms=now_ms)
            case "auto":
                books.auto_add(symbol, side, amount, now_ms=now_ms)
            case "fill":
                books.open_position(symbol, side, SIZE / 10, now_ms=now_ms)
            case "part":
                books.close_position(symbol, side, size=SIZE / 2, now_ms=now_ms)
            case "close":
                books.close_position(symbol, side, now_ms=now_ms)
            case "reopen":
                books.reopen(symbol, side, now_ms=now_ms)
            case "flip":
                books.flip(symbol, now_ms=now_ms)
            case "crossed":
                books.close_position(symbol, side, now_ms=now_ms)
                books.set_margin_type(symbol, CROSSED, now_ms=now_ms, by=HUMAN)
            case _:
                raise ValueError(f"{each}: nobody can do that")
