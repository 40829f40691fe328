"""The protocol an adapter fulfils: translate reads into the model, writes into one signed request, answers into facts.

An adapter author writes three things: how to read an account, how to make one call, and a table of codes. Everything
about repeating, waiting and deciding is elsewhere.
"""

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from reconcile.exchanges.http.exchange_time import ExchangeTime
from reconcile.exchanges.http.wire import HttpRequest
from reconcile.model.account import Address, MarginType, ObservedAccount, Position, Side
from reconcile.model.doctor import AccountInspection
from reconcile.model.ledger import LedgerRead
from reconcile.model.plan import Step
from reconcile.model.traits import Traits


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One signed write, ready to be sent once. ``signed_at_ms`` is the timestamp inside it."""

    request: HttpRequest = field(repr=False)
    signed_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A well-formed success. ``note`` is the exchange's own code and message, safe to journal; ``amount`` is what the
    answer repeats of the call, None where it repeats none."""

    note: str
    amount: Decimal | None = None


class Reader(Protocol):
    """Everything that plan, drift and import can do: read."""

    traits: Traits
    time: ExchangeTime
    requests: Mapping[str, int]
    """The numbers of signed reads (``read``), public reads (``public``) and writes (``write``) sent so far."""
    throttles: Mapping[str, int]
    """The numbers of answers to reads (``read``) and writes (``write``) that reported a rate limit so far."""

    async def sync_time(self) -> int:
        """Ask the exchange for its time now, take it into ``time`` and return it; raises ReadFailed."""
        ...

    async def account_uid(self) -> str | None:
        """The exchange's own id of this account, None where it tells none; raises ReadFailed."""
        ...

    async def inspect(self) -> AccountInspection:
        """The exchange's report on this key's permissions, and on modes that no look shows; raises ReadFailed."""
        ...

    async def observe(
        self,
        declared: Mapping[str, MarginType],
        *,
        reuse: ObservedAccount | None = None,
        measured: Collection[str] = (),
    ) -> ObservedAccount:
        """Read the account. ``declared`` maps each declared symbol to its declared type. ``measured`` are those of them
        with a declared risk measure: their positions are read with all that our own formula needs.

        With ``reuse``, facts that do not change within a run (modes, tiers, instruments) are taken from there, and only
        positions and free balance are read. The number of requests does not grow with the targets, except for flat
        symbols whose type must change. Raises ReadFailed; a partial answer is a failed read.
        """
        ...

    async def ledger(self, symbol: str, *, since_ms: int) -> LedgerRead:
        """All movements of a symbol's isolated margin with ``time_ms`` >= since_ms, oldest first, pages followed to
        the end, funding included; raises ReadFailed."""
        ...

    async def ledgers(self, symbols: Collection[str], *, since_ms: int) -> Mapping[str, LedgerRead]:
        """The result of ``ledger`` for each of these symbols, in as few requests as the exchange allows: those for the
        whole account count once. Raises ReadFailed."""
        ...

    async def newest_row(self, symbol: str) -> str | None:
        """A cursor of the ledger as it is now, for the journal. It is the newest row's id if one cheap request tells it
        for the whole account, else None (the signed time is the cursor then). Raises ReadFailed."""
        ...


class Writer(Reader, Protocol):
    """A reader that can also make the two calls."""

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Wait for room under the write limit; ``async with writer.turn():`` around look, signature, intent and send.

        So nothing gets old while it waits for its turn. The next ``send`` inside uses the room; it is given back when
        there is none. ``send`` outside of a turn waits by itself, and is NotSent when that took too long. Raises
        ReadFailed when the exchange has shut us out for longer than we wait.
        """
        ...

    def prepare(self, step: Step, amount: Decimal | None, position: Position | None, *, signed_at_ms: int) -> Call:
        """Sign one call. ``amount`` > 0 is what to move and ``position`` the freshly observed slot (both None for a
        type change). Reads no clock and sends nothing."""
        ...

    async def send(self, call: Call) -> Accepted:
        """Send it once. Raises NotSent, Refused or InDoubt; never anything else for what a network can do."""
        ...


class CodeClass(StrEnum):
    """The class of a documented code: the proof that it gives about a write."""

    ALREADY = "already"  # absolute calls only: it is as asked; success after a look
    THROTTLE = "throttle"
    CLOCK = "clock"
    LATER = "later"
    STATE = "state"
    FUNDS = "funds"
    PERMISSION = "permission"
    REQUEST = "request"
    DOUBT = "doubt"  # may have been executed


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One row of an adapter's table of codes: what it means in our words, what it proves, and where that is from.

    ``call`` names the one call the row is about; None: every call, reads included. ``advice`` is what to do about it
    where its class does not say that.
    """

    code: str
    meaning: str
    proves: CodeClass
    source: str
    call: str | None = None
    advice: str = ""


def above_zero(amount: Decimal | None, doing: str) -> Decimal:
    """The amount of a margin call; raises ValueError for what must never be signed. ``doing`` leads the message."""
    if amount is None or not amount.is_finite() or amount <= 0:
        raise ValueError(f"{doing}: the amount {amount} is not above zero; this is a bug")
    return amount


def open_isolated(held: Position | None, doing: str) -> Position:
    """The position that a call is about; raises ValueError where it is not open and isolated."""
    if held is None or not held.is_open or held.margin_type is not MarginType.ISOLATED:
        raise ValueError(f"{doing}: there is no open isolated position")
    return held


def lane_of(traits: Traits, address: Address) -> str:
    """The lane an address belongs to: itself, or its symbol where the ledger names no side."""
    return str(address) if traits.lane.value == "address" else address.symbol


def open_addresses(account: ObservedAccount, symbol: str) -> Collection[Address]:
    """The addresses of a symbol that hold a position, or may: what is shown of them cannot be used."""
    places = (Address(symbol, side) for side in Side)
    return [place for place in places if place in account.unusable or _is_open(account.positions.get(place))]


def _is_open(position: Position | None) -> bool:
    return position is not None and position.is_open


def shares_symbol(account: ObservedAccount, symbol: str) -> bool:
    """Whether both sides of a symbol hold a position, so that a ledger row without a side may belong to either."""
    return len(open_addresses(account, symbol)) > 1
