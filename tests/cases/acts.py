"""What a case's ``then`` asks for: a command on a fresh exchange, and what must be so afterwards."""

import json
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from reconcile import statefile
from reconcile.connect.secrets import Credentials
from reconcile.exchanges.base import Writer
from reconcile.exchanges.http.limits import Limits
from reconcile.exchanges.registry import connect
from reconcile.journal.identity import identity
from reconcile.model.account import DesiredAccount
from reconcile.model.plan import Entry, MoveMargin, OutcomeKind
from reconcile.money import plain
from reconcile.planning import order as planner
from reconcile.sandbox.faults import Fault
from reconcile.sandbox.http import Answer
from reconcile.statefile import writing
from reconcile.usecases import apply as applying
from reconcile.usecases import drift as drifting
from reconcile.usecases import import_ as importing
from reconcile.usecases import plan as planning
from reconcile.usecases.watch.loop import Watch
from reconcile.usecases.watch.settings import Settings
from reconcile.usecases.world import Connection, World
from tests.cases.exchange import CaseExchange
from tests.conformance.stage import Names, Virtual, declare
from tests.kit.scene import HOUR_MS, Scene
from tests.simulation.world import declared

MARKED = Decimal("0.001")
"""How much less may be moved, so that the amount has last digits of its own where a ledger names no side."""
URL = "http://127.0.0.1:9"


@dataclass(slots=True)
class Bench:
    """One case on a fresh exchange, with the program beside it."""

    case: Mapping[str, Any]
    state_file: Path
    scene: Scene = field(default_factory=Scene)
    exchange: CaseExchange = field(init=False)

    def __post_init__(self) -> None:
        given = self.case["input"]
        bill = given.get("after the call", {}).get("bill")
        self.exchange = CaseExchange(self.case["exchange"], given["answers"], self.scene.loop.now_ms, bill=bill)

    @property
    def desired(self) -> DesiredAccount:
        """The state file as read."""
        (account,) = statefile.load([self.state_file])
        return account

    def world(self) -> World:
        """What a process sees of the outside, with this exchange behind its wire."""
        world = self.scene.world()
        keys = Credentials(key="k", secret="s", passphrase="p")

        def connected(desired: DesiredAccount, read_only: bool) -> Connection[Writer]:  # noqa: FBT001 - as World has it
            writer = connect(
                desired.exchange,
                wire=self.exchange,
                credentials=keys,
                clock=world.clock,
                url=URL,
                demo=False,
                product=desired.product,
                limits=Limits(world.clock),
                dice=world.dice,
                read_only=read_only,
            )
            return Connection(
                adapter=writer,
                identify=lambda uid: identity(
                    exchange=desired.exchange, endpoint_kind="live", product=desired.product, uid=uid, api_key="k"
                ),
                cold_fence=True,
            )

        return replace(world, connect=connected)


async def plan(bench: Bench, act: Mapping[str, Any]) -> None:
    """``plan``: its exit code, with and without ``--detailed-exitcode``, and each entry named."""
    made = await planning.plan(
        bench.world(), [bench.desired], targets=_targets(act), overrides={}, expires_ms=HOUR_MS, git_commit=None
    )
    (account,) = made.accounts
    assert [error.message for error in account.errors] == act.get("errors", [])
    found = {str(entry.address): _shown(entry) for entry in account.entries}
    assert found.keys() == act["entries"].keys()
    for address, wanted in act["entries"].items():
        assert {key: found[address].get(key) for key in wanted if key != "says"} == _without(wanted, "says")
        for words in wanted.get("says", ()):
            assert words in found[address]["reason"]
    if account.observed is not None:
        free = {asset: plain(amount) for asset, amount in account.observed.available.items()}
        assert act.get("available", {}).items() <= free.items()
    assert planner.plan_exit_code(made.accounts, detailed=False) == act["exit"]
    assert planner.plan_exit_code(made.accounts, detailed=True) == act["detailed"]


async def apply(bench: Bench, act: Mapping[str, Any]) -> None:
    """``apply --auto-approve``: its exit code, and the margins afterwards."""
    result = await applying.apply(
        bench.world(), [bench.desired], targets=_targets(act), reason=None, git_commit=None, confirm=None
    )
    told = [error.message for account in result.accounts for error in account.errors]
    for words in act.get("says", ()):
        assert any(words in message for message in told)
    _holds(bench, act)
    ended = [step.outcome.value for account in result.accounts for step in account.steps]
    if "outcome" in act:
        assert ended == [act["outcome"]], [
            (step.evidence, step.detail) for each in result.accounts for step in each.steps
        ]
    assert result.exit_code == act["exit"], told


def refusal(case: Mapping[str, Any], act: Mapping[str, Any]) -> None:
    """``apply`` where a margin call is answered as the case says: nothing moves, no fence is waited for, one call."""
    told = case["input"]["answers"][act["answer"]]
    reply = Answer(status=told["status"], headers={}, body=json.dumps(told["body"]).encode())
    names = Names(case["exchange"], "hedge")
    stage = Virtual(names, (Fault(arrives_ms=(), reply=reply),))
    result = stage.play(stage.apply(declare(names, {names.first: "500"})))
    (step,) = result.accounts[0].steps
    assert (result.exit_code, step.outcome, stage.script.writes) == (3, OutcomeKind.REFUSED, 1)
    assert stage.books.effects == []
    assert stage.loop.now_ms() < 3_000
    for words in act["says"]:
        assert words in step.detail


async def import_(bench: Bench, act: Mapping[str, Any]) -> None:
    """``import``: the margins it declares and what its notes say; planning the written file shows no changes."""
    exchange = bench.case["exchange"]
    account = replace(declared(exchange, {}), name="desk", endpoint=URL)
    found = await importing.import_account(bench.world(), account, crossed=False)
    text = writing.state_file(
        found.desired, tolerance=importing.TOLERANCE, title="a case", observed_wall_ms=0, notes=found.notes
    )
    written = {str(target.address): str(target.isolated_margin) for target in found.desired.targets}
    assert {address: Decimal(margin) for address, margin in act["writes"].items()} == {
        address: Decimal(margin) for address, margin in written.items()
    }
    assert len(found.notes) == len(act["notes"])
    for words, note in zip(act["notes"], found.notes, strict=True):
        assert all(word in note for word in words)
    bench.state_file.write_text(text)
    in_sync: Mapping[str, Any] = {address: {"status": "in_sync"} for address in written}
    await plan(bench, {"exit": 0, "detailed": 0, "entries": {**in_sync, **act.get("beside", {})}})


async def drift(bench: Bench, act: Mapping[str, Any]) -> None:
    """``drift``: how far each declared address is from what is declared."""
    (account,) = await drifting.drift(bench.world(), [bench.desired])
    found = {str(entry.address): plain(entry.drift) for entry in account.entries}
    assert (account.exit_code, account.errors, found) == (act["exit"], (), act["entries"])


async def watch(bench: Bench, act: Mapping[str, Any]) -> None:
    """``watch --apply`` for some rounds: the margins afterwards. ``drifts`` names, by round, what moves before it."""
    settings = Settings(interval_ms=60_000, apply=True, rounds=act["rounds"])
    rounds = count()

    def load() -> Sequence[DesiredAccount]:
        for address, change in act["drifts"].get(str(next(rounds)), {}).items():
            bench.exchange.drift(address, Decimal(change))
        return [bench.desired]

    await Watch(bench.world(), load, settings, hold=_unlocked, tell=_ignored, publish=_ignored).run()
    _holds(bench, act)


COMMANDS = {"plan": plan, "apply": apply, "import": import_, "drift": drift, "watch": watch}


def run(case: Mapping[str, Any], act: Mapping[str, Any], state_file: Path) -> None:
    """Let it happen, to its end, in virtual time."""
    if act["command"] == "refusal":
        refusal(case, act)
        return
    state_file.write_text((case["input"].get("state_file") or "").replace("@endpoint", URL))
    bench = Bench(case, state_file)
    work: Coroutine[Any, Any, None] = COMMANDS[act["command"]](bench, act)
    bench.scene.play(work)


def _holds(bench: Bench, act: Mapping[str, Any]) -> None:
    for address, margin in act["margins"].items():
        assert Decimal(margin) - MARKED <= bench.exchange.margin(address) <= Decimal(margin)
    assert len(bench.exchange.moved) == act["moved"]


def _shown(entry: Entry) -> dict[str, Any]:
    (step,) = entry.steps or (None,)
    found = {"status": entry.status.value, "blocked_by": entry.blocked_by, "reason": entry.reason, "asset": entry.asset}
    return {**found, "change": plain(step.signed) if isinstance(step, MoveMargin) else None}


def _targets(act: Mapping[str, Any]) -> Sequence[str]:
    chosen: Sequence[str] = act.get("targets", ())
    return chosen


def _without(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != key}


def _ignored(_: object) -> None:
    """Nobody watches."""


@asynccontextmanager
async def _unlocked(_: str, __: Mapping[str, str]) -> AsyncIterator[None]:
    yield
