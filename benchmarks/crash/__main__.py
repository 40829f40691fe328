"""``python -m benchmarks.crash``: price paths that crash, each lived through in five ways on every exchange.

    --paths N      how many paths (default 1000), from --seed S (default 1) on
    --sweep N      how many of them are also played with narrower bands (default 100)
    --workers N    processes (default: one for each core)
    --exchange X   only this one

Progress goes to stderr. Ctrl-C or SIGTERM ends it early with the figures of the paths that are done; exit 130 then.

Each path has two positions of 10,000 USDT at twenty times leverage in one account of the sandbox, and lasts twenty
minutes of virtual time. ``nothing`` leaves them as they are; ``top-up`` is the exchange's own: one initial margin at
the brink; ``script`` reads again and adds what is missing; ``reconcile`` is ``watch --apply --interval 10s`` with a
band. Where faults are on, three writes in ten are lost, late, answered by a gateway, never arrive or are throttled, or
reads after them are stale. *Sufficed* are the paths on which an ideal, which adds and takes out at once at every look,
loses nothing and is never short of money.

Wider bands lock more margin and lose less. The sweep finds the narrowest bands that lose no more positions than the
top-up does on the same paths, so that the margin of both can be compared at equal survival.
"""

import argparse
import gc
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial

from benchmarks.crash import players
from benchmarks.crash.paths import TICKS, price_path
from benchmarks.crash.players import WIDE, Outcome, Width, width
from benchmarks.crash.program import program
from reconcile.sandbox.registry import SIMULATED

LEVERAGE = 20
OURS, TOP_UP, IDEAL = "reconcile", "top-up", "ideal"
FAULTY = ", faults"
NARROWER = (width("4", "6", "9.5"), width("3", "4.5", "7"), width("2.5", "3.75", "6"), width("2", "3", "5"))
TOLD_EVERY_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """One path on one exchange, by player; ``swept`` has ours without faults by width of the bands, if played."""

    seed: int
    exchange: str
    by: Mapping[str, Outcome]
    swept: Mapping[str, Outcome]

    @property
    def sufficed(self) -> bool:
        """Whether the file's funds did."""
        return self.by[IDEAL].liquidated == 0 and not self.by[IDEAL].lost_to


def live(seed: int, exchange: str, ticks: int = TICKS, widths: Sequence[Width] = ()) -> Lived:
    """Play one path in every way, and ours again with each of these widths."""
    gc.disable()
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
    by = {name: way() for name, way in ways.items()}
    swept = {str(each): program(exchange, path, leverage=LEVERAGE, faults=False, width=each) for each in widths}
    gc.collect()
    return Lived(seed=seed, exchange=exchange, by=by, swept={str(WIDE): by[OURS], **swept} if swept else {})


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Bands of one width beside the top-up on the same paths: positions lost, and margin locked where both live."""

    width: str
    liquidated: int
    top_up_liquidated: int
    positions: int
    moves: float
    locked: float
    top_up_locked: float

    @property
    def is_equal(self) -> bool:
        """Whether it loses no more positions than the top-up."""
        return self.liquidated <= self.top_up_liquidated

    @property
    def ratio(self) -> float:
        """Margin locked, as a share of the top-up's."""
        return self.locked / (self.top_up_locked or 1)


def compared(lived: Sequence[Lived]) -> list[Compared]:
    """Each width of the sweep, the widest first."""
    swept = [each for each in lived if each.swept]
    return [_compared(name, swept) for name in (swept[0].swept if swept else ())]


def _compared(name: str, lived: Sequence[Lived]) -> Compared:
    pairs = [(each.swept[name], each.by[TOP_UP]) for each in lived]
    both = [(ours, theirs) for ours, theirs in pairs if not ours.liquidated + theirs.liquidated]
    return Compared(
        width=name,
        liquidated=sum(ours.liquidated for ours, _ in pairs),
        top_up_liquidated=sum(theirs.liquidated for _, theirs in pairs),
        positions=sum(len(ours.moves) for ours, _ in pairs),
        moves=statistics.median(count for ours, _ in pairs for count in ours.moves),
        locked=_average(ours.locked for ours, _ in both),
        top_up_locked=_average(theirs.locked for _, theirs in both),
    )


def sweep_table(found: Sequence[Compared]) -> str:
    """The sweep as Markdown."""
    lines = [
        "| Band | Liquidated | the top-up's | Moves, median | Margin locked | the top-up's | Ratio |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]
    for each in found:
        lost, theirs = f"{each.liquidated} of {each.positions}", f"{each.top_up_liquidated} of {each.positions}"
        shares = f"{each.locked:.1%} | {each.top_up_locked:.1%} | {each.ratio:.2f}"
        lines.append(f"| {each.width} | {lost} | {theirs} | {each.moves:g} | {shares} |")
    return "\n".join(lines) + "\n"


def verdicts(lived: Sequence[Lived]) -> list[str]:
    """What was to be reached, and what was."""
    enough = [each for each in lived if each.sufficed]
    ours = [name for name in lived[0].by if name.startswith(OURS)]
    lost = sum(each.by[name].liquidated for each in enough for name in ours)
    of = sum(len(each.by[name].moves) for each in enough for name in ours)
    moves = statistics.median(count for each in lived for name in ours for count in each.by[name].moves)
    doubled = sum(each.by[name].doubled for each in lived for name in ours)
    where = f"{len(enough)} of {len(lived)} lives"
    return [
        f"{_mark(lost == 0)} liquidated where the funds sufficed ({where}): {lost} of {of} positions (reach 0)",
        f"{_mark(moves <= 6)} moves of a position, median: {moves:g} (reach ≤ 6)",
        f"{_mark(doubled == 0)} doubled: {doubled} (reach 0)",
        *_at_equal_survival(compared(lived)),
    ]


def _at_equal_survival(found: Sequence[Compared]) -> Iterator[str]:
    if not found:
        return
    what = "margin locked ÷ the top-up's at equal survival"
    equal = [each for each in found if each.is_equal]
    if not equal:
        yield f"✗ {what}: no width of the sweep loses as few as the top-up (reach ≤ 0.6)"
        return
    best = min(equal, key=lambda each: each.ratio)
    lost = f"{best.liquidated} lost, the top-up {best.top_up_liquidated}"
    yield f"{_mark(best.ratio <= 0.6)} {what}: {best.ratio:.2f} with bands {best.width} ({lost}; reach ≤ 0.6)"


def _average(shares: Iterable[object]) -> float:
    found = [float(str(share)) for share in shares]
    return statistics.fmean(found) if found else 0.0


def _mark(reached: object) -> str:
    return "✓" if reached else "✗"


def _played(jobs: Sequence[tuple[int, str, Sequence[Width]]], workers: int) -> Iterator[Lived]:
    """The lives as they end."""
    if workers == 1:
        yield from (live(seed, exchange, widths=widths) for seed, exchange, widths in jobs)
        return
    pool = ProcessPoolExecutor(workers, initializer=_ignore_interrupts)
    try:
        waiting = [pool.submit(live, seed, exchange, widths=widths) for seed, exchange, widths in jobs]
        for ended in as_completed(waiting):
            yield ended.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the process that collects."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 1 where a position is lost though the funds sufficed or an addition is doubled, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crash")
    parser.add_argument("--paths", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sweep", type=int, default=100)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--exchange", choices=tuple(SIMULATED), default=None)
    options = parser.parse_args(arguments)
    exchanges = [options.exchange] if options.exchange else list(SIMULATED)
    jobs = [
        (options.seed + number, exchange, NARROWER if number < options.sweep else ())
        for number in range(options.paths)
        for exchange in exchanges
    ]
    signal.signal(signal.SIGTERM, _interrupted)
    lived, is_whole, began = _collect(_played(jobs, options.workers), len(jobs))
    if not lived:
        return 130
    lived.sort(key=lambda each: (each.seed, each.exchange))
    part = "" if is_whole else f"INTERRUPTED after {len(lived)} of {len(jobs)} lives; "
    print(f"{part}{options.paths} paths from seed {options.seed}, {', '.join(exchanges)}; bands {WIDE}")
    print(f"{time.monotonic() - began:.0f} s, {options.workers} processes\n")
    print(table(lived))
    if found := compared(lived):
        print(sweep_table(found))
    told = verdicts(lived)
    print("\n".join(told), flush=True)
    if not is_whole:
        return 130
    return 1 if any(line.startswith("✗") for line in (told[0], told[2])) else 0


def _collect(ending: Iterator[Lived], count: int) -> tuple[list[Lived], bool, float]:
    """The lives, whether these are all, and when it began; tells how far it is."""
    began = told = time.monotonic()
    lived: list[Lived] = []
    try:
        for each in ending:
            lived.append(each)
            if (now := time.monotonic()) - told >= TOLD_EVERY_S:
                told = now
                left = (now - began) / len(lived) * (count - len(lived))
                words = f"{len(lived)} of {count} lives, {now - began:.0f} s; about {left:.0f} s left"
                print(words, file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        return lived, False, began
    return lived, True, began


if __name__ == "__main__":
    sys.exit(main())
