"""The way to an exchange as the environment names it: certificates and proxies, and what to do where it fails.

Honoured are ``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE``, ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, the first that is set,
and the proxy variables as ``requests`` reads them. A proxy's password is never shown.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.utils import should_bypass_proxies
from urllib3.exceptions import NameResolutionError, NewConnectionError

from reconcile.connect import endpoints
from reconcile.errors import InputError

CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
_UNTRUSTED = re.compile(r"certificate verify failed: ([^('\"]+)")
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3}[\w ]{0,40})")


def certificates(env: Mapping[str, str]) -> str | bool:
    """The file or folder of trusted certificates, True for the built-in list; raises InputError where it is missing."""
    variable = _certificates_variable(env)
    if variable is None:
        return True
    if not Path(env[variable]).exists():
        raise InputError(
            f"preparing HTTPS: {env[variable]}, which {variable} names, does not exist; correct it or unset {variable}"
        )
    return env[variable]


def explain(env: Mapping[str, str], error: Exception, url: str) -> str | None:
    """One line about a network failure and its remedy; None if the cause is not the network."""
    parts = urlsplit(url)
    proxy, advice = _proxy(env, parts.scheme), f"check it, or name {parts.hostname} in NO_PROXY"
    match error:
        case requests.exceptions.SSLError():
            return _untrusted(env, error, parts.hostname or "")
        case requests.exceptions.InvalidSchema() if proxy is not None and "SOCKS" in str(error):
            return (
                f"{proxy} is a SOCKS proxy, which needs the extra [socks]: pip install '.[socks]' in reconcile's "
                "checkout, or name an HTTP proxy"
            )
        case requests.exceptions.InvalidProxyURL() if proxy is not None:
            return f"{proxy} is no proxy's address; write it like http://host:port"
        case requests.exceptions.ProxyError() if proxy is not None:
            return f"{proxy} did not pass the request on: {_cause(error)}; {advice}"
        case requests.exceptions.ConnectionError() if proxy is not None and _never_connected(error):
            return f"{proxy} was not reached: {_cause(error)}; {advice}"
        case _:
            return None


def route(env: Mapping[str, str], url: str) -> str:
    """How requests get to an endpoint's URL, in words without a password. Loopback goes through no proxy."""
    parts = urlsplit(url)
    if endpoints.is_loopback(parts.hostname or ""):
        return f"{url}, on this machine"
    variable = _certificates_variable(env)
    trusted = "the built-in list" if variable is None else f"{env[variable]} ({variable})"
    proxy = (
        None
        if should_bypass_proxies(url, env.get("no_proxy") or env.get("NO_PROXY") or "")
        else _proxy(env, parts.scheme)
    )
    return f"{url}, certificates checked against {trusted}, {f'through {proxy}' if proxy else 'no proxy'}"


def _certificates_variable(env: Mapping[str, str]) -> str | None:
    return next((name for name in CERTIFICATES if env.get(name)), None)


def _proxy(env: Mapping[str, str], scheme: str) -> str | None:
    """``the proxy http://host:port (HTTPS_PROXY)``; None where the environment names none for that scheme."""
    for kind in (scheme, "all"):
        for variable in (f"{kind}_proxy", f"{kind}_proxy".upper()):
            if env.get(variable):
                return f"the proxy {_shown(env[variable])} ({variable})"
    return None


def _shown(text: str) -> str:
    """A proxy's address without user and password."""
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "whose address cannot be read"
    return f"{parts.scheme}://{parts.hostname or '?'}{port}"


def _untrusted(env: Mapping[str, str], error: Exception, host: str) -> str:
    found = _UNTRUSTED.search(str(error))
    if found is None:
        return f"no secure connection to {host}: TLS failed; check any proxy or firewall on the way"
    variable = _certificates_variable(env)
    trusted = "the built-in list" if variable is None else f"{variable} = {env[variable]}"
    return (
        f"the certificate of {host} is not trusted ({found[1].strip()}) by {trusted}; where a proxy or an authority "
        "of your own signs it, name the file of its certificates in SSL_CERT_FILE"
    )


def _cause(error: Exception) -> str:
    text, reason = str(error), _reason(error)
    tunnel = _TUNNEL.search(text)
    if "407" in text:
        return "it wants a user and a password"
    if tunnel is not None:
        return f"it answered {tunnel[1].strip()}"
    if isinstance(reason, NameResolutionError) or "NameResolutionError" in text:
        return "its name is not known"
    return "no connection to it could be made"


def _reason(error: Exception) -> object:
    cause = error.args[0] if error.args else None
    return getattr(cause, "reason", cause)


def _never_connected(error: Exception) -> bool:
    return isinstance(_reason(error), NewConnectionError)
