"""The interface of a journal store; files and PostgreSQL implement it.

A store holds one journal and one lock per account identity. Only writing needs the lock. The lock belongs to a living
process and ends with it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from reconcile.journal.chain import JournalEntry
from reconcile.journal.records import Record
from reconcile.journal.state import JournalState


class Journal(Protocol):
    """One account's journal, held under its lock."""

    identity: str
    state: JournalState
    """The state that all records add up to; every append updates it."""

    async def append(self, record: Record, *, durable: bool) -> None:
        """Append one record under the run id this journal was opened with.

        With ``durable`` it returns only when the record is flushed to disk; one flush may serve many waiting appends.
        Without ``durable``, the record may be lost in a power cut. Raises JournalError if the record cannot be written:
        nothing may be sent after that, and every later append fails too. An intent for a lane whose earlier intent is
        unsettled raises JournalError as well, but leaves the journal usable.
        """
        ...

    def check(self) -> None:
        """Raise LockLost unless we still hold the account's lock and the journal still ends with our last record."""
        ...

    @property
    def head(self) -> str:
        """The hash of the last record: pins the whole journal."""
        ...

    @property
    def place(self) -> str | None:
        """The place in which the journal has no gap: it holds every record of runs that began in the same place.

        None for the host's own disk.
        """
        ...

    @property
    def was_changed(self) -> bool:
        """Whether something other than a run changed it after its last record, for example a restored older copy.

        The newest records may then be missing.
        """
        ...


class Store(Protocol):
    """All journals of one home or of one database."""

    def open(
        self,
        identity: str,
        *,
        run_id: str,
        holder: Mapping[str, str],
        timeout_ms: int,
        on_wait: Callable[[Mapping[str, str]], None] | None = None,
    ) -> AbstractAsyncContextManager[Journal]:
        """Take the account's lock, and read the journal or create it; the chain is verified from a late checkpoint on.

        Waiting processes see ``holder``. If this one has to wait, it calls ``on_wait`` once with the present holder.
        Raises Declined (key ``lock``), which names the holder, if the lock is not free within ``timeout_ms`` (0: no
        wait). Raises ChainBroken or JournalError.
        """
        ...

    def read(self, identity: str, *, pinned: str | None = None, whole: bool = False) -> JournalState:
        """Read an account's journal without the lock, and verify its chain; a new state if there is no journal.

        It reads from a late checkpoint on. With ``whole`` it reads all records, which proves every checkpoint too; only
        then is ``notes_heads`` known. ``pinned`` is a head seen earlier, and makes it read all. It raises ChainBroken
        if no record has that hash, because the end was then cut off. It ignores an unfinished last line. Raises
        ChainBroken or JournalError.
        """
        ...

    async def head(self, identity: str) -> str | None:
        """The hash of the last whole line, None if there is none. Only the line's own form is proven, not the chain.

        It costs the same for a journal of any length. Raises JournalError.
        """
        ...

    async def last(self, identity: str) -> Mapping[str, Any] | None:
        """The last whole line, None if there is none. Only the line's own form is proven, not the chain.

        It costs the same for a journal of any length. Raises JournalError.
        """
        ...

    def lines(self, identity: str) -> Iterator[JournalEntry]:
        """The records in order; the chain is verified while they are read."""
        ...

    def holder(self, identity: str) -> Mapping[str, str] | None:
        """The holder of the lock now; None if it is free."""
        ...

    def identities(self) -> list[str]:
        """The accounts that have a journal."""
        ...

    async def move(
        self,
        identity: str,
        to: str,
        *,
        run_id: str,
        holder: Mapping[str, str],
        timeout_ms: int,
        on_wait: Callable[[Mapping[str, str]], None] | None = None,
    ) -> bool:
        """Move an account's journal to another name by a chained record, or finish a move; False if nothing was to do.

        It takes the locks of both names; see ``moving``. Afterwards ``open`` and ``read`` of the old name raise
        Declined (key ``account``). Raises Declined (keys ``lock``, ``account``) or JournalError.
        """
        ...

    async def retire(self, identity: str, *, holder: Mapping[str, str], timeout_ms: int = 0) -> str | None:
        """Put an account's journal aside, under its lock, so that the next run begins a new one.

        Returns the name under which it is kept, None if there was none. Raises Declined (key ``lock``) or JournalError.
        """
        ...
