"""What ``doctor`` finds on the simulated exchanges, what it advises, and that it changes nothing."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from reconcile.errors import NotSent
from reconcile.exchanges.http.wire import HttpRequest
from reconcile.model.account import DesiredAccount, PositionMode
from reconcile.model.doctor import AccountCheckup, Checkup, CheckVerdict
from reconcile.planning.order import worst
from reconcile.usecases.doctor import doctor
from reconcile.usecases.world import World
from tests.kit.scene import Scene, play
from tests.simulation.machine import Killed, MachineClock
from tests.simulation.world import Place, declared

EXCHANGES = ("binance", "okx", "bitget")
LONG = {"binance": "BTCUSDT.long", "okx": "BTC-USDT-SWAP.long", "bitget": "BTCUSDT.long"}


def account(exchange: str, **changes: Any) -> DesiredAccount:
    return replace(declared(exchange, {LONG[exchange]: "4500"}), **{"path": "states/main.toml", **changes})


def scene_of(exchange: str, **switches: object) -> Scene:
    scene = Scene(exchange=exchange)
    before = scene.place
    scene.place = Place(
        exchange=exchange, books=before.books, loop=scene.loop, seed=1, cold_fence=True, switches=switches
    )
    return scene


async def examined(scene: Scene, *accounts: DesiredAccount, world: World | None = None) -> Checkup:
    return await doctor(world or scene.world(), accounts, journals="the test's disk")


def verdicts(found: AccountCheckup) -> Mapping[str, CheckVerdict]:
    return {check.name: check.verdict for check in found.checks}


def code(found: AccountCheckup) -> int:
    return worst([check.exit_code for check in found.checks])


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_a_healthy_account_is_read_and_nothing_else(exchange: str) -> None:
    methods: list[str] = []

    async def act(scene: Scene) -> Checkup:
        process = scene.process()
        process.before = lambda request: methods.append(request.method)
        world = scene.world(process)
        uid = await world.reader(account(exchange)).adapter.account_uid()
        return await examined(scene, account(exchange, uid=uid), world=world)

    found, scene = play(act, scene_of(exchange))
    (only,) = found.accounts
    assert set(methods) == {"GET"}
    assert scene.moved_by_calls() == []
    assert code(only) == 0
    assert {name for name, verdict in verdicts(only).items() if verdict is not CheckVerdict.OK} == {"key"}


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_a_key_that_is_not_known_to_be_safe_is_never_called_ok(exchange: str) -> None:
    (only,) = play(lambda scene: examined(scene, account(exchange)), scene_of(exchange))[0].accounts
    assert verdicts(only)["key"] in {CheckVerdict.WARNING, CheckVerdict.UNKNOWN}


@dataclass(frozen=True, kw_only=True)
class Case:
    """Something that is wrong with an account: the check that finds it, its verdict, code and a word of its line."""

    check: str
    verdict: CheckVerdict
    words: str
    code: int = 0
    exchange: str = "binance"
    switches: Mapping[str, object] = field(default_factory=dict)
    prepare: Callable[[Scene], Coroutine[Any, Any, None]] | None = None
    changes: Mapping[str, object] = field(default_factory=dict)


async def multi_assets(scene: Scene) -> None:
    scene.place.books.multi_assets = True


async def frozen(scene: Scene) -> None:
    scene.env["RECONCILE_FROZEN"] = "main"


async def dead_on_the_wire(scene: Scene) -> None:
    with pytest.raises(Killed):
        await scene.apply(account("binance"), scene.victim())


CASES = {
    "a key that may withdraw": Case(
        exchange="okx",
        switches={"withdraws": True},
        check="key",
        verdict=CheckVerdict.WARNING,
        words="it may withdraw; repl",
    ),
    "a key bound to no address": Case(
        exchange="okx", check="key", verdict=CheckVerdict.WARNING, words="trade; it is bound to no IP address; bind it"
    ),
    "a key whose permissions are not told": Case(
        check="key", verdict=CheckVerdict.UNKNOWN, words="withdrawals and tran"
    ),
    "a key that may not name its account": Case(
        exchange="bitget",
        switches={"spot_read": False},
        check="key",
        verdict=CheckVerdict.UNKNOWN,
        words="may not read",
    ),
    "portfolio margin": Case(
        exchange="okx",
        switches={"account_level": 4},
        check="modes",
        verdict=CheckVerdict.WARNING,
        words="portfolio margin",
    ),
    "spot mode": Case(
        exchange="okx",
        switches={"account_level": 1},
        check="modes",
        verdict=CheckVerdict.FAILED,
        words="spot mode",
        code=3,
    ),
    "a unified account": Case(
        exchange="bitget",
        switches={"unified": True},
        check="modes",
        verdict=CheckVerdict.FAILED,
        words="unified account",
        code=1,
    ),
    "multi-assets mode": Case(
        prepare=multi_assets, check="modes", verdict=CheckVerdict.FAILED, words="switch it to single-asset mode", code=3
    ),
    "another position mode": Case(
        changes={"position_mode": PositionMode.ONE_WAY},
        check="modes",
        verdict=CheckVerdict.FAILED,
        words="is in hedge mode and the file declares one-way",
        code=4,
    ),
    "an account that is not pinned": Case(check="account", verdict=CheckVerdict.WARNING, words='write uid = "'),
    "another account than the pinned one": Case(
        changes={"uid": "elsewhere"}, check="account", verdict=CheckVerdict.FAILED, words="pins [account] uid", code=4
    ),
    "a frozen account": Case(
        prepare=frozen, check="freeze", verdict=CheckVerdict.FAILED, words="unfreeze main", code=4
    ),
    "a step without an outcome": Case(
        prepare=dead_on_the_wire, check="outcomes", verdict=CheckVerdict.FAILED, words="run reconcile apply", code=5
    ),
    "a new journal": Case(check="journal", verdict=CheckVerdict.OK, words="and waits 8 s before it sends"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_found_with_what_to_do(name: str) -> None:
    case = CASES[name]

    async def act(scene: Scene) -> Checkup:
        if case.prepare is not None:
            await case.prepare(scene)
        return await examined(scene, account(case.exchange, **case.changes))

    (only,) = play(act, scene_of(case.exchange, **case.switches))[0].accounts
    check = next(check for check in only.checks if check.name == case.check)
    assert (check.verdict, code(only)) == (case.verdict, case.code)
    assert case.words in f"{check.finding}; {check.advice}"


def test_an_exchange_that_does_not_answer_costs_only_the_checks_that_need_it() -> None:
    def refuse(_: HttpRequest) -> None:
        raise NotSent("GET: no connection could be made: refused, or no route to the host")

    async def act(scene: Scene) -> Checkup:
        process = scene.process()
        process.before = refuse
        return await examined(scene, account("binance"), world=scene.world(process))

    (only,) = play(act, scene_of("binance"))[0].accounts
    found = verdicts(only)
    assert found["network"] is CheckVerdict.FAILED
    assert {found[name] for name in ("clock", "account", "key", "modes", "journal", "lock", "outcomes")} == {
        CheckVerdict.UNKNOWN
    }
    assert found["freeze"] is CheckVerdict.OK
    assert code(only) == 1


@pytest.mark.parametrize(
    ("error_ms", "words"), [(92_000, "92.0 s ahead of"), (-5_000, "5.0 s behind"), (300, "agrees")]
)
def test_a_wrong_clock_is_told_from_the_exchanges_time(error_ms: int, words: str) -> None:
    async def act(scene: Scene) -> Checkup:
        process = scene.place.process("late", clock=MachineClock(scene.loop, wall_error_ms=error_ms))
        return await examined(scene, account("binance"), world=scene.world(process))

    (only,) = play(act, scene_of("binance"))[0].accounts
    assert words in next(check.finding for check in only.checks if check.name == "clock")


def test_two_files_of_one_account_are_refused() -> None:
    async def act(scene: Scene) -> Checkup:
        return await examined(scene, account("binance", path="a.toml"), account("binance", name="other", path="b.toml"))

    for each in play(act, scene_of("binance"))[0].accounts:
        assert "2 state files reach one account: a.toml, b.toml" in each.checks[3].finding
        assert code(each) == 4


def test_a_lock_that_is_held_names_its_holder() -> None:
    async def act(scene: Scene) -> Checkup:
        world = scene.world()
        await scene.apply(account("binance"))
        (identity,) = [name for name in world.store.identities() if "notes" not in name]
        async with world.store.open(identity, run_id="r", holder=world.holder("apply"), timeout_ms=0):
            return await examined(scene, account("binance"))

    (only,) = play(act, scene_of("binance"))[0].accounts
    lock = next(check for check in only.checks if check.name == "lock")
    assert (lock.verdict, lock.exit_code) == (CheckVerdict.WARNING, 0)
    assert "held by apply by simulation" in lock.finding
