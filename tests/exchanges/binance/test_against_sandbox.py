"""The Binance adapter against the simulated exchange, under every switch of what no document settles."""

import random
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from reconcile.connect.secrets import Credentials
from reconcile.errors import RefusalKind, Refused
from reconcile.exchanges.base import Writer
from reconcile.exchanges.http.limits import Limits
from reconcile.exchanges.http.wire import RequestsWire
from reconcile.exchanges.registry import connect
from reconcile.model.account import Address, MarginType, ObservedAccount, Side
from reconcile.model.ledger import Cause
from reconcile.model.plan import MoveMargin, SetMarginType
from reconcile.sandbox.adapter import SandboxAdapter
from reconcile.sandbox.binance.demo import seed_binance
from reconcile.sandbox.binance.dialect import SimulatedBinance
from reconcile.sandbox.binance.gate import BinanceSwitches
from reconcile.sandbox.binance.rules import BinanceRules
from reconcile.sandbox.books import Books
from reconcile.sandbox.demo import account_of, new_books
from reconcile.sandbox.venue import Venue
from tests.kit.fakes import SERVED_MS, VirtualClock, run

D = Decimal
LONG = Address("BTCUSDT", Side.LONG)
DECLARED = {"BTCUSDT": MarginType.ISOLATED, "SOLUSDT": MarginType.ISOLATED}
SWITCHES = [
    BinanceSwitches(),
    BinanceSwitches(v2_retired=True),
    BinanceSwitches(v2_retired=True, twin_rows_in_v3=True, auto_add_as_text=True),
    BinanceSwitches(v2_retired=True, retired_status=400, rows_reversed=True),
    BinanceSwitches(both_rows_in_hedge=True, bare_bracket=True),
    BinanceSwitches(negative_reductions=True, history_descending=True),
    BinanceSwitches(history_page_newest=True, history_max_limit=50),
    BinanceSwitches(history_fill_rows=None, history_auto_rows="AUTO_ADD", history_funding_rows="FUNDING"),
    BinanceSwitches(weight_header_lost=True, retry_after=False, amount_decimals=8),
]


class Bench:
    """The adapter on a fresh demo account."""

    def __init__(self, switches: BinanceSwitches) -> None:
        self.clock = VirtualClock()
        self.books: Books = new_books("bench", BinanceRules(), seed_binance, now_ms=SERVED_MS, keep_ms=0)
        account = account_of("binance", "bench", self.books)
        adapter = SandboxAdapter(Venue(dialect=SimulatedBinance([account], switches=switches)), now_ms=self.now)
        self.writer = connect(
            "binance",
            wire=RequestsWire(adapter, threads=None),
            credentials=Credentials(key=account.key, secret=account.secret),
            clock=self.clock,
            url="https://sandbox.invalid/",
            demo=False,
            product=None,
            limits=Limits(self.clock),
            dice=random.Random(1),
            read_only=False,
        )

    def now(self) -> int:
        return SERVED_MS + self.clock.monotonic_ms()

    async def move(self, action: str, amount: str) -> None:
        step = MoveMargin(
            step_id="s",
            address=LONG,
            asset="USDT",
            amount=D(amount),
            before=D(0),
            after=D(0),
            tolerance=D(0),
            action="add_margin" if action == "add" else "reduce_margin",
        )
        async with self.writer.turn():
            call = self.writer.prepare(step, D(amount), None, signed_at_ms=self.writer.time.earliest())
            await self.writer.send(call)


def on_bench(switches: BinanceSwitches, main: Callable[[Bench], Awaitable[None]]) -> Bench:
    bench = Bench(switches)

    async def whole() -> None:
        await main(bench)

    run(whole)
    return bench


@pytest.fixture(params=SWITCHES, ids=lambda switches: str(SWITCHES.index(switches)))
def switches(request: pytest.FixtureRequest) -> BinanceSwitches:
    found: BinanceSwitches = request.param
    return found


def test_a_look_shows_what_the_books_hold(switches: BinanceSwitches) -> None:
    seen: list[ObservedAccount] = []

    async def main(bench: Bench) -> None:
        seen.append(await bench.writer.observe(DECLARED))

    bench = on_bench(switches, main)
    shown = {
        (address.symbol, address.side.value): (abs(position.size), position.isolated_margin, position.margin_type.value)
        for address, position in seen[0].positions.items()
        if position.is_open
    }
    held = {
        (position.symbol, position.side): (abs(position.size), position.margin, position.margin_type)
        for position in bench.books.view().positions.values()
    }
    assert shown == held
    assert seen[0].available == {"USDT": D(5_000)}
    assert seen[0].symbols["SOLUSDT"].margin_type is MarginType.CROSSED
    assert seen[0].symbols["SOLUSDT"].open_orders is False
    assert seen[0].positions[LONG].risk is not None
    assert bench.writer.requests["public"] == 1


def test_margin_moves_by_exactly_what_was_sent_and_the_ledger_tells_both_moves(switches: BinanceSwitches) -> None:
    async def main(bench: Bench) -> None:
        await bench.clock.sleep(10)  # the account was seeded at 0
        before = await bench.writer.observe(DECLARED)
        since = bench.writer.time.earliest()
        await bench.clock.sleep(10)
        await bench.move("add", "12.5")
        await bench.clock.sleep(10)
        await bench.move("reduce", "2.25")
        after = await bench.writer.observe(DECLARED, reuse=before)
        assert after.positions[LONG].isolated_margin - before.positions[LONG].isolated_margin == D("10.25")
        read = await bench.writer.ledger("BTCUSDT", since_ms=since)
        moves = [(row.side, row.change, row.cause) for row in read.rows]
        assert moves == [("long", D("12.5"), Cause.MANUAL), ("long", D("-2.25"), Cause.MANUAL)]

    bench = on_bench(switches, main)
    assert bench.writer.requests["write"] == 2


def test_a_flat_symbol_changes_its_type_and_says_already_the_second_time(switches: BinanceSwitches) -> None:
    step = SetMarginType(
        step_id="s", address=Address("SOLUSDT", Side.LONG), before=MarginType.CROSSED, after=MarginType.ISOLATED
    )

    async def change(writer: Writer) -> str:
        await writer.sync_time()
        return (await writer.send(writer.prepare(step, None, None, signed_at_ms=writer.time.earliest()))).note

    async def main(bench: Bench) -> None:
        first, second = await change(bench.writer), await change(bench.writer)
        assert [note.startswith("-4046") for note in (first, second)] == [False, True]

    assert on_bench(switches, main).books.settings["SOLUSDT"].margin_type == "isolated"


@pytest.mark.parametrize("action", ["add", "reduce"])
def test_a_move_beyond_what_there_is_is_refused_for_funds(action: str) -> None:
    async def main(bench: Bench) -> None:
        await bench.writer.sync_time()
        with pytest.raises(Refused) as caught:
            await bench.move(action, "1000000")
        assert caught.value.kind is RefusalKind.FUNDS

    on_bench(BinanceSwitches(), main)


def test_the_removable_margin_is_exactly_what_the_exchange_lets_go() -> None:
    async def main(bench: Bench) -> None:
        risk = (await bench.writer.observe(DECLARED)).positions[LONG].risk
        removable = risk.removable() if risk else D(0)
        with pytest.raises(Refused):
            await bench.move("reduce", f"{removable + D('0.00000001'):.8f}")
        await bench.move("reduce", f"{removable:.8f}")

    on_bench(BinanceSwitches(), main)


def test_a_throttled_read_waits_and_succeeds() -> None:
    async def main(bench: Bench) -> None:
        for _ in range(4):
            await bench.writer.observe(DECLARED)
        assert bench.clock.monotonic_ms() >= 60_000

    on_bench(BinanceSwitches(weight_limit=40, ban_after=100), main)
