"""Send requests: reads with a limited number of tries, writes once.

Both pass the rate limits first. A write takes its room (``turn``) before its look and its signature, so that neither
gets old while it waits. Nothing here decides what an answer means: an adapter's pure functions do.
"""

import asyncio
import contextvars
import hashlib
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol
from urllib.parse import urlsplit

from reconcile.clock import Clock
from reconcile.connect.redaction import Redactor
from reconcile.connect.secrets import Credentials
from reconcile.errors import InDoubt, NotSent, ReadFailed, RefusalKind, Refused
from reconcile.exchanges.base import Accepted, Call
from reconcile.exchanges.http import retry
from reconcile.exchanges.http.answers import date_header_ms
from reconcile.exchanges.http.exchange_time import ExchangeTime, Sample
from reconcile.exchanges.http.limits import Budget, BudgetSlot, Charge, Limit, Limits, is_settling
from reconcile.exchanges.http.wire import HttpRequest, HttpResponse, Wire
from reconcile.model.traits import Traits

Params = Mapping[str, str]
Charges = tuple[Charge, ...]
_turn: contextvars.ContextVar["tuple[Transport, list[BudgetSlot]] | None"] = contextvars.ContextVar(
    "turn", default=None
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Everything an adapter is built from. ``url`` is the base without a trailing slash. ``demo`` asks for the
    exchange's own simulated trading where that is a header. ``product`` is None where there is only one."""

    traits: Traits
    credentials: Credentials = field(repr=False)
    url: str
    demo: bool
    product: str | None
    wire: Wire
    clock: Clock
    limits: Limits
    dice: random.Random


class Dialect(Protocol):
    """The facts that a transport needs about its exchange; all of them pure."""

    time_path: str
    time_charges: Charges

    def get(self, path: str, params: Params, *, signed_at_ms: int | None) -> HttpRequest:
        """A read, signed for that exchange time; None: public, without any credential."""
        ...

    def read(self, what: str, response: HttpResponse, *, now_ms: int | None) -> object:
        """The payload; raises ReadFailed. ``now_ms`` is the exchange's time, None while it is not known."""
        ...

    def served_ms(self, payload: object) -> int:
        """The time in the payload of ``time_path``; raises ReadFailed."""
        ...

    def used(self, headers: Mapping[str, str]) -> Mapping[Limit, int]:
        """The use of limits that the headers report."""
        ...


@asynccontextmanager
async def at_once() -> AsyncIterator[asyncio.TaskGroup]:
    """Requests that are under way together: the first failure stops the others and comes out as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from failures.exceptions[0].__cause__


class Transport:
    """The way of one account to its exchange."""

    def __init__(self, setup: Setup, dialect: Dialect) -> None:
        self.time = ExchangeTime(setup.clock, grace_ms=setup.traits.grace_ms)
        self.requests: dict[str, int] = {"read": 0, "public": 0, "write": 0}
        self.throttles: dict[str, int] = {"read": 0, "write": 0}
        self._wire = setup.wire
        self._clock = setup.clock
        self._limits = setup.limits
        self._dice = setup.dice
        self._dialect = dialect
        self._title = setup.traits.title
        self._held_back_ms = setup.traits.validity_ms // 2
        self._host = urlsplit(setup.url).netloc.rpartition("@")[2]
        self._owner = hashlib.sha256(setup.credentials.key.encode()).hexdigest()
        secret = setup.credentials
        self._redactor = Redactor(filter(None, (secret.key, secret.secret, secret.passphrase)))
        self._syncing = asyncio.Lock()

    async def get(self, path: str, params: Params, charges: Charges, *, signed: bool = True) -> object:
        """The payload of a read, repeated while that may help; raises ReadFailed."""
        return await retry.read(self._clock, self._dice, lambda: self._get(path, params, charges, signed=signed))

    async def sync_time(self) -> int:
        """Ask for the exchange's time now, take it in and return it; raises ReadFailed."""
        return await retry.read(self._clock, self._dice, self._sync)

    async def synced(self) -> None:
        """Ask for the exchange's time if it is due; many callers share one question."""
        async with self._syncing:
            if self.time.due:
                await self.sync_time()

    @asynccontextmanager
    async def turn(self, charges: Charges) -> AsyncIterator[None]:
        """Wait for room for one write; the next ``send`` inside uses it, and it is given back if there is none.

        Raises ReadFailed when the exchange has shut us out for longer than we wait; nothing was sent then.
        """
        slots = await self._admit(charges)
        token = _turn.set((self, slots))
        try:
            yield
        finally:
            _turn.reset(token)
            for slot in slots:
                slot.give_back()

    async def send(
        self, call: Call, classify: Callable[[HttpResponse, int | None], Accepted], charges: Charges
    ) -> Accepted:
        """Send a write once and say what its answer proves; raises NotSent, Refused or InDoubt."""
        slots = await self._room_to_send(charges)
        try:
            self.requests["write"] += 1
            response = await self._exchange(call.request)
        except NotSent:
            self.requests["write"] -= 1  # no byte of it left
            raise
        finally:
            for slot in slots:
                slot.answered()
        try:
            return classify(response, self._now(response))
        except Refused as refusal:
            if refusal.kind is RefusalKind.THROTTLE:
                self._throttled("write", charges, refusal.retry_after_ms)
            if refusal.kind is RefusalKind.CLOCK:
                self.time.forget()
            raise
        except InDoubt:
            if response.status in {418, 429}:
                self._throttled("write", charges, None)
            raise

    async def _room_to_send(self, charges: Charges) -> list[BudgetSlot]:
        owner, taken = _turn.get() or (None, [])
        if owner is self and taken:
            slots = taken[:]
            taken.clear()
            return slots
        began = self._clock.monotonic_ms()
        try:
            slots = await self._admit(charges)
        except ReadFailed as error:
            raise NotSent(str(error)) from error
        if self._clock.monotonic_ms() - began > self._held_back_ms:
            for slot in slots:
                slot.give_back()
            raise NotSent("sending a write: the rate limit held it back until its signature was old; look again")
        return slots

    async def _get(self, path: str, params: Params, charges: Charges, *, signed: bool) -> object:
        if signed:
            await self.synced()
        what = f"reading {path}"
        slots = await self._admit(charges)
        try:
            request = self._dialect.get(path, params, signed_at_ms=self.time.earliest() if signed else None)
            self.requests["read" if signed else "public"] += 1
            response = await self._exchange(request)
        except (NotSent, InDoubt) as error:
            raise self._unreachable(what, error) from error
        finally:
            for slot in slots:
                slot.answered()
        return self._payload(what, response, charges)

    def _payload(self, what: str, response: HttpResponse, charges: Charges) -> object:
        try:
            return self._dialect.read(what, response, now_ms=self._now(response))
        except ReadFailed as error:
            if error.kind is RefusalKind.THROTTLE:
                self._throttled("read", charges, error.retry_after_ms)
            if error.kind is RefusalKind.CLOCK:
                self.time.forget()
            raise

    async def _sync(self) -> int:
        charges = self._dialect.time_charges
        what = f"asking {self._title} for its time"
        slots = await self._admit(charges)
        sent_at = self._clock.monotonic_ms()
        try:
            self.requests["public"] += 1
            response = await self._exchange(self._dialect.get(self._dialect.time_path, {}, signed_at_ms=None))
        except (NotSent, InDoubt) as error:
            raise self._unreachable(what, error) from error
        finally:
            received_at = self._clock.monotonic_ms()
            for slot in slots:
                slot.answered()
        served = self._dialect.served_ms(self._payload(what, response, charges))
        self.time.take(Sample(served_ms=served, sent_at=sent_at, received_at=received_at))
        return served

    async def _exchange(self, request: HttpRequest) -> HttpResponse:
        sent_at = self._clock.monotonic_ms()
        response = await self._wire.send(request)
        response = replace(response, body=self._redactor.body(response.body))
        self._limits.trips(self._host).saw(self._clock.monotonic_ms() - sent_at)
        for limit, total in self._dialect.used(response.headers).items():
            self._limits.budget(limit, host=self._host, owner=self._owner).used(total)
        return response

    async def _admit(self, charges: Charges) -> list[BudgetSlot]:
        slots: list[BudgetSlot] = []  # filled one by one: what was taken is given back when a later wait ends badly
        try:
            for charge in charges:
                slots.append(await self._budget(charge).admit(charge.cost, urgent=is_settling()))  # noqa: PERF401
        except BaseException:
            for slot in slots:
                slot.give_back()
            raise
        return slots

    def _budget(self, charge: Charge) -> Budget:
        return self._limits.budget(charge.limit, host=self._host, owner=self._owner)

    def _throttled(self, kind: str, charges: Charges, for_ms: int | None) -> None:
        self.throttles[kind] += 1
        budgets = [self._budget(charge) for charge in charges]
        if for_ms is None and budgets:
            shortest_ms = min(budget.limit.window_ms for budget in budgets)
            likely = [budget for budget in budgets if budget.limit.window_ms == shortest_ms]
            budgets = budgets if any(budget.was_just_closed for budget in likely) else likely
        for budget in budgets:
            budget.throttled(for_ms)

    def _now(self, response: HttpResponse) -> int | None:
        """The exchange's time, for the waits that it names; by the answer's own date where it was not asked for yet."""
        return date_header_ms(response.headers) if self.time.due else self.time.earliest()

    def _unreachable(self, what: str, error: Exception) -> ReadFailed:
        return ReadFailed(
            f"{what}: {self._host} did not answer ({error}); check the endpoint and the network", again=True
        )
