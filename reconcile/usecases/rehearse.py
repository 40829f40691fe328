"""``reconcile rehearse``: what a shock to prices would do to each account under its state file. Reads only."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from reconcile.concurrency import gather_all
from reconcile.errors import Containment, InputError, ReconcileError
from reconcile.exchanges.base import Reader
from reconcile.exchanges.catalogue import TRAITS
from reconcile.model.account import Address, DesiredAccount, ObservedAccount
from reconcile.model.rehearsal import AccountRehearsal, PathSummary
from reconcile.model.traits import Scope, Traits
from reconcile.money import ZERO
from reconcile.planning.day_limits import DayUsed
from reconcile.planning.policy import NOTHING_USED
from reconcile.planning.rehearsal import rehearse_move
from reconcile.planning.templates import expanded
from reconcile.usecases.account import as_error, expanded_look
from reconcile.usecases.account_identity import ACCOUNTS_AT_ONCE, AccountConnection, Roster, reach, with_beside
from reconcile.usecases.observation import SavedLook
from reconcile.usecases.price_paths import worst_percents
from reconcile.usecases.world import World

ROUND_MS = 10_000
"""The interval of the rehearsed watch."""
MOST_ROUNDS = 60
"""A longer rehearsal has longer steps between its rounds."""
_PERCENT = Decimal("0.01")
PATH_ROUNDS = 20
"""The number of rounds in which a path reaches its worst price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shock:
    """All mark prices move by ``share`` (-0.25 is a fall by 25 %) within ``over_ms``, straight and on ``paths``."""

    share: Decimal
    over_ms: int
    paths: int = 0
    seed: int = 1

    @property
    def rounds(self) -> int:
        """The number of rounds of a watch in it."""
        return max(1, min(MOST_ROUNDS, self.over_ms // ROUND_MS))


async def rehearse(world: World, accounts: Sequence[DesiredAccount], shock: Shock) -> tuple[AccountRehearsal, ...]:
    """The rehearsal of every account, each with its own fate; sends nothing."""
    slots = asyncio.Semaphore(ACCOUNTS_AT_ONCE)
    roster = Roster(accounts)

    async def one(desired: DesiredAccount) -> AccountRehearsal:
        try:
            with Containment(f"rehearsing {desired.name}", world.trace):
                reached = await roster.join(desired, lambda: reach(world, desired, world.reader(desired)))
                async with slots:
                    return await _rehearsed(world, desired, reached, shock)
        except ReconcileError as error:
            failure, code = as_error(error, desired)
            return AccountRehearsal(account=desired.name, state_file=desired.path, errors=(failure,), exit_code=code)

    return tuple(await gather_all(one(desired) for desired in accounts))


def rehearse_saved(
    accounts: Sequence[DesiredAccount], looks: Mapping[str, SavedLook], shock: Shock
) -> tuple[AccountRehearsal, ...]:
    """The rehearsal of every account from a saved observation; reads nothing from an exchange."""
    return tuple(_from_saved(desired, looks.get(desired.name), shock) for desired in accounts)


def _from_saved(desired: DesiredAccount, saved: SavedLook | None, shock: Shock) -> AccountRehearsal:
    try:
        look = _fitting(desired, saved)
        traits = TRAITS[desired.exchange]
        wider = expanded(desired, look, by_symbol=traits.margin_type_scope is Scope.SYMBOL)
        return _played(wider, look, traits, shock)
    except ReconcileError as error:
        failure, code = as_error(error, desired)
        return AccountRehearsal(account=desired.name, state_file=desired.path, errors=(failure,), exit_code=code)


def _fitting(desired: DesiredAccount, saved: SavedLook | None) -> ObservedAccount:
    """The look at a declared account; raises InputError where the observation has none, or another account's."""
    doing = f"rehearsing {desired.name}"
    if saved is None:
        raise InputError(f"{doing}: the saved observation has no account of that name; save one that has it")
    uid = desired.uid or saved.look.uid
    declared = (desired.exchange, desired.product, desired.position_mode.value, uid)
    found = (saved.exchange, saved.product, saved.look.position_mode.value, saved.look.uid)
    for what, wanted, there in zip(("exchange", "product", "position_mode", "uid"), declared, found, strict=True):
        if wanted != there:
            raise InputError(
                f"{doing}: the saved observation has {what} {there}, the state file {wanted}; save another"
            )
    return saved.look


async def _rehearsed(
    world: World, desired: DesiredAccount, reached: AccountConnection[Reader], shock: Shock
) -> AccountRehearsal:
    reader = reached.connection.adapter
    state = with_beside(world, reached.account, world.store.read(reached.account.journal))
    desired, look, _ = await expanded_look(world, desired, reader, state)
    return _played(desired, look, reader.traits, shock, used=state.used_on(look.sent_at_ms))


def _played(
    desired: DesiredAccount, look: ObservedAccount, traits: Traits, shock: Shock, *, used: DayUsed = NOTHING_USED
) -> AccountRehearsal:
    return AccountRehearsal(
        account=desired.name,
        state_file=desired.path,
        rehearsal=rehearse_move(desired, look, traits, shock=shock.share, rounds=shock.rounds, used=used),
        look=look,
        paths=_over_paths(desired, look, traits, shock, used) if shock.paths else None,
    )


def _over_paths(
    desired: DesiredAccount, look: ObservedAccount, traits: Traits, shock: Shock, used: DayUsed
) -> PathSummary:
    """Each path counts as the straight move to its worst price, in whole percents."""
    lost: dict[Address, int] = {}
    needed: dict[str, Decimal] = {}
    hit = 0
    buckets = worst_percents(int(shock.share * 1_000_000), paths=shock.paths, seed=shock.seed)
    for percent, count in buckets.items():
        found = rehearse_move(desired, look, traits, shock=percent * _PERCENT, rounds=PATH_ROUNDS, used=used)
        hit += count if found.liquidated else 0
        for address in found.liquidated:
            lost[address] = lost.get(address, 0) + count
        for asset, amount in found.needed.items():
            needed[asset] = max(needed.get(asset, ZERO), amount)
    worst = max(buckets, key=abs)
    return PathSummary(
        paths=shock.paths, with_liquidations=hit, liquidations=lost, needed=needed, worst=worst * _PERCENT
    )
