"""Find the exchange account that a state file reaches, and other state files of the invocation that reach it too.

Two state files for one account would undo each other in every run, and two keys of one account would each add what is
missing. Files cannot tell: keys are named there, not shown. So the exchange is asked before anything is planned, and
where several files reach one account, each of them is refused.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from reconcile.connect import endpoints
from reconcile.errors import Declined
from reconcile.exchanges.base import Reader
from reconcile.exchanges.catalogue import TRAITS
from reconcile.exchanges.http.exchange_time import ExchangeTime
from reconcile.journal.moving import journal_names
from reconcile.journal.state import JournalState
from reconcile.model.account import DesiredAccount
from reconcile.model.traits import environment
from reconcile.usecases.world import Connection, R_co, World

A = TypeVar("A", bound=Reader)

ACCOUNTS_AT_ONCE = 64
"""The most accounts in work at once; the wire bounds the requests in flight."""
FAR_APART_MS = 60_000
"""A greater distance of this machine's clock from the exchange's is reported."""
_MOST_NAMED = 10
"""The most files that one error names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountIdentity:
    """The exchange account that was reached.

    ``name`` is its identity (``journal.identity``); ``journal`` is the name of the journal that it has. ``former`` are
    the names that its journal may have from before the exchange was asked. A run first leads the journals in ``moves``
    to ``name``. Those in ``beside`` are no part of it. ``uid`` is the exchange's own id, None where it tells this key
    none.
    """

    name: str
    journal: str
    uid: str | None
    former: tuple[str, ...] = ()
    moves: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that its journal may have had."""
        return (self.name, *self.former)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountConnection(Generic[R_co]):
    """A connection to an account, and the identity of that account."""

    connection: Connection[R_co]
    account: AccountIdentity


async def identify(world: World, desired: DesiredAccount, connection: Connection[Reader]) -> AccountIdentity:
    """Ask the exchange which account answers.

    Raises ReadFailed, and Declined (key ``account``) where it is not the one that the state file pins, or where steps
    are unsettled in several journals.
    """
    found = await ask(world, connection)
    _compare_clocks(world, desired, connection.adapter.time)
    check_pin(desired, found.uid)
    return found


def _compare_clocks(world: World, desired: DesiredAccount, time: ExchangeTime) -> None:
    """Say, once for each account, that this machine's clock and the exchange's are more than a minute apart."""
    ahead_ms = time.latest() - world.clock.wall_ms()
    is_told = abs(world.ahead_ms.get(desired.name, 0)) > FAR_APART_MS
    world.ahead_ms[desired.name] = ahead_ms
    if abs(ahead_ms) <= FAR_APART_MS or is_told:
        return
    apart, side = f"{abs(ahead_ms) // 1000} s", "behind" if ahead_ms > 0 else "ahead of"
    world.alarm(
        f"{desired.name}: this machine's clock is {apart} {side} the exchange's; a plan's times and its expiry are the "
        "exchange's, those of the journal this machine's; if this machine is wrong, set its clock (NTP)"
    )


async def ask(world: World, connection: Connection[Reader]) -> AccountIdentity:
    """The account that answers, whatever a state file pins. Raises ReadFailed, and Declined for several journals."""
    await connection.adapter.sync_time()
    uid = await connection.adapter.account_uid()
    name, former = connection.identify(uid), connection.former(uid)
    journals = journal_names(world.store, name, former)
    return AccountIdentity(
        name=name, former=former, journal=journals.reads, moves=journals.moves, beside=journals.beside, uid=uid
    )


def with_beside(world: World, account: AccountIdentity, state: JournalState) -> JournalState:
    """The state of the account's journal, which is told of the account's other journals. Raises JournalError."""
    state.beside = [world.store.read(each) for each in account.beside]
    return state


async def reach(world: World, desired: DesiredAccount, connection: Connection[A]) -> AccountConnection[A]:
    """Ask which account a connection leads to. Raises what ``identify`` raises."""
    return AccountConnection(connection=connection, account=await identify(world, desired, connection))


def check_pin(desired: DesiredAccount, uid: str | None) -> None:
    """Raise Declined unless the account that answers (None: the exchange tells no id) is the one that is pinned."""
    if desired.uid is None or desired.uid == uid:
        return
    exchange = TRAITS[desired.exchange].title
    doing = f"identifying {desired.name}: its state file pins [account] uid {desired.uid}, but {exchange}"
    if uid is None:
        raise Declined(
            "account",
            f"{doing} does not tell which account the key of {desired.credentials} belongs to; give the key the "
            "permission that docs/exchanges names, or take uid out of the file",
        )
    raise Declined(
        "account",
        f"{doing} says that the key of {desired.credentials} belongs to account {uid}; nothing is sent; use that "
        "account's key, or correct uid",
    )


_Place = tuple[str, ...]


class Roster:
    """The accounts of one invocation: who has been identified, as what, and who may still turn out to be the same.

    An account goes on once every other one that may be the same is identified or has failed. Accounts of different
    exchanges, products or environments do not wait for each other, nor do two with different pins.
    """

    def __init__(self, accounts: Sequence[DesiredAccount]) -> None:
        self._slots = asyncio.Semaphore(ACCOUNTS_AT_ONCE)
        self._open = Counter(map(_group, accounts))
        self._closed = {group: asyncio.Event() for group in self._open}
        self._reached: dict[str, list[DesiredAccount]] = {}

    async def join(
        self, desired: DesiredAccount, work: Callable[[], Awaitable[AccountConnection[A]]]
    ) -> AccountConnection[A]:
        """The connection that ``work`` makes; each account joins once.

        Raises what ``work`` raises, and Declined (key ``account``) where another account of the invocation is the same.
        """
        try:
            async with self._slots:
                reached = await work()
            self._reached.setdefault(reached.account.name, []).append(desired)
        finally:
            group = _group(desired)
            self._open[group] -= 1
            if not self._open[group]:
                self._closed[group].set()
        for event in self._rivals(desired):
            await event.wait()
        same = self._reached[reached.account.name]
        if len(same) > 1:
            raise several_files(desired, same)
        return reached

    def _rivals(self, desired: DesiredAccount) -> list[asyncio.Event]:
        place, pin = _group(desired)
        if pin is None:
            return [event for (other, _), event in self._closed.items() if other == place]
        return [event for found in (None, pin) if (event := self._closed.get((place, found))) is not None]


def _group(desired: DesiredAccount) -> tuple[_Place, str | None]:
    """Accounts in different places are never the same; nor are accounts with different pins."""
    kind = endpoints.same_place(desired.exchange, desired.endpoint)
    if kind == "sandbox":
        return ("sandbox", desired.name), None
    return (desired.exchange, environment(kind), desired.product or ""), desired.uid


def may_be_same(one: DesiredAccount, other: DesiredAccount) -> bool:
    """Whether the exchange alone can tell two state files' accounts apart, pins left aside."""
    return _group(one)[0] == _group(other)[0]


def several_files(desired: DesiredAccount, same: Sequence[DesiredAccount]) -> Declined:
    """The refusal (key ``account``) of one of several state files that reach the same account."""
    named = sorted(f"{account.path or account.name} (credentials {account.credentials})" for account in same)
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    files = ", ".join(named[:_MOST_NAMED]) + more
    exchange = TRAITS[desired.exchange].title
    return Declined(
        "account",
        f"identifying {desired.name}: {len(named)} state files reach one {exchange} account: {files}; nothing is sent "
        "for any of them; keep one file for the account, or give each its own account's key",
    )
