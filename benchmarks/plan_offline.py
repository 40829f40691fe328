"""reconcile plans N targets of one file: parses, validates, compares with what is live, orders, renders the plan.

    python -m benchmarks.plan_offline N [bare]

With ``bare`` as if the extra ``[fast]`` were not installed. What is live is in memory before the clock starts. One
position in ten needs margin. Prints the seconds it took.
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
from reconcile.exchanges.catalogue import TRAITS
from reconcile.model.account import Address, MarginType, ObservedAccount, Position, PositionMode, Side, SymbolState
from reconcile.model.plan import Plan
from reconcile.planning import order
from reconcile.render import markdown

HOUR_MS = 3_600_000
WITHOUT = "bare"


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
                isolated_margin=Decimal(1000),
                size=Decimal(50),
                mark_price=Decimal(100),
                liquidation_price=None,
                notional=Decimal(5000),
                auto_add=False,
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


def main(count: int) -> float:
    """Plan, and return the seconds."""
    with tempfile.TemporaryDirectory() as folder:
        nowhere = Served(exchange="binance", url="http://127.0.0.1:1", accounts=[])
        margins = ["1100" if number % 10 == 9 else "1000" for number in range(count)]
        path = declare(Path(folder) / "state.toml", nowhere, margins=margins)
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
        shown = markdown.plan(plan, titles={"binance": "Binance"}, digest="sha256:0")
        seconds = perf_counter() - began
    if len(account.steps) != count // 10 or not shown:
        raise SystemExit(f"planned {len(account.steps)} changes of {count}")
    return seconds


if __name__ == "__main__":
    gc.set_threshold(GARBAGE_AFTER)  # as the program does
    if WITHOUT in sys.argv[2:]:
        sys.modules["tomli"] = None  # type: ignore[assignment]  # the import system's way to say: not there
    print(main(int(sys.argv[1])))
