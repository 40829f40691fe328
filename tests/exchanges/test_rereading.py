"""Lists that are read again: always what parsing all of it would give, whatever the text looks like."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.exchanges.http.answers import parsed
from reconcile.exchanges.rereading import Rereading

_VALUES = ["1", "},{", "{", "}", "[{", 'a"b', "\\", "é", 1, 1.5, True, None, [], [{"b": 1}], {"c": {}}]
_ROW: st.SearchStrategy[object] = st.dictionaries(
    st.sampled_from(["a", "b", "},{", "x{"]), st.sampled_from(_VALUES), max_size=3
)
_LIST: st.SearchStrategy[object] = st.lists(
    st.one_of(_ROW, _ROW, _ROW, st.sampled_from([1, "},{", None, [{}]])), max_size=4
)
_ANYTHING = st.one_of(_LIST, _LIST, _LIST, st.sampled_from([{}, {"code": -1}, [], "x"]))
_PRINTED = st.tuples(_ANYTHING, st.sampled_from([(",", ":"), (",", ":"), (",", ":"), (", ", ": ")]), st.booleans())


@given(printed=st.lists(_PRINTED, max_size=8), broken=st.binary(max_size=6))
def test_what_is_read_again_is_what_it_says(printed: list[tuple[object, tuple[str, str], bool]], broken: bytes) -> None:
    reader = Rereading()
    for value, separators, is_whole in printed:
        body = json.dumps(value, separators=separators, ensure_ascii=False).encode()
        body = body if is_whole else body.replace(b",", broken, 1)
        assert reader.parse(body) == parsed(body)


def test_only_a_row_that_changed_is_another_object() -> None:
    reader = Rereading()
    found = [reader.parse(body) for body in (b"[]", b'[{"a":1},{"a":2.5}]', b'[{"a":1},{"a":3.5}]')]
    before, after = found[1:]
    assert isinstance(before, list)
    assert isinstance(after, list)
    assert (after[0] is before[0], after, before) == (True, [{"a": 1}, {"a": Decimal("3.5")}], [{"a": 1}, {"a": D}])


D = Decimal("2.5")


@pytest.mark.parametrize(
    "body",
    [b'[{"a":"},{"},{"b":1}, {"c":1}]', b'[{"a":{}},{"b":1},{"c":1}]', b'[{"a":1},{"b":1},{"c"}]', b"[{},{},{},{}]"],
    ids=["cut-within-a-string", "nested", "broken", "longer"],
)
def test_a_text_that_cannot_be_cut_is_parsed_as_a_whole(body: bytes) -> None:
    reader = Rereading()
    for usual in (b'[{"a":1},{"b":1},{"c":1}]',) * 2:
        reader.parse(usual)
    assert reader.parse(body) == parsed(body)
