"""reconcile plans N targets of one file: parses, validates, compares with what is live, orders, renders the plan.

    python -m benchmarks.plan_offline N [bare] [bands]

With ``bare`` as if the extra ``[fast]`` were not installed; with ``bands`` every target declares a liquidation distance
instead of an amount. What is live is in memory before the clock starts. One position in ten needs margin. Prints the
seconds it took.
"""

import gc
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from time import perf_counter

from benchmarks.states import Served, declare
from reconcile import statefile
from reconcile.__main__ import GARBAGE_AFTER
from reconcile.exchanges.binance.risk import BinanceRisk, BinanceTier
from reconcile.exchanges.catalogue import TRAITS
from reconcile.model.account import Address, MarginType, ObservedAccount, Position, PositionMode, Side, SymbolState
from reconcile.model.plan import Plan
from reconcile.planning import order
from reconcile.render.plan.markdown import plan_markdown

HOUR_MS = 3_600_000
WITHOUT = "bare"
BANDS = "bands"
MARGIN, SIZE, MARK = Decimal(1000), Decimal(50), Decimal(100)
RISK = BinanceRisk(
    sign=1,
    size=SIZE,
    entry=MARK,
    mark=MARK,
    wallet=MARGIN,
    leverage=Decimal(10),
    tiers=(
        BinanceTier(floor=Decimal(0), rate=Decimal("0.005"), deduction=Decimal(0)),
        BinanceTier(floor=Decimal(50_000), rate=Decimal("0.0065"), deduction=Decimal(75)),
    ),
)
"""Each position: 50 units at 100, 1000 behind them, so 19.6 % from its liquidation price."""


def observed(count: int) -> ObservedAccount:
    """An account with so many isolated long positions of 1000 USDT."""
    addresses = [Address(f"C{number}USDT", Side.LONG) for number in range(1, count + 1)]
    return ObservedAccount(
        sent_at_ms=0,
        position_mode=PositionMode.HEDGE,
        uid=None,
        multi_assets=False,
        account_block=None,
        available={"USDT": Decimal(10**9)},
        positions={
            address: Position(
                address=address,
                asset="USDT",
                margin_type=MarginType.ISOLATED,
                isolated_margin=MARGIN,
                size=SIZE,
                mark_price=MARK,
                liquidation_price=RISK.liquidation_price(MARGIN),
                notional=SIZE * MARK,
                auto_add=False,
                risk=RISK,
            )
            for address in addresses
        },
        symbols={
            address.symbol: SymbolState(
                symbol=address.symbol, asset="USDT", margin_type=MarginType.ISOLATED, open_orders=None
            )
            for address in addresses
        },
    )


def declared(path: Path, count: int, *, bands: bool) -> Path:
    """The state file: one target in ten is not as it is live; the bands and their ``at_most`` differ among targets."""
    nowhere = Served(exchange="binance", url="http://127.0.0.1:1", accounts=[])
    needs = [number % 10 == 9 for number in range(count)]
    if not bands:
        return declare(path, nowhere, margins=["1100" if more else "1000" for more in needs])
    lines = []
    for number, more in enumerate(needs):
        floor = 20 if more else 8 + number % 5
        shares = f'floor = "{floor}%", target = "{floor + 2}.5%", ceiling = "{floor + 20}%"'
        lines.append(f"liquidation_distance = {{{shares}}}\nat_most = {4000 + number}")
    return declare(path, nowhere, ways=lines)


def main(count: int, *, bands: bool = False) -> float:
    """Plan, and return the seconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = declared(Path(folder) / "state.toml", count, bands=bands)
        live = observed(count)
        began = perf_counter()
        (desired,) = statefile.load([path])
        account = order.plan_account(
            desired,
            live,
            held={},
            traits=TRAITS["binance"],
            plan_id="0",
            observed_wall_ms=0,
            identity="x",
            targets=None,
        )
        plan = Plan(
            plan_id="0",
            tool_version="0",
            created_ms=0,
            expires_ms=HOUR_MS,
            git_commit=None,
            overrides={},
            accounts=(account,),
        )
        shown = plan_markdown(plan, titles={"binance": "Binance"}, digest="sha256:0")
        seconds = perf_counter() - began
    if len(account.steps) != count // 10 or not shown:
        raise SystemExit(f"planned {len(account.steps)} changes of {count}")
    return seconds


if __name__ == "__main__":
    gc.set_threshold(GARBAGE_AFTER)  # as the program does
    if WITHOUT in sys.argv[2:]:
        sys.modules["tomli"] = None  # type: ignore[assignment]  # the import system's way to say: not there
    print(main(int(sys.argv[1]), bands=BANDS in sys.argv[2:]))
