"""JSON from outside: exact numbers, and no text that costs more than reading it."""

from decimal import Decimal

import pytest

from reconcile.model.jsontext import loads, loads_whole

BAD = (
    '{"a":1e99999999999999999999}',
    '{"a":' + "9" * 41 + "}",
    '{"a":1' + "0" * 5000 + "}",
    '{"a":NaN}',
    '{"a":-Infinity}',
    "[" * 100_000,
    '{"a":' * 100_000,
    "",
    '{"a":1}x',
    "\ufeff{}",
    '{"a":\u0661}',
)


@pytest.mark.parametrize("text", BAD, ids=lambda text: text[:20])
def test_what_is_no_bounded_json_is_a_value_error(text: str) -> None:
    for read in (loads, loads_whole):
        with pytest.raises(ValueError, match=r"."):
            read(text)


def test_numbers_are_exact() -> None:
    assert loads('{"a":0.1,"b":12,"c":1E-8}') == {"a": Decimal("0.1"), "b": 12, "c": Decimal("1E-8")}


def test_a_document_of_strings_has_no_fraction() -> None:
    assert loads_whole('{"a":12}') == {"a": 12}
    with pytest.raises(ValueError, match="amounts are strings"):
        loads_whole('{"a":0.5}')
