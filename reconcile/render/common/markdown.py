"""Text of others in Markdown: it stays text.

Symbols, reasons and messages were written by others. ``quote`` turns every character with a meaning in Markdown or HTML
into an entity. It also breaks what forges turn into mentions, references and links, so that text stays text.
"""

import re

from reconcile.render.common.values import clean

_MEANING = re.compile(r"[&<>|`*_~\[\]\\#@$^]|://|(?<=www)\.", re.IGNORECASE)
_BREAK = "\u200b"  # no width; keeps '@name', '#12', 'https://' and 'www.host' from becoming something else


def quote(text: str) -> str:
    """Text from outside as inert Markdown on one line."""
    if text.replace(".", "").isalnum() and "www" not in text.lower():
        return text  # what nearly all symbols and addresses are
    return _MEANING.sub(_inert, clean(text))


def _inert(match: re.Match[str]) -> str:
    found = match.group()
    if found == "://":
        return f":{_BREAK}//"
    if found == ".":
        return f".{_BREAK}"
    entity = f"&#{ord(found)};"
    return f"{entity}{_BREAK}" if found in "@#" else entity


def code(text: str) -> str:
    """An identifier from outside, in a code element."""
    return f"<code>{quote(text).replace(_BREAK, '')}</code>"
