"""A journal that cannot be trusted costs its own account, and no other one of the same home, in any command."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconcile.journal.chain import line_hash
from reconcile.journal.codec import seal
from tests.kit.cli import Ended, run

STATE = """
version = 1
[account]
name = "{name}"
exchange = "binance"
position_mode = "hedge"
endpoint = "sandbox"
grace = 0.3
[positions.BTCUSDT.long]
isolated_margin = {margin}
"""


def declare(home: Path, name: str, margin: int) -> str:
    state = home / f"{name}.toml"
    state.write_text(STATE.format(name=name, margin=margin))
    return str(state)


def resealed(path: Path) -> None:
    """The last record with a field of another type, in a chain that holds."""
    lines = path.read_bytes().splitlines(keepends=True)
    last = json.loads(lines[-1])
    del last["crc"]
    last["details"]["live"] = [1, 2]
    assert last["prev"] == line_hash(lines[-2])
    path.write_bytes(b"".join(lines[:-1]) + seal(json.dumps(last, separators=(",", ":")).encode()))


def replaced(path: Path, put: Callable[[Path], object]) -> None:
    path.unlink()
    put(path)


BAD: dict[str, Callable[[Path], object]] = {
    "a resealed record of another type": resealed,
    "a changed byte": lambda path: path.write_bytes(path.read_bytes().replace(b'"apply"', b'"Apply"')),
    "no journal at all": lambda path: path.write_bytes(b"\xff\x00\n"),
    "a FIFO": lambda path: replaced(path, os.mkfifo),
    "a folder": lambda path: replaced(path, Path.mkdir),
    "a link": lambda path: replaced(path, lambda each: each.symlink_to("/etc/hostname")),
    "a file that others may write": lambda path: path.chmod(0o666),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two accounts that were applied to."""
    made = tmp_path_factory.mktemp("home")
    assert run(made, "apply", declare(made, "good", 3300), declare(made, "bad", 3300), "--auto-approve").code == 0
    return made


@pytest.fixture
def damaged(home: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The same home with one of the journals gone bad; put right afterwards."""
    (path,) = (home / "home" / "journal").glob("*-bad.jsonl")
    whole = path.read_bytes()
    BAD[request.param](path)
    yield home
    _restore(path, whole)


def _restore(path: Path, whole: bytes) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink()
    path.write_bytes(whole)
    path.chmod(0o600)


EVERY = pytest.mark.parametrize("damaged", BAD, indirect=True)


def by_account(ended: Ended) -> dict[str, int]:
    return {account["account"]: account["exit_code"] for account in ended.json["accounts"]}


@EVERY
def test_a_bad_journal_costs_its_own_account_when_planning_and_applying(damaged: Path) -> None:
    files = [declare(damaged, "good", 3300), declare(damaged, "bad", 3300)]
    for words in (["plan"], ["drift"], ["status"], ["apply", "--auto-approve"]):
        ended = run(damaged, *words, *files, "--format", "json")
        assert (words, ended.code, by_account(ended)) == (words, 1, {"good": 0, "bad": 1})


@EVERY
def test_every_audit_command_shows_the_other_accounts_and_warns_of_the_bad_one(damaged: Path, tmp_path: Path) -> None:
    log = run(damaged, "audit", "log", "--format", "json")
    runs = {row["run_id"] for row in log.json["rows"] if row["account"] == "good"}
    page = tmp_path / "page.html"
    every = {
        "log": log,
        "show": run(damaged, "audit", "show", min(runs)),
        "diff": run(damaged, "audit", "diff", min(runs), min(runs)),
        "head": run(damaged, "audit", "head"),
        "verify": run(damaged, "audit", "verify"),
        "report": run(damaged, "audit", "report", "--html", str(page)),
    }
    assert {name: ended.code for name, ended in every.items()} == dict.fromkeys(every, 1)
    assert {name: "good" in ended.out for name, ended in every.items() if name != "report"} == dict.fromkeys(
        (name for name in every if name != "report"), True
    )
    assert "good" in page.read_text()
    assert "bad" in log.err


@EVERY
def test_resolve_looks_into_the_journals_that_can_be_read(damaged: Path) -> None:
    ended = run(damaged, "resolve", "BTCUSDT.long", "--as", "applied", "--reason", "seen")
    assert ended.code == 1
    assert "nothing is unsettled in the journals that can be read" in ended.err


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
@pytest.mark.parametrize("inner", ["", "journal"])
def test_a_home_that_others_may_write_is_refused(home: Path, mode: int, inner: str) -> None:
    margin = declare(home, "good", 3400)
    (home / "home" / inner).chmod(mode)
    try:
        for words in (["apply", margin, "--auto-approve"], ["plan", margin], ["audit", "log"], ["audit", "verify"]):
            ended = run(home, *words)
            assert (words, ended.code) == (words, 1)
            assert "others may write into it" in ended.out + ended.err
    finally:
        (home / "home" / inner).chmod(0o700)
    assert "+100" in run(home, "plan", margin).out


def test_a_link_in_the_place_of_a_home_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "home").symlink_to("elsewhere")
    ended = run(tmp_path, "apply", declare(tmp_path, "good", 3300), "--auto-approve")
    assert (ended.code, "it is a link" in ended.err + ended.out) == (1, True)
    assert list((tmp_path / "elsewhere").iterdir()) == []
