"""Bands end to end against the sandbox: prices fall, margin follows, and the limits of a day hold over runs."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from reconcile import statefile
from reconcile.audit.reporting import make_report
from reconcile.audit.run_log import Filter, find_runs
from reconcile.model.account import DesiredAccount, MarginType, Percent, WhenShort
from reconcile.model.drift import Drift
from reconcile.model.measures import Band, Measure, Thresholds
from reconcile.model.plan import MoveMargin, OutcomeKind, Plan, Result, SavedPlan, Status
from reconcile.render.audit.run import run_document
from reconcile.render.common.json import dumps
from reconcile.render.metrics import exposition
from reconcile.render.metrics.snapshot import AccountSnapshot, Snapshot
from reconcile.render.plan import saved as saved_plan
from reconcile.render.plan.json import plan_document
from reconcile.render.plan.text import plan_text
from reconcile.render.report.html import page
from reconcile.statefile import writing
from reconcile.usecases.drift import drift
from reconcile.usecases.import_ import TOLERANCE, import_account
from reconcile.usecases.import_bands import around, provisional
from tests.kit import desk, documents
from tests.kit.scene import Scene, desired, play
from tests.simulation.world import declared

D = Decimal
LONG = "BTCUSDT.long"


def banded(*, at_most: str = "9000", floor: str = "0.12", aim: str = "0.15", **limits: Any) -> DesiredAccount:
    """BTCUSDT.long with a declared distance; the sandbox has 3000 behind it, 10.4 % from liquidation."""
    made = desired({LONG: "3000"}, **limits)
    band = Band(
        measure=Measure.LIQUIDATION_DISTANCE,
        bounds=Thresholds(floor=D(floor), target=D(aim), ceiling=D("0.4")),
        at_most=D(at_most),
        rounding=D(5),
    )
    (target,) = made.targets
    return replace(made, targets=(replace(target, isolated_margin=None, band=band),))


def test_apply_brings_a_position_into_its_band_and_the_next_one_is_empty() -> None:
    async def twice(scene: Scene) -> tuple[Result, Result]:
        return await scene.apply(banded()), await scene.apply(banded())

    (first, second), scene = play(twice)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert [step.outcome for step in first.accounts[0].steps] == [OutcomeKind.APPLIED]
    assert second.accounts[0].steps == ()
    assert scene.margin(LONG) == D(4395)


def test_a_saved_plan_with_a_band_reads_back_and_applies() -> None:
    async def reviewed(scene: Scene) -> tuple[Plan, Result]:
        saved = await scene.saved(banded())
        return saved.plan, await scene.apply_saved(saved_plan.loads_plan(dumps(plan_document(saved.plan))))

    (plan, result), scene = play(reviewed)
    document = plan_document(plan)
    assert plan_document(saved_plan.loads_plan(dumps(document)).plan) == document
    entry = document["accounts"][0]["entries"][0]
    assert entry["desired"]["measure"]["target"] == "0.15"
    assert (entry["observed"]["measure"][:6], entry["wanted_margin"]) == ("0.1038", "4395")
    assert (result.exit_code, scene.margin(LONG)) == (0, D(4395))


def test_the_plan_is_a_ceiling_where_the_price_falls_on() -> None:
    async def fallen(scene: Scene) -> Result:
        saved = await scene.saved(banded())
        market = scene.place.books.markets["BTCUSDT"]
        scene.place.books.set_mark("BTCUSDT", market.mark * D("0.97"), now_ms=scene.now_ms())
        return await scene.apply_saved(saved)

    result, scene = play(fallen)
    assert scene.moved_by_calls() == [(LONG, D(1395))]
    assert result.accounts[0].steps[0].amount == D(1395)


def test_headroom_widens_the_ceiling_visibly_and_no_further() -> None:
    async def fallen(scene: Scene) -> tuple[SavedPlan, Result]:
        saved = await scene.saved(banded(), headroom=Percent(value=D(20)))
        market = scene.place.books.markets["BTCUSDT"]
        scene.place.books.set_mark("BTCUSDT", market.mark * D("0.97"), now_ms=scene.now_ms())
        return saved, await scene.apply_saved(saved)

    (saved, _), scene = play(fallen)
    document = plan_document(saved.plan)
    assert document["accounts"][0]["entries"][0]["steps"][0]["ceiling"] == "1674"
    assert plan_document(saved_plan.loads_plan(dumps(document)).plan) == document
    assert "up to 1674 with headroom" in plan_text(saved.plan, color=False)
    assert scene.moved_by_calls() == [(LONG, D(1674))]


def test_headroom_never_passes_at_most() -> None:
    plan, _ = play(lambda scene: scene.plan(banded(at_most="4500"), headroom=Percent(value=D(20))))
    (step,) = plan.accounts[0].entries[0].steps
    assert isinstance(step, MoveMargin)
    assert (step.amount, step.ceiling) == (D(1395), D(1500))


@pytest.mark.parametrize(
    ("limits", "ceiling"),
    [
        ({"max_add": D(1400)}, "1400"),
        ({"max_add": D(1395)}, None),
        ({"max_margin": D("4444.5")}, "1444.5"),
        ({"max_total_add": D(1500)}, None),
        ({"max_day_add": D(1500)}, None),
        ({"min_available": D(3500)}, None),
        ({"min_available": D(3326)}, "1674"),
    ],
)
def test_headroom_ends_at_a_limit_and_stops_nothing_that_the_limit_allows(
    limits: dict[str, Any], ceiling: str | None
) -> None:
    plan, _ = play(lambda scene: scene.plan(banded(**limits), headroom=Percent(value=D(20))))
    (account,) = plan.accounts
    (step,) = account.entries[0].steps
    assert isinstance(step, MoveMargin)
    assert (account.errors, step.amount, step.ceiling) == ((), D(1395), None if ceiling is None else D(ceiling))
    assert account.order == (step.step_id,)


def test_a_price_that_recovered_sends_nothing() -> None:
    async def risen(scene: Scene) -> Result:
        saved = await scene.saved(banded())
        market = scene.place.books.markets["BTCUSDT"]
        scene.place.books.set_mark("BTCUSDT", market.mark * D("1.05"), now_ms=scene.now_ms())
        return await scene.apply_saved(saved)

    result, scene = play(risen)
    assert (result.exit_code, scene.moved_by_calls()) == (0, [])


def test_the_limit_of_a_day_counts_over_runs() -> None:
    async def two_runs(scene: Scene) -> tuple[Result, Result, Plan]:
        first = await scene.apply(banded(max_day_add=D(1500)))
        scene.by_hand(LONG, "-1000")
        await scene.pass_time(60_000)
        second = await scene.apply(banded(max_day_add=D(1500)))
        return first, second, await scene.plan(banded(max_day_changes=1))

    (first, second, plan), scene = play(two_runs)
    assert first.exit_code == 0
    (account,) = second.accounts
    assert (second.exit_code, [error.key for error in account.errors]) == (4, ["max_day_add"])
    assert "to the 1395 of earlier runs today (UTC)" in account.errors[0].message
    assert scene.margin(LONG) == D(3395)
    assert [error.key for error in plan.accounts[0].errors] == ["max_day_changes"]


def test_a_saved_plan_is_refused_where_another_run_has_used_up_the_day() -> None:
    async def later(scene: Scene) -> Result:
        limited = banded(max_day_add=D(1500))
        saved = await scene.saved(limited)
        await scene.apply(limited)
        scene.by_hand(LONG, "-1395")
        await scene.pass_time(60_000)
        return await scene.apply_saved(saved)

    result, _ = play(later)
    assert (result.exit_code, [error.key for error in result.accounts[0].errors]) == (4, ["max_day_add"])


def test_at_most_blocks_with_what_would_be_needed() -> None:
    plan, _ = play(lambda scene: scene.plan(banded(at_most="3000")))
    (entry, *_) = plan.accounts[0].entries
    assert (entry.status, entry.blocked_by, entry.wanted_margin) == (Status.BLOCKED, "at_most", D(4395))


@pytest.mark.parametrize(
    ("exchange", "symbol"), [("binance", "ETHUSDT"), ("okx", "ETH-USDT-SWAP"), ("bitget", "ETHUSDT")]
)
@pytest.mark.parametrize("measure", list(Measure))
def test_a_position_of_several_tiers_is_brought_into_its_band(exchange: str, symbol: str, measure: Measure) -> None:
    scene, place = Scene(exchange=exchange), f"{symbol}.short"
    books = scene.place.books
    books.deposit("USDT", D(10**7), now_ms=books.now_ms)
    market = books.markets[symbol]
    size = D(2_000_000) / market.mark / market.contract_value
    books.open_position(symbol, "short", size.quantize(D("0.01")), now_ms=books.now_ms, margin_type="isolated")
    floor, aim = {Measure.MAINTENANCE_COVER: ("40", "45")}.get(measure, ("0.12", "0.15"))
    band = Band(measure=measure, bounds=Thresholds(floor=D(floor), target=D(aim)), at_most=D(10**7))
    made = replace(declared(exchange, {place: "1"}), product="USDT-FUTURES" if exchange == "bitget" else None)
    (target,) = made.targets
    made = replace(made, targets=(replace(target, isolated_margin=None, band=band),))

    async def twice(scene: Scene) -> tuple[Result, Result]:
        return await scene.apply(made), await scene.apply(made)

    (first, second), _ = play(twice, scene)
    assert [step.outcome for step in first.accounts[0].steps] == [OutcomeKind.APPLIED]
    assert (first.exit_code, second.exit_code, second.accounts[0].steps) == (0, 0, ())
    held = books.positions[symbol, "short", "isolated"]
    away = books.rules.liquidation_price(market, held)
    behind, value = held.margin + market.profit(held, market.mark), market.notional(held.size, market.mark)
    assert away is not None
    owed = books.rules.maintenance(market, held) + (value * market.taker_fee if exchange == "okx" else 0)
    found = {
        Measure.LIQUIDATION_DISTANCE: away / market.mark - 1,
        Measure.MAINTENANCE_COVER: behind / owed,
        Measure.EQUITY_SHARE: behind / value,
    }[measure]
    assert D(aim) <= found < D(aim) * D("1.00001")


@pytest.mark.parametrize("is_turned", [False, True])
def test_each_side_of_an_okx_instrument_is_seen_in_its_own_declared_type(*, is_turned: bool) -> None:
    """The long has a crossed and an isolated position at once; which is meant does not depend on the other side."""
    made = declared("okx", {"BTC-USDT-SWAP.long": "3000", "BTC-USDT-SWAP.short": "2500"})
    long, short = made.targets
    sides = (replace(long, isolated_margin=None, margin_type=MarginType.CROSSED), short)
    made = replace(made, targets=sides[::-1] if is_turned else sides)
    plan, _ = play(lambda scene: scene.plan(made), Scene(exchange="okx"))
    found = {str(entry.address): (entry.status, entry.observed_type) for entry in plan.accounts[0].entries}
    assert found["BTC-USDT-SWAP.long"] == (Status.IN_SYNC, MarginType.CROSSED)
    assert found["BTC-USDT-SWAP.short"] == (Status.IN_SYNC, MarginType.ISOLATED)


# What moved, and where the band was left.


def test_drift_is_about_the_amount_last_applied_and_says_when_the_band_is_left() -> None:
    async def moved(scene: Scene) -> tuple[Drift, Drift]:
        await scene.apply(banded())
        scene.fund(LONG, "-10")
        await scene.pass_time(60_000)
        (before,) = (await drift(scene.world(), [banded()]))[0].entries
        market = scene.place.books.markets["BTCUSDT"]
        scene.place.books.set_mark("BTCUSDT", market.mark * D("0.95"), now_ms=scene.now_ms())
        (after,) = (await drift(scene.world(), [banded()]))[0].entries
        return before, after

    (before, after), _ = play(moved)
    assert (before.baseline, before.expected, before.drift, before.left_band) == ("applied", D(4395), D(-10), "")
    assert [share.cause for share in before.causes] == ["funding"]
    assert (after.drift, after.is_beyond) == (D(-10), True)
    assert after.left_band == "liquidation_distance 10.51% is below floor 12%"


def test_the_report_draws_the_distance_in_its_band() -> None:
    async def reported(scene: Scene) -> str:
        await scene.apply(banded())
        return page(make_report(scene.world().store, Filter(), now_ms=scene.now_ms() + 1000))

    shown, _ = play(reported)
    assert "BTCUSDT.long: distance to liquidation, last 15.0%, declared 12.0% to 40.0%" in shown


def test_the_audit_of_a_run_has_the_measure_that_it_declared() -> None:
    async def shown(scene: Scene) -> dict[str, Any]:
        result = await scene.apply(banded())
        return run_document(find_runs(scene.world().store, result.run_id))

    document, _ = play(shown)
    (account,) = document["accounts"]
    bounds = {"name": "liquidation_distance", "floor": "0.12", "target": "0.15", "ceiling": "0.4"}
    assert (account["declared"], account["measures"]) == ({}, {LONG: bounds})
    documents.check(document)


def test_metrics_have_the_measure_its_floor_and_what_is_missing() -> None:
    limited = banded(when_short=WhenShort.NEAREST_FIRST, min_available=D(4000))
    plan, _ = play(lambda scene: scene.plan(limited))
    (account,) = plan.accounts
    snapshot = Snapshot(rounds=1, at_ms=0, accounts=(AccountSnapshot(plan=account, is_frozen=False),))
    shown = exposition.exposition(snapshot)
    labels = '{account="main",address="BTCUSDT.long",asset="USDT"'
    assert f'reconcile_measure{labels},measure="liquidation_distance"}} 0.103853\n' in shown
    assert f'reconcile_measure_floor{labels},measure="liquidation_distance"}} 0.12\n' in shown
    assert f"reconcile_missing_balance{labels}}} 395\n" in shown


# Written from what is there.


@pytest.mark.parametrize("measure", list(Measure))
def test_an_imported_band_plans_to_nothing(measure: Measure, tmp_path: Path) -> None:
    path = tmp_path / "main.toml"

    async def imported(scene: Scene) -> Plan:
        account = replace(banded(), targets=())
        found = await import_account(scene.world(), account, crossed=False, measure=measure)
        text = writing.state_file(found.desired, tolerance=TOLERANCE, title="x", observed_wall_ms=0, notes=found.notes)
        path.write_text(text)
        (declared,) = statefile.load([path])
        assert all(target.band is not None and target.band.measure is measure for target in declared.targets)
        return await scene.plan(declared)

    plan, _ = play(imported)
    assert {entry.status for entry in plan.accounts[0].entries} == {Status.IN_SYNC}


@pytest.mark.parametrize(
    ("measure", "mark", "margin", "keeps"),
    [
        (Measure.LIQUIDATION_DISTANCE, "10000", "9900", False),  # 99 %
        (Measure.LIQUIDATION_DISTANCE, "10000", "1200", False),
        (Measure.LIQUIDATION_DISTANCE, "10000", "2", True),  # 0.02 %: bounds a hundredth apart are the same
        (Measure.EQUITY_SHARE, "10000", "2", True),
        (Measure.EQUITY_SHARE, "12000", "0", True),  # carried by profit alone: at_most would be 0
    ],
)
def test_an_imported_band_is_one_that_a_state_file_may_declare(
    measure: Measure, mark: str, margin: str, *, keeps: bool, tmp_path: Path
) -> None:
    _check_import("BTCUSDT.long", measure, mark, margin, keeps=keeps, path=tmp_path / "main.toml")


def test_a_short_further_than_the_whole_price_from_liquidation_keeps_its_amount(tmp_path: Path) -> None:
    """A short of leverage 1 is 100 % away when it is opened, and further with each fall."""
    _check_import(
        "BTCUSDT.short", Measure.LIQUIDATION_DISTANCE, "4000", "10000", keeps=True, path=tmp_path / "main.toml"
    )


def _check_import(place: str, measure: Measure, mark: str, margin: str, *, keeps: bool, path: Path) -> None:
    held = desk.position(place, margin, mark=mark, notional=mark)
    held = replace(held, liquidation_price=held.liquidation_at(D(margin)))
    (made,), notes = around((provisional(desk.target(place, margin), measure),), desk.observed((held,)), measure)
    assert (made.isolated_margin, made.band is None, len(notes)) == (D(margin) if keeps else None, keeps, int(keeps))
    found = replace(desk.desired(made), path=str(path))
    path.write_text(writing.state_file(found, tolerance=TOLERANCE, title="x", observed_wall_ms=0, notes=notes))
    ((again,),) = (account.targets for account in statefile.load([path]))
    assert (again.isolated_margin, again.band) == (made.isolated_margin, made.band)
