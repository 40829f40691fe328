"""The changes that ``sandbox set`` can make: one row each, with its option, its help and what it does to the books."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import click

from reconcile.errors import UsageError
from reconcile.money import parse, plain, whole
from reconcile.sandbox.registry import simulated
from reconcile.sandbox.store import StoredAccount
from reconcile.sandbox.values import HUMAN

F = TypeVar("F", bound=Callable[..., Any])
Apply = Callable[[StoredAccount, str, str, int], str]
"""(account, what stands before the =, what stands behind it, now in ms) -> what was done, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One option of ``sandbox set``; ``shape`` is KEY=VALUE, or one word without a key."""

    option: str
    shape: str
    help: str
    apply: Apply

    @property
    def name(self) -> str:
        """The option's parameter."""
        return self.option.removeprefix("--").replace("-", "_")


def _number(text: str, option: str) -> Decimal:
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


def _count(text: str, option: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise UsageError(f"{option}: {text!r} is not a number of orders")
    return whole(text)


def _address(text: str, option: str) -> tuple[str, str]:
    symbol, dot, side = text.rpartition(".")
    if not dot or side not in {"long", "short", "net"}:
        raise UsageError(f"{option}: {text!r} is not an address like BTCUSDT.long")
    return symbol, side


def _one_of(text: str, words: Sequence[str], option: str) -> str:
    if text not in words:
        raise UsageError(f"{option}: {text!r} is not one of {', '.join(words)}")
    return text


def _mode(kept: StoredAccount, _: str, value: str, now_ms: int) -> str:
    kept.books.set_position_mode(_one_of(value, ("hedge", "one-way"), "--position-mode"), now_ms=now_ms)
    return f"position mode {value}"


def _multi_assets(kept: StoredAccount, _: str, value: str, now_ms: int) -> str:
    kept.books.set_multi_assets(on=_one_of(value, ("on", "off"), "--multi-assets") == "on", now_ms=now_ms)
    return f"multi-assets {value}"


def _deposit(kept: StoredAccount, asset: str, value: str, now_ms: int) -> str:
    kept.books.deposit(asset, _number(value, "--deposit"), now_ms=now_ms)
    return f"{value} {asset} paid in"


def _orders(kept: StoredAccount, symbol: str, value: str, now_ms: int) -> str:
    kept.books.set_orders(symbol, now_ms=now_ms, open_orders=_count(value, "--orders"))
    return f"{symbol}: {value} open orders"


def _close(kept: StoredAccount, address: str, value: str, now_ms: int) -> str:
    symbol, side = _address(address, "--close")
    size = None if value == "all" else _number(value, "--close")
    kept.books.close_position(symbol, side, now_ms=now_ms, size=size, by=HUMAN)
    return f"{address}: closed {value}"


def _type(kept: StoredAccount, symbol: str, value: str, now_ms: int) -> str:
    kind = _one_of(value, ("isolated", "crossed"), "--margin-type")
    kept.books.set_margin_type(symbol, kind, now_ms=now_ms, by=HUMAN)
    return f"{symbol}: {value}"


def _leverage(kept: StoredAccount, symbol: str, value: str, now_ms: int) -> str:
    kept.books.set_leverage(symbol, _number(value, "--leverage"), now_ms=now_ms, by=HUMAN)
    return f"{symbol}: leverage {value}"


def _mark(kept: StoredAccount, symbol: str, value: str, now_ms: int) -> str:
    kept.books.set_mark(symbol, _number(value, "--mark"), now_ms=now_ms)
    return f"{symbol}: mark price {value}"


def _open(kept: StoredAccount, address: str, value: str, now_ms: int) -> str:
    symbol, side = _address(address, "--open")
    position = kept.books.open_position(symbol, side, _number(value, "--open"), now_ms=now_ms, by=HUMAN)
    return f"{address}: {plain(position.size)} open, {position.margin_type}, margin {plain(position.margin)}"


def _margin(kept: StoredAccount, address: str, value: str, now_ms: int) -> str:
    symbol, side = _address(address, "--margin")
    position = kept.books.move_margin(symbol, side, _number(value, "--margin"), now_ms=now_ms, by=HUMAN)
    return f"{address}: isolated margin is now {plain(position.margin)}"


def _fund(kept: StoredAccount, address: str, value: str, now_ms: int) -> str:
    symbol, side = _address(address, "--fund")
    kept.books.fund(symbol, side, _number(value, "--fund"), now_ms=now_ms)
    return f"{address}: funding {value}"


def _auto_add(kept: StoredAccount, address: str, value: str, now_ms: int) -> str:
    symbol, side = _address(address, "--auto-add")
    on = _one_of(value, ("on", "off"), "--auto-add") == "on"
    setting = kept.books.settings.get(symbol)
    before = setting.auto_add if setting is not None else ()
    sides = tuple(dict.fromkeys([*before, side])) if on else tuple(s for s in before if s != side)
    kept.books.set_auto_add(symbol, sides, now_ms=now_ms)
    return f"{address}: auto-add {value}"


def _delist(kept: StoredAccount, _: str, value: str, now_ms: int) -> str:
    kept.books.delist(value, now_ms=now_ms)
    return f"{value}: settled at the mark price, no longer listed"


def _switch(kept: StoredAccount, name: str, value: str, _: int) -> str:
    try:
        read: object = json.loads(value)
    except ValueError:
        read = value
    switches = {**kept.switches, name: read}
    simulated(kept.exchange).switched(switches)
    kept.switches[name] = read
    return f"switch {name} = {value}"


CHANGES: tuple[Change, ...] = (
    Change(
        option="--switch",
        shape="NAME=VALUE",
        help="Choose a behaviour that the exchange's documents leave open.",
        apply=_switch,
    ),
    Change(option="--close", shape="ADDRESS=SIZE|all", help="Close a position at the mark price.", apply=_close),
    Change(option="--position-mode", shape="hedge|one-way", help="Only while nothing is open.", apply=_mode),
    Change(option="--multi-assets", shape="on|off", help="Share all assets as collateral.", apply=_multi_assets),
    Change(option="--deposit", shape="ASSET=AMOUNT", help="Pay in; negative takes out.", apply=_deposit),
    Change(option="--orders", shape="SYMBOL=N", help="How many orders are open.", apply=_orders),
    Change(option="--margin-type", shape="SYMBOL=TYPE", help="isolated or crossed, as a person would.", apply=_type),
    Change(option="--leverage", shape="SYMBOL=N", help="Leverage, as a person would.", apply=_leverage),
    Change(option="--mark", shape="SYMBOL=PRICE", help="Move the mark price.", apply=_mark),
    Change(option="--open", shape="ADDRESS=SIZE", help="Open a position, or add to it, at the mark.", apply=_open),
    Change(option="--margin", shape="ADDRESS=AMOUNT", help="Move margin as a person; negative out.", apply=_margin),
    Change(option="--fund", shape="ADDRESS=AMOUNT", help="Settle a funding payment.", apply=_fund),
    Change(option="--delist", shape="SYMBOL", help="End a contract: settle it and list it no more.", apply=_delist),
    Change(option="--auto-add", shape="ADDRESS=on|off", help="Automatic margin addition.", apply=_auto_add),
)


def change_options(function: F) -> F:
    """Give a command one repeatable option for each change, in the order in which they are made."""
    for row in reversed(CHANGES):
        option = click.option(row.option, row.name, metavar=row.shape, multiple=True, help=row.help)
        function = option(function)
    return function


Named = tuple[Change, str, str]
"""A change, what stands before its = (empty where it has none), and what stands behind it."""


def named(values: Mapping[str, Iterable[str]]) -> list[Named]:
    """The changes that were typed, in the order in which they are made; raises UsageError."""
    found: list[Named] = []
    for row in CHANGES:
        for text in values[row.name]:
            key, equals, value = text.partition("=")
            if "=" not in row.shape:
                key, value = "", text
            elif not equals or not key or not value:
                raise UsageError(f"{row.option}: {text!r} is not {row.shape}")
            found.append((row, key, value))
    return found


def change(kept: StoredAccount, wanted: Iterable[Named], *, now_ms: int, done: list[str]) -> None:
    """Make the changes; raises Denied or UsageError at the first that cannot be made."""
    for row, key, value in wanted:
        done.append(row.apply(kept, key, value, now_ms))
