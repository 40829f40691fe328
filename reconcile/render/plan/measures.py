"""Declared risk measures in every output: their bounds, their value now and after, for people and as JSON."""

from collections.abc import Mapping
from decimal import Context, Decimal
from typing import Any

from reconcile.model.measures import Band, Measure
from reconcile.model.plan import Entry, MoveMargin, Step
from reconcile.money import plain, writable

_COMPUTED = Context(prec=20)


def measure(entry: Entry) -> str:
    """``liquidation_distance 7.31% → 12.05% (8% to 25%, target 12%, at_most 4000)``; empty without a declared measure.

    ``no limit`` stands where no mark price liquidates the position.
    """
    band = None if entry.target is None else entry.target.band
    if band is None:
        return ""
    step = next((step for step in (*entry.steps, entry.wanted) if isinstance(step, MoveMargin)), None)
    shown, kind, bounds = "", band.measure, band.bounds
    if entry.observed is not None and entry.observed.is_open and entry.blocked_by != "formula":
        shown = f" {_bound(kind, entry.measure)}"
        shown += "" if step is None else f" → {_bound(kind, step.measure_after)}"
    span = f"{bounds.span(kind)}, target {kind.written(bounds.target)}"
    more = "" if step is None or step.ceiling is None else f", up to {plain(step.ceiling)} with headroom"
    return f"{kind.value}{shown} ({span}, at_most {plain(band.at_most)}){more}"


def _bound(kind: Measure, value: Decimal | None) -> str:
    return "no limit" if value is None else kind.shown(value)


def document(band: Band) -> dict[str, Any]:
    """A band as JSON: shares as parts of one, amounts in the margin asset."""
    bounds, rounding = band.bounds, band.rounding
    by_asset = {asset: plain(each) for asset, each in rounding.items()} if isinstance(rounding, Mapping) else None
    return {
        "name": band.measure.value,
        "floor": plain(bounds.floor),
        "target": plain(bounds.target),
        "ceiling": None if bounds.ceiling is None else plain(bounds.ceiling),
        "at_most": plain(band.at_most),
        "at_least": plain(band.at_least),
        "rounding": plain(rounding) if isinstance(rounding, Decimal) else by_asset,
    }


def add(written: dict[str, Any], entry: Entry) -> None:
    """Add to the JSON of an entry the amount that its addition lacks.

    If a measure is declared, add its value now, before and after the step, and the margin that the band requires.
    """
    if entry.missing is not None:
        written["missing"] = plain(entry.missing)
    if entry.target is None or entry.target.band is None:
        return
    if written["observed"] is not None:
        written["observed"]["measure"] = _computed(entry.measure)
    for step, each in zip(entry.steps, written["steps"], strict=True):
        each.update(_around(step))
    if entry.wanted is not None:
        written["wanted"].update(_around(entry.wanted))
    written["wanted_margin"] = None if entry.wanted_margin is None else _number(entry.wanted_margin)


def _around(step: Step) -> dict[str, str | None]:
    if not isinstance(step, MoveMargin):
        return {}
    around = {"measure_before": _computed(step.measure_before), "measure_after": _computed(step.measure_after)}
    return around if step.ceiling is None else {**around, "ceiling": plain(step.ceiling)}


def _computed(value: Decimal | None) -> str | None:
    return None if value is None else _number(_COMPUTED.plus(value))


def _number(value: Decimal) -> str | None:
    short = writable(value)
    return None if short is None else plain(short)
