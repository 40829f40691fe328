"""What is said of the way to an exchange: the cause, the variable it came from without its password, the remedy."""

from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter

from reconcile.connect import network
from reconcile.errors import InDoubt, InputError
from reconcile.exchanges.http.wire import HttpRequest, RequestsWire, http_adapter
from tests.kit.fakes import run

URL = "https://fapi.binance.com/fapi/v1/time"
PROXY = "http://desk:hunter2@127.0.0.1:1"
UNTRUSTED = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in chain (_ssl.c:1006)"
PROXY_ERROR, SSL_ERROR = requests.exceptions.ProxyError, requests.exceptions.SSLError


class Through(BaseAdapter):
    """An adapter whose requests go through one proxy, on which nobody listens."""

    def send(self, request: requests.PreparedRequest, *args: Any, **settings: Any) -> requests.Response:
        return http_adapter(1).send(request, *args, **{**settings, "proxies": {"https": PROXY}})

    def close(self) -> None:
        """Nothing is kept."""


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_that_is_not_there_is_named_with_its_variable_and_without_its_password(variable: str) -> None:
    env = {variable: PROXY}
    wire = RequestsWire(Through(), threads=None, explain=lambda error, url: network.explain(env, error, url))
    with pytest.raises(InDoubt) as caught:
        run(lambda: wire.send(HttpRequest(method="GET", url=URL)))
    told = str(caught.value)
    assert f"the proxy http://127.0.0.1:1 ({variable}) did not pass the request on" in told
    assert "no connection to it could be made" in told
    assert told.endswith("check it, or name fapi.binance.com in NO_PROXY")
    assert "hunter2" not in f"{told} {caught.value.__cause__}"


@pytest.mark.parametrize(
    ("env", "error", "words"),
    [
        (
            {"ALL_PROXY": "socks5h://desk:hunter2@proxy:1080"},
            requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support."),
            ["the proxy socks5h://proxy:1080 (ALL_PROXY) is a SOCKS proxy", "extra [socks]"],
        ),
        (
            {"HTTPS_PROXY": "http://:"},
            requests.exceptions.InvalidProxyURL("Please check proxy URL."),
            ["(HTTPS_PROXY) is no proxy's address; write it like http://host:port"],
        ),
        (
            {"HTTPS_PROXY": PROXY},
            PROXY_ERROR("Tunnel connection failed: 407 Proxy Authentication Required"),
            ["(HTTPS_PROXY)", "it wants a user and a password"],
        ),
        ({"HTTPS_PROXY": PROXY}, PROXY_ERROR("Tunnel connection failed: 403 Forbidden"), ["it answered 403 Forbidden"]),
        (
            {},
            SSL_ERROR(UNTRUSTED),
            ["certificate of fapi.binance.com is not trusted (self-signed certificate in chain) by the built-in list"],
        ),
        (
            {"SSL_CERT_FILE": "/etc/own.pem"},
            SSL_ERROR(UNTRUSTED),
            ["by SSL_CERT_FILE = /etc/own.pem", "name the file of its certificates in SSL_CERT_FILE"],
        ),
        ({}, SSL_ERROR("EOF occurred"), ["no secure connection to fapi.binance.com"]),
    ],
)
def test_the_cause_its_variable_and_the_remedy_are_said(
    env: dict[str, str], error: Exception, words: list[str]
) -> None:
    told = network.explain(env, error, URL) or ""
    assert [word for word in words if word not in told] == []
    assert "hunter2" not in told


def test_a_failure_that_is_not_of_the_way_is_left_to_its_own_words() -> None:
    broken = requests.exceptions.ConnectionError("reset")
    assert network.explain({}, broken, URL) is None
    assert network.explain({"HTTPS_PROXY": PROXY}, broken, URL) is None


@pytest.mark.parametrize("variable", network.CERTIFICATES)
def test_the_first_variable_that_is_set_names_the_certificates(variable: str, tmp_path: Path) -> None:
    bundle = tmp_path / "own.pem"
    bundle.touch()
    assert network.certificates({variable: str(bundle)}) == str(bundle)
    with pytest.raises(InputError, match=rf"gone\.pem, which {variable} names, does not exist"):
        network.certificates({variable: str(tmp_path / "gone.pem")})


def test_the_built_in_list_is_trusted_where_no_variable_is_set() -> None:
    assert network.certificates({}) is True


@pytest.mark.parametrize(
    ("env", "url", "words"),
    [
        ({}, URL, "certificates checked against the built-in list, no proxy"),
        ({"HTTPS_PROXY": PROXY}, URL, "the built-in list, through the proxy http://127.0.0.1:1 (HTTPS_PROXY)"),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "binance.com"}, URL, "no proxy"),
        ({"HTTPS_PROXY": PROXY}, "http://127.0.0.1:8080", "http://127.0.0.1:8080, on this machine"),
        ({"SSL_CERT_FILE": "/etc/ours.pem"}, URL, "checked against /etc/ours.pem (SSL_CERT_FILE), no proxy"),
    ],
)
def test_the_way_to_an_endpoint_is_told_without_a_password(env: dict[str, str], url: str, words: str) -> None:
    told = network.route(env, url)
    assert told.endswith(words)
    assert "hunter2" not in told
