"""The text of every JSON document, with exact amounts, and its digest.

Output is pure ASCII and its keys keep a stable order, so the same document is always the same text.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from reconcile.model.holds import Hold
from reconcile.model.plan import (
    PlanError,
)
from reconcile.money import plain
from reconcile.render.common.values import rfc3339

Document = dict[str, Any]
_COMMAND = re.compile(r"#(?=#[A-Za-z]*\[)")


def dumps(document: Mapping[str, Any]) -> str:
    """A document as text, indented for people and diffs, with a final line break.

    The text may go to the log of a CI runner, which takes commands from it: ``##[`` is written with an escape. A
    Decimal is one that a journal's record holds under a name of another version; like an amount, it is a string.
    """
    return _COMMAND.sub(r"\\u0023", json.dumps(document, indent=1, default=_exact)) + "\n"


def _exact(value: object) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    raise TypeError(f"writing a document: {type(value).__name__} has no place in JSON")


def digest_of(document: Mapping[str, Any]) -> str:
    """``sha256:…`` over the canonical JSON of a document without its own ``digest``."""
    bare = {key: value for key, value in document.items() if key != "digest"}
    canonical = json.dumps(bare, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def error_list(listed: Sequence[PlanError]) -> list[Document]:
    """An account's errors; ``asset``, ``limit`` and ``value`` are null where they mean nothing."""
    return [{"key": e.key, "asset": e.asset, "limit": e.limit, "value": e.value, "message": e.message} for e in listed]


def amount_or_none(amount: Decimal | None) -> str | None:
    """An amount in plain notation; null where there is none."""
    return None if amount is None else plain(amount)


def held_fields(hold: Hold | None) -> Document:
    """The rule that holds an address, and until when at most; null where none does, or no time ends it."""
    until_ms = None if hold is None else hold.until_ms
    return {"held_by": None if hold is None else hold.by, "held_until": None if until_ms is None else rfc3339(until_ms)}
