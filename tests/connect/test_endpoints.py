"""Endpoints: where requests may go, and what counts as the same place."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.connect import endpoints
from reconcile.connect.endpoints import Endpoint
from reconcile.errors import InputError
from reconcile.exchanges.catalogue import TRAITS
from reconcile.model.account import ColdStart
from reconcile.sandbox.keys import are_demo_keys, demo_keys
from tests.kit.documents_sample import desired

ACCOUNT = desired([])


def _resolve(exchange: str, endpoint: str, hosts: str = "", *, demo_keys: bool = False) -> Endpoint:
    return endpoints.resolve(
        replace(ACCOUNT, exchange=exchange, endpoint=endpoint),
        {"RECONCILE_ENDPOINT_HOSTS": hosts},
        has_demo_keys=lambda: demo_keys,
    )


@pytest.mark.parametrize("exchange", list(TRAITS))
def test_live_and_testnet_are_the_addresses_of_the_traits(exchange: str) -> None:
    live, testnet = _resolve(exchange, "live"), _resolve(exchange, "testnet")
    assert live == Endpoint(url=TRAITS[exchange].endpoints["live"], kind="live", demo=False)
    assert testnet == Endpoint(url=TRAITS[exchange].endpoints["testnet"], kind="testnet", demo=True)


@pytest.mark.parametrize(
    ("endpoint", "region", "url", "demo"),
    [
        ("live", "eea", "https://eea.okx.com", False),
        ("testnet", "eea", "https://eea.okx.com", True),
        ("live", "us", "https://us.okx.com", False),
        ("testnet", "us", "https://us.okx.com", True),
    ],
)
def test_a_region_is_a_host_and_paper_trading_a_header(endpoint: str, region: str, url: str, *, demo: bool) -> None:
    account = replace(ACCOUNT, exchange="okx", endpoint=endpoint, region=region)
    assert endpoints.resolve(account, {}, has_demo_keys=lambda: False) == Endpoint(url=url, kind=endpoint, demo=demo)


@pytest.mark.parametrize(
    ("exchange", "endpoint", "region", "says"),
    [
        ("binance", "live", "eea", "binance has no such region here; expected no region (it is for okx)"),
        ("okx", "live", "mars", "okx has no such region here"),
        ("okx", "sandbox", "eea", 'a region goes with endpoint = "live" or "testnet"'),
        ("okx", "https://eea.okx.com", "eea", "a URL names its host itself"),
    ],
)
def test_a_region_that_means_nothing_is_an_error(exchange: str, endpoint: str, region: str, says: str) -> None:
    assert says in (endpoints.region_problem(exchange, endpoint, region) or "")


@pytest.mark.parametrize(
    ("host", "says"), [("papi.binance.com", "serves portfolio margin"), ("dapi.binance.com", "serves COIN-M futures")]
)
def test_a_host_of_another_service_is_named_as_what_it_is(host: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        _resolve("binance", f"https://{host}")


def test_the_sandbox_has_no_address() -> None:
    assert _resolve("okx", "sandbox") == Endpoint(url=None, kind="sandbox", demo=False)


@pytest.mark.parametrize(
    ("exchange", "url", "kind", "demo"),
    [
        ("binance", "https://fapi.binance.com", "live", False),
        ("binance", "https://fapi1.binance.com", "live", False),
        ("binance", "https://demo-fapi.binance.com", "testnet", True),
        ("binance", "https://testnet.binancefuture.com", "testnet", True),
        ("okx", "https://www.okx.com", "live", False),
        ("bitget", "https://api.bitget.com:8443", "live", False),
    ],
)
def test_the_exchanges_own_hosts_need_no_permission(
    exchange: str,
    url: str,
    kind: str,
    demo: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert _resolve(exchange, url) == Endpoint(url=url, kind=kind, demo=demo)


LOOPBACK = {
    "http://127.0.0.1:8080": ("127.0.0.1", "127.0.0.1:8080"),
    "https://127.9.9.9": ("127.9.9.9", "127.9.9.9:443"),
    "http://localhost:1": ("localhost", "localhost:1"),
    "http://[::1]:9": ("::1", "[::1]:9"),
    "http://[::ffff:127.0.0.1]:9": ("127.0.0.1", "127.0.0.1:9"),
}
"""URLs of this machine, each with its host and its place."""


@pytest.mark.parametrize("url", LOOPBACK)
def test_a_loopback_url_is_refused_unless_it_is_named_or_has_demo_keys(url: str) -> None:
    host, place = LOOPBACK[url]
    with pytest.raises(InputError) as caught:
        _resolve("binance", url, hosts="127.0.0.2, localhost.example, localhost:2")
    assert str(caught.value) == (
        f"resolving the endpoint of account main: host {host} is not one of Binance USD-M's own; to let it have this "
        "account's keys, name it in RECONCILE_ENDPOINT_HOSTS (comma separated); a program on this machine may pass "
        "them on, so only 'reconcile sandbox serve' keys need no naming"
    )
    permitted = Endpoint(url=endpoints.normal(url), kind=place, demo=False)
    assert _resolve("binance", url, hosts=host) == permitted
    assert _resolve("binance", url, hosts=place) == permitted
    assert _resolve("binance", url, demo_keys=True) == permitted


@pytest.mark.parametrize("exchange", list(TRAITS))
def test_demo_keys_are_known_by_all_of_their_parts(exchange: str) -> None:
    keys = demo_keys(exchange, "anything")
    assert are_demo_keys(keys.key, keys.secret, keys.passphrase)
    assert are_demo_keys(keys.key, keys.secret, None)
    assert not are_demo_keys(keys.key[:-1], keys.secret, None)
    assert not are_demo_keys(keys.key, keys.secret[:-1], keys.passphrase)
    assert not are_demo_keys(keys.key, keys.secret, keys.passphrase[:-1])
    assert not are_demo_keys(keys.key, demo_keys(exchange, "another").secret, None)


def test_demo_keys_go_nowhere_but_to_loopback() -> None:
    with pytest.raises(InputError, match=r"evil\.example is not one of Binance USD-M's own"):
        _resolve("binance", "https://evil.example", demo_keys=True)


TRUSTING = ("sandbox", "http://127.0.0.1:8080", "https://[::1]", "http://LocalHost")


@pytest.mark.parametrize("endpoint", TRUSTING)
def test_trust_is_for_what_no_other_program_reaches(endpoint: str) -> None:
    assert endpoints.cold_start(endpoint, ColdStart.TRUST) is ColdStart.TRUST
    assert endpoints.cold_start(endpoint, ColdStart.WAIT) is ColdStart.WAIT
    assert endpoints.cold_start(endpoint, None) is (ColdStart.TRUST if endpoint == "sandbox" else ColdStart.WAIT)


@pytest.mark.parametrize("endpoint", ["live", "testnet", "https://fapi.binance.com", "https://127.0.0.1.example"])
def test_trust_is_refused_where_other_programs_reach_too(endpoint: str) -> None:
    with pytest.raises(ValueError, match=r'^"trust" with an endpoint that other programs reach too; expected "wait"'):
        endpoints.cold_start(endpoint, ColdStart.TRUST)
    assert endpoints.cold_start(endpoint, None) is ColdStart.WAIT


@pytest.mark.parametrize(
    ("endpoint", "cold_start", "is_bounded"),
    [
        ("live", ColdStart.WAIT, True),
        ("https://fapi.binance.com", ColdStart.WAIT, True),
        ("https://proxy.example", ColdStart.WAIT, True),
        ("http://127.0.0.1:8080", ColdStart.WAIT, True),
        ("http://127.0.0.1:8080", ColdStart.TRUST, False),
        ("testnet", ColdStart.WAIT, False),
        ("https://demo-fapi.binance.com", ColdStart.WAIT, False),
        ("sandbox", ColdStart.TRUST, False),
        ("sandbox", ColdStart.WAIT, False),
    ],
)
def test_what_may_reach_a_live_exchange_needs_its_grace(
    endpoint: str,
    cold_start: ColdStart,
    is_bounded: bool,  # noqa: FBT001 - a column of the table
) -> None:
    problem = endpoints.grace_problem("binance", endpoint, cold_start, 4_999)
    assert (problem is not None) == is_bounded
    assert problem is None or "expected 5s or more" in problem
    assert endpoints.grace_problem("binance", endpoint, cold_start, 5_000) is None
    assert endpoints.grace_problem("binance", endpoint, cold_start, None) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example",
        "https://binance.com.evil.example",
        "https://notbinance.com",
        "https://fapi.binance.com.evil.example:443",
        "https://api.okx.com",
        "https://10.0.0.1",
        "https://localhost.evil.example",
        "https://127.0.0.1.evil.example",
        "https://0.0.0.0",
    ],
)
def test_any_other_host_is_refused_unless_it_is_named(url: str) -> None:
    host = url.removeprefix("https://").partition(":")[0]
    with pytest.raises(InputError) as caught:
        _resolve("binance", url, hosts=f"x{host}, .{host},, example")
    assert str(caught.value) == (
        f"resolving the endpoint of account main: host {host} is not one of Binance USD-M's own; to let it have "
        "this account's keys, name it in RECONCILE_ENDPOINT_HOSTS (comma separated)"
    )


@pytest.mark.parametrize("hosts", ["proxy.example", "a.example, PROXY.example ,b", "proxy.example:8443"])
def test_a_host_that_is_named_may_be_used(hosts: str) -> None:
    named = _resolve("binance", "https://Proxy.example:8443/fapi/", hosts)
    assert named == Endpoint(url="https://proxy.example:8443/fapi", kind="proxy.example:8443", demo=False)


def test_a_port_that_is_named_allows_no_other_port() -> None:
    with pytest.raises(InputError, match=r"proxy\.example is not one of"):
        _resolve("binance", "https://proxy.example:9", "proxy.example:8443")


def test_a_malformed_url_is_refused_also_where_no_file_was_checked() -> None:
    with pytest.raises(
        InputError, match=r"^resolving the endpoint of account main: it would send signed requests in the"
    ):
        _resolve("binance", "http://fapi.binance.com")


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("live", "live"),
        ("HTTPS://API.Example.COM:443/", "https://api.example.com"),
        ("http://LOCALHOST:80/x/", "http://localhost/x"),
        ("https://[2001:DB8:0::1]:443", "https://[2001:db8::1]"),
        ("https://a.example:080", "https://a.example:80"),
        ("https://[0:0:0:0:0:FFFF:127.0.0.1]:8", "https://127.0.0.1:8"),
        ("https://xn--bnance-q9a.com", "https://xn--bnance-q9a.com"),
    ],
)
def test_an_endpoint_has_one_spelling(text: str, normal: str) -> None:
    assert endpoints.normal(text) == normal
    assert endpoints.normal(normal) == normal


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "is neither a known name nor a URL"),
        ("Live", "is neither a known name nor a URL"),
        ("fapi.binance.com", "is neither a known name nor a URL"),
        ("ftp://a.example", "has a scheme that is not known here"),
        ("://a.example", "has a scheme that is not known here"),
        ("http://a.example", "would send signed requests in the clear"),
        ("http://127.0.0.1.example", "would send signed requests in the clear"),
        ("http://127.1:80", "has an address in an unusual spelling"),
        ("https://2130706433", "has an address in an unusual spelling"),
        ("https://0x7f.0.0.1", "has an address in an unusual spelling"),
        ("https://127.0.0.0x1", "has an address in an unusual spelling"),
        ("https://0177.0.0.1", "has an address in an unusual spelling"),
        ("https://127.0.0.1.2", "has an address in an unusual spelling"),
        ("http://127.0.0.1.", "has a malformed host name"),
        ("http://localhost.", "has a malformed host name"),
        ("http://[::1].evil.com", "is not a well-formed URL"),
        ("http://[::1]evil.com", "is not a well-formed URL"),
        ("http://[::1]:80.evil.com", "has a malformed port"),
        ("http://evil.com[::1]", "is not a well-formed URL"),
        ("http://[::1]@evil.com", "holds a user or password"),
        ("http://[::1%25lo]", "is not a well-formed URL"),
        ("http://[::1%lo]", "is not a well-formed URL"),
        ("http://0.0.0.0:80", "would send signed requests in the clear"),
        ("https://key:hunter2@a.example", "holds a user or password"),
        ("https://fapi.binance.com@a.example", "holds a user or password"),
        ("https://a.example?key=hunter2", "has a query or fragment"),
        ("https://a.example/#", "has a query or fragment"),
        ("https://a.example/x?", "has a query or fragment"),
        ("https://", "has a malformed host name"),
        ("https:///x", "has a malformed host name"),
        ("https://-a.example", "has a malformed host name"),
        ("https://a_b.example", "has a malformed host name"),
        ("https://a..example", "has a malformed host name"),
        ("https://a.example.", "has a malformed host name"),
        ("https://" + "a." * 127 + "example", "has a malformed host name"),
        ("https://[::g]", "is not a well-formed URL"),
        ("https://[v1.x]", "is not a well-formed URL"),
        ("https://[::1", "is not a well-formed URL"),
        ("https://a.example:0", "has port 0"),
        ("https://a.example:65536", "has a malformed port"),
        ("https://a.example:x", "has a malformed port"),
        ("https://a.example\\@fapi.binance.com", "has characters that no URL has"),
        ("https://fapi.binance.com\n.a.example", "has characters that no URL has"),
        ("https://a.example /x", "has characters that no URL has"),
        ("https://bınance.com", "has characters that no URL has"),
        ("https://a.example/../x", "has a path that servers read differently"),
        ("https://a.example//x", "has a path that servers read differently"),
        ("https://a.example/%2e", "has a path that servers read differently"),
    ],
)
def test_what_is_no_endpoint_is_refused_without_repeating_it(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match="; expected ") as caught:
        endpoints.normal(text)
    assert str(caught.value).startswith(wrong)
    assert "hunter2" not in str(caught.value)


@given(text=st.text(max_size=40) | st.from_regex(r"\Ahttps?://[-a-z0-9.:@/\[\]?#%]{0,30}\Z"))
def test_any_text_is_an_endpoint_with_one_spelling_or_a_plain_error(text: str) -> None:
    try:
        once = endpoints.normal(text)
    except ValueError as error:
        assert "; expected " in str(error)  # noqa: PT017 - one of two outcomes, both are fine
    else:
        assert endpoints.normal(once) == once
