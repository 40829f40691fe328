"""Every JSON document that a test gets to see is held against its published schema."""

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped,unused-ignore]

from reconcile.render.schema import documents


@cache
def _validator(name: str) -> Draft202012Validator:
    schema = documents.schema(name)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def check(document: Any) -> None:
    """Raise AssertionError unless the document is what the schema of its ``format`` says."""
    name, _, version = document["format"].removeprefix("reconcile.").partition("/")
    assert version == "1"
    assert [error.message for error in _validator(name).iter_errors(document)] == []


def seen(text: str) -> None:
    """Check what a command printed, where it is a document (or lines of them) whose schema is published."""
    for piece in (text, *text.splitlines()):
        try:
            document = json.loads(piece)
        except ValueError:
            continue
        name = str(document.get("format", "")) if isinstance(document, dict) else ""
        if name.removeprefix("reconcile.").partition("/")[0] in documents.MODELS:
            check(document)
