"""``python -m benchmarks.crash``: price paths that crash, each lived through in five ways on every exchange.

    --paths N      how many paths (default 1000), from --seed S (default 1) on
    --workers N    processes (default: one for each core)
    --exchange X   only this one

Each path has two positions of 10,000 USDT at twenty times leverage in one account of the sandbox, and lasts twenty
minutes of virtual time. ``nothing`` leaves them as they are; ``top-up`` is the exchange's own: one initial margin at
the brink; ``script`` reads again and adds what is missing; ``reconcile`` is ``watch --apply --interval 10s`` with a
band. Where faults are on, three writes in ten are lost, late, answered by a gateway, never arrive or are throttled, or
reads after them are stale. *Sufficed* are the paths on which an ideal, which adds and takes out at once at every look,
loses nothing and is never short of money.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from benchmarks.crash import players
from benchmarks.crash.paths import TICKS, price_path
from benchmarks.crash.players import CEILING, FLOOR, TARGET, Outcome
from benchmarks.crash.program import program
from reconcile.sandbox.registry import SIMULATED

LEVERAGE = 20
OURS, TOP_UP, IDEAL = "reconcile", "top-up", "ideal"
FAULTY = ", faults"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """One path on one exchange, by player."""

    exchange: str
    by: Mapping[str, Outcome]

    @property
    def sufficed(self) -> bool:
        """Whether the file's funds did."""
        return self.by[IDEAL].liquidated == 0 and not self.by[IDEAL].lost_to


def live(seed: int, exchange: str, ticks: int = TICKS) -> Lived:
    """Play one path in every way."""
    path = price_path(seed, ticks)
    ways: Mapping[str, Callable[[], Outcome]] = {
        IDEAL: partial(players.ideal, exchange, path, leverage=LEVERAGE),
        "nothing": partial(players.nothing, exchange, path, leverage=LEVERAGE),
        TOP_UP: partial(players.topped_up, exchange, path, leverage=LEVERAGE),
        "script": partial(players.script, exchange, path, leverage=LEVERAGE, faults=False),
        OURS: partial(program, exchange, path, leverage=LEVERAGE, faults=False),
        f"script{FAULTY}": partial(players.script, exchange, path, leverage=LEVERAGE, faults=True),
        f"{OURS}{FAULTY}": partial(program, exchange, path, leverage=LEVERAGE, faults=True),
    }
    return Lived(exchange=exchange, by={name: way() for name, way in ways.items()})


def table(lived: Sequence[Lived]) -> str:
    """The figures as Markdown: a line for each exchange and player."""
    lines = [
        "| Exchange | Player | Liquidated | where funds sufficed | Doubled | Moves, median | most | Margin locked |",
        "| --- | --- | --: | --: | --: | --: | --: | --: |",
    ]
    for exchange in sorted({each.exchange for each in lived}):
        mine = [each for each in lived if each.exchange == exchange]
        lines += [_line(exchange, name, mine) for name in mine[0].by]
    return "\n".join(lines) + "\n"


def _line(exchange: str, name: str, lived: Sequence[Lived]) -> str:
    outcomes = [each.by[name] for each in lived]
    enough = [each.by[name] for each in lived if each.sufficed]
    moves = [count for each in outcomes for count in each.moves]
    cells = [
        exchange,
        name,
        f"{sum(each.liquidated for each in outcomes)} of {len(moves)}",
        f"{sum(each.liquidated for each in enough)} of {sum(len(each.moves) for each in enough)}",
        str(sum(each.doubled for each in outcomes)),
        f"{statistics.median(moves):g}",
        str(max(moves)),
        f"{_average(each.locked for each in enough):.1%}",
    ]
    return f"| {' | '.join(cells)} |"


def verdicts(lived: Sequence[Lived]) -> list[str]:
    """What was to be reached, and what was."""
    enough = [each for each in lived if each.sufficed]
    ours = [name for name in lived[0].by if name.startswith(OURS)]
    lost = sum(each.by[name].liquidated for each in enough for name in ours)
    moves = statistics.median(count for each in lived for name in ours for count in each.by[name].moves)
    doubled = sum(each.by[name].doubled for each in lived for name in ours)
    both = [each for each in lived if not any(each.by[name].liquidated for name in (OURS, TOP_UP))]
    ratio = _average(each.by[OURS].locked for each in both) / (_average(each.by[TOP_UP].locked for each in both) or 1)
    where, there = f"{len(enough)} of {len(lived)} paths", f"{len(both)} paths"
    return [
        f"{_mark(lost == 0)} liquidated where the funds sufficed ({where}): {lost} (reach 0)",
        f"{_mark(moves <= 6)} moves of a position, median: {moves:g} (reach ≤ 6)",
        f"{_mark(doubled == 0)} doubled: {doubled} (reach 0)",
        f"{_mark(ratio <= 0.6)} margin locked ÷ the top-up's where both live ({there}): {ratio:.2f} (reach ≤ 0.6)",
    ]


def _average(shares: Iterable[object]) -> float:
    found = [float(str(share)) for share in shares]
    return statistics.fmean(found) if found else 0.0


def _mark(reached: object) -> str:
    return "✓" if reached else "✗"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 1 where a position is lost though the funds sufficed, or an addition is doubled."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crash")
    parser.add_argument("--paths", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--exchange", choices=tuple(SIMULATED), default=None)
    options = parser.parse_args(arguments)
    exchanges = [options.exchange] if options.exchange else list(SIMULATED)
    jobs = [(seed, exchange) for seed in range(options.seed, options.seed + options.paths) for exchange in exchanges]
    began = time.monotonic()
    seeds, names = zip(*jobs, strict=True)
    if options.workers > 1:
        with ProcessPoolExecutor(options.workers) as pool:
            lived = list(pool.map(live, seeds, names, chunksize=4))
    else:
        lived = list(map(live, seeds, names))
    bounds = f"floor {FLOOR:.1%}, target {TARGET:.1%}, ceiling {CEILING:.1%}"
    print(f"{options.paths} paths from seed {options.seed}, {', '.join(exchanges)}; {bounds}")
    print(f"{time.monotonic() - began:.0f} s, {options.workers} processes\n")
    print(table(lived))
    found = verdicts(lived)
    print("\n".join(found))
    return 1 if any(line.startswith("✗") for line in (found[0], found[2])) else 0


if __name__ == "__main__":
    sys.exit(main())
