"""``reconcile doctor``: would an apply work here, and what stands in its way. Reads only."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from reconcile.concurrency import gather_all
from reconcile.errors import Declined, JournalError
from reconcile.journal.identity import is_notes
from reconcile.model.account import DesiredAccount
from reconcile.model.doctor import AccountCheckup, Check, Checkup, failed, passed, warned
from reconcile.usecases.doctor_account import examine
from reconcile.usecases.world import World


async def doctor(world: World, accounts: Sequence[DesiredAccount], *, journals: str) -> Checkup:
    """Every check of the runner and of each account; ``journals`` says in words where the journals are.

    Without accounts, every journal that is there is verified instead.
    """
    world.accounts.update(desired.name for desired in accounts)
    runner = (_home(world), _journals(world, journals, verify=not accounts), _frozen_by_hand(world))
    found = await gather_all(examine(world, desired) for desired in accounts)
    return Checkup(runner=runner, accounts=_distinct(found))


def _distinct(found: Sequence[AccountCheckup]) -> tuple[AccountCheckup, ...]:
    """The same, with a failed check ``account`` where several state files reach one account."""
    count = Counter(each.identity for each in found if each.identity is not None)
    return tuple(
        replace(each, checks=tuple(_several(each, check, found) for check in each.checks))
        if each.identity is not None and count[each.identity] > 1
        else each
        for each in found
    )


def _several(each: AccountCheckup, check: Check, found: Sequence[AccountCheckup]) -> Check:
    if check.name != "account":
        return check
    files = sorted(other.desired.path or other.desired.name for other in found if other.identity == each.identity)
    finding = f"{len(files)} state files reach one account: {', '.join(files[:10])}"
    return replace(
        failed(4, finding, "keep one file for the account, or give each its own account's key"), name="account"
    )


def _home(world: World) -> Check:
    """Whether journals, locks and sandbox accounts can be kept in the home, as far as permissions tell."""
    there = next(place for place in (world.home, *world.home.parents) if os.path.lexists(place))
    if os.access(there, os.W_OK | os.X_OK):
        return replace(passed(str(world.home)), name="home")
    advice = "name a folder that outlives the run with --home, or mount a volume there"
    return replace(failed(1, f"{world.home}: this user may not write in {there}", advice), name="home")


def _journals(world: World, where: str, *, verify: bool) -> Check:
    doing = f"{where}: "
    try:
        names = [name for name in world.store.identities() if not is_notes(name)]
        if verify:
            for name in names:
                _verified(world, name)
    except JournalError as error:
        return replace(failed(1, f"{doing}{error}", "see 'reconcile audit verify'"), name="journals")
    count = f"{len(names)} journal{'' if len(names) == 1 else 's'}"
    return replace(passed(f"{doing}{count}{', every chain verified' if verify and names else ''}"), name="journals")


def _verified(world: World, name: str) -> None:
    """Raise JournalError where its chain is broken; a journal that was led to another name is verified there."""
    try:
        world.store.read(name)
    except Declined:
        return


def _frozen_by_hand(world: World) -> Check:
    try:
        names = world.frozen_by_hand()
    except JournalError as error:
        return replace(failed(1, str(error), "correct it, or nothing is sent"), name="freezes")
    if names:
        advice = "unset RECONCILE_FROZEN, or remove the files in the home's folder frozen/, when they may send again"
        return replace(warned(f"frozen by hand: {', '.join(names)}", advice), name="freezes")
    return replace(passed("no account is frozen by hand"), name="freezes")
