"""A saved observation: accounts as they were read, so that they can be rehearsed again without the exchange.

Each open isolated position carries the numbers of its exchange's own formula (``risk``). Their names differ by
exchange; the classes are in each exchange's ``risk.SHAPES``. A position that is read back must reproduce itself in that
formula, or it is refused.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from importlib import import_module
from typing import Any

from pydantic import TypeAdapter, ValidationError

from reconcile.errors import InputError
from reconcile.exchanges.catalogue import TRAITS
from reconcile.model.account import Address, MarginType, ObservedAccount, Position, PositionMode, SymbolState
from reconcile.model.jsontext import loads_whole
from reconcile.model.risk import Risk
from reconcile.money import parse, plain
from reconcile.render.common.json import Document
from reconcile.render.common.values import rfc3339
from reconcile.render.schema.observation import ObservationModel, ObservedAccountModel, ObservedPositionModel

OBSERVATION_FORMAT = "reconcile.observation/1"
_DOING = "reading the saved observation"
_AGAIN = "save one with 'reconcile rehearse --save FILE'"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedLook:
    """One account as it was read: by which exchange and product, and when (the exchange's time, milliseconds)."""

    exchange: str
    product: str | None
    observed_ms: int
    look: ObservedAccount


def document(looks: Mapping[str, SavedLook]) -> Document:
    """``reconcile.observation/1`` of accounts by name."""
    return {"format": OBSERVATION_FORMAT, "accounts": [_account(name, saved) for name, saved in sorted(looks.items())]}


def _account(name: str, saved: SavedLook) -> Document:
    look = saved.look
    return {
        "account": name,
        "exchange": saved.exchange,
        "product": saved.product,
        "observed_at": rfc3339(saved.observed_ms),
        "position_mode": look.position_mode.value,
        "account_uid": look.uid,
        "multi_assets": look.multi_assets,
        "account_block": look.account_block,
        "available": {asset: plain(amount) for asset, amount in sorted(look.available.items())},
        "unknown_balances": sorted(look.unknown_balances),
        "symbols": [
            {
                "symbol": each.symbol,
                "asset": each.asset,
                "margin_type": None if each.margin_type is None else each.margin_type.value,
                "open_orders": each.open_orders,
            }
            for each in sorted(look.symbols.values(), key=lambda each: each.symbol)
        ],
        "instruments": sorted(look.instruments),
        "positions": [_position(saved.exchange, held) for _, held in sorted(look.positions.items())],
        "unusable": {str(address): why for address, why in sorted(look.unusable.items())},
    }


def _position(exchange: str, held: Position) -> Document:
    return {
        "address": str(held.address),
        "asset": held.asset,
        "margin_type": held.margin_type.value,
        "isolated_margin": plain(held.isolated_margin),
        "position": plain(held.size),
        "mark_price": _number(held.mark_price),
        "liquidation_price": _number(held.liquidation_price),
        "notional": plain(held.notional),
        "auto_add": held.auto_add,
        "identity": held.identity,
        "risk": None if held.risk is None else _risk(exchange, held.risk),
    }


def _risk(exchange: str, risk: Risk) -> Document:
    name = next(name for name, shape in _shapes(exchange).items() if type(risk) is shape)
    return {"formula": name, **_written(risk)}


def _written(value: Any) -> Any:
    if is_dataclass(value):
        return {each.name: _written(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, tuple):
        return [_written(each) for each in value]
    return plain(value) if isinstance(value, Decimal) else value


def _number(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def _shapes(exchange: str) -> Mapping[str, type[Any]]:
    shapes: Mapping[str, type[Any]] = import_module(f"reconcile.exchanges.{exchange}.risk").SHAPES
    return shapes


def loads(text: str) -> dict[str, SavedLook]:
    """The accounts of a saved observation by name; raises InputError for what is none."""
    try:
        value = loads_whole(text)
        json.dumps(value)  # nested too deeply to be written is nested too deeply for all that follows
        found = value.get("format") if isinstance(value, dict) else None
        if found != OBSERVATION_FORMAT:
            raise InputError(f"{_DOING}: its format is {str(found)[:60]!r}, not {OBSERVATION_FORMAT!r}; {_AGAIN}")
        model = ObservationModel.model_validate(value)
    except ValidationError as error:
        raise InputError(f"{_DOING}: {_first(error)}; {_AGAIN}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{_DOING}: it is not JSON ({error}); {_AGAIN}") from error
    looks = {account.account: _saved(account) for account in model.accounts}
    if len(looks) != len(model.accounts):
        raise InputError(f"{_DOING}: an account is in it twice; {_AGAIN}")
    return looks


def _saved(model: ObservedAccountModel) -> SavedLook:
    where = f"{_DOING}: account {model.account}"
    if model.exchange not in TRAITS:
        raise InputError(f"{where}: {model.exchange!r} is not an exchange; expected one of {', '.join(TRAITS)}")
    try:
        positions = {held.address: held for held in _positions(model)}
        look = ObservedAccount(
            sent_at_ms=0,
            position_mode=PositionMode(model.position_mode),
            uid=model.account_uid,
            multi_assets=model.multi_assets,
            account_block=model.account_block,
            available=model.available,
            positions=positions,
            symbols={
                each.symbol: SymbolState(
                    symbol=each.symbol,
                    asset=each.asset,
                    margin_type=None if each.margin_type is None else MarginType(each.margin_type),
                    open_orders=each.open_orders,
                )
                for each in model.symbols
            },
            instruments=frozenset(model.instruments),
            unusable={Address.parse(address): why for address, why in model.unusable.items()},
            unknown_balances=frozenset(model.unknown_balances),
        )
    except ValidationError as error:
        raise InputError(f"{where}: {_first(error)}; {_AGAIN}") from error
    except ValueError as error:
        raise InputError(f"{where}: {error}; {_AGAIN}") from error
    return SavedLook(exchange=model.exchange, product=model.product, observed_ms=model.observed_at, look=look)


def _positions(model: ObservedAccountModel) -> Iterable[Position]:
    for each in model.positions:
        yield Position(
            address=Address.parse(each.address),
            asset=each.asset,
            margin_type=MarginType(each.margin_type),
            isolated_margin=each.isolated_margin,
            size=each.position,
            mark_price=each.mark_price,
            liquidation_price=each.liquidation_price,
            notional=each.notional,
            auto_add=each.auto_add,
            identity=each.identity,
            risk=None if each.risk is None else _formula(model.exchange, each, each.risk),
        )


def _formula(exchange: str, held: ObservedPositionModel, value: Mapping[str, Any]) -> Risk:
    """The formula of a position; raises ValueError for numbers that it cannot compute with."""
    name = value.get("formula")
    shape = _shapes(exchange).get(str(name))
    if shape is None:
        raise ValueError(f"{held.address}: {str(name)[:60]!r} is no formula of {TRAITS[exchange].title}")
    numbers = {key: _read(each) for key, each in value.items() if key != "formula"}
    risk: Risk = TypeAdapter(shape).validate_python(numbers)
    try:
        risk.liquidation_price(held.isolated_margin)
        risk.removable()
        risk.exposure()
    except (ArithmeticError, ValueError, StopIteration) as error:
        raise ValueError(f"{held.address}: the numbers of its formula contradict each other") from error
    return risk


def _read(value: object) -> object:
    """A formula's values with their numbers, which are its only strings. Raises ValueError."""
    match value:
        case str():
            return parse(value)
        case dict():
            return {key: _read(each) for key, each in value.items()}
        case list():
            return [_read(each) for each in value]
        case _:
            return value


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])[:200]}: {first['msg']}"
