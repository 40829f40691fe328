"""One account over the life of a watch: what is believed of it, what keeps being undone, and its turns.

A turn looks and tells what changed. Where that is asked for, it settles what an earlier run left, or applies what is
believed to need it. Both happen under the account's lock, as in ``apply``. A change that keeps being undone is tried
less and less often, then left alone.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal

from reconcile.concurrency import interruptible
from reconcile.errors import Containment, InternalError, JournalError
from reconcile.model.account import Address, DesiredAccount
from reconcile.model.holds import Hold
from reconcile.model.plan import AccountPlan, AccountResult, Entry, OutcomeKind, Status
from reconcile.money import minus, parse
from reconcile.render.common.holder import holder_text
from reconcile.render.metrics.snapshot import AccountSnapshot
from reconcile.usecases import apply, plan
from reconcile.usecases.account_identity import Roster
from reconcile.usecases.further import Further
from reconcile.usecases.watch.account_record import AccountRecord
from reconcile.usecases.watch.contention import Contention
from reconcile.usecases.watch.debounce import Debouncer
from reconcile.usecases.watch.nearness import Nearness
from reconcile.usecases.watch.news import (
    ending,
    is_urgent,
    kind_of_outcome,
    kind_of_settled,
    message,
    settled,
    standing,
    state,
    switched_back,
    target_margin,
)
from reconcile.usecases.watch.settings import Settings
from reconcile.usecases.watch.telling import Key, Teller
from reconcile.usecases.world import World

EXPIRES_MS = 1
"""The plans of a watch are never saved."""
ACCOUNT = ""
"""Stands for the account itself among its addresses."""


class AccountWatch:
    """The watch of the account that state files call ``name``; its turns come one after the other."""

    def __init__(self, world: World, name: str, settings: Settings, teller: Teller) -> None:
        self.name = name
        self.snapshot: AccountSnapshot | None = None
        """The state that the last turn saw; None before the first."""
        self._world = world
        self._settings = settings
        self._teller = teller
        self._states: Debouncer[str] = Debouncer(needed=settings.needed, of=settings.of)
        self._contention: Contention[str] = Contention(interval_ms=settings.interval_ms, limit=settings.undo_limit)
        self._hands: Contention[str] = Contention(interval_ms=settings.interval_ms, limit=settings.undo_limit)
        """Counts bands that a person undid by taking margin out again. A price that moves undoes nothing."""
        self._settling: Contention[str] = Contention(interval_ms=settings.interval_ms, limit=settings.undo_limit)
        """Paces the looks for a step whose outcome stays unknown."""
        self._left: dict[str, Decimal] = {}
        """The margin that our last step left at each banded address."""
        self._record = AccountRecord()
        self._nearness = Nearness(settings.near, needed=settings.needed, of=settings.of)
        self._is_locked = False

    async def turn(self, desired: DesiredAccount, roster: Roster) -> None:
        """Look, tell and apply once; ``roster`` has all accounts of the round. Raises Interrupted."""
        world = self._world
        work = plan.plan(
            world, [desired], targets=(), overrides={}, expires_ms=EXPIRES_MS, git_commit=None, roster=roster
        )
        made = await interruptible(world.stop, work, doing="watching")
        (account,) = made.accounts
        frozen = await world.held_back(self.name, account.identity or "")
        if account.observed is not None:
            self._record.read(world.clock.wall_ms())
        with self._contained():
            self._see(account, frozen)
        if self._settings.apply and frozen is None and account.observed is not None:
            with self._contained():
                await self._act(account)
        self._record.turned(account, world.clock.wall_ms())
        self.snapshot = self._snapshot(account, is_frozen=frozen is not None)

    @contextmanager
    def _contained(self) -> Iterator[None]:
        """Let a bug that the account meets end its turn and not the watch."""
        try:
            with Containment(f"watching {self.name}", self._world.trace):
                yield
        except InternalError as error:
            self._teller.decide(self._key(), str(error))

    def _key(self, address: str = ACCOUNT) -> Key:
        return (self.name, address)

    # What is seen.

    def _see(self, account: AccountPlan, frozen: str | None) -> None:
        if account.identity is not None:
            desired = account.desired
            self._teller.notes.knows(self.name, account.identity, state_file=desired.path, sha256=desired.sha256)
        found, told = standing(account, frozen)
        self._turned(ACCOUNT, found, told)
        if account.observed is None:
            return
        for entry in account.entries:
            self._saw(entry)
        for address, near, words in self._nearness.see(account):
            self._teller.turned(self._key(address), near, words)
        if not account.errors:
            self._see_absent({str(entry.address) for entry in account.entries})

    def _see_absent(self, present: set[str]) -> None:
        for address in self._states.known():
            if address and address not in present and self._turned(address, "absent", ""):
                self._states.forget(address)
                self._contention.forget(address)
                self._hands.forget(address)
                self._left.pop(address, None)

    def _saw(self, entry: Entry) -> None:
        urgent = is_urgent(entry)
        self._turned(str(entry.address), state(entry), message(entry), at_once=urgent, hold=entry.hold)

    def _turned(self, address: str, found: str, told: str, *, at_once: bool = False, hold: Hold | None = None) -> bool:
        """Take in one look, which counts alone if ``at_once``; whether it completes a change of state."""
        turn = self._states.see(address, found, at_once=at_once)
        if turn is None:
            self._teller.notes.looked(self._key(address), found, self._states.held(address), told)
            return False
        self._teller.turned(self._key(address), turn, told, hold=hold)
        return True

    # What is done.

    async def _act(self, account: AccountPlan) -> None:
        """Settle or apply; what is settled now is planned from in the next round."""
        is_open = self._is_open(account)
        due = [] if is_open or account.errors else self._due(account)
        await self._teller.notes.write(self.name)
        if not (is_open or due) or self._world.stop.is_set() or self._is_held_by_another(account):
            return
        if is_open:
            await self._settle(account)
        else:
            await self._apply(account, due)

    def _is_open(self, account: AccountPlan) -> bool:
        """Whether a step of an earlier run has no known outcome, and it is time to look for it."""
        try:
            unsettled = self._world.store.read(account.identity or "").unsettled
        except JournalError:
            return False  # the plan meets it too, and says so
        if not unsettled:
            self._settling.forget(self.name)
        return bool(unsettled) and self._settling.may_apply(self.name, None, self._world.clock.monotonic_ms())

    async def _settle(self, account: AccountPlan) -> None:
        result = await apply.settle(self._world, account.desired, reason=self._settings.reason, command="watch")
        if result is None:
            return
        self._record.ran(result)
        for step in result.settled:
            self._teller.say(self._key(str(step.address)), settled(step), kind=kind_of_settled(step))
        if not self._told_errors(result):
            self._settling.failed(self.name, None, self._world.clock.monotonic_ms())

    async def _apply(self, account: AccountPlan, due: Sequence[Entry]) -> None:
        meanwhile: dict[Address, Entry] = {}

        def urgent(plan: AccountPlan) -> list[Entry]:
            for entry in plan.entries:
                if is_urgent(entry):
                    self._saw(entry)
            found = [entry for entry in self._due(plan) if is_urgent(entry)]
            meanwhile.update((entry.address, entry) for entry in found)
            return found

        result = await apply.apply(
            self._world,
            [account.desired],
            targets=[f"{self.name}:{entry.address}" for entry in due],
            reason=self._settings.reason,
            git_commit=None,
            confirm=None,
            command="watch",
            further=Further(every_ms=self._settings.interval_ms, wants=urgent),
        )
        stepped = {step.address for step in result.accounts[0].steps} - {entry.address for entry in due}
        self._ended([*due, *(meanwhile[each] for each in stepped)], result.accounts[0])

    def _due(self, account: AccountPlan) -> list[Entry]:
        """The entries that are believed to need a change, and that it is time to try."""
        now_ms, due = self._world.clock.monotonic_ms(), []
        for entry in account.entries:
            address = str(entry.address)
            if entry.status is Status.CHANGE and self._states.held(address) == state(entry):
                self._needs_change(address, entry)
                hands = self._hands.may_apply(address, None, now_ms)
                if hands and self._contention.may_apply(address, target_margin(entry), now_ms):
                    due.append(entry)
        return due

    def _needs_change(self, address: str, entry: Entry) -> None:
        """A change that is believed; where it comes after we applied it, our change was undone."""
        now_ms = self._world.clock.monotonic_ms()
        contention, declared = self._contention, target_margin(entry)
        if entry.target is not None and entry.target.band is not None:
            contention, declared = self._hands, None
            if not self._is_taken_out(address, entry) and not switched_back(entry):
                contention.forget(address)
        times = contention.changed(address, declared, now_ms)
        if times and contention.gave_up(address):
            self._teller.decide(
                self._key(address),
                f"the change keeps being undone ({times} times in a row; {message(entry)}): left alone from now on; "
                "find out by whom, then declare another margin or start the watch anew",
            )
        elif times:
            wait, limit = -(-contention.waits_ms(address, now_ms) // 1000), self._settings.undo_limit
            words = f"the change was undone ({times} of {limit} times in a row); the next try is in {wait} s"
            self._teller.decide(self._key(address), words)

    def _is_taken_out(self, address: str, entry: Entry) -> bool:
        """Whether a banded position has less margin than our last step left, beyond its tolerance."""
        left, held = self._left.get(address), entry.observed
        if left is None or held is None or entry.target is None:
            return False
        return minus(left, held.isolated_margin) > entry.target.tolerance.amount(left, held.asset)

    def _is_held_by_another(self, account: AccountPlan) -> bool:
        """Whether another run holds the account, which is then left for the next round."""
        if not self._settings.skip_locked or account.identity is None:
            return False
        try:
            holder = self._world.store.holder(account.identity)
        except JournalError:
            return False  # the apply meets it too, and says so
        if holder is not None:
            self._world.tally.met_lock(self.name, waited_ms=0)
        self._lock_is(None if holder is None else f"locked by {holder_text(holder)}")
        return holder is not None

    def _lock_is(self, problem: str | None) -> None:
        """Tell once that the account is locked; None: it is not."""
        if problem is not None and not self._is_locked:
            self._teller.decide(self._key(), f"{problem}; the watch tries again each round")
        self._is_locked = problem is not None

    def _ended(self, due: Sequence[Entry], result: AccountResult) -> None:
        now_ms = self._world.clock.monotonic_ms()
        self._record.ran(result)
        applied = set()
        for step in result.steps:
            self._teller.say(self._key(str(step.address)), ending(step), kind=kind_of_outcome(step.outcome))
            if step.outcome is OutcomeKind.APPLIED:
                applied.add(step.address)
                if step.after is not None and step.amount is not None:
                    self._left[str(step.address)] = parse(step.after)
        is_locked = self._told_errors(result)
        for entry in due:
            address = str(entry.address)
            if entry.address in applied:
                if entry.target is not None and entry.target.band is not None:
                    self._hands.applied(address, None, now_ms)
                else:
                    self._contention.applied(address, target_margin(entry), now_ms)
            elif result.exit_code and not is_locked:
                self._contention.failed(address, target_margin(entry), now_ms)

    def _told_errors(self, result: AccountResult) -> bool:
        """Tell why the account was not worked on; whether that was another run's lock."""
        locked = next((error.message for error in result.errors if error.key == "lock"), None)
        self._lock_is(locked)
        for error in result.errors:
            if error.key != "lock":
                self._teller.say(self._key(), f"not applied: {error.message}", kind="short")
        return locked is not None

    def _undone(self, address: str) -> int:
        return max(self._contention.undone(address), self._hands.undone(address))

    def _snapshot(self, account: AccountPlan, *, is_frozen: bool) -> AccountSnapshot:
        addresses = [str(entry.address) for entry in account.entries]
        return self._record.snapshot(
            account,
            self._world.tally,
            is_frozen=is_frozen,
            is_locked=self._is_locked,
            undone={address: times for address in addresses if (times := self._undone(address))},
            gave_up=frozenset(
                address for address in addresses if self._contention.gave_up(address) or self._hands.gave_up(address)
            ),
        )
