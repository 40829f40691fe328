"""Whose journal it is."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.exchanges.catalogue import TRAITS
from reconcile.journal.identity import endpoint_kind, identity

KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"


def test_two_names_for_one_key_are_one_account() -> None:
    assert identity(exchange="binance", endpoint_kind="live", api_key=KEY, account_name="main") == identity(
        exchange="binance", endpoint_kind="live", api_key=KEY, account_name="other"
    )


def test_the_exchanges_own_id_counts_more_than_the_key() -> None:
    assert identity(exchange="okx", endpoint_kind="live", uid="44705892343619584", api_key=KEY) == (
        "okx-live-44705892343619584"
    )


def test_two_keys_of_one_uid_are_one_account() -> None:
    assert identity(exchange="okx", endpoint_kind="live", uid="7", api_key=KEY) == identity(
        exchange="okx", endpoint_kind="live", uid="7", api_key="another"
    )


def test_a_sandbox_account_goes_by_its_name() -> None:
    assert identity(exchange="binance", endpoint_kind="sandbox", account_name="demo", api_key=KEY) == (
        "binance-sandbox-demo"
    )


def test_whatever_makes_another_account_makes_another_identity() -> None:
    made = [
        identity(exchange="binance", endpoint_kind="live", api_key=KEY),
        identity(exchange="binance", endpoint_kind="testnet", api_key=KEY),
        identity(exchange="binance", endpoint_kind="127.0.0.1:8080", api_key=KEY),
        identity(exchange="binance", endpoint_kind="127.0.0.1:8081", api_key=KEY),
        identity(exchange="bitget", endpoint_kind="live", api_key=KEY),
        identity(exchange="bitget", endpoint_kind="live", product="USDT-FUTURES", api_key=KEY),
        identity(exchange="bitget", endpoint_kind="live", product="COIN-FUTURES", api_key=KEY),
        identity(exchange="binance", endpoint_kind="live", api_key=KEY.lower()),
        identity(exchange="okx", endpoint_kind="live", uid="a"),
        identity(exchange="okx", endpoint_kind="live", uid="A"),
    ]

    assert len(set(made)) == len(made)


@given(st.text(min_size=1), st.text(min_size=1))
def test_an_identity_is_a_safe_name_and_tells_no_key(key: str, place: str) -> None:
    made = identity(exchange="binance", endpoint_kind=place + ":1", api_key="secret" + key)

    assert re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,150}", made)
    assert "secret" not in made.replace(place, "")


def test_a_key_shows_in_its_fingerprint_only() -> None:
    made = identity(exchange="binance", endpoint_kind="live", api_key=KEY)

    assert re.fullmatch(r"binance-live-key-[0-9a-f]{16}", made)


MISSING = {
    "no name on the sandbox": ("sandbox", KEY, None),
    "no key and no uid": ("live", None, "main"),
    "empty": ("live", "", "x"),
}


@pytest.mark.parametrize(("kind", "key", "name"), MISSING.values(), ids=MISSING)
def test_an_account_that_cannot_be_told_apart_gets_no_identity(kind: str, key: str | None, name: str | None) -> None:
    with pytest.raises(ValueError, match="cannot be told apart"):
        identity(exchange="binance", endpoint_kind=kind, api_key=key, account_name=name)


KINDS = {
    "live": "live",
    "testnet": "testnet",
    "sandbox": "sandbox",
    "https://fapi.binance.com": "live",
    "https://FAPI.binance.com:443/": "live",
    "https://demo-fapi.binance.com": "testnet",
    "http://127.0.0.1:8080": "127.0.0.1:8080",
    "http://localhost": "localhost:80",
    "http://[::1]:9000": "::1:9000",
    "https://fapi.binance.com:444": "fapi.binance.com:444",
}


@pytest.mark.parametrize(("endpoint", "kind"), KINDS.items())
def test_a_url_is_the_kind_whose_own_it_is_or_its_host_and_port(endpoint: str, kind: str) -> None:
    assert endpoint_kind(endpoint, own=TRAITS["binance"].endpoints) == kind
