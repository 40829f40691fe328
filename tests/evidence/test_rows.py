"""Which rows of the ledger are a step's, and which may be: near in amount, adding up to it, or early."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from reconcile.evidence.possible import MarginEvidence
from reconcile.evidence.rows import ledger_from, match_rows
from reconcile.evidence.verdict import Sight, Verdict, judge, sight
from reconcile.journal.records import Intent, IntentStatus
from reconcile.model.account import Address, Side
from reconcile.model.ledger import Cause, LedgerRead, LedgerRow
from tests.kit.desk import FENCE_MS, SIGNED_MS, D, intent, position, row

STEP = D("0.0001")
SLACK_MS = 30_000
EARLY_MS = SIGNED_MS - 20_000

MATCHES: dict[str, tuple[Sequence[LedgerRow], list[str], list[str]]] = {
    # name: (rows, ids that are ours, ids that may be)
    "exactly": ([row("300")], ["r1"], []),
    "exactly, and one near": ([row("300"), row("290", "r2")], ["r1"], []),
    "within a quarter": ([row("225")], [], ["r1"]),
    "more than a quarter away": ([row("224")], [], []),
    "the other direction": ([row("-290")], [], []),
    "two near": ([row("290"), row("310", "r2")], [], ["r1", "r2"]),
    "two that add up": ([row("100"), row("200", "r2")], [], ["r1", "r2"]),
    "two that add up, and one near": ([row("100"), row("200", "r2"), row("290", "r3")], [], ["r1", "r2", "r3"]),
    "two that add up, one of them near": ([row("290"), row("10", "r2")], [], ["r1", "r2"]),
    "two of three add up": ([row("100"), row("200", "r2"), row("50", "r3")], [], ["r1", "r2"]),
    "two that do not add up": ([row("100"), row("198", "r2")], [], []),
    "funding": ([row("290", cause=Cause.FUNDING)], [], []),
    "early": ([row("300", time_ms=EARLY_MS)], [], ["r1"]),
    "earlier than the slack": ([row("300", time_ms=SIGNED_MS - SLACK_MS - 1)], [], []),
    "after the fence": ([row("290", time_ms=FENCE_MS + 1)], [], []),
    "claimed": ([row("290", "claimed")], [], []),
}


@pytest.mark.parametrize(("rows", "ours", "maybe"), MATCHES.values(), ids=MATCHES)
def test_a_row_near_ours_may_be_ours(rows: Sequence[LedgerRow], ours: list[str], maybe: list[str]) -> None:
    found = match_rows(rows, intent(), claims={"claimed"}, step_size=STEP, slack_ms=SLACK_MS)
    assert [each.row_id for each in found.ours] == ours
    assert [each.row_id for each in found.maybe] == maybe


@pytest.mark.parametrize("printed", [("290", "10"), ("10", "290")])
def test_rows_that_add_up_are_ours_where_the_margin_moved_whichever_of_them_is_near(printed: Sequence[str]) -> None:
    rows = [row(each, f"r{number}") for number, each in enumerate(printed)]
    assert judge(look("1500", *rows), was=None, long_after=False, deadline_passed=False) is Verdict.APPLIED


def test_a_near_row_beside_two_that_add_up_leaves_open_what_happened() -> None:
    seen = look("1790", row("120"), row("180", "r2"), row("290", "r3"))
    assert judge(seen, was=None, long_after=False, deadline_passed=True) is Verdict.UNKNOWN
    assert judge(seen, was=None, long_after=True, deadline_passed=True) is Verdict.RELEASED


def test_an_early_row_that_fits_an_earlier_call_of_ours_is_that_calls() -> None:
    earlier = replace(intent(), signed_at_ms=EARLY_MS, fence_ms=EARLY_MS + 8_000)
    rows = [row("300", time_ms=EARLY_MS + 100)]
    assert match_rows(rows, intent(), claims=(), step_size=STEP, slack_ms=SLACK_MS, known=[earlier]).maybe == ()


def test_an_early_row_is_ours_where_each_earlier_call_has_one_as_early() -> None:
    earlier = replace(intent(), signed_at_ms=EARLY_MS, fence_ms=EARLY_MS + 35_000)
    rows = [row("300", time_ms=EARLY_MS - 20_000), row("300", "r2", time_ms=SIGNED_MS - 20_000)]
    found = match_rows(rows, intent(), claims=(), step_size=STEP, slack_ms=SLACK_MS, known=[earlier])
    assert [each.row_id for each in found.maybe] == ["r2"]
    assert ledger_from(intent(), [earlier], slack_ms=SLACK_MS) <= rows[0].time_ms


def test_an_earlier_call_of_the_same_amount_accounts_for_its_rows_where_each_call_is_booked_as_two() -> None:
    earlier = replace(intent(), intent_id="i0", signed_at_ms=EARLY_MS, fence_ms=EARLY_MS + 35_000)
    rows = [
        *(row("150", f"a{number}", time_ms=EARLY_MS + 100) for number in range(2)),
        *(row("150", f"b{number}") for number in range(2)),
    ]
    found = match_rows(rows, intent(), claims=(), step_size=STEP, slack_ms=SLACK_MS, known=[earlier])
    assert [each.row_id for each in found.at_once] == ["b0", "b1"]
    seen = look("1500", *rows, known=[earlier])
    assert judge(seen, was=None, long_after=False, deadline_passed=False) is Verdict.APPLIED


@pytest.mark.parametrize(
    ("printed", "maybe"),
    [
        (("0.13", "0.2"), ["r0", "r1"]),
        (("0.1", "0.2"), ["r0", "r1"]),
        (("0.13", "0.21"), ["r0", "r1"]),
        (("0.13", "0.22"), []),
        (("0.13000000", "0.21000000"), ["r0", "r1"]),
        (("0.13000000", "0.22000000"), []),
        (("0.13", "0.2", "0.07"), ["r0", "r1"]),
    ],
    ids=[
        "to cents",
        "to tenths",
        "within the rounding",
        "more than the rounding",
        "with zeros",
        "more, with zeros",
        "with another row",
    ],
)
def test_rows_that_add_up_but_for_their_rounding_may_be_ours(printed: Sequence[str], maybe: list[str]) -> None:
    sent = intent("0.33333333", before="1", wanted="1.33333333")
    rows = [row(each, f"r{number}") for number, each in enumerate(printed)]
    assert [each.row_id for each in match_rows(rows, sent, claims=(), step_size=STEP).at_once] == maybe


LAST = replace(intent(), intent_id="i0", signed_at_ms=SIGNED_MS - 1_000, fence_ms=FENCE_MS - 1_000)
"""A call of the same amount a second earlier, said yes to and seen, whose row no outcome claims."""


@pytest.mark.parametrize(
    ("rows", "ours", "maybe"),
    [
        ([row("300", time_ms=SIGNED_MS - 500)], [], ["r1"]),
        ([row("300", time_ms=SIGNED_MS - 500), row("300", "r2")], ["r2"], []),
        ([row("300")], [], ["r1"]),
        ([row("300"), row("300", "r2")], ["r2"], []),
    ],
    ids=["only its row", "its row and ours", "one row of the two", "both in our time"],
)
def test_an_earlier_call_of_the_same_amount_accounts_for_one_row(
    rows: list[LedgerRow], ours: list[str], maybe: list[str]
) -> None:
    found = match_rows(rows, intent(), claims=(), step_size=STEP, known=[LAST])
    assert [each.row_id for each in found.ours] == ours
    assert [each.row_id for each in found.maybe] == maybe


@pytest.mark.parametrize(("live", "verdict"), [("1200", Verdict.NOT_APPLIED), ("1500", Verdict.APPLIED)])
def test_the_margin_tells_whose_a_row_of_two_calls_is(live: str, verdict: Verdict) -> None:
    seen = look(live, row("300", time_ms=SIGNED_MS - 500), known=[LAST])
    assert judge(seen, was=None, long_after=True, deadline_passed=True) is verdict


def test_the_other_sides_row_does_not_blur_ours() -> None:
    other = replace(LAST, address=Address(intent().address.symbol, Side.SHORT), signed_at_ms=SIGNED_MS - 6_000)
    rows = [row("300", time_ms=SIGNED_MS - 5_500, side=None), row("300", "r2", side=None)]
    seen = look("1500", *rows, known=[other], shared=True)
    assert (seen.rows, seen.named, seen.margin) == (("r2",), False, MarginEvidence.MOVED)
    assert judge(seen, was=None, long_after=False, deadline_passed=False) is Verdict.APPLIED


def look(live: str, *rows: LedgerRow, known: Sequence[Intent] = (), shared: bool = False) -> Sight:
    return sight(
        intent(),
        position("BTCUSDT.long", live),
        LedgerRead(rows=rows, reaches_back=True),
        claims=(),
        step_size=STEP,
        shared=shared,
        known=known,
        slack_ms=SLACK_MS,
        unsure_since_ms=SIGNED_MS - 60_000,
    )


@pytest.mark.parametrize(
    "rows",
    [
        (row("290"),),
        (row("100"), row("200", "r2")),
        (row("300", time_ms=EARLY_MS),),
    ],
    ids=["another amount", "booked as two", "dated early"],
)
def test_rows_that_may_be_ours_are_where_the_margin_moved_by_exactly_ours(rows: tuple[LedgerRow, ...]) -> None:
    seen = look("1500", *rows)
    assert (seen.rows, seen.maybe, seen.margin) == (("r1",), (), MarginEvidence.MOVED)
    assert judge(seen, was=None, long_after=False, deadline_passed=False) is Verdict.APPLIED


@pytest.mark.parametrize(
    ("was", "long_after", "verdict"),
    [
        (None, False, Verdict.UNKNOWN),
        (None, True, Verdict.RELEASED),
        (IntentStatus.ACCEPTED, False, Verdict.APPLIED),
        (IntentStatus.ACCEPTED, True, Verdict.APPLIED),
    ],
)
def test_a_near_row_is_never_taken_for_another_partys(
    *, was: IntentStatus | None, long_after: bool, verdict: Verdict
) -> None:
    seen = look("1490", row("290"))
    assert (seen.rows, seen.maybe, seen.margin) == ((), ("r1",), MarginEvidence.CANNOT_TELL)
    assert judge(seen, was=was, long_after=long_after, deadline_passed=True) is verdict


def test_an_early_row_is_another_partys_where_long_after_the_margin_did_not_move() -> None:
    seen = look("1200", row("300", time_ms=EARLY_MS))
    assert seen.maybe == ("r1",)
    assert judge(seen, was=None, long_after=False, deadline_passed=True) is Verdict.UNKNOWN
    assert judge(seen, was=None, long_after=True, deadline_passed=True) is Verdict.NOT_APPLIED
