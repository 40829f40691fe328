"""Parse a ``postgresql://`` URL, and name its database without the password.

A password may be in the URL, percent-encoded. An unencoded password would be cut at its ``@``, ``?``, ``/``, ``#`` or
``:``, and the rest would show as a host or a setting in an error message. An ambiguous URL is therefore refused before
it is used at all.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import ProgrammingError

from reconcile.errors import InputError
from reconcile.render.common.values import clean

_DOING = "reading the journal's URL"
_ENCODED = "%[0-9A-Fa-f]{2}"
_WORD = rf"(?:[A-Za-z0-9._~!$'()*+,;=&-]|{_ENCODED})*"
"""The characters that a user's name and a password may hold unencoded; all others are percent-encoded."""
_HOST = rf"(?:(?:[A-Za-z0-9._~-]|{_ENCODED})*|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?\])(?::[0-9]{{0,5}})?"
_SETTING = rf"[a-z_]+=(?:[A-Za-z0-9._~/:,+*!$'();-]|{_ENCODED})*"
_URL = re.compile(
    rf"postgres(?:ql)?://(?:{_WORD}(?::(?P<password>{_WORD}))?@)?{_HOST}(?:,{_HOST})*"
    rf"(?:/(?:[A-Za-z0-9._~$-]|{_ENCODED})*)?(?:\?(?P<settings>{_SETTING}(?:&{_SETTING})*)?)?"
)
_SECRET = re.compile(r"(?:^|&)[a-z_]*password=([^&]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseUrl:
    """A database: ``url`` connects to it (and may hold a password), ``shown`` may be shown, ``secrets`` may not."""

    url: str = field(repr=False)
    shown: str
    secrets: tuple[str, ...] = field(repr=False)

    def hide(self, text: str) -> str:
        """The text without the password."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "[secret]")
        return text


def place_of(url: str) -> DatabaseUrl:
    """The database that a URL names; raises InputError, whose message holds no part of a password."""
    found = _URL.fullmatch(url)
    if found is None:
        raise InputError(
            f"{_DOING}: it does not read postgresql://USER:PASSWORD@HOST:PORT/DATABASE; write every character of the "
            "password but letters, digits, - . _ ~ percent-encoded, or leave the password to PGPASSFILE"
        )
    try:
        parts = conninfo_to_dict(url)
    except (ProgrammingError, ValueError):
        raise InputError(f"{_DOING}: it has a part that PostgreSQL does not know; correct --journal") from None
    raw = [found["password"] or "", *_SECRET.findall(found["settings"] or "")]
    secrets = {form for each in raw for form in (each, unquote(each)) if form}
    host, port, name = (str(parts.get(key) or "") for key in ("host", "port", "dbname"))
    shown = f"postgresql://{host}{':' + port if port else ''}/{name}"
    return DatabaseUrl(url=url, shown=clean(shown), secrets=tuple(sorted(secrets)))
