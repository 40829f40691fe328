"""No account of a watch holds up another: not one that is locked, nor one that waits, nor one of another watch."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

import pytest

from reconcile.errors import Declined, Interrupted
from reconcile.exchanges.base import Writer
from reconcile.model.account import DesiredAccount
from reconcile.render.metrics.exposition import exposition
from reconcile.render.metrics.snapshot import Snapshot
from reconcile.sandbox.values import HUMAN
from reconcile.usecases.account_identity import AccountConnection, AccountIdentity
from reconcile.usecases.watch.lock import Hold
from reconcile.usecases.watch.loop import Watch
from reconcile.usecases.watch.news import News
from reconcile.usecases.watch.roster import Identities, RoundRoster
from reconcile.usecases.watch.settings import Settings
from reconcile.usecases.world import World
from tests.kit.scene import Scene, play
from tests.usecases.test_account_identity import Keys, file_of
from tests.usecases.watch.test_watch import MINUTE, unlocked


class Two:
    """A watch over the accounts ``one`` and ``two``, each of which declares 300 more than it has."""

    def __init__(self, scene: Scene, *, hold: Hold = unlocked, lock_timeout_ms: int = 0, **settings: object) -> None:
        self.scene = scene
        keys = Keys(scene).reaching("ONE", "key-1", account="one").reaching("TWO", "key-2", account="two")
        self.books = {
            name: scene.place.venue.dialect.accounts[key].books  # type: ignore[attr-defined]
            for name, key in (("one", "key-1"), ("two", "key-2"))
        }
        self.files: list[DesiredAccount] = [file_of(scene, "one"), file_of(scene, "two")]
        self.world: World = replace(keys.world(), lock_timeout_ms=lock_timeout_ms)
        self.news: list[News] = []
        self.snapshots: list[Snapshot] = []
        self.between: dict[int, Callable[[], None]] = {}
        given = {"interval_ms": MINUTE, "apply": True, "needed": 1, "of": 1, "rounds": 4, **settings}
        self.watch = Watch(
            self.world,
            self._load,
            Settings(**given),  # type: ignore[arg-type]
            hold=hold,
            tell=self.news.append,
            publish=self.snapshots.append,
        )

    def _load(self) -> Sequence[DesiredAccount]:
        return self.files

    def margin(self, name: str) -> int:
        return int(self.books[name].margin("BTCUSDT", "long"))

    def told(self, word: str) -> list[str]:
        return [f"{news.account} {news.message}" for news in self.news if word in news.message]


async def journal_of(two: Two, name: str) -> str:
    """The journal of one of the accounts, as the exchange says."""
    connection = two.world.connect(two.files[("one", "two").index(name)], True)  # noqa: FBT003 - read only
    await connection.adapter.sync_time()
    return connection.identify(await connection.adapter.account_uid())


@asynccontextmanager
async def held(two: Two, name: str) -> AsyncIterator[None]:
    """Another run that has an account in work."""
    holder = {"host": "runner-9", "pid": "4711", "actor": "cron", "command": "apply"}
    journal = await journal_of(two, name)
    async with two.scene.world().store.open(journal, run_id="another", holder=holder, timeout_ms=0):
        yield


def test_a_locked_account_is_skipped_told_once_and_come_back_to() -> None:
    async def act(scene: Scene) -> tuple[Two, int]:
        two = Two(scene, rounds=5)
        async with held(two, "one"):
            task = asyncio.ensure_future(two.watch.run())
            await scene.pass_time(2 * MINUTE + 1_000)
            while_locked = two.margin("one")
        await task
        return two, while_locked

    (two, while_locked), _ = play(act)

    assert (while_locked, two.margin("one"), two.margin("two")) == (3000, 3300, 3300)
    assert "locked by apply by cron, host runner-9, pid 4711, since " in two.told("locked by")[0]
    assert len(two.told("locked by")) == 1
    assert [a.is_locked for a in two.snapshots[0].accounts] == [True, False]
    assert [a.is_locked for a in two.snapshots[-1].accounts] == [False, False]
    assert 'reconcile_account_locked{account="one"} 1' in exposition(two.snapshots[0])


def test_the_other_account_is_applied_in_the_round_in_which_one_is_locked() -> None:
    async def act(scene: Scene) -> Two:
        two = Two(scene, rounds=1)
        async with held(two, "one"):
            await two.watch.run()
        return two

    two, scene = play(act)

    assert (two.margin("one"), two.margin("two")) == (3000, 3300)
    assert scene.loop.now_ms() < MINUTE


def test_an_account_that_waits_for_its_lock_holds_up_no_round_of_another() -> None:
    """With ``--if-locked wait`` the turn of one waits for ten minutes; two is looked at and applied each minute."""

    async def act(scene: Scene) -> Two:
        two = Two(scene, rounds=8, skip_locked=False, lock_timeout_ms=10 * MINUTE)
        async with held(two, "one"):
            task = asyncio.ensure_future(two.watch.run())
            await scene.pass_time(2 * MINUTE + 1_000)
            two.books["two"].move_margin("BTCUSDT", "long", Decimal(-50), now_ms=scene.now_ms(), by=HUMAN)
            await scene.pass_time(3 * MINUTE)
            assert (two.margin("one"), two.margin("two")) == (3000, 3300)
        await task
        return two

    two, _ = play(act)

    rounds = [(snapshot.rounds, len(snapshot.accounts)) for snapshot in two.snapshots[:6]]
    assert rounds == [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 2)]
    assert two.told("takes longer than the interval") == [
        " turn of one: takes longer than the interval; the next begins when it has ended"
    ]
    assert two.margin("one") == 3300
    read = [account.read_ms for account in two.snapshots[3].accounts]
    assert read[0] is not None
    assert two.snapshots[3].at_ms - read[0] <= MINUTE


def test_a_lock_that_is_not_free_in_time_is_no_failure_of_ours() -> None:
    """The next try is in the next round, not after a wait that doubles."""

    async def act(scene: Scene) -> Two:
        two = Two(scene, rounds=6, skip_locked=False, lock_timeout_ms=1_000)
        async with held(two, "one"):
            task = asyncio.ensure_future(two.watch.run())
            await scene.pass_time(4 * MINUTE + 30_000)
        await task
        return two

    two, _ = play(act)

    assert two.margin("one") == 3300
    assert len(two.told("not free within 1 s")) == 1


def test_a_stop_ends_a_turn_that_waits_for_a_lock() -> None:
    async def act(scene: Scene) -> int:
        two = Two(scene, rounds=None, skip_locked=False, lock_timeout_ms=60 * MINUTE)
        async with held(two, "one"):
            task = asyncio.ensure_future(two.watch.run())
            await scene.pass_time(MINUTE + 1_000)
            asked_ms = scene.loop.now_ms()
            two.world.stop.set()
            with pytest.raises(Interrupted):
                await task
            return scene.loop.now_ms() - asked_ms

    waited_ms, _ = play(act)

    assert waited_ms < 1_000


def taken(*names: str) -> Hold:
    """Another watch has these accounts."""

    @asynccontextmanager
    async def hold(journal: str, holder: Mapping[str, str]) -> AsyncIterator[None]:
        if holder["account"] in names:
            raise Declined("lock", "starting the watch: another watch is running")
        yield

    return hold


def test_an_account_that_another_watch_has_keeps_this_one_from_no_other() -> None:
    async def act(scene: Scene) -> Two:
        two = Two(scene, hold=taken("one"))
        await two.watch.run()
        return two

    two, _ = play(act)

    assert (two.margin("one"), two.margin("two")) == (3000, 3300)
    assert two.told("another watch") == [" account one: starting the watch: another watch is running"]


def test_a_watch_that_gets_no_account_ends() -> None:
    async def act(scene: Scene) -> Two:
        two = Two(scene, hold=taken("one", "two"))
        with pytest.raises(Declined, match="another watch"):
            await two.watch.run()
        return two

    two, _ = play(act)
    assert two.news == []


def test_an_account_whose_turn_is_under_way_is_still_known_to_a_second_file_of_it() -> None:
    async def act(scene: Scene) -> list[str]:
        keys = Keys(scene).reaching("ONE", "key-1").reaching("TWO", "key-2")
        world, files = keys.world(), [file_of(scene, "one"), file_of(scene, "two")]
        identities, refused = Identities(), []

        async def reach(number: int) -> AccountConnection[Writer]:
            found = AccountIdentity(name="binance-live-7", journal="binance-live-7", uid="7")
            return AccountConnection(connection=world.connect(files[number], True), account=found)  # noqa: FBT003

        identities.begin("one")
        await RoundRoster(files[:1], identities).join(files[0], lambda: reach(0))
        second = RoundRoster(files, identities)
        identities.begin("two")
        stand_in = asyncio.ensure_future(second.stand_in(files[0]))
        for work in (second.join(files[1], lambda: reach(1)), stand_in):
            try:
                await work
            except Declined as error:
                refused.append(error.key)
        return refused

    refused, _ = play(act)

    assert refused == ["account", "account"]
