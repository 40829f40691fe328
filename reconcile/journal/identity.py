"""Whose journal and lock it is: the exchange account, whatever a state file calls it.

Where an exchange tells its own account id, that is it. Binance tells none, so there it is a one-way fingerprint of the
API key: two files with the same key are the same account, but two keys of one account are not recognised as such. Kinds
of endpoint differ on purpose: the testnet's account 7 is not the live one's.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import urlsplit

NOBODY = "unattributed"
"""Stands for an account where nobody can tell which one was meant."""

_NOTES = "_notes"
"""An account's own name never holds an underscore."""
_DOMAIN = "reconcile.identity/1"
_SAFE = re.compile(r"[a-z0-9][a-z0-9.-]*")
_PORTS = {"https": 443, "http": 80}


def identity(
    *,
    exchange: str,
    endpoint_kind: str,
    product: str | None = None,
    uid: str | None = None,
    api_key: str | None = None,
    account_name: str | None = None,
) -> str:
    """A stable name for one exchange account that is safe as a file's name and holds no secret.

    ``endpoint_kind`` is what the function of that name gives. On the sandbox the account is ``account_name``; elsewhere
    ``uid``, and the key's fingerprint where the exchange tells no id (None). Raises ValueError when what is needed is
    missing.
    """
    if endpoint_kind == "sandbox":
        account = _safe(_needed(account_name, "account_name"), "name", exchange, endpoint_kind)
    elif uid:
        account = _safe(uid, "uid", exchange, endpoint_kind)
    else:
        account = "key-" + _fingerprint("key", exchange, endpoint_kind, _needed(api_key, "uid or api_key"))
    place = _safe(endpoint_kind, "endpoint", exchange, "")
    return "-".join(part for part in (exchange, place, (product or "").lower(), account) if part)


def notes_of(account: str) -> str:
    """The name of the chain beside an account's journal, for what happens while somebody else holds that."""
    return account + _NOTES


def owner_of(name: str) -> str:
    """The account whose journal, or notes beside it, are called so."""
    return name.removesuffix(_NOTES)


def is_notes(name: str) -> bool:
    """Whether it is the chain beside a journal."""
    return name.endswith(_NOTES)


def endpoint_kind(endpoint: str, *, own: Mapping[str, str]) -> str:
    """``live``, ``testnet`` or ``sandbox`` as they stand; a URL is ``host:port``, or the kind whose own URL it is.

    ``own`` maps kinds to the exchange's URLs; the first that fits counts.
    """
    if "://" not in endpoint:
        return endpoint
    place = _place(endpoint)
    return next((kind for kind, url in own.items() if _place(url) == place), place)


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{(parts.hostname or '').lower()}:{parts.port or _PORTS.get(parts.scheme, 0)}"


def _safe(text: str, what: str, exchange: str, kind: str) -> str:
    """The text itself where a file may be called so, else its fingerprint behind what is readable of it."""
    if _SAFE.fullmatch(text) and len(text) <= 64:
        return text
    readable = re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")[:40]
    return "-".join(part for part in (readable, _fingerprint(what, exchange, kind, text)) if part)


def _fingerprint(what: str, exchange: str, kind: str, text: str) -> str:
    joined = f"{_DOMAIN}\0{what}\0{exchange}\0{kind}\0{text}"
    return sha256(joined.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _needed(value: str | None, what: str) -> str:
    if not value:
        raise ValueError(f"naming the account: no {what}; an account that cannot be told apart gets no journal")
    return value
