"""What every command over state files does first: read them all, and what was typed about them."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import which

from reconcile import statefile
from reconcile.errors import UsageError
from reconcile.model.account import DesiredAccount
from reconcile.model.traits import TRAITS
from reconcile.planning import targets

TITLES: Mapping[str, str] = {name: traits.title for name, traits in TRAITS.items()}
"""What people call each exchange."""

_GIT_SECONDS = 5
_COMMIT = "# branch.oid "


def load(
    paths: Sequence[str], *, globs: Sequence[str] = (), overrides: Sequence[str] = ()
) -> tuple[tuple[DesiredAccount, ...], dict[str, dict[str, str]]]:
    """Every account of these paths, and the overrides by account.

    Raises StateFileErrors, InputError, and UsageError for a glob or an override that means nothing here.
    """
    accounts = statefile.load([Path(path) for path in paths])
    targets.check(globs, accounts)
    chosen = statefile.split_overrides(overrides, [account.name for account in accounts])
    for account in accounts:
        for key, value in chosen.get(account.name, {}).items():
            statefile.override(account, f"{key}={value}")
    return accounts, chosen


def counted(accounts: Sequence[DesiredAccount]) -> str:
    """``1 account``, ``12 accounts``."""
    return f"{len(accounts)} account{'' if len(accounts) == 1 else 's'}"


def required_reason(reason: str | None, overrides: Sequence[str]) -> str | None:
    """The reason without white space around it, None for none; raises UsageError where an override lacks one."""
    reason = (reason or "").strip() or None
    if overrides and reason is None:
        raise UsageError("--override: a limit is only lifted with a reason; add --reason TEXT")
    return reason


def git_commit(paths: Sequence[str]) -> str | None:
    """The commit that the first of these files is in, ``-dirty`` behind it when one of them differs from it.

    None outside a repository and without git; for the record only, never compared.
    """
    git = which("git")
    if git is None or not paths:
        return None
    first = Path(paths[0]).resolve()
    folder = first if first.is_dir() else first.parent
    if "GIT_DIR" not in os.environ and not any((above / ".git").exists() for above in (folder, *folder.parents)):
        return None  # asking git itself takes longer than all the rest of a small plan
    commit, changed = None, False
    files = (str(Path(path).resolve()) for path in paths)
    for line in _git(git, folder, "status", "--porcelain=v2", "--branch", "--", *files).splitlines():
        if line.startswith(_COMMIT):
            commit = line.removeprefix(_COMMIT)
        changed = changed or not line.startswith("#")
    if commit is None or not commit.isalnum():  # "(initial)" before the first commit
        return None
    return f"{commit}-dirty" if changed else commit


def _git(git: str, folder: Path, *words: str) -> str:
    import subprocess  # noqa: PLC0415 - only inside a repository

    try:
        done = subprocess.run(  # noqa: S603 - a fixed program with paths behind '--'
            [git, "-C", str(folder), *words], capture_output=True, text=True, timeout=_GIT_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
