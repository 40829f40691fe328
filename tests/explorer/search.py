"""Breadth first over the worlds of a scope, with the shortest way to a violation; or all of them in order of time."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from time import perf_counter
from typing import NamedTuple

from tests.explorer.judge import wrong
from tests.explorer.model import START_MS, Scope, Stage, World
from tests.explorer.moves import Exchange


class Step(NamedTuple):
    """One thing that happened on the way to a violation: the world before it, in words, and the world after it.

    ``stage`` is the life before it and what that had asked for; None between runs.
    """

    before: World
    what: str
    after: World
    stage: Stage | None


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to. ``path`` leads to ``violation``; both empty where there is none, the path also where the
    way is too long to be sought. ``is_whole``: no bound ended the search. ``before_ms``: every world from before that
    moment of the scope's own time was reached; None where the search does not go by time."""

    states: int
    transitions: int
    violation: str
    path: Sequence[Step]
    is_whole: bool
    seconds: float
    before_ms: int | None = None

    @property
    def timeline(self) -> list[str]:
        """The way to the violation, a line for each thing that happened."""
        return [f"{(step.after.at_ms - START_MS) / 1000:9.3f}  {step.what}" for step in self.path if step.what]


def explore(scope: Scope, *, most: int | None = None, seconds: float | None = None) -> Found:
    """Every world within the scope, or the first ``most`` of them, until the first violation."""
    began = perf_counter()
    exchange = Exchange(scope)
    start = exchange.start()
    parents: dict[World, tuple[World, str] | None] = {start: None}
    queue = deque([start])
    transitions = 0

    def found(violation: str, path: Sequence[Step], *, is_whole: bool) -> Found:
        return Found(
            states=len(parents),
            transitions=transitions,
            violation=violation,
            path=path,
            is_whole=is_whole,
            seconds=perf_counter() - began,
        )

    while queue:
        world = queue.popleft()
        for move in exchange.moves(world):
            transitions += 1
            is_new = move.world not in parents
            violation = move.wrong or (wrong(scope, exchange.library, move.world) if is_new else "")
            if violation:
                way = [*_way(parents, world), (world, move.what, move.world)]
                return found(violation, [_step(exchange, *each) for each in way], is_whole=False)
            if is_new:
                parents[move.world] = (world, move.what)
                queue.append(move.world)
        if (most is not None and len(parents) > most) or (seconds is not None and perf_counter() - began > seconds):
            return found("", (), is_whole=False)
    return found("", (), is_whole=True)


class Progress(NamedTuple):
    """How far a sweep is: what it has seen, the moment it is at, and how many worlds wait."""

    states: int
    transitions: int
    at_ms: int
    waiting: int


def _always(_: Progress) -> bool:
    return True


def sweep(scope: Scope, *, goes_on: Callable[[Progress], bool] = _always) -> Found:
    """Every world within the scope, in order of time, until the first violation; its way is then sought anew.

    Time never goes back, so worlds of an earlier moment are not met again and are forgotten: memory grows with what is
    possible at about one moment, and not with all worlds. ``goes_on`` is asked now and then whether to go on.
    """
    began, exchange = perf_counter(), Exchange(scope)
    states = transitions = 0
    start = exchange.start()
    waiting: dict[int, set[World]] = {start.at_ms: {start}}
    moments, least = [start.at_ms], _LEAST_TO_FORGET

    def found(violation: str = "") -> Found:
        before_ms = moments[0] - START_MS if moments else None
        is_whole = not moments and not violation
        return Found(states, transitions, violation, (), is_whole, perf_counter() - began, before_ms)

    while moments:
        at_ms = moments[0]
        known = waiting[at_ms]
        todo = list(known)
        while todo:
            states += 1
            if not states % _ASK_EVERY and not goes_on(
                Progress(states, transitions, at_ms - START_MS, _count(waiting))
            ):
                return found()
            for move in exchange.moves(todo.pop()):
                transitions += 1
                there = waiting.get(move.world.at_ms)
                if there is None:
                    there = waiting[move.world.at_ms] = set()
                    heappush(moments, move.world.at_ms)
                is_new = move.world not in there
                violation = move.wrong or (wrong(scope, exchange.library, move.world) if is_new else "")
                if violation:
                    told = explore(scope, most=_MOST_TO_TELL)
                    return told if told.violation else found(violation)
                if is_new:
                    there.add(move.world)
                    if there is known:
                        todo.append(move.world)
        exchange.turned.clear()  # no world of this moment is met again
        heappop(moments)
        del waiting[at_ms]
        if len(exchange.library) > least:
            exchange.forget_all_but([world for worlds in waiting.values() for world in worlds])
            least = max(_LEAST_TO_FORGET, 2 * len(exchange.library))
    return found()


def _count(waiting: dict[int, set[World]]) -> int:
    return sum(map(len, waiting.values()))


_ASK_EVERY = 2_000
"""After how many worlds a sweep asks whether to go on."""
_MOST_TO_TELL = 2_000_000
"""How many worlds are searched for the shortest way to a violation."""
_LEAST_TO_FORGET = 50_000
"""How many lives and journals are kept before those that no world names are looked for."""


def _way(parents: dict[World, tuple[World, str] | None], world: World) -> list[tuple[World, str, World]]:
    steps: list[tuple[World, str, World]] = []
    at = world
    while (step := parents[at]) is not None:
        steps.append((*step, at))
        at = step[0]
    return steps[::-1]


def _step(exchange: Exchange, before: World, what: str, after: World) -> Step:
    return Step(before, what, after, None if before.life < 0 else exchange.library.stage(before.life))
