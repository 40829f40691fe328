"""The brake by hand: ``RECONCILE_FROZEN`` freezes accounts for one runner, files in ``<home>/frozen`` for one home.

A misspelt name would go unnoticed, so a name that fits no account freezes every account. The person who wrote it meant
to stop something. An unneeded stop can be lifted; a transfer that was sent cannot be reversed.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from reconcile.errors import JournalError
from reconcile.files import regular
from reconcile.journal.base import Store
from reconcile.journal.brake import EVERY
from reconcile.journal.identity import is_notes
from reconcile.render.common.values import clean
from reconcile.statefile import scalars

VARIABLE = "RECONCILE_FROZEN"
_LONGEST_REASON = 4_096  # bytes; more of a freeze file is not read
_MOST_SHOWN = 60


def frozen_by_hand(env: Mapping[str, str], home: Path) -> list[str]:
    """The names that the environment or a file in the home freezes; ``*`` is every account."""
    return sorted({*_variable(env), *_files(home)})


def why_frozen(env: Mapping[str, str], home: Path, account: str, *, known: set[str], store: Store) -> str | None:
    """The reason why nothing may be sent for an account now; None where nothing freezes it.

    ``known`` are the accounts whose state files this process has read; where a name is none of them, those that have
    journals are added. Raises JournalError where journals cannot be listed.
    """
    variable = _variable(env)
    if EVERY in variable or account in variable:
        return f"by {VARIABLE}"
    return _file(home, account) or _unknown(variable, _files(home), known=known, store=store)


def accounts_of(store: Store) -> Mapping[str, list[str]]:
    """The journals that have ever had each account's name; one that cannot be read is none to freeze by."""
    found: dict[str, list[str]] = {}
    for identity in store.identities():
        if is_notes(identity):
            continue
        try:
            names = store.read(identity).names
        except JournalError:
            continue
        for name in names:
            found.setdefault(name, []).append(identity)
    return found


def _variable(env: Mapping[str, str]) -> list[str]:
    return [name for each in env.get(VARIABLE, "").split(",") if (name := each.strip())]


def _files(home: Path) -> list[str]:
    """The names in the folder; what begins with a dot is part of how Kubernetes mounts it."""
    try:
        return sorted(name for name in os.listdir(home / "frozen") if not name.startswith("."))  # noqa: PTH208 - names
    except OSError:  # where it cannot be read, neither can the file of an account: that freezes it
        return []


def _file(home: Path, account: str) -> str | None:
    path = f"{home}/frozen/{account}"
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):  # a home that is no folder is the journal's error to tell
        return None
    except OSError as error:
        return f"the freeze file cannot be read ({error.strerror})"
    try:
        text = regular.read(Path(path), most=_LONGEST_REASON).decode("utf-8", "replace").strip()
    except OSError as error:
        return f"the freeze file cannot be read ({error.strerror})"
    return text.splitlines()[0] if text else "no reason given"


def _unknown(variable: list[str], files: list[str], *, known: set[str], store: Store) -> str | None:
    """The reason that a name of no account freezes all. Journals are read only for a name that no state file has."""
    if {*variable, *files} <= known:
        return None
    known |= accounts_of(store).keys()
    name = next((name for name in (*variable, *files) if name not in known), None)
    if name is None:
        return None
    where = VARIABLE if name in variable else "a file in the home's folder frozen"
    meant = scalars.hint(name, tuple(sorted(known))) if known else f"expected an account, or {EVERY} for all"
    return (
        f"{where} names '{clean(name[:_MOST_SHOWN])}', which is no account of these state files or of a journal here, "
        f"so every account is frozen; {meant}"
    )
