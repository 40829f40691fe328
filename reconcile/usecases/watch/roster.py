"""The exchange account of each state file of a watch, round by round, also while a turn is under way."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from reconcile.errors import InputError
from reconcile.exchanges.base import Reader
from reconcile.model.account import DesiredAccount
from reconcile.usecases.account_identity import A, AccountConnection, Roster


class Identities:
    """The identities of a watch's accounts, by name in the state file."""

    def __init__(self) -> None:
        self._reached: dict[str, AccountConnection[Reader]] = {}
        self._asked: dict[str, asyncio.Event] = {}

    def begin(self, name: str) -> None:
        """A turn begins: the account is about to be identified anew."""
        self._asked[name] = asyncio.Event()

    async def ask(self, name: str, work: Callable[[], Awaitable[AccountConnection[A]]]) -> AccountConnection[A]:
        """Identify it and remember what it is; raises what ``work`` raises."""
        try:
            reached = await work()
            self._reached[name] = reached
            return reached
        finally:
            self._asked[name].set()

    async def known(self, name: str) -> AccountConnection[Reader]:
        """The identity of an account whose turn is under way; raises InputError if it could not be identified."""
        await self._asked[name].wait()
        if name not in self._reached:
            raise InputError(f"identifying {name}: its exchange did not say which account it is")
        return self._reached[name]


class RoundRoster(Roster):
    """The accounts of one round: each turn that begins joins, and ``stand_in`` does for one that is under way."""

    def __init__(self, accounts: Sequence[DesiredAccount], identities: Identities) -> None:
        super().__init__(accounts)
        self._identities = identities

    async def join(
        self, desired: DesiredAccount, work: Callable[[], Awaitable[AccountConnection[A]]]
    ) -> AccountConnection[A]:
        """See ``Roster.join``."""
        return await super().join(desired, lambda: self._identities.ask(desired.name, work))

    async def stand_in(self, desired: DesiredAccount) -> AccountConnection[Reader]:
        """Join with what the account was identified as; raises as ``Roster.join`` does."""
        return await super().join(desired, lambda: self._identities.known(desired.name))
