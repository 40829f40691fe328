"""Numbers and times of an answer have bounds: outside them a read has failed, and a write is in doubt."""

import pytest

from reconcile.errors import InDoubt, ReadFailed
from reconcile.exchanges.binance import codes
from reconcile.exchanges.binance.dialect import classify
from reconcile.exchanges.http.answers import parsed
from reconcile.exchanges.http.rows import Row
from reconcile.exchanges.http.wire import HttpResponse

BOMBS = ("1e99999999999999999999", "-1e99999999999999999999", "9" * 5000, "1e999999", "NaN", "[" * 50_000)


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda text: text[:12])
def test_a_number_bomb_after_a_write_is_doubt(bomb: str) -> None:
    body = f'{{"code":200,"msg":"ok","amount":{bomb}}}'.encode()
    with pytest.raises(InDoubt):
        classify(codes.MARGIN, HttpResponse(status=200, headers={}, body=body))


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda text: text[:12])
def test_a_number_bomb_is_no_json(bomb: str) -> None:
    assert parsed(b'{"a":' + bomb.encode() + b"}") is None


@pytest.mark.parametrize(
    "text", ["1_000", "\u0661\u0662", " 1", "1e41", "0x10", "", "1e99999999999999999999", "9" * 101]
)
def test_a_field_is_a_number_in_ascii_digits_or_the_read_has_failed(text: str) -> None:
    row = Row("reading", {"a": text})
    for take in (row.number, row.whole, row.time):
        with pytest.raises(ReadFailed):
            take("a")


@pytest.mark.parametrize("time", ["-1", "4102444800000", "1e30", 10**18, "1.5"])
def test_a_time_is_one_of_this_century(time: object) -> None:
    with pytest.raises(ReadFailed):
        Row("reading", {"ts": time}).time("ts")


@pytest.mark.parametrize("name", ["", " ", "A B", "A\n", "A\x1b[0m", "x" * 65, "\u202eA", None, 5])
def test_an_asset_has_a_name(name: object) -> None:
    with pytest.raises(ReadFailed):
        Row("reading", {"ccy": name}).name("ccy")


def test_a_text_has_a_length() -> None:
    with pytest.raises(ReadFailed, match="longer than"):
        Row("reading", {"mode": "x" * 201}).text("mode")


def test_only_utf_8_is_json() -> None:
    assert parsed('{"a":1}'.encode("utf-16")) is None
    assert parsed(b'{"a":1}') == {"a": 1}
