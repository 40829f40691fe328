"""A schedule: everything that will happen in one simulated world, as data that can be stored, compared and shrunk.

A ``Happening`` is one thing that goes wrong, or that somebody else does. Where it names a kind of request or of disk
operation, ``n`` counts those of the schedule's own runs, from 1 (0: every one of them); where it names ``time``, ``n``
is virtual milliseconds since the start; where it names ``span``, ``n`` is that too and ``value`` how long every request
is hit. What is never reached does nothing. After a schedule's own runs come further
ones without any fault, which are not part of it.

What a schedule holds decides what may be asked of the program: ``others`` says that somebody else moves margin too,
``outside`` that it breaks what the program assumes, and how often (each time may cost one delta).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from decimal import Decimal
from typing import Any

from tests.simulation.assumptions import SLACK_MS, STRANGERS_MS, Knows, Together, allowed
from tests.simulation.ledger import EXACT, Ledger

WRITE = "write"
READS = ("positions", "balance", "ledger", "time", "setup")
DISK = ("line", "flush", "lock")
TIME = "time_passes"
SPAN = "span"

CRASHES = ("kill", "kill_sent", "kill_answer", "power", "power_sent", "power_answer")
"""The process or the whole machine dies: before the request leaves (or the disk operation happens), while the request
is under way, or when its answer is there."""

DOUBLED = ("twice", "twice_lost")
"""One request that takes effect twice: a network that repeats what it is given."""
QUEUED = ("early_yes", "queued_lost", "late_queued", "kill_queued_sent")
"""A request that takes effect ``value`` after the exchange accepted it: it said yes, it gave no answer, it accepted it
only at the end of its validity, or its process was killed meanwhile."""
LIES = ("yes_without",)
"""The exchange says yes and does nothing."""
FORGETS = ("rolled_back", "cut_short")
"""What is done to a journal that it cannot notice."""
ROW_MAKERS = ("human_add", "human_reduce", "human_same")
MOVERS = (*ROW_MAKERS, "noise", "fund", "auto", "fill", "part", "close", "reopen", "flip", "crossed")
"""What others do: to a position's margin, or to the position."""
LEVER = "lever"
"""A person lowers the leverage of a symbol, which pulls margin in on some exchanges; chance does not."""
COMMANDS = ("apply", "plan", "drift", "resolve")
MACHINE = ("stop", "kill", "power", "suspend", "wall", "lock_replaced")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Happening:
    """``where`` it happens, at the ``n``-th such point, ``how``; ``value`` is milliseconds or an amount, ``on`` is the
    number of the target, or of the run, that it concerns."""

    where: str
    n: int
    how: str
    value: int = 0
    on: int = 0

    @property
    def kind(self) -> str:
        """Where it happens and how, without the names of an exchange's own answers."""
        return f"{self.where} {self.how.partition(':')[0]}"

    def __str__(self) -> str:
        detail = f" {self.value}" if self.value else ""
        place = f"at {self.n} ms" if self.where in {TIME, SPAN} else f"{self.where} {self.n or 'each'}"
        return f"{place}: {self.how}{detail}" + (f" (on {self.on})" if self.on else "")


PRICE = "price"
"""What moves the mark price of an aim's symbol: ``value`` is parts per thousand of where it began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """A declared measure: its name, its bounds in parts per thousand (no ceiling: 0), and the margins it stays in."""

    measure: str
    floor: int
    target: int
    ceiling: int = 0
    most: int = 1000
    least: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the policy of a schedule with bands says; 0 is no limit. ``rounding`` is in whole units.

    ``meanwhile_ms`` is how often a run looks for what falls below its floor while its steps are under way; 0 is never.
    """

    when_short: str = "refuse"
    reduces: bool = True
    rounding: int = 0
    day_add: int = 0
    day_changes: int = 0
    meanwhile_ms: int = 0


_PART = Decimal("1e-10")


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """One declared address (``side`` long, short or net) with its margin before, in whole units of its asset.

    ``revised`` is the target in the other version of the state file; None where both versions agree. ``part`` is what
    both versions declare on top of that, in 1e-10 units: more digits than any exchange moves. With ``bounds`` it
    declares those and no target. ``priority`` 1 is first where the balance is short, 0 is none.
    """

    symbol: int = 0
    side: str = "long"
    before: int = 1000
    target: int = 1500
    revised: int | None = None
    part: int = 0
    bounds: Bounds | None = None
    priority: int = 0

    def declared(self, *, revised: bool) -> Decimal:
        """The target in one version of the state file."""
        whole = self.target if self.revised is None or not revised else self.revised
        return whole + self.part * _PART

    @property
    def widest(self) -> Decimal:
        """The largest step between any two of its margins: what one wrong step can cost."""
        margins = (Decimal(self.before), self.declared(revised=False), self.declared(revised=True))
        return max(margins) - min(margins)


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """One run of the program. ``wait`` is milliseconds after the run before it ended; with ``beside`` after that one
    started. ``drift`` is in parts per thousand, ``wall`` milliseconds. Runs with another ``home`` share no journal;
    ``label`` is what the state file calls the account, and ``revised`` runs read its other version. ``command`` is one
    of ``COMMANDS``; with ``resolve`` a person says of the first open step what its request really did."""

    wait: int = 100
    beside: bool = False
    host: str = "one"
    home: int = 0
    label: str = "main"
    command: str = "apply"
    revised: bool = False
    drift: int = 0
    wall: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One world. ``replicas`` are how far behind reads are, in turn, in pairs (positions, ledger), milliseconds. The
    exchange's clock is ``ahead`` of the true one (milliseconds) and gains ``drift`` parts per thousand. Additions must
    leave ``floor`` of the ``free`` balance: the policy's ``min_available``. ``ledger`` is how its rows differ from what
    happened."""

    exchange: str = "binance"
    mode: str = "hedge"
    aims: tuple[Aim, ...] = (Aim(),)
    latency: int = 20
    flush: int = 0
    runs: tuple[Go, ...] = (Go(), Go())
    replicas: tuple[tuple[int, int], ...] = ()
    happenings: tuple[Happening, ...] = ()
    grace: int = 5000
    free: int = 100_000
    floor: int = 0
    switches: tuple[tuple[str, Any], ...] = ()
    ahead: int = 0
    drift: int = 0
    seed: int = 0
    limits: Limits | None = None
    ledger: Ledger = EXACT

    @property
    def others(self) -> bool:
        """Whether somebody else moves margin or positions."""
        return any(each.how in {*MOVERS, LEVER} for each in self.happenings if each.where == TIME)

    @property
    def outside(self) -> int:
        """How many times it breaks an assumption of the program; 0 when it stays inside all of them."""
        broken = sum(1 for each in self.happenings if each.how in DOUBLED)
        allows = all(row is not None for row in self._rows) and self.ledger.behind <= self._slack_ms
        return broken + self._apart + (0 if allows else len(self.runs))

    @property
    def words(self) -> bool:
        """Whether the journal's word on each step must be true."""
        return all(row is not None and row.words for row in self._rows)

    @property
    def lag(self) -> int:
        """How far behind a read of positions can be, at most, milliseconds."""
        return max(
            self._positions_ms, *(each.value for each in self.happenings if each.how == "glitch"), self._wrong_ms
        )

    @property
    def latest_ms(self) -> int:
        """How far behind a read of positions or of the ledger can be, at most, milliseconds."""
        return max(self.lag, self._ledger_ms)

    @property
    def in_time(self) -> bool:
        """Whether reads of positions and ledger are late by a grace at most."""
        return self.latest_ms <= self.grace

    @property
    def _wrong_ms(self) -> int:
        return 60_000 if any(each.how == "wrong_reads" for each in self.happenings) else 0

    @property
    def _apart(self) -> int:
        """How often two homes are at work at once, a home is come back to that was left for another, or a journal is
        put back while a run is at work on it."""
        homes = [go.home for go in self.runs]
        pairs = zip(self.runs, self.runs[1:], strict=False)
        at_once = sum(1 for before, go in pairs if go.beside and go.home != before.home)
        back = (number for number in range(2, len(homes)) if homes[number] != homes[number - 1])
        under_way = sum(
            1
            for each in self.happenings
            if each.how in FORGETS and self.runs[each.n : each.n + 1] and self.runs[each.n].beside
        )
        return at_once + under_way + sum(1 for number in back if homes[number] in homes[: number - 1])

    @property
    def _rows(self) -> tuple[Together | None, ...]:
        """The row of the table that allows these delays, for each state that a journal is in."""
        return tuple(
            allowed(knows, positions_ms=self._positions_ms, ledger_ms=self._ledger_ms, grace_ms=self.grace)
            for knows in self.journals
        )

    @property
    def _slack_ms(self) -> int:
        """How far behind the ledger's clock may be: less where it shows a call that a journal does not know and reads
        are late."""
        is_known = self.journals == (Knows.ALL,) and not any(each.how in ROW_MAKERS for each in self.happenings)
        is_timely = self._positions_ms <= self.grace
        return max(self.grace, SLACK_MS[self.exchange]) if is_known or is_timely else STRANGERS_MS

    @property
    def journals(self) -> tuple[Knows, ...]:
        """What the journals of this world know."""
        spoilt = {each.how for each in self.happenings if each.where == "journal"}
        found = [Knows.ALL]
        if "lost" in spoilt or len({go.home for go in self.runs}) > 1:
            found.append(Knows.NONE)
        if spoilt & set(FORGETS):
            found.append(Knows.SOME)
        return tuple(found)

    @property
    def _positions_ms(self) -> int:
        """A ``glitch`` is one look that is wrong and no delay: two looks must agree."""
        named = [
            each.value
            for each in self.happenings
            if each.how in {"stale", "stale_positions"} and each.where != "ledger"
        ]
        return self._effect_ms + max([self._behind_ms, *named, *(positions for positions, _ in self.replicas)])

    @property
    def _ledger_ms(self) -> int:
        named = [
            each.value for each in self.happenings if each.how in {"stale", "stale_ledger"} and each.where == "ledger"
        ]
        return self._effect_ms + max([self._behind_ms, *named, *(ledger for _, ledger in self.replicas)])

    @property
    def _behind_ms(self) -> int:
        """How far behind spans make reads."""
        return self.grace if any(each.how == "behind" for each in self.happenings) else 0

    @property
    def _effect_ms(self) -> int:
        """How long after its acceptance an effect comes: both witnesses are later by as much."""
        return max((each.value for each in self.happenings if each.how in QUEUED), default=0)

    def without(self) -> Iterator["Schedule"]:
        """Schedules that are a little simpler, the boldest first."""
        yield from self._fewer()
        for index, each in enumerate(self.happenings):
            for simpler in _simpler(each):
                yield replace(self, happenings=_with(self.happenings, index, simpler))
        if self.latency not in {0, 20}:
            yield replace(self, latency=20)
        if self.flush:
            yield replace(self, flush=0)
        if self.ahead or self.drift:
            yield replace(self, ahead=0, drift=0)
        for index, go in enumerate(self.runs):
            for plain in (
                replace(go, drift=0),
                replace(go, wall=0),
                replace(go, beside=False),
                replace(go, label="main"),
                replace(go, revised=False),
            ):
                if plain != go:
                    yield replace(self, runs=_with(self.runs, index, plain))

    def _fewer(self) -> Iterator["Schedule"]:
        count = len(self.happenings)
        size = count // 2
        while size:
            for start in range(0, count, size):
                yield replace(self, happenings=self.happenings[:start] + self.happenings[start + size :])
            size //= 2
        for index in range(len(self.runs)):
            if len(self.runs) > 1:
                yield replace(self, runs=_lacking(self.runs, index))
        for index in range(len(self.aims)):
            if len(self.aims) > 1:
                yield replace(self, aims=_lacking(self.aims, index))
        if self.replicas:
            yield replace(self, replicas=())
        if self.ledger != EXACT:
            yield replace(self, ledger=EXACT)
        for index in range(len(self.switches)):
            yield replace(self, switches=_lacking(self.switches, index))

    def to_json(self) -> str:
        """As one line; what is as usual is left out."""
        return json.dumps(_sparse(self))

    @classmethod
    def from_json(cls, text: str) -> "Schedule":
        """Raises ValueError, TypeError or KeyError for what is no schedule."""
        value: dict[str, Any] = json.loads(text)
        return cls(
            **{
                **value,
                "aims": tuple(_aim(each) for each in value.get("aims", [{}])),
                "runs": tuple(Go(**each) for each in value.get("runs", [{}, {}])),
                "replicas": tuple((int(first), int(second)) for first, second in value.get("replicas", [])),
                "happenings": tuple(Happening(**each) for each in value.get("happenings", [])),
                "switches": tuple((str(name), setting) for name, setting in value.get("switches", [])),
                "limits": Limits(**value["limits"]) if "limits" in value else None,
                "ledger": Ledger(**value.get("ledger", {})),
            }
        )


def _aim(value: Mapping[str, Any]) -> Aim:
    bounds = value.get("bounds")
    return Aim(**{**value, "bounds": None if bounds is None else Bounds(**bounds)})


def _simpler(each: Happening) -> Iterator[Happening]:
    for value in {0, each.value // 2} - {each.value}:
        yield replace(each, value=value)
    if each.where == TIME and each.n >= 1000 and each.n % 1000:
        yield replace(each, n=each.n // 1000 * 1000)
    if each.where == TIME and each.n:
        yield replace(each, n=each.n // 2)
    if each.where not in {TIME, SPAN} and each.n != 1:
        yield replace(each, n=1)


def _with(items: tuple[Any, ...], index: int, item: object) -> tuple[Any, ...]:
    return (*items[:index], item, *items[index + 1 :])


def _lacking(items: tuple[Any, ...], index: int) -> tuple[Any, ...]:
    return (*items[:index], *items[index + 1 :])


def _sparse(value: Any) -> Mapping[str, Any]:
    usual = {each.name: each.default for each in fields(value)}
    kept: dict[str, Any] = {}
    for each in fields(value):
        found = getattr(value, each.name)
        if found == usual[each.name]:
            continue
        items = isinstance(found, tuple) and found and isinstance(found[0], Aim | Go | Happening)
        if isinstance(found, Bounds | Limits | Ledger):
            found = asdict(found)
        kept[each.name] = [_sparse(item) for item in found] if items else found
    if isinstance(value, Happening):
        kept = {name: item for name, item in asdict(value).items() if name in kept or name in {"where", "n", "how"}}
    return kept
