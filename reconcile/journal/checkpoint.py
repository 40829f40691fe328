"""Checkpoints: the state of all earlier records, as a record of the journal, so that a reader can begin there.

A checkpoint is a line of the hash chain like any other: the lines after it name it. A reader begins at the last but one
and proves the chain from there. It also proves that the last one equals the state of the records before it, so a forged
last line has no effect. To forge more, a forger has to rewrite the end of the journal, which a head pinned outside
reveals. ``audit verify`` proves all lines and all checkpoints.

If a checkpoint does not fit, or another version of the fold made it, the reader uses the records of the whole journal
instead. A wrong checkpoint therefore cannot stop a run or change its state.

A checkpoint leaves out the heads of the notes beside a journal; only ``audit verify`` needs them.
"""

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any

from reconcile.journal.codec import INTENT, RELOCATION, RUN_STARTED, checked, stored
from reconcile.journal.days import DayTotals
from reconcile.journal.fields import (
    Read,
    address,
    amount,
    count,
    each,
    flag,
    mapping,
    moment,
    one_of,
    optional,
    shape,
    text,
)
from reconcile.journal.free import FreeBalances
from reconcile.journal.records import (
    Checkpoint,
    Effect,
    Intent,
    IntentStatus,
    MarginInPlace,
    UnreportedStep,
    Unsettled,
)
from reconcile.journal.run_end import margin, seen_document
from reconcile.journal.state import JournalState
from reconcile.model.reports import Margin
from reconcile.money import whole

FOLD_VERSION = 5
"""Raise it whenever a record changes a ``JournalState`` in another way, or a state has other parts.

Checkpoints of earlier versions are then ignored, and their records are folded again."""
LEAST_BYTES = 2 << 20
"""The least number of bytes of records between two checkpoints."""
TIMES_ITS_SIZE = 1
"""The records after a checkpoint take at least this many times its size, so checkpoints take at most half a journal."""


def is_due(*, tail: int, size: int) -> bool:
    """Whether a checkpoint is worth its place: ``tail`` bytes came after the last one, which took ``size``."""
    return tail >= max(LEAST_BYTES, TIMES_ITS_SIZE * size)


def taken(state: JournalState, *, size: int | None) -> Checkpoint:
    """The checkpoint of a state, to be appended at once; ``size`` is the number of bytes before it, None if no file."""
    return Checkpoint(version=FOLD_VERSION, size=size, state=stored(_parts(state)))


def proves(checkpoint: Checkpoint, state: JournalState, *, before: int) -> bool:
    """Whether a checkpoint equals the state before it, and its ``size``, if it has one, the bytes before it.

    A checkpoint of another version of the fold cannot be compared; no reader begins at it.
    """
    if checkpoint.version != FOLD_VERSION:
        return True
    return checkpoint.size in {None, before} and checkpoint.state == stored(_parts(state))


def _parts(state: JournalState) -> dict[str, Any]:
    dated = {claim for claims in state.claimed.values() for claim in claims}
    history = state.margins
    return {
        "records": state.records,
        "last_run": None if state.last_run is None else _values(state.last_run),
        "names": sorted(state.names),
        "identities": list(state.identities),
        "moved": None if state.moved is None else _values(state.moved),
        "used_plans": sorted(state.used_plans),
        "claimed": {str(day): claims for day, claims in state.claimed.items()},
        "claims": sorted(state.claims - dated),
        "days": {str(number): calls for number, calls in state.days.by_day().items()},
        "free": dict(state.free.amounts),
        "free_open": dict(state.free.open),
        "unsettled": [_values(item) for item in state.unsettled.values()],
        "effects": {lane: _values(effect) for lane, effect in state.effects.items()},
        "moves": {place: _values(effect) for place, effect in state.moves.items()},
        "replaced": {name: effect and _values(effect) for name, effect in state.replaced.items()},
        "calls": {lane: [_values(intent) for intent in several] for lane, several in state.calls.items()},
        "applied": {place: list(left) for place, left in history.applied.items()},
        "standing": {place: _values(found) for place, found in history.standing.items()},
        "live": {place: seen_document(seen) for place, seen in history.live.items()},
        "live_at_ms": history.live_at_ms,
        "sent": {place: [_values(s) for s in several.values()] for place, several in history.sent.items()},
        "declared": dict(history.declared),
    }


def _values(value: Any) -> dict[str, Any]:
    """The fields of a record or of a part of a state; an intent inside it becomes an object of its own fields."""
    return {
        each.name: _values(found) if isinstance(found := getattr(value, each.name), Intent) else found
        for each in fields(value)
    }


def restored(checkpoint: Checkpoint) -> JournalState:
    """The state that a checkpoint holds, itself counted.

    Raises ValueError if another version of the fold made it, or a part is missing or wrong.
    """
    if checkpoint.version != FOLD_VERSION:
        raise ValueError(f"is of version {checkpoint.version} of the fold")
    found = {name: read(_part(checkpoint.state, name)) for name, read in _PARTS.items()}
    state = JournalState()
    state.records = found["records"] + 1
    if found["last_run"] is not None:
        state.last_run = found["last_run"]
        state.last_host, state.cold_until_ms = found["last_run"].host, found["last_run"].cold_until_ms
    state.identities, state.moved = found["identities"], found["moved"]
    state.names, state.used_plans = set(found["names"]), set(found["used_plans"])
    state.claimed = {whole(day): claims for day, claims in found["claimed"].items()}
    state.claims = {*found["claims"], *(claim for claims in state.claimed.values() for claim in claims)}
    state.days = DayTotals.of({whole(number): calls for number, calls in found["days"].items()})
    state.free = FreeBalances(found["free"], found["free_open"])
    for item in found["unsettled"]:
        state.unsettled[item.intent.lane] = item
        state.lanes[item.intent.intent_id] = item.intent.lane
    state.effects, state.moves, state.replaced = found["effects"], found["moves"], found["replaced"]
    state.calls = found["calls"]
    history = state.margins
    history.applied, history.standing, history.live = found["applied"], found["standing"], found["live"]
    history.live_at_ms, history.declared = found["live_at_ms"], found["declared"]
    history.sent = {place: {step.intent.intent_id: step for step in steps} for place, steps in found["sent"].items()}
    return state


def _part(state: Mapping[str, Any], name: str) -> Any:
    if name not in state:
        raise ValueError(f"has no {name}")
    return state[name]


def _list(read: Read[Any]) -> Read[list[Any]]:
    """A list, each item read."""
    return lambda value: [read(item) for item in each(lambda _: None)(value)]


def _texts(value: Any) -> list[str]:
    """A list of texts, which may be very long."""
    if type(value) is not list or not all(type(item) is str for item in value):
        raise ValueError("is not a list of texts")
    return value


def _table(read: Read[Any]) -> Read[dict[str, Any]]:
    """An object, each value read."""
    return lambda value: {name: read(item) for name, item in mapping(value).items()}


def _pair(value: Any) -> tuple[str, str]:
    left, at = _list(text)(value)
    return left, at


def _added(value: Any) -> tuple[str, Decimal]:
    asset, added = _list(text)(value)
    return asset, amount(added)


def _seen(value: Any) -> Margin:
    held = mapping(value)
    for name in ("isolated_margin", "asset"):
        text(_part(held, name))
    return margin(held)


def _intent(value: Any) -> Intent:
    return checked(INTENT.read(value))


def _status(value: Any) -> IntentStatus:
    return IntentStatus(one_of(*IntentStatus)(value))


_EFFECT = shape(
    Effect,
    address=address,
    effect_ms=moment,
    signed_ms=moment,
    before=optional(amount),
    after=optional(amount),
    size=optional(amount),
    identity=optional(text),
    claim=optional(text),
    asset=optional(text),
    later_than_ms=optional(moment),
    calls_seen_ms=optional(moment),
)
_UNSETTLED = shape(
    Unsettled,
    intent=_intent,
    known=optional(_status),
    effect_ms=optional(moment),
    evidence=text,
    since=text,
    said_yes=flag,
    later_than_ms=optional(moment),
)
_UNREPORTED = shape(UnreportedStep, intent=_intent, known=optional(_status), claim=optional(text), is_sure=flag)
_IN_PLACE = shape(MarginInPlace, margin=amount, since_ms=moment)
_PARTS: Mapping[str, Read[Any]] = {
    "records": count,
    "last_run": optional(RUN_STARTED.read),
    "names": _texts,
    "identities": _texts,
    "moved": optional(RELOCATION.read),
    "used_plans": _texts,
    "claimed": _table(_texts),
    "claims": _texts,
    "days": _table(_table(optional(_added))),
    "free": _table(amount),
    "free_open": _table(_added),
    "unsettled": _list(_UNSETTLED.read),
    "effects": _table(_EFFECT.read),
    "moves": _table(_EFFECT.read),
    "replaced": _table(optional(_EFFECT.read)),
    "calls": _table(_list(_intent)),
    "applied": _table(_pair),
    "standing": _table(_IN_PLACE.read),
    "live": _table(_seen),
    "live_at_ms": optional(moment),
    "sent": _table(_list(_UNREPORTED.read)),
    "declared": _table(amount),
}
"""Every part of a state, and its type."""
