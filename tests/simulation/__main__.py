"""``python -m tests.simulation``: try to break the protocol, from one seed.

    --seed N          the first seed of the random schedules (default: a fresh one, printed)
    --schedules N     how many random schedules to play
    --exhaustive N    every schedule with up to N happenings for one address
    --part K/N        with --exhaustive: only the K-th of N parts of them, so that many machines or days can share them
    --bands           random schedules declare bands: prices move, balance is short, days have limits
    --guided          a schedule that reaches a new pair of an arrow and the fault before it goes into a pool, and most
                      schedules are made from one of the pool; each part of 500 has a pool of its own
    --outside         random schedules may break the program's assumptions too
    --exchange X      default binance
    --workers N       processes (default: one for each core)
    --mutations       every deliberate defect: after how many traps, and after how many random schedules (at most
                      --schedules of them, default 2000) it is noticed
    --replay FILE     play a schedule again (a file of the corpus, or one line of JSON) and show its timeline
    --without RULE    with --replay: with a rule of the protocol turned off, as python -m tests.explorer names it

    --reach           print how often each arrow, cell of evidence, rule, class of codes and cause was reached

Prints figures, and for what failed its seed, its shrunk schedule and its timeline; exit 1 then. Its progress is on
stderr.
"""

import argparse
import gc
import json
import os
import re
import secrets
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.explorer.switches import named
from tests.kit import reach
from tests.simulation.explore import banded_schedule, exhaustive, random_schedule, roots, same_kind, shrink
from tests.simulation.hits import VALIDITY_MS
from tests.simulation.mutations import MUTATIONS, Caught, hunt
from tests.simulation.oracle import Verdict, verdict
from tests.simulation.pool import Pool
from tests.simulation.schedule import Schedule
from tests.simulation.timeline import timeline
from tests.simulation.traps import traps

SHOWN = 5
_COLLECT_EVERY = 300
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Job:
    """A part of a campaign for one worker: seeds ``first`` to ``last``, or part ``first`` of ``last`` of a tree."""

    exchange: str
    first: int
    last: int
    depth: int | None = None
    outside: bool = False
    bands: bool = False
    guided: bool = False
    root: Schedule | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """How a part went: how many schedules, seconds of one core, and the failures (seed or None, schedule)."""

    schedules: int
    seconds: float
    failures: tuple[tuple[int | None, str, tuple[str, ...]], ...]
    hits: reach.Hits


def play(job: Job) -> Part:
    """Play one part, in this process."""
    gc.disable()
    began = time.process_time()
    count = 0
    failures: list[tuple[int | None, str, tuple[str, ...]]] = []
    with reach.counting() as hits:
        for seed, found in _verdicts(job):
            count += 1
            if found.violations:
                failures.append((seed, found.schedule.to_json(), found.violations))
            if count % _COLLECT_EVERY == 0:
                gc.collect()
    gc.enable()
    return Part(schedules=count, seconds=time.process_time() - began, failures=tuple(failures), hits=hits)


def _verdicts(job: Job) -> Iterator[tuple[int | None, Verdict]]:
    if job.depth is not None and job.root is not None:
        for found in exhaustive(job.root, job.depth, part=job.first, parts=job.last):
            yield None, found
        return
    if job.guided:
        for found in Pool(job.exchange).play(range(job.first, job.last)):
            yield None, found
        return
    for seed in range(job.first, job.last):
        schedule = (
            banded_schedule(seed, job.exchange)
            if job.bands
            else random_schedule(seed, job.exchange, outside=job.outside)
        )
        yield seed, verdict(schedule)


def campaign(jobs: list[Job], workers: int) -> Part:
    """All parts, over several processes."""
    if workers <= 1:
        parts = list(_told(map(play, jobs), len(jobs)))
    else:
        with ProcessPoolExecutor(workers) as pool:
            parts = list(_told(pool.map(play, jobs), len(jobs)))
    return Part(
        schedules=sum(part.schedules for part in parts),
        seconds=sum(part.seconds for part in parts),
        failures=tuple(failure for part in parts for failure in part.failures),
        hits=sum((part.hits for part in parts), reach.Hits()),
    )


def _told(parts: Iterable[Part], count: int) -> Iterator[Part]:
    """The same parts, each told on stderr once it is played."""
    schedules = failures = 0
    for number, part in enumerate(parts, 1):
        schedules, failures = schedules + part.schedules, failures + len(part.failures)
        print(f"{number} of {count} parts: {schedules} schedules, {failures} violations", file=sys.stderr, flush=True)
        yield part


def report(what: str, part: Part, wall: float, *, shows_reach: bool) -> None:
    """Print the figures, what was reached how often or not at all, and the first failures shrunk."""
    rate = part.schedules / part.seconds if part.seconds else 0
    print(
        f"{what}: {part.schedules} schedules, {len(part.failures)} violations, "
        f"{rate:.0f} per second and core, {wall:.1f} s",
        flush=True,
    )
    print(reach.reached(part.hits))
    if shows_reach:
        print("\n".join(reach.lines(part.hits)))
    for seed, text, violations in part.failures[:SHOWN]:
        print(f"\nFAILED{'' if seed is None else f' with seed {seed}'}: {'; '.join(violations)}")
        print(explain(Schedule.from_json(text), violations))


def explain(schedule: Schedule, violations: tuple[str, ...]) -> str:
    """The shrunk schedule with its timeline."""
    small = shrink(schedule, fails=lambda each: same_kind(verdict(each).violations, violations))
    return timeline(verdict(small, watch=True))


def jobs_of(options: argparse.Namespace) -> Iterator[tuple[str, list[Job]]]:
    """What was asked for, cut into parts."""
    if options.exhaustive is not None:
        part, parts = options.part
        slices = max(1, options.workers) * 8 * parts
        which = "" if parts == 1 else f" (part {part} of {parts})"
        for root in roots(options.exchange):
            yield (
                f"{options.exchange}, every schedule to depth {options.exhaustive} of {root.to_json()}{which}",
                [
                    Job(options.exchange, each, slices, options.exhaustive, root=root)
                    for each in range(part - 1, slices, parts)
                ],
            )
    if options.schedules:
        first, last = options.seed, options.seed + options.schedules
        kind = (
            " with bands" if options.bands else " guided" if options.guided else " outside" if options.outside else ""
        )
        yield (
            f"{options.exchange}, random{kind} from seed {options.seed}",
            [
                Job(
                    options.exchange,
                    start,
                    min(last, start + _CHUNK),
                    outside=options.outside,
                    bands=options.bands,
                    guided=options.guided,
                )
                for start in range(first, last, _CHUNK)
            ],
        )


def mutations(exchange: str, schedules: int, seed: int) -> int:
    """Print the table of defects; 1 when one goes unnoticed."""
    print(f"{'defect':<72} {'traps':>6} {'random':>7}")
    survived = 0
    for mutation in MUTATIONS:
        if mutation.exchanges and exchange not in mutation.exchanges:
            continue
        trapped = hunt(mutation, traps(exchange, VALIDITY_MS[exchange]).values())
        by_chance = hunt(mutation, (random_schedule(seed + number, exchange) for number in range(schedules)))
        survived += trapped.violation is None and by_chance.violation is None
        print(f"{mutation.name:<72} {_after(trapped):>6} {_after(by_chance):>7}", flush=True)
    print(f"{survived} survived")
    return 1 if survived else 0


def _after(caught: Caught) -> str:
    return "-" if caught.violation is None else str(caught.schedules)


def replay(path: str, without: str | None) -> int:
    """Play one schedule again and show everything."""
    value = json.loads(Path(path).read_text(encoding="utf-8"))
    switch = named(without) if without else None
    if without and switch is None:
        print(f"no rule is called {without!r}", file=sys.stderr)
        return 64
    with switch.off() if switch is not None else nullcontext():
        found = verdict(Schedule.from_json(json.dumps(value.get("schedule", value))), watch=True)
    print(timeline(found))
    return 1 if found.violations else 0


def _part(text: str) -> tuple[int, int]:
    """``2/8`` as numbers; raises ArgumentTypeError for anything that names no part."""
    found = re.fullmatch(r"([1-9]\d{0,3})/([1-9]\d{0,3})", text)
    if found is None or int(found[1]) > int(found[2]):
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no part: 2/8 is the second of eight")
    return int(found[1]), int(found[2])


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--schedules", type=int, default=0)
    parser.add_argument("--exhaustive", type=int, default=None, metavar="DEPTH")
    parser.add_argument("--part", type=_part, default=(1, 1), metavar="K/N")
    kinds = parser.add_mutually_exclusive_group()
    for name in ("--bands", "--guided", "--outside"):
        kinds.add_argument(name, action="store_true")
    parser.add_argument("--mutations", action="store_true")
    parser.add_argument("--reach", action="store_true")
    parser.add_argument("--exchange", default="binance")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--replay", default=None, metavar="FILE")
    parser.add_argument("--without", default=None, metavar="RULE")
    options = parser.parse_args(arguments)
    if options.replay is not None:
        return replay(options.replay, options.without)
    if options.seed is None:
        options.seed = secrets.randbelow(1 << 40)
    if options.mutations:
        return mutations(options.exchange, options.schedules or 2_000, options.seed)
    if options.exhaustive is None and not options.schedules:
        options.schedules = 2_000
    failed = False
    for what, jobs in jobs_of(options):
        began = time.monotonic()
        part = campaign(jobs, options.workers)
        report(what, part, time.monotonic() - began, shows_reach=options.reach)
        failed = failed or bool(part.failures)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
