"""The free details of runs and notes, as far as anything reads them: their types, checked when a record is decoded.

Details are for auditors and grow with versions, so keys that are not named here may hold anything.
"""

from collections.abc import Mapping
from typing import Any

from reconcile.journal.fields import Read, address, amount, by, count, each, holding, mapping, moment, one_of, text
from reconcile.journal.fields import optional as maybe
from reconcile.model.account import PositionMode

_FACTS: Mapping[str, Read[Any]] = {
    "account": maybe(text),
    "actor": maybe(text),
    "command": maybe(text),
    "host": maybe(text),
    "reason": maybe(text),
    "tool_version": maybe(text),
    "git_commit": maybe(text),
    "plan_id": maybe(text),
    "digest": maybe(text),
    "exchange": maybe(text),
    "endpoint": maybe(text),
    "product": maybe(text),
    "credentials": maybe(text),
    "position_mode": maybe(one_of(*PositionMode)),
    "grace_ms": maybe(count),
    "state_file": maybe(text),
    "state_sha256": maybe(text),
    "policy": maybe(mapping),
    "overrides": maybe(mapping),
    "journal_place": maybe(text),
    "notes_head": maybe(text),
}
"""Who ran what, on which account, from which file: of runs and of notes."""
_LIVE = holding(
    {
        "isolated_margin": amount,
        "asset": text,
        "size": maybe(amount),
        "mark_price": maybe(amount),
        "liquidation_price": maybe(amount),
    },
    required=frozenset({"isolated_margin"}),
)
_OURS = holding({"intent_id": text, "amount": amount}, required=frozenset({"intent_id", "amount"}))
_CAUSE = holding(
    {"cause": text, "amount": amount, "at_ms": maybe(moment)}, required=frozenset({"cause", "amount", "at_ms"})
)
_MOVED = holding(
    {"from": maybe(amount), "to": maybe(amount), "asset": text, "ours": each(_OURS), "causes": each(_CAUSE)},
    required=frozenset({"from", "to", "asset", "ours", "causes"}),
)
_DECISION = holding({"address": text, "decision": text, "outcome": text}, required=frozenset({"address", "decision"}))
_ENTRY = holding({"address": text, "reason": maybe(text)}, required=frozenset({"address"}))

run_started = holding(_FACTS)
run_finished = holding(
    {
        "exit_code": maybe(count),
        "errors": each(text),
        "error_keys": each(text),
        "declared": by(address, amount),
        "tolerance": by(address, amount),
        "out_of_place": each(text),
        "live": by(address, _LIVE),
        "live_at_ms": maybe(moment),
        "moved": by(address, _MOVED),
        "moved_problem": text,
    }
)
_NOTES: Mapping[str, Read[Mapping[str, Any]]] = {
    "refused": holding({**_FACTS, "exit_code": count, "key": text, "message": text}),
    "watch": holding({**_FACTS, "decisions": each(_DECISION)}),
    "planned": holding({"entries": each(_ENTRY)}),
    "no_clear_answer": holding({"intent_id": text, "code": maybe(text), "message": maybe(text)}),
}


def noted(what: str, details: Any) -> Mapping[str, Any]:
    """The details of a note of that name; raises ValueError."""
    return _NOTES.get(what, mapping)(details)
