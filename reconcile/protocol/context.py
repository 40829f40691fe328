"""The parts of one account's run, collected once so that every module uses the same ones."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from reconcile.clock import Clock
from reconcile.concurrency import Stop, interruptible
from reconcile.exchanges.base import Writer, lane_of
from reconcile.journal.base import Journal
from reconcile.journal.records import Intent
from reconcile.model.account import Address, DesiredAccount, Target
from reconcile.model.plan import MoveMargin, Step
from reconcile.money import ZERO
from reconcile.protocol.earlier import Earlier
from reconcile.protocol.funds import Reservation
from reconcile.protocol.looks import Observer
from reconcile.protocol.task import Task
from reconcile.render.common.values import rfc3339

_OPEN = "the journal holds what is open, and the next run settles it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One account's run.

    ``new_id`` makes intent ids. ``progress`` takes one line for a person, ``trace`` an exception that is a bug of ours.
    ``halted`` returns the reason why nothing new may start (a stop request, a freeze), or None. ``grace_ms`` and
    ``validity_ms`` are the values assumed of the exchange.
    """

    desired: DesiredAccount
    writer: Writer
    journal: Journal
    observer: Observer
    earlier: Earlier
    reservation: Reservation
    clock: Clock
    new_id: Callable[[], str]
    progress: Callable[[str], None]
    trace: Callable[[Exception], object]
    halted: Callable[[], Awaitable[str | None]]
    stop: Stop
    grace_ms: int
    validity_ms: int
    targets: Mapping[Address, Target]

    def lane(self, address: Address) -> str:
        """The lane an address belongs to."""
        return lane_of(self.writer.traits, address)

    def amount_step(self, asset: str) -> Decimal:
        """The smallest amount by which a call moves margin in this asset."""
        return self.desired.amount_step or self.writer.traits.amount_step(asset)

    def task(self, step: Step, *, cursor: str | None) -> Task:
        """The constants of a planned step; ``cursor`` is the ledger's newest row."""
        asset = step.asset if isinstance(step, MoveMargin) else None
        return replace(
            self._task(step.address, self.lane(step.address), asset),
            step=step,
            target=self.targets.get(step.address),
            cursor=cursor,
        )

    def earlier_task(self, intent: Intent) -> Task:
        """The constants of the search for a step of an earlier run."""
        return self._task(intent.address, intent.lane, intent.asset)

    def _task(self, address: Address, lane: str, asset: str | None) -> Task:
        return Task(
            name=self.desired.name,
            address=address,
            lane=lane,
            policy=self.desired.policy,
            step_size=ZERO if asset is None else self.amount_step(asset),
            grace_ms=self.grace_ms,
            validity_ms=self.validity_ms,
            slack_ms=max(self.grace_ms, self.writer.traits.clock_ahead_ms),
        )

    async def pause(self, milliseconds: int) -> None:
        """Wait; raises Interrupted at once on a stop request."""
        if milliseconds > 0 or self.stop.is_set():
            await interruptible(self.stop, self.clock.sleep(milliseconds), doing="waiting", leaves=_OPEN)

    async def know_exchange_time(self) -> None:
        """Ask the exchange for its time if our reading of it is too old; raises ReadFailed."""
        if self.writer.time.due:
            await self.writer.sync_time()

    async def pass_exchange_time(self, moment_ms: int, *, why: str) -> None:
        """Wait until the exchange itself reports a time later than ``moment_ms``, in a reply fetched for this purpose.

        If the wait is longer than a second, ``why`` is shown, followed by 'until' and the time. It is shown again if
        the exchange's clock was set back meanwhile. Raises ReadFailed, also if the wait grows past the longest one that
        a run may make. Raises Interrupted on a stop request.
        """
        time, began_ms = self.writer.time, self.clock.monotonic_ms()
        await self.know_exchange_time()
        ends_ms = None
        while True:
            missing = time.wait_ms(moment_ms)
            now_ms = self.clock.monotonic_ms()
            if missing > 1_000 and (ends_ms is None or now_ms + missing > ends_ms + 1_000):
                self.progress(self._waiting(moment_ms, missing, why=why, is_longer=ends_ms is not None))
                ends_ms = now_ms + missing
            await self.pause(max(missing + 1, 0))
            if await self.writer.sync_time() > moment_ms:
                return
            time.end_wait(moment_ms, waited_ms=self.clock.monotonic_ms() - began_ms)

    def _waiting(self, moment_ms: int, missing_ms: int, *, why: str, is_longer: bool) -> str:
        back = "the exchange's clock was set back; " if is_longer else ""
        until = f"{rfc3339(moment_ms)[11:19]} UTC"
        return f"{self.desired.name}: {back}{why} until {until}; checking then ({-(-missing_ms // 1000)} s)"
