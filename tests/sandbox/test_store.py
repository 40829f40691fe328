"""Sandbox accounts on disk: private, whole, and right under several commands at once."""

import json
import multiprocessing
from pathlib import Path

import pytest

from reconcile.errors import InputError
from reconcile.sandbox.http import Request
from reconcile.sandbox.store import SandboxStore, StoredDialect
from reconcile.sandbox.values import HUMAN, Denied
from tests.kit.binance_client import NOW, Client, D


def clock() -> int:
    """A clock that stands."""
    return NOW


def move(store: SandboxStore, account: str, amount: int) -> None:
    """A person moves margin."""
    with store.locked(account) as kept:
        kept.books.move_margin("BTCUSDT", "long", D(amount), now_ms=NOW, by=HUMAN)


def margin(store: SandboxStore, account: str) -> object:
    """The margin of BTCUSDT.long."""
    with store.locked(account) as kept:
        return kept.books.margin("BTCUSDT", "long")


def test_an_account_begins_with_the_demo_and_stays(tmp_path: Path) -> None:
    move(SandboxStore(tmp_path, now_ms=clock), "demo", 50)
    assert margin(SandboxStore(tmp_path, now_ms=clock), "demo") == D(3050)


def test_the_demo_was_opened_long_before_the_first_run(tmp_path: Path) -> None:
    with SandboxStore(tmp_path, now_ms=clock).locked("demo") as kept:
        newest = max(row.time_ms for row in kept.books.rows_as_of(NOW))
    assert newest == NOW - 3_600_000


def test_files_are_private(tmp_path: Path) -> None:
    move(SandboxStore(tmp_path, now_ms=clock), "demo", 50)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "sandbox").iterdir()}
    assert modes == {"demo.json": 0o600, "demo.lock": 0o600}
    assert (tmp_path / "sandbox").stat().st_mode & 0o777 == 0o700


def test_looking_writes_nothing(tmp_path: Path) -> None:
    store = SandboxStore(tmp_path, now_ms=clock)
    margin(store, "demo")
    before = (tmp_path / "sandbox" / "demo.json").stat()
    margin(store, "demo")
    after = (tmp_path / "sandbox" / "demo.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_what_another_process_changed_is_read_again(tmp_path: Path) -> None:
    first, second = SandboxStore(tmp_path, now_ms=clock), SandboxStore(tmp_path, now_ms=clock)
    move(first, "demo", 50)
    move(second, "demo", 50)
    assert margin(first, "demo") == D(3100)


def add_often(home: Path, times: int) -> None:
    """What one of several processes does."""
    store = SandboxStore(home)
    for _ in range(times):
        move(store, "demo", 1)


def test_two_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=add_often, args=(tmp_path, 40)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert margin(SandboxStore(tmp_path), "demo") == D(3080)


def refused_after_a_move(store: SandboxStore) -> None:
    """Two changes, the second of which is forbidden."""
    with store.locked("demo") as kept:
        kept.books.move_margin("BTCUSDT", "long", D(1), now_ms=NOW, by=HUMAN)
        kept.books.move_margin("BTCUSDT", "long", D(10**9), now_ms=NOW, by=HUMAN)


def test_an_error_inside_changes_nothing(tmp_path: Path) -> None:
    store = SandboxStore(tmp_path, now_ms=clock)
    margin(store, "demo")
    with pytest.raises(Denied):
        refused_after_a_move(store)
    assert margin(store, "demo") == D(3000)


def test_reset_begins_again(tmp_path: Path) -> None:
    store = SandboxStore(tmp_path, now_ms=clock)
    move(store, "demo", 50)
    assert (store.reset("demo"), margin(store, "demo"), store.reset("other")) == (True, D(3000), False)


@pytest.mark.parametrize("name", ["", "Demo", "../demo", "a/b", "demo.json", "1"])
def test_a_name_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="a name is a-z first"):
        margin(SandboxStore(tmp_path, now_ms=clock), name)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "other/9"}', '{"format": "reconcile.sandbox/1"}'])
def test_a_broken_file_says_what_to_do(tmp_path: Path, content: str) -> None:
    store = SandboxStore(tmp_path, now_ms=clock)
    margin(store, "demo")
    (tmp_path / "sandbox" / "demo.json").write_text(content)
    with pytest.raises(InputError, match="reconcile sandbox reset demo"):
        margin(store, "demo")


def test_an_edited_file_whose_sums_are_wrong_is_refused(tmp_path: Path) -> None:
    store = SandboxStore(tmp_path, now_ms=clock)
    margin(store, "demo")
    path = tmp_path / "sandbox" / "demo.json"
    data = json.loads(path.read_text())
    data["books"]["cross"]["USDT"] = "1000000"
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match="isolated margins"):
        margin(store, "demo")


def test_an_account_belongs_to_one_exchange(tmp_path: Path) -> None:
    store = SandboxStore(tmp_path, now_ms=clock)
    margin(store, "demo")
    with pytest.raises(InputError, match="it is a binance account, not okx"), store.locked("demo", "okx"):
        pass


def test_an_exchange_that_is_not_simulated_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'kraken' is not simulated"):
        StoredDialect(SandboxStore(tmp_path, now_ms=clock), "demo", "kraken")


def stored(store: SandboxStore) -> tuple[StoredDialect, Client]:
    """A served account and a client with its keys."""
    dialect = StoredDialect(store, "demo", "binance")
    client = Client()
    client.account = dialect.credentials
    return dialect, client


def add(client: Client, amount: int) -> Request:
    """The margin call."""
    return client.request(
        "POST", "/fapi/v1/positionMargin", symbol="BTCUSDT", positionSide="LONG", amount=amount, type=1
    )


def test_requests_to_a_stored_account_are_kept_and_see_what_others_do(tmp_path: Path) -> None:
    store = SandboxStore(tmp_path, now_ms=clock)
    dialect, client = stored(store)
    first = dialect.handle(add(client, 10), client.now_ms)
    move(SandboxStore(tmp_path, now_ms=clock), "demo", 5)
    second = dialect.handle(add(client, 10), client.now_ms)
    assert (first.status, second.status, margin(SandboxStore(tmp_path, now_ms=clock), "demo")) == (200, 200, D(3025))


def test_switches_of_a_stored_account_apply_at_once(tmp_path: Path) -> None:
    store = SandboxStore(tmp_path, now_ms=clock)
    dialect, client = stored(store)
    request = client.request("GET", "/fapi/v2/positionRisk")
    before = dialect.handle(request, client.now_ms).status
    with SandboxStore(tmp_path, now_ms=clock).locked("demo") as kept:
        kept.switches["v2_retired"] = True
    assert (before, dialect.handle(request, client.now_ms).status) == (200, 404)


def test_demo_keys_are_the_same_every_time_and_differ_by_account(tmp_path: Path) -> None:
    store = SandboxStore(tmp_path, now_ms=clock)
    keys = [StoredDialect(store, name, "binance").credentials.key for name in ("demo", "demo", "demo-blocked")]
    assert keys[0] == keys[1] != keys[2]
