"""One watch per account: a lock file of its own in the home, held as long as the watch lives, and dying with it.

It is not the account's lock, which a watch takes only while it applies: people and pipelines go on meanwhile.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from reconcile.clock import Clock
from reconcile.errors import Declined, InputError
from reconcile.journal.file.disk import Disk
from reconcile.journal.file.lock import acquire

Hold = Callable[[str, Mapping[str, str]], AbstractAsyncContextManager[None]]
"""Takes an account's identity and who holds it; raises Declined where another watch has it."""


def watch_lock(disk: Disk, clock: Clock, home: Path) -> Hold:
    """Locks in ``<home>/watch``."""

    @asynccontextmanager
    async def hold(identity: str, holder: Mapping[str, str]) -> AsyncIterator[None]:
        path = home / "watch" / f"{identity}.lock"
        try:
            disk.make_folder(path.parent)
            lock = await acquire(disk, clock, path, holder=holder, timeout_ms=0, on_wait=None)
        except OSError as error:
            raise InputError(f"starting the watch: {path}: {error.strerror}; choose another --home") from error
        except Declined as error:
            raise Declined("lock", f"starting the watch: another watch is running: {error}") from error
        try:
            yield
        finally:
            lock.release()

    return hold
