"""The emergency brake: the accounts that are frozen, by the last record of a chain of its own.

The chain is beside the journals, in the same store, so that every runner that shares a journal reads it. Each record
holds the complete list of freezes, so the last line decides whether a send may begin. For the auditor, the chain shows
who froze which account, when and why.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconcile.errors import JournalError
from reconcile.journal.base import Store
from reconcile.journal.codec import decode
from reconcile.journal.identity import BRAKE, notes_of
from reconcile.journal.records import NoteRecord
from reconcile.model.notes import BrakeNote, Freeze

EVERY = "*"
"""Stands for every account, known or not."""
CHAIN = notes_of(BRAKE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Brake:
    """The freezes, by account name; ``EVERY`` freezes all accounts."""

    freezes: Mapping[str, Freeze] = field(default_factory=dict)

    def holding(self, account: str, *identities: str) -> Freeze | None:
        """The freeze of this account, by its own name or a name of its journal; None if it is not frozen."""
        for name, freeze in self.freezes.items():
            if name in {EVERY, account} or set(identities) & set(freeze.identities):
                return freeze
        return None

    def record(self, *, command: str, account: str, reason: str, actor: str, host: str) -> NoteRecord:
        """The record of this state of the brake, with the person who changed it and the reason."""
        note = BrakeNote(command=command, account=account, reason=reason, actor=actor, host=host, frozen=self.freezes)
        return NoteRecord(what=note.what, details=note)


async def read_brake(store: Store) -> Brake:
    """The freezes now. Raises JournalError if they cannot be read: nothing may be sent then."""
    last = await store.last(CHAIN)
    if last is None:
        return Brake()
    if not _is_brake(last):  # the header, or a repair after a crash
        last = _last_of(store.lines(CHAIN))
    return Brake() if last is None else _brake(last)


def _last_of(records: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    found = None
    for record in records:
        if _is_brake(record):
            found = record
    return found


def _is_brake(record: Mapping[str, Any]) -> bool:
    return (record.get("kind"), record.get("what")) == (NoteRecord.kind, BrakeNote.what)


def _brake(record: Mapping[str, Any]) -> Brake:
    try:
        note = decode(dict(record))
    except ValueError as error:
        raise _unreadable(str(error)) from error
    if not isinstance(note, NoteRecord) or not isinstance(note.details, BrakeNote) or note.details.frozen is None:
        raise _unreadable("it does not say what is frozen")
    return Brake(freezes=note.details.frozen)


def _unreadable(what: str) -> JournalError:
    return JournalError(
        f"reading the brake's last record: {what}; nothing is sent; a newer reconcile may have written it: use that, "
        f"or look into {CHAIN} before you lift it with 'reconcile unfreeze --all'"
    )
