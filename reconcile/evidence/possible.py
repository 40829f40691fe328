"""The margins that an address can show around one of our steps, and which of them a reading fits. Pure.

One reckoning serves every caller: the search for what a step did, the freshness of a look, and what a yes shows. Some
movements may or may not count: a row from just before the step can be missing in the margin it was computed from, and a
row without a side can be the other side's. Each choice among them is a case. A reading proves something only where no
case says otherwise.

A quarter of the step separates what fits from what does not: more than funding moves, less than a second transfer.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from reconcile.journal.records import Intent
from reconcile.model.account import Address
from reconcile.money import ZERO, minus, parse, plus, total

MOST_UNSURE = 10
"""The most movements whose every choice is tried; with more of them a reading proves nothing."""


class MarginEvidence(StrEnum):
    """The evidence of the margin about a step."""

    MOVED = "moved"  # by our amount
    NOT_MOVED = "not_moved"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Possible:
    """What can stand around a step that moves ``amount`` (signed) from ``before``.

    ``since`` is what others moved since then, ``unsure`` the movements that may or may not count, ``older`` the margins
    around earlier steps of ours and of others, which a late read can still show. ``quarter`` is the tolerance, None: a
    quarter of the amount.
    """

    before: Decimal
    amount: Decimal
    since: Decimal = ZERO
    unsure: Sequence[Decimal] = ()
    older: Collection[Decimal] = ()
    quarter: Decimal | None = None

    def verdict(self, reading: Decimal) -> MarginEvidence:
        """Whether the step moved margin, by a reading that may be from before it.

        MOVED needs a reading that no state without the step explains as well: neither the margin before it, nor one
        around an earlier step. The margin before it is what the absence of the step shows.
        """
        cases = self._cases()
        moved = [gap for shift in cases if self._fits(gap := self._gap(reading, shift, self.amount))]
        stayed = any(self._fits(self._gap(reading, shift, ZERO)) for shift in cases)
        if stayed and not moved:
            return MarginEvidence.NOT_MOVED
        if not moved or stayed or self._is_old(reading, cases, min(moved)):
            return MarginEvidence.CANNOT_TELL
        return MarginEvidence.MOVED

    def adds_up(self, reading: Decimal) -> bool:
        """Whether what the step left and others moved make the reading, in any case."""
        return any(self._fits(self._gap(reading, shift, self.amount)) for shift in self._cases())

    def is_newest(self, reading: Decimal) -> bool:
        """Whether a reading shows what the step left and others moved since, and is not from before that in any case.

        Where an older margin fits better than the newest, the reading is from then.
        """
        is_new = False
        for shift in self._cases():
            gap = self._gap(reading, shift, self.amount)
            earlier = (self.before, plus(self.before, shift), *self.older)
            nearest = min(_distance(reading, each) for each in earlier)
            if self._fits(gap) and gap <= nearest:
                is_new = True
            elif self._fits(nearest):
                return False
        return is_new

    def _is_old(self, reading: Decimal, cases: Iterable[Decimal], gap: Decimal) -> bool:
        before = any(self._fits(_distance(reading, plus(self.before, shift))) for shift in cases)
        return before or any(_distance(reading, each) <= gap for each in self.older)

    def _gap(self, reading: Decimal, shift: Decimal, amount: Decimal) -> Decimal:
        return _distance(reading, total((self.before, amount, self.since, shift)))

    def _fits(self, gap: Decimal) -> bool:
        return gap <= self._tolerance()

    def _tolerance(self) -> Decimal:
        return abs(self.amount) / 4 if self.quarter is None else self.quarter

    def _cases(self) -> tuple[Decimal, ...]:
        """What the unsure movements can add up to; none at all where there are too many to tell."""
        if total(abs(each) for each in self.unsure) < self._tolerance():
            return (ZERO,)
        if len(self.unsure) > MOST_UNSURE:
            return ()
        sums = {ZERO}
        for each in self.unsure:
            sums |= {plus(each, other) for other in sums}
        return tuple(sorted(sums))


def margins_around(
    calls: Iterable[Intent], address: Address, *, since_ms: int, but_after: int | None = None
) -> tuple[Decimal, ...]:
    """The margins before and after our calls on an address whose fence is not before ``since_ms``.

    Whatever became known of a call, a late read can still show both. What the call signed at ``but_after`` left is not
    among them.
    """
    recent = [
        call for call in calls if call.address == address and call.amount is not None and call.fence_ms >= since_ms
    ]
    after = [call.wanted for call in recent if call.signed_at_ms != but_after]
    return tuple(parse(each) for each in [*(call.before for call in recent), *after])


def _distance(first: Decimal, second: Decimal) -> Decimal:
    return abs(minus(first, second))
