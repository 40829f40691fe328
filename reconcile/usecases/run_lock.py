"""The lock of one account's run: waited for, held until the run's stack closes, given back without harm."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from reconcile.concurrency import interruptible
from reconcile.errors import Containment, ReconcileError
from reconcile.journal.base import Journal
from reconcile.render.holder import holder_text
from reconcile.usecases.world import World


async def hold(world: World, stack: AsyncExitStack, identity: str, *, name: str, run_id: str, command: str) -> Journal:
    """The account's journal under its lock, for the life of ``stack``.

    Raises Declined (key ``lock``), JournalError, Interrupted.
    """

    def waits_for(holder: Mapping[str, str]) -> None:
        world.progress(f"{name}: waiting for the lock, held by {holder_text(holder)}")

    lock = world.store.open(
        identity,
        run_id=run_id,
        holder=world.holder(command, run=run_id),
        timeout_ms=world.lock_timeout_ms,
        on_wait=waits_for,
    )
    journal = await interruptible(world.stop, lock.__aenter__(), doing=f"taking the lock of {name}")
    stack.push_async_callback(_give_back, world, lock, name)
    if journal.was_changed:
        world.progress(
            f"{name}: something else changed the journal since its last record; it may be an older copy, so this run "
            "takes it that it has not seen what was sent before"
        )
    return journal


async def _give_back(world: World, lock: AbstractAsyncContextManager[Journal], name: str) -> None:
    """The run has ended and is on disk by now, so a failure is told and changes no result."""
    try:
        with Containment(f"giving back the lock of {name}", world.trace):
            await lock.__aexit__(None, None, None)
    except ReconcileError as error:
        world.alarm(str(error))
