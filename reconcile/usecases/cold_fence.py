"""The cold fence: the wait of a run that cannot know all earlier calls, until none of them can take effect any more.

A run knows them if its journal has seen all that was sent before. It may not have: it is new, it was made on another
machine, it was put back to an older state, or the account has other journals beside it.
"""

from reconcile.exchanges.base import Reader
from reconcile.journal.base import Journal
from reconcile.model.account import DesiredAccount
from reconcile.protocol.timing import LONG_AFTER_GRACES
from reconcile.usecases.account import grace_ms
from reconcile.usecases.world import Connection, World


def seen_from(journal: Journal, world: World) -> bool:
    """Whether this journal has seen everything that was sent before: its last run was here, or in the same database.

    Here is the same running machine: not another container of the same name, and not before a reboot. A journal that
    something else has changed may be an older copy.
    """
    last = journal.state.last_run
    if last is None or journal.was_changed:
        return False
    if journal.place is not None:
        return last.details.journal_place == journal.place
    return (last.host, last.machine) == (world.host, world.machine)


def cold_until(world: World, desired: DesiredAccount, journal: Journal, connection: Connection[Reader]) -> int | None:
    """The exchange time before which a request that this journal has not seen could still take effect; None: none."""
    if not connection.cold_fence:
        return None
    writer, grace = connection.adapter, grace_ms(desired, connection.adapter)
    from_now_ms = writer.time.latest() + writer.traits.validity_ms + grace
    beside_ms = journal.state.beside_ms
    is_late = beside_ms is not None and writer.time.earliest() <= beside_ms + LONG_AFTER_GRACES * grace
    if is_late or not seen_from(journal, world):
        return from_now_ms
    known_ms = journal.state.cold_until_ms
    return None if known_ms is None else min(known_ms, from_now_ms)  # later only where a wrong time was served then
