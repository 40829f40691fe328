"""Which limits a plan must point out because they allow more than at the last apply."""

from typing import Any

import pytest

from reconcile.model.plan import LooserLimit
from reconcile.planning.looser import looser

OWN_MS = 5_000
STRICT: dict[str, Any] = {
    "allow_reduce": False,
    "min_liquidation_distance": "5%",
    "max_margin": "100%",
    "max_add": "1000",
    "max_total_add": {"USDT": "5000", "BTC": "0.5"},
    "max_total_reduce": "0",
    "max_changes": 5,
    "min_available": "100",
    "unmanaged": "report",
    "grace_ms": 7_000,
    "cold_start": "wait",
}

LOOSER: dict[str, tuple[dict[str, Any], tuple[str, str, str]]] = {
    "reductions allowed": ({"allow_reduce": True}, ("allow_reduce", "false", "true")),
    "a nearer liquidation": ({"min_liquidation_distance": "4.9%"}, ("min_liquidation_distance", "5%", "4.9%")),
    "no distance at all": ({"min_liquidation_distance": None}, ("min_liquidation_distance", "5%", "no limit")),
    "a larger share": ({"max_margin": "100.1%"}, ("max_margin", "100%", "100.1%")),
    "an amount for a share": ({"max_margin": "50"}, ("max_margin", "100%", "50")),
    "a larger addition": ({"max_add": "1000.01"}, ("max_add", "1000", "1000.01")),
    "no longer limited": ({"max_add": None}, ("max_add", "1000", "no limit")),
    "a table for a number": ({"max_add": {"USDT": "10"}}, ("max_add", "1000", "10 USDT")),
    "one asset of a table": (
        {"max_total_add": {"USDT": "5000", "BTC": "0.6"}},
        ("max_total_add", "5000 USDT, 0.5 BTC", "5000 USDT, 0.6 BTC"),
    ),
    "an asset left out": (
        {"max_total_add": {"USDT": "1"}},
        ("max_total_add", "5000 USDT, 0.5 BTC", "1 USDT"),
    ),
    "from nothing": ({"max_total_reduce": "1"}, ("max_total_reduce", "0", "1")),
    "more changes": ({"max_changes": 6}, ("max_changes", "5", "6")),
    "less left free": ({"min_available": "99"}, ("min_available", "100", "99")),
    "others' positions ignored": ({"unmanaged": "ignore"}, ("unmanaged", "report", "ignore")),
    "a shorter grace": ({"grace_ms": 6_500}, ("grace", "7s", "6.5s")),
    "the exchange's own grace": ({"grace_ms": None}, ("grace", "7s", "5s")),
    "no cold fence": ({"cold_start": "trust"}, ("cold_start", "wait", "trust")),
    "what no policy says": ({"max_add": ["9"]}, ("max_add", "1000", "['9']")),
}

AS_STRICT: dict[str, dict[str, Any]] = {
    "nothing changed": {},
    "written otherwise": {"max_add": "1000.0", "min_available": "100.00"},
    "stricter in everything": {
        "min_liquidation_distance": "6%",
        "max_margin": "90%",
        "max_add": "1",
        "max_total_add": {"USDT": "0", "BTC": "0.5", "ETH": "1"},
        "max_changes": 0,
        "min_available": "1000",
        "unmanaged": "refuse",
        "grace_ms": 60_000,
    },
}


@pytest.mark.parametrize("case", LOOSER)
def test_a_limit_that_allows_more_is_named_with_both_values(case: str) -> None:
    change, (key, was, now) = LOOSER[case]
    assert looser(STRICT, {**STRICT, **change}, grace_ms=OWN_MS) == (LooserLimit(key=key, before=was, after=now),)


@pytest.mark.parametrize("case", AS_STRICT)
def test_a_limit_that_allows_no_more_is_not_named(case: str) -> None:
    assert looser(STRICT, {**STRICT, **AS_STRICT[case]}, grace_ms=OWN_MS) == ()


def test_a_limit_where_there_was_none_is_stricter() -> None:
    assert looser({}, STRICT, grace_ms=OWN_MS) == ()


def test_what_an_earlier_version_did_not_record_is_not_compared() -> None:
    before = {key: value for key, value in STRICT.items() if key != "cold_start"}
    assert looser(before, {**STRICT, "cold_start": "trust"}, grace_ms=OWN_MS) == ()


@pytest.mark.parametrize("junk", [[], "x", "1e99", True, {"USDT": []}, 1.5])
def test_what_a_journal_should_not_hold_is_taken_for_looser(junk: Any) -> None:
    (found,) = looser({"max_add": junk}, {"max_add": "1"}, grace_ms=OWN_MS)
    assert (found.key, found.after) == ("max_add", "1")
