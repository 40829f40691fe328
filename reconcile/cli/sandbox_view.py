"""A sandbox account's books as JSON and as text."""

from decimal import Decimal
from typing import Any

from reconcile.money import plain
from reconcile.sandbox.books import Books
from reconcile.sandbox.store import StoredAccount

FORMAT = "reconcile.sandbox/1"


def document(kept: StoredAccount) -> dict[str, Any]:
    """The account as JSON; amounts are strings."""
    books = kept.books
    return {
        "format": FORMAT,
        "account": kept.name,
        "exchange": kept.exchange,
        "position_mode": books.position_mode,
        "multi_assets": books.multi_assets,
        "balances": {asset: _balance(books, asset) for asset in sorted(books.wallet)},
        "positions": [
            {
                "address": f"{position.symbol}.{position.side}",
                "margin_type": position.margin_type,
                "size": plain(position.size),
                "entry_price": plain(position.entry),
                "mark_price": plain(books.markets[position.symbol].mark),
                "isolated_margin": plain(position.margin),
                "asset": books.markets[position.symbol].asset,
                "liquidation_price": _plain(books.rules.liquidation_price(books.markets[position.symbol], position)),
                "opened_ms": position.opened_ms,
            }
            for _, position in sorted(books.positions.items())
        ],
        "symbols": {
            symbol: {
                "margin_type": setting.margin_type,
                "leverage": plain(setting.leverage),
                "open_orders": setting.open_orders,
                "algo_orders": setting.algo_orders,
                "auto_add": list(setting.auto_add),
                "mark_price": plain(books.markets[symbol].mark),
            }
            for symbol, setting in sorted(books.settings.items())
        },
        "switches": dict(kept.switches),
    }


def _balance(books: Books, asset: str) -> dict[str, str]:
    available = books.rules.available(books.view(), asset)
    return {"wallet": plain(books.wallet[asset]), "available": plain(available)}


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else plain(value.quantize(Decimal("1e-8")))


def text(shown: dict[str, Any]) -> str:
    """The same for a person: balances, positions, then the symbols with anything else to say."""
    head = f"{shown['account']}: sandbox {shown['exchange']}, {shown['position_mode']}"
    lines = [head + (", multi-assets" if shown["multi_assets"] else "")]
    lines += [
        f"  {asset}: {balance['available']} free of {balance['wallet']}" for asset, balance in shown["balances"].items()
    ]
    for p in shown["positions"]:
        margin = f" with {p['isolated_margin']} {p['asset']}" if p["margin_type"] == "isolated" else ""
        liquidation = f", liquidation {p['liquidation_price']}" if p["liquidation_price"] and margin else ""
        lines.append(
            f"  {p['address']}: {p['size']} at {p['entry_price']}, mark {p['mark_price']}, {p['margin_type']}{margin}"
            + liquidation
        )
    open_symbols = {p["address"].rpartition(".")[0] for p in shown["positions"]}
    for symbol, setting in shown["symbols"].items():
        orders = setting["open_orders"] + setting["algo_orders"]
        if symbol not in open_symbols or orders or setting["auto_add"]:
            extra = f", {orders} open orders" if orders else ""
            extra += f", auto-add on {', '.join(setting['auto_add'])}" if setting["auto_add"] else ""
            lines.append(f"  {symbol}: {setting['margin_type']}, mark {setting['mark_price']}{extra}")
    return "\n".join(lines) + "\n"
