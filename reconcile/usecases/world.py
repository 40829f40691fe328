"""Everything outside that a use case needs, built once for an invocation; a simulation builds its own."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from reconcile.clock import Clock
from reconcile.concurrency import Stop
from reconcile.errors import JournalError
from reconcile.exchanges.base import Reader, Writer
from reconcile.journal.base import Store
from reconcile.journal.brake import read_brake
from reconcile.model.account import DesiredAccount
from reconcile.model.spans import Spans, no_spans
from reconcile.usecases import hand_brake
from reconcile.usecases.informing import Notifier
from reconcile.usecases.tally import Tally

R_co = TypeVar("R_co", bound=Reader, covariant=True)


def _no_former(_: str | None) -> tuple[str, ...]:
    """The journal has had no other name."""
    return ()


def _no_route() -> str:
    """Nothing is known of the way."""
    return "the exchange"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection(Generic[R_co]):
    """A way to one account: ``adapter`` reads it, and writes where it is a ``Writer``.

    ``identify`` gives the account's identity from the exchange's own account id (None where it tells none). ``former``
    gives the names under which its journal may have begun. ``cold_fence`` is False where the state file says that no
    other program can have sent anything. ``route`` says in words how requests go there: the URL, its certificates and
    the proxy.
    """

    adapter: R_co
    identify: Callable[[str | None], str]
    cold_fence: bool
    former: Callable[[str | None], tuple[str, ...]] = _no_former
    route: Callable[[], str] = _no_route


def _no_trace(_: Exception) -> None:
    """Drop it: tracebacks were not asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """``connect`` makes the way to an account; with its second argument True it cannot write. Raises InputError.

    Use cases call ``reader`` and ``writer``, whose types say which of them it is.

    ``progress`` takes one line for a person, and never raises here. ``stop`` is set when the run is asked to end.
    ``host`` names this machine for the journal, ``actor`` the person or job responsible. ``machine`` changes with a
    reboot and differs for another container of the same name (None: the host's name tells). ``parallelism`` bounds the
    writes of one account and the accounts in work at once. ``version`` is the tool's. ``warn`` takes a line that must
    be shown (None: as ``progress``).
    ``trace`` takes an exception that is a bug of ours, for a person who asked to see where it was, and never raises
    here. ``accounts`` are the names that state files and journals have had so far: a freeze by hand must fit one.
    ``pid`` is this process, None where it says nothing. ``ahead_ms`` is, by account, how far its exchange's
    clock was ahead of this machine's when it was last reached. ``tally`` counts requests and locks by account.
    ``spans`` takes each account's run once it has ended, and never raises here.
    """

    env: Mapping[str, str]
    home: Path
    clock: Clock
    store: Store
    dice: random.Random
    connect: Callable[[DesiredAccount, bool], Connection[Writer]]
    progress: Callable[[str], None]
    stop: Stop = field(default_factory=Stop)
    host: str
    actor: str
    version: str
    machine: str | None = None
    warn: Callable[[str], None] | None = None
    trace: Callable[[Exception], object] = _no_trace
    parallelism: int = 10
    lock_timeout_ms: int = 60_000
    accounts: set[str] = field(default_factory=set)
    pid: int | None = None
    ahead_ms: dict[str, int] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    spans: Spans = no_spans

    def __post_init__(self) -> None:
        """Whatever tells a person is made harmless here, once for every use case."""
        warn = self.warn or self.progress
        if not isinstance(warn, Notifier):
            warn = Notifier(warn, doing="telling a person")
        progress = self.progress
        if not isinstance(progress, Notifier):
            progress = Notifier(progress, doing="showing progress", otherwise=warn)
        trace = self.trace
        if not isinstance(trace, Notifier):
            trace = Notifier(trace, doing="showing where a bug was", otherwise=warn)
        object.__setattr__(self, "warn", warn)
        object.__setattr__(self, "progress", progress)
        spans = self.spans
        if not isinstance(spans, Notifier):
            spans = Notifier(spans, doing="telling spans", otherwise=warn)
        object.__setattr__(self, "trace", trace)
        object.__setattr__(self, "spans", spans)

    def reader(self, desired: DesiredAccount) -> Connection[Reader]:
        """A way to an account that cannot write. Raises InputError."""
        return self._connected(desired, self.connect(desired, True))  # noqa: FBT003 - read only

    def writer(self, desired: DesiredAccount) -> Connection[Writer]:
        """A way to an account that can write. Raises InputError."""
        return self._connected(desired, self.connect(desired, False))  # noqa: FBT003 - not read only

    def _connected(self, desired: DesiredAccount, made: Connection[Writer]) -> Connection[Writer]:
        self.tally.connected(desired.name, made.adapter)
        return made

    def new_id(self) -> str:
        """A fresh id, 16 hex digits."""
        return f"{self.dice.getrandbits(64):016x}"

    def holder(self, command: str, **more: str) -> Mapping[str, str]:
        """The text for processes that wait for our lock: the command, person and host, and ``more``."""
        pid = {} if self.pid is None else {"pid": str(self.pid)}
        return {"host": self.host, **pid, "actor": self.actor, "command": command, **more}

    def shown_ms(self, wall_ms: int) -> int:
        """A time of this machine's as the exchange has it (of several, the earliest), where one was reached."""
        return wall_ms + min(self.ahead_ms.values(), default=0)

    def alarm(self, line: str) -> None:
        """Say something that a person must not miss, however short the run is."""
        (self.warn or self.progress)(line)

    async def frozen(self, account: str, *identities: str) -> str | None:
        """The reason why applies of this account are refused, None when they are not; read anew each time.

        ``identities`` are its journal's names, where they are known: an account that was frozen under another name
        stays frozen. Raises JournalError where it cannot be told.
        """
        by_hand = hand_brake.why_frozen(self.env, self.home, account, known=self.accounts, store=self.store)
        if by_hand is not None:
            return by_hand
        freeze = (await read_brake(self.store)).holding(account, *identities)
        return None if freeze is None else f"{freeze.reason} (by {freeze.actor}, {freeze.at})"

    async def held_back(self, account: str, *identities: str) -> str | None:
        """As ``frozen``; where that cannot be told, that is the reason."""
        try:
            return await self.frozen(account, *identities)
        except JournalError as error:
            return f"reconcile cannot tell whether it is frozen: {error}"

    def frozen_by_hand(self) -> list[str]:
        """The names that the environment or a file in the home freezes; ``*`` is every account."""
        return hand_brake.frozen_by_hand(self.env, self.home)
