"""A ban outlives the process that was told of it, and no file stops the program for longer than a ban can last."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconcile.clock import Clock
from reconcile.errors import InputError
from reconcile.exchanges.http.answers import date_header_ms
from reconcile.exchanges.http.bans import LONGEST_BAN_MS, MOST, BanFile
from reconcile.model.account import DesiredAccount
from reconcile.model.plan import AccountPlan, AccountResult
from reconcile.sandbox.faults import Fault, Scripted
from reconcile.sandbox.http import Answer
from reconcile.usecases import apply as applying
from reconcile.usecases import plan as planning
from reconcile.usecases.world import World
from tests.kit.scene import HOUR_MS, Scene, desired
from tests.simulation.machine import EPOCH_MS

Command = Callable[[World, DesiredAccount], Awaitable[AccountPlan | AccountResult]]
NOW_MS = EPOCH_MS
HOST, LIMIT = "fapi.binance.com", "weight"
BAN_MS = 1_800_000


@dataclass(slots=True)
class SetClock:
    """A machine's clock that the test sets."""

    now_ms: int = NOW_MS

    def wall_ms(self) -> int:
        return self.now_ms

    def monotonic_ms(self) -> int:
        return self.now_ms

    async def sleep(self, milliseconds: int) -> None:
        self.now_ms += milliseconds


@dataclass(slots=True)
class Home:
    """A home's file of bans, as one process after the other opens it."""

    folder: Path
    clock: Clock = field(default_factory=SetClock)
    proxy: str = ""
    told: list[str] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return self.folder / "home" / "bans.json"

    def file(self) -> BanFile:
        def make_home() -> None:
            self.path.parent.mkdir(exist_ok=True)

        return BanFile(self.path, self.clock, make_home=make_home, route=lambda _: self.proxy, tell=self.told.append)

    def later(self, milliseconds: int) -> None:
        """Set the clock on, or back."""
        self.clock = SetClock(self.clock.wall_ms() + milliseconds)

    def left_ms(self, host: str = HOST, owner: str = "", limit: str = LIMIT) -> int:
        return self.file().left_ms(host, owner, limit)

    def write(self, text: str) -> None:
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(text)


async def plan(world: World, account: DesiredAccount) -> AccountPlan:
    made = await planning.plan(world, [account], targets=(), overrides={}, expires_ms=HOUR_MS, git_commit=None)
    return made.accounts[0]


async def apply(world: World, account: DesiredAccount) -> AccountResult:
    result = await applying.apply(world, [account], reason=None, git_commit=None, confirm=None)
    return result.accounts[0]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_the_next_process_knows_how_much_is_left_and_forgets_it_at_the_end(home: Home) -> None:
    home.file().keep(HOST, "", LIMIT, BAN_MS)
    home.later(600_000)
    assert home.left_ms() == BAN_MS - 600_000
    home.later(BAN_MS)
    assert home.left_ms() == 0
    assert home.path.stat().st_mode & 0o777 == 0o600
    assert home.told == []


def test_a_ban_is_for_its_host_its_way_there_its_limit_and_its_account_only(home: Home) -> None:
    home.file().keep(HOST, "one", LIMIT, BAN_MS)
    others = [("www.okx.com", "one", LIMIT), (HOST, "two", LIMIT), (HOST, "one", "other")]
    assert [home.left_ms(*other) for other in others] == [0, 0, 0]
    assert home.left_ms(HOST, "one") == BAN_MS
    home.proxy = "http://proxy:3128"
    assert home.left_ms(HOST, "one") == 0


def test_bans_of_several_accounts_stand_side_by_side_and_ended_ones_are_dropped(home: Home) -> None:
    home.file().keep(HOST, "one", LIMIT, 60_000)
    home.file().keep(HOST, "two", LIMIT, BAN_MS)
    assert (home.left_ms(owner="one"), home.left_ms(owner="two")) == (60_000, BAN_MS)
    home.later(120_000)
    home.file().keep(HOST, "three", LIMIT, BAN_MS)
    assert len(json.loads(home.path.read_text())["bans"]) == 2


def test_the_file_is_bounded_and_what_ends_last_stays(home: Home) -> None:
    for number in range(MOST + 5):
        home.file().keep(HOST, str(number), LIMIT, BAN_MS + number * 1000)
    assert len(json.loads(home.path.read_text())["bans"]) == MOST
    assert home.left_ms(owner="4") == 0
    assert home.left_ms(owner=str(MOST + 4)) > BAN_MS


def test_a_wait_of_seconds_is_not_kept_and_an_absurd_one_is_cut_to_the_longest_ban(home: Home) -> None:
    home.file().keep(HOST, "", LIMIT, 3_000)
    assert not home.path.exists()
    home.file().keep(HOST, "", LIMIT, 10**15)
    assert home.left_ms() == LONGEST_BAN_MS


def test_a_clock_that_was_set_back_makes_no_ban_longer_than_the_exchange_named(home: Home) -> None:
    home.file().keep(HOST, "", LIMIT, BAN_MS)
    home.later(-30_000)
    assert home.left_ms() == BAN_MS
    home.later(-10 * HOUR_MS)
    assert home.left_ms() == 0


BAN = {"key": "k", "host": HOST, "limit": LIMIT, "noted_ms": NOW_MS, "until_ms": NOW_MS + BAN_MS}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not json", "Expecting value"),
        ("{}", "not a reconcile.bans/1 document"),
        ('{"format": "reconcile.bans/2", "bans": []}', "not a reconcile.bans/1 document"),
        ('{"format": "reconcile.bans/1", "bans": [1]}', "lacks a field"),
        (json.dumps({"format": "reconcile.bans/1", "bans": [BAN | {"until_ms": "soon"}]}), "lacks a field"),
        (json.dumps({"format": "reconcile.bans/1", "bans": [BAN | {"until_ms": 10**20}]}), "not between 1970 and 2099"),
        (json.dumps({"format": "reconcile.bans/1", "bans": [BAN] * (MOST + 1)}), "not a reconcile.bans/1 document"),
        (" " * 70_000, "longer than 65536 bytes"),
        ("[" * 60_000, "nested too deeply"),
    ],
    ids=lambda value: value[:40],
)
def test_a_broken_file_is_ignored_with_one_word_and_replaced_by_the_next_ban(home: Home, text: str, words: str) -> None:
    home.write(text)
    file = home.file()
    assert [file.left_ms(HOST, "", LIMIT), file.left_ms(HOST, "", "other")] == [0, 0]
    (line,) = home.told
    assert words in line
    assert line.startswith(f"reading {home.path}: ")
    file.keep(HOST, "", LIMIT, BAN_MS)
    assert home.left_ms() == BAN_MS


def test_no_link_is_followed_to_read_or_to_write(home: Home, tmp_path: Path) -> None:
    home.file().keep(HOST, "", LIMIT, BAN_MS)
    elsewhere = home.path.rename(tmp_path / "elsewhere.json")
    content = elsewhere.read_text()
    home.path.symlink_to(elsewhere)
    assert home.left_ms() == 0
    assert len(home.told) == 1
    home.file().keep(HOST, "", LIMIT, 2 * BAN_MS)
    assert elsewhere.read_text() == content
    assert not home.path.is_symlink()


def test_a_file_that_others_may_write_is_not_believed(home: Home) -> None:
    home.file().keep(HOST, "", LIMIT, BAN_MS)
    home.path.chmod(0o666)
    assert home.left_ms() == 0
    assert "others may write it" in home.told[0]


def test_a_home_that_cannot_be_written_costs_one_line(home: Home) -> None:
    def refuse() -> None:
        raise InputError("using the home: it belongs to someone else")

    file = BanFile(home.path, home.clock, make_home=refuse, route=str, tell=home.told.append)
    file.keep(HOST, "", LIMIT, BAN_MS)
    assert not home.path.exists()
    (line,) = home.told
    assert "it belongs to someone else; the next run will ask it" in line


@pytest.mark.parametrize("command", [plan, apply])
def test_a_banned_address_is_asked_again_by_a_later_process_only_after_the_end(home: Home, command: Command) -> None:
    told = f'{{"code": -1003, "msg": "Way too many requests; IP banned until {NOW_MS + BAN_MS}."}}'.encode()
    ban = Answer(status=418, headers={"date": "Thu, 01 Jan 2026 00:00:00 GMT"}, body=told)
    scene = Scene(faults=Scripted([Fault(arrives_ms=(), reply=ban)]))
    asked: list[int] = []

    async def process() -> tuple[int, str]:
        """One run of a pipeline: its exit code, and the first error that it tells."""
        made = scene.process()
        made.before = lambda _: asked.append(scene.now_ms())
        home.clock = made.clock
        scene.place.bans = home.file()
        account = await command(scene.world(made), desired())
        return account.exit_code, account.errors[0].message if account.errors else ""

    async def act() -> list[tuple[int, str]]:
        ended = [await process()]
        await scene.pass_time(60_000)
        ended.append(await process())
        await scene.pass_time(BAN_MS)
        return [*ended, await process()]

    first, second, third = scene.play(act())
    assert first[0] == second[0] == 1
    assert "the exchange shut us out until 2026-01-01T00:30:00Z (1740 s more); an earlier run was told so" in second[1]
    assert str(home.path) in second[1]
    assert third[0] == 0
    assert asked[0] < NOW_MS + 1_000
    assert asked[1] >= NOW_MS + BAN_MS


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Thu, 01 Jan 2026 00:00:07 GMT", NOW_MS + 7_000),
        ("Thu, 01 Jan 2026 00:00:07 -0000", None),
        ("Thu, 01 Jan 1099 00:00:00 GMT", None),
        ("Thu, 01 Jan 2026 00:00:00 -9999999999999999", None),
        ("now", None),
        ("", None),
    ],
)
def test_the_date_of_an_answer_is_read_only_where_it_is_a_moment(date: str, expected: int | None) -> None:
    assert date_header_ms({"date": date}) == expected
