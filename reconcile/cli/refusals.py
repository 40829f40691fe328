"""An apply that ended before it knew an account: its files were wrong, or its plan is not the one that was reviewed.

Such an apply is on record too (docs/audit.md), with what is known without believing the files. That is who ran it, what
was typed, the SHA-256 of a plan and the digest computed from it. The record leaves out what a plan says of itself. Of a
state file it holds only the places of its errors, since a key may stand there.
"""

from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any

from reconcile.cli.files import read_if_plan
from reconcile.cli.runner import conduct
from reconcile.cli.session import Invocation
from reconcile.errors import Declined, InputError, ReconcileError, StateFileErrors
from reconcile.usecases.notes import refused_unread

_MOST_PLACES = 20


def note_unread(
    session: Invocation, error: Declined | InputError, *, paths: Sequence[str], asked: str | None, reason: str | None
) -> None:
    """Put it on record where that is possible; where it is not, that is said and the error stays what it is.

    ``asked`` is the digest that was typed, None for none.
    """
    typed: dict[str, Any] = {"paths": list(paths), "asked_digest": asked}
    is_plan = False
    with suppress(InputError, OSError):
        for text in filter(None, map(read_if_plan, paths)):
            is_plan = True
            typed["plan_sha256"] = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    message = _message(error, is_plan=is_plan)
    try:
        conduct(
            session,
            lambda world: refused_unread(world, error, message=message, command="apply", reason=reason, more=typed),
            sends=True,
            doing="noting the refusal",
        )
    except ReconcileError as failure:
        session.warn(f"apply: not in the journal (refused): {failure}")


def _message(error: Declined | InputError, *, is_plan: bool) -> str:
    if isinstance(error, StateFileErrors):
        places = [f"{each.file}:{each.line or 1}" for each in error.problems]
        more = f" and {len(places) - _MOST_PLACES} more" if len(places) > _MOST_PLACES else ""
        return f"reading the state files: wrong at {', '.join(places[:_MOST_PLACES])}{more}"
    if is_plan and not isinstance(error, Declined):
        return "reading the saved plan: it is none that can be applied"
    return str(error)
