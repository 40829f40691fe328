"""Notes: a hash chain beside each account's journal for refusals before the lock and decisions of a watch.

Only the holder of an account's lock writes its journal; this is how a run proves that no other run sends. A run that
does not get the lock must still be on record, so it writes notes. They are the same records and hash chain in the same
store, under a name of their own (``identity.notes_of``). Notes have a lock of their own, held for one append.

Every run that gets the account's lock names the head of the notes in its first record, and its own head in its result.
So the journal reveals a change of older notes, and a pinned head reveals a cut of the journal. Code that sends never
reads notes.

The account's own credentials tell which account notes belong to. If the exchange does not answer, the key's fingerprint
stands for the account. Without credentials, or where a plan cannot be trusted to name its account, the note goes to
``identity.UNATTRIBUTED``. It then has the names of files as they were typed.

Notes are for the auditor and never a reason to fail or to wait for long: where one cannot be written, that is said.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from reconcile.concurrency import interruptible
from reconcile.errors import Declined, InputError, Interrupted, ReadFailed, ReconcileError
from reconcile.journal.identity import UNATTRIBUTED, notes_of
from reconcile.journal.records import NoteRecord
from reconcile.model.account import DesiredAccount
from reconcile.model.notes import RefusalNote
from reconcile.model.run_start import RunStart
from reconcile.usecases.account import as_error
from reconcile.usecases.account_identity import ask
from reconcile.usecases.world import World

LONGEST_WAIT_MS = 2_000
"""The longest wait of a note for others that are just being written, and for the exchange to name its account."""


async def note(
    world: World, account: str, record: NoteRecord, *, name: str, run_id: str | None = None, command: str
) -> str | None:
    """Append one record to the notes of an account (a journal's identity), called ``name`` by people.

    Returns the notes' head then; None where it could not be written, which is said.
    """
    holder = world.holder(command)
    where = notes_of(account)
    try:
        opened = world.store.open(where, run_id=run_id or world.new_id(), holder=holder, timeout_ms=LONGEST_WAIT_MS)
        async with opened as journal:
            await journal.append(record, durable=True)
            return journal.head
    except ReconcileError as failure:
        world.alarm(f"{name}: not in the journal ({record.what}): {failure}")
        return None


def refusal(
    world: World,
    error: ReconcileError,
    *,
    command: str,
    start: RunStart,
    more: Mapping[str, Any] = MappingProxyType({}),
    message: str | None = None,
) -> NoteRecord:
    """A run that ended before it held the account, and why; ``start`` and ``more`` are what is known of it.

    ``message`` stands in place of the error's own.
    """
    found, code = as_error(error)
    note = RefusalNote(
        start=start,
        host=world.host,
        command=command,
        key=found.key,
        message=found.message if message is None else message,
        exit_code=code,
        more=more,
    )
    return NoteRecord(what=note.what, details=note)


async def whose(world: World, desired: DesiredAccount, error: ReconcileError) -> str:
    """The notes chain for a run that failed with ``error`` before its account was identified.

    The exchange is asked only where it was not asked in vain already, not for long, and where no stop was requested.
    """
    try:
        connection = world.reader(desired)
    except InputError:
        return UNATTRIBUTED
    if not isinstance(error, ReadFailed | Interrupted):
        with suppress(ReadFailed, Interrupted, TimeoutError):
            async with asyncio.timeout(LONGEST_WAIT_MS / 1000):
                work = ask(world, connection)
                return (await interruptible(world.stop, work, doing="asking which account the key belongs to")).journal
    return connection.identify(None)


async def refused_unread(
    world: World,
    error: Declined | InputError,
    *,
    message: str,
    command: str,
    reason: str | None,
    more: Mapping[str, Any],
) -> None:
    """Note a run that was refused before it knew any account; ``message`` says what is known without trusting it.

    ``more`` is what was typed.
    """
    start = RunStart(account=UNATTRIBUTED, actor=world.actor, reason=reason, tool_version=world.version)
    record = refusal(world, error, command=command, start=start, more=more, message=message)
    await note(world, UNATTRIBUTED, record, name=command, command=command)


async def head_of(world: World, account: str) -> str | None:
    """The head of an account's notes, for the first record of a run; None where there are none, or none to be read.

    Only their last line is read, so they cost a run nothing however many they are; their chain is for the auditor.
    """
    try:
        return await world.store.head(notes_of(account))
    except ReconcileError as failure:
        world.alarm(f"reading the notes beside the journal: {failure}; the run goes on, 'audit verify' tells more")
        return None
