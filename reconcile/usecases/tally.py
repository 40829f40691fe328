"""Counts by account: requests to its exchange, throttles, and how often its lock was met held by another run."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconcile.exchanges.base import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Counts of one account since the process began.

    ``requests`` are by kind (``read``, ``public``, ``write``), ``throttles`` answers that a rate limit was hit.
    ``lock_waits`` is how often another run held the lock, ``lock_wait_ms`` how long was waited for it in all.
    """

    requests: Mapping[str, int] = field(default_factory=dict)
    throttles: int = 0
    lock_waits: int = 0
    lock_wait_ms: int = 0


class Tally:
    """Counts by account, whoever connected to it."""

    def __init__(self) -> None:
        self._open: defaultdict[str, list[Reader]] = defaultdict(list)
        self._requests: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._throttles: Counter[str] = Counter()
        self._lock_waits: Counter[str] = Counter()
        self._lock_wait_ms: Counter[str] = Counter()

    def connected(self, account: str, adapter: Reader) -> None:
        """Count what this adapter asks."""
        self._open[account].append(adapter)

    def met_lock(self, account: str, *, waited_ms: int) -> None:
        """Another run held the account; how long it was waited for."""
        self._lock_waits[account] += 1
        self._lock_wait_ms[account] += waited_ms

    def traffic(self, account: str) -> Traffic:
        """The counts so far; called when no adapter of the account is at work, and forgets those that were."""
        for adapter in self._open.pop(account, ()):
            self._requests[account].update(adapter.requests)
            self._throttles[account] += sum(adapter.throttles.values())
        return Traffic(
            requests=dict(self._requests[account]),
            throttles=self._throttles[account],
            lock_waits=self._lock_waits[account],
            lock_wait_ms=self._lock_wait_ms[account],
        )
