"""The lock of one account's run: waited for, held until the run's stack closes, given back without harm."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType

from reconcile.concurrency import interruptible
from reconcile.errors import Containment, Declined, ReconcileError
from reconcile.journal.base import Journal
from reconcile.render.common.holder import holder_text
from reconcile.usecases.account_identity import AccountIdentity, with_beside
from reconcile.usecases.world import World


async def hold(
    world: World, stack: AsyncExitStack, account: AccountIdentity, *, name: str, run_id: str, command: str
) -> Journal:
    """The account's journal under its lock, for the life of ``stack``; moved to the account's identity before.

    Raises Declined (keys ``lock``, ``account``), JournalError, Interrupted.
    """
    for former in account.moves:
        was_moved = await _move(world, former, account.name, name=name, run_id=run_id, command=command)
        if was_moved and former in account.beside:
            world.alarm(f"{name}: the journal {former} was closed; runs go on in {account.name}, the account's own id")
        elif was_moved:
            world.alarm(f"{name}: the journal {former} was moved to {account.name}, the account's own id")
    wait = _LockWait(world, name)
    lock = world.store.open(
        account.name,
        run_id=run_id,
        holder=world.holder(command, run=run_id),
        timeout_ms=world.lock_timeout_ms,
        on_wait=wait.begins,
    )
    with wait:
        journal = await interruptible(world.stop, lock.__aenter__(), doing=f"taking the lock of {name}")
    stack.push_async_callback(_give_back, world, lock, name)
    with_beside(world, account, journal.state)
    if journal.was_changed:
        world.progress(
            f"{name}: something else changed the journal since its last record; it may be an older copy, so this run "
            "assumes that it lacks earlier requests"
        )
    return journal


async def _move(world: World, identity: str, to: str, *, name: str, run_id: str, command: str) -> bool:
    """Move the journal of an account that is called ``name`` to its new identity; False if nothing was to do.

    What is broken off, by a signal too, is left to the next run. Raises Declined, JournalError, Interrupted.
    """
    wait = _LockWait(world, name)
    work = world.store.move(
        identity,
        to,
        run_id=run_id,
        holder=world.holder(command, run=run_id, account=name),
        timeout_ms=world.lock_timeout_ms,
        on_wait=wait.begins,
    )
    with wait:
        return await interruptible(world.stop, work, doing=f"moving the journal of {name}")


class _LockWait:
    """Tells who holds a lock that is waited for, and counts the wait."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._name = name
        self._began_ms: int | None = None

    def begins(self, holder: Mapping[str, str]) -> None:
        """Another run holds the lock."""
        self._began_ms = self._world.clock.monotonic_ms()
        self._world.progress(f"{self._name}: waiting for the lock, held by {holder_text(holder)}")

    def __enter__(self) -> None:
        """Nothing is waited for yet."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """The lock was taken, given up, or not waited for at all."""
        now_ms = self._world.clock.monotonic_ms()
        began_ms = now_ms if isinstance(error, Declined) and error.key == "lock" else None
        began_ms = began_ms if self._began_ms is None else self._began_ms
        if began_ms is not None:
            self._world.tally.met_lock(self._name, waited_ms=now_ms - began_ms)


async def _give_back(world: World, lock: AbstractAsyncContextManager[Journal], name: str) -> None:
    """The run has ended and is on disk by now, so a failure is told and changes no result."""
    try:
        with Containment(f"giving back the lock of {name}", world.trace):
            await lock.__aexit__(None, None, None)
    except ReconcileError as error:
        world.alarm(str(error))
