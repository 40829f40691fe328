"""The first step of every command over state files: read them all, and check the arguments about them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from reconcile import statefile
from reconcile.errors import UsageError
from reconcile.exchanges.catalogue import TRAITS
from reconcile.model.account import DesiredAccount
from reconcile.planning import target_globs

TITLES: Mapping[str, str] = {name: traits.title for name, traits in TRAITS.items()}
"""The usual name of each exchange."""


def load(
    paths: Sequence[str], *, globs: Sequence[str] = (), overrides: Sequence[str] = ()
) -> tuple[tuple[DesiredAccount, ...], dict[str, dict[str, str]]]:
    """Every account of these paths, and the overrides by account.

    Raises StateFileErrors, InputError, and UsageError for a glob or an override that means nothing here.
    """
    accounts = statefile.load([Path(path) for path in paths])
    target_globs.check(globs, accounts)
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
