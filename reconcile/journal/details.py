"""The free details of runs and notes, as far as anything reads them: their types, checked when a record is decoded.

Details are for auditors and grow with versions, so keys that are not named here may hold anything.
"""

from collections.abc import Mapping
from typing import Any

from reconcile.journal.fields import (
    Read,
    count,
    each,
    holding,
    mapping,
    one_of,
    optional,
    text,
)
from reconcile.model.account import PositionMode

_FACTS: Mapping[str, Read[Any]] = {
    "account": optional(text),
    "actor": optional(text),
    "command": optional(text),
    "host": optional(text),
    "reason": optional(text),
    "tool_version": optional(text),
    "git_commit": optional(text),
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
    "policy": optional(mapping),
    "overrides": optional(mapping),
    "journal_place": optional(text),
    "notes_head": optional(text),
}
"""Who ran what, on which account, from which file: of runs and of notes."""
_DECISION = holding({"address": text, "decision": text, "outcome": text}, required=frozenset({"address", "decision"}))
_ENTRY = holding({"address": text, "reason": optional(text)}, required=frozenset({"address"}))

run_started = holding(_FACTS)
_NOTES: Mapping[str, Read[Mapping[str, Any]]] = {
    "refused": holding({**_FACTS, "exit_code": count, "key": text, "message": text}),
    "watch": holding({**_FACTS, "decisions": each(_DECISION)}),
    "planned": holding({"entries": each(_ENTRY)}),
    "no_clear_answer": holding({"intent_id": text, "code": optional(text), "message": optional(text)}),
}


def noted(what: str, details: Any) -> Mapping[str, Any]:
    """The details of a note of that name; raises ValueError."""
    return _NOTES.get(what, mapping)(details)
