"""The holder of a lock in words."""

import pytest

from reconcile.render.common.holder import UNKNOWN, busy, holder_text

HOLDERS = {
    "all of it": (
        {"host": "h", "pid": "7", "actor": "alice", "command": "apply", "run": "5f", "since": "T", "session": "9"},
        "apply by alice, host h, pid 7, session 9, run 5f, since T",
    ),
    "of an older version": ({"host": "h", "actor": "bob", "command": "watch"}, "watch by bob, host h"),
    "no command": ({"actor": "bob", "pid": "7"}, "actor bob, pid 7"),
    "more than we know": ({"command": "apply", "zone": "b"}, "apply, zone b"),
    "nothing": ({}, UNKNOWN),
}


@pytest.mark.parametrize("case", HOLDERS)
def test_a_holder_is_told_by_what_it_does_and_since_when(case: str) -> None:
    holder, text = HOLDERS[case]
    assert holder_text(holder) == text


def test_who_did_not_get_a_lock_is_told_how_long_it_waited() -> None:
    assert "not free within 60 s, it is held by watch;" in busy({"command": "watch"}, "60")
    assert "lock: not free, it is held by watch;" in busy({"command": "watch"}, "")
