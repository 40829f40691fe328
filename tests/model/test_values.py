"""What values compute from their own fields."""

from dataclasses import replace
from decimal import Decimal

import pytest

from reconcile.errors import ReadFailed
from reconcile.model.account import Address
from reconcile.model.drift import AccountDrift, Drift
from reconcile.model.exports import AccountMovement, MovementTotal
from reconcile.model.measures import Measure, Thresholds
from reconcile.model.notes import PlanNote
from reconcile.model.reports import CUT_OFF, Margin, Movement, Note, Origin, Run, StepTaken
from reconcile.model.run_start import RunStart
from reconcile.model.status import AccountStatus
from tests.kit.desk import D, hold, observed, position

LONG = Address.parse("BTCUSDT.long")
DRIFT = Drift(
    address=LONG,
    asset="USDT",
    baseline="applied",
    expected=D("100"),
    observed=D("100"),
    drift=D("0"),
    tolerance=D("1"),
    is_beyond=False,
    causes=(),
)


@pytest.mark.parametrize(
    ("entry", "has_drifted", "is_unknown"),
    [
        (DRIFT, False, False),
        (replace(DRIFT, is_beyond=True), True, False),
        (replace(DRIFT, held=hold("a read from before our step")), False, True),
    ],
)
def test_an_account_drifted_where_an_address_did(entry: Drift, has_drifted: bool, is_unknown: bool) -> None:  # noqa: FBT001
    found = AccountDrift(account="main", state_file="main.toml", entries=(DRIFT, entry))
    assert (found.has_drifted, found.is_unknown) == (has_drifted, is_unknown)


def test_a_status_without_errors_ends_with_0() -> None:
    assert AccountStatus(account="main").exit_code == 0


@pytest.mark.parametrize(
    ("mark", "liquidation", "distance"),
    [("100", "80", D("0.2")), ("100", "120", D("0.2")), ("100", None, None), (None, "80", None), ("0", "80", None)],
)
def test_a_liquidation_distance_is_a_share_of_the_mark_price(
    mark: str | None, liquidation: str | None, distance: Decimal | None
) -> None:
    seen = Margin(
        isolated_margin=D("10"),
        asset="USDT",
        mark_price=None if mark is None else D(mark),
        liquidation_price=None if liquidation is None else D(liquidation),
    )
    assert seen.liquidation_distance == distance


def taken(action: str, amount: str | None, outcome: str = "applied") -> StepTaken:
    return StepTaken(
        intent_id="1",
        step_id="1",
        run_id="r",
        line=2,
        at="2026-01-01T00:00:00.000Z",
        address=str(LONG),
        action=action,
        asset="USDT",
        amount=amount,
        before="100",
        wanted="105",
        signed_at_ms=1,
        fence_ms=2,
        outcome=outcome,
    )


@pytest.mark.parametrize(
    ("step", "change", "has_moved"),
    [
        (taken("add_margin", "5"), D("5"), True),
        (taken("reduce_margin", "5", "accepted"), D("-5"), True),
        (taken("add_margin", "5", "refused"), D("5"), False),
        (taken("set_margin_type", None), None, False),
    ],
)
def test_a_step_changes_margin_by_its_signed_amount(step: StepTaken, change: Decimal | None, has_moved: bool) -> None:  # noqa: FBT001
    assert (step.change, step.has_moved) == (change, has_moved)


@pytest.mark.parametrize(("removed", "net"), [("0", D("5")), ("7", D("-2"))])
def test_a_total_nets_what_was_added_and_removed(removed: str, net: Decimal) -> None:
    found = MovementTotal(
        cause="manual", actor="", asset="USDT", added=D("5"), removed=D(removed), movements=2, unclear=0
    )
    assert found.net == net


RUN = Run(identity="binance-1", run_id="r", command="apply", started_at="2026-01-01T00:00:00.000Z", first_line=1)


@pytest.mark.parametrize(
    ("refused", "exit_code", "outcome"),
    [
        ("frozen", 4, "refused"),
        (None, None, CUT_OFF),
        (None, 0, "done"),
        (None, 1, "error"),
        (None, 3, "done"),
        (None, 4, "refused"),
        (None, 5, "done"),
        (None, 130, "interrupted"),
    ],
)
def test_a_run_ended_as_its_exit_code_says(refused: str | None, exit_code: int | None, outcome: str) -> None:
    assert replace(RUN, refused=refused, exit_code=exit_code).outcome == outcome


@pytest.mark.parametrize(
    ("start", "notes", "digest"),
    [
        (RunStart(), (), ""),
        (RunStart(), (Note(at="", what="planned", details={}, body=PlanNote(digest="sha256:b")),), "sha256:b"),
        (
            RunStart(digest="sha256:a"),
            (Note(at="", what="planned", details={}, body=PlanNote(digest="b")),),
            "sha256:a",
        ),
        (RunStart(), (Note(at="", what="drift", details={}, body={"digest": "sha256:b"}),), ""),
    ],
)
def test_a_step_is_traced_to_the_plan_that_was_saved_else_to_the_one_that_was_made(
    start: RunStart, notes: tuple[Note, ...], digest: str
) -> None:
    assert replace(RUN, start=start, notes=notes).origin == Origin(run_id="r", digest=digest)


def test_a_run_is_named_by_its_facts_else_by_its_journal() -> None:
    named = replace(RUN, start=RunStart(account="main", actor="ops", reason="review"))
    assert (RUN.account, RUN.actor, RUN.reason) == ("binance-1", "", "")
    assert (named.account, named.actor, named.reason) == ("main", "ops", "review")


def test_a_run_did_something_about_the_addresses_of_its_steps_and_of_those_it_settled() -> None:
    other = replace(taken("add_margin", "5"), address="ETHUSDT.long")
    found = replace(RUN, steps=(taken("add_margin", "5"),), settled=(other,))
    assert found.addresses == {"BTCUSDT.long", "ETHUSDT.long"}


@pytest.mark.parametrize(("at_ms", "by_exchange_clock"), [(5, True), (None, False)])
def test_a_movement_tells_whose_clock_its_time_is_of(at_ms: int | None, by_exchange_clock: bool) -> None:  # noqa: FBT001
    moved = Movement(at="", at_ms=at_ms, address=str(LONG), asset="USDT", cause="manual", change=D("5"))
    found = AccountMovement(account="main", identity="binance-1", at="", movement=moved)
    assert found.by_exchange_clock == by_exchange_clock


@pytest.mark.parametrize(
    ("measure", "bounds"),
    [
        (Measure.LIQUIDATION_DISTANCE, {"floor": "8%", "target": "12%", "ceiling": "25%"}),
        (Measure.MAINTENANCE_COVER, {"floor": "0.08", "target": "0.12", "ceiling": "0.25"}),
    ],
)
def test_a_band_is_written_as_a_state_file_writes_it(measure: Measure, bounds: dict[str, str]) -> None:
    found = Thresholds(floor=D("0.08"), target=D("0.12"), ceiling=D("0.25"))
    without = {name: value for name, value in bounds.items() if name != "ceiling"}
    assert found.written(measure) == bounds
    assert replace(found, ceiling=None).written(measure) == without


def test_a_position_that_cannot_be_used_proves_nothing() -> None:
    look = replace(observed([position("BTCUSDT.long", "100")]), unusable={LONG: "its margin is no number"})
    with pytest.raises(ReadFailed, match=r"looking at BTCUSDT\.long: its margin is no number"):
        look.slot(LONG)
    assert observed().slot(LONG) is None
