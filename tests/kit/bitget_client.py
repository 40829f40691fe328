"""A client that signs as the Bitget documents say, on a demo account in memory."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from reconcile.sandbox.bitget.demo import seed_bitget
from reconcile.sandbox.bitget.dialect import SimulatedBitget
from reconcile.sandbox.bitget.gate import BitgetSwitches
from reconcile.sandbox.bitget.rules import BitgetRules
from reconcile.sandbox.books import Books
from reconcile.sandbox.demo import account_of, new_books
from tests.kit.binance_client import NOW, D
from tests.kit.signed_client import SignedClient

MIX = "/api/v2/mix"
USDT, COIN, USDC = "USDT-FUTURES", "COIN-FUTURES", "USDC-FUTURES"
COINS = {"BTCUSD": (COIN, "BTC"), "ETHUSD": (COIN, "ETH"), "BTCPERP": (USDC, "USDC")}


def bitget_books(*, mode: str = "hedge", keep_ms: int = 0) -> Books:
    """The demo account; in one-way mode it is short 0.5 BTCUSDT, isolated, with 4000 USDT."""
    demo = new_books("demo", BitgetRules(), seed_bitget, now_ms=NOW, keep_ms=keep_ms)
    if mode == "hedge":
        return demo
    books = Books(uid="7", position_mode="one-way", rules=BitgetRules(), keep_ms=keep_ms)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        books.add_market(demo.markets[symbol], setting=demo.settings[symbol])
    books.deposit("USDT", D(10_000), now_ms=NOW)
    books.open_position("BTCUSDT", "net", D("-0.5"), now_ms=NOW, price=D(60000), margin=D(4000))
    return books


def symbol_of(symbol: str) -> dict[str, Any]:
    """The three parameters that name a symbol."""
    product, coin = COINS.get(symbol, (USDT, "USDT"))
    return {"symbol": symbol, "productType": product, "marginCoin": coin}


@dataclass(slots=True, kw_only=True)
class BitgetClient(SignedClient):
    """A client of one account."""

    prefix: ClassVar[str] = ""
    success: ClassVar[str] = "00000"
    books: Books = field(default_factory=bitget_books)
    switches: BitgetSwitches = field(default_factory=BitgetSwitches)
    dialect: SimulatedBitget = field(init=False)

    def __post_init__(self) -> None:
        self.account = account_of("bitget", "demo", self.books)
        self.dialect = SimulatedBitget([self.account], switches=self.switches)

    def stamp(self, time_ms: int) -> str:
        """Milliseconds."""
        return str(time_ms)

    def margin(self, symbol: str, side: str, amount: str) -> tuple[int, str]:
        """Status and code of the margin call."""
        path = f"{MIX}/account/set-margin"
        status, body = self.post(path, **symbol_of(symbol), holdSide=side, amount=amount)
        return status, body["code"]

    def mode(self, symbol: str, mode: str) -> tuple[int, str]:
        """Status and code of the margin mode call."""
        status, body = self.post(f"{MIX}/account/set-margin-mode", **symbol_of(symbol), marginMode=mode)
        return status, body["code"]
