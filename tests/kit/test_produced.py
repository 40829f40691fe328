"""What searches all that the tests produced does find a secret, in each place where one could be."""

from pathlib import Path

import pytest

from reconcile.sandbox.store import SandboxStore, StoredDialect
from tests.kit import produced
from tests.kit.cli import run


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A home with a journal of one run, and the keys of its account; nothing noted stays noted."""
    monkeypatch.setattr(produced, "_shown", {})
    assert run(tmp_path, "apply", "states/demo.toml", "--auto-approve").code == 0
    made = StoredDialect(SandboxStore(tmp_path / "home"), "demo", "binance").credentials
    return {"key": made.key, "secret": made.secret, "passphrase": made.passphrase}


def test_a_clean_run_is_clean(tmp_path: Path, keys: dict[str, str]) -> None:
    assert produced.leaks(tmp_path) == []


@pytest.mark.parametrize("kind", ["key", "secret", "passphrase"])
def test_a_secret_in_a_journal_is_found(tmp_path: Path, keys: dict[str, str], kind: str) -> None:
    journal = next((tmp_path / "home" / "journal").glob("*.jsonl"))
    journal.write_text(journal.read_text() + f'{{"detail": "{keys[kind]}"}}\n')
    assert produced.leaks(tmp_path) == [f"{journal} has the {kind} of binance account demo"]
    journal.unlink()


def test_a_secret_in_an_output_is_found(tmp_path: Path, keys: dict[str, str]) -> None:
    produced.note(["plan", "states"], "", f"refused: {keys['key']}")
    assert produced.leaks(tmp_path) == ["the output of 'plan states' has the key of binance account demo"]


@pytest.mark.parametrize(
    "line", ["GET /x?signature=" + "ab12" * 16, "X-MBX-APIKEY: abcdefgh", "OK-ACCESS-SIGN: YWJjZGVm"]
)
def test_what_is_signed_is_found_whoever_signed_it(tmp_path: Path, keys: dict[str, str], line: str) -> None:
    log = tmp_path / "run.log"
    log.write_text(line)
    found = produced.leaks(tmp_path)
    log.unlink()
    assert len(found) == 1
    assert found[0].startswith(f"{log} has something signed")


def test_the_files_that_hold_secrets_may(tmp_path: Path, keys: dict[str, str]) -> None:
    (tmp_path / "DEMO_API_KEY").write_text(keys["key"])
    assert produced.leaks(tmp_path) == []
