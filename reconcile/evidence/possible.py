"""The margins that an address can show around one of our steps, and the one that a reading fits. Pure.

One calculation serves every caller: the search for a step's effect, the freshness of a look, and the look after an
accepted request. Some movements may or may not count. The margin before a step can lack a row from just before it. A
row without a side can belong to the other side. Each choice among them is a case. A reading proves something only if no
case contradicts it.

A reading fits within a quarter of the step. That is more than funding moves and less than a second transfer.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from reconcile.journal.records import Intent
from reconcile.model.account import Address
from reconcile.money import ZERO, minus, parse, plus, total

MOST_UNSURE = 10
"""With more unsure movements than this, not every choice is tried, and a reading proves nothing."""


class MarginEvidence(StrEnum):
    """The proof that a margin gives about a step."""

    MOVED = "moved"  # by our amount
    NOT_MOVED = "not_moved"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Possible:
    """The margins that are possible around a step that moves ``amount`` (signed) from ``before``.

    ``since`` is the sum of other movements since then; ``unsure`` are movements that may or may not count. ``older``
    are the margins around earlier steps, ours or another party's, which a late read can still show. ``quarter`` is the
    tolerance; None means a quarter of the amount.
    """

    before: Decimal
    amount: Decimal
    since: Decimal = ZERO
    unsure: Sequence[Decimal] = ()
    older: Collection[Decimal] = ()
    quarter: Decimal | None = None

    def verdict(self, reading: Decimal) -> MarginEvidence:
        """Whether the step moved margin, according to a reading that may predate it.

        MOVED needs a reading that no state without the step explains as well: neither the margin before it, nor one
        around an earlier step. A reading that fits only the margin before the step shows its absence.
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
        """Whether in some case the reading is the margin after the step plus the other movements."""
        return any(self._fits(self._gap(reading, shift, self.amount)) for shift in self._cases())

    def is_newest(self, reading: Decimal) -> bool:
        """Whether a reading shows the margin after the step and all later movements, and predates them in no case.

        If an older margin fits better than the newest, the reading counts as old.
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
        """The sums that the unsure movements can have; empty if there are too many to try."""
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
    """The margins before and after those of our calls on an address whose fence is at ``since_ms`` or later.

    A late read can still show both, whatever the outcome of the call. The margin after the call that was signed at
    ``but_after`` is left out.
    """
    recent = [
        call for call in calls if call.address == address and call.amount is not None and call.fence_ms >= since_ms
    ]
    after = [call.wanted for call in recent if call.signed_at_ms != but_after]
    return tuple(parse(each) for each in [*(call.before for call in recent), *after])


def _distance(first: Decimal, second: Decimal) -> Decimal:
    return abs(minus(first, second))
