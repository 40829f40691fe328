"""Endpoints, and the rules that keep them safe: a pull request must not be able to send keys elsewhere.

The syntax is checked when a state file is read; who may be talked to is checked again, with the environment, before the
first request. A URL on one of the exchange's own hosts reaches the same accounts as ``live`` or ``testnet``. It gets
the same ``kind``, and with it the same lock and journal.

A loopback URL has no privilege: a proxy on this machine may pass requests on to the live exchange. Only the simulated
exchange's own demo keys may go there without permission, because they are worth nothing anywhere else.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from reconcile.errors import InputError
from reconcile.exchanges.catalogue import TRAITS
from reconcile.model.account import ColdStart, DesiredAccount
from reconcile.model.traits import Traits

HOSTS_VARIABLE = "RECONCILE_ENDPOINT_HOSTS"
NAMED = ("live", "testnet", "sandbox")
_OWN = ("live", "testnet")
EXPECTED = "expected live, testnet, sandbox or a URL like https://host:port"
_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_HOST = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
"""A last label that resolvers take for an IPv4 address, however it is spelled (decimal, octal, hexadecimal, short)."""
_PORTS = {"http": 80, "https": 443}
_BRACKETS = re.compile(r"\[[^\[\]%]*\](?::[^\[\]]*)?|[^\[\]]*")
"""Where a host is in brackets, nothing but a port follows them; an address in them names no zone."""
_TEST_WORDS = ("demo", "testnet")
_ONLY_DEMO_KEYS = "; a program on this machine may pass them on, so only 'reconcile sandbox serve' keys need no naming"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The endpoint of one account.

    ``url`` has no trailing slash and is None for the built-in sandbox. ``kind`` is ``live``, ``testnet``, ``sandbox``
    or ``host:port`` of a URL that is none of the exchange's own: part of the account's identity. ``demo`` asks the
    adapter for the exchange's paper trading.
    """

    url: str | None
    kind: str
    demo: bool


def normal(text: str) -> str:
    """The one spelling of an endpoint: a name as it is, a URL in lower case without default port and trailing slash.

    Raises ValueError, which says what is wrong and what is expected and never repeats the text: it may hold a password.
    """
    if text in NAMED:
        return text
    if "://" not in text:
        raise ValueError(f"is neither a known name nor a URL; {EXPECTED}")
    parts = _split(text)
    host = _host(parts)
    scheme = parts.scheme.lower()
    if scheme == "http" and not is_loopback(host):
        raise ValueError("would send signed requests in the clear; expected https (plain http only to loopback)")
    port = _port(parts)
    shown = f"[{host}]" if ":" in host else host
    place = shown if port == _PORTS[scheme] else f"{shown}:{port}"
    return f"{scheme}://{place}{parts.path.rstrip('/')}"


def is_loopback(host: str) -> bool:
    """Whether a host in lower case, without brackets, is this machine. Only literal addresses and ``localhost`` are."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def same_place(exchange: str, endpoint: str) -> str:
    """What tells two endpoints of one exchange apart: the kind. ``endpoint`` must be well-formed."""
    return endpoint if endpoint in NAMED else _kind(TRAITS[exchange], normal(endpoint))


def on_loopback(endpoint: str) -> bool:
    """Whether a well-formed endpoint is a URL whose host is this machine."""
    return endpoint not in NAMED and is_loopback(_place(normal(endpoint))[0])


def cold_start(endpoint: str, declared: ColdStart | None) -> ColdStart:
    """What holds on an endpoint where a state file declares that, or (None) nothing.

    The built-in sandbox trusts unless it is told to wait: its requests live and die with one process. Raises
    ValueError where ``trust`` is declared for an endpoint that other programs can reach.
    """
    if declared is ColdStart.TRUST and endpoint != "sandbox" and not on_loopback(endpoint):
        raise ValueError(
            '"trust" with an endpoint that other programs reach too; expected "wait" '
            '("trust" is for endpoint = "sandbox" and loopback URLs)'
        )
    return declared or (ColdStart.TRUST if endpoint == "sandbox" else ColdStart.WAIT)


def grace_problem(exchange: str, endpoint: str, declared: ColdStart, grace_ms: int | None) -> str | None:
    """Why a declared grace is too short for a well-formed endpoint; None where it is not.

    Whatever may reach a live exchange needs that exchange's own default at least: no source says that it is faster.
    The sandbox, the testnet and a loopback URL that ``trust`` calls a simulation may have any.
    """
    least_ms = TRAITS[exchange].grace_ms
    if grace_ms is None or grace_ms >= least_ms or same_place(exchange, endpoint) in {"sandbox", "testnet"}:
        return None
    if declared is ColdStart.TRUST and on_loopback(endpoint):
        return None
    return (
        f"too short where requests may reach the live {TRAITS[exchange].title}; expected {least_ms // 1000}s or more "
        '(a simulation on loopback says cold_start = "trust")'
    )


def region_problem(exchange: str, endpoint: str, region: str) -> str | None:
    """Why a region means nothing for an exchange and endpoint; None where it does mean a host."""
    if region not in TRAITS[exchange].regions:
        having = " and ".join(name for name, traits in TRAITS.items() if traits.regions)
        return f"{exchange} has no such region here; expected no region (it is for {having})"
    if endpoint not in _OWN:
        return 'a region goes with endpoint = "live" or "testnet"; expected no region (a URL names its host itself)'
    return None


def resolve(account: DesiredAccount, env: Mapping[str, str], *, has_demo_keys: Callable[[], bool]) -> Endpoint:
    """The endpoint of an account, checked against the hosts that may have its keys; raises InputError.

    ``has_demo_keys`` tells whether the account's keys are the simulated exchange's own. It is called only for a
    loopback URL that is not named in the environment.
    """
    traits = TRAITS[account.exchange]
    if account.endpoint == "sandbox":
        return Endpoint(url=None, kind="sandbox", demo=False)
    if account.endpoint in NAMED:
        own = traits.endpoints[account.endpoint]
        url = (own if account.region is None else traits.regions[account.region]).rstrip("/")
        return Endpoint(url=url, kind=account.endpoint, demo=account.endpoint == "testnet")
    try:
        url = normal(account.endpoint)
    except ValueError as error:
        raise InputError(f"resolving the endpoint of account {account.name}: it {error}") from error
    host, place = _place(url)
    if host in traits.other_services:
        raise InputError(
            f"resolving the endpoint of account {account.name}: {host} serves {traits.other_services[host]}; use an "
            f'account of {traits.title} and endpoint = "live"'
        )
    permitted = _is_own(traits, host) or _is_named(env, host, place)
    if not permitted and not (is_loopback(host) and has_demo_keys()):
        raise InputError(
            f"resolving the endpoint of account {account.name}: host {host} is not one of {traits.title}'s own; "
            f"to let it have this account's keys, name it in {HOSTS_VARIABLE} (comma separated)"
            + (_ONLY_DEMO_KEYS if is_loopback(host) else "")
        )
    kind = _kind(traits, url)
    return Endpoint(url=url, kind=kind, demo=kind == "testnet")


def _split(text: str) -> SplitResult:
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise ValueError("has characters that no URL has; expected plain ASCII like https://host:port")
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise ValueError("is not a well-formed URL; expected https://host:port") from error
    if parts.scheme.lower() not in _PORTS:
        raise ValueError("has a scheme that is not known here; expected https (plain http only to loopback)")
    if not _BRACKETS.fullmatch(parts.netloc.rpartition("@")[2]):
        raise ValueError("is not a well-formed URL; expected https://host:port")
    if "@" in parts.netloc:
        raise ValueError("holds a user or password; expected a URL without them (secrets come from the environment)")
    if "?" in text or "#" in text:
        raise ValueError("has a query or fragment; expected a URL that ends with its host, port or path")
    if re.search(r"//|/\.{1,2}(?:/|$)|[%;]", parts.path):
        raise ValueError("has a path that servers read differently; expected plain segments, or none")
    return parts


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if parts.netloc.startswith("["):
        try:
            address = ipaddress.IPv6Address(host)
        except ValueError as error:
            raise ValueError("is not a well-formed URL; expected https://host:port") from error
        return address.compressed if address.ipv4_mapped is None else str(address.ipv4_mapped)
    if not _HOST.fullmatch(host) or len(host) > 253:
        raise ValueError("has a malformed host name; expected one like api.example.com")
    if _NUMERIC.fullmatch(host) and not _is_ipv4(host):
        raise ValueError("has an address in an unusual spelling; expected four decimal numbers like 127.0.0.1")
    return host


def _is_ipv4(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError("has a malformed port; expected 1 to 65535") from error
    if port == 0:
        raise ValueError("has port 0; expected 1 to 65535")
    return _PORTS[parts.scheme.lower()] if port is None else port


def _place(url: str) -> tuple[str, str]:
    """Host and ``host:port`` of a URL in its normal spelling."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return host, f"[{host}]:{_port(parts)}" if ":" in host else f"{host}:{_port(parts)}"


def _is_own(traits: Traits, host: str) -> bool:
    return any(host == own or (own.startswith(".") and host.endswith(own)) for own in traits.hosts)


def _is_named(env: Mapping[str, str], host: str, place: str) -> bool:
    names = {name.strip().lower() for name in env.get(HOSTS_VARIABLE, "").split(",")}
    return not names.isdisjoint({host, f"[{host}]", place})


def _kind(traits: Traits, url: str) -> str:
    host, place = _place(url)
    if not _is_own(traits, host):
        return place
    return "testnet" if any(word in host for word in _TEST_WORDS) else "live"
