"""An account's secrets: from the environment, from files it names, or from one folder. Never from a state file.

Values never appear in a message, a repr or a log; messages name variables and files only.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconcile.connect import secret_files
from reconcile.errors import InputError
from reconcile.exchanges.catalogue import TRAITS
from reconcile.model.account import DesiredAccount

FOLDER_VARIABLE = "RECONCILE_SECRETS"
Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """An account's secrets; they never show in a repr."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    passphrase: str | None = field(default=None, repr=False)


SANDBOX = Credentials(key="sandbox-key", secret="sandbox-secret", passphrase="sandbox-passphrase")  # noqa: S106 - no account
"""The keys of the built-in sandbox: it needs no secrets, but a signature needs a key."""


def names(account: DesiredAccount) -> tuple[str, ...]:
    """The variables that hold an account's secrets; empty for the built-in sandbox."""
    if account.endpoint == "sandbox":
        return ()
    kinds = ("API_KEY", "API_SECRET", "PASSPHRASE")
    used = kinds if TRAITS[account.exchange].needs_passphrase else kinds[:2]
    return tuple(f"{account.credentials}_{kind}" for kind in used)


def load(account: DesiredAccount, env: Mapping[str, str], warn: Warn = lambda _line: None) -> Credentials:
    """Read an account's secrets; raises InputError that names everything missing or wrong at once.

    ``warn`` gets a line for each file that others may read.
    """
    wanted = names(account)
    if not wanted:
        return SANDBOX
    doing = f"reading the credentials of account {account.name}"
    found: dict[str, str] = {}
    missing: list[str] = []
    problems: list[str] = []
    for name in wanted:
        try:
            value = _one(name, env, warn)
            _check(name, value)
        except ValueError as error:
            problems.append(str(error))
            continue
        if value:
            found[name] = value
        else:
            missing.append(name)
    if missing:
        problems.append(
            f"{', '.join(missing)} missing; set each in the environment, or name a file in "
            f"{missing[0]}_FILE and so on, or put files of these names in the folder {FOLDER_VARIABLE}"
        )
    if problems:
        raise InputError(f"{doing}: {'; '.join(problems)}")
    values = [found[name] for name in wanted]
    return Credentials(key=values[0], secret=values[1], passphrase=values[2] if len(values) > 2 else None)


def _one(name: str, env: Mapping[str, str], warn: Warn) -> str:
    """One secret from the one place that has it, empty where none has; raises ValueError."""
    sources = {f"the variable {name}": _trim(env.get(name, ""))}
    if env.get(f"{name}_FILE"):
        sources[f"the file that {name}_FILE names"] = _named(Path(env[f"{name}_FILE"]), f"{name}_FILE", warn)
    if env.get(FOLDER_VARIABLE):
        sources[f"the file {name} in the folder {FOLDER_VARIABLE}"] = _from_folder(
            Path(env[FOLDER_VARIABLE]), name, warn
        )
    holding = [source for source, value in sources.items() if value]
    if len(holding) > 1:
        raise ValueError(f"{name} comes from {' and from '.join(holding)}; keep one")
    return sources[holding[0]] if holding else ""


def _named(path: Path, variable: str, warn: Warn) -> str:
    value = _read(path, variable, warn)
    if value is None:
        raise ValueError(f"{variable}: {path} does not exist; name a regular file that this user can read")
    return value


def _from_folder(folder: Path, name: str, warn: Warn) -> str:
    if not folder.is_dir():
        raise ValueError(f"{FOLDER_VARIABLE}: {folder} is not a folder; name the folder that holds {name}")
    return _read(folder / name, FOLDER_VARIABLE, warn) or ""


def _read(path: Path, variable: str, warn: Warn) -> str | None:
    """The secret in a file; None where there is no file."""
    try:
        raw = secret_files.read(path, lambda line: warn(f"{variable}: {line}"))
    except ValueError as error:
        raise ValueError(f"{variable}: {error}") from error
    try:
        return None if raw is None else _trim(raw.decode("utf-8"))
    except UnicodeDecodeError:
        # not chained: the cause would carry the secret's bytes
        raise ValueError(f"{variable}: {path} is not UTF-8 text; write the secret as plain text") from None


def _trim(value: str) -> str:
    """Without the newline that editors and ``echo`` leave at the end."""
    return value.removesuffix("\n").removesuffix("\r")


def _check(name: str, value: str) -> None:
    """A secret that would break a header or was pasted with something around it."""
    if any(character.isspace() or not character.isprintable() for character in value):
        raise ValueError(f"{name} holds white space or a control character; write the secret alone, on one line")
    if any(ord(character) > 0xFF for character in value):
        raise ValueError(f"{name} holds a character that no HTTP header can carry (not latin-1); write it again")
