"""Secrets: every way to give one, everything that can be wrong with it, and no value in any message."""

from dataclasses import replace
from pathlib import Path

import pytest

from reconcile.connect import secrets
from reconcile.errors import InputError
from reconcile.model.account import DesiredAccount
from tests.kit.documents_sample import desired


def _account(*, exchange: str = "binance", endpoint: str = "live") -> DesiredAccount:
    return replace(desired([]), exchange=exchange, endpoint=endpoint)


BOTH = {"MAIN_API_KEY": "key-1", "MAIN_API_SECRET": "secret-1"}


def _problem(env: dict[str, str], *, exchange: str = "binance") -> str:
    with pytest.raises(InputError) as caught:
        secrets.load(_account(exchange=exchange), env)
    return str(caught.value)


def test_secrets_come_from_the_environment() -> None:
    read = secrets.load(_account(), {**BOTH, "MAIN_PASSPHRASE": "not used here"})
    assert (read.key, read.secret, read.passphrase) == ("key-1", "secret-1", None)


@pytest.mark.parametrize("exchange", ["okx", "bitget"])
def test_a_passphrase_is_read_where_the_exchange_has_one(exchange: str) -> None:
    read = secrets.load(_account(exchange=exchange), {**BOTH, "MAIN_PASSPHRASE": "phrase-1"})
    assert read.passphrase == "phrase-1"


def test_each_secret_may_come_from_another_source(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("secret-2\n")
    (tmp_path / "MAIN_PASSPHRASE").write_bytes(b"phrase-2\r\n")
    env = {
        "MAIN_API_KEY": "key-2\n",
        "MAIN_API_SECRET_FILE": str(tmp_path / "elsewhere"),
        "RECONCILE_SECRETS": str(tmp_path),
    }
    read = secrets.load(_account(exchange="okx"), env)
    assert (read.key, read.secret, read.passphrase) == ("key-2", "secret-2", "phrase-2")


def test_an_empty_source_gives_way_to_one_that_has_the_secret(tmp_path: Path) -> None:
    (tmp_path / "MAIN_API_KEY").write_text("\n")
    (tmp_path / "MAIN_API_SECRET").write_text("secret-3")
    env = {"MAIN_API_KEY": "key-3", "MAIN_API_SECRET": "", "MAIN_API_KEY_FILE": "", "RECONCILE_SECRETS": str(tmp_path)}
    read = secrets.load(_account(), env)
    assert (read.key, read.secret) == ("key-3", "secret-3")


def test_the_sandbox_needs_none() -> None:
    assert secrets.load(_account(endpoint="sandbox"), {}) == secrets.SANDBOX
    assert secrets.names(_account(endpoint="sandbox")) == ()


def test_every_missing_secret_is_named_at_once_with_the_three_ways_to_give_it() -> None:
    assert _problem({"MAIN_API_SECRET": "\n"}, exchange="okx") == (
        "reading the credentials of account main: MAIN_API_KEY, MAIN_API_SECRET, MAIN_PASSPHRASE missing; set each in "
        "the environment, or name a file in MAIN_API_KEY_FILE and so on, or put files of these names in the folder "
        "RECONCILE_SECRETS"
    )


def test_only_what_is_missing_is_named() -> None:
    said = _problem(BOTH, exchange="bitget")
    assert "account main: MAIN_PASSPHRASE missing;" in said


@pytest.mark.parametrize("extra", ["variable", "named file", "folder"])
def test_two_sources_for_one_secret_are_an_error_even_when_they_agree(tmp_path: Path, extra: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "MAIN_API_KEY").write_text("key-4")
    (tmp_path / "file").write_text("key-4")
    env = {
        **BOTH,
        "MAIN_API_KEY": "" if extra == "variable" else "key-4",
        "MAIN_API_KEY_FILE": "" if extra == "named file" else str(tmp_path / "file"),
        "RECONCILE_SECRETS": "" if extra == "folder" else str(tmp_path / "folder"),
    }
    said = _problem(env)
    assert said.startswith("reading the credentials of account main: MAIN_API_KEY comes from the ")
    assert said.endswith("; keep one")
    assert "key-4" not in said


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("hunter two", "holds white space or a control character"),
        (" hunter2", "holds white space or a control character"),
        ("hunter2\nX-Evil: 1", "holds white space or a control character"),
        ("hunter2\n\n", "holds white space or a control character"),
        ("hunter2\x00", "holds white space or a control character"),
        ("hunter2\xa0", "holds white space or a control character"),
        ("hunter2\udcff", "holds white space or a control character"),
        ("hunter2€", "holds a character that no HTTP header can carry"),
    ],
)
def test_a_secret_that_would_break_a_header_is_an_error(value: str, wrong: str) -> None:
    said = _problem({**BOTH, "MAIN_API_SECRET": value})
    assert said.startswith(f"reading the credentials of account main: MAIN_API_SECRET {wrong}")
    assert "hunter" not in said


def test_a_secret_may_hold_any_visible_latin_1_character() -> None:
    assert secrets.load(_account(), {**BOTH, "MAIN_API_SECRET": "!é~ÿ"}).secret == "!é~ÿ"


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (None, "does not exist; name a regular file that this user can read"),
        (b"x" * 8193, "is longer than 8192 bytes; name a file with nothing but the secret"),
        (b"hunter\xff", "is not UTF-8 text; write the secret as plain text"),
    ],
)
def test_a_file_that_cannot_hold_a_secret_is_an_error(tmp_path: Path, content: bytes | None, wrong: str) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    said = _problem({"MAIN_API_KEY_FILE": str(path), "MAIN_API_SECRET": "s"})
    assert said == f"reading the credentials of account main: MAIN_API_KEY_FILE: {path} {wrong}"


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    said = _problem({**BOTH, "RECONCILE_SECRETS": str(tmp_path / "gone")})
    assert f"RECONCILE_SECRETS: {tmp_path / 'gone'} is not a folder; name the folder that holds MAIN_API_KEY" in said


def test_what_is_wrong_and_what_is_missing_come_together() -> None:
    said = _problem({"MAIN_API_KEY": "a b"})
    assert said.startswith("reading the credentials of account main: MAIN_API_KEY holds white space")
    assert "; MAIN_API_SECRET missing; " in said or "; MAIN_API_SECRET, MAIN_PASSPHRASE missing; " in said
    assert "\n" not in said


def test_credentials_never_show() -> None:
    read = secrets.load(_account(), BOTH)
    assert repr(read) == "Credentials()"
