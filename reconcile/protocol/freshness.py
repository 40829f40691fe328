"""Decide whether a look may be computed from: it is late enough, and it shows the effect of our last step.

A read may come from a replica that lags behind an earlier read, or behind a read of an earlier run. A look therefore
counts only if it was sent more than one grace period after the lane's last effect. Our last step and the ledger's rows
must also add up to its margin, as long as the look may predate that step.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from reconcile.evidence.possible import margins_around
from reconcile.evidence.rows import CLOCK_AHEAD_MS
from reconcile.exchanges.base import Reader, lane_of, open_addresses
from reconcile.exchanges.http.exchange_time import LONGEST_WAIT_MS
from reconcile.journal.state import JournalState
from reconcile.model.account import Address, DesiredAccount, ObservedAccount, Target
from reconcile.model.holds import Hold
from reconcile.money import ZERO, minus
from reconcile.planning.bands import is_inside
from reconcile.protocol.earlier import Earlier
from reconcile.protocol.holds import hold_of, next_moment
from reconcile.protocol.looks import observed, shows_any
from reconcile.protocol.rules import AskLedger, LookLater, Question, Sound, judge
from reconcile.protocol.signals import LaneLook, Memory, Now
from reconcile.protocol.timing import BETWEEN_LOOKS_MS, FRESH_LOOKS, LONG_AFTER_GRACES

Pause = Callable[[int, str], Awaitable[None]]
"""Waits this many ms, and shows the reason (empty: it was shown before)."""


def lane_look(look: ObservedAccount, address: Address) -> LaneLook:
    """The part of a look that a step on one address needs.

    Raises ReadFailed if the exchange's data for the address cannot be used.
    """
    position, symbol = look.slot(address), look.symbols.get(address.symbol)
    asset = position.asset if position is not None else symbol.asset if symbol is not None else None
    count = len(open_addresses(look, address.symbol))
    available = None if asset in look.unknown_balances else ZERO if asset is None else look.available.get(asset, ZERO)
    return LaneLook(
        sent_at_ms=look.sent_at_ms,
        position=position,
        symbol=symbol,
        shared=count > 1,
        is_open=count > 0,
        available=available,
    )


def remember(
    reader: Reader,
    state: JournalState,
    address: Address,
    look: ObservedAccount,
    *,
    grace_ms: int,
    earlier: Earlier | None,
) -> Memory:
    """The facts known about an address's lane.

    ``earlier`` is the ledger as read for calls that the journal does not know; None: it was not read.
    """
    lane = lane_of(reader.traits, address)
    memory = memory_of(state, lane, address, look.sent_at_ms, grace_ms=grace_ms)
    if earlier is None:
        return memory
    unseen_until_ms, seen_ms = earlier.until(address, look), earlier.calls_seen(address, look)
    return replace(memory, unseen_until_ms=unseen_until_ms, calls_seen_ms=seen_ms)


def memory_of(state: JournalState, lane: str, address: Address, sent_at_ms: int, *, grace_ms: int) -> Memory:
    """The facts that the journal holds about a lane, for a look that was sent at ``sent_at_ms``."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A look that is not sound for an address, and the hold that results.

    A better look must be sent later than ``later_than_ms`` (exchange time). A sound one is expected at ``ends_ms``,
    which may be sooner than the latest end of the hold.
    """

    later_than_ms: int
    ends_ms: int
    hold: Hold


async def unsound(
    reader: Reader,
    state: JournalState,
    address: Address,
    look: ObservedAccount,
    *,
    grace_ms: int,
    earlier: Earlier | None = None,
) -> Doubt | None:
    """The reason why the look is not sound for this address; None if it is.

    ``earlier`` is as for ``remember``. Reads the ledger if our last step is recent, or the look seems to lack it.
    Raises ReadFailed.
    """
    memory = remember(reader, state, address, look, grace_ms=grace_ms, earlier=earlier)
    seen, ledger = lane_look(look, address), None
    while True:
        at = Now(reader.time.earliest(), reader.time.latest())
        question = Question(look=seen, memory=memory, ledger=ledger, grace_ms=grace_ms, at=at)
        finding = judge(question)
        match finding:
            case Sound():
                return None
            case LookLater(than_ms=than_ms):
                return Doubt(later_than_ms=than_ms, ends_ms=next_moment(question), hold=hold_of(question))
            case AskLedger(since_ms=since_ms):
                ledger = await reader.ledger(address.symbol, since_ms=since_ms)
            case _:
                assert_never(finding)


async def sound_look(
    desired: DesiredAccount,
    reader: Reader,
    state: JournalState,
    *,
    grace_ms: int,
    pause: Pause,
    patience_ms: int = 0,
    earlier: Earlier | None = None,
    reuse: ObservedAccount | None = None,
) -> tuple[ObservedAccount, dict[Address, Hold]]:
    """A look to conclude from, and the addresses for which it stayed unsound.

    ``earlier`` is as for ``unsound``, ``reuse`` as for ``Reader.observe``. An address that needs a later look than any
    known delay explains is not waited for, so it delays no other address. If no other address needs a change, holds are
    waited for up to ``patience_ms``. Raises ReadFailed.
    """
    longest_ms, looks = (LONG_AFTER_GRACES + 1) * grace_ms + CLOCK_AHEAD_MS, FRESH_LOOKS
    told = again = False
    patient_until_ms = reader.time.latest() + min(patience_ms, LONGEST_WAIT_MS) if patience_ms else 0
    look = await _present(desired, reader, state, pause=pause, reuse=reuse)
    while True:
        found = await doubts(desired, reader, state, look, grace_ms=grace_ms, earlier=earlier)
        than_ms = _latest(found, until_ms=reader.time.earliest() + longest_ms)
        if than_ms is not None and looks > 0:
            looks -= 1
            wait_ms = max(BETWEEN_LOOKS_MS, reader.time.wait_ms(than_ms) + 1)
            await pause(wait_ms, "" if again else _why(found, wait_ms, looks=looks, grace_ms=grace_ms))
            again = again or wait_ms <= BETWEEN_LOOKS_MS
        elif (ends_ms := _worth_waiting(desired, look, found, until_ms=patient_until_ms)) is not None:
            left_ms = reader.time.wait_ms(ends_ms) + 1
            await pause(min(left_ms, grace_ms), "" if told else _told(found, grace_ms=grace_ms, left_ms=left_ms))
            told = True
        else:
            return look, {address: doubt.hold for address, doubt in found.items()}
        look = await _present(desired, reader, state, pause=pause, reuse=look)


def _latest(found: Mapping[Address, Doubt], *, until_ms: int) -> int | None:
    """The time past which a look settles every doubt that a look of ``until_ms`` settles; None if there is none."""
    return max((doubt.later_than_ms for doubt in found.values() if doubt.later_than_ms <= until_ms), default=None)


def _worth_waiting(
    desired: DesiredAccount, look: ObservedAccount, found: Mapping[Address, Doubt], *, until_ms: int
) -> int | None:
    """The end of the last hold that ends by ``until_ms``; None if none does, or if another address needs a change."""
    if any(target.address not in found and differs(target, look) for target in desired.targets):
        return None
    return max((doubt.ends_ms for doubt in found.values() if doubt.ends_ms <= until_ms), default=None)


def _why(found: Mapping[Address, Doubt], wait_ms: int, *, looks: int, grace_ms: int) -> str:
    """The reason of a wait; one of more than a grace is named by what holds, such as a clock that was set back."""
    if wait_ms > grace_ms:
        return f"waiting {_seconds(wait_ms)} s: {_holds(found)}"
    reads = "for reads that have seen our last step"
    if wait_ms > BETWEEN_LOOKS_MS:
        return f"waiting {_seconds(wait_ms)} s {reads}"
    return f"looking again each second, up to {looks + 1} times, {reads}"


def _holds(found: Mapping[Address, Doubt]) -> str:
    return "; ".join(f"{address} is held: {doubt.hold.reason}" for address, doubt in sorted(found.items()))


def _told(found: Mapping[Address, Doubt], *, grace_ms: int, left_ms: int) -> str:
    """``BTCUSDT.long is held: …; looking again every 5 s, up to 40 s``."""
    return f"{_holds(found)}; looking again every {_seconds(grace_ms)} s, up to {_seconds(left_ms)} s"


def _seconds(milliseconds: int) -> int:
    return -(-milliseconds // 1000)


async def _present(
    desired: DesiredAccount, reader: Reader, state: JournalState, *, pause: Pause, reuse: ObservedAccount | None
) -> ObservedAccount:
    """A look; a second one if the first shows no position, and ``reuse`` or the end of the last run showed some."""
    return await observed(
        reader,
        desired.types,
        measured=desired.measured,
        reuse=reuse,
        was_open=any(each.size for each in state.margins.live.values()) or (reuse is not None and shows_any(reuse)),
        pause=lambda: pause(BETWEEN_LOOKS_MS, "the exchange shows no position, and there was one; looking again"),
    )


async def doubts(
    desired: DesiredAccount,
    reader: Reader,
    state: JournalState,
    look: ObservedAccount,
    *,
    grace_ms: int,
    earlier: Earlier | None = None,
) -> dict[Address, Doubt]:
    """The declared addresses about which this look proves nothing.

    It proves neither that a step is needed nor that none is. A margin may be as declared only because the read predates
    our own last step. Only the margin that this step left counts without further proof. Raises ReadFailed.
    """
    found: dict[Address, Doubt] = {}
    for target in desired.targets:
        if target.address in look.unusable:
            continue
        is_believed = not differs(target, look) and is_as_left(target, state, look)
        if is_believed and (earlier is None or earlier.until(target.address, look) is None):
            continue
        doubt = await unsound(reader, state, target.address, look, grace_ms=grace_ms, earlier=earlier)
        if doubt is not None:
            found[target.address] = doubt
    return found


def is_as_left(target: Target, state: JournalState, look: ObservedAccount) -> bool:
    """Whether a declared address shows the margin that our last step there left, if there was one."""
    move, position = state.moves.get(str(target.address)), look.positions.get(target.address)
    if move is None or move.before is None or move.after is None or position is None or not target.declares_margin:
        return True
    quarter = abs(minus(move.after, move.before)) / 4
    declared = move.after if target.isolated_margin is None else target.isolated_margin
    tolerance = min(quarter, target.tolerance.amount(declared, position.asset))
    return abs(minus(position.isolated_margin, move.after)) <= tolerance


def may_be_older(target: Target, state: JournalState, look: ObservedAccount, *, grace_ms: int) -> bool:
    """Whether a look, without any ledger read, may show a declared address from before our last step."""
    move = state.moves.get(str(target.address))
    if move is None or look.sent_at_ms - move.effect_ms > LONG_AFTER_GRACES * grace_ms:
        return False
    return not is_as_left(target, state, look)


def differs(target: Target, look: ObservedAccount) -> bool:
    """Whether the live state differs from the declared one."""
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
