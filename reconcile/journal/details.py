"""Read and write the bodies of runs' first records and of notes, which a record holds as ``details``.

Every field that is read must have its type, or the record is an error. Later versions add keys: an unknown key may hold
any value, and a field without a value is not written.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from reconcile.journal import run_end
from reconcile.journal.fields import (
    Read,
    by,
    count,
    each,
    flag,
    holding,
    mapping,
    one_of,
    optional,
    text,
)
from reconcile.journal.run_end import RunEnd
from reconcile.model.account import PositionMode
from reconcile.model.notes import (
    AnswerNote,
    BrakeNote,
    Freeze,
    NoteBody,
    NotedEntry,
    NotedStep,
    PlanNote,
    RefusalNote,
    WatchDecision,
    WatchNote,
)
from reconcile.model.run_start import RunStart

_START: Mapping[str, Read[Any]] = {
    "account": optional(text),
    "actor": optional(text),
    "reason": optional(text),
    "tool_version": optional(text),
    "git_commit": optional(text),
    "git_dirty": optional(flag),
    "plan_id": optional(text),
    "digest": optional(text),
    "exchange": optional(text),
    "endpoint": optional(text),
    "product": optional(text),
    "credentials": optional(text),
    "position_mode": optional(one_of(*PositionMode)),
    "grace_ms": optional(count),
    "state_file": optional(text),
    "state_sha256": optional(text),
    "includes": optional(by(text, text)),
    "policy": optional(mapping),
    "limits": optional(mapping),
    "overrides": optional(by(text, text)),
    "scope": optional(each(text)),
    "journal_place": optional(text),
    "notes_head": optional(text),
}
_HELD = holding(_START)
_REFUSAL: Mapping[str, Read[Any]] = {
    "host": optional(text),
    "command": optional(text),
    "key": optional(text),
    "message": optional(text),
    "exit_code": optional(count),
}
_DECISION = holding({"address": text, "decision": text, "outcome": text}, required=frozenset({"address", "decision"}))
_STEP = holding(dict.fromkeys(("step_id", "action", "amount", "before", "after", "from", "to"), optional(text)))
_ENTRY = holding(
    {
        "address": text,
        "status": optional(text),
        "blocked_by": optional(text),
        "reason": optional(text),
        "asset": optional(text),
        "template": optional(text),
        "steps": each(_STEP),
    },
    required=frozenset({"address"}),
)
_FREEZE = holding(
    {"reason": text, "actor": text, "at": text, "identities": each(text)}, required=frozenset({"reason", "actor", "at"})
)
_FROZEN = by(text, _FREEZE)
_REFUSED = holding({**_START, **_REFUSAL})
_WATCHED = holding({**_START, "host": optional(text), "applies": optional(flag), "decisions": each(_DECISION)})
_PLANNED = holding(
    {
        "plan_id": optional(text),
        "digest": optional(text),
        "counts": by(text, count),
        "entries": each(_ENTRY),
        "errors": each(text),
    }
)
_ANSWERED = holding({"intent_id": text, "code": optional(text), "message": optional(text)})
_BRAKED = holding(dict.fromkeys(("command", "account", "reason", "actor", "host"), optional(text)))


def run_start(value: Any) -> RunStart:
    """The first body of a run; raises ValueError."""
    found = _said(_HELD(value), _START)
    if "position_mode" in found:
        found["position_mode"] = PositionMode(found["position_mode"])
    if "scope" in found:
        found["scope"] = tuple(found["scope"])
    return RunStart(**found)


def _said(held: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: held[name] for name in names if held.get(name) is not None}


def _planned(value: Any) -> PlanNote:
    found = _PLANNED(value)
    entries = tuple(_entry(each) for each in found.get("entries", ()))
    told = {name: found.get(name) for name in ("plan_id", "digest")}
    return PlanNote(**told, counts=found.get("counts", {}), entries=entries, errors=tuple(found.get("errors", ())))


def _entry(found: Mapping[str, Any]) -> NotedEntry:
    told = {name: found.get(name) for name in ("status", "blocked_by", "reason", "asset", "template")}
    return NotedEntry(
        address=found["address"], **told, steps=tuple(noted_step(each) for each in found.get("steps", ()))
    )


def noted_step(found: Mapping[str, str]) -> NotedStep:
    """A step of a plan's document; its other keys are left out."""
    told = {name: found.get(name) for name in ("step_id", "action", "amount", "before", "after", "to")}
    return NotedStep(**told, from_=found.get("from"))


def _answered(value: Any) -> AnswerNote:
    return AnswerNote(**_said(_ANSWERED(value), dict.fromkeys(("intent_id", "code", "message"))))


def _refused(value: Any) -> RefusalNote:
    found = _REFUSED(value)
    more = {key: item for key, item in found.items() if key not in _START and key not in _REFUSAL}
    return RefusalNote(start=run_start(found), more=more, **_said(found, _REFUSAL))


def _watched(value: Any) -> WatchNote:
    found = _WATCHED(value)
    decisions = tuple(
        WatchDecision(**{name: each[name] for name in ("address", "decision", "outcome") if name in each})
        for each in found.get("decisions", ())
    )
    return WatchNote(start=run_start(found), host=found.get("host"), applies=found.get("applies"), decisions=decisions)


def _braked(value: Any) -> BrakeNote:
    found = _BRAKED(value)
    told = {name: found.get(name) for name in ("command", "account", "reason", "actor", "host")}
    return BrakeNote(**told, frozen=_frozen(found.get("frozen")))


def _frozen(value: Any) -> Mapping[str, Freeze] | None:
    try:
        found = _FROZEN(value)
    except ValueError:
        return None
    told = ("reason", "actor", "at")
    return {
        name: Freeze(**{key: freeze[key] for key in told}, identities=tuple(freeze.get("identities", ())))
        for name, freeze in found.items()
    }


_NOTES: Mapping[str, Callable[[Any], NoteBody]] = {
    PlanNote.what: _planned,
    AnswerNote.what: _answered,
    RefusalNote.what: _refused,
    WatchNote.what: _watched,
    BrakeNote.what: _braked,
}


def noted(what: str, value: Any) -> NoteBody:
    """The body of a note of that name; raises ValueError."""
    return _NOTES.get(what, mapping)(value)


def written(body: object) -> dict[str, Any]:
    """A body as a record holds it; fields without a value are left out."""
    match body:
        case RefusalNote():
            return {**_values(body, without=("start", "more")), **_values(body.start), **body.more}
        case RunEnd():
            return run_end.written(body)
        case WatchNote():
            return {**_values(body, without=("start",)), **_values(body.start)}
        case NotedStep(from_=earlier):
            return {**_values(body, without=("from_",)), **({} if earlier is None else {"from": earlier})}
        case _:
            return _values(body)


def _values(body: Any, *, without: tuple[str, ...] = ()) -> dict[str, Any]:
    told = {each.name: getattr(body, each.name) for each in fields(body) if each.name not in without}
    return {name: value for name, value in told.items() if value is not None}


NESTED = (NotedEntry, NotedStep, WatchDecision, Freeze)
"""The types inside a body that are objects of their own."""
BODIES = (RunStart, RunEnd, PlanNote, AnswerNote, RefusalNote, WatchNote, BrakeNote, *NESTED)
"""Every type that ``written`` writes."""
