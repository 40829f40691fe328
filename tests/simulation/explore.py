"""Three ways through schedules: every one up to a depth, many at random, and one that failed made small.

*Exhaustive*: a tree. The root has no happening; a schedule's children add one more, at every point that was reached
after its own last happening. So each set of happenings comes once, in the order in which it is met, and what would
never be met is not tried. *Random*: a seed decides everything, swarm-style: how many runs, which kinds of trouble this
seed knows, and how often. *Shrinking* tries whatever is simpler as long as it still fails.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from tests.simulation.assumptions import STRANGERS_MS, TOGETHER
from tests.simulation.banded import with_bands
from tests.simulation.hits import READ_NAMES, SPANS, VALIDITY_MS, doubtful, refusing, write_names
from tests.simulation.oracle import Verdict, verdict
from tests.simulation.schedule import (
    COMMANDS,
    CRASHES,
    DISK,
    FORGETS,
    MOVERS,
    QUEUED,
    SPAN,
    TIME,
    WRITE,
    Aim,
    Go,
    Happening,
    Schedule,
)
from tests.simulation.themes import themed

GRACE_MS = 5_000


# ---- exhaustive ------------------------------------------------------------------------------------------------------


def alphabet(exchange: str) -> Mapping[str, tuple[tuple[str, int], ...]]:
    """What the exhaustive search tries at each kind of point: one of each kind of trouble that differs in what is
    known of the account, or in what the program does next; with its value."""
    validity = VALIDITY_MS[exchange]
    read = (("stale", GRACE_MS), ("timeout", 0), ("kill", 0))
    return {
        WRITE: (
            ("lost", 0),
            ("never", 0),
            ("late", validity - 100),
            ("late", validity + 100),
            ("late_lost", validity // 2),
            ("odd:html_502", 0),
            ("odd_without:html_502", 0),
            ("cut", 0),
            ("refused", 0),
            ("refusal:throttle", 0),
            ("refusal:clock", 0),
            ("kill", 0),
            ("kill_sent", validity - 100),
            ("kill_answer", 0),
            ("power_sent", validity - 100),
        ),
        "positions": (*read, ("empty", 0)),
        "ledger": read,
        "balance": (("stale", GRACE_MS),),
        "time": (("timeout", 0),),
        "line": (("kill", 0), ("power", 0), ("full", 0)),
        "flush": (("kill", 0), ("power", 0)),
    }


def roots(exchange: str) -> tuple[Schedule, ...]:
    """Where the exhaustive search begins: one address, to add to and to take from."""
    add = Schedule(exchange=exchange)
    return (add, replace(add, aims=(Aim(before=1_500, target=1_200),)))


def exhaustive(
    root: Schedule, depth: int, *, judge: Callable[[Schedule], Verdict] = verdict, part: int = 0, parts: int = 1
) -> Iterator[Verdict]:
    """The verdict on every schedule with up to ``depth`` happenings; ``part`` of ``parts`` of the tree."""
    names = alphabet(root.exchange)
    first = judge(root)
    if part == 0:
        yield first
    if depth == 0:
        return
    children = list(_children(root, first, names))
    for child in children[part::parts]:
        yield from _below(child, depth - 1, names, judge)


def _below(
    schedule: Schedule,
    depth: int,
    names: Mapping[str, tuple[tuple[str, int], ...]],
    judge: Callable[[Schedule], Verdict],
) -> Iterator[Verdict]:
    found = judge(schedule)
    yield found
    if depth > 0:
        for child in _children(schedule, found, names):
            yield from _below(child, depth - 1, names, judge)


def _children(
    schedule: Schedule, found: Verdict, names: Mapping[str, tuple[tuple[str, int], ...]]
) -> Iterator[Schedule]:
    reached = found.simulation.reached
    start = 0
    if schedule.happenings:
        last = schedule.happenings[-1]
        start = reached.index((last.where, last.n)) + 1
    for where, number in reached[start:]:
        for how, value in names.get(where, ()):
            more = Happening(where=where, n=number, how=how, value=value)
            yield replace(schedule, happenings=(*schedule.happenings, more))


THEMES: tuple[frozenset[str], ...] = (
    frozenset({"homes"}),
    frozenset({"resolve"}),
    frozenset({"revised"}),
    frozenset({"journal"}),
    frozenset({"homes", "revised"}),
    frozenset({"resolve", "revised"}),
)
"""What comes with reads that are late in one seed of four, since chance alone seldom brings it together."""


# ---- random ----------------------------------------------------------------------------------------------------------


def banded_schedule(seed: int, exchange: str = "binance") -> Schedule:
    """The schedule of a seed, with bands."""
    return with_bands(random_schedule(seed, exchange), seed)


def random_schedule(seed: int, exchange: str = "binance", *, outside: bool = False) -> Schedule:
    """The schedule of a seed; with ``outside`` it may break what the program assumes.

    One in four brings late reads together with a new home, a resolve, a reverted target or a journal that is put back.
    """
    dice = random.Random(seed)
    mode = dice.choice(("hedge", "hedge", "one-way"))
    grace = dice.choice((GRACE_MS, GRACE_MS, 1_000))
    theme = dice.choice(THEMES) if dice.random() < 0.25 else frozenset[str]()
    runs = _runs(dice, theme, outside=outside and dice.random() < 0.3)
    aims = _aims(dice, mode, revised=any(go.revised for go in runs))
    mix = _Mix(dice, exchange, VALIDITY_MS[exchange], grace, outside=outside)
    happenings = [*mix.requests(), *mix.spans(), *mix.disk(), *mix.others(len(aims)), *mix.machines(len(runs))]
    if len(runs) > 1 and ("journal" in theme or dice.random() < (0.3 if outside else 0.06)):
        before = dice.randint(1, len(runs) - 1)
        how = dice.choice(("lost", *FORGETS) if outside or not runs[before].beside else ("lost",))
        happenings.append(Happening(where="journal", n=before, how=how, value=dice.randint(1, 4)))
    if any(go.command == "resolve" for go in runs):
        happenings = _left_open(dice, happenings)
    made = Schedule(
        exchange=exchange,
        mode=mode,
        aims=aims,
        latency=dice.choice((0, 20, 20, 300, 2_000)),
        flush=dice.choice((0, 0, 0, 0, 0, 0, 5, 5, 3_000, 6_000)),
        runs=runs,
        replicas=_replicas(dice, grace, theme),
        happenings=tuple(sorted(happenings)),
        grace=grace,
        free=dice.choice((100_000, 100_000, 700, 1_200)),
        floor=dice.choice((0, 0, 0, 300)),
        ahead=dice.choice((0, 0, 0, 700, -1_800_000, 86_400_000)),
        drift=dice.choice((0, 0, 0, 1, -1)),
        seed=seed,
    )
    made = themed(made, seed, validity_ms=VALIDITY_MS[exchange])
    return made if outside else kept_inside(made, VALIDITY_MS[exchange])


def kept_inside(made: Schedule, validity: int) -> Schedule:
    """Without the early yes to a request that the exchange refuses when it arrives; and where reads are late as well,
    with effects that are late by so much less, or not at all."""
    if made.latency // 2 + made.flush + 200 > validity:
        made = _early_by(made, 0)
    if made.ledger.behind > STRANGERS_MS and made.outside:
        made = replace(made, ledger=replace(made.ledger, behind=STRANGERS_MS))
    for most in (made.grace // 2, made.grace // 8, 0):
        if not made.outside:
            return made
        made = _early_by(made, most)
    return replace(made, happenings=tuple(each for each in made.happenings if each.how != "behind"))


def _early_by(made: Schedule, most: int) -> Schedule:
    """With effects at most this late after their acceptance; 0: none is."""
    shorter = (replace(each, value=min(each.value, most)) if each.how in QUEUED else each for each in made.happenings)
    kept = (each for each in shorter if each.how not in QUEUED or each.value)
    return replace(made, happenings=tuple(sorted(kept)))


def _runs(dice: random.Random, theme: frozenset[str], *, outside: bool) -> tuple[Go, ...]:
    count = dice.choice((2, 3, 3) if theme else (1, 1, 2, 2, 3))
    homes = "homes" in theme or dice.random() < 0.15
    last = count - 1 if "homes" in theme else count
    moves = dice.randint(1, last)  # a home that was left is not come back to: it would not know what was sent meanwhile
    revises = "revised" in theme or dice.random() < 0.2
    resolved = dice.randint(1, count - 1) if "resolve" in theme else 0
    return tuple(
        Go(
            wait=dice.choice((0, 100, 100, 1_000, 4_000, 9_000, 30_000, 45_000, 70_000)),
            beside=number > 0 and dice.random() < 0.3 and (outside or not homes),
            host=dice.choice(("one", "one", "one", "two")),
            home=dice.randint(0, 1) if outside else int(homes and number >= moves),
            label=dice.choice(("main", "main", "main", "twin")),
            command=_command(dice, number, resolved),
            revised=revises and dice.random() < 0.5,
            drift=dice.choice((0, 0, -1, 1)),
            wall=dice.choice((0, 0, -3_600_000, 86_400_000)),
        )
        for number in range(count)
    )


def _command(dice: random.Random, number: int, resolved: int) -> str:
    if number == 0:
        return "apply"
    return "resolve" if number == resolved else dice.choices(COMMANDS, (80, 8, 5, 7))[0]


def _left_open(dice: random.Random, happenings: list[Happening]) -> list[Happening]:
    """The first write leaves a step open, so that there is something to resolve."""
    how = dice.choice(("kill_sent", "kill_answer", "power_sent", "kill"))
    return [each for each in happenings if (each.where, each.n) != (WRITE, 1)] + [Happening(where=WRITE, n=1, how=how)]


def _aims(dice: random.Random, mode: str, *, revised: bool) -> tuple[Aim, ...]:
    sides = ("long", "short") if mode == "hedge" else ("net",)
    places = [(symbol, side) for symbol in range(3) for side in sides]
    chosen = dice.sample(places, dice.choice((1, 1, 2, 3)))
    return tuple(
        Aim(
            symbol=symbol,
            side=side,
            before=before,
            target=dice.choice((before + 500, before - 300, before + 1, before)),
            revised=dice.choice((before, before, before + 200, before - 300, None)) if revised else None,
            part=dice.choice((0, 0, 0, 3_333_333_333)),
        )
        for symbol, side in sorted(chosen)
        for before in (dice.choice((1_000, 1_500)),)
    )


def _replicas(dice: random.Random, grace: int, theme: frozenset[str]) -> tuple[tuple[int, int], ...]:
    """How far behind replicas are: in time, or as late as a row of the table allows."""
    if not theme and dice.random() < 0.6:
        return ()
    row = dice.choice(TOGETHER if theme else (None, None, None, *TOGETHER))
    positions = grace * (1 if row is None else dice.randint(1, row.positions))
    ledger = grace * (1 if row is None else dice.randint(1, row.ledger))
    return tuple(
        (
            dice.choice((0, 0, positions, dice.randint(1, positions))),
            dice.choice((0, ledger, dice.randint(1, ledger))),
        )
        for _ in range(dice.randint(1, 3))
    )


class _Mix:
    """What this seed knows of trouble, and how much of it."""

    def __init__(self, dice: random.Random, exchange: str, validity: int, grace: int, *, outside: bool) -> None:
        self._dice = dice
        self._exchange = exchange
        self._validity = validity
        self._grace = grace
        writes = [*write_names(exchange), *(("twice", "twice_lost") if outside else ())]
        self._writes = dice.sample(writes, dice.randint(1, 8))
        self._reads = dice.sample(READ_NAMES, dice.randint(1, 5))
        self._longest = grace * (4 if outside and dice.random() < 0.3 else 1)
        self._kinds = dice.sample((WRITE, "positions", "ledger", "balance", "time", "setup"), dice.randint(1, 6))

    def requests(self) -> Iterator[Happening]:
        """What happens to requests."""
        dice = self._dice
        taken: set[tuple[str, int]] = set()
        for _ in range(dice.choice((0, 1, 2, 3, 5, 8))):
            where = dice.choice((*self._kinds, WRITE))
            number = dice.randint(1, 3 if where == WRITE else 8)
            if where != WRITE and dice.random() < 0.1:
                number = 0
            if (where, number) in taken:
                continue
            taken.add((where, number))
            yield self._write(number) if where == WRITE else self._read(where, number)

    def _write(self, number: int) -> Happening:
        dice, validity = self._dice, self._validity
        how = dice.choice(self._writes)
        value = 0
        if how.startswith(("late", "twice")):
            value = dice.choice((dice.randint(0, validity), validity - 1, validity, validity + 1, validity + 50))
        elif how in {"kill_sent", "power_sent"}:
            value = dice.choice((0, validity - 100, dice.randint(0, validity)))
        elif how == "early_yes":
            value = dice.randint(0, self._grace)
        elif how == "slow":
            value = dice.randint(1, 12_000)
        return Happening(where=WRITE, n=number, how=how, value=value)

    def _read(self, where: str, number: int) -> Happening:
        dice = self._dice
        how = dice.choice(self._reads)
        if dice.random() < 0.15:
            how = dice.choice([f"odd:{name}" for name in doubtful(self._exchange)])
        elif dice.random() < 0.1 and refusing(self._exchange):
            how = f"refusal:{dice.choice(('throttle', 'clock'))}"
        if number == 0 and how in CRASHES:
            how = "timeout"
        value = 0
        if how.startswith("stale"):
            value = dice.choice((self._longest, dice.randint(1, self._longest)))
        elif how == "slow":
            value = dice.randint(1, 12_000)
        return Happening(where=where, n=number, how=how, value=value)

    def spans(self) -> Iterator[Happening]:
        """What happens to every request over a span of time."""
        dice = self._dice
        if dice.random() < 0.85:
            return
        how = dice.choice([name for name in SPANS if name != "wrong_reads"])
        yield Happening(where=SPAN, n=dice.randint(0, 40_000), how=how, value=dice.choice((500, 4_000, 12_000, 30_000)))

    def disk(self) -> Iterator[Happening]:
        """What happens to the disk."""
        dice = self._dice
        if dice.random() < 0.6:
            return
        where = dice.choice(DISK)
        how = dice.choice(("kill", "power", "power", "full"))
        if where == "flush":
            how = dice.choice(("kill", "power", "failing"))
        yield Happening(where=where, n=dice.randint(1, 10), how=how)

    def others(self, aims: int) -> Iterator[Happening]:
        """What everybody else does."""
        dice = self._dice
        if dice.random() < 0.65:
            return
        for _ in range(dice.randint(1, 3)):
            how = dice.choice(MOVERS)
            value = {"fund": dice.randint(-500, 500), "auto": 50, "noise": dice.choice((20, 60, 120))}.get(
                how, dice.choice((1, 100, 300, 500))
            )
            yield Happening(where=TIME, n=dice.randint(0, 20_000), how=how, value=value, on=dice.randrange(aims))

    def machines(self, runs: int) -> Iterator[Happening]:
        """What happens to machines and processes."""
        dice = self._dice
        if dice.random() < 0.6:
            return
        for _ in range(dice.randint(1, 2)):
            how = dice.choice(("stop", "stop", "kill", "power", "suspend", "wall", "lock_replaced"))
            value = {"suspend": dice.choice((1_000, 4_000, 9_000, 300_000)), "wall": 3_600_000}.get(how, 0)
            yield Happening(where=TIME, n=dice.randint(1, 25_000), how=how, value=value, on=dice.randrange(runs))


# ---- shrinking -------------------------------------------------------------------------------------------------------


def shrink(failed: Schedule, *, fails: Callable[[Schedule], bool], tries: int = 400) -> Schedule:
    """A simpler schedule that fails as well."""
    best, left, seen = failed, tries, {failed}
    progress = True
    while progress and left > 0:
        progress = False
        for simpler in best.without():
            if simpler in seen:
                continue
            seen.add(simpler)
            left -= 1
            if fails(simpler):
                best, progress = simpler, True
                break
            if left <= 0:
                break
    return best


def violates(schedule: Schedule) -> bool:
    """Whether the oracle finds anything."""
    return bool(verdict(schedule).violations)


def same_kind(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether two lists of violations begin with the same words."""
    return bool(first and second) and first[0].split(" ")[:2] == second[0].split(" ")[:2]
