"""Whether a look may be computed from: it must be late enough, and it must show what our own last step did.

A read may come from a replica that has not seen what an earlier read, or an earlier run, has seen. So a look counts
only when it was sent later than the grace after the lane's last effect; and a margin that our last step and the
ledger's rows do not add up to counts for nothing, for as long as it may be from before that step.
"""

from collections.abc import Awaitable, Callable, Mapping

from reconcile.evidence.verdict import stale_basis
from reconcile.exchanges.base import Reader, lane_of, open_addresses
from reconcile.journal.state import JournalState
from reconcile.model.account import Address, DesiredAccount, MarginType, ObservedAccount, Target
from reconcile.money import minus

MAX_READ_AGE_MS = 5_000
"""An observation older than this is no basis for sending."""
LEDGER_SLACK_MS = 1_000
"""An exchange accepts timestamps up to a second ahead of its clock, so a row of ours may be that much older."""
LONG_AFTER_GRACES = 10
"""How many graces after an effect a read that is from before it would be a marvel: then it must look like one."""
LET_GO_GRACES = 100
"""How many graces after an effect no read is from before it any more, whatever it looks like."""
BASIS_LOOKS = 6
"""How many looks are taken in wait for reads that have seen our last effect."""
BETWEEN_LOOKS_MS = 1_000

UNSOUND = (
    "reads do not show the margin that our last step left, and the exchange's ledger does not explain it; "
    "nothing is sent on such a reading: run again later"
)


async def unsound(
    reader: Reader, state: JournalState, address: Address, look: ObservedAccount, *, grace_ms: int
) -> int | None:
    """None when the look is sound for this address, else the exchange time that a better one must be later than.

    Asks the ledger where our last step is recent, or the look seems to miss it. Raises ReadFailed.
    """
    effect = state.effects.get(lane_of(reader.traits, address))
    if effect is not None and look.sent_at_ms <= effect.effect_ms + grace_ms:
        return effect.effect_ms + grace_ms
    move = state.moves.get(str(address))
    position = look.positions.get(address)
    if move is None or position is None:
        return None
    age_ms = look.sent_at_ms - move.effect_ms
    long_after = age_ms > LONG_AFTER_GRACES * grace_ms
    if age_ms > LET_GO_GRACES * grace_ms or (long_after and not stale_basis(position, move, (), long_after=True)):
        return None
    unsure_ms = unsure_since(move.signed_ms, move.later_than_ms, behind_ms=LONG_AFTER_GRACES * grace_ms)
    ledger = await reader.ledger(address.symbol, since_ms=min(unsure_ms, move.signed_ms - LEDGER_SLACK_MS))
    if not ledger.reaches_back or not stale_basis(
        position,
        move,
        ledger.rows,
        shared=shares_symbol(look, address.symbol),
        long_after=long_after,
        unsure_since_ms=unsure_ms,
    ):
        return None
    return reader.time.earliest() - 1


def unsure_since(signed_ms: int, later_than_ms: int | None, *, behind_ms: int) -> int:
    """From when on a movement may be missing in the margin that a step was computed from.

    Its look had its age, and was up to ``behind_ms`` behind; but nothing is missing from before our own last effect on
    the lane, at ``later_than_ms`` (None: there was none), which that look was late enough to show.
    """
    since = signed_ms - MAX_READ_AGE_MS - behind_ms
    return since if later_than_ms is None or later_than_ms >= signed_ms else max(since, later_than_ms + 1)


def shares_symbol(look: ObservedAccount, symbol: str) -> bool:
    """Whether both sides of a symbol hold a position, so that a ledger row without a side may belong to either."""
    return len(open_addresses(look, symbol)) > 1


def declared_types(desired: DesiredAccount) -> Mapping[str, MarginType]:
    """Each declared symbol with its declared margin type."""
    return {target.address.symbol: target.margin_type for target in desired.targets}


async def sound_look(
    desired: DesiredAccount,
    reader: Reader,
    state: JournalState,
    *,
    grace_ms: int,
    pause: Callable[[int], Awaitable[None]],
) -> tuple[ObservedAccount, dict[Address, str]]:
    """A look to plan from, and the addresses for which it stayed unsound, with the reason.

    Only addresses that seem to need a step are doubted: where live already equals declared, nothing rests on the look.
    Raises ReadFailed.
    """
    declared = declared_types(desired)
    look = await reader.observe(declared)
    for _ in range(BASIS_LOOKS):
        after = await _doubted(desired, reader, state, look, grace_ms)
        if not after:
            return look, {}
        await pause(max(BETWEEN_LOOKS_MS, max(after.values()) - reader.time.earliest() + 1))
        look = await reader.observe(declared, reuse=look)
    doubted = await _doubted(desired, reader, state, look, grace_ms)
    return look, dict.fromkeys(doubted, UNSOUND)


async def _doubted(
    desired: DesiredAccount, reader: Reader, state: JournalState, look: ObservedAccount, grace_ms: int
) -> dict[Address, int]:
    found: dict[Address, int] = {}
    for target in desired.targets:
        if _differs(target, look):
            after = await unsound(reader, state, target.address, look, grace_ms=grace_ms)
            if after is not None:
                found[target.address] = after
    return found


def _differs(target: Target, look: ObservedAccount) -> bool:
    position = look.positions.get(target.address)
    symbol = look.symbols.get(target.address.symbol)
    if position is None or not position.is_open:
        return symbol is not None and symbol.margin_type not in {None, target.margin_type}
    if position.margin_type is not target.margin_type:
        return True
    margin = target.isolated_margin
    return margin is not None and abs(minus(position.isolated_margin, margin)) > target.tolerance.amount(
        margin, position.asset
    )
