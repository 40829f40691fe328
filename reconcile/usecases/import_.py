"""``reconcile import``: a live account as the state file that declares it as it is. Reads only.

A first look finds what is open; a second one, which knows the symbols as a plan would, gives the amounts. A plan made
from the file therefore finds nothing to do. What cannot be declared is left out and said. An amount that may predate
our own last step is never written: the import waits for a better look, and fails without one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from reconcile.concurrency import gather_all
from reconcile.errors import Declined, ReadFailed, ReconcileError
from reconcile.exchanges.base import Reader
from reconcile.exchanges.catalogue import TRAITS
from reconcile.journal.state import JournalState
from reconcile.model.account import (
    Address,
    DesiredAccount,
    MarginType,
    ObservedAccount,
    Percent,
    Position,
    Target,
    Tolerance,
)
from reconcile.model.measures import Measure
from reconcile.model.plan import Status
from reconcile.planning import order
from reconcile.render.common.values import why
from reconcile.usecases.account import guarded_look
from reconcile.usecases.account_identity import AccountConnection, Roster, may_be_same, reach, several_files
from reconcile.usecases.import_bands import around, provisional
from reconcile.usecases.world import Connection, World

TOLERANCE = Percent(value=Decimal("0.5"))
"""The value that the file gives every position: the contract's own default, written out."""
LOOKS = 3
"""The most looks that an import takes until one shows no position that the look before did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """An account as found: ``desired`` declares it, ``notes`` say what was left out or will not be in sync, and why.

    ``observed_wall_ms`` is the Unix time of the look that the amounts are from.
    """

    desired: DesiredAccount
    notes: tuple[str, ...]
    observed_wall_ms: int


async def import_account(
    world: World,
    account: DesiredAccount,
    *,
    crossed: bool,
    measure: Measure | None = None,
    beside: Sequence[DesiredAccount] = (),
) -> ImportResult:
    """Read the account that ``account`` names (its targets and mode are ignored); ``crossed`` declares crossed too.
    With ``measure``, positions are declared by bands of it instead of amounts.

    ``beside`` are the state files that will stand beside the new one. Raises InputError, JournalError, and ReadFailed
    (also where an amount may predate our own last step). Raises Declined (key ``account``) where one of the files is
    for the same account.
    """
    reached, unknown = await _alone(world, account, beside)
    reader = reached.connection.adapter
    account = replace(account, uid=reached.account.uid)
    state = world.store.read(reached.account.journal)
    look, found = await _sound(world, account, reached.connection, state, crossed=crossed, measure=measure)
    listed = tuple(target for target in found.targets if target.address.symbol in look.symbols)
    kept: tuple[str, ...] = ()
    if measure is not None:
        listed, kept = around(listed, look, measure)
    found = replace(found, targets=listed)
    planned = order.plan_account(
        found,
        look,
        held={},
        traits=reader.traits,
        plan_id="import",
        observed_wall_ms=world.clock.wall_ms(),
        identity=reached.account.name,
    )
    if found.uid is None:
        unknown = ["the exchange does not tell this key which account it belongs to, so no uid is pinned", *unknown]
    notes = [*unknown, *_left_out(look, crossed=crossed), *kept, *(error.message for error in planned.errors)]
    notes += [
        f"{entry.address}: {why(entry)}"
        for entry in planned.entries
        if entry.status not in {Status.IN_SYNC, Status.UNMANAGED}
    ]
    return ImportResult(desired=found, notes=tuple(notes), observed_wall_ms=world.clock.wall_ms())


async def _alone(
    world: World, account: DesiredAccount, beside: Sequence[DesiredAccount]
) -> tuple[AccountConnection[Reader], list[str]]:
    """The way to the account where no file beside it is for the same one, and which files cannot be told from it.

    A pin tells without a key; the account of a file without one is asked of the exchange.
    """
    rivals = [other for other in beside if may_be_same(account, other)]
    asked = [other for other in rivals if other.uid is None]
    roster = Roster([account, *asked])
    unknown: list[str] = []

    async def join(other: DesiredAccount) -> AccountConnection[Reader] | None:
        try:
            return await roster.join(other, lambda: reach(world, other, world.reader(other)))
        except ReconcileError as error:
            if other is account:
                raise
            if not isinstance(error, Declined):
                unknown.append(f"reconcile cannot tell whether {other.path} is for the same account: {error}")
            return None

    reached = (await gather_all(map(join, [account, *asked])))[0]
    if reached is None:
        raise RuntimeError("an account was neither reached nor refused")
    if reached.account.uid is None:
        why = "the exchange tells this key no id"
        pinned = [other.path for other in rivals if other.uid is not None]
        unknown += [f"reconcile cannot tell whether {path} is for the same account: {why}" for path in pinned]
    elif same := [other for other in rivals if other.uid == reached.account.uid]:
        raise several_files(account, [account, *same])
    return reached, sorted(unknown)


async def _sound(
    world: World,
    account: DesiredAccount,
    connection: Connection[Reader],
    state: JournalState,
    *,
    crossed: bool,
    measure: Measure | None,
) -> tuple[ObservedAccount, DesiredAccount]:
    """A look that has seen our own steps, and the account as it declares it. Raises ReadFailed."""
    look = await connection.adapter.observe({})
    found = _declaring(account, look, crossed=crossed, measure=measure)
    for _ in range(LOOKS):
        asked = found
        look, held = await guarded_look(world, replace(asked, grace_ms=_grace_ms(state)), connection.adapter, state)
        if held:
            reasons = "; ".join(f"{address}: {held[address].reason}" for address in sorted(held))
            raise ReadFailed(f"importing {account.name}: {reasons}; nothing was written", again=True)
        found = _declaring(account, look, crossed=crossed, measure=measure)
        if {target.address for target in found.targets} <= {target.address for target in asked.targets}:
            return look, found
    raise ReadFailed(
        f"importing {account.name}: each of {LOOKS} looks showed a position that the one before did not; "
        "nothing was written; import again when no positions are being opened",
        again=True,
    )


def _grace_ms(state: JournalState) -> int | None:
    """As the last run declared it; None for the exchange's own."""
    return None if state.last_run is None else state.last_run.details.grace_ms


def _declaring(
    account: DesiredAccount, look: ObservedAccount, *, crossed: bool, measure: Measure | None
) -> DesiredAccount:
    targets = _targets(look, crossed=crossed, switched=TRAITS[account.exchange].sets_auto_add)
    if measure is not None:
        targets = tuple(provisional(target, measure) for target in targets)
    return replace(account, position_mode=look.position_mode, targets=targets)


def _targets(look: ObservedAccount, *, crossed: bool, switched: bool = False) -> tuple[Target, ...]:
    """A target for each open position; ``switched``: a call switches auto-add, so where that is on it is declared."""
    return tuple(
        replace(_target(address, position), auto_add=True if switched and position.auto_add else None)
        for address, position in sorted(look.positions.items())
        if _declarable(position) and (crossed or position.margin_type is MarginType.ISOLATED)
    )


def _target(address: Address, position: Position) -> Target:
    isolated = position.margin_type is MarginType.ISOLATED
    return Target(
        address=address,
        margin_type=position.margin_type,
        isolated_margin=position.isolated_margin if isolated else None,
        tolerance=Tolerance(value=TOLERANCE.value, percent=True),
    )


def _declarable(position: Position) -> bool:
    return position.is_open and position.isolated_margin >= 0


def _left_out(look: ObservedAccount, *, crossed: bool) -> list[str]:
    notes = [
        f"{address} is left out: the exchange shows a margin below zero"
        for address, position in sorted(look.positions.items())
        if position.is_open and not _declarable(position)
    ]
    notes += [f"{address} is left out: {problem}" for address, problem in sorted(look.unusable.items())]
    notes += [
        f"{target.address} is left out: {target.address.symbol} is not one of the exchange's instruments"
        for target in _targets(look, crossed=crossed)
        if target.address.symbol not in look.symbols
    ]
    others = [
        str(address)
        for address, position in sorted(look.positions.items())
        if position.is_open and position.margin_type is MarginType.CROSSED
    ]
    if others and not crossed:
        notes.append(f"left out as crossed (--crossed declares them): {', '.join(others)}")
    return notes
