"""Send each piece of news to the person who watches, and to the notes beside the account's journal."""

from collections.abc import Callable

from reconcile.model.holds import Hold
from reconcile.model.plan import Status
from reconcile.usecases.informing import Notifier
from reconcile.usecases.watch.debounce import Debouncer, Turn
from reconcile.usecases.watch.nearness import AWAY
from reconcile.usecases.watch.news import News, kind_of_state
from reconcile.usecases.watch.notes import WatchNotes
from reconcile.usecases.watch.settings import Settings
from reconcile.usecases.world import World

Key = tuple[str, str]
"""Account and address; the address is empty for the account itself, both for the watch as a whole."""
WATCH: Key = ("", "")
_WELL = {"ok", AWAY, Status.IN_SYNC, Status.UNMANAGED}


class Teller:
    """Shared by all accounts of a watch."""

    def __init__(self, world: World, settings: Settings, tell: Callable[[News], object]) -> None:
        self._world = world
        self._tell: Notifier[News] = Notifier(tell, doing="telling a change of state", otherwise=world.alarm)
        self._problems: Debouncer[str] = Debouncer(needed=1, of=1)
        self.notes = WatchNotes(world, needed=settings.needed, reason=settings.reason, applies=settings.apply)

    def say(self, key: Key, message: str, *, kind: str = "decided") -> None:
        """Tell that something was done."""
        now_ms = self._world.clock.wall_ms()
        self._tell(News(at_ms=now_ms, account=key[0], address=key[1], message=message, kind=kind))

    def decide(self, key: Key, message: str) -> None:
        """Tell and note that something is not done, or not any more."""
        self.say(key, message)
        self.notes.add(key, message)

    def turned(self, key: Key, turn: Turn, message: str, *, hold: Hold | None = None) -> None:
        """Tell and note a change of state; that all is well from the start is no news."""
        if turn.before is None and turn.after in _WELL:
            return
        self.notes.believed(key, turn.before, turn.after, message)
        news = News(
            at_ms=self._world.clock.wall_ms(),
            account=key[0],
            address=key[1],
            before=turn.before,
            after=turn.after,
            message=message,
            kind=kind_of_state(turn.after),
            hold=hold,
        )
        self._tell(news)

    def problem(self, what: str, problem: str) -> None:
        """Tell once what is wrong with something of the watch itself, and once that it is good again (empty)."""
        turn = self._problems.see(what, problem)
        if turn is not None and (turn.before is not None or problem):
            self.decide(WATCH, f"{what}: {problem or 'good again'}")
