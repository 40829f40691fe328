"""A state is believed when N of the last M looks agree, and each change of it is told once."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.usecases.watch.debounce import Debouncer


def turns(seen: str, *, needed: int, of: int) -> list[tuple[str | None, str]]:
    debouncer: Debouncer[str] = Debouncer(needed=needed, of=of)
    found = (debouncer.see("key", state) for state in seen)
    return [(turn.before, turn.after) for turn in found if turn is not None]


@pytest.mark.parametrize(
    ("seen", "needed", "of", "expected"),
    [
        pytest.param("aabb", 1, 1, [(None, "a"), ("a", "b")], id="each look counts"),
        pytest.param("aaaa", 2, 3, [(None, "a")], id="told once"),
        pytest.param("aabaa", 2, 3, [(None, "a")], id="one odd look is nothing"),
        pytest.param("aabab", 2, 3, [(None, "a"), ("a", "b")], id="two of three, not in a row"),
        pytest.param("ababab", 3, 3, [], id="never three in a row"),
        pytest.param("a", 2, 3, [], id="too early to tell"),
    ],
)
def test_a_state_is_believed_when_enough_looks_agree(
    seen: str, needed: int, of: int, expected: list[tuple[str | None, str]]
) -> None:
    assert turns(seen, needed=needed, of=of) == expected


@given(st.text("ab", max_size=40), st.integers(1, 4), st.integers(0, 4))
def test_turns_are_a_chain_of_different_states(seen: str, needed: int, more: int) -> None:
    found = turns(seen, needed=needed, of=needed + more)
    assert all(before != after for before, after in found)
    assert all(first[1] == second[0] for first, second in pairwise(found))


@pytest.mark.parametrize(("needed", "of"), [(0, 1), (2, 1), (-1, 3)])
def test_looks_that_cannot_agree_are_refused(needed: int, of: int) -> None:
    with pytest.raises(ValueError, match="cannot agree"):
        Debouncer(needed=needed, of=of)


def test_what_is_forgotten_starts_anew() -> None:
    debouncer: Debouncer[str] = Debouncer(needed=1, of=1)
    debouncer.see("key", "a")
    debouncer.forget("key")
    assert (debouncer.held("key"), debouncer.known()) == (None, [])
    assert debouncer.see("key", "a") is not None


def test_a_state_that_cannot_wait_is_believed_at_its_first_look() -> None:
    debouncer: Debouncer[str] = Debouncer(needed=2, of=3)
    assert debouncer.see("key", "low", at_once=True) is not None
    assert debouncer.see("key", "low", at_once=True) is None
    assert (debouncer.see("key", "fine"), debouncer.held("key")) == (None, "low")
    assert debouncer.see("key", "fine") is not None
