"""Planning offline: N targets of one file against N positions that are known, beside octoDNS planning as many records.

    python -m benchmarks.planning

Both parse, validate, compare, order and render as Markdown, each in a process of its own that times just that; one in
ten is to change. What is live is in memory on both sides. octoDNS reads YAML with PyYAML's loader; ours reads TOML once
with the compiled parser of the extra ``[fast]``, and once as it is without. A last row holds a file of bands against
one of amounts.
"""

from functools import partial

from benchmarks.plan_offline import BANDS, WITHOUT
from benchmarks.running import Row, Run, in_turns, python, ratio, table

TURNS = {1_000: 5, 10_000: 3, 50_000: 1}
BANDED = 10_000


def ours(count: int, *words: str) -> Run:
    """``plan_offline``."""
    return _timed("-m", "benchmarks.plan_offline", str(count), *words)


def octodns(count: int) -> Run:
    """octoDNS."""
    return _timed("benchmarks/peers/octodns_plan.py", str(count))


def _timed(*words: str) -> Run:
    run = python(*words)
    return Run(wall=float(run.output.split()[-1]), cpu=run.cpu, mib=run.mib)


def rows() -> list[Row]:
    """Two rows for each number of targets."""
    found = []
    for count, turns in TURNS.items():
        runs = in_turns(
            turns,
            octodns=partial(octodns, count),
            fast=partial(ours, count),
            bare=partial(ours, count, WITHOUT),
        )
        work = f"plan {count:,} targets of one file"
        found += [
            ratio(f"{work}, with `[fast]`", "octoDNS ÷ ours", runs["octodns"], runs["fast"], least=10),
            ratio(f"{work}, without", "octoDNS ÷ ours", runs["octodns"], runs["bare"], least=10),
        ]
    return [*found, banded()]


def banded() -> Row:
    """A file of bands against one of amounts, both without the compiled parser."""
    runs = in_turns(5, bands=partial(ours, BANDED, WITHOUT, BANDS), amounts=partial(ours, BANDED, WITHOUT))
    work = f"plan {BANDED:,} targets that declare a liquidation distance"
    return ratio(work, "÷ as many amounts", runs["bands"], runs["amounts"], most=1.5)


if __name__ == "__main__":
    print(table(rows()))
