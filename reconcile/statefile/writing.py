"""An account as the text of its state file: a header for people, then tables in the order of symbol and side."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import tomli_w

from reconcile.model.account import DesiredAccount, Percent, Target
from reconcile.model.measures import Band
from reconcile.money import plain, whole
from reconcile.render.common.values import clean, rfc3339

_HEADER = """\
# The margin state of {title}, as it was at {at}.
#
#   reconcile plan  THIS FILE     shows no changes until margin moves or the file is edited
#   reconcile apply THIS FILE     makes the account as it says; asks first
#
# Written by 'reconcile import'. Isolated margins are the amounts allocated to each position, in its margin asset and
# without unrealised profit. Without 'allow_reduce = true' under [policy], margin is only ever added.
"""


def state_file(
    desired: DesiredAccount, *, tolerance: Percent, title: str, observed_wall_ms: int, notes: Sequence[str]
) -> str:
    """The file; ``title`` names exchange and endpoint for people, ``notes`` say what is not in it."""
    lines = [_HEADER.format(title=clean(title), at=rfc3339(observed_wall_ms))]
    if notes:
        lines += ["#\n", *(f"# {clean(note)}\n" for note in notes)]
    return "".join(lines) + "\n" + tomli_w.dumps(_document(desired, tolerance))


def _document(desired: DesiredAccount, tolerance: Percent) -> dict[str, Any]:
    account = {
        "name": desired.name,
        "exchange": desired.exchange,
        "position_mode": desired.position_mode.value,
        "endpoint": desired.endpoint,
        "region": desired.region,
        "product": desired.product,
        "credentials": desired.credentials,
        "uid": desired.uid,
    }
    document: dict[str, Any] = {
        "version": 1,
        "account": {key: value for key, value in account.items() if value is not None},
        "defaults": {"tolerance": f"{plain(tolerance.value)}%"},
    }
    if desired.targets:
        document["positions"] = positions(desired.targets)
    return document


def positions(targets: Sequence[Target]) -> dict[str, dict[str, Mapping[str, object]]]:
    """The table ``positions`` that declares these targets, by symbol and side."""
    table: dict[str, dict[str, Mapping[str, object]]] = {}
    for target in targets:
        table.setdefault(target.address.symbol, {})[target.address.side.value] = _position(target)
    return table


def _position(target: Target) -> Mapping[str, object]:
    switch = {} if target.auto_add is None else {"auto_add": target.auto_add}
    return {**_margin(target), **switch}


def _margin(target: Target) -> Mapping[str, object]:
    if target.band is not None:
        measure = target.band.measure
        return {measure.value: _thresholds(target.band), "at_most": _number(target.band.at_most)}
    if target.isolated_margin is None:
        return {"margin_type": target.margin_type.value}
    return {"isolated_margin": _number(target.isolated_margin)}


def _thresholds(band: Band) -> Mapping[str, object]:
    bounds = band.bounds
    written = {"floor": bounds.floor, "target": bounds.target, "ceiling": bounds.ceiling}
    write = band.measure.written if band.measure.is_share else _number
    return {name: write(value) for name, value in written.items() if value is not None}


def _number(amount: Decimal) -> int | Decimal:
    """Exact either way: the reader takes integers and floats as they are written."""
    text = plain(amount)
    return amount if "." in text else whole(text)
