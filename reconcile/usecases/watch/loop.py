"""``reconcile watch``: every account in a loop, told once per change of state, and applied where that is asked for.

The accounts take their turns side by side. A round begins a turn for each account that has none under way, and ends
with the last of them or with the interval. An account that waits for a lock or a fence holds up no other one; its next
turn begins when this one has ended. State files are read anew each round.
"""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress

from reconcile.concurrency import Background, interruptible
from reconcile.errors import Containment, Declined, InputError, InternalError, Interrupted, ReconcileError
from reconcile.model.account import DesiredAccount
from reconcile.render.metrics.snapshot import Snapshot
from reconcile.usecases.informing import inform
from reconcile.usecases.watch.account_watch import AccountWatch
from reconcile.usecases.watch.lock import Hold
from reconcile.usecases.watch.news import News
from reconcile.usecases.watch.roster import Identities, RoundRoster
from reconcile.usecases.watch.settings import Settings
from reconcile.usecases.watch.telling import Teller
from reconcile.usecases.world import World


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
        self._publish = publish
        self._teller = Teller(world, settings, tell)
        self._accounts: dict[str, AccountWatch] = {}
        self._turns = Background()
        self._identities = Identities()
        self._held: set[str] = set()
        self._rounds = 0

    async def run(self) -> None:
        """Watch until the rounds are over. Raises Interrupted when asked to stop, Declined beside another watch."""
        try:
            async with AsyncExitStack() as locks:
                try:
                    await self._run(locks)
                finally:
                    await self._turns.ended()  # what is in flight is settled while its watch lock is held
        except Interrupted as error:
            sent = "what it sent is settled or in the journal" if self._settings.apply else "it sent nothing"
            raise Interrupted(f"stopped the watch after {self._rounds} rounds; {sent}") from error

    async def _run(self, locks: AsyncExitStack) -> None:
        clock = self._world.clock
        while True:
            next_ms = clock.monotonic_ms() + self._settings.interval_ms
            await self._round(locks, next_ms)
            if self._rounds == self._settings.rounds:
                return
            left = max(0, next_ms - clock.monotonic_ms())
            await interruptible(self._world.stop, clock.sleep(left), doing="watching")

    async def _round(self, locks: AsyncExitStack, next_ms: int) -> None:
        """One round, over when all turns are, or at ``next_ms``; the last one waits for all turns."""
        accounts = self._loaded()
        self._world.accounts.update(account.name for account in accounts)
        mine = await self._ours(accounts, locks)
        self._rounds += 1
        roster = RoundRoster(mine, self._identities)
        for account in mine:
            self._begin(account, roster)
        left = None if self._rounds == self._settings.rounds else max(0, next_ms - self._world.clock.monotonic_ms())
        await interruptible(self._world.stop, self._turns.ended(left, self._world.clock), doing="watching")
        if mine:
            self._forget_others({account.name for account in accounts})
            self._show([account.name for account in mine])
        await self._teller.notes.write("")

    def _loaded(self) -> Sequence[DesiredAccount]:
        """The declared accounts; none where a state file is wrong, which only at the start ends the watch."""
        try:
            accounts = tuple(self._load())
        except InputError as error:
            if not self._rounds:
                raise
            self._teller.problem("state files", f"wrong: {error}")
            return ()
        self._teller.problem("state files", "")
        return accounts

    async def _ours(self, accounts: Sequence[DesiredAccount], locks: AsyncExitStack) -> list[DesiredAccount]:
        """The accounts that no other watch has. Raises Declined where that is none of them, at the start."""
        refusals: dict[str, Declined] = {}
        for account in accounts:
            refusal = await self._refusal(account, locks)
            if refusal is not None:
                refusals[account.name] = refusal
        first = next(iter(refusals.values()), None)
        is_alone = first is not None and not self._rounds and len(refusals) == len(accounts)
        for account in accounts:
            found = refusals.get(account.name)
            if found is not None and not self._rounds:
                self._teller.notes.add((account.name, ""), str(found))
                await self._teller.notes.write(account.name)
            if not is_alone:
                self._teller.problem(f"account {account.name}", "" if found is None else str(found))
        if first is not None and is_alone:
            raise first
        return [account for account in accounts if account.name not in refusals]

    async def _refusal(self, account: DesiredAccount, locks: AsyncExitStack) -> Declined | None:
        """Hold the account for this watch; why that cannot be, None where it is.

        The name is made without asking the exchange: a watch begins beside a dead one too.
        """
        try:
            with Containment(f"connecting {account.name}", self._world.trace):
                identity = self._world.reader(account).identify(None)
        except (InputError, InternalError):
            return None  # the plan will say what is wrong
        self._teller.notes.knows(account.name, identity, state_file=account.path, sha256=account.sha256)
        if identity in self._held:
            return None
        holder = self._world.holder("watch", account=account.name)
        try:
            await locks.enter_async_context(self._hold(identity, holder))
        except Declined as error:
            return error
        self._held.add(identity)
        return None

    def _begin(self, desired: DesiredAccount, roster: RoundRoster) -> None:
        """Begin the account's turn, unless its last one is still under way, which is told once."""
        name = desired.name
        watch = self._accounts.get(name)
        if watch is None:
            watch = self._accounts[name] = AccountWatch(self._world, name, self._settings, self._teller)
        is_busy = self._turns.has(name)
        late = "takes longer than the interval; the next begins when it has ended"
        self._teller.problem(f"turn of {name}", late if is_busy else "")
        if is_busy:
            self._turns.begin(f"{name}: round {self._rounds}", self._stand_in(desired, roster))
            return
        self._identities.begin(name)
        self._turns.begin(name, self._turn(watch, desired, roster))

    async def _stand_in(self, desired: DesiredAccount, roster: RoundRoster) -> None:
        """Tell the others of the round which account a turn under way is of; a refusal is for its own turn to tell."""
        with suppress(ReconcileError):
            await roster.stand_in(desired)

    async def _turn(self, watch: AccountWatch, desired: DesiredAccount, roster: RoundRoster) -> None:
        """One turn. Never raises, so that it ends no other turn."""
        try:
            with Containment(f"watching {watch.name}", self._world.trace):
                try:
                    await watch.turn(desired, roster)
                finally:
                    await self._teller.notes.write(watch.name)
        except InternalError as error:
            self._teller.decide((watch.name, ""), str(error))
        except Interrupted:
            return  # the loop is told so itself

    def _forget_others(self, names: set[str]) -> None:
        for name in [name for name in self._accounts if name not in names and not self._turns.has(name)]:
            del self._accounts[name]
            self._teller.decide((name, ""), "no state file declares this account any more; it is not watched")

    def _show(self, names: Sequence[str]) -> None:
        """Publish what stands: of an account whose turn is under way, what its last one saw."""
        shown = (self._accounts[name].snapshot for name in names)
        snapshot = Snapshot(
            rounds=self._rounds,
            at_ms=self._world.clock.wall_ms(),
            accounts=tuple(each for each in shown if each is not None),
        )
        self._teller.problem("metrics", inform(self._publish, snapshot) or "")
