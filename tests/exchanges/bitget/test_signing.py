"""Signatures by the rule, and what a request carries."""

import base64
import hashlib
import hmac

import pytest

from reconcile.connect.secrets import Credentials
from reconcile.exchanges.bitget.signing import headers
from reconcile.model.account import MarginType
from tests.kit.bitget_account import CONTRACTS, POSITIONS, Desk, held, move
from tests.kit.fakes import SERVED_MS, run


def by_rule(text: str) -> str:
    made = hmac.new(b"SIM-SECRET", text.encode(), hashlib.sha256)
    return base64.b64encode(made.digest()).decode()


def signed(method: str, target: str, body: bytes = b"", *, moment_ms: int) -> str:
    credentials = Credentials(key="key", secret="SIM-SECRET", passphrase="phrase")
    return headers(credentials, method=method, target=target, body=body, moment_ms=moment_ms)["ACCESS-SIGN"]


def test_a_post_is_signed_over_time_method_path_and_body() -> None:
    body = b'{"symbol":"ETHUSDT","amount":"-12.5"}'
    made = signed("POST", "/api/v2/mix/account/set-margin", body, moment_ms=1_767_323_045_678)
    assert made == by_rule("1767323045678POST/api/v2/mix/account/set-margin" + body.decode())


def test_a_query_is_signed_as_it_reads_before_it_is_encoded() -> None:
    made = signed("GET", "/api/v2/x?symbol=%E5%B8%81USDT", moment_ms=1)
    assert made == by_rule("1GET/api/v2/x?symbol=币USDT")


def test_the_headers_hold_key_passphrase_time_signature_and_language() -> None:
    credentials = Credentials(key="key", secret="SIM-SECRET", passphrase="phrase")
    made = headers(credentials, method="GET", target="/api/v2/x", body=b"", moment_ms=1)
    assert made == {
        "ACCESS-KEY": "key",
        "ACCESS-SIGN": by_rule("1GET/api/v2/x"),
        "ACCESS-TIMESTAMP": "1",
        "ACCESS-PASSPHRASE": "phrase",
        "Content-Type": "application/json",
        "locale": "en-US",
    }


def test_query_keys_are_sorted() -> None:
    desk = Desk()
    run(lambda: desk.adapter.observe({"BTCUSDT": MarginType.ISOLATED}))
    asked = [request.url for request in desk.requests() if "account/account?" in request.url]
    assert asked == [
        "https://api.bitget.com/api/v2/mix/account/account?marginCoin=USDT&productType=USDT-FUTURES&symbol=BTCUSDT"
    ]


def test_a_public_read_carries_no_credential_and_a_private_one_is_signed_for_the_served_time() -> None:
    desk = Desk()
    run(lambda: desk.adapter.observe({}))
    assert not [name for name in desk.asked(CONTRACTS)[0].headers if name.startswith("ACCESS")]
    assert SERVED_MS <= int(desk.asked(POSITIONS)[0].headers["ACCESS-TIMESTAMP"]) < SERVED_MS + 1000


@pytest.mark.parametrize(("demo", "told"), [(True, "1"), (False, None)])
def test_every_request_of_a_demo_account_says_so_and_none_of_a_live_one(*, demo: bool, told: str | None) -> None:
    desk = Desk(demo=demo)
    run(lambda: desk.adapter.observe({}))
    call = desk.adapter.prepare(move(), move().amount, held(), signed_at_ms=SERVED_MS)
    assert {request.headers.get("paptrading") for request in [*desk.requests(), call.request]} == {told}
