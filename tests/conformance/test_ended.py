"""A contract ends while it is declared: it costs its own entry, on every exchange, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from reconcile.model.account import DesiredAccount
from reconcile.model.plan import Entry, Status
from reconcile.planning import order as planner
from reconcile.render import drift as render
from reconcile.usecases import apply as applying
from reconcile.usecases import drift as drifting
from reconcile.usecases.watch.loop import Watch
from reconcile.usecases.watch.settings import Settings
from tests.conformance.stage import MODES, Names, Virtual, declare

EXCHANGES = pytest.mark.parametrize("exchange", ["binance", "okx", "bitget"])
D = Decimal
NEAR = D("0.01")


def ended(exchange: str, mode: str) -> tuple[Names, Virtual, DesiredAccount]:
    """Two declared positions; the contract of the second one ended."""
    names = Names(exchange, mode)
    stage = Virtual(names)
    symbol = names.second.rpartition(".")[0]
    stage.books.delist(symbol, now_ms=stage.books.now_ms + 1)
    return names, stage, declare(names, {names.first: "500", names.second: "400"})


def margin(stage: Virtual, address: str) -> Decimal:
    symbol, _, side = address.rpartition(".")
    return stage.books.margin(symbol, side)


def blocked(entries: Sequence[Entry]) -> Mapping[str, str | None]:
    return {str(entry.address): entry.blocked_by for entry in entries if entry.status is Status.BLOCKED}


@EXCHANGES
@pytest.mark.parametrize("mode", MODES)
def test_a_plan_blocks_the_ended_contract_and_changes_the_other(exchange: str, mode: str) -> None:
    names, stage, desired = ended(exchange, mode)
    plan = stage.play(stage.plan(desired))
    (account,) = plan.accounts
    assert (account.errors, blocked(account.entries)) == ((), {names.second: "instrument"})
    assert [str(step.address) for step in account.steps] == [names.first]
    assert planner.plan_exit_code(plan.accounts, detailed=False) == 3


@EXCHANGES
@pytest.mark.parametrize("mode", MODES)
def test_an_apply_moves_the_other_and_ends_with_three(exchange: str, mode: str) -> None:
    names, stage, desired = ended(exchange, mode)
    result = stage.play(stage.apply(desired))
    assert result.exit_code == 3
    assert D(500) - NEAR <= margin(stage, names.first) <= D(500)
    assert blocked(result.accounts[0].remaining) == {names.second: "instrument"}


@EXCHANGES
def test_a_target_beside_it_ends_with_zero(exchange: str) -> None:
    names, stage, desired = ended(exchange, "hedge")
    world = stage.place.process("p").world()
    work = applying.apply(world, [desired], targets=[names.first], reason=None, git_commit=None, confirm=None)
    assert stage.play(work).exit_code == 0
    assert margin(stage, names.first) >= D(500) - NEAR


@EXCHANGES
@pytest.mark.parametrize("mode", MODES)
def test_drift_lists_the_ended_contract_and_compares_the_other(exchange: str, mode: str) -> None:
    names, stage, desired = ended(exchange, mode)
    (found,) = stage.play(drifting.drift(stage.place.process("d").world(), [desired]))
    (missing,) = found.not_compared
    assert (str(missing.address), missing.blocked_by, missing.held) == (names.second, "instrument", None)
    assert [str(entry.address) for entry in found.entries] == [names.first]
    assert {drifting.exit_code(found, detailed=detailed) for detailed in (False, True)} == {3}
    line = f"{names.second} blocked by instrument: {missing.reason}"
    assert line in render.text([found])
    assert "1 blocked" in render.summary([found])
    assert line.removeprefix(names.second) in render.markdown([found]).replace("</code> | | | | ", " ")
    assert f"title={names.second}::blocked by instrument" in render.github([found])


@asynccontextmanager
async def _unlocked(_: str, __: Mapping[str, str]) -> AsyncIterator[None]:
    yield


@EXCHANGES
def test_a_watch_goes_on_with_the_other_turn_after_turn(exchange: str) -> None:
    names, stage = Names(exchange, "hedge"), Virtual(Names(exchange, "hedge"))
    desired = declare(names, {names.first: "500", names.second: "300"})
    symbol, _, side = names.first.rpartition(".")
    loads = 0

    def load() -> Sequence[DesiredAccount]:
        nonlocal loads
        loads += 1
        if loads == 4:
            stage.books.delist(names.second.rpartition(".")[0], now_ms=stage.books.now_ms + 1)
        if loads == 7:
            stage.books.fund(symbol, side, D(-50), now_ms=stage.books.now_ms + 1)
        return [desired]

    settings = Settings(interval_ms=60_000, apply=True, rounds=12)
    world = stage.place.process("w").world()

    async def watched() -> None:
        await Watch(world, load, settings, hold=_unlocked, tell=lambda _: None, publish=lambda _: None).run()
        await asyncio.sleep(0)

    stage.play(watched())
    assert D(500) - NEAR <= margin(stage, names.first) <= D(500)
