"""``reconcile drift``: what moved since we last applied, and why. Reads only."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from reconcile.attribution import UNEXPLAINED, Baseline, Share, attribute, baseline
from reconcile.basis import declared_types, shares_symbol
from reconcile.errors import ReconcileError
from reconcile.exchanges.base import Reader, lane_of
from reconcile.journal.state import JournalState
from reconcile.model import Address, DesiredAccount, MarginType, ObservedAccount, Target
from reconcile.money import ZERO, minus
from reconcile.plan import PlanError
from reconcile.together import together
from reconcile.workflow.account import as_error, identify
from reconcile.workflow.planning import ACCOUNTS_AT_ONCE
from reconcile.workflow.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One address. ``baseline`` is ``applied`` or, where nothing was ever applied, ``declared``.

    ``is_beyond`` says that the drift is outside the target's tolerance; ``causes`` add up to ``drift``.
    """

    address: Address
    asset: str
    baseline: str
    expected: Decimal
    observed: Decimal
    drift: Decimal
    is_beyond: bool
    causes: tuple[Share, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDrift:
    """One account's drift; ``exit_code`` 1 where it could not be read, else 0."""

    account: str
    entries: tuple[Drift, ...] = ()
    errors: tuple[PlanError, ...] = ()
    exit_code: int = 0

    @property
    def has_drifted(self) -> bool:
        """Whether any address is outside its tolerance of what it is compared with."""
        return any(entry.is_beyond for entry in self.entries)


async def drift(world: World, accounts: Sequence[DesiredAccount]) -> tuple[AccountDrift, ...]:
    """What moved on every account, each with its own fate."""
    slots = asyncio.Semaphore(ACCOUNTS_AT_ONCE)

    async def one(desired: DesiredAccount) -> AccountDrift:
        async with slots:
            return await _drift_one(world, desired)

    return tuple(await together(one(desired) for desired in accounts))


async def _drift_one(world: World, desired: DesiredAccount) -> AccountDrift:
    try:
        connection = world.connect(desired, True)  # noqa: FBT003 - read only
        identity = await identify(connection)
        state = world.store.read(identity)
        reader = connection.writer
        look = await reader.observe(declared_types(desired))
        targets = [target for target in desired.targets if target.isolated_margin is not None]
        found = await together(drift_of(reader, state, target, look) for target in targets)
        return AccountDrift(account=desired.name, entries=tuple(entry for entry in found if entry is not None))
    except ReconcileError as error:
        failure, code = as_error(error)
        return AccountDrift(account=desired.name, errors=(failure,), exit_code=code)


async def drift_of(reader: Reader, state: JournalState, target: Target, look: ObservedAccount) -> Drift | None:
    """One address's drift with its causes; None where there is neither a position nor anything we ever applied.

    Asks the ledger only where there is a difference to explain. Raises ReadFailed.
    """
    address = target.address
    symbol = look.symbols.get(address.symbol)
    position = look.positions.get(address)
    isolated = position is not None and position.is_open and position.margin_type is MarginType.ISOLATED
    observed = position.isolated_margin if position is not None and isolated else ZERO
    found = baseline(state, address, lane_of(reader.traits, address))
    if target.isolated_margin is None or symbol is None or (found is None and not isolated):
        return None
    expected = target.isolated_margin if found is None else found.expected
    amount = minus(observed, expected)
    return Drift(
        address=address,
        asset=symbol.asset,
        baseline="declared" if found is None else "applied",
        expected=expected,
        observed=observed,
        drift=amount,
        is_beyond=abs(amount) > target.tolerance.amount(target.isolated_margin, symbol.asset),
        causes=() if amount == 0 else await _causes(reader, found, address, look, amount),
    )


async def _causes(
    reader: Reader, found: Baseline | None, address: Address, look: ObservedAccount, amount: Decimal
) -> tuple[Share, ...]:
    if found is None:
        return (Share(cause=UNEXPLAINED, amount=amount),)
    ledger = await reader.ledger(address.symbol, since_ms=found.since_ms)
    return attribute(ledger.rows, found, address, amount, shared=shares_symbol(look, address.symbol))
