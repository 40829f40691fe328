"""A new Binance account of the sandbox.

It shows every kind of line a plan can have: too little and too much margin, in sync, undeclared and crossed. It also
has a flat symbol of the wrong type, and a declared margin without a position.
"""

from decimal import Decimal

from reconcile.money import ZERO
from reconcile.sandbox.books import Books
from reconcile.sandbox.demo import FLEET_TIERS, LEVERAGE, leave_free, open_positions
from reconcile.sandbox.values import CROSSED, ISOLATED, Market, RiskTier, Setting, brackets

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
_SHALLOW = brackets(
    [("10000", "0.0065", 75), ("100000", "0.01", 50), ("1000000", "0.02", 25), ("10000000", "0.025", 20)]
)

_MARKETS: tuple[tuple[str, str, tuple[RiskTier, ...], str], ...] = (
    ("BTC", "60500", _DEEP, ISOLATED),
    ("ETH", "3010", _DEEP, ISOLATED),
    ("SOL", "150", FLEET_TIERS, CROSSED),
    ("XRP", "0.6", FLEET_TIERS, ISOLATED),
    ("DOGE", "0.205", _SHALLOW, ISOLATED),
    ("ADA", "0.81", _SHALLOW, CROSSED),
    ("LINK", "15.1", _SHALLOW, ISOLATED),
    ("BNB", "605", FLEET_TIERS, ISOLATED),
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
    open_positions(books, _POSITIONS, now_ms)
    leave_free(books, "USDT", AVAILABLE, now_ms)
