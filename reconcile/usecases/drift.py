"""``reconcile drift``: what moved since we last applied, and why. Reads only."""

import asyncio
from collections.abc import Mapping, Sequence

from reconcile.concurrency import gather_all
from reconcile.errors import Containment, ReconcileError
from reconcile.exchanges.base import Reader
from reconcile.model.account import DesiredAccount, Position, SymbolState, Target
from reconcile.model.drift import AccountDrift, Drift, NotCompared
from reconcile.planning.order import hold_exit_code, worst
from reconcile.planning.unlisted import UNLISTED, not_shown, reasons
from reconcile.usecases.account import as_error, at_work, expanded_look
from reconcile.usecases.account_identity import ACCOUNTS_AT_ONCE, AccountConnection, Roster, reach
from reconcile.usecases.explain import Reading, drift_of
from reconcile.usecases.world import World


def exit_code(found: AccountDrift, *, detailed: bool) -> int:
    """The account's exit code; ``detailed``: 2 means that it drifted, 5 that the outcome of a call is unknown.

    As for a plan, 3 says that an entry names no instrument of the exchange or, ``detailed``, that one is unusable.
    """
    blockers = {each.blocked_by for each in found.not_compared} - {None}
    blocked = 3 if UNLISTED in blockers or (detailed and blockers) else 0
    if not detailed:
        return worst([found.exit_code, blocked])
    return worst([found.exit_code, blocked, 2 if found.has_drifted else 0, *map(hold_exit_code, found.holds)])


async def drift(world: World, accounts: Sequence[DesiredAccount]) -> tuple[AccountDrift, ...]:
    """The drift of every account; an error of one does not affect the others."""
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


async def _drifted(world: World, desired: DesiredAccount, reached: AccountConnection[Reader]) -> AccountDrift:
    reader, journal = reached.connection.adapter, reached.account.journal
    state = world.store.read(journal)
    desired, look, held = await expanded_look(world, desired, reader, state)
    if await world.store.head(journal) not in {None, state.head}:
        held = {**held, **at_work(state, world.store.read(journal), desired, reader)}
    reading = Reading(reader=reader, desired=desired, state=state, look=look, held=held)
    unlisted = reasons(desired.targets, look)
    found = await gather_all(_compared(reading, each, unlisted) for each in desired.targets)
    return AccountDrift(
        account=desired.name,
        state_file=desired.path,
        observed_wall_ms=look.sent_at_ms,
        entries=tuple(each for each in found if isinstance(each, Drift)),
        not_compared=tuple(each for each in found if isinstance(each, NotCompared)),
    )


async def _compared(reading: Reading, target: Target, unlisted: Mapping[str, str]) -> Drift | NotCompared:
    """One address's drift, or why there is none to tell. Raises ReadFailed."""
    look, address = reading.look, target.address
    symbol = look.symbols.get(address.symbol)
    if symbol is None or address in look.unusable:
        return _left_out(reading, target, *not_shown(address, look, unlisted))
    drift = await drift_of(reading, target)
    return drift or _left_out(reading, target, None, _nothing_to_compare(target, look.positions.get(address), symbol))


def _left_out(reading: Reading, target: Target, blocked_by: str | None, reason: str) -> NotCompared:
    held = reading.held.get(target.address)
    return NotCompared(address=target.address, blocked_by=blocked_by, reason=reason, line=target.line, held=held)


def _nothing_to_compare(target: Target, position: Position | None, symbol: SymbolState) -> str:
    """The reason not to compare an address: no declared margin, or neither an applied nor a live one."""
    is_open = position is not None and position.is_open
    shown = position.margin_type if position is not None and is_open else symbol.margin_type
    differs = "" if shown in {None, target.margin_type} else f", but the exchange has {shown} (see reconcile plan)"
    if not target.declares_margin:
        known = "the position is open" if is_open else "no open position"
        return f"only its margin type is declared: {target.margin_type}{differs}; {known}"
    if not is_open:
        return "no open position, and reconcile never applied one"
    return f"{target.margin_type} is declared{differs}; reconcile never applied it"
