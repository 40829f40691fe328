"""What moved between two runs is told by cause from the journal alone; it costs nothing where nothing moved."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from reconcile.audit.comparing import compare
from reconcile.audit.run_log import find_runs
from reconcile.exchanges.http.wire import HttpRequest
from reconcile.model.account import DesiredAccount
from reconcile.model.plan import Result
from reconcile.model.reports import Comparison, Run
from reconcile.render.audit.diff import diff_markdown, diff_text
from reconcile.render.audit.run import run_document, run_markdown, run_text
from reconcile.render.common.values import signed
from reconcile.sandbox.faults import Ending, Fault, FaultPlan, FaultRule, Scripted
from reconcile.sandbox.http import Lag, Request
from reconcile.usecases.audit_live import compare_with_live
from reconcile.usecases.movements import MOST_ASKED
from tests.kit.scene import HOUR_MS, Scene, desired, play

LONG, SHORT = "BTCUSDT.long", "BTCUSDT.short"
DEMO: Mapping[str, str] = {LONG: "4500", SHORT: "2000", "ETHUSDT.long": "1500", "LINKUSDT.long": "600"}
LEDGER = "positionMargin/history"
Told = list[tuple[str, str]]


def told(found: Comparison, address: str) -> Told:
    """Cause and signed amount of every movement at an address, in order."""
    (change,) = [change for change in found.addresses if change.address == address]
    moved = [(each.cause, each.change) for each in change.movements if each.change is not None]
    assert (change.before or Decimal(0)) + sum(amount for _, amount in moved) == (change.after or Decimal(0))
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
    assert "−4.2 funding" in diff_text([found])


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


def test_where_nothing_but_our_steps_moved_the_ledger_is_read_once_and_only_to_send() -> None:
    async def act(scene: Scene) -> tuple[Run, Run, list[str], list[str]]:
        await scene.apply(desired(DEMO))
        await scene.pass_time(HOUR_MS)
        quiet, seen = reads(scene, desired(DEMO))
        first = run_of(scene, await quiet)
        work, more = reads(scene, desired({**DEMO, LONG: "4600", SHORT: "2050"}))
        return first, run_of(scene, await work), seen, more

    (quiet, busy, seen, more), _ = play(act)
    assert quiet.moved == {}
    assert {place: each.causes for place, each in (busy.moved or {}).items()} == {LONG: (), SHORT: ()}
    assert [path for path in seen if LEDGER in path or "income" in path] == []
    assert sorted(path for path in more if LEDGER in path or "income" in path) == ["GET v1/income", f"GET v1/{LEDGER}"]


def test_what_moved_within_the_tolerance_is_told_too() -> None:
    async def act(scene: Scene) -> Comparison:
        first = await scene.apply(desired(DEMO, tolerance="50"))
        scene.by_hand(LONG, "-40")
        await scene.pass_time(HOUR_MS)
        scene.fund(LONG, "-0.00000001")
        return between(scene, first, await scene.apply(desired(DEMO, tolerance="50")))

    found, _ = play(act)
    assert told(found, LONG) == [("manual", "-40"), ("funding", "-0.00000001")]


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


def test_many_symbols_cost_one_read_of_funding_and_one_cheap_read_each() -> None:
    every = {f"{base}USDT.long": "100" for base in ("BTC", "ETH", "DOGE", "LINK", "BNB", "XRP")}

    async def act(scene: Scene) -> tuple[Comparison, list[str]]:
        opened(scene, "XRPUSDT.long", "50")
        first = await scene.apply(desired({place: str(scene.margin(place)) for place in every}))
        for place in every:
            scene.by_hand(place, "20")
            scene.fund(place, "-0.5")
        await scene.pass_time(HOUR_MS)
        work, seen = reads(scene, desired({place: str(scene.margin(place)) for place in every}))
        return between(scene, first, await work), seen

    (found, seen), _ = play(act)
    assert len(every) < MOST_ASKED
    assert [sum(1 for path in seen if part in path) for part in (LEDGER, "income")] == [len(every), 1]
    assert [sorted(told(found, place)) for place in every] == [[("funding", "-0.5"), ("manual", "+20")]] * len(every)


def opened(scene: Scene, place: str, margin: str) -> None:
    symbol, _, side = place.rpartition(".")
    scene.place.books.open_position(
        symbol, side, Decimal(100), now_ms=scene.now_ms(), price=Decimal("0.6"), margin=Decimal(margin)
    )


def test_a_position_that_came_is_told_as_opened_and_one_that_went_as_closed() -> None:
    xrp, link = "XRPUSDT.long", "LINKUSDT.long"

    async def act(scene: Scene) -> tuple[Comparison, Comparison, Decimal]:
        first = await scene.apply(desired({LONG: "4500"}))
        before = scene.margin(link)
        opened(scene, xrp, "50")
        await scene.pass_time(60_000)
        scene.by_hand(xrp, "5")
        scene.by_hand(link, "2")
        scene.place.books.close_position("LINKUSDT", "long", now_ms=scene.now_ms())
        await scene.pass_time(HOUR_MS)
        live = await compare_with_live(scene.world(), first.run_id)
        return between(scene, first, await scene.apply(desired({LONG: "4500"}))), live[0], before

    (found, live, before), _ = play(act)
    for each in (found, live):
        assert sorted(told(each, xrp)) == [("manual", "+5"), ("opened", "+50")]
        assert sorted(told(each, link)) == [("closed", signed(-before - 2)), ("manual", "+2")]


@pytest.mark.parametrize("show", [diff_text, diff_markdown])
def test_live_that_may_be_from_before_our_step_says_so_in_words(show: Callable[[Sequence[Comparison]], str]) -> None:
    async def act(scene: Scene) -> list[Comparison]:
        await scene.apply(desired({LONG: "4500"}))
        await scene.pass_time(60_000)
        last = await scene.apply(desired({LONG: "4600"}))
        scene.place.venue.faults = FaultPlan([FaultRule(fault=Fault(lag=Lag(positions_ms=60_000)), method="GET")])
        return await compare_with_live(scene.world(), last.run_id)

    found, _ = play(act)
    assert found[0].problem.startswith(f"{LONG} is held: the margin reads 4500 after our last step (4500 → 4600 by ")
    shown = show(found)
    assert f"{LONG} is held: the margin reads 4500" in shown
    assert "Hold(" not in shown
    assert "run live" not in shown


def test_what_moves_while_a_run_is_at_work_is_told_too() -> None:
    async def act(scene: Scene) -> Comparison:
        first = await scene.apply(desired(DEMO))
        await scene.pass_time(HOUR_MS)
        process = scene.process()

        def before(request: HttpRequest) -> None:
            if request.method == "POST" and scene.margin("ETHUSDT.long") == 1500:
                scene.by_hand("ETHUSDT.long", "7")
                scene.fund(LONG, "-1.5")

        process.before = before
        last = await scene.apply(desired({**DEMO, LONG: "4600"}, tolerance="10"), process)
        return between(scene, first, last)

    found, _ = play(act)
    assert sorted(told(found, LONG)) == [("funding", "-1.5"), ("reconcile", "+100")]
    assert told(found, "ETHUSDT.long") == [("manual", "+7")]


def test_a_step_whose_outcome_a_later_run_learns_counts_once_and_the_rest_is_told_by_cause() -> None:
    lost = Fault(arrives_ms=(0,), ending=Ending.LOST)

    async def act(scene: Scene) -> tuple[Comparison, list[str]]:
        first = await scene.apply(desired({**DEMO, LONG: "3000"}))
        scene.by_hand(LONG, "-10")
        process = scene.process()
        posted: list[HttpRequest] = []

        def before(request: HttpRequest) -> None:
            if posted:
                scene.place.disk.kill(process.disk)
                raise asyncio.CancelledError
            if request.method == "POST":
                posted.append(request)

        process.before = before
        with suppress(asyncio.CancelledError):
            await scene.apply(desired(DEMO), process)
        scene.fund(LONG, "-3")
        await scene.pass_time(HOUR_MS)
        last = await scene.apply(desired(DEMO))
        return between(scene, first, last), [step.outcome for step in run_of(scene, last).settled]

    (found, settled), _ = play(act, Scene(faults=Scripted([lost], method="POST")))
    assert settled == ["applied"]
    assert told(found, LONG) == [("manual", "-10"), ("reconcile", "+1510"), ("funding", "-3"), ("reconcile", "+3")]


class LedgerGone:
    """The ledger answers nothing after a call."""

    def __init__(self) -> None:
        self.has_sent = False

    def pick(self, request: Request) -> Fault:
        """See ``Faults``."""
        self.has_sent = self.has_sent or request.method == "POST"
        return Fault(ending=Ending.LOST) if self.has_sent and LEDGER in request.path else Fault()


def test_without_the_ledger_it_is_told_as_unexplained_and_the_apply_is_as_good() -> None:
    faults = LedgerGone()

    async def act(scene: Scene) -> tuple[Comparison, Result]:
        first = await scene.apply(desired(DEMO))
        await a_night(scene)
        faults.has_sent = False
        last = await scene.apply(desired(DEMO))
        return between(scene, first, last), last

    (found, last), scene = play(act, Scene(faults=faults))
    assert sorted(told(found, LONG)) == [("reconcile", "+44.2"), ("unexplained", "-44.2")]
    assert "the ledger could not be read" in diff_text([found])
    assert (last.exit_code, scene.margin(LONG)) == (0, Decimal(4500))


def test_asked_to_stop_it_is_left_unexplained() -> None:
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
    assert told(found, LONG) == [("unexplained", "-44.2")]
    assert (run.moved_problem, run.finished_at is not None) == ("the ledger was not read: asked to stop", True)


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
        ("manual", "-10"),
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
    moved = run_document([run])["accounts"][0]["moved"][LONG]
    assert [each["amount"] for each in moved["ours"]] == ["44.2"]
    assert [(each["cause"], each["amount"]) for each in moved["causes"]] == [
        ("funding", "-4.2"),
        ("manual", "-40"),
    ]
    for shown in (run_text([run]), run_markdown([run]).replace("\\", "")):
        assert "4500 → 4500: reconcile +44.2, funding −4.2 at 2026-01-01T01:00:00" in shown
