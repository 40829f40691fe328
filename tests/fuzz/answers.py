"""Answers of the exchanges: each read and each write of the three adapters, with one answer replaced.

The sandbox answers once, and what it said is kept. An input is one line that names the case, the answer to replace and
its status, and below it the bytes that are served instead. The adapter must make a value of them or one of its own
errors, and after a write one of the errors that say what is known.
"""

import asyncio
import json
import random
from base64 import b64encode
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any
from urllib.parse import quote, urlsplit

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from reconcile.connect.secrets import Credentials
from reconcile.errors import InDoubt, ReadFailed, Refused
from reconcile.exchanges.base import Writer
from reconcile.exchanges.http.limits import Limits
from reconcile.exchanges.http.wire import HttpRequest, HttpResponse, RequestsWire, Wire
from reconcile.exchanges.registry import connect
from reconcile.model.account import Address, MarginType, ObservedAccount, Side
from reconcile.model.plan import MoveMargin, SetMarginType, Step
from reconcile.money import ZERO, parse
from reconcile.sandbox.adapter import SandboxAdapter
from reconcile.sandbox.demo import account_of, new_books
from reconcile.sandbox.registry import simulated
from reconcile.sandbox.venue import Venue
from tests.fuzz import strategies
from tests.fuzz.harness import Target, compact
from tests.fuzz.mutators import Tree, damaged
from tests.kit.fakes import SERVED_MS, VirtualClock, VirtualLoop, run

EXCHANGES = ("binance", "okx", "bitget")
SECRETS = ("Key0fTheAcc0unt4711", "Secret/0f+TheAcc0unt==4712", 'Pass "phrase" 4713 \u00fc%')
"""Key, secret and passphrase."""
_ECHOES = tuple(
    form
    for each in SECRETS
    for form in (each, quote(each, safe=""), b64encode(each.encode()).decode(), f"bad header {each}!", each.upper())
)
_STATUSES = (200, 200, 200, 200, 200, 200, 201, 204, 302, 400, 401, 403, 418, 429, 500, 503, 599)
_PERMITTED_AFTER_SEND = (Refused, InDoubt)
_LIMIT = 10_000
"""More requests than any read may make of one account."""


class _Clock(VirtualClock):
    """The virtual loop's time, at the wall as well."""

    def wall_ms(self) -> int:
        return SERVED_MS + self.monotonic_ms()


@dataclass(frozen=True, slots=True)
class Served:
    """One answer of the sandbox."""

    path: str
    response: HttpResponse


class _Recording:
    """Passes requests on and keeps the answers."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.served: list[Served] = []

    async def send(self, request: HttpRequest) -> HttpResponse:
        response = await self._wire.send(request)
        self.served.append(Served(urlsplit(request.url).path, response))
        return response


class _Replaying:
    """Serves kept answers by path, in order; the last of a path stays."""

    def __init__(self, served: list[Served]) -> None:
        self._left: dict[str, list[HttpResponse]] = {}
        for each in reversed(served):
            self._left.setdefault(each.path, []).append(each.response)
        self._requests = 0

    async def send(self, request: HttpRequest) -> HttpResponse:
        self._requests += 1
        if self._requests > _LIMIT:
            raise AssertionError(f"more than {_LIMIT} requests for one answer")
        left = self._left.get(urlsplit(request.url).path, [])
        if not left:
            return HttpResponse(status=404, headers={}, body=b"")
        return left.pop() if len(left) > 1 else left[0]


def _connected(exchange: str, wire: Wire, credentials: Credentials) -> Writer:
    clock = _Clock()
    return connect(
        exchange,
        wire=wire,
        credentials=credentials,
        clock=clock,
        url="https://exchange.invalid",
        demo=False,
        product=None,
        limits=Limits(clock),
        dice=random.Random(1),
        read_only=False,
    )


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to do with an adapter; ``before`` is done with the sandbox's own answers."""

    name: str
    act: Callable[[Writer, ObservedAccount], Awaitable[object]]
    writes: bool = False


def _declared(exchange: str) -> Mapping[str, MarginType]:
    books = new_books("demo", simulated(exchange).rules, simulated(exchange).seed, now_ms=SERVED_MS, keep_ms=0)
    return dict.fromkeys(books.markets, MarginType.ISOLATED)


def _cases(exchange: str) -> tuple[Case, ...]:
    declared = _declared(exchange)
    symbols, since = tuple(declared), SERVED_MS - 3_600_000
    reads = (
        Case("time", lambda writer, _: writer.sync_time()),
        Case("uid", lambda writer, _: writer.account_uid()),
        Case("observe", lambda writer, _: writer.observe(declared)),
        Case("again", lambda writer, seen: writer.observe(declared, reuse=seen)),
        Case("ledger", lambda writer, _: writer.ledger(symbols[0], since_ms=since)),
        Case("ledgers", lambda writer, _: writer.ledgers(symbols, since_ms=since)),
        Case("newest", lambda writer, _: writer.newest_row(symbols[0])),
        Case("move", _move, writes=True),
    )
    if exchange == "okx":
        return reads  # whose margin type belongs to a position, and has no call
    return (*reads, Case("type", _retype, writes=True))


async def _move(writer: Writer, seen: ObservedAccount) -> object:
    isolated = [each for each in seen.positions.values() if each.is_open and each.margin_type is MarginType.ISOLATED]
    held = next(each for each in isolated if seen.available.get(each.asset, ZERO) > 1)
    step = MoveMargin(
        step_id="s",
        address=held.address,
        asset=held.asset,
        amount=parse("1"),
        before=held.isolated_margin,
        after=held.isolated_margin,
        tolerance=ZERO,
        action="add_margin",
    )
    return await _send(writer, step, seen)


async def _retype(writer: Writer, seen: ObservedAccount) -> object:
    held = {address.symbol for address, each in seen.positions.items() if each.is_open}
    symbol = next(symbol for symbol in seen.symbols if symbol not in held)
    address = Address(symbol, Side.LONG)
    step = SetMarginType(step_id="s", address=address, before=MarginType.CROSSED, after=MarginType.ISOLATED)
    return await _send(writer, step, seen)


async def _send(writer: Writer, step: Step, seen: ObservedAccount) -> object:
    amount, held = (step.amount, seen.positions[step.address]) if isinstance(step, MoveMargin) else (None, None)
    return await writer.send(writer.prepare(step, amount, held, signed_at_ms=SERVED_MS))


@dataclass(frozen=True, slots=True)
class Kept:
    """One case with what the sandbox served for it; ``first`` is the look that it builds on."""

    case: Case
    first: list[Served]
    served: list[Served]


@cache
def _kept(exchange: str) -> tuple[Kept, ...]:
    """Every case of an exchange, done once with the sandbox."""
    return tuple(run(lambda case=case: _record(exchange, case)) for case in _cases(exchange))  # type: ignore[misc]


async def _record(exchange: str, case: Case) -> Kept:
    kind, clock = simulated(exchange), _Clock()
    books = new_books("fuzz", kind.rules, kind.seed, now_ms=SERVED_MS - 60_000, keep_ms=0)
    account = account_of(exchange, "fuzz", books)
    venue = Venue(dialect=kind.dialect([account], kind.switches()))
    wire = _Recording(RequestsWire(SandboxAdapter(venue, now_ms=clock.wall_ms), threads=None))
    own = Credentials(key=account.key, secret=account.secret, passphrase=account.passphrase)
    writer = _connected(exchange, wire, own)
    seen = await writer.observe(_declared(exchange))
    first = wire.served[:]
    wire.served.clear()
    if case.name in {"time", "observe"}:
        writer = _connected(exchange, wire, own)
    await case.act(writer, seen)
    return Kept(case, first, wire.served[:])


@cache
def _looked_at(exchange: str) -> tuple[ObservedAccount, object]:
    """The account as the sandbox has it, and what Bitget's adapter keeps of that look."""

    async def look() -> tuple[ObservedAccount, object]:
        writer = _connected(exchange, _Replaying(_kept(exchange)[0].first), _OWN)
        return await writer.observe(_declared(exchange)), getattr(writer, "_contracts", None)

    return run(look)


_OWN = Credentials(key=SECRETS[0], secret=SECRETS[1], passphrase=SECRETS[2])


def _answered(exchange: str, data: bytes) -> list[str]:
    """Do the case that the first line names, with its answer replaced; the value that came of it."""
    head, _, body = data.partition(b"\n")
    words = head.split()
    if len(words) != 3 or not all(word.isascii() and word.isdigit() and len(word) < 4 for word in words):
        return []
    number, place, status = map(int, words)
    kept = _kept(exchange)[number % len(_kept(exchange))]
    served = kept.served[:]
    place %= len(served)
    served[place] = Served(served[place].path, HttpResponse(status=status, headers={}, body=body))
    seen, contracts = _looked_at(exchange)
    return _finished(_played(exchange, kept.case, [*served, *_others(kept)], seen, contracts))


_loops: list[VirtualLoop] = []


def _finished(work: Coroutine[Any, Any, list[str]]) -> list[str]:
    """As ``run``, on one loop for all inputs: making one costs more than most of them. One that was broken off is
    replaced."""
    loop = _loops.pop() if _loops else VirtualLoop()
    loop._virtual = 0.0
    ended = False
    try:
        result = loop.run_until_complete(work)
        ended = True
    except Exception:
        ended = True
        raise
    finally:
        if ended and not asyncio.all_tasks(loop):
            _loops.append(loop)
        else:
            loop.close()
    return result


def _others(kept: Kept) -> list[Served]:
    """What the first look was served, for paths that the case itself does not ask for."""
    own = {each.path for each in kept.served}
    return [each for each in kept.first if each.path not in own]


async def _played(
    exchange: str, case: Case, served: list[Served], seen: ObservedAccount, contracts: object
) -> list[str]:
    writer = _connected(exchange, _Replaying(served), _OWN)
    if case.writes and exchange == "bitget":
        writer._contracts = contracts  # type: ignore[attr-defined] # a look before the call has shown them
    try:
        found = await case.act(writer, seen)
        return [repr(found), *(_weighed(found) if isinstance(found, ObservedAccount) else ())]
    except _PERMITTED_AFTER_SEND:
        if not case.writes:
            raise AssertionError("a read ended as a write does") from None
        raise
    except ReadFailed:
        if case.writes:
            raise AssertionError("a write ended as a read does, which does not say what is known") from None
        raise


def _weighed(found: ObservedAccount) -> Iterator[str]:
    """What the policy asks of every position: its distance from liquidation, now and with other margins."""
    for position in found.positions.values():
        if position.risk is not None:
            margins = (ZERO, position.isolated_margin, position.isolated_margin * 2)
            yield f"{position.risk.removable()} {[position.risk.liquidation_price(each) for each in margins]}"


@cache
def _places(exchange: str, *, writes: bool) -> tuple[tuple[int, int, bytes, Tree], ...]:
    """Every answer of every case of a kind: its case, its place, its bytes and its tree."""
    return tuple(
        (number, place, each.response.body, Tree(json.loads(each.response.body)))
        for number, kept in enumerate(_kept(exchange))
        if kept.case.writes is writes
        for place, each in enumerate(kept.served)
    )


def _generated(exchange: str, *, writes: bool, random: Random) -> bytes:
    number, place, body, tree = random.choice(_places(exchange, writes=writes))
    dice = random.random()
    if dice < 0.3:
        changed = damaged(random, body)
    elif dice < 0.5:
        changed = compact(_echoing(tree, random))
    else:
        changed = compact(tree.edited(random))
    return b"%d %d %d\n%s" % (number, place, random.choice(_STATUSES), changed)


def _echoing(tree: Tree, random: Random) -> Any:
    """The answer with a secret of the account in some place of it, and nothing or something else changed."""
    from tests.fuzz.mutators import edit

    value = tree.edited(random) if random.random() < 0.5 else tree.value
    return edit(value, random.choice(tree.paths), random.randrange(3), random.choice(_ECHOES))


def _strategy(exchange: str, *, writes: bool) -> SearchStrategy[bytes]:
    def one(found: tuple[int, int, bytes, Tree]) -> SearchStrategy[bytes]:
        number, place, body, tree = found
        status = st.sampled_from(_STATUSES)
        content = strategies.edited((tree,)) | strategies.damaged((body,))
        return st.builds(lambda code, changed: b"%d %d %d\n%s" % (number, place, code, changed), status, content)

    return st.deferred(lambda: st.sampled_from(_places(exchange, writes=writes)).flatmap(one))


def _target(exchange: str, *, writes: bool) -> Target:
    kind = "writes" if writes else "reads"
    return Target(
        name=f"{exchange}-{kind}",
        about=f"answers to the {kind} of the adapter for {exchange}",
        run=lambda data: _answered(exchange, data),
        generate=lambda random: _generated(exchange, writes=writes, random=random),
        strategy=lambda: _strategy(exchange, writes=writes),
        secrets=SECRETS,
    )


ANSWERS = tuple(_target(exchange, writes=writes) for exchange in EXCHANGES for writes in (False, True))
