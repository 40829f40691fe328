"""What moved between two runs is told by cause from the journal alone, and costs nothing where nothing moved."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from reconcile.audit.comparing import compare
from reconcile.audit.history import Comparison, Run
from reconcile.audit.log import find_runs
from reconcile.exchanges.wire import HttpRequest
from reconcile.model import DesiredAccount
from reconcile.plan import Result
from reconcile.render import audit_diff, audit_run
from reconcile.render.values import signed
from reconcile.sandbox.faults import Ending, Fault, FaultPlan, Rule
from reconcile.workflow.explaining import MOST_EXPLAINED
from tests.scene import HOUR_MS, Scene, desired, play

LONG, SHORT = "BTCUSDT.long", "BTCUSDT.short"
DEMO: Mapping[str, str] = {LONG: "4500", SHORT: "2000", "ETHUSDT.long": "1500", "LINKUSDT.long": "600"}
LEDGER = "positionMargin/history"
Told = list[tuple[str, str]]


def told(found: Comparison, address: str) -> Told:
    """Cause and signed amount of every movement at an address, in order."""
    (change,) = [change for change in found.addresses if change.address == address]
    moved = [(each.cause, each.change) for each in change.movements if each.change is not None]
    assert (change.before or Decimal(0)) + sum(amount for _, amount in moved) == change.after
    return [(cause, signed(amount)) for cause, amount in moved]


def between(scene: Scene, first: Result, last: Result) -> Comparison:
    """``audit diff`` of two runs: reads the journal only."""
    (found,) = compare(scene.world().store, first.run_id, last.run_id)
    return found


def run_of(scene: Scene, result: Result) -> Run:
    (run,) = find_runs(scene.world().store, result.run_id)
    return run


async def a_night(scene: Scene) -> None:
    """Funding, then a person's hand."""
    await scene.pass_time(HOUR_MS)
    scene.fund(LONG, "-4.2")
    await scene.pass_time(60_000)
    scene.by_hand(LONG, "-40")
    await scene.pass_time(HOUR_MS)


def test_what_others_moved_between_two_runs_is_told_by_cause_and_so_is_what_we_moved() -> None:
    async def act(scene: Scene) -> Comparison:
        first = await scene.apply(desired(DEMO))
        await a_night(scene)
        return between(scene, first, await scene.apply(desired(DEMO)))

    found, _ = play(act)
    assert told(found, LONG) == [("funding", "-4.2"), ("manual", "-40"), ("reconcile", "+44.2")]
    assert [told(found, address) for address in DEMO if address != LONG] == [[], [], []]
    assert "-4.2 funding" in audit_diff.text([found])


def test_a_run_with_nothing_to_send_tells_it_too() -> None:
    async def act(scene: Scene) -> tuple[Comparison, Result]:
        first = await scene.apply(desired(DEMO))
        await a_night(scene)
        last = await scene.apply(desired({**DEMO, LONG: "4455.8"}))
        return between(scene, first, last), last

    (found, last), _ = play(act)
    assert last.accounts[0].steps == ()
    assert told(found, LONG) == [("funding", "-4.2"), ("manual", "-40")]


def test_every_run_tells_what_moved_since_the_one_before_it() -> None:
    async def act(scene: Scene) -> Comparison:
        first = await scene.apply(desired(DEMO))
        scene.fund(LONG, "-3")
        await scene.pass_time(HOUR_MS)
        await scene.apply(desired(DEMO))
        scene.by_hand(LONG, "-10")
        await scene.pass_time(HOUR_MS)
        return between(scene, first, await scene.apply(desired(DEMO)))

    found, _ = play(act)
    assert told(found, LONG) == [("funding", "-3"), ("reconcile", "+3"), ("manual", "-10"), ("reconcile", "+10")]


def test_both_sides_of_a_symbol_are_told_apart() -> None:
    async def act(scene: Scene) -> Comparison:
        first = await scene.apply(desired(DEMO))
        scene.by_hand(LONG, "-10")
        scene.by_hand(SHORT, "25")
        await scene.pass_time(HOUR_MS)
        return between(scene, first, await scene.apply(desired({**DEMO, SHORT: "2025"})))

    found, _ = play(act)
    assert (told(found, LONG), told(found, SHORT)) == (
        [("manual", "-10"), ("reconcile", "+10")],
        [("manual", "+25")],
    )


def reads(scene: Scene, account: DesiredAccount) -> tuple[Any, list[str]]:
    """An apply yet to be awaited, and the paths of its requests."""
    seen: list[str] = []
    process = scene.process()

    def before(request: HttpRequest) -> None:
        seen.append(f"{request.method} {request.url.partition('?')[0].rpartition('/fapi/')[2]}")

    process.before = before
    return scene.apply(account, process), seen


@pytest.mark.parametrize(("tolerance", "moved"), [("0.01", None), ("50", "-40")])
def test_where_nothing_moved_beyond_the_tolerance_nothing_is_noted_and_no_ledger_is_read(
    tolerance: str, moved: str | None
) -> None:
    async def act(scene: Scene) -> tuple[Run, list[str]]:
        await scene.apply(desired(DEMO, tolerance=tolerance))
        if moved is not None:
            scene.by_hand(LONG, moved)
        await scene.pass_time(HOUR_MS)
        work, seen = reads(scene, desired(DEMO, tolerance=tolerance))
        return run_of(scene, await work), seen

    (run, seen), _ = play(act)
    assert run.moved_since == {}
    assert [path for path in seen if LEDGER in path] == []


def test_the_ledger_is_read_for_it_after_the_last_write() -> None:
    async def act(scene: Scene) -> list[str]:
        await scene.apply(desired(DEMO))
        await a_night(scene)
        work, seen = reads(scene, desired(DEMO))
        await work
        return seen

    seen, _ = play(act)
    (sent,) = [number for number, path in enumerate(seen) if path.startswith("POST")]
    assert any(LEDGER in path for path in seen[sent:])


def test_what_nobody_declared_is_told_too() -> None:
    async def act(scene: Scene) -> Comparison:
        account = desired({"ETHUSDT.long": "1500"})
        first = await scene.apply(account)
        await a_night(scene)
        return between(scene, first, await scene.apply(account))

    found, _ = play(act)
    assert told(found, LONG) == [("funding", "-4.2"), ("manual", "-40")]


def test_of_many_symbols_only_the_first_few_are_asked_for() -> None:
    every = {f"{base}USDT.long": "100" for base in ("BTC", "ETH", "DOGE", "LINK", "BNB", "XRP")}

    async def act(scene: Scene) -> tuple[Run, Comparison, int]:
        now_ms = scene.now_ms()
        scene.place.books.open_position(
            "XRPUSDT", "long", Decimal(100), now_ms=now_ms, price=Decimal("0.6"), margin=Decimal(50)
        )
        account = desired({place: str(scene.margin(place)) for place in every})
        first = await scene.apply(account)
        for place in every:
            scene.by_hand(place, "20")
        await scene.pass_time(HOUR_MS)
        work, seen = reads(scene, desired({place: str(scene.margin(place)) for place in every}))
        last = await work
        return run_of(scene, last), between(scene, first, last), sum(1 for path in seen if LEDGER in path)

    (run, found, asked), _ = play(act)
    assert asked == len(run.moved_since) == MOST_EXPLAINED
    assert [told(found, place) for place in every] == [[("manual", "+20")]] * 5 + [[("outside", "+20")]]


def test_without_the_ledger_it_is_told_as_outside_and_the_apply_is_as_good() -> None:
    lost = Rule(fault=Fault(ending=Ending.LOST), path=f"*{LEDGER}")

    async def act(scene: Scene) -> tuple[Comparison, Result]:
        first = await scene.apply(desired(DEMO))
        await a_night(scene)
        last = await scene.apply(desired(DEMO))
        return between(scene, first, last), last

    (found, last), scene = play(act, Scene(faults=FaultPlan([lost])))
    assert told(found, LONG) == [("outside", "-44.2"), ("reconcile", "+44.2")]
    assert (last.exit_code, scene.margin(LONG)) == (0, Decimal(4500))


def test_asked_to_stop_it_is_left_untold() -> None:
    async def act(scene: Scene) -> tuple[Comparison, Run]:
        first = await scene.apply(desired(DEMO))
        await a_night(scene)
        process = scene.process()

        def before(request: HttpRequest) -> None:
            if LEDGER in request.url:
                process.stop.set()

        process.before = before
        last = await scene.apply(desired({**DEMO, LONG: "4455.8"}), process)
        return between(scene, first, last), run_of(scene, last)

    (found, run), _ = play(act)
    assert told(found, LONG) == [("outside", "-44.2")]
    assert (run.moved_since, run.finished_at is not None) == ({}, True)


def test_a_run_that_was_killed_after_its_step_leaves_its_step_to_compare_with() -> None:
    async def act(scene: Scene) -> tuple[Comparison, Run]:
        first = await scene.apply(desired(DEMO))
        scene.by_hand(LONG, "-10")
        await scene.pass_time(HOUR_MS)
        process = scene.process()
        sent: list[HttpRequest] = []

        def before(request: HttpRequest) -> None:
            if sent and LEDGER in request.url:
                raise asyncio.CancelledError
            if request.method == "POST":
                sent.append(request)

        process.before = before
        with suppress(asyncio.CancelledError):
            await scene.apply(desired(DEMO), process)
        await a_night(scene)
        last = await scene.apply(desired(DEMO))
        return between(scene, first, last), run_of(scene, last)

    (found, _), _ = play(act)
    assert told(found, LONG) == [
        ("outside", "-10"),
        ("reconcile", "+10"),
        ("funding", "-4.2"),
        ("manual", "-40"),
        ("reconcile", "+44.2"),
    ]


def test_one_run_is_shown_with_what_had_moved_before_it() -> None:
    async def act(scene: Scene) -> Run:
        await scene.apply(desired(DEMO))
        await a_night(scene)
        return run_of(scene, await scene.apply(desired(DEMO)))

    run, _ = play(act)
    (noted,) = [note for note in audit_run.document([run])["accounts"][0]["notes"] if note["what"] == "moved_since"]
    assert [(each["cause"], each["amount"]) for each in noted["details"][LONG]["causes"]] == [
        ("funding", "-4.2"),
        ("manual", "-40"),
    ]
    for shown in (audit_run.text([run]), audit_run.markdown([run]).replace("\\", "")):
        assert "4500 → 4455.8: funding -4.2 at 2026-01-01T01:00:00" in shown
