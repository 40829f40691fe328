"""The abstract exchange and what may happen in it, as one hashable value for each moment.

One lane, one address. The life of the step is the real one (``reconcile.protocol.machine``); the journal is folded by
the real ``JournalState``. Whatever can go one way or another is a choice, and ``moves.py`` takes them all.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any, NamedTuple

from reconcile.journal.records import Record
from reconcile.journal.state import JournalState
from reconcile.model.account import Address, MarginType, Percent, Policy, Position, Target, Tolerance
from reconcile.model.ledger import Cause, LedgerRow
from reconcile.model.plan import MoveMargin
from reconcile.money import rounded
from reconcile.protocol.life import Life
from reconcile.protocol.signals import LaneLook, Turn
from reconcile.protocol.task import Task
from tests.kit.desk import LinearRisk

ADDRESS = Address.parse("BTCUSDT.long")
OTHER_ADDRESS = Address.parse("BTCUSDT.short")
STEP = Decimal("0.00000001")
START_MS = 1_000_000_000
ENTRY = 10_000
"""The price at which the position was opened, and the mark price until it moves."""
ANSWER_MS = 100
"""How long a request takes to be answered; it arrives after half of that."""
TIMEOUT_MS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is explored: amounts in whole units, times in ms, and how often each kind of thing may happen.

    ``positions_late`` and ``ledger_late`` are in graces. ``faults`` counts calls and reads that go wrong, ``crashes``
    processes that die, ``others`` what somebody else does (``by_hand`` are the amounts), ``runs`` the runs there are.
    ``funding`` and ``other_side`` are amounts that the exchange, or somebody else on the symbol's other side, moves;
    ``reopens``: the position may be closed, and opened again. ``fills`` are what fills of one unit do to its margin.
    ``forgets``: a run after a crash may begin with a new journal, on another machine. ``clock_ms`` is how far off
    our reckoning of the exchange's time is, either way. ``hollow``: a yes may be said to what is never done, which no
    exchange's documents allow. ``other_yes`` is an amount that a yes may repeat although another one was sent (0: no
    such answer): it tells nothing of our call. ``slow_ms`` is how long the answer to a look to send on may take (0: no
    longer than any other). ``marks`` are prices that the mark price may move to, ``min_distance`` the policy's least
    distance from it to the liquidation price, in percent (0: no such limit). ``early_ms`` is how long before its effect
    a yes may be said (0: not before). ``short_runs`` are the runs, from 0, whose target is the symbol's other side.

    The ledger: its clock is ``behind_ms`` behind, so that its rows are dated so much before their effect. It prints
    ``digits`` decimals (None: all) of amounts of which one is worth ``unit``. ``splits``: it books a call as two rows
    that add up to it. ``is_cut``: a read of it may not reach back, and then has no row or the last one.

    ``sleeps`` are the times for which a process may be suspended at any command, as often as ``crashes`` says; the time
    passes for everybody else. ``loses_lock``: it may lose its lock meanwhile, and the next run of the same journal goes
    on until the first one resumes, at any moment. ``puts_back``: before a run the journal may be put back, once, to any
    earlier state of it. ``reckonings`` are what our clocks may come to be off by, at any command; each time is one of
    the ``others``. Two runners with a journal each at the same time break A7: no scope has them.

    ``knows``: a run that nothing but its own call's answer troubles may not leave it open what the call did.
    """

    before: int = 1000
    targets: tuple[int, ...] = (1300,)
    grace_ms: int = 5_000
    validity_ms: int = 3_000
    positions_late: int = 1
    ledger_late: int = 1
    faults: int = 1
    crashes: int = 0
    others: int = 0
    by_hand: tuple[int, ...] = ()
    funding: tuple[int, ...] = ()
    other_side: tuple[int, ...] = ()
    reopens: bool = False
    fills: tuple[int, ...] = ()
    clock_ms: int = 0
    hollow: bool = False
    other_yes: int = 0
    slow_ms: int = 0
    marks: tuple[int, ...] = ()
    min_distance: int = 0
    early_ms: int = 0
    short_runs: tuple[int, ...] = ()
    behind_ms: int = 0
    unit: Decimal = Decimal(1)
    digits: int | None = None
    splits: bool = False
    is_cut: bool = False
    sleeps: tuple[int, ...] = ()
    loses_lock: bool = False
    puts_back: bool = False
    reckonings: tuple["Reckoning", ...] = ()
    knows: bool = False

    def address(self, run: int) -> Address:
        """Which side a run declares."""
        return OTHER_ADDRESS if run in self.short_runs else ADDRESS

    @property
    def lane(self) -> str:
        """What may have one call in flight: the address, or the symbol where the ledger names no side."""
        return str(ADDRESS) if self.names_side else ADDRESS.symbol

    runs: int = 2
    waits: tuple[int, ...] = (0,)
    forgets: bool = False
    names_side: bool = True


class Reckoning(NamedTuple):
    """How far our clocks are off: the earliest that the exchange's time can be is ``early_ms`` before it, the latest
    ``late_ms`` after it. One of them is negative where the server that is asked for the time disagrees with the one
    that dates requests, or where its clock was set. The machine's time of day was set forward by ``day_ms``."""

    early_ms: int
    late_ms: int
    day_ms: int = 0


class Kind(StrEnum):
    """What made a movement of the books."""

    CALL = "call"  # a margin call, ours or a person's
    FUNDING = "funding"
    CLOSE = "close"
    OPEN = "open"
    FILL = "fill"  # one unit more where the margin grows, else one unit less
    OTHER_SIDE = "other side"  # a margin call on the symbol's other side
    MARK = "mark"  # the mark price moves; in no ledger

    __hash__ = str.__hash__  # an enum's own takes a call of Python


class Row(NamedTuple):
    """One movement of the books. ``intent`` is the id of the step that made it, empty: somebody else's. ``early_ms`` is
    how long before it the exchange said yes."""

    time_ms: int
    change: int
    intent: str = ""
    kind: Kind = Kind.CALL
    early_ms: int = 0

    @property
    def said_ms(self) -> int:
        """The moment from which on reads of it are late."""
        return self.time_ms - self.early_ms


class Flight(NamedTuple):
    """A request that may still take effect, until a moment; that it will is sure from when the exchange said yes."""

    intent: str
    change: int
    until_ms: int
    kind: Kind = Kind.CALL
    said_ms: int | None = None


class Asleep(NamedTuple):
    """A run that stands still while another one goes on; each has the journal as it knows it. ``holds``: it has the
    lock, which the other one lost."""

    life: int
    run: int
    journal: int
    asked: tuple[Row, ...]
    asked_ms: int
    holds: bool


class Rare(NamedTuple):
    """What few worlds have: a run ``asleep``; the moment until which a run waits whose journal was put back (0: it was
    not, -1: no run has begun since); the number of the reckoning of our clocks (0: the one at the start)."""

    asleep: Asleep | None = None
    cold_ms: int = 0
    clock: int = 0


class World(NamedTuple):
    """One moment. ``life`` and ``journal`` are numbers in a ``Library``; ``life`` is -1 between runs.

    The first ``durable`` records survive a crash. ``asked`` are the ledger's rows as the run saw them at ``asked_ms``,
    before its first call (by our clocks), ``left`` is what may still happen: faults, crashes, others. ``is_cold``: the
    journal was lost. ``rare`` is None where it would say nothing.
    """

    at_ms: int
    rows: tuple[Row, ...]
    flights: tuple[Flight, ...]
    journal: int
    durable: int
    run: int
    life: int
    asked: tuple[Row, ...]
    left: tuple[int, int, int]
    is_cold: bool = False
    asked_ms: int = 0
    rare: Rare | None = None

    @property
    def is_robbed(self) -> bool:
        """Whether the run that goes on has lost its lock to one that stands still."""
        return self.rare is not None and self.rare.asleep is not None and self.rare.asleep.holds

    def with_rare(self, **changes: Any) -> "World":
        """The world with something rare changed."""
        rare = (self.rare or Rare())._replace(**changes)
        return self._replace(rare=None if rare == Rare() else rare)


class Stage(NamedTuple):
    """A life, and what it asked for last."""

    life: Life
    todo: Turn


class Library:
    """Lives and journals by number, so that a world is small and quick to compare."""

    def __init__(self) -> None:
        self._stages: dict[tuple[object, ...], int] = {}
        self._by_number: dict[int, Stage] = {}
        self._stages_made = 0
        self._journals: dict[tuple[int, Record], int] = {}
        self._journals_made = 1
        self.records: dict[int, tuple[Record, ...]] = {0: ()}
        self._folds: dict[int, JournalState] = {0: JournalState()}

    def __len__(self) -> int:
        """How many lives and journals it holds."""
        return len(self._by_number) + len(self.records)

    def number(self, stage: Stage) -> int:
        """The number of a life and its command."""
        life = stage.life  # which is compared without its task, of which each is made once, and without these
        key = (id(life.task), stage, id(life.memory), life.new_id)  # of equal memories there is one, as of tasks
        found = self._stages.get(key)
        if found is None:
            found = self._stages[key] = self._stages_made
            self._by_number[found] = stage
            self._stages_made += 1
        return found

    def stage(self, number: int) -> Stage:
        """The life and its command with that number."""
        return self._by_number[number]

    def appended(self, journal: int, record: Record) -> int:
        """The number of a journal with one more record."""
        found = self._journals.get((journal, record))
        if found is None:
            records = (*self.records[journal], record)
            found = self._journals[(journal, record)] = self._journals_made
            self.records[found] = records
            self._folds[found] = _folded(records)
            self._journals_made += 1
        return found

    def cut(self, journal: int, count: int) -> int:
        """The number of a journal's first records."""
        found = 0
        for record in self.records[journal][:count]:
            found = self.appended(found, record)
        return found

    def stages(self) -> Collection[Stage]:
        """Every life and its command that it holds."""
        return self._by_number.values()

    def forget_all_but(self, lives: Collection[int], journals: Collection[int]) -> None:
        """Forget lives and journals that no world names any more; a journal's beginnings stay with it."""
        self._by_number = {number: stage for number, stage in self._by_number.items() if number in lives}
        self._stages = {key: number for key, number in self._stages.items() if number in lives}
        parents = {number: key[0] for key, number in self._journals.items()}
        kept = {0}
        for journal in journals:
            at = journal
            while at not in kept:
                kept.add(at)
                at = parents[at]
        self._journals = {key: number for key, number in self._journals.items() if number in kept}
        self.records = {number: records for number, records in self.records.items() if number in kept}
        self._folds = {number: state for number, state in self._folds.items() if number in kept}

    def state(self, journal: int) -> JournalState:
        """What a journal adds up to."""
        return self._folds[journal]


class Slot(NamedTuple):
    """What the books have of the address: ``margin`` None where no position is open; ``opened`` counts openings.
    ``mark`` is the mark price."""

    margin: int | None
    opened: int
    mark: int
    size: int = 1


def slot_at(scope: Scope, rows: tuple[Row, ...], time_ms: int, address: Address = ADDRESS) -> Slot:
    """The books' position at a moment."""
    if address == OTHER_ADDRESS:
        moved = sum(row.change for row in rows if row.time_ms <= time_ms and row.kind is Kind.OTHER_SIDE)
        return Slot(scope.before + moved, 0, ENTRY)
    margin: int | None = scope.before
    opened, mark, size = 0, ENTRY, 1
    for row in rows:
        if row.time_ms > time_ms or row.kind is Kind.OTHER_SIDE:
            continue
        if row.kind is Kind.MARK:
            mark = row.change
        elif row.kind is Kind.CLOSE:
            margin = None
        elif row.kind is Kind.OPEN:
            margin, opened, size = row.change, opened + 1, 1
        elif margin is not None:
            margin += row.change
            size += (1 if row.change > 0 else -1) * (row.kind is Kind.FILL)
    return Slot(margin, opened, mark, size)


def is_too_near(scope: Scope, *, margin: int, mark: int) -> bool:
    """Whether the policy forbids a reduction that leaves this margin; the position is long, of size one."""
    return (mark - (ENTRY - margin)) * 100 < scope.min_distance * mark


@cache
def position(scope: Scope, slot: Slot, address: Address) -> Position:
    """What a read shows of it. Where the ledger names no side the exchange tells a reopened position by its id."""
    return Position(
        address=address,
        asset="USDT",
        margin_type=MarginType.ISOLATED,
        isolated_margin=(slot.margin or 0) * scope.unit,
        size=Decimal(0 if slot.margin is None else slot.size),
        identity=None if scope.names_side else f"{address.side}{slot.opened}",
        risk=None if slot.margin is None else RISK,
        mark_price=Decimal(slot.mark),
    )


@lru_cache(maxsize=1 << 16)
def lane_look(scope: Scope, sent_at_ms: int, slot: Slot, address: Address) -> LaneLook:
    """A look that was sent then and shows this; of equal looks there is one."""
    is_open = slot.margin is not None
    return LaneLook(
        sent_at_ms=sent_at_ms,
        position=position(scope, slot, address),
        symbol=None,
        shared=bool(scope.other_side or scope.short_runs) and is_open,
        is_open=is_open,
        available=Decimal(10**6),
    )


def ledger_rows(scope: Scope, rows: tuple[Row, ...]) -> tuple[LedgerRow, ...]:
    """Books as the exchange's ledger has them."""
    kept = ((number, row) for number, row in enumerate(rows) if row.kind is not Kind.MARK)
    return tuple(each for number, row in kept for each in _ledger_rows(scope, row, number))


_CAUSES = {Kind.FUNDING: Cause.FUNDING, **dict.fromkeys((Kind.CLOSE, Kind.OPEN, Kind.FILL), Cause.FILL)}


@lru_cache(maxsize=1 << 16)
def _ledger_rows(scope: Scope, row: Row, number: int) -> tuple[LedgerRow, ...]:
    """The row of a movement; the rows, where the ledger books a call as two."""
    side = "short" if row.kind is Kind.OTHER_SIDE else str(ADDRESS.side)
    change = row.change * scope.unit
    one = LedgerRow(
        row_id=str(number),
        symbol=ADDRESS.symbol,
        side=side if scope.names_side else None,
        asset="USDT",
        cause=_CAUSES.get(row.kind, Cause.MANUAL),
        change=change if scope.digits is None else rounded(change, scope.digits),
        time_ms=row.time_ms - scope.behind_ms,
    )
    if not scope.splits or one.cause is not Cause.MANUAL:
        return (one,)
    first = rounded(change * 2 / 5, 0)
    return replace(one, change=first), replace(one, row_id=f"{number}b", change=change - first)


def _folded(journal: tuple[Record, ...]) -> JournalState:
    state = JournalState()
    for record in journal:
        state.add(record, at="2026-01-01T00:00:00Z")
    return state


RISK = LinearRisk(entry=Decimal(ENTRY), size=Decimal(1))
POLICY = Policy(allow_reduce=True, min_liquidation_distance=None, max_margin=None)


@cache
def task(scope: Scope, target: int, planned_from: int, address: Address) -> Task:
    """A plan's step from a margin to a target."""
    change = target - planned_from
    distance = Percent(value=Decimal(scope.min_distance)) if scope.min_distance else None
    tolerance = Tolerance(value=Decimal(0), percent=False)
    return Task(
        name="main",
        address=address,
        lane=scope.lane,
        policy=replace(POLICY, min_liquidation_distance=distance),
        step_size=STEP,
        grace_ms=scope.grace_ms,
        validity_ms=scope.validity_ms,
        slack_ms=max(scope.grace_ms, scope.validity_ms),
        step=MoveMargin(
            step_id="s",
            address=address,
            asset="USDT",
            amount=abs(change) * scope.unit,
            before=planned_from * scope.unit,
            after=target * scope.unit,
            tolerance=Decimal(10**9),  # somebody else's moves are for the machine to live with, not for the plan
            action="add_margin" if change > 0 else "reduce_margin",
        ),
        target=Target(
            address=address,
            margin_type=MarginType.ISOLATED,
            isolated_margin=target * scope.unit,
            tolerance=tolerance,
        ),
    )


@cache
def search_task(scope: Scope, address: Address) -> Task:
    """The search for an earlier step."""
    return Task(
        name="main",
        address=address,
        lane=scope.lane,
        policy=POLICY,
        step_size=STEP,
        grace_ms=scope.grace_ms,
        validity_ms=scope.validity_ms,
        slack_ms=max(scope.grace_ms, scope.validity_ms),
    )
