"""Every row of the contract's table of exit codes, provoked; with several accounts the most serious one counts."""

import asyncio
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from reconcile.cli import plan as plan_command
from reconcile.errors import Declined, NotSent
from reconcile.exchanges.http.wire import HttpRequest
from reconcile.model.account import PositionMode, Unmanaged
from reconcile.model.drift import AccountDrift
from reconcile.model.plan import Plan, Result
from reconcile.planning.order import SEVERITY, worst
from reconcile.sandbox.faults import Ending, Fault, FaultPlan, FaultRule, Faults, NoFaults, Scripted
from reconcile.sandbox.http import Lag, answer
from reconcile.usecases import apply as applying
from reconcile.usecases import status as workflow
from reconcile.usecases.account import as_error
from reconcile.usecases.drift import drift, exit_code
from tests.kit.cli import ROOT, run
from tests.kit.scene import Scene, desired, play
from tests.simulation.machine import Killed

LONG, ETH = "BTCUSDT.long", "ETHUSDT.long"
Act = Callable[[Scene], Coroutine[Any, Any, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Something that happens to one account, and the code it must end with."""

    code: int
    act: Act
    faults: Callable[[], Faults] = NoFaults


async def applied(scene: Scene, targets: Mapping[str, str], **policy: Any) -> int:
    return (await scene.apply(desired(targets, **policy))).exit_code


async def detailed(scene: Scene, targets: Mapping[str, str], *, details: bool = True, **policy: Any) -> int:
    return _code(await scene.plan(desired(targets, **policy)), details=details)


def _code(plan: Plan, *, details: bool) -> int:
    return plan_command.exit_code(plan, detailed=details)


# 0


async def in_sync(scene: Scene) -> int:
    return await applied(scene, {ETH: "1500"})


async def verified(scene: Scene) -> int:
    return await applied(scene, {LONG: "4500"})


async def waiting(scene: Scene) -> int:
    return await applied(scene, {"XRPUSDT.long": "300"})


async def pending_without_the_option(scene: Scene) -> int:
    return await detailed(scene, {LONG: "4500"}, details=False)


async def refused_without_the_option(scene: Scene) -> int:
    return await detailed(scene, {LONG: "4500"}, details=False, max_total_add=Decimal(1))


# 1


async def unreachable(scene: Scene) -> int:
    process = scene.process()

    def refuse(_: HttpRequest) -> None:
        raise NotSent("connecting: refused")

    process.before = refuse
    return (await scene.apply(desired(), process)).exit_code


async def unreachable_at_plan(scene: Scene) -> int:
    scene.place.venue.faults = Scripted([Fault(ending=Ending.REFUSED)] * 1000)
    return await detailed(scene, {LONG: "4500"}, details=False)


async def broken_chain(scene: Scene) -> int:
    await scene.apply(desired())
    (path,) = (path for path in scene.place.disk.paths() if path.suffix == ".jsonl")
    scene.place.disk.replace(path, scene.place.disk.content(path).replace(b"3000", b"3001"))
    return (await scene.apply(desired())).exit_code


# 2


async def pending(scene: Scene) -> int:
    return await detailed(scene, {LONG: "4500"})


async def pending_beside_blocked(scene: Scene) -> int:
    return await detailed(scene, {LONG: "4500", ETH: "1600"}, max_add=Decimal(500))


# 3


async def unknown_symbol(scene: Scene) -> int:
    return await applied(scene, {"NOPEUSDT.long": "1"})


async def step_refused(scene: Scene) -> int:
    return await applied(scene, {LONG: "4500"})


async def accepted_and_not_seen(scene: Scene) -> int:
    process = scene.process()
    sent = []

    def lose_sight(request: HttpRequest) -> None:
        if request.method == "POST":
            sent.append(request)
        elif sent:
            raise NotSent("connecting: refused")

    process.before = lose_sight
    result = await scene.apply(desired({LONG: "4500"}), process)
    assert [step.outcome.value for step in result.accounts[0].steps] == ["accepted"]
    return result.exit_code


async def blocked(scene: Scene) -> int:
    return await applied(scene, {LONG: "4500"}, max_add=Decimal(1))


async def stale_after_the_start(scene: Scene) -> int:
    def interfere(request: HttpRequest) -> None:
        if request.method == "POST" and scene.margin(ETH) == 1500:
            scene.by_hand(ETH, "-300")

    process = scene.process()
    process.before = interfere
    world = replace(scene.world(process), parallelism=1)
    account = desired({LONG: "4500", ETH: "1600"})
    result = await applying.apply(world, [account], reason=None, git_commit=None, confirm=None)
    outcomes = {str(step.address): step for step in result.accounts[0].steps}
    assert outcomes[ETH].outcome.value == "skipped"
    assert "margin moved from 1500 to 1200" in outcomes[ETH].detail
    assert outcomes[LONG].outcome.value == "applied"
    return result.exit_code


async def not_started(scene: Scene) -> int:
    """Frozen between two steps: looked at again before each send."""
    process = scene.process()
    process.before = lambda request: scene.env.update(RECONCILE_FROZEN="main") if request.method == "POST" else None
    world = replace(scene.world(process), parallelism=1)
    account = desired({LONG: "4500", ETH: "1600"})
    result = await applying.apply(world, [account], reason=None, git_commit=None, confirm=None)
    steps = {step.outcome.value: step.detail for step in result.accounts[0].steps}
    assert steps.keys() == {"applied", "skipped"}
    assert "not started: frozen: by RECONCILE_FROZEN" in steps["skipped"]
    assert len(scene.moved_by_calls()) == 1
    return result.exit_code


async def only_blocked(scene: Scene) -> int:
    return await detailed(scene, {LONG: "4500"}, max_add=Decimal(1))


# 4


async def stale(scene: Scene) -> int:
    saved = await scene.saved(desired())
    scene.by_hand(LONG, "-100")
    return (await scene.apply_saved(saved)).exit_code


async def stale_at_the_question(scene: Scene) -> int:
    def say_yes(_: Plan) -> bool:
        scene.by_hand(LONG, "-100")
        return True

    process = scene.process()
    world = scene.world(process)
    slow = asyncio.ensure_future(
        applying.apply(world, [desired()], reason=None, git_commit=None, confirm=_later(scene, say_yes))
    )
    return (await slow).exit_code


def _later(scene: Scene, confirm: Callable[[Plan], bool]) -> Callable[[Plan], bool]:
    """A person who takes a while: the look that the plan was made from is old by then."""

    def answered(plan: Plan) -> bool:
        said = confirm(plan)
        scene.loop.stand_still(60_000)
        return said

    return answered


async def expired(scene: Scene) -> int:
    saved = await scene.saved(desired(), expires_ms=1000)
    await scene.pass_time(2000)
    return (await scene.apply_saved(saved)).exit_code


async def used(scene: Scene) -> int:
    saved = await scene.saved(desired())
    await scene.apply_saved(saved)
    return (await scene.apply_saved(saved)).exit_code


async def another_account(scene: Scene) -> int:
    saved = await scene.saved(desired())
    (account,) = saved.plan.accounts
    plan = replace(saved.plan, accounts=(replace(account, identity="binance-live-other"),))
    return (await scene.apply_saved(replace(saved, plan=plan))).exit_code


async def account_limit(scene: Scene) -> int:
    return await applied(scene, {LONG: "4500"}, max_total_add=Decimal(1))


async def account_limit_at_plan(scene: Scene) -> int:
    return await detailed(scene, {LONG: "4500"}, max_total_add=Decimal(1))


async def unmanaged(scene: Scene) -> int:
    return await applied(scene, {LONG: "4500"}, unmanaged=Unmanaged.REFUSE)


async def frozen(scene: Scene) -> int:
    scene.env["RECONCILE_FROZEN"] = "other, main"
    return await applied(scene, {LONG: "4500"})


async def mode_differs(scene: Scene) -> int:
    account = replace(desired({}), position_mode=PositionMode.ONE_WAY)
    return (await scene.apply(account)).exit_code


async def not_confirmed(scene: Scene) -> int:
    result = await applying.apply(scene.world(), [desired()], reason=None, git_commit=None, confirm=lambda _: False)
    assert scene.margin(LONG) == 3000
    return result.exit_code


async def lock_not_free(scene: Scene) -> int:
    world = replace(scene.world(), lock_timeout_ms=1000)
    (identity,) = await _identities(scene)
    holder = {"host": "another", "command": "apply"}
    async with scene.world().store.open(identity, run_id="x", holder=holder, timeout_ms=0):
        result = await applying.apply(world, [desired()], reason=None, git_commit=None, confirm=None)
    assert "host another" in result.accounts[0].errors[0].message
    return result.exit_code


async def _identities(scene: Scene) -> list[str]:
    await scene.apply(desired({ETH: "1500"}))
    return scene.world().store.identities()


async def resolve_before_the_fence(scene: Scene) -> int:
    with pytest.raises(Killed):
        await scene.apply(desired({LONG: "4500"}), scene.victim(is_heard=False))
    with pytest.raises(Declined) as refused:
        await workflow.resolve(scene.world(), address=LONG, applied=True, reason="seen")
    assert refused.value.key == "fence"
    return as_error(refused.value)[1]


# 5


async def unknown(scene: Scene) -> int:
    return await applied(scene, {LONG: "3500"})


async def held_at_plan(scene: Scene) -> int:
    await applied(scene, {LONG: "3500"})
    return await detailed(scene, {LONG: "3500"})


async def drift_while_held(scene: Scene) -> int:
    await applied(scene, {LONG: "3500"})
    return exit_code(await read_drift(scene), detailed=True)


async def drift_in_doubt(scene: Scene) -> int:
    await applied(scene, {LONG: "3500"})
    scene.place.venue.faults = LATE
    return exit_code(await read_drift(scene), detailed=True)


async def drift_in_doubt_without_the_option(scene: Scene) -> int:
    await applied(scene, {LONG: "3500"})
    scene.place.venue.faults = LATE
    found = await read_drift(scene)
    assert found.is_unknown
    return exit_code(found, detailed=False)


async def read_drift(scene: Scene) -> AccountDrift:
    (found,) = await drift(scene.world(), [desired({LONG: "3500"})])
    return found


# 130


async def interrupted(scene: Scene) -> int:
    process = scene.process()
    process.before = lambda request: process.stop.set() if request.method == "POST" else None
    result = await scene.apply(desired({LONG: "4500"}), process)
    assert scene.margin(LONG) == 4500
    assert [step.outcome.value for step in result.accounts[0].steps] == ["applied"]
    return result.exit_code


async def interrupted_at_the_lock(scene: Scene) -> int:
    (identity,) = await _identities(scene)
    process = scene.process()
    async with scene.world().store.open(identity, run_id="x", holder={"host": "another"}, timeout_ms=0):
        run_ = asyncio.ensure_future(scene.apply(desired(), process))
        await scene.pass_time(3000)
        process.stop.set()
        before = scene.loop.now_ms()
        result: Result = await run_
    assert scene.loop.now_ms() - before < 1000
    assert any("waiting for the lock, held by host another" in line for line in scene.place.progress)
    return result.exit_code


LATE = FaultPlan([FaultRule(fault=Fault(lag=Lag(positions_ms=45_000)), method="GET")])
TWICE = Fault(arrives_ms=(0, 500), ending=Ending.LOST)
NO = Fault(arrives_ms=(), reply=answer(400, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}))
SLOW = Fault(answer_ms=7000)

CASES: Mapping[str, Case] = {
    "in sync": Case(code=0, act=in_sync),
    "applied and verified": Case(code=0, act=verified),
    "a waiting target": Case(code=0, act=waiting),
    "plan without the option, changes pending": Case(code=0, act=pending_without_the_option),
    "plan without the option, account refused": Case(code=0, act=refused_without_the_option),
    "exchange unreachable": Case(code=1, act=unreachable),
    "exchange unreachable at plan": Case(code=1, act=unreachable_at_plan),
    "broken journal chain": Case(code=1, act=broken_chain),
    "a symbol the exchange does not list": Case(code=3, act=unknown_symbol),
    "changes pending": Case(code=2, act=pending),
    "changes pending beside blocked entries": Case(code=2, act=pending_beside_blocked),
    "a step was refused": Case(code=3, act=step_refused, faults=lambda: Scripted([NO] * 9, method="POST")),
    "accepted but not yet seen": Case(code=3, act=accepted_and_not_seen),
    "blocked": Case(code=3, act=blocked),
    "stale after the start": Case(code=3, act=stale_after_the_start, faults=lambda: Scripted([SLOW], method="POST")),
    "not started": Case(code=3, act=not_started),
    "nothing to send but something blocked": Case(code=3, act=only_blocked),
    "plan stale": Case(code=4, act=stale),
    "stale while somebody was asked": Case(code=4, act=stale_at_the_question),
    "plan expired": Case(code=4, act=expired),
    "plan used": Case(code=4, act=used),
    "plan for another account": Case(code=4, act=another_account),
    "account-wide limit": Case(code=4, act=account_limit),
    "account-wide limit at plan": Case(code=4, act=account_limit_at_plan),
    "unmanaged positions refused": Case(code=4, act=unmanaged),
    "frozen": Case(code=4, act=frozen),
    "position mode differs": Case(code=4, act=mode_differs),
    "not confirmed": Case(code=4, act=not_confirmed),
    "lock not free in time": Case(code=4, act=lock_not_free),
    "resolve before the fence": Case(code=4, act=resolve_before_the_fence),
    "outcome unknown": Case(code=5, act=unknown, faults=lambda: Scripted([TWICE], method="POST")),
    "plan while held": Case(code=5, act=held_at_plan, faults=lambda: Scripted([TWICE], method="POST")),
    "drift while held": Case(code=5, act=drift_while_held, faults=lambda: Scripted([TWICE], method="POST")),
    "drift that may predate our step": Case(code=3, act=drift_in_doubt),
    "drift that may, without the option": Case(code=0, act=drift_in_doubt_without_the_option),
    "interrupted": Case(code=130, act=interrupted),
    "interrupted while waiting for the lock": Case(code=130, act=interrupted_at_the_lock),
}


@pytest.mark.parametrize("name", CASES)
def test_one_account_ends_with_the_code_of_the_contract(name: str) -> None:
    case = CASES[name]
    code, _ = play(case.act, Scene(faults=case.faults()))
    assert code == case.code


# Those that only the command line has.


def state(folder: Path, name: str = "demo", *, margin: str = "4500", endpoint: str = "sandbox", more: str = "") -> str:
    file = folder / f"{name}.toml"
    file.write_text(
        f'version = 1\n[account]\nname = "{name}"\nexchange = "binance"\nposition_mode = "hedge"\n'
        f'endpoint = "{endpoint}"\n{more}[positions.BTCUSDT.long]\nisolated_margin = {margin}\n'
    )
    return str(file)


COMMANDS: Mapping[str, tuple[int, Callable[[Path], list[str]]]] = {
    "a bad file": (1, lambda p: ["plan", state(p, margin='"x"')]),
    "a missing file": (1, lambda p: ["plan", str(p / "nowhere.toml")]),
    "missing credentials": (1, lambda p: ["plan", state(p, endpoint="live")]),
    "a wrong command line": (64, lambda p: ["plan", state(p), "--nonsense"]),
    "drift without the option": (0, lambda p: ["drift", state(p)]),
    "drifted": (2, lambda p: ["drift", state(p), "--detailed-exitcode"]),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_ends_with_the_code_of_the_contract(tmp_path: Path, name: str) -> None:
    code, words = COMMANDS[name]
    assert run(tmp_path, *words(tmp_path)).code == code


def test_a_plan_that_was_tampered_with_is_4(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    assert run(tmp_path, "plan", state(tmp_path), "--out", str(file)).code == 0
    file.write_text(file.read_text().replace('"1500"', '"9500"'))
    assert run(tmp_path, "apply", str(file), "--auto-approve").code == 4


def test_every_code_of_the_contract_is_provoked() -> None:
    contract = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
    table = contract.partition("## 3. Exit codes")[2].partition("\n## ")[0]
    codes = {int(found) for found in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert {case.code for case in CASES.values()} | {code for code, _ in COMMANDS.values()} == codes


# Several accounts.

FATES: Mapping[str, tuple[int, dict[str, str]]] = {
    "good": (0, {}),
    "short": (3, {"more": "[policy]\nmax_add = 1\n"}),
    "limited": (4, {"more": "[policy]\nmax_total_add = 1\n"}),
    "away": (1, {"endpoint": "http://127.0.0.1:1"}),
}
KEYS = {"AWAY_API_KEY": "k" * 20, "AWAY_API_SECRET": "s" * 20, "RECONCILE_ENDPOINT_HOSTS": "127.0.0.1"}


@pytest.mark.parametrize(
    "names", [names for size in (2, 3, 4) for names in combinations(FATES, size)], ids=" and ".join
)
def test_the_most_serious_of_several_accounts_counts_and_each_has_its_own(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    files = [state(tmp_path, name, **FATES[name][1]) for name in names]
    ended = run(tmp_path, "apply", *files, "--auto-approve", "--format", "json", env=KEYS)
    assert {account["account"]: account["exit_code"] for account in ended.json["accounts"]} == {
        name: FATES[name][0] for name in names
    }
    assert ended.code == ended.json["exit_code"] == worst(FATES[name][0] for name in names)


def test_the_order_of_seriousness_is_that_of_the_contract() -> None:
    contract = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
    listed = re.search(r"the most serious: ([\d, ]+)\.", contract.replace("\n", " "))
    assert listed is not None
    assert tuple(int(code) for code in listed[1].split(",")) == SEVERITY
