"""The program's way through a path: ``reconcile watch --apply`` every ten seconds, in virtual time."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial

from benchmarks.crash.exchange import NAMES, Account
from benchmarks.crash.paths import SYMBOLS, TICK_MS, PricePath
from benchmarks.crash.players import (
    AT_MOST,
    BEHIND_MS,
    FAULT_CHANCE,
    FAULTS,
    LATE_MS,
    LOOK_MS,
    WIDE,
    Outcome,
    Width,
    is_doubled,
    outcome,
)
from reconcile.journal.file.store import FileStore
from reconcile.journal.state import JournalState
from reconcile.model.account import DesiredAccount, Policy, Target, WhenShort
from reconcile.model.measures import Band, Measure, Thresholds
from reconcile.sandbox.faults import NO_FAULT, REPLIES, Ending, Fault
from reconcile.sandbox.http import Answer, Lag, Request
from reconcile.usecases.watch.loop import Watch
from reconcile.usecases.watch.settings import Settings
from tests.simulation.hits import REFUSALS
from tests.simulation.loop import VirtualLoop
from tests.simulation.world import HOME, Place, Process, declared, inline


class RememberingStore(FileStore):
    """A store that folds a journal again only after it has grown: a watch reads it at every look."""

    def __init__(self, process: Process) -> None:
        super().__init__(HOME, process.disk, process.clock, run_blocking=inline)
        self._process = process
        self._states: dict[str, tuple[int, JournalState]] = {}

    def read(self, identity: str, *, pinned: str | None = None, whole: bool = False) -> JournalState:
        """See ``base.Store.read``."""
        found = self._process.disk.stat(self._path(identity))
        size = 0 if found is None else found.size
        known = self._states.get(identity)
        if known is None or known[0] != size:
            known = self._states[identity] = size, super().read(identity, pinned=pinned, whole=whole)
        return known[1]


class WriteFaults:
    """Something happens to some of the writes; after a stale one reads are behind for a while."""

    def __init__(self, exchange: str, seed: int, loop: VirtualLoop) -> None:
        self._dice = random.Random(f"faults {exchange} {seed}")
        self._loop = loop
        self._behind_since: int | None = None
        throttled: Answer = REFUSALS[exchange]["throttle"]
        self._kinds: Mapping[str, Fault] = {
            "lost": Fault(ending=Ending.LOST),
            "503": Fault(reply=REPLIES["html_503"]),
            "late": Fault(arrives_ms=(LATE_MS,), ending=Ending.LOST),
            "stale": Fault(ending=Ending.LOST),
            "never": Fault(arrives_ms=(), ending=Ending.LOST),
            "throttle": Fault(arrives_ms=(), reply=throttled),
        }

    def pick(self, request: Request) -> Fault:
        """See ``Faults.pick``."""
        now = self._loop.now_ms()
        if request.method != "GET":
            kind = self._dice.choice(FAULTS) if self._dice.random() < FAULT_CHANCE else ""
            if kind == "stale":
                self._behind_since = now
            return self._kinds.get(kind, NO_FAULT)
        if self._behind_since is not None and now - self._behind_since < BEHIND_MS:
            behind = now - self._behind_since + 1
            return replace(NO_FAULT, lag=Lag(positions_ms=behind, balances_ms=behind))
        return NO_FAULT


def desired(exchange: str, path: PricePath, width: Width) -> DesiredAccount:
    """The state file: a band for each position, the balance to what is nearest to liquidation first."""
    sides = ["long" if is_long else "short" for is_long in path.long]
    names = [f"{name}.{side}" for name, side in zip(NAMES[exchange], sides, strict=True)]
    policy = Policy(
        allow_reduce=True, min_liquidation_distance=None, max_margin=None, when_short=WhenShort.NEAREST_FIRST
    )
    made = declared(exchange, dict.fromkeys(names, "0"), policy=policy)
    return replace(made, targets=tuple(_banded(target, width) for target in made.targets))


def _banded(target: Target, width: Width) -> Target:
    band = Band(
        measure=Measure.LIQUIDATION_DISTANCE,
        bounds=Thresholds(floor=width.floor, target=width.target, ceiling=width.ceiling),
        at_most=AT_MOST,
        rounding=Decimal(5),
    )
    tolerance = replace(target.tolerance, value=Decimal("0.5"), percent=True)
    return replace(target, isolated_margin=None, band=band, tolerance=tolerance)


def program(exchange: str, path: PricePath, *, leverage: int, faults: bool, width: Width = WIDE) -> Outcome:
    """The program's way through a path, with bands of this width."""
    loop = VirtualLoop()
    account = Account(exchange=exchange, path=path, leverage=leverage, keep_ms=60_000 if faults else 0)
    place = Place(exchange=exchange, books=account.books, loop=loop, seed=path.seed, cold_fence=False)
    if faults:
        place.venue.faults = WriteFaults(exchange, path.seed, loop)
    doubled = _follow(account, place, width.target)
    settings = Settings(interval_ms=LOOK_MS, apply=True, rounds=path.lasts_ms // LOOK_MS)
    process, account_file = place.process(), desired(exchange, path, width)
    watch = Watch(
        replace(process.world(), store=RememberingStore(process)),
        lambda: [account_file],
        settings,
        hold=_unlocked,
        tell=lambda _: None,
        publish=lambda _: None,
    )
    asyncio.set_event_loop(None)
    loop.run_until_complete(watch.run())
    place.venue.advance(path.lasts_ms)
    loop.end()
    return outcome(account, doubled=doubled[0])


def _follow(account: Account, place: Place, target: Decimal) -> list[int]:
    """Let the path happen in the venue's time; the number of doubled additions, once it is over."""
    doubled, seen = [0], [0]

    def note() -> None:
        for effect in account.books.effects[seen[0] :]:
            if effect.actor == "api":
                symbol = NAMES[account.exchange].index(effect.symbol)
                account.count(symbol)
                doubled[0] += effect.change > 0 and is_doubled(account, symbol, effect.change, target)
        seen[0] = len(account.books.effects)

    dialect = place.venue.dialect

    class Noting:
        def handle(self, request: Request, now_ms: int, lag: Lag = Lag()) -> Answer:  # noqa: B008 - a frozen value
            answer = dialect.handle(request, now_ms, lag)
            if request.method != "GET":
                note()
            return answer

    place.venue.dialect = Noting()
    for number in range(len(account.path.marks)):
        place.venue.at(number * TICK_MS, partial(_tick, account, number))
    return doubled


def _tick(account: Account, number: int, _now_ms: int) -> None:
    account.tick(number)


@asynccontextmanager
async def _unlocked(_: str, __: Mapping[str, str]) -> AsyncIterator[None]:
    yield


__all__ = ["SYMBOLS", "program"]
