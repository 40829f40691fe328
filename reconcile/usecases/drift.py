"""``reconcile drift``: what moved since we last applied, and why. Reads only."""

import asyncio
from collections.abc import Sequence

from reconcile.concurrency import gather_all
from reconcile.errors import Containment, ReconcileError
from reconcile.exchanges.base import Reader
from reconcile.model.account import DesiredAccount
from reconcile.model.drift import AccountDrift, NotCompared
from reconcile.planning.order import worst
from reconcile.planning.unlisted import UNLISTED, not_shown, reasons
from reconcile.usecases.account import as_error, at_work, guarded_look
from reconcile.usecases.account_identity import ACCOUNTS_AT_ONCE, Reached, Roster, reach
from reconcile.usecases.explain import Reading, drift_of
from reconcile.usecases.world import World


def exit_code(found: AccountDrift, *, detailed: bool) -> int:
    """What it adds to the exit code; ``detailed``: 2 says that it drifted, 5 that something is unknown.

    As for a plan, 3 says that an entry names no instrument of the exchange or, ``detailed``, that one is unusable.
    """
    blocked = 3 if any(detailed or each.blocked_by == UNLISTED for each in found.not_compared) else 0
    if not detailed:
        return worst([found.exit_code, blocked])
    return worst([found.exit_code, blocked, 2 if found.has_drifted else 0, 5 if found.is_unknown else 0])


async def drift(world: World, accounts: Sequence[DesiredAccount]) -> tuple[AccountDrift, ...]:
    """What moved on every account, each with its own fate."""
    slots = asyncio.Semaphore(ACCOUNTS_AT_ONCE)
    roster = Roster(accounts)

    async def drifted(desired: DesiredAccount) -> AccountDrift:
        reached = await roster.join(desired, lambda: reach(world, desired, world.reader(desired)))
        async with slots:
            return await _drifted(world, desired, reached)

    async def one(desired: DesiredAccount) -> AccountDrift:
        try:
            with Containment(f"reading the drift of {desired.name}", world.trace):
                return await drifted(desired)
        except ReconcileError as error:
            failure, code = as_error(error, desired)
            return AccountDrift(account=desired.name, state_file=desired.path, errors=(failure,), exit_code=code)

    return tuple(await gather_all(one(desired) for desired in accounts))


async def _drifted(world: World, desired: DesiredAccount, reached: Reached[Reader]) -> AccountDrift:
    reader, journal = reached.connection.adapter, reached.account.journal
    state = world.store.read(journal)
    look, held = await guarded_look(world, desired, reader, state)
    if await world.store.head(journal) not in {None, state.head}:
        held = {**held, **at_work(state, world.store.read(journal), desired, reader)}
    reading = Reading(reader=reader, desired=desired, state=state, look=look, held=held)
    missing = _not_compared(reading)
    left_out = {each.address for each in missing}
    found = await gather_all(drift_of(reading, each) for each in desired.targets if each.address not in left_out)
    return AccountDrift(
        account=desired.name,
        state_file=desired.path,
        observed_wall_ms=look.sent_at_ms,
        entries=tuple(entry for entry in found if entry is not None),
        not_compared=missing,
    )


def _not_compared(reading: Reading) -> tuple[NotCompared, ...]:
    """The declared addresses of which the exchange shows nothing usable, in the order of the file."""
    targets, look = reading.desired.targets, reading.look
    unlisted = reasons(targets, look)
    found = []
    for target in targets:
        address = target.address
        if address.symbol in look.symbols and address not in look.unusable:
            continue
        blocked_by, reason = not_shown(address, look, unlisted)
        held = reading.held.get(address)
        found.append(NotCompared(address=address, blocked_by=blocked_by, reason=reason, line=target.line, held=held))
    return tuple(found)
