"""Breadth first over all worlds of a scope, with the shortest timeline to each violation."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from tests.explorer.judge import wrong
from tests.explorer.model import START_MS, Scope, World
from tests.explorer.moves import Exchange


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to. ``timeline`` leads to ``violation``; both empty where there is none. ``is_whole``: no
    bound ended the search."""

    states: int
    transitions: int
    violation: str
    timeline: Sequence[str]
    is_whole: bool
    seconds: float


def explore(scope: Scope, *, most: int | None = None, seconds: float | None = None) -> Found:
    """Every world within the scope, or the first ``most`` of them, until the first violation."""
    began = perf_counter()
    exchange = Exchange(scope)
    start = exchange.start()
    parents: dict[World, tuple[World, str] | None] = {start: None}
    queue = deque([start])
    transitions = 0

    def found(violation: str, timeline: Sequence[str], *, is_whole: bool) -> Found:
        return Found(
            len(parents),
            transitions,
            violation,
            timeline,
            is_whole,
            perf_counter() - began,
        )

    while queue:
        world = queue.popleft()
        for move in exchange.moves(world):
            transitions += 1
            violation = move.wrong or wrong(scope, exchange.library, move.world)
            if violation:
                return found(violation, [*_timeline(parents, world), _line(move.world, move.what)], is_whole=False)
            if move.world not in parents:
                parents[move.world] = (world, move.what)
                queue.append(move.world)
        if (most is not None and len(parents) > most) or (seconds is not None and perf_counter() - began > seconds):
            return found("", (), is_whole=False)
    return found("", (), is_whole=True)


def _timeline(parents: dict[World, tuple[World, str] | None], world: World) -> list[str]:
    lines: list[str] = []
    at: World | None = world
    while at is not None and (step := parents[at]) is not None:
        if step[1]:
            lines.append(_line(at, step[1]))
        at = step[0]
    return lines[::-1]


def _line(world: World, what: str) -> str:
    return f"{(world.at_ms - START_MS) / 1000:9.3f}  {what}"
