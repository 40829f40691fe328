"""Signatures against vectors that were made by hand from the rule, and what a request carries."""

import pytest

from reconcile.connect.secrets import Credentials
from reconcile.exchanges.http.header_signed import signature
from reconcile.exchanges.okx.signing import headers, timestamp
from reconcile.model.account import MarginType
from tests.kit.fakes import run
from tests.kit.okx_account import INSTRUMENTS, POSITIONS, Desk, held, move

STAMP = "2026-01-02T03:04:05.678Z"
MOMENT_MS = 1_767_323_045_678


def test_a_post_is_signed_over_time_method_path_and_body() -> None:
    body = b'{"instId":"BTC-USDT-SWAP","posSide":"net","type":"add","amt":"12.5"}'
    made = signature("SIM-SECRET", STAMP, "POST", "/api/v5/account/position/margin-balance", body)
    assert made == "cZreCLuP/PNunbxOv9JuhDWMQjDcNlYg5u8Vblr9Q5M="


def test_a_get_is_signed_over_time_method_and_path_with_query() -> None:
    made = signature("SIM-SECRET", STAMP, "GET", "/api/v5/account/positions?instType=SWAP", b"")
    assert made == "EWm+TLBi08fvYAxtjRO8H41hfT+2jQA/BFXZoC25r/c="


def test_the_timestamp_is_utc_with_milliseconds() -> None:
    assert timestamp(MOMENT_MS) == STAMP
    assert timestamp(1_767_323_045_000) == "2026-01-02T03:04:05.000Z"


def test_the_headers_hold_key_passphrase_time_and_signature() -> None:
    credentials = Credentials(key="key", secret="SIM-SECRET", passphrase="phrase")
    target = "/api/v5/account/positions?instType=SWAP"
    made = headers(credentials, method="GET", target=target, body=b"", moment_ms=MOMENT_MS)
    assert made == {
        "OK-ACCESS-KEY": "key",
        "OK-ACCESS-SIGN": "EWm+TLBi08fvYAxtjRO8H41hfT+2jQA/BFXZoC25r/c=",
        "OK-ACCESS-TIMESTAMP": STAMP,
        "OK-ACCESS-PASSPHRASE": "phrase",
        "Content-Type": "application/json",
    }


def test_a_public_read_carries_no_credential() -> None:
    desk = Desk()
    run(lambda: desk.adapter.observe({"ETH-USDT-SWAP": MarginType.ISOLATED}))
    assert not [name for name in desk.asked(INSTRUMENTS)[0].headers if name.startswith("OK-ACCESS")]


@pytest.mark.parametrize(("demo", "told"), [(True, "1"), (False, None)])
def test_every_request_of_a_demo_account_says_so_and_none_of_a_live_one(*, demo: bool, told: str | None) -> None:
    desk = Desk(demo=demo)
    run(lambda: desk.adapter.observe({"ETH-USDT-SWAP": MarginType.ISOLATED}))
    call = desk.adapter.prepare(move(), move().amount, held(), signed_at_ms=MOMENT_MS)
    assert {request.headers.get("x-simulated-trading") for request in [*desk.requests(), call.request]} == {told}


def test_a_read_is_signed_for_the_time_that_the_exchange_served() -> None:
    desk = Desk()
    run(lambda: desk.adapter.observe({}))
    assert desk.asked(POSITIONS)[0].headers["OK-ACCESS-TIMESTAMP"].startswith("2026-01-01T00:00:00")
