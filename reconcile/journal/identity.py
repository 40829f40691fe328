"""The identity of a journal and its lock: the exchange account, under any name in a file and by any of its keys.

The exchange's own account id names the account, whichever host answers. A proxy on this machine leads to the same
account as the exchange's own address. Only the testnet counts as another exchange: its account 7 is not the live one.
If a key may not read the id, a one-way fingerprint of the key names the account, together with the host.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import urlsplit

from reconcile.model.traits import environment

UNATTRIBUTED = "unattributed"
"""The name for an account that could not be determined."""

BRAKE = "brake"
"""The name for the emergency brake, whose chain is kept beside the accounts' notes."""

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

    ``endpoint_kind`` is a result of the function of that name. On the sandbox the account is ``account_name``;
    elsewhere it is ``uid``, or the key's fingerprint if the exchange reports no id (None). Raises ValueError if a
    required value is missing.
    """
    place = endpoint_kind
    if endpoint_kind == "sandbox":
        account = _safe(_needed(account_name, "account_name"), "name", exchange, endpoint_kind)
    elif uid:
        place = environment(endpoint_kind)
        account = _safe(uid, "uid", exchange, place)
    else:
        account = "key-" + _fingerprint("key", exchange, endpoint_kind, _needed(api_key, "uid or api_key"))
    return _joined(exchange, place, product, account)


def former_identities(
    *, exchange: str, endpoint_kind: str, product: str | None = None, uid: str | None, api_key: str
) -> tuple[str, ...]:
    """The names that an account's journal may have from before its id was known; none without an id.

    They are the key's fingerprint, and the name that earlier versions derived from the id and the URL.
    """
    if endpoint_kind == "sandbox" or not uid:
        return ()
    by_key = identity(exchange=exchange, endpoint_kind=endpoint_kind, product=product, api_key=api_key)
    by_host = _joined(exchange, endpoint_kind, product, _safe(uid, "uid", exchange, endpoint_kind))
    now = identity(exchange=exchange, endpoint_kind=endpoint_kind, product=product, uid=uid)
    return tuple(name for name in (by_key, by_host) if name != now)


def _joined(exchange: str, place: str, product: str | None, account: str) -> str:
    shown = _safe(place, "endpoint", exchange, "")
    return "-".join(part for part in (exchange, shown, (product or "").lower(), account) if part)


def notes_of(account: str) -> str:
    """The name of the notes beside an account's journal, for events while another run holds the journal."""
    return account + _NOTES


def owner_of(name: str) -> str:
    """The account whose journal, or notes beside it, have this name."""
    return name.removesuffix(_NOTES)


def is_notes(name: str) -> bool:
    """Whether it is the chain beside a journal."""
    return name.endswith(_NOTES)


def endpoint_kind(endpoint: str, *, own: Mapping[str, str]) -> str:
    """``live``, ``testnet`` and ``sandbox`` unchanged; for a URL the kind that has this URL, else its ``host:port``.

    ``own`` maps kinds to the exchange's URLs; the first match counts.
    """
    if "://" not in endpoint:
        return endpoint
    place = _place(endpoint)
    return next((kind for kind, url in own.items() if _place(url) == place), place)


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{(parts.hostname or '').lower()}:{parts.port or _PORTS.get(parts.scheme, 0)}"


def _safe(text: str, what: str, exchange: str, kind: str) -> str:
    """The text itself if it is safe as a file name, else its readable part and its fingerprint."""
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
