"""Back off from a change that keeps being undone: after a limit we stop, and say so.

Two programs that each put a margin where they want it would otherwise move money back and forth for ever. The wait
doubles each time; what lasted long enough is forgiven; a newly declared margin starts afresh.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

MEMORY_MS = 3_600_000
"""A change that lasted this long does not count as undone."""
LONGEST_MS = 3_600_000
"""The longest wait between two tries."""


@dataclass(slots=True)
class _Case:
    declared: Decimal | None
    applied_ms: int | None = None
    undone: int = 0
    failed: int = 0
    not_before_ms: int = 0


class Contention(Generic[K]):
    """By key, what we applied and what became of it. Times are any steady milliseconds."""

    def __init__(self, *, interval_ms: int, limit: int) -> None:
        """``limit`` is how often something may be undone before we stop applying it."""
        self._interval_ms = interval_ms
        self._limit = limit
        self._cases: dict[K, _Case] = {}

    def applied(self, key: K, declared: Decimal | None, now_ms: int) -> None:
        """We put it where it is declared."""
        case = self._case(key, declared)
        case.applied_ms = now_ms
        case.failed = 0

    def failed(self, key: K, declared: Decimal | None, now_ms: int) -> None:
        """We tried and it did not come about."""
        case = self._case(key, declared)
        case.failed += 1
        case.not_before_ms = now_ms + self._wait(case.failed)

    def changed(self, key: K, declared: Decimal | None, now_ms: int) -> int:
        """It needs a change (again). How often we have been undone by now; 0 where this is no undoing."""
        case = self._case(key, declared)
        if case.applied_ms is None:
            return 0
        lasted = now_ms - case.applied_ms >= MEMORY_MS
        case.undone = 0 if lasted else case.undone + 1
        case.applied_ms = None
        if case.undone:
            case.not_before_ms = now_ms + self._wait(case.undone)
        return case.undone

    def may_apply(self, key: K, declared: Decimal | None, now_ms: int) -> bool:
        """Whether it is time to try, and still worth trying."""
        case = self._case(key, declared)
        return not self._is_over(case) and now_ms >= case.not_before_ms

    def waits_ms(self, key: K, now_ms: int) -> int:
        """The time until the next try."""
        case = self._cases.get(key)
        return 0 if case is None else max(0, case.not_before_ms - now_ms)

    def gave_up(self, key: K) -> bool:
        """Whether we stopped applying it."""
        case = self._cases.get(key)
        return case is not None and self._is_over(case)

    def undone(self, key: K) -> int:
        """The number of times in a row that our change was undone."""
        case = self._cases.get(key)
        return 0 if case is None else case.undone

    def forget(self, key: K) -> None:
        """As if we had never applied it."""
        self._cases.pop(key, None)

    def _case(self, key: K, declared: Decimal | None) -> _Case:
        case = self._cases.get(key)
        if case is None or case.declared != declared:
            case = self._cases[key] = _Case(declared=declared)
        return case

    def _is_over(self, case: _Case) -> bool:
        return case.undone >= self._limit

    def _wait(self, times: int) -> int:
        return min(LONGEST_MS, self._interval_ms << min(times, 32))
