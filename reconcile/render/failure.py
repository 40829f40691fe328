"""What stopped a command before it had a document of its own, in the formats that were asked for."""

from collections.abc import Sequence

from reconcile.errors import Problem
from reconcile.render import github as annotations
from reconcile.render import json
from reconcile.render import markdown as page


def json_document(messages: Sequence[str], problems: Sequence[Problem], *, code: int) -> str:
    """``reconcile.error/1``: no account was reached, so ``accounts`` is empty; ``errors`` says why."""
    listed = [{"key": p.key, "message": p.message, "file": p.file, "line": p.line} for p in problems]
    others = [{"key": "error", "message": message, "file": None, "line": None} for message in messages]
    return json.dumps(
        {
            "format": json.ERROR_FORMAT,
            "exit_code": code,
            "accounts": [],
            "errors": listed or others,
        }
    )


def markdown(messages: Sequence[str]) -> str:
    """A comment that says what is wrong."""
    return page.failure(messages)


def github(messages: Sequence[str], problems: Sequence[Problem]) -> str:
    """Annotations: on the lines of the state files where the errors have lines."""
    return annotations.problems(problems) if problems else annotations.failure(messages)
