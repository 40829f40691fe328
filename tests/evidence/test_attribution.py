"""Drift is told by cause from the ledger, and nothing is guessed: what no row explains stays unexplained."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from reconcile.evidence.attribution import Baseline, baseline
from reconcile.evidence.explain import Interval, account, causes_of
from reconcile.journal import run_end
from reconcile.journal.records import Effect, IntentStatus, Outcome, RunFinished, UnreportedStep
from reconcile.journal.state import JournalState
from reconcile.model.account import Address
from reconcile.model.drift import Share
from reconcile.model.ledger import MOST_SUMMED, Cause, LedgerRow
from tests.kit.desk import FENCE_MS, SIGNED_MS, D, at, intent, row

LONG = at("BTCUSDT.long")
LATER_MS = FENCE_MS + 600_000


def moved(claim: str | None = None) -> Baseline:
    """Our step from 1200 to 1500."""
    step = UnreportedStep(intent=intent(), known=IntentStatus.APPLIED, claim=claim)
    return Baseline(expected=D(1500), before=D(1200), since_ms=SIGNED_MS, sent=(step,))


def attribute(
    rows: Sequence[LedgerRow], found: Baseline, address: Address, drift: Decimal, *, shared: bool
) -> tuple[Share, ...]:
    interval = Interval(
        address=address,
        asset="USDT",
        before=found.before,
        after=found.expected + drift,
        since_ms=found.since_ms,
        until_ms=LATER_MS + 60_000,
        lag_ms=5_000,
        step_size=D("0.01"),
        shared=shared,
        sent=found.sent,
    )
    return causes_of(account(interval, rows))


def told(shares: tuple[Share, ...]) -> list[tuple[str, str]]:
    return [(share.cause, str(share.amount)) for share in shares]


OURS = row("300", "ours", time_ms=SIGNED_MS + 100)
FUNDED = row("-4.2", "f", time_ms=LATER_MS, cause=Cause.FUNDING)
BY_HAND = row("-10", "m", time_ms=LATER_MS + 1)


@pytest.mark.parametrize(
    ("rows", "drift", "shared", "expected"),
    [
        pytest.param(
            [OURS, FUNDED, BY_HAND],
            "-14.2",
            False,
            [("funding", "-4.2"), ("manual", "-10")],
            id="our own step is no cause",
        ),
        pytest.param([OURS, FUNDED], "-14.2", False, [("funding", "-4.2"), ("unexplained", "-10.0")], id="a rest"),
        pytest.param([], "-14.2", False, [("unexplained", "-14.2")], id="no rows at all"),
        pytest.param(
            [row("100", "a", time_ms=SIGNED_MS + 100), row("200", "b", time_ms=SIGNED_MS + 150), FUNDED],
            "-14.2",
            False,
            [("funding", "-4.2"), ("unexplained", "-10.0")],
            id="our own step, booked as two rows",
        ),
        pytest.param(
            [OURS, row("-10", "s", side="short", time_ms=LATER_MS)],
            "-10",
            False,
            [("unexplained", "-10")],
            id="the other side's row",
        ),
        pytest.param(
            [OURS, row("-10", "x", symbol="ETHUSDT", time_ms=LATER_MS)],
            "-10",
            False,
            [("unexplained", "-10")],
            id="another symbol's row",
        ),
        pytest.param(
            [OURS, row("-4.2", "n", side=None, cause=Cause.FUNDING, time_ms=LATER_MS)],
            "-4.2",
            False,
            [("funding", "-4.2")],
            id="no side named, only one side open",
        ),
        pytest.param(
            [OURS, row("-4.2", "n", side=None, cause=Cause.FUNDING, time_ms=LATER_MS)],
            "-3",
            True,
            [("unexplained", "-3")],
            id="no side named and both open: not guessed",
        ),
        pytest.param(
            [
                OURS,
                row("-4.2", "n1", side=None, cause=Cause.FUNDING, time_ms=LATER_MS),
                row("1.7", "n2", side=None, cause=Cause.FUNDING, time_ms=LATER_MS),
                BY_HAND,
            ],
            "-14.2",
            True,
            [("funding", "-4.2"), ("manual", "-10")],
            id="no side named, but to the last digit",
        ),
        pytest.param(
            [row("50", "before", time_ms=SIGNED_MS - 500), OURS, BY_HAND],
            "-10",
            False,
            [("manual", "-10")],
            id="older than our step: in the baseline",
        ),
        pytest.param(
            [OURS, row("-1", "between", cause=Cause.FUNDING, time_ms=SIGNED_MS + 150), BY_HAND],
            "-10",
            False,
            [("manual", "-10")],
            id="before the look after our step: in the baseline",
        ),
        pytest.param(
            [
                OURS,
                row("7", "a", cause=Cause.AUTO, time_ms=LATER_MS),
                row("-2", "b", cause=Cause.FILL, time_ms=LATER_MS),
            ],
            "5",
            False,
            [("fills", "-2"), ("automatic", "7")],
            id="in a fixed order",
        ),
        pytest.param(
            [OURS, row("7", "a", time_ms=LATER_MS), row("-7", "b", time_ms=LATER_MS)],
            "0",
            False,
            [],
            id="what cancels out is no cause",
        ),
    ],
)
def test_a_drift_is_told_by_cause(
    rows: list[LedgerRow],
    drift: str,
    shared: bool,  # noqa: FBT001 - a table
    expected: list[tuple[str, str]],
) -> None:
    assert told(attribute(rows, moved(), LONG, D(drift), shared=shared)) == expected


def test_causes_always_add_up_to_the_drift() -> None:
    rows = [OURS, *(row(str(n), f"r{n}", time_ms=LATER_MS + n, side=None) for n in range(1, 9))]
    for cents in range(-500, 500, 37):
        drift = Decimal(cents) / 100
        shares = attribute(rows, moved(), LONG, drift, shared=True)
        assert sum((share.amount for share in shares), Decimal(0)) == drift


def test_too_many_rows_without_a_side_are_not_tried() -> None:
    rows = [row("1", f"r{n}", time_ms=LATER_MS, side=None) for n in range(MOST_SUMMED + 1)]
    assert told(attribute(rows, moved(), LONG, D(3), shared=True)) == [("unexplained", "3")]


def test_a_cause_carries_the_time_of_its_last_row() -> None:
    shares = attribute([OURS, BY_HAND, row("-1", "m2", time_ms=LATER_MS + 9)], moved(), LONG, D(-11), shared=False)
    assert [share.at_ms for share in shares] == [LATER_MS + 9]


@pytest.mark.parametrize(
    ("rows", "drift", "expected"),
    [
        pytest.param([OURS], "300", [("unsettled", "300")], id="its row is in the ledger"),
        pytest.param([], "300", [("unsettled", "300")], id="the sum comes out only with it"),
        pytest.param([BY_HAND], "290", [("manual", "-10"), ("unsettled", "300")], id="beside a person's call"),
        pytest.param([BY_HAND], "-10", [("manual", "-10")], id="it moved nothing"),
        pytest.param([], "70", [("unexplained", "70")], id="another amount"),
    ],
)
def test_our_own_unsettled_step_is_not_called_manual(
    rows: list[LedgerRow], drift: str, expected: list[tuple[str, str]]
) -> None:
    state = JournalState()
    state.margins.applied["BTCUSDT.long"] = ("1200", "2026-01-01T00:00:00Z")
    state.add(intent(), at="2026-01-01T00:00:00Z")
    found = baseline(state, LONG, "BTCUSDT.long")
    assert found is not None
    assert told(attribute(rows, found, LONG, D(drift), shared=False)) == expected


# The baseline.


def finished(margin: str = "1500", declared: str = "1500", *, at_ms: int, off: tuple[str, ...] = ()) -> RunFinished:
    live = {"BTCUSDT.long": {"isolated_margin": margin}}
    details = {"declared": {"BTCUSDT.long": declared}, "live": live, "live_at_ms": at_ms, "out_of_place": list(off)}
    return RunFinished(details=run_end.read(details))


def expected(state: JournalState) -> tuple[str, int] | None:
    found = baseline(state, LONG, "BTCUSDT.long")
    return None if found is None else (str(found.expected), found.since_ms)


def applied(state: JournalState) -> None:
    state.add(intent(), at="2026-01-01T00:00:00Z")
    outcome = Outcome(intent_id="i1", known=IntentStatus.APPLIED, effect_ms=SIGNED_MS + 200, after="1500")
    state.add(outcome, at="2026-01-01T00:00:01Z")


def test_a_journal_that_knows_nothing_has_no_baseline() -> None:
    assert expected(JournalState()) is None


def test_our_last_step_is_the_baseline() -> None:
    state = JournalState()
    applied(state)
    assert expected(state) == ("1500", SIGNED_MS)


def test_later_runs_that_find_it_in_place_do_not_swallow_funding() -> None:
    state = JournalState()
    applied(state)
    state.add(finished(at_ms=LATER_MS), at="x")
    state.add(finished("1495.8", at_ms=LATER_MS + 1000), at="x")
    assert expected(state) == ("1500", SIGNED_MS)


def test_what_a_run_found_in_place_without_moving_it_is_a_baseline() -> None:
    state = JournalState()
    state.add(finished("1499", at_ms=LATER_MS), at="x")
    state.add(finished("1496", at_ms=LATER_MS + 1000), at="x")
    assert expected(state) == ("1499", LATER_MS)


def test_a_margin_that_was_declared_anew_and_found_in_place_is_the_baseline() -> None:
    state = JournalState()
    applied(state)
    state.add(finished(at_ms=LATER_MS), at="x")
    state.add(finished("1800", "1800", at_ms=LATER_MS + 1000), at="x")
    assert expected(state) == ("1800", LATER_MS + 1000)


def test_our_next_step_replaces_what_was_found_in_place() -> None:
    state = JournalState()
    state.add(finished("1200", "1200", at_ms=1000), at="x")
    applied(state)
    assert expected(state) == ("1500", SIGNED_MS)


@pytest.mark.parametrize(
    "record",
    [
        RunFinished(),
        finished("1200", at_ms=1000, off=("BTCUSDT.long",)),
        RunFinished(
            details=run_end.read(
                {"declared": {"BTCUSDT.long": "1"}, "live": {}, "live_at_ms": None, "out_of_place": []}
            )
        ),
        RunFinished(
            details=run_end.read({"declared": {"BTCUSDT.long": "1"}, "live": {}, "live_at_ms": 5, "out_of_place": []})
        ),
    ],
    ids=["says nothing", "out of place", "no look", "no position"],
)
def test_a_run_that_did_not_find_it_in_place_makes_no_baseline(record: RunFinished) -> None:
    state = JournalState()
    state.add(record, at="x")
    assert expected(state) is None


OUR_STEP = Effect(
    address=LONG,
    effect_ms=SIGNED_MS + 200,
    signed_ms=SIGNED_MS,
    before=None,
    after=None,
    size=None,
    identity=None,
    claim=None,
)


@pytest.mark.parametrize(("effects", "since_ms"), [((), 0), ((OUR_STEP,), SIGNED_MS + 200)])
def test_a_margin_whose_step_is_not_known_any_more_counts_from_the_last_effect(
    effects: tuple[Effect, ...], since_ms: int
) -> None:
    state = JournalState()
    state.margins.applied["BTCUSDT.long"] = ("1500", "2026-01-01T00:00:00Z")
    state.effects.update((str(effect.address), effect) for effect in effects)
    assert expected(state) == ("1500", since_ms)


@pytest.mark.parametrize("place", ["BTCUSDT.short", "ETHUSDT.long"])
def test_an_open_step_at_another_address_is_no_step_here(place: str) -> None:
    state = JournalState()
    state.margins.applied[place] = ("1500", "2026-01-01T00:00:00Z")
    state.add(intent(), at="2026-01-01T00:00:00Z")
    found = baseline(state, at(place), "BTCUSDT.long")
    assert found is not None
    assert found.sent == ()


def test_an_accepted_step_is_one_step() -> None:
    state = JournalState()
    applied(state)
    state.add(replace(intent("20", before="1500", wanted="1520"), intent_id="i2"), at="2026-01-01T00:00:02Z")
    accepted = Outcome(intent_id="i2", known=IntentStatus.ACCEPTED, effect_ms=SIGNED_MS + 300, after="1520")
    state.add(accepted, at="2026-01-01T00:00:03Z")
    found = baseline(state, LONG, "BTCUSDT.long")
    assert found is not None
    assert [each.intent.intent_id for each in found.sent] == ["i2"]
