"""Free balance, reserved once for all lanes of an account, so that parallel additions cannot spend the same cent twice.

An addition counts against every look that may lack it. While it is in flight or in doubt, that is every look. After its
effect, these are the looks sent within the grace; and, as far as our own arithmetic (``journal/free.py``) cannot rule
it out, those of eleven graces: it takes effect up to one grace after its yes, and is read up to ten graces late. A
reduction never counts; it shows up in ``available`` when it is applied.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from reconcile.journal.records import Intent
from reconcile.journal.state import JournalState
from reconcile.money import ZERO, minus, plus, total
from reconcile.protocol.signals import Now, Reserve, Reserved, Short
from reconcile.protocol.timing import LATE_BALANCE_GRACES


@dataclass(slots=True)
class _Addition:
    asset: str
    amount: Decimal
    effect_ms: int | None = None


@dataclass(slots=True)
class _AdditionTotal:
    """The additions of one asset that a look sent at ``sent_ms`` may lack, if it is up to ``late_ms`` late.

    ``ends`` is a heap of (time after which a look includes the addition, key); a key may occur more than once.
    """

    late_ms: int
    sent_ms: int = 0
    amount: Decimal = ZERO
    keys: set[str] = field(default_factory=set)
    ends: list[tuple[int, str]] = field(default_factory=list)

    def lacks(self, addition: _Addition, sent_ms: int) -> bool:
        """Whether a look sent at that time may lack the addition."""
        return addition.effect_ms is None or sent_ms <= addition.effect_ms + self.late_ms

    def count(self, key: str, addition: _Addition) -> None:
        """Count an addition that looks of now may lack."""
        if key not in self.keys and self.lacks(addition, self.sent_ms):
            self.keys.add(key)
            self.amount = plus(self.amount, addition.amount)
        if addition.effect_ms is not None:
            heapq.heappush(self.ends, (addition.effect_ms + self.late_ms, key))

    def discount(self, key: str, addition: _Addition) -> None:
        """Count an addition no longer."""
        if key in self.keys:
            self.keys.discard(key)
            self.amount = minus(self.amount, addition.amount)


@dataclass(slots=True)
class _Totals:
    """The totals of one asset: of reads that keep to the grace, and of those that are as late as a read may be."""

    soon: _AdditionTotal
    late: _AdditionTotal

    def __iter__(self) -> Iterator[_AdditionTotal]:
        return iter((self.soon, self.late))


def addition_of(intent: Intent) -> tuple[str, Decimal]:
    """Asset and amount of an intent; raises LookupError for one that moves no margin."""
    if intent.asset is None or intent.amount is None:
        raise LookupError("reserving free balance for a step that needs none; this is a bug")
    return intent.asset, intent.amount


class Reservation:
    """The additions of one account that a look may lack."""

    def __init__(
        self,
        *,
        grace_ms: int,
        minimum: Callable[[str], Decimal | None],
        reckoned: Callable[[str], Decimal | None],
    ) -> None:
        """``minimum`` returns the balance of an asset that additions must leave, or None. ``reckoned`` returns what is
        free by our own arithmetic if every addition takes effect, or None where that is unknown."""
        self._grace_ms = grace_ms
        self._minimum = minimum
        self._reckoned = reckoned
        self._additions: dict[str, _Addition] = {}
        self._totals: dict[str, _Totals] = {}
        self._reductions: set[str] = set()
        self._freed = asyncio.Event()

    def reserve(self, asked: Reserve, *, at: Now) -> Reserved | Short:
        """Reserve an addition, if the balance covers it; for a reduction tell what is free."""
        (asset, amount), sent_ms = addition_of(asked.intent), asked.sent_at_ms
        reckoned = self.reckoned(asset, asked.available, sent_at_ms=sent_ms)
        if asked.intent.action == "reduce_margin":
            return Reserved(at=at, free=reckoned)
        free = self.free(asset, asked.available, sent_at_ms=sent_ms)
        if free >= amount:
            self.take(asked.intent.intent_id, asset, amount)
            return Reserved(at=at, free=reckoned)
        until_ms = self.unseen_until(asset, asked.available, amount, sent_at_ms=sent_ms)
        return Short(at=at, free=free, awaits_reductions=self.awaits_reductions, unseen_until_ms=until_ms)

    def recall(self, state: JournalState, *, now_ms: int) -> None:
        """Count the additions that a journal knows and a look sent at ``now_ms`` (exchange time) or later may lack."""
        late_ms = LATE_BALANCE_GRACES * self._grace_ms
        for calls in state.calls.values():
            over_ms = None  # the call before has ended when the next one is signed
            for call in reversed(calls):
                effect_ms = _effect_ms(state, call, over_ms)
                if effect_ms is not None and effect_ms + late_ms < now_ms:
                    break
                over_ms = call.signed_at_ms
                if call.action == "add_margin":
                    self.take(call.intent_id, *addition_of(call))
                    if effect_ms is not None:
                        self.done(call.intent_id, effect_ms=effect_ms)

    def free(self, asset: str, available: Decimal, *, sent_at_ms: int) -> Decimal:
        """The balance that may still be added, by a look sent at ``sent_at_ms``; below zero if it is overspent."""
        return minus(self.unreserved(asset, available, sent_at_ms=sent_at_ms), self._minimum(asset) or ZERO)

    def unreserved(self, asset: str, available: Decimal, *, sent_at_ms: int) -> Decimal:
        """The free balance that a look proves, less every addition that it may lack."""
        soon, _ = self._taken(asset, sent_at_ms)
        return min(minus(available, soon), self.reckoned(asset, available, sent_at_ms=sent_at_ms))

    def reckoned(self, asset: str, available: Decimal, *, sent_at_ms: int) -> Decimal:
        """The free balance by our own arithmetic and a look, however late: it goes into the journal with an addition.

        Where only we move balance, the account has as much, and a look that keeps to the grace never makes it less.
        """
        _, late = self._taken(asset, sent_at_ms)
        least, own = minus(available, late), self._reckoned(asset)
        return least if own is None else max(least, min(available, own))

    def unseen_until(self, asset: str, available: Decimal, amount: Decimal, *, sent_at_ms: int) -> int | None:
        """The exchange time after which a look may show enough free balance for ``amount``.

        That is when a look includes every addition, if reads keep to the grace. Where one does, it is when so many of
        the later ones must show that ``available`` suffices. None if nothing is to be waited for.
        """
        ends = [end for end, _ in self._ends(asset, self._grace_ms, sent_at_ms)]
        if ends:
            return max(ends)
        _, late = self._taken(asset, sent_at_ms)
        spare = minus(minus(minus(available, late), self._minimum(asset) or ZERO), amount)
        for end, seen in self._ends(asset, LATE_BALANCE_GRACES * self._grace_ms, sent_at_ms):
            spare = plus(spare, seen)
            if spare >= 0:
                return end
        return None

    def _ends(self, asset: str, late_ms: int, sent_at_ms: int) -> list[tuple[int, Decimal]]:
        """When looks include each addition that took effect and that a look sent then may lack, and its amount."""
        return sorted(
            (addition.effect_ms + late_ms, addition.amount)
            for addition in self._additions.values()
            if addition.asset == asset and addition.effect_ms is not None and sent_at_ms <= addition.effect_ms + late_ms
        )

    def take(self, key: str, asset: str, amount: Decimal) -> None:
        """Reserve balance for the addition ``key``, before it is sent."""
        self.release(key)
        addition = self._additions[key] = _Addition(asset, amount)
        if asset not in self._totals:
            late_ms = LATE_BALANCE_GRACES * self._grace_ms
            self._totals[asset] = _Totals(_AdditionTotal(self._grace_ms), _AdditionTotal(late_ms))
        for counted in self._totals[asset]:
            counted.count(key, addition)

    def done(self, key: str, *, effect_ms: int) -> None:
        """The addition took effect no later than ``effect_ms``: looks that are late enough include it."""
        addition = self._additions.get(key)
        if addition is None:
            return
        addition.effect_ms = effect_ms
        for counted in self._totals[addition.asset]:
            counted.count(key, addition)

    def release(self, key: str) -> None:
        """The addition is proven not to have taken effect."""
        addition = self._additions.pop(key, None)
        if addition is not None:
            for counted in self._totals[addition.asset]:
                counted.discount(key, addition)

    def _taken(self, asset: str, sent_at_ms: int) -> tuple[Decimal, Decimal]:
        """The sums of the additions that a look sent at that time may lack: within the grace, and as late as may be."""
        totals = self._totals.get(asset)
        if totals is None:
            return ZERO, ZERO
        return self._sum(totals.soon, asset, sent_at_ms), self._sum(totals.late, asset, sent_at_ms)

    def _sum(self, counted: _AdditionTotal, asset: str, sent_at_ms: int) -> Decimal:
        """Each addition enters the running sum once and leaves it once; later looks need no sum anew."""
        if sent_at_ms < counted.sent_ms:
            return total(
                addition.amount
                for addition in self._additions.values()
                if addition.asset == asset and counted.lacks(addition, sent_at_ms)
            )
        counted.sent_ms = sent_at_ms
        while counted.ends and counted.ends[0][0] < sent_at_ms:
            key = heapq.heappop(counted.ends)[1]
            addition = self._additions.get(key)
            if addition is not None and not counted.lacks(addition, sent_at_ms):
                counted.discount(key, addition)
        return counted.amount

    @property
    def awaits_reductions(self) -> bool:
        """Whether reductions of this run are still to end and may free more balance."""
        return bool(self._reductions)

    def expect(self, step_id: str) -> None:
        """A reduction of this run is still to come."""
        self._reductions.add(step_id)

    def over(self, step_id: str) -> None:
        """A reduction has ended, whatever its outcome; steps that wait for funds look again."""
        self._reductions.discard(step_id)
        self._freed.set()
        self._freed = asyncio.Event()

    async def freed(self) -> None:
        """Wait until a reduction has ended; returns at once if none is expected."""
        if self._reductions:
            await self._freed.wait()


def _effect_ms(state: JournalState, call: Intent, over_ms: int | None) -> int | None:
    """The latest time at which a journalled call took effect; None while that is open. It ended by ``over_ms``."""
    if call.intent_id in state.lanes:
        return None
    move = state.moves.get(str(call.address))
    if move is not None and move.signed_ms == call.signed_at_ms:
        return move.effect_ms
    return call.fence_ms if over_ms is None else min(call.fence_ms, over_ms)
