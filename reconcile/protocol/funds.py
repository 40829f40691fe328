"""Free balance, reserved once for all lanes of an account, so that parallel additions cannot spend the same cent twice.

An addition counts against every look that may lack it. While it is in flight or in doubt, that is every look. After its
effect, these are the looks sent before the grace period is over. A reduction never counts; it shows up in ``available``
when it is applied.
"""

import asyncio
import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from reconcile.journal.records import Intent
from reconcile.money import ZERO, minus, plus, total


@dataclass(slots=True)
class _Addition:
    asset: str
    amount: Decimal
    effect_ms: int | None = None


@dataclass(slots=True)
class _AdditionTotal:
    """The additions of one asset that count against looks sent at ``sent_ms`` and later, added up once.

    ``ends`` is a heap of (time after which a look includes the addition, key); a key may occur more than once.
    """

    sent_ms: int = 0
    amount: Decimal = ZERO
    keys: set[str] = field(default_factory=set)
    ends: list[tuple[int, str]] = field(default_factory=list)


def addition_of(intent: Intent) -> tuple[str, Decimal]:
    """Asset and amount of an intent; raises LookupError for one that moves no margin."""
    if intent.asset is None or intent.amount is None:
        raise LookupError("reserving free balance for a step that needs none; this is a bug")
    return intent.asset, intent.amount


class Reservation:
    """The additions of one account that a look may lack."""

    def __init__(self, *, grace_ms: int, minimum: Callable[[str], Decimal | None]) -> None:
        """``minimum`` returns the balance of an asset that additions must leave, or None."""
        self._grace_ms = grace_ms
        self._minimum = minimum
        self._additions: dict[str, _Addition] = {}
        self._counted: dict[str, _AdditionTotal] = {}
        self._reductions: set[str] = set()
        self._freed = asyncio.Event()

    def free(self, available: Mapping[str, Decimal], asset: str, *, sent_at_ms: int) -> Decimal:
        """The balance that may still be added, by a look sent at ``sent_at_ms``; below zero if it is overspent."""
        taken = self.taken(asset, sent_at_ms)
        return minus(minus(available.get(asset, ZERO), taken), self._minimum(asset) or ZERO)

    def unseen_until(self, asset: str, *, sent_at_ms: int) -> int | None:
        """The exchange time after which a look includes every addition that took effect.

        None if a look sent at ``sent_at_ms`` includes them all.
        """
        ends = [
            addition.effect_ms + self._grace_ms
            for addition in self._additions.values()
            if addition.asset == asset and addition.effect_ms is not None
        ]
        return max((end for end in ends if sent_at_ms <= end), default=None)

    def take(self, key: str, asset: str, amount: Decimal) -> None:
        """Reserve balance for the addition ``key``, before it is sent."""
        self.release(key)
        self._additions[key] = _Addition(asset, amount)
        counted = self._counted.setdefault(asset, _AdditionTotal())
        counted.keys.add(key)
        counted.amount = plus(counted.amount, amount)

    def done(self, key: str, *, effect_ms: int) -> None:
        """The addition took effect no later than ``effect_ms``: looks that are late enough include it."""
        addition = self._additions.get(key)
        if addition is None:
            return
        addition.effect_ms = effect_ms
        counted = self._counted[addition.asset]
        if key not in counted.keys and self._counts(addition, counted.sent_ms):
            counted.keys.add(key)
            counted.amount = plus(counted.amount, addition.amount)
        heapq.heappush(counted.ends, (effect_ms + self._grace_ms, key))

    def release(self, key: str) -> None:
        """The addition is proven not to have taken effect."""
        addition = self._additions.pop(key, None)
        if addition is not None and key in self._counted[addition.asset].keys:
            self._discount(key, addition)

    def taken(self, asset: str, sent_at_ms: int) -> Decimal:
        """The sum of the additions that a look sent at that time may lack.

        Each addition enters the running sum once and leaves it once; the sum is not computed anew for later looks.
        """
        counted = self._counted.get(asset)
        if counted is None:
            return ZERO
        if sent_at_ms < counted.sent_ms:
            return total(
                addition.amount
                for addition in self._additions.values()
                if addition.asset == asset and self._counts(addition, sent_at_ms)
            )
        counted.sent_ms = sent_at_ms
        while counted.ends and counted.ends[0][0] < sent_at_ms:
            key = heapq.heappop(counted.ends)[1]
            addition = self._additions.get(key)
            if addition is not None and key in counted.keys and not self._counts(addition, sent_at_ms):
                self._discount(key, addition)
        return counted.amount

    def _counts(self, addition: _Addition, sent_at_ms: int) -> bool:
        return addition.effect_ms is None or sent_at_ms <= addition.effect_ms + self._grace_ms

    def _discount(self, key: str, addition: _Addition) -> None:
        counted = self._counted[addition.asset]
        counted.keys.discard(key)
        counted.amount = minus(counted.amount, addition.amount)

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
