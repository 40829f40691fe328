"""What stands behind ``reconcile sandbox serve|show|reset|set`` and the endpoint ``sandbox``.

The assignments that ``set`` takes are described in ``assignments``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconcile.clock import Clock, SystemClock
from reconcile.errors import InputError
from reconcile.money import plain
from reconcile.sandbox.adapter import SandboxAdapter
from reconcile.sandbox.assignments import VERBS, carry_out
from reconcile.sandbox.faults import FaultPlan, Faults, NoFaults
from reconcile.sandbox.http import Account
from reconcile.sandbox.registry import simulated
from reconcile.sandbox.server import SandboxServer
from reconcile.sandbox.store import Kept, Store, StoredDialect
from reconcile.sandbox.swarm import Limits, Swarm
from reconcile.sandbox.values import ISOLATED
from reconcile.sandbox.venue import Venue

INSIDE_URL = "http://127.0.0.1"
"""The address an in-process sandbox is given in requests; nothing listens there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """A sandbox inside this process: send to ``url`` through ``adapter``, signed with the account's demo keys."""

    url: str
    adapter: SandboxAdapter
    account: Account


def inside(store: Store, account: str, exchange: str, *, clock: Clock | None = None) -> Inside:
    """The sandbox of ``endpoint = "sandbox"``, its account made from the demo when it is new; raises InputError."""
    dialect = StoredDialect(store, account, exchange)
    adapter = SandboxAdapter(Venue(dialect=dialect), now_ms=(clock or SystemClock()).wall_ms)
    return Inside(url=INSIDE_URL, adapter=adapter, account=dialect.credentials)


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A sandbox that is being served; ``server.wait()`` until ``server.stop()``."""

    server: SandboxServer
    account: Account

    def described(self) -> dict[str, str]:
        """What a client needs, demo keys included."""
        return {
            "url": self.server.url,
            "api_key": self.account.key,
            "api_secret": self.account.secret,
            "passphrase": self.account.passphrase,
        }


def serve(
    store: Store,
    *,
    exchange: str,
    account: str | None = None,
    port: int = 0,
    latency_ms: int = 0,
    faults: Path | None = None,
    seed: int | None = None,
) -> Serving:
    """Serve an account of the store (by default named as the exchange) on loopback; raises InputError.

    With a faults file, ``seed`` replaces the seed of its dice; with a seed alone, faults are drawn from it.
    """
    row = simulated(exchange)
    chosen: Faults = NoFaults()
    if faults is not None:
        chosen = FaultPlan.load(faults, replies=row.replies, seed=seed)
    elif seed is not None:
        chosen = Swarm(seed, limits=Limits(validity_ms=row.validity_ms), replies=row.replies)
    dialect = StoredDialect(store, account or exchange, exchange)
    venue = Venue(dialect=dialect, faults=chosen, latency_ms=latency_ms)
    return Serving(server=SandboxServer(venue, port=port).start(), account=dialect.credentials)


def reset(store: Store, account: str) -> bool:
    """Forget an account, so that its next use starts from the demo; whether there was one."""
    return store.reset(account)


def show(store: Store, account: str, exchange: str | None = None) -> dict[str, Any]:
    """The books as JSON-able data, amounts as strings; an account that is new is made from the demo."""
    with store.locked(account, exchange) as kept:
        return _shown(kept)


def _shown(kept: Kept) -> dict[str, Any]:
    books, rules = kept.books, kept.books.rules
    view = books.view()
    positions = []
    for position in sorted(books.positions.values(), key=lambda each: each.key):
        market = books.markets[position.symbol]
        price = rules.liquidation_price(market, position) if position.margin_type == ISOLATED else None
        positions.append(
            {
                "address": f"{position.symbol}.{position.side}",
                "margin_type": position.margin_type,
                "size": plain(position.size),
                "entry_price": plain(position.entry),
                "mark_price": plain(market.mark),
                "isolated_margin": plain(position.margin) if position.margin_type == ISOLATED else None,
                "liquidation_price": None if price is None else plain(round(price, 8)),
                "asset": market.asset,
            }
        )
    return {
        "account": kept.name,
        "exchange": kept.exchange,
        "position_mode": books.position_mode,
        "multi_assets": books.multi_assets,
        "balances": {
            asset: {
                "wallet": plain(wallet),
                "cross": plain(books.cross[asset]),
                "available": plain(rules.available(view, asset)),
            }
            for asset, wallet in books.wallet.items()
        },
        "positions": positions,
        "symbols": {
            symbol: {
                "margin_type": setting.margin_type,
                "leverage": plain(setting.leverage),
                "open_orders": setting.open_orders,
                "algo_orders": setting.algo_orders,
                "auto_add": list(setting.auto_add),
                "mark_price": plain(books.markets[symbol].mark),
            }
            for symbol, setting in books.settings.items()
        },
        "switches": dict(kept.switches),
    }


def show_text(shown: Mapping[str, Any]) -> str:
    """The same for a person: one line per balance and per position, then the flat symbols."""
    lines = [f"{shown['account']}: {shown['exchange']}, {shown['position_mode']}"]
    for asset, held in shown["balances"].items():
        lines.append(f"  {asset}: wallet {held['wallet']}, not allocated {held['cross']}, free {held['available']}")
    rows = [
        (
            row["address"],
            row["margin_type"],
            "" if row["isolated_margin"] is None else f"{row['isolated_margin']} {row['asset']}",
            f"size {row['size']}",
            f"mark {row['mark_price']}",
            "" if row["liquidation_price"] is None else f"liquidation {row['liquidation_price']}",
        )
        for row in shown["positions"]
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(6)] if rows else []
    lines += [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    held_symbols = {row["address"].rpartition(".")[0] for row in shown["positions"]}
    for symbol, setting in shown["symbols"].items():
        orders = setting["open_orders"] + setting["algo_orders"]
        if symbol not in held_symbols or orders:
            resting = f", {orders} orders" if orders else ""
            lines.append(f"  {symbol}: {setting['margin_type']}{resting}")
    return "\n".join(lines)


def set_(store: Store, account: str, assignments: Sequence[str], *, exchange: str | None = None) -> list[str]:
    """Carry out assignments (see ``assignments``), all or none; one line for each says what is so now.

    Raises InputError for one that cannot be read or that the exchange's rules forbid.
    """
    if not assignments:
        raise InputError(f"setting the sandbox: nothing to set; expected one of {', '.join(VERBS)}")
    with store.locked(account, exchange) as kept:
        return [carry_out(kept, text, store.now_ms()) for text in assignments]
