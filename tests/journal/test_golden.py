"""Journals that earlier versions wrote: they still decode, add up to the same, and tell the auditor the same."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from reconcile.audit.reading import runs
from reconcile.journal.chain import entries
from reconcile.journal.codec import stored
from reconcile.journal.folding import fold
from reconcile.journal.records import NoteRecord, RunFinished, RunStarted
from reconcile.model.account import PositionMode
from reconcile.model.notes import PlanNote
from reconcile.model.reports import Margin, MovementSummary
from reconcile.model.run_start import RunStart

FIRST = (Path(__file__).with_name("golden") / "first.jsonl").read_bytes().splitlines(keepends=True)
"""Two applies of the demo account by 0.1.0, before runs told their machine and there were checkpoints."""
ACCOUNT = "binance-sandbox-demo"
LIVE = {"BNBUSDT.long", "BTCUSDT.long", "BTCUSDT.short", "DOGEUSDT.long", "ETHUSDT.long", "LINKUSDT.long"}


def test_an_old_journal_adds_up_to_what_it_did() -> None:
    state = fold(FIRST, identity=ACCOUNT, name="first", prove=True, writer=True).state
    assert (state.records, state.last_host, state.names, state.unsettled) == (18, "vm", {"demo"}, {})
    assert state.last_run is not None
    assert (state.last_run.machine, state.cold_until_ms) == (None, None)
    left = {place: Decimal(margin) for place, (margin, _) in state.margins.applied.items()}
    assert left == {"BTCUSDT.long": Decimal(4500), "BTCUSDT.short": Decimal(2000), "ETHUSDT.long": Decimal(1400)}
    assert {place: move.after for place, move in state.moves.items()} == left
    assert state.margins.declared == left
    assert (set(state.margins.live), state.margins.live_at_ms) == (LIVE, 1_795_774_707_332)


def test_an_old_journal_tells_the_auditor_what_it_did() -> None:
    first, second = runs(entries(FIRST, name="first"), identity=ACCOUNT)
    assert (first.run_id, first.command, first.exit_code, first.reason) == ("eedf1f6fa46bcabc", "apply", 0, "golden")
    assert [(step.address, step.amount, step.outcome, step.after) for step in first.steps] == [
        ("SOLUSDT.long", None, "applied", "isolated"),
        ("BTCUSDT.long", "1500", "applied", "4500"),
        ("BTCUSDT.short", "500", "applied", "2000"),
    ]
    assert (first.moved, second.tolerance["ETHUSDT.long"]) == (None, Decimal(7))
    ours = (("399e78cef28c23ab", Decimal(-100)),)
    moved = MovementSummary(before=Decimal(1500), after=Decimal(1400), asset="USDT", ours=ours, causes=())
    assert second.moved == {"ETHUSDT.long": moved}
    assert second.live is not None
    assert second.live["BTCUSDT.long"] == Margin(
        isolated_margin=Decimal(4500),
        asset="USDT",
        size=Decimal("0.5"),
        mark_price=Decimal(60_500),
        liquidation_price=Decimal("51204.8192771"),
    )


def test_the_end_of_an_old_run_is_stored_as_it_was() -> None:
    ends = [each for each in entries(FIRST, name="first") if isinstance(each.record, RunFinished)]
    assert [stored(each.record.details) for each in ends] == [each["details"] for each in ends]  # type: ignore[union-attr]


def test_what_an_old_run_said_of_itself_is_a_value() -> None:
    start = fold(FIRST, identity=ACCOUNT, name="first").state.last_run
    assert start is not None
    assert start.details == RunStart(
        account="demo",
        actor="root@vm",
        reason="golden",
        tool_version="0.1.0",
        git_commit="5c179a82accb7a0b2df7bdc0413d9a492e3cc37c",
        git_dirty=True,
        plan_id=start.details.plan_id,
        exchange="binance",
        endpoint="sandbox",
        credentials="DEMO",
        position_mode=PositionMode.HEDGE,
        state_file="states/demo.toml",
        state_sha256=start.details.state_sha256,
        policy=start.details.policy,
    )
    assert start.details.policy is not None
    assert start.details.policy["min_available"] == "500"


def test_every_body_of_an_old_journal_is_stored_as_it_was_but_for_what_was_not_said() -> None:
    bodies = [each for each in entries(FIRST, name="first") if isinstance(each.record, RunStarted | NoteRecord)]
    assert {type(each.record.details) for each in bodies} == {RunStart, PlanNote}  # type: ignore[union-attr]
    for each in bodies:
        default: dict[str, Any] = {"scope": []} if isinstance(each.record, RunStarted) else {}
        assert stored(each.record.details) == {**default, **_said(each["details"])}  # type: ignore[union-attr]


def _said(value: Any) -> Any:
    """A document without what is null."""
    if isinstance(value, list):
        return [_said(item) for item in value]
    if isinstance(value, dict):
        return {name: _said(item) for name, item in value.items() if item is not None}
    return value
