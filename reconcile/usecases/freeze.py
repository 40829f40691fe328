"""``reconcile freeze`` and ``unfreeze``: the emergency brake, journalled, heard before every send."""

from collections.abc import Callable
from dataclasses import dataclass

from reconcile.errors import InputError
from reconcile.journal.brake import CHAIN, EVERY, Brake, read_brake
from reconcile.journal.codec import rfc3339
from reconcile.model.notes import Freeze
from reconcile.statefile import scalars
from reconcile.usecases.hand_brake import accounts_of
from reconcile.usecases.world import World

LONGEST_WAIT_MS = 10_000
"""The longest wait of a change for another that is just being written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakeChange:
    """The result of a command.

    ``account`` is None for all. ``still`` says what else keeps it frozen after an unfreeze, None where nothing does;
    ``head`` pins the brake's chain.
    """

    command: str
    account: str | None
    reason: str
    actor: str
    brake: Brake
    head: str
    still: str | None = None


async def freeze(world: World, account: str | None, *, reason: str, declared: tuple[str, ...] = ()) -> BrakeChange:
    """Freeze one account, or (None) every one; ``declared`` are the accounts of state files that were named.

    Raises InputError for an account that neither they nor a journal know, and what the journal store raises.
    """
    identities: tuple[str, ...] = ()
    if account is not None:
        journals = accounts_of(world.store)
        known = tuple(sorted({*journals, *declared}))
        if account not in known:
            raise _unknown(account, known)
        identities = tuple(journals.get(account, ()))
    new = Freeze(reason=reason, actor=world.actor, at=rfc3339(world.clock.wall_ms()), identities=identities)
    return await _change(
        world,
        lambda before: Brake(freezes={**before.freezes, account or EVERY: new}),
        command="freeze",
        account=account,
        reason=reason,
    )


async def unfreeze(world: World, account: str | None, *, reason: str) -> BrakeChange:
    """Lift the freeze of one account, or (None) all freezes.

    Raises InputError where no freeze has that account's name, and what the journal store raises.
    """

    def lifted(before: Brake) -> Brake:
        if account is not None and account not in before.freezes:
            raise _not_frozen(world, account, before)
        return Brake(freezes={name: each for name, each in before.freezes.items() if account not in {None, name}})

    return await _change(world, lifted, command="unfreeze", account=account, reason=reason)


async def _change(
    world: World, make: Callable[[Brake], Brake], *, command: str, account: str | None, reason: str
) -> BrakeChange:
    """One change of the brake under its own lock, on disk when this returns.

    Lifting all needs no look at what was frozen: it also replaces a record that cannot be read.
    """
    holder = world.holder(command)
    opened = world.store.open(CHAIN, run_id=world.new_id(), holder=holder, timeout_ms=LONGEST_WAIT_MS)
    async with opened as chain:
        lifts_all = command == "unfreeze" and account is None
        brake = make(Brake() if lifts_all else await read_brake(world.store))
        record = brake.record(
            command=command, account=account or EVERY, reason=reason, actor=world.actor, host=world.host
        )
        await chain.append(record, durable=True)
        head = chain.head
    return BrakeChange(
        command=command,
        account=account,
        reason=reason,
        actor=world.actor,
        brake=brake,
        head=head,
        still=_still(world, account, brake) if command == "unfreeze" else None,
    )


def _still(world: World, account: str | None, brake: Brake) -> str | None:
    """The reason why an account (None: any) stays frozen all the same."""
    by_hand = world.frozen_by_hand()
    if account is None:
        return f"{', '.join(by_hand)} by RECONCILE_FROZEN or a file in {world.home}/frozen" if by_hand else None
    if {EVERY, account} & set(by_hand):
        return f"{account} by RECONCILE_FROZEN or a file in {world.home}/frozen"
    return f"{account} by 'reconcile freeze --all'" if EVERY in brake.freezes else None


def _unknown(account: str, known: tuple[str, ...]) -> InputError:
    where = f"freezing {account}: no journal here and no state file that was named is of that account"
    advice = f"name its state file behind it ('reconcile freeze {account} PATH'), or freeze all with --all"
    return InputError(f"{where}; {scalars.hint(account, known)}; {advice}" if known else f"{where}; {advice}")


def _not_frozen(world: World, account: str, brake: Brake) -> InputError:
    where = f"unfreezing {account}: it is not frozen by that name"
    if account in world.frozen_by_hand():
        advice = f"RECONCILE_FROZEN or the file {world.home}/frozen/{account} freezes it; remove that"
    elif EVERY in brake.freezes:
        advice = "every account is frozen; lift that with 'reconcile unfreeze --all'"
    else:
        names = tuple(sorted(brake.freezes))
        advice = f"{scalars.hint(account, names)}" if names else "nothing is frozen"
    return InputError(f"{where}; {advice}")
