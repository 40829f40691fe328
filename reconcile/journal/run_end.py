"""The last record of a run: the declared margins, the live ones at its last look, and the movements until then.

A journal holds it as ``details``, with amounts as text. Records of earlier versions have fewer fields, and keys that
this version does not know are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from reconcile.journal.fields import Read, address, amount, by, count, each, holding, moment, one_of, optional, text
from reconcile.model.measures import Measure, MeasureBounds, Thresholds
from reconcile.model.reports import Margin, MovementSummary
from reconcile.money import parse, plain


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """The end of a run; mappings by address have the address as text.

    ``errors`` are messages and ``error_keys`` their keys; ``outcomes`` are by step id. Live may differ from
    ``declared`` by ``tolerance``. ``out_of_place`` are the declared addresses that differed by more, None if the run
    did not say. ``live`` holds the open isolated positions at ``live_at_ms`` (exchange time, None: no look). ``bands``
    are the bounds of the declared risk measures. ``moved`` are the movements since the look before, None if they were
    not determined; ``moved_problem`` is the reason why the ledger was not read for them.
    """

    exit_code: int | None = None
    errors: tuple[str, ...] = ()
    error_keys: tuple[str, ...] = ()
    outcomes: Mapping[str, str] = field(default_factory=dict)
    declared: Mapping[str, Decimal] = field(default_factory=dict)
    tolerance: Mapping[str, Decimal] = field(default_factory=dict)
    bands: Mapping[str, MeasureBounds] = field(default_factory=dict)
    out_of_place: frozenset[str] | None = None
    live: Mapping[str, Margin] = field(default_factory=dict)
    live_at_ms: int | None = None
    moved: Mapping[str, MovementSummary] | None = None
    moved_problem: str = ""


_SEEN = {
    "isolated_margin": amount,
    "asset": text,
    "size": optional(amount),
    "mark_price": optional(amount),
    "liquidation_price": optional(amount),
}
_LIVE = holding(_SEEN, required=frozenset({"isolated_margin"}))
_BAND = holding(
    {"measure": one_of(*Measure), "floor": amount, "target": amount, "ceiling": optional(amount)},
    required=frozenset({"measure", "floor", "target", "ceiling"}),
)
_OURS = holding({"intent_id": text, "amount": amount}, required=frozenset({"intent_id", "amount"}))
_CAUSE = holding(
    {"cause": text, "amount": amount, "at_ms": optional(moment)}, required=frozenset({"cause", "amount", "at_ms"})
)
_MOVED = holding(
    {"from": optional(amount), "to": optional(amount), "asset": text, "ours": each(_OURS), "causes": each(_CAUSE)},
    required=frozenset({"from", "to", "asset", "ours", "causes"}),
)
_CHECKED: Read[Mapping[str, Any]] = holding(
    {
        "exit_code": optional(count),
        "errors": each(text),
        "error_keys": each(text),
        "declared": by(address, amount),
        "tolerance": by(address, amount),
        "bands": by(address, _BAND),
        "out_of_place": each(text),
        "live": by(address, _LIVE),
        "live_at_ms": optional(moment),
        "moved": by(address, _MOVED),
        "moved_problem": text,
    }
)


def read(value: Any) -> RunEnd:
    """The value that ``written`` wrote, or an earlier version did; raises ValueError."""
    found = _CHECKED(value)
    outcomes, off, moved = found.get("outcomes"), found.get("out_of_place"), found.get("moved")
    return RunEnd(
        exit_code=found.get("exit_code"),
        errors=tuple(found.get("errors", ())),
        error_keys=tuple(found.get("error_keys", ())),
        outcomes={key: str(item) for key, item in outcomes.items()} if isinstance(outcomes, dict) else {},
        declared=_amounts(found.get("declared", {})),
        tolerance=_amounts(found.get("tolerance", {})),
        bands={place: _band(bounds) for place, bounds in found.get("bands", {}).items()},
        out_of_place=None if off is None else frozenset(off),
        live={place: margin(seen) for place, seen in found.get("live", {}).items()},
        live_at_ms=found.get("live_at_ms"),
        moved=None if moved is None else {place: _summary(told) for place, told in moved.items()},
        moved_problem=found.get("moved_problem", ""),
    )


def written(end: RunEnd) -> dict[str, Any]:
    """The form that a journal holds; fields without a value are left out."""
    found: dict[str, Any] = {
        "exit_code": end.exit_code,
        "errors": list(end.errors),
        "error_keys": list(end.error_keys),
        "outcomes": dict(end.outcomes),
        "declared": dict(end.declared),
        "tolerance": dict(end.tolerance),
        "live": {place: seen_document(seen) for place, seen in end.live.items()},
        "live_at_ms": end.live_at_ms,
    }
    if end.bands:
        found["bands"] = {
            place: {
                "measure": band.measure.value,
                "floor": band.bounds.floor,
                "target": band.bounds.target,
                "ceiling": band.bounds.ceiling,
            }
            for place, band in end.bands.items()
        }
    if end.out_of_place is not None:
        found["out_of_place"] = sorted(end.out_of_place)
    if end.moved is not None:
        found["moved"] = {place: _summary_document(told) for place, told in end.moved.items()}
        found["moved_problem"] = end.moved_problem
    return found


def _band(found: Mapping[str, Any]) -> MeasureBounds:
    ceiling = found["ceiling"]
    bounds = Thresholds(
        floor=parse(found["floor"]),
        target=parse(found["target"]),
        ceiling=None if ceiling is None else parse(ceiling),
    )
    return MeasureBounds(measure=Measure(found["measure"]), bounds=bounds)


def margin(seen: Mapping[str, Any]) -> Margin:
    """One position of ``live``."""
    size, mark, liquidation = seen.get("size"), seen.get("mark_price"), seen.get("liquidation_price")
    return Margin(
        isolated_margin=parse(seen["isolated_margin"]),
        asset=seen.get("asset", ""),
        size=None if size is None else parse(size),
        mark_price=None if mark is None else parse(mark),
        liquidation_price=None if liquidation is None else parse(liquidation),
    )


def seen_document(seen: Margin) -> dict[str, str | None]:
    """One position of ``live``, as a journal holds it."""
    return {
        "isolated_margin": plain(seen.isolated_margin),
        "size": None if seen.size is None else plain(seen.size),
        "asset": seen.asset,
        "mark_price": None if seen.mark_price is None else plain(seen.mark_price),
        "liquidation_price": None if seen.liquidation_price is None else plain(seen.liquidation_price),
    }


def _amounts(values: Mapping[str, str]) -> Mapping[str, Decimal]:
    return {place: parse(value) for place, value in values.items()}


def _summary(told: Mapping[str, Any]) -> MovementSummary:
    before, after = told["from"], told["to"]
    return MovementSummary(
        before=None if before is None else parse(before),
        after=None if after is None else parse(after),
        asset=told["asset"],
        ours=tuple((one["intent_id"], parse(one["amount"])) for one in told["ours"]),
        causes=tuple((one["cause"], parse(one["amount"]), one["at_ms"]) for one in told["causes"]),
    )


def _summary_document(told: MovementSummary) -> dict[str, Any]:
    return {
        "from": told.before,
        "to": told.after,
        "asset": told.asset,
        "ours": [{"intent_id": intent_id, "amount": moved} for intent_id, moved in told.ours],
        "causes": [{"cause": cause, "amount": moved, "at_ms": at_ms} for cause, moved, at_ms in told.causes],
    }
