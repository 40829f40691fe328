"""Which database a ``postgresql://`` URL means, and how to speak of it without its password.

A password may stand in the URL, percent-encoded. One that is not encoded would be cut at the wrong place, and its rest
would turn up as a host's name in somebody's error message; such a URL is refused before anything is done with it.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import ProgrammingError

from reconcile.errors import InputError

_DOING = "reading the journal's URL"
_AUTHORITY = re.compile(r"(?:postgresql|postgres)://(?P<authority>[^/?#]*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?")
_USER = re.compile(r"(?P<name>[^:@]*)(?::(?P<password>[^:@]*))?@")
_HOST = re.compile(r"[^:@\[\]]*(?::[0-9]*)?|\[[0-9A-Fa-f:.%]*\](?::[0-9]*)?")
_SECRET = re.compile(r"(?:^|&)[a-z]*password=([^&]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A database: ``url`` connects to it (and may hold a password), ``shown`` may be shown, ``secrets`` may not."""

    url: str = field(repr=False)
    shown: str
    secrets: tuple[str, ...] = field(repr=False)

    def hide(self, text: str) -> str:
        """The text without the password."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "[secret]")
        return text


def place_of(url: str) -> Place:
    """The database that a URL means; raises InputError, whose message holds no part of a password."""
    found = _AUTHORITY.fullmatch(url)
    authority = found["authority"] if found else ""
    user = _USER.match(authority)
    hosts = authority[user.end() :] if user else authority
    if found is None or "@" in (found["path"] or "") or not all(_HOST.fullmatch(host) for host in hosts.split(",")):
        raise InputError(
            f"{_DOING}: it does not read postgresql://USER:PASSWORD@HOST:PORT/DATABASE; write what has a meaning in a "
            "URL (: / ? # @ %) percent-encoded in the password, or leave the password to PGPASSWORD or a passfile"
        )
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError:
        raise InputError(f"{_DOING}: it has a part that PostgreSQL does not know; mend --journal") from None
    raw = [user["password"] or "" if user else "", *_SECRET.findall(found["query"] or "")]
    secrets = {form for each in raw for form in (each, unquote(each)) if form}
    host, port, name = (str(parts.get(key) or "") for key in ("host", "port", "dbname"))
    shown = f"postgresql://{host}{':' + port if port else ''}/{name}"
    return Place(url=url, shown=shown, secrets=tuple(sorted(secrets)))
