"""A client that signs as the OKX guide says, on a demo account in memory."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar

from reconcile.sandbox.books import Books
from reconcile.sandbox.demo import account_of, new_books
from reconcile.sandbox.okx.demo import seed_okx
from reconcile.sandbox.okx.dialect import SimulatedOkx
from reconcile.sandbox.okx.gate import OkxSwitches
from reconcile.sandbox.okx.rules import OkxRules
from tests.kit.binance_client import NOW, D
from tests.kit.signed_client import SignedClient

MARGIN = "/api/v5/account/position/margin-balance"


def okx_books(*, mode: str = "hedge", keep_ms: int = 0) -> Books:
    """The demo account; in one-way mode it is short 50 contracts of BTC-USDT-SWAP, isolated, with 4000 USDT."""
    demo = new_books("demo", OkxRules(), seed_okx, now_ms=NOW, keep_ms=keep_ms)
    if mode == "hedge":
        return demo
    books = Books(uid="7", position_mode="one-way", rules=OkxRules(), keep_ms=keep_ms)
    for symbol in ("BTC-USDT-SWAP", "ETH-USDT-SWAP"):
        books.add_market(demo.markets[symbol], setting=demo.settings[symbol])
    books.deposit("USDT", D(10_000), now_ms=NOW)
    symbol, price = "BTC-USDT-SWAP", D(60000)
    books.open_position(symbol, "net", D(-50), now_ms=NOW, price=price, margin=D(4000), margin_type="isolated")
    return books


@dataclass(slots=True, kw_only=True)
class OkxClient(SignedClient):
    """A client of one account."""

    prefix: ClassVar[str] = "ok-"
    success: ClassVar[str] = "0"
    books: Books = field(default_factory=okx_books)
    switches: OkxSwitches = field(default_factory=OkxSwitches)
    dialect: SimulatedOkx = field(init=False)

    def __post_init__(self) -> None:
        self.account = account_of("okx", "demo", self.books)
        self.dialect = SimulatedOkx([self.account], switches=self.switches)

    def stamp(self, time_ms: int) -> str:
        """RFC 3339 with milliseconds."""
        return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def margin(self, symbol: str, side: str, kind: str, amount: str) -> tuple[int, str]:
        """Status and code of the margin call."""
        status, body = self.post(MARGIN, instId=symbol, posSide=side, type=kind, amt=amount)
        return status, body["code"]
