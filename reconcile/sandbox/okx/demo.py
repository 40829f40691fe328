"""A new OKX account of the sandbox.

It shows every kind of plan line, and the peculiarities of OKX. One instrument and side has a crossed and an isolated
position. No call can make one of the crossed positions isolated. One contract has its margin in coin.
"""

from decimal import Decimal

from reconcile.sandbox.books import Books
from reconcile.sandbox.demo import leave_free, open_positions
from reconcile.sandbox.values import Market, RiskTier, Setting, brackets

LEVERAGE = Decimal(10)
AVAILABLE = {"USDT": Decimal(5000), "BTC": Decimal("0.2")}


def _by_contracts(deep: int) -> tuple[RiskTier, ...]:
    """Tiers in contracts, the first up to ``deep``."""
    rows = [(1, "0.004", 100), (4, "0.0065", 75), (12, "0.01", 50), (40, "0.02", 20), (100, "0.05", 10)]
    return brackets([(str(deep * times), rate, leverage) for times, rate, leverage in rows])


_MARKETS: tuple[tuple[str, str, str, str, str, int], ...] = (
    ("BTC", "USDT", "60500", "0.01", "0.1", 2500),
    ("ETH", "USDT", "3010", "0.1", "0.01", 5000),
    ("SOL", "USDT", "150", "1", "0.01", 5000),
    ("XRP", "USDT", "0.6", "100", "0.0001", 20000),
    ("DOGE", "USDT", "0.205", "1000", "0.00001", 5000),
    ("LINK", "USDT", "15.1", "1", "0.001", 8000),
    ("BTC", "USD", "60500", "100", "0.1", 2000),
)

_POSITIONS: tuple[tuple[str, str, str, str, str | None], ...] = (
    ("BTC-USDT-SWAP", "long", "50", "60000", "3000"),
    ("BTC-USDT-SWAP", "long", "10", "60200", None),
    ("BTC-USDT-SWAP", "short", "20", "61000", "2500"),
    ("ETH-USDT-SWAP", "long", "40", "3000", "1500"),
    ("SOL-USDT-SWAP", "short", "30", "152", None),
    ("DOGE-USDT-SWAP", "long", "20", "0.20", "800"),
    ("LINK-USDT-SWAP", "long", "200", "15", "600"),
    ("BTC-USD-SWAP", "long", "300", "60000", "0.06"),
)


def seed_okx(books: Books, now_ms: int) -> None:
    """The demo account: 5000 USDT and 0.2 BTC free, eight open positions, one flat instrument."""
    for base, quote, mark, contract, tick, deep in _MARKETS:
        inverse = quote == "USD"
        market = Market(
            symbol=f"{base}-{quote}-SWAP",
            asset=base if inverse else quote,
            mark=Decimal(mark),
            tiers=_by_contracts(deep),
            contract_value=Decimal(contract),
            inverse=inverse,
            tick=Decimal(tick),
            base=base,
            quote=quote,
        )
        books.add_market(market, setting=Setting(leverage=LEVERAGE))
    for asset in AVAILABLE:
        books.deposit(asset, Decimal(20_000), now_ms=now_ms)
    open_positions(books, _POSITIONS, now_ms)
    for asset, wanted in AVAILABLE.items():
        leave_free(books, asset, wanted, now_ms)
