"""A new Bitget account of the sandbox, in all three products.

It shows every kind of plan line, and the peculiarities of Bitget. The exchange itself tops up the margin of one side.
One flat symbol has the wrong type. Some contracts have their margin in coin or in USDC.
"""

from decimal import Decimal

from reconcile.sandbox.books import Books
from reconcile.sandbox.demo import leave_free, open_positions
from reconcile.sandbox.values import CROSSED, ISOLATED, Market, RiskTier, Setting, brackets

LEVERAGE = Decimal(10)
AVAILABLE = {"USDT": Decimal(5000), "BTC": Decimal("0.2"), "ETH": Decimal(2), "USDC": Decimal(2000)}
_TAKER = Decimal("0.0006")


def _by_value(first: str) -> tuple[RiskTier, ...]:
    """Tiers by value, the first up to ``first``."""
    rows = [(1, "0.004", 125), (4, "0.005", 100), (10, "0.01", 50), (50, "0.02", 20), (200, "0.05", 10)]
    return brackets([(str(Decimal(first) * times), rate, leverage) for times, rate, leverage in rows])


_MARKETS: tuple[tuple[str, str, str, str, str, str, str], ...] = (
    ("BTCUSDT", "BTC", "USDT", "60500", "0.1", "150000", ISOLATED),
    ("ETHUSDT", "ETH", "USDT", "3010", "0.01", "150000", ISOLATED),
    ("SOLUSDT", "SOL", "USDT", "150", "0.001", "50000", CROSSED),
    ("XRPUSDT", "XRP", "USDT", "0.6", "0.0001", "50000", ISOLATED),
    ("DOGEUSDT", "DOGE", "USDT", "0.205", "0.00001", "50000", ISOLATED),
    ("ADAUSDT", "ADA", "USDT", "0.81", "0.0001", "50000", CROSSED),
    ("LINKUSDT", "LINK", "USDT", "15.1", "0.001", "50000", ISOLATED),
    ("BTCUSD", "BTC", "USD", "60500", "0.1", "10", ISOLATED),
    ("ETHUSD", "ETH", "USD", "3010", "0.01", "100", CROSSED),
    ("BTCPERP", "BTC", "USDC", "60500", "0.1", "150000", ISOLATED),
)

_POSITIONS: tuple[tuple[str, str, str, str, str | None], ...] = (
    ("BTCUSDT", "long", "0.5", "60000", "3000"),
    ("BTCUSDT", "short", "0.2", "61000", "2500"),
    ("ETHUSDT", "long", "4", "3000", "1500"),
    ("DOGEUSDT", "long", "20000", "0.20", "800"),
    ("ADAUSDT", "long", "5000", "0.80", None),
    ("LINKUSDT", "long", "200", "15", "600"),
    ("BTCUSD", "long", "30000", "60000", "0.06"),
    ("BTCUSD", "short", "12000", "61000", "0.05"),
    ("BTCPERP", "long", "0.1", "60000", "700"),
)


def seed_bitget(books: Books, now_ms: int) -> None:
    """The demo account: nine open positions, three flat symbols, free money in four coins."""
    for symbol, base, quote, mark, tick, first, kind in _MARKETS:
        inverse = quote == "USD"
        market = Market(
            symbol=symbol,
            asset=base if inverse else quote,
            mark=Decimal(mark),
            tiers=_by_value(first),
            inverse=inverse,
            taker_fee=_TAKER,
            tick=Decimal(tick),
            base=base,
            quote=quote,
        )
        books.add_market(market, setting=Setting(margin_type=kind, leverage=LEVERAGE))
    for asset in AVAILABLE:
        books.deposit(asset, Decimal(20_000), now_ms=now_ms)
    open_positions(books, _POSITIONS, now_ms)
    books.set_auto_add("LINKUSDT", ("long",), now_ms=now_ms)
    for asset, wanted in AVAILABLE.items():
        leave_free(books, asset, wanted, now_ms)
