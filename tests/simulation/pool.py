"""A pool of schedules that reached something new: the next schedule is often made from one of them.

*New* is a pair of an arrow of the step's table and the kind of the last fault before it. A schedule of the pool is
crossed with one that chance made, and gets more faults, at points that it is known to reach and of kinds that few pairs
have so far; chance often names points that nothing reaches. A seed decides everything: which schedule is taken, what is
changed, and when a fresh one comes instead.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from unittest.mock import patch

from reconcile.protocol import life, lifecycle
from tests.simulation.explore import kept_inside, random_schedule
from tests.simulation.hits import READ_NAMES, VALIDITY_MS, write_names
from tests.simulation.oracle import Verdict, verdict
from tests.simulation.schedule import CRASHES, DISK, MOVERS, WRITE, Happening, Schedule
from tests.simulation.simulation import Simulation

SHARE = 0.8
"""How many of the schedules are made from one of the pool."""
_KEPT = 0.2
"""How many of its own happenings such a schedule keeps."""
_MOST_FAULTS = 6
_MOST_RUNS = 4
_CHOICES = 4
"""Among how many points and faults the kind with the fewest pairs is taken."""
_KILLS = 0.2
"""How many of the faults kill: a dead run takes no more arrows."""
_DISK = {"line": ("kill", "power", "full"), "flush": ("kill", "power"), "lock": ("kill", "power", "full")}
Pair = tuple[str, str]
"""An arrow (state and event), and the kind of the last fault before it (empty: none)."""
Point = tuple[str, int]
"""A kind of request or disk operation, and its number."""


class Pool:
    """The first schedule that reached each pair, and the points that it came to."""

    def __init__(self, exchange: str, *, share: float = SHARE) -> None:
        """``share`` 0: every schedule is fresh."""
        self._exchange = exchange
        self._share = share
        self._kinds: Counter[str] = Counter()
        self.found: dict[Pair, tuple[Schedule, tuple[Point, ...]]] = {}

    def play(self, seeds: range) -> Iterator[Verdict]:
        """The verdict on one schedule for each seed."""
        for seed in seeds:
            seen, pairs = watched(self._next(seed))
            for pair in sorted(pairs - self.found.keys()):
                self.found[pair] = (seen.schedule, tuple(seen.simulation.reached))
                self._kinds[pair[1]] += 1
            yield seen

    def _next(self, seed: int) -> Schedule:
        dice, fresh = random.Random(f"pool {seed}"), random_schedule(seed, self._exchange)
        if not self.found or dice.random() >= self._share:
            return fresh
        parent, points = self.found[dice.choice(list(self.found))]
        made = self._with_faults(dice, _crossed(dice, parent, fresh), points)
        made = kept_inside(made, VALIDITY_MS[self._exchange])
        return fresh if made.outside else made

    def _with_faults(self, dice: random.Random, made: Schedule, points: tuple[Point, ...]) -> Schedule:
        """The schedule with more faults, or others at the same points, and with a run more to meet them."""
        happenings = {(each.where, each.n): each for each in made.happenings}
        for _ in range(dice.randint(1, _MOST_FAULTS) if points else 0):
            faults = [_fault(dice, dice.choice(points), self._exchange, made.grace) for _ in range(_CHOICES)]
            rare = min(faults, key=lambda each: self._kinds[each.kind])
            happenings[rare.where, rare.n] = rare
        runs = made.runs
        if len(runs) < _MOST_RUNS:
            runs = (*runs, replace(dice.choice(runs), home=runs[-1].home, beside=False))
        return replace(made, runs=runs, happenings=tuple(sorted(happenings.values())))


def watched(schedule: Schedule) -> tuple[Verdict, frozenset[Pair]]:
    """The verdict on a schedule, and the pairs that it reaches."""
    pairs: set[Pair] = set()
    played: list[Simulation] = []
    advance = life.advance  # type: ignore[attr-defined]

    def noted(state: lifecycle.State, event: lifecycle.Event) -> lifecycle.State:
        pairs.add((f"{state} {event}", played[-1].last_fault))
        after: lifecycle.State = advance(state, event)
        return after

    with patch.object(life, "advance", noted):
        found = verdict(schedule, begun=played.append)
    return found, frozenset(pairs)


def _crossed(dice: random.Random, made: Schedule, other: Schedule) -> Schedule:
    """With the happenings of another schedule in place of most of its own."""
    aims = len(made.aims)
    theirs = [replace(each, on=each.on % aims) if each.how in MOVERS else each for each in other.happenings]
    mixed = {(each.where, each.n): each for each in made.happenings if dice.random() < _KEPT}
    mixed |= {(each.where, each.n): each for each in theirs}
    return replace(made, happenings=tuple(sorted(mixed.values())))


def _fault(dice: random.Random, point: Point, exchange: str, grace_ms: int) -> Happening:
    """Anything that may happen at such a point."""
    where, number = point
    names = _DISK[where] if where in DISK else write_names(exchange) if where == WRITE else READ_NAMES
    kills = dice.random() < _KILLS
    how = dice.choice([name for name in names if (name in CRASHES) is kills] or names)
    value = 0
    if how in {"slow", "early_yes"} or how.startswith("stale"):
        value = dice.randint(1, grace_ms)
    elif where == WRITE and how.startswith(("late", "kill_sent", "power_sent")):
        value = dice.randint(0, VALIDITY_MS[exchange])
    return Happening(where=where, n=number, how=how, value=value)
