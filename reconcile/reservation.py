"""Free balance, reserved once for all lanes of an account, so that parallel additions cannot spend the same cent twice.

An addition counts against every look that cannot have seen it: while it is in flight or in doubt, and afterwards for
looks sent before its effect and the grace. A reduction never counts; it shows up in ``available`` when it is applied.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from reconcile.money import ZERO


@dataclass(slots=True)
class _Addition:
    asset: str
    amount: Decimal
    effect_ms: int | None = None


class Reservation:
    """The additions of one account that a look may not have seen."""

    def __init__(self, *, grace_ms: int, minimum: Callable[[str], Decimal | None]) -> None:
        """``minimum`` is what additions must leave of an asset, None for nothing."""
        self._grace_ms = grace_ms
        self._minimum = minimum
        self._additions: dict[str, _Addition] = {}
        self._reductions: set[str] = set()
        self._freed = asyncio.Event()

    def free(self, available: Mapping[str, Decimal], asset: str, *, sent_at_ms: int) -> Decimal:
        """What may still be added, by a look sent at ``sent_at_ms``; negative when already too much is."""
        taken = sum(
            (
                addition.amount
                for addition in self._additions.values()
                if addition.asset == asset
                and (addition.effect_ms is None or sent_at_ms <= addition.effect_ms + self._grace_ms)
            ),
            ZERO,
        )
        return available.get(asset, ZERO) - taken - (self._minimum(asset) or ZERO)

    def unseen_until(self, asset: str, *, sent_at_ms: int) -> int | None:
        """The exchange time that a look must be sent later than to have seen every addition that is over; None when
        the look sent at ``sent_at_ms`` has seen them all."""
        ends = [
            addition.effect_ms + self._grace_ms
            for addition in self._additions.values()
            if addition.asset == asset and addition.effect_ms is not None
        ]
        return max((end for end in ends if sent_at_ms <= end), default=None)

    def take(self, key: str, asset: str, amount: Decimal) -> None:
        """Reserve for the addition ``key``, from before it is sent."""
        self._additions[key] = _Addition(asset, amount)

    def done(self, key: str, *, effect_ms: int) -> None:
        """The addition took effect no later than ``effect_ms``: looks that are late enough have seen it."""
        if key in self._additions:
            self._additions[key].effect_ms = effect_ms

    def release(self, key: str) -> None:
        """The addition was proven not to have happened."""
        self._additions.pop(key, None)

    @property
    def awaits_reductions(self) -> bool:
        """Whether reductions of this run are still on their way and may free more."""
        return bool(self._reductions)

    def expect(self, step_id: str) -> None:
        """A reduction of this run is still to come."""
        self._reductions.add(step_id)

    def over(self, step_id: str) -> None:
        """A reduction has ended, one way or the other; whoever waits for funds looks again."""
        self._reductions.discard(step_id)
        self._freed.set()
        self._freed = asyncio.Event()

    async def freed(self) -> None:
        """Wait until a reduction has ended; returns at once when none is on its way."""
        if self._reductions:
            await self._freed.wait()
