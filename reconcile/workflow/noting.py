"""Telling a journal what happened outside of any run: a refusal before the lock, a decision of a watch.

It is for the auditor and never a reason to fail: where it cannot be written at once, that is said and no more.
"""

from reconcile.errors import ReconcileError
from reconcile.journal.records import Noted
from reconcile.model import DesiredAccount
from reconcile.workflow.account import identify
from reconcile.workflow.world import World


async def note(
    world: World, desired: DesiredAccount, identity: str, record: Noted, *, run_id: str, command: str
) -> None:
    """Append one record to the account's journal, under its lock, if that is free now.

    ``identity`` is the journal's, empty where it is not known yet; then the exchange is asked for it.
    """
    holder = {"host": world.host, "actor": world.actor, "command": command}
    try:
        identity = identity or await identify(world.connect(desired, True))  # noqa: FBT003 - read only
        async with world.store.open(identity, run_id=run_id, holder=holder, timeout_ms=0) as journal:
            await journal.append(record, durable=True)
    except ReconcileError as failure:
        world.progress(f"{desired.name}: not in the journal ({record.what}): {failure}")
