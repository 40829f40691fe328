"""Requests to Binance are signed as its documentation shows, over exactly what is sent."""

import hashlib
import hmac
from urllib.parse import urlsplit

from reconcile.connect.secrets import Credentials
from reconcile.exchanges.binance.signing import public, sign, signed


def test_the_signature_of_the_documentation() -> None:
    secret = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
    payload = (
        "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000"
        "&timestamp=1591702613943"
    )
    assert sign(secret, payload) == "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"


def test_everything_is_in_the_query_with_the_signature_last_and_the_key_in_a_header() -> None:
    request = signed(
        "POST",
        "https://h",
        "/p",
        {"symbol": "币安USDT", "amount": "0.5"},
        credentials=Credentials(key="k", secret="s"),
        signed_at_ms=1,
        valid_ms=3_000,
    )
    query, _, signature = urlsplit(request.url).query.rpartition("&signature=")
    assert query == "symbol=%E5%B8%81%E5%AE%89USDT&amount=0.5&recvWindow=3000&timestamp=1"
    assert signature == hmac.new(b"s", query.encode(), hashlib.sha256).hexdigest()
    assert (request.body, dict(request.headers)) == (b"", {"X-MBX-APIKEY": "k"})


def test_a_public_request_carries_no_credential() -> None:
    request = public("https://h", "/fapi/v1/time", {})
    assert (request.url, "X-MBX-APIKEY" in request.headers) == ("https://h/fapi/v1/time", False)


def test_credentials_do_not_show_when_printed() -> None:
    assert "very" not in repr(Credentials(key="very-key", secret="very-secret", passphrase="very-pass"))
