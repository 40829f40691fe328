"""``reconcile watch``: the same plan in a loop, told once per change of state, and applied where that is asked for.

A state is believed when enough of the last looks agree. What is applied is what a plan says at that moment, for the
addresses that are believed to need it, by the same apply as everybody's, under the account's lock. What somebody keeps
undoing is tried less and less often and then left alone, which is said. State files are read anew each round.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass

from reconcile.concurrency import interruptible
from reconcile.errors import Containment, Declined, InputError, InternalError, Interrupted
from reconcile.model.account import DesiredAccount
from reconcile.model.plan import AccountPlan, AccountResult, Entry, OutcomeKind, Status
from reconcile.render.metrics import AccountSnapshot, Snapshot
from reconcile.usecases import apply, plan
from reconcile.usecases.informing import Notifier, inform
from reconcile.usecases.watch.contention import Contention
from reconcile.usecases.watch.debounce import Debouncer
from reconcile.usecases.watch.lock import Hold
from reconcile.usecases.watch.news import News, ending, message, standing, state, target_margin
from reconcile.usecases.watch.notes import WatchNotes
from reconcile.usecases.world import World

EXPIRES_MS = 1
"""The plans of a watch are never saved."""

Key = tuple[str, str]
"""Account and address; the address is empty for the account itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to watch.

    ``needed`` of the last ``of`` looks must agree before a state is believed. ``undo_limit`` is how often in a row
    somebody may undo us before we leave an address alone. ``rounds`` None goes on until it is stopped.
    """

    interval_ms: int
    apply: bool
    needed: int = 2
    of: int = 3
    undo_limit: int = 5
    reason: str | None = None
    rounds: int | None = None


class Watch:
    """One watch over what ``load`` reads, from its first round to its end."""

    def __init__(
        self,
        world: World,
        load: Callable[[], Sequence[DesiredAccount]],
        settings: Settings,
        *,
        hold: Hold,
        tell: Callable[[News], object],
        publish: Callable[[Snapshot], None],
    ) -> None:
        """``tell`` takes each line, ``publish`` what stands after each round, which may fail."""
        self._world = world
        self._load = load
        self._settings = settings
        self._hold = hold
        self._tell_news: Notifier[News] = Notifier(tell, doing="telling a change of state", otherwise=world.alarm)
        self._publish = publish
        self._states: Debouncer[Key] = Debouncer(needed=settings.needed, of=settings.of)
        self._files: Debouncer[str] = Debouncer(needed=1, of=1)
        self._undoing: Contention[Key] = Contention(interval_ms=settings.interval_ms, limit=settings.undo_limit)
        self._steps: dict[str, Counter[str]] = {}
        self._held: set[str] = set()
        self._notes = WatchNotes(world, needed=settings.needed, reason=settings.reason, applies=settings.apply)
        self._rounds = 0

    async def run(self) -> None:
        """Watch until the rounds are over. Raises Interrupted when asked to stop, Declined beside another watch."""
        clock = self._world.clock
        try:
            async with AsyncExitStack() as locks:
                while True:
                    begun_ms = clock.monotonic_ms()
                    await self._round(locks)
                    if self._rounds == self._settings.rounds:
                        return
                    left = max(0, begun_ms + self._settings.interval_ms - clock.monotonic_ms())
                    await interruptible(self._world.stop, clock.sleep(left), doing="watching")
        except Interrupted as error:
            sent = "what it sent is settled or in the journal" if self._settings.apply else "it sent nothing"
            raise Interrupted(f"stopped the watch after {self._rounds} rounds; {sent}") from error

    async def _round(self, locks: AsyncExitStack) -> None:
        try:
            accounts = tuple(self._load())
        except InputError as error:
            if not self._rounds:
                raise
            self._file_state("state files", f"wrong: {error}")
            accounts = ()
        else:
            self._file_state("state files", "")
        self._world.accounts.update(account.name for account in accounts)
        mine = [account for account in accounts if await self._is_ours(account, locks)]
        self._rounds += 1
        if mine:
            await self._look(mine)
        await self._notes.write()

    async def _is_ours(self, account: DesiredAccount, locks: AsyncExitStack) -> bool:
        """Hold what is watched. The name is made without asking the exchange: a watch begins beside a dead one too."""
        try:
            with Containment(f"connecting {account.name}", self._world.trace):
                identity = self._world.connect(account, True).identify(None)  # noqa: FBT003 - read only
        except (InputError, InternalError):
            return True  # the plan will say what is wrong
        self._notes.knows(account.name, identity, state_file=account.path, sha256=account.sha256)
        if identity not in self._held:
            holder = self._world.holder("watch", account=account.name)
            try:
                await locks.enter_async_context(self._hold(identity, holder))
            except Declined as error:
                if not self._rounds:
                    self._notes.add((account.name, ""), str(error))
                    await self._notes.write()
                    raise
                self._file_state(f"account {account.name}", str(error))
                return False
            self._held.add(identity)
        self._file_state(f"account {account.name}", "")
        return True

    async def _look(self, accounts: Sequence[DesiredAccount]) -> None:
        world = self._world
        work = plan.plan(world, accounts, targets=(), overrides={}, expires_ms=EXPIRES_MS, git_commit=None)
        made = await interruptible(world.stop, work, doing="watching")
        frozen = {each.desired.name: await world.held_back(each.desired.name, each.identity) for each in made.accounts}
        for account in made.accounts:
            with self._contained(account):
                self._see(account, frozen[account.desired.name])
        self._forget_others({account.name for account in accounts})
        if self._settings.apply:
            for account in made.accounts:
                if frozen[account.desired.name] is None and not account.errors:
                    with self._contained(account):
                        await self._apply(account)
        snapshot = Snapshot(
            rounds=self._rounds,
            at_ms=world.clock.wall_ms(),
            accounts=tuple(self._snapshot(a, is_frozen=frozen[a.desired.name] is not None) for a in made.accounts),
        )
        self._file_state("metrics", inform(self._publish, snapshot) or "")

    @contextmanager
    def _contained(self, account: AccountPlan) -> Iterator[None]:
        """Let a bug that one account meets end its turn and not the watch."""
        name = account.desired.name
        try:
            with Containment(f"watching {name}", self._world.trace):
                yield
        except InternalError as error:
            self._decide((name, ""), str(error))

    # What is seen.

    def _see(self, account: AccountPlan, frozen: str | None) -> None:
        name, desired = account.desired.name, account.desired
        if account.identity is not None:
            self._notes.knows(name, account.identity, state_file=desired.path, sha256=desired.sha256)
        found, said = standing(account, frozen)
        self._turned((name, ""), found, said)
        if account.observed is None:
            return
        entries = {str(entry.address): entry for entry in account.entries}
        for address, entry in entries.items():
            self._turned((name, address), state(entry), message(entry))
        if not account.errors:
            self._see_absent(name, set(entries))

    def _see_absent(self, name: str, present: set[str]) -> None:
        for key in self._states.known():
            if key[0] == name and key[1] and key[1] not in present and self._turned(key, "absent", ""):
                self._states.forget(key)
                self._undoing.forget(key)

    def _forget_others(self, names: set[str]) -> None:
        for key in self._states.known():
            if key[0] not in names:
                self._states.forget(key)
                self._undoing.forget(key)
                if not key[1]:
                    self._decide(key, "no state file declares this account any more; it is not watched")

    def _turned(self, key: Key, found: str, message: str) -> bool:
        """Tell a change of state, and whether there was one; that all is well from the start is no news."""
        turn = self._states.see(key, found)
        if turn is None:
            self._notes.looked(key, found, self._states.held(key), message)
            return False
        if turn.before is None and turn.after in {"ok", Status.IN_SYNC, Status.UNMANAGED}:
            return True
        self._notes.believed(key, turn.before, turn.after, message)
        self._tell_news(
            News(
                at_ms=self._world.clock.wall_ms(),
                account=key[0],
                address=key[1],
                before=turn.before,
                after=turn.after,
                message=message,
            )
        )
        return True

    def _file_state(self, what: str, problem: str) -> None:
        turn = self._files.see(what, problem)
        if turn is not None and (turn.before is not None or problem):
            self._decide(("", ""), f"{what}: {problem or 'good again'}")

    def _say(self, key: Key, message: str) -> None:
        news = News(at_ms=self._world.clock.wall_ms(), account=key[0], address=key[1], message=message)
        self._tell_news(news)

    # What is done.

    def _needs_change(self, key: Key, entry: Entry) -> None:
        """A change that is believed; where it comes after we applied it, somebody undid us."""
        now_ms = self._world.clock.monotonic_ms()
        times = self._undoing.changed(key, target_margin(entry), now_ms)
        limit = self._settings.undo_limit
        if times and self._undoing.gave_up(key):
            self._decide(
                key,
                f"somebody keeps undoing us ({times} times in a row; {message(entry)}): left alone from now on; find "
                "out who it is, then declare another margin or start the watch anew",
            )
        elif times:
            wait = -(-self._undoing.waits_ms(key, now_ms) // 1000)
            self._decide(key, f"somebody undid us ({times} of {limit} times in a row); the next try is in {wait} s")

    def _decide(self, key: Key, message: str) -> None:
        self._say(key, message)
        self._notes.add(key, message)

    async def _apply(self, account: AccountPlan) -> None:
        name, now_ms = account.desired.name, self._world.clock.monotonic_ms()
        due = []
        for entry in account.entries:
            key = (name, str(entry.address))
            if entry.status is Status.CHANGE and self._states.held(key) == Status.CHANGE:
                self._needs_change(key, entry)
                if self._undoing.may_apply(key, target_margin(entry), now_ms):
                    due.append(entry)
        await self._notes.write()
        if not due or self._world.stop.is_set():
            return
        result = await apply.apply(
            self._world,
            [account.desired],
            targets=[f"{name}:{entry.address}" for entry in due],
            reason=self._settings.reason,
            git_commit=None,
            confirm=None,
            command="watch",
        )
        self._ended(name, due, result.accounts[0])

    def _ended(self, name: str, due: Sequence[Entry], result: AccountResult) -> None:
        now_ms = self._world.clock.monotonic_ms()
        counts = self._steps.setdefault(name, Counter())
        applied = set()
        for step in result.steps:
            counts[step.outcome.value] += 1
            self._say((name, str(step.address)), ending(step))
            if step.outcome is OutcomeKind.APPLIED:
                applied.add(step.address)
        for error in result.errors:
            self._say((name, ""), f"not applied: {error.message}")
        for entry in due:
            key = (name, str(entry.address))
            if entry.address in applied:
                self._undoing.applied(key, target_margin(entry), now_ms)
            elif result.exit_code:
                self._undoing.failed(key, target_margin(entry), now_ms)

    def _snapshot(self, account: AccountPlan, *, is_frozen: bool) -> AccountSnapshot:
        name = account.desired.name
        keys = [(name, str(entry.address)) for entry in account.entries]
        return AccountSnapshot(
            plan=account,
            is_frozen=is_frozen,
            steps=dict(self._steps.get(name, {})),
            undone={key[1]: times for key in keys if (times := self._undoing.undone(key))},
            gave_up=frozenset(key[1] for key in keys if self._undoing.gave_up(key)),
        )
