"""Decide whether a look may be computed from: it is late enough, and it shows the effect of our last step.

A read may come from a replica that has not seen what an earlier read, or an earlier run, has seen. So a look counts
only when it was sent later than the grace after the lane's last effect; and a margin that our last step and the
ledger's rows do not add up to counts for nothing, for as long as it may be from before that step.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from reconcile.errors import ReadFailed
from reconcile.evidence.possible import margins_around
from reconcile.exchanges.base import Reader, lane_of, open_addresses
from reconcile.journal.state import JournalState
from reconcile.model.account import Address, DesiredAccount, ObservedAccount, Target
from reconcile.model.plan import Step
from reconcile.money import ZERO, minus
from reconcile.planning.bands import is_inside
from reconcile.protocol.earlier import Earlier
from reconcile.protocol.rules import UNSOUND, AskLedger, LookLater, Question, Sound, judge
from reconcile.protocol.signals import LaneLook, Memory, Now
from reconcile.protocol.timing import BETWEEN_LOOKS_MS, FRESH_LOOKS, LONG_AFTER_GRACES


def lane_look(look: ObservedAccount, address: Address) -> LaneLook:
    """A look cut to what a step on one address is about.

    Raises ReadFailed where what the exchange shows of the address cannot be used.
    """
    position, symbol = look.slot(address), look.symbols.get(address.symbol)
    asset = position.asset if position is not None else symbol.asset if symbol is not None else None
    count = len(open_addresses(look, address.symbol))
    return LaneLook(
        sent_at_ms=look.sent_at_ms,
        position=position,
        symbol=symbol,
        shared=count > 1,
        is_open=count > 0,
        available=ZERO if asset is None else look.available.get(asset, ZERO),
    )


def check_balance(step: Step, seen: LaneLook, look: ObservedAccount) -> None:
    """Raises ReadFailed where an addition would be computed from a free balance that the exchange does not tell."""
    asset = seen.position.asset if seen.position is not None else None
    if step.action == "add_margin" and asset in look.unknown_balances:
        raise ReadFailed(f"the exchange does not tell the free balance of {asset}", again=True)


def remember(
    reader: Reader,
    state: JournalState,
    address: Address,
    look: ObservedAccount,
    *,
    grace_ms: int,
    earlier: Earlier | None,
) -> Memory:
    """What is known of an address's lane. ``earlier`` is what the ledger said of calls that the journal does not know;
    None: it was not asked."""
    lane = lane_of(reader.traits, address)
    memory = memory_of(state, lane, address, look.sent_at_ms, grace_ms=grace_ms)
    if earlier is None:
        return memory
    unseen_until_ms, seen_ms = earlier.until(address, look), earlier.calls_seen(address, look)
    return replace(memory, unseen_until_ms=unseen_until_ms, calls_seen_ms=seen_ms)


def memory_of(state: JournalState, lane: str, address: Address, sent_at_ms: int, *, grace_ms: int) -> Memory:
    """What the journal knows of a lane at the moment of a look that was sent at ``sent_at_ms``."""
    item, move = state.unsettled.get(lane), state.moves.get(str(address))
    calls, since_ms = state.calls.get(lane, ()), sent_at_ms - LONG_AFTER_GRACES * grace_ms
    others = [call for call in calls if item is None or call.intent_id != item.intent.intent_id]
    return Memory(
        effect=state.effects.get(lane),
        move=move,
        open_step=None if item is None else str(item.known or "unsettled"),
        later_than_ms=None if item is None else item.later_than_ms,
        older=margins_around(calls, address, since_ms=since_ms, but_after=None if move is None else move.signed_ms),
        others=others,
        around_others=margins_around(others, address, since_ms=since_ms),
        claims=state.claims,
    )


async def unsound(
    reader: Reader,
    state: JournalState,
    address: Address,
    look: ObservedAccount,
    *,
    grace_ms: int,
    earlier: Earlier | None = None,
) -> int | None:
    """None when the look is sound for this address, else the exchange time that a better one must be later than.

    ``earlier`` as for ``remember``. Asks the ledger where our last step is recent, or the look seems to miss it. Raises
    ReadFailed.
    """
    memory = remember(reader, state, address, look, grace_ms=grace_ms, earlier=earlier)
    seen, ledger = lane_look(look, address), None
    while True:
        at = Now(reader.time.earliest(), reader.time.latest())
        question = Question(look=seen, memory=memory, ledger=ledger, grace_ms=grace_ms, at=at)
        match judge(question):
            case Sound():
                return None
            case LookLater(than_ms=than_ms):
                return than_ms
            case AskLedger(since_ms=since_ms):
                ledger = await reader.ledger(address.symbol, since_ms=since_ms)


async def sound_look(
    desired: DesiredAccount,
    reader: Reader,
    state: JournalState,
    *,
    grace_ms: int,
    pause: Callable[[int], Awaitable[None]],
    earlier: Earlier | None = None,
    reuse: ObservedAccount | None = None,
) -> tuple[ObservedAccount, dict[Address, str]]:
    """A look to conclude from, and the addresses for which it stayed unsound, with the reason.

    ``earlier`` as for ``unsound``, ``reuse`` as for ``Reader.observe``. An address whose look would have to be later
    than the longest wait is not waited for, so it holds no other one up. Raises ReadFailed.
    """
    declared, measured = desired.types, desired.measured
    look = await reader.observe(declared, reuse=reuse, measured=measured)
    for _ in range(FRESH_LOOKS):
        after = await doubts(desired, reader, state, look, grace_ms=grace_ms, earlier=earlier)
        near = [moment for moment in after.values() if reader.time.is_near(moment)]
        if not near:
            return look, dict.fromkeys(after, UNSOUND)
        await pause(max(BETWEEN_LOOKS_MS, reader.time.wait_ms(max(near)) + 1))
        look = await reader.observe(declared, reuse=look, measured=measured)
    doubted = await doubts(desired, reader, state, look, grace_ms=grace_ms, earlier=earlier)
    return look, dict.fromkeys(doubted, UNSOUND)


async def doubts(
    desired: DesiredAccount,
    reader: Reader,
    state: JournalState,
    look: ObservedAccount,
    *,
    grace_ms: int,
    earlier: Earlier | None = None,
) -> dict[Address, int]:
    """The declared addresses of which nothing may be concluded from this look, with the time to look later than.

    Neither that a step is needed nor that none is: a margin may be as declared because it is from before our own last
    step. Only a margin that this step left is believed without more. Raises ReadFailed.
    """
    found: dict[Address, int] = {}
    for target in desired.targets:
        if target.address in look.unusable:
            continue
        if not differs(target, look) and is_as_left(target, state, look):
            after = None if earlier is None else earlier.until(target.address, look)
        else:
            after = await unsound(reader, state, target.address, look, grace_ms=grace_ms, earlier=earlier)
        if after is not None:
            found[target.address] = after
    return found


def is_as_left(target: Target, state: JournalState, look: ObservedAccount) -> bool:
    """Whether live is what our last step on a declared address left, as far as there was one."""
    move, position = state.moves.get(str(target.address)), look.positions.get(target.address)
    if move is None or move.before is None or move.after is None or position is None or not target.declares_margin:
        return True
    quarter = abs(minus(move.after, move.before)) / 4
    declared = move.after if target.isolated_margin is None else target.isolated_margin
    tolerance = min(quarter, target.tolerance.amount(declared, position.asset))
    return abs(minus(position.isolated_margin, move.after)) <= tolerance


def may_be_older(target: Target, state: JournalState, look: ObservedAccount, *, grace_ms: int) -> bool:
    """Whether a look that no ledger was asked about may show a declared address from before our last step."""
    move = state.moves.get(str(target.address))
    if move is None or look.sent_at_ms - move.effect_ms > LONG_AFTER_GRACES * grace_ms:
        return False
    return not is_as_left(target, state, look)


def differs(target: Target, look: ObservedAccount) -> bool:
    """Whether live is not as declared."""
    position = look.positions.get(target.address)
    symbol = look.symbols.get(target.address.symbol)
    if position is None or not position.is_open:
        return symbol is not None and symbol.margin_type not in {None, target.margin_type}
    if position.margin_type is not target.margin_type:
        return True
    if target.auto_add is not None and position.auto_add is not target.auto_add:
        return True
    if target.band is not None:
        return not is_inside(target, position)
    margin = target.isolated_margin
    return margin is not None and abs(minus(position.isolated_margin, margin)) > target.tolerance.amount(
        margin, position.asset
    )
