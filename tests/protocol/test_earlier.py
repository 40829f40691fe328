"""Calls that the journal does not know: which rows they are, and what a run does about them before its first call."""

from collections.abc import Sequence
from typing import cast

import pytest

from reconcile.evidence.rows import unknown_calls
from reconcile.exchanges.base import Reader
from reconcile.journal.records import Intent
from reconcile.journal.state import JournalState
from reconcile.model.ledger import Cause, LedgerRow
from reconcile.protocol.earlier import Earlier
from reconcile.sandbox.faults import Ending, Fault, FaultPlan, FaultRule
from tests.kit.desk import FENCE_MS, SIGNED_MS, D, at, intent, observed, row
from tests.kit.desk import desired as at_desk
from tests.kit.fakes import run
from tests.kit.scene import Scene, desired, play

LONG = "BTCUSDT.long"
MINE, BACK = intent("300"), intent("300", action="reduce_margin")

ROWS: dict[str, tuple[Sequence[LedgerRow], Sequence[Intent], list[str]]] = {
    # name: (rows, known calls, ids of the rows nobody knows)
    "ours": ([row("300")], [MINE], []),
    "ours without a side": ([row("300", side=None)], [MINE], []),
    "another amount": ([row("299.9")], [MINE], ["r1"]),
    "the other direction": ([row("-300")], [MINE], ["r1"]),
    "taken out by us": ([row("-300")], [BACK], []),
    "two rows and one call": ([row("300"), row("300", "r2")], [MINE], ["r2"]),
    "before it was signed": ([row("300", time_ms=SIGNED_MS - 1_001)], [MINE], ["r1"]),
    "after its fence": ([row("300", time_ms=FENCE_MS + 1)], [MINE], ["r1"]),
    "nobody's call": ([row("300", cause=Cause.FUNDING)], [], []),
    "the other side's": ([row("300", side="short")], [], []),
    "a person's": ([row("40")], [], ["r1"]),
    "of another symbol": ([row("40", symbol="ETHUSDT")], [], []),
}


@pytest.mark.parametrize(("rows", "known", "expected"), ROWS.values(), ids=ROWS)
def test_a_row_is_known_by_direction_amount_and_time(
    rows: Sequence[LedgerRow], known: Sequence[Intent], expected: list[str]
) -> None:
    found = unknown_calls(rows, known, at(LONG), step_size=D("1e-8"))
    assert [each.row_id for each in found] == expected


def test_a_call_that_nobody_knows_is_waited_for_ten_graces() -> None:
    async def act(scene: Scene) -> int:
        scene.by_hand(LONG, "-100")
        await scene.pass_time(20_000)
        began = scene.now_ms()
        result = await scene.apply(desired({LONG: "3500"}))
        assert result.exit_code == 0
        return scene.now_ms() - began

    took, scene = play(act)
    assert 30_000 <= took <= 35_000
    assert scene.margin(LONG) == 3500


def test_a_call_that_our_last_step_and_the_rows_add_up_to_is_not_waited_for() -> None:
    async def act(scene: Scene) -> int:
        await scene.apply(desired({LONG: "3500"}))
        await scene.pass_time(20_000)
        scene.by_hand(LONG, "-100")
        began = scene.now_ms()
        result = await scene.apply(desired({LONG: "3500"}))
        assert result.exit_code == 0
        return scene.now_ms() - began

    took, scene = play(act)
    assert took < 5_000
    assert scene.margin(LONG) == 3500


def test_nothing_is_sent_where_the_ledger_cannot_be_read() -> None:
    gone = FaultRule(fault=Fault(ending=Ending.LOST), path="*positionMargin/history")

    async def act(scene: Scene) -> int:
        return (await scene.apply(desired({LONG: "3500"}))).exit_code

    code, scene = play(act, Scene(faults=FaultPlan([gone])))
    assert code == 1
    assert scene.moved_by_calls() == []


def test_where_nothing_is_to_be_sent_no_ledger_is_read() -> None:
    nothing_is_asked = cast("Reader", None)
    earlier = Earlier(nothing_is_asked, at_desk(), JournalState(), grace_ms=5_000)
    run(lambda: earlier.ask([]))
    assert earlier.asks([at(LONG)], after_ms=0)
    assert (earlier.until(at(LONG), observed()), earlier.calls_seen(at(LONG), observed())) == (None, None)
