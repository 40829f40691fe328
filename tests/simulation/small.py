"""The smallest account that a schedule needs: its symbols, its positions opened an hour ago, and free balance.

Every position is 10 units at 100, leverage 10: 100 must stay behind it, and the rest can be taken out.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import cache, partial

from reconcile.sandbox.books import Books
from reconcile.sandbox.registry import simulated
from reconcile.sandbox.simulation import ExchangeSimulation
from reconcile.sandbox.values import HEDGE, ISOLATED, Market, Setting, brackets
from tests.simulation.ledger import EXACT, InexactBooks
from tests.simulation.machine import EPOCH_MS
from tests.simulation.schedule import Aim, Schedule

SYMBOLS: Mapping[str, tuple[str, str, str]] = {
    "binance": ("BTCUSDT", "ETHUSDT", "SOLUSDT"),
    "okx": ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"),
    "bitget": ("BTCUSDT", "ETHUSDT", "SOLUSDT"),
}
ASSET = "USDT"
SIZE = Decimal(10)
MARK = Decimal(100)
KEPT_MS = 200_000
"""How far back the books remember: longer than any lag of a schedule, outside the assumptions too."""
_HOUR_MS = 3_600_000
_TIERS = brackets([("50000", "0.005", 75), ("600000", "0.0065", 50)])
_BASES = ("BTC", "ETH", "SOL")


def symbol_of(schedule: Schedule, aim: Aim) -> str:
    """The exchange's name of an aim's symbol."""
    return SYMBOLS[schedule.exchange][aim.symbol]


@cache
def _market(exchange: str, number: int) -> Market:
    base = _BASES[number]
    return Market(symbol=SYMBOLS[exchange][number], asset=ASSET, mark=MARK, tiers=_TIERS, base=base, quote=ASSET)


def small_books(schedule: Schedule) -> Books:
    """The account as it is when the schedule begins."""
    kind: ExchangeSimulation = simulated(schedule.exchange)
    opened_ms = EPOCH_MS - _HOUR_MS
    kept = Books if schedule.ledger == EXACT else partial(InexactBooks, schedule.ledger)
    books = kept(uid="100000001", position_mode=schedule.mode, rules=kind.rules)
    for number in sorted({aim.symbol for aim in schedule.aims}):
        books.add_market(
            _market(schedule.exchange, number), setting=Setting(margin_type=ISOLATED, leverage=Decimal(10))
        )
    books.deposit(ASSET, schedule.free + Decimal(sum(aim.before for aim in schedule.aims)), now_ms=opened_ms)
    for aim in schedule.aims:
        side = aim.side if schedule.mode == HEDGE else "net"
        books.open_position(
            symbol_of(schedule, aim),
            side,
            SIZE,
            now_ms=opened_ms,
            margin=Decimal(aim.before),
            margin_type=ISOLATED,
        )
    books.effects.clear()
    if (
        schedule.limits is not None
        or schedule.replicas
        or any(each.how.startswith(("stale", "glitch", "behind", "wrong_reads")) for each in schedule.happenings)
    ):
        books.keep_ms = KEPT_MS
    return books
