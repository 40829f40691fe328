"""The error that stopped a command before it had a document of its own, in every format."""

from collections.abc import Sequence

from reconcile.errors import Problem
from reconcile.render.common.github import Annotation, Place, problems, shown
from reconcile.render.common.json import dumps
from reconcile.render.common.markdown import quote
from reconcile.render.common.page import Page

ERROR_FORMAT = "reconcile.error/1"


def json_document(messages: Sequence[str], found: Sequence[Problem], *, code: int) -> str:
    """``reconcile.error/1``: no account was reached, so ``accounts`` is empty; ``errors`` says why."""
    listed = [{"key": p.key, "message": p.message, "file": p.file, "line": p.line} for p in found]
    others = [{"key": "error", "message": message, "file": None, "line": None} for message in messages]
    return dumps(
        {
            "format": ERROR_FORMAT,
            "exit_code": code,
            "accounts": [],
            "errors": listed or others,
        }
    )


def markdown(messages: Sequence[str]) -> str:
    """A comment that says what is wrong."""
    page = Page()
    page.add("### Margin: nothing could be decided", "")
    for message in messages:
        page.add(f"- {quote(message[:2000])}")
    return page.finish([])


def github(messages: Sequence[str], found: Sequence[Problem], *, place: Place = str) -> str:
    """Annotations: on the lines of the state files where the errors have lines; ``place`` as for ``shown``."""
    if found:
        return problems(found, place=place)
    return shown(Annotation(title="reconcile", message=message) for message in messages)
