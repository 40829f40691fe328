"""The protocol of a journal store; files (``store.py``) fulfil it, and a second store may.

A store holds one journal and one lock per account identity. Reading needs no lock; writing needs it. The lock belongs
to a living process and dies with it.
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
    """What all records add up to, kept current by every append."""

    async def append(self, record: Record, *, durable: bool) -> None:
        """Append one record under the run id this journal was opened with.

        With ``durable`` it returns only when the record is flushed to disk; one flush may serve many waiting appends.
        Without, the record is in the file but may be lost in a power cut. Raises JournalError when it cannot be
        written: then nothing may be sent any more, and every later append fails too. An intent for a lane whose earlier
        intent is unsettled is refused the same way, but leaves the journal usable.
        """
        ...

    def check(self) -> None:
        """Raise LockLost unless what we hold is still the lock and the journal still ends with our last record."""
        ...

    @property
    def head(self) -> str:
        """The hash of the last record: pins the whole journal."""
        ...

    @property
    def place(self) -> str | None:
        """Where the journal has been without a gap: a run that began in the same place has left nothing unseen.

        None where that is the host's own disk.
        """
        ...

    @property
    def was_changed(self) -> bool:
        """Whether something else than a run changed it since its last record, as when an older copy is put back.

        It may lack what runs wrote last.
        """
        ...


class Store(Protocol):
    """All journals of one home (or of one database)."""

    def open(
        self,
        identity: str,
        *,
        run_id: str,
        holder: Mapping[str, str],
        timeout_ms: int,
        on_wait: Callable[[Mapping[str, str]], None] | None = None,
    ) -> AbstractAsyncContextManager[Journal]:
        """Take the account's lock, fold the journal, verifying its chain from the last checkpoint; or create it.

        ``holder`` is shown to whoever waits. Raises Declined (key ``lock``) naming the holder when the lock is not free
        within ``timeout_ms`` (0: not free at once), ChainBroken, or JournalError. ``on_wait`` is called once, with the
        holder, when there is something to wait for.
        """
        ...

    def read(self, identity: str, *, pinned: str | None = None, whole: bool = False) -> JournalState:
        """Fold an account's journal without the lock, verifying the chain; a new state where there is none.

        It begins at the last checkpoint; with ``whole`` at the first record, which proves every checkpoint too, and
        alone tells ``notes_heads``. ``pinned`` is a head seen earlier: ChainBroken when no record has it, so the end
        was cut off; all is read then. An unfinished last line is ignored. Raises ChainBroken or JournalError.
        """
        ...

    async def head(self, identity: str) -> str | None:
        """The hash of the last whole line, of which alone nothing but its own form is proven; None where there is none.

        It costs the same for a journal of any length. Raises JournalError.
        """
        ...

    async def last(self, identity: str) -> Mapping[str, Any] | None:
        """The last whole line, of which alone nothing but its own form is proven; None where there is none.

        It costs the same for a journal of any length. Raises JournalError.
        """
        ...

    def lines(self, identity: str) -> Iterator[JournalEntry]:
        """The records in order, verifying the chain as they are read."""
        ...

    def holder(self, identity: str) -> Mapping[str, str] | None:
        """Who holds the lock now; None when it is free."""
        ...

    def identities(self) -> list[str]:
        """The accounts there are journals of."""
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
        """Lead an account's journal to another name by a chained record, or finish that; whether there was any to do.

        Under the locks of both names; ``moving`` says what is done. ``open`` and ``read`` of the old name raise
        Declined (key ``account``) from then on. Raises Declined (keys ``lock``, ``account``), or JournalError.
        """
        ...

    async def retire(self, identity: str, *, holder: Mapping[str, str], timeout_ms: int = 0) -> str | None:
        """Put an account's journal aside, under its lock, so that the next run begins a new one.

        Returns the name under which it is kept, None where there was none. Raises Declined (key ``lock``) or
        JournalError.
        """
        ...
