"""The counts of one account over the life of a watch, for its metrics."""

from collections import Counter

from reconcile.model.plan import AccountPlan, AccountResult, Status
from reconcile.render.metrics.snapshot import AccountSnapshot
from reconcile.usecases.tally import Tally

_TO_DO = {Status.CHANGE, Status.HELD}


class AccountRecord:
    """The times of an account's last read and last good run, and the results of our runs and steps."""

    def __init__(self) -> None:
        self._read_ms: int | None = None
        self._good_ms: int | None = None
        self._has_failed = False
        """Whether our last run fell short, and something is still to be done."""
        self._runs: Counter[int] = Counter()
        self._steps: Counter[str] = Counter()

    def read(self, now_ms: int) -> None:
        """The account could be read."""
        self._read_ms = now_ms

    def ran(self, result: AccountResult) -> None:
        """A run of ours, an apply or a settlement, has ended."""
        self._runs[result.exit_code] += 1
        self._has_failed = result.exit_code != 0
        self._steps.update(step.outcome.value for step in result.steps)

    def turned(self, account: AccountPlan, now_ms: int) -> None:
        """A turn has ended: a good one where the account was read, nothing refuses it, and no run is left undone."""
        self._has_failed &= any(entry.status in _TO_DO for entry in account.entries)
        if account.observed is not None and not account.errors and not self._has_failed:
            self._good_ms = now_ms

    def snapshot(
        self,
        account: AccountPlan,
        tally: Tally,
        *,
        is_frozen: bool,
        is_locked: bool,
        undone: dict[str, int],
        gave_up: frozenset[str],
    ) -> AccountSnapshot:
        """The account as it stands after a turn."""
        traffic = tally.traffic(account.desired.name)
        return AccountSnapshot(
            plan=account,
            is_frozen=is_frozen,
            is_locked=is_locked,
            read_ms=self._read_ms,
            good_ms=self._good_ms,
            runs=dict(self._runs),
            steps=dict(self._steps),
            undone=undone,
            gave_up=gave_up,
            requests=traffic.requests,
            throttles=traffic.throttles,
            lock_waits=traffic.lock_waits,
            lock_wait_ms=traffic.lock_wait_ms,
        )
