"""What goes wrong outside: each ends with a clear error, the contract's exit code, no traceback and no secret."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconcile import statefile
from reconcile.cli.session import Invocation
from reconcile.cli.world import WorldContext
from reconcile.clock import SystemClock
from reconcile.sandbox.keys import demo_keys
from reconcile.sandbox.server import SandboxServer
from reconcile.sandbox.store import SandboxStore, StoredDialect
from reconcile.sandbox.venue import Venue
from tests.kit.cli import ROOT, Ended, run

DEMO = "states/demo.toml"


class Shifted(SystemClock):
    """A clock whose wall time is wrong."""

    def __init__(self, minutes: int) -> None:
        self._minutes = minutes

    def wall_ms(self) -> int:
        return super().wall_ms() + self._minutes * 60_000


@contextmanager
def served(home: Path, *, minutes: int = 0) -> Iterator[tuple[str, dict[str, str]]]:
    """The demo account behind a loopback server whose clock is that far from ours: a state file, and its keys."""
    dialect = StoredDialect(SandboxStore(home / "elsewhere"), "demo", "binance")
    with SandboxServer(Venue(dialect=dialect), clock=Shifted(minutes)) as server:
        state = home / "served.toml"
        endpoint = f'"{server.url}"\ncold_start = "trust"'
        state.write_text((ROOT / DEMO).read_text().replace('"sandbox"', endpoint))
        keys = dialect.credentials
        yield str(state), {"DEMO_API_KEY": keys.key, "DEMO_API_SECRET": keys.secret}


def last_error(ended: Ended) -> str:
    """The message of the first account's first error."""
    return str(ended.json["accounts"][0]["errors"][0]["message"])


@pytest.mark.parametrize("wrong", ["DEMO_API_KEY", "DEMO_API_SECRET"])
def test_refused_credentials_are_named_by_their_variables_and_not_shown(tmp_path: Path, wrong: str) -> None:
    with served(tmp_path) as (state, keys):
        env = {**keys, wrong: "not-what-the-exchange-knows", "RECONCILE_ENDPOINT_HOSTS": "127.0.0.1"}
        ended = run(tmp_path, "plan", state, "--format", "json", env=env)
    assert ended.code == 1
    assert "(this account's are DEMO_API_KEY, DEMO_API_SECRET)" in last_error(ended)
    assert not [env[name] for name in keys if env[name] in ended.out + ended.err]


def test_a_secret_that_others_may_read_is_warned_of_once_and_one_that_they_may_write_is_refused(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    secrets.chmod(0o755)
    with served(tmp_path) as (state, keys):
        for name, value in keys.items():
            (secrets / name).write_text(value)
            (secrets / name).chmod(0o644)
        words, env = ["plan", state, "--format", "json"], {"RECONCILE_SECRETS": str(secrets)}
        read = run(tmp_path, *words, env=env)
        (secrets / "DEMO_API_SECRET").chmod(0o666)
        refused = run(tmp_path, *words, env=env)
    assert read.code == 0
    assert [read.err.count(f"RECONCILE_SECRETS: {secrets / name} may be read by others") for name in keys] == [1, 1]
    assert refused.code == 1
    assert f"RECONCILE_SECRETS: {secrets / 'DEMO_API_SECRET'} may be written by others" in last_error(refused)
    assert not [value for value in keys.values() if value in read.out + read.err + refused.out + refused.err]


def test_keys_that_are_not_the_sandboxs_own_do_not_go_to_a_loopback_url_unasked(tmp_path: Path) -> None:
    with served(tmp_path) as (state, keys):
        ended = run(tmp_path, "plan", state, "--format", "json", env={**keys, "DEMO_API_SECRET": "of-a-live-account"})
        assert last_error(ended).startswith(
            "resolving the endpoint of account demo: host 127.0.0.1 is not one of Binance USD-M's own; to let it have "
            "this account's keys, name it in RECONCILE_ENDPOINT_HOSTS"
        )
        assert ended.code == 1
        assert run(tmp_path, "plan", state, env=keys).code == 0


@pytest.mark.parametrize(
    ("said", "has_fence"), [("", True), ('cold_start = "wait"', True), ('cold_start = "trust"', False)]
)
def test_a_loopback_url_has_the_cold_fence_unless_it_is_trusted(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    has_fence: bool,  # noqa: FBT001 - a column of the table
) -> None:
    file = tmp_path / "local.toml"
    file.write_text((ROOT / DEMO).read_text().replace('"sandbox"', f'"http://127.0.0.1:1"\n{said}'))
    (account,) = statefile.load([file])
    keys = demo_keys("binance", "any")
    for name, value in {"DEMO_API_KEY": keys.key, "DEMO_API_SECRET": keys.secret}.items():
        monkeypatch.setenv(name, value)
    with WorldContext(Invocation(), SystemClock(), parallelism=1) as outside:
        assert outside.connect(account, True).cold_fence == has_fence  # noqa: FBT003 - read only


@pytest.mark.parametrize("minutes", [-10, 10])
def test_clocks_that_are_minutes_apart_change_nothing(tmp_path: Path, minutes: int) -> None:
    with served(tmp_path, minutes=minutes) as (state, keys):
        applied = run(tmp_path, "apply", state, "--auto-approve", "--format", "json", env=keys)
        ended = run(tmp_path, "plan", state, "--detailed-exitcode", "--format", "json", env=keys)
    side = "behind" if minutes > 0 else "ahead of"
    assert ended.code == 0
    assert re.search(rf"this machine's clock is (59[0-9]|60[0-9]) s {side} the exchange's", ended.err)
    assert "if this machine is wrong, set its clock (NTP)" in " ".join(ended.err.split())
    done = datetime.fromisoformat(applied.json["finished_at"]) - datetime.now(UTC)
    assert (applied.code, round(done.total_seconds() / 60)) == (0, minutes)
    made = datetime.fromisoformat(ended.json["created_at"]) - datetime.now(UTC)
    seen = datetime.fromisoformat(ended.json["accounts"][0]["observed_at"]) - datetime.now(UTC)
    assert round(made.total_seconds() / 60) == round(seen.total_seconds() / 60) == minutes


def test_a_home_that_a_first_plan_makes_is_private(tmp_path: Path) -> None:
    assert run(tmp_path, "plan", DEMO).code == 0
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700


def test_a_usage_error_is_one_line_without_control_characters(tmp_path: Path) -> None:
    ended = run(tmp_path, "resolve", "BTCUSDT.long", "--reason", "seen")
    assert ended.code == 64
    assert "Missing option '--as'. Choose from: applied, not-applied" in ended.err
