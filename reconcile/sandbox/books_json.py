"""Books to JSON and back, with exact decimals as strings."""

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, TypeVar

from reconcile.sandbox.books import Books
from reconcile.sandbox.rules import Rules
from reconcile.sandbox.values import BookEffect, BookPosition, BookRow, Market, RiskTier, Setting

Value = TypeVar("Value", BookEffect, Market, BookPosition, BookRow, Setting, RiskTier)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, tuple):
        return [_dump(item) if isinstance(item, RiskTier) else item for item in value]
    return value


def _dump(value: Value) -> dict[str, object]:
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


def _load(kind: type[Value], data: Mapping[str, Any]) -> Value:
    given: dict[str, Any] = {
        field.name: Decimal(data[field.name]) if field.type is Decimal else data[field.name]
        for field in fields(kind)
        if field.name in data
    }
    if "tiers" in given:
        given["tiers"] = tuple(_load(RiskTier, tier) for tier in given["tiers"])
    if "auto_add" in given:
        given["auto_add"] = tuple(given["auto_add"])
    return kind(**given)


def _amounts(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {asset: format(amount, "f") for asset, amount in amounts.items()}


def dump_books(books: Books) -> dict[str, Any]:
    """Everything but what is kept for stale reads."""
    return {
        "uid": books.uid,
        "position_mode": books.position_mode,
        "modes": dict(books.modes),
        "multi_assets": books.multi_assets,
        "now_ms": books.now_ms,
        "wallet": _amounts(books.wallet),
        "cross": _amounts(books.cross),
        "inflow": _amounts(books.inflow),
        "markets": [_dump(market) for market in books.markets.values()],
        "ended": [_dump(market) for market in books.ended.values()],
        "settings": {symbol: _dump(setting) for symbol, setting in books.settings.items()},
        "positions": [_dump(position) for position in books.positions.values()],
        "rows": [_dump(row) for row in books.rows],
        "effects": [_dump(effect) for effect in books.effects],
        "counters": books.counters(),
    }


def load_books(data: Mapping[str, Any], rules: Rules, *, keep_ms: int = 0) -> Books:
    """The books of a dump, their invariants checked; KeyError, TypeError or ValueError for what is not one."""
    books = Books(uid=data["uid"], position_mode=data["position_mode"], rules=rules, keep_ms=keep_ms)
    books.multi_assets = bool(data["multi_assets"])
    books.modes.update(data.get("modes", {}))
    for name, purse in (("wallet", books.wallet), ("cross", books.cross), ("inflow", books.inflow)):
        purse.update({asset: Decimal(amount) for asset, amount in data[name].items()})
    for row in data["markets"]:
        market = _load(Market, row)
        books.markets[market.symbol] = market
    for row in data.get("ended", ()):
        market = _load(Market, row)
        books.ended[market.symbol] = market
    books.settings.update({symbol: _load(Setting, row) for symbol, row in data["settings"].items()})
    for row in data["positions"]:
        position = _load(BookPosition, row)
        books.positions[position.key] = position
    books.rows.extend(_load(BookRow, row) for row in data["rows"])
    books.effects.extend(_load(BookEffect, row) for row in data["effects"])
    books.go_on(data["counters"], int(data["now_ms"]))
    for asset in books.wallet:
        books.check(asset)
    return books
