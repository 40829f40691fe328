"""Running whole processes side by side: wall time, CPU time and memory of each, in turns, so that both meet the same
machine. A row of the table is a ratio of medians measured so."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.states import ROOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One process from its start to its end: seconds of wall and CPU, the most memory it held, what it printed."""

    wall: float
    cpu: float
    mib: float
    output: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. ``low`` and ``high`` span the ratios of the single turns; ``detail`` says what was
    measured, in seconds."""

    work: str
    measure: str
    reach: str
    value: float
    low: float
    high: float
    reached: bool
    detail: str


def python(*words: str, env: Mapping[str, str] | None = None) -> Run:
    """Run this interpreter with these words; RuntimeError with what it said where it fails.

    Bytecode is kept, as it is of whatever pip has installed, whatever this machine's settings say.
    """
    given = {**os.environ, "PYTHONPATH": str(ROOT)} if env is None else dict(env)
    given.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=ROOT,
            env=given,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=complained,
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        output = said.read().decode()
        if process.returncode:
            complained.seek(0)
            raise RuntimeError(f"{' '.join(words)}: exit {process.returncode}\n{output[-2000:]}{complained.read()!r}")
    return Run(wall=wall, cpu=used.ru_utime + used.ru_stime, mib=used.ru_maxrss / 1024, output=output)


def in_turns(times: int, **competitors: Callable[[], Run]) -> dict[str, list[Run]]:
    """Let each run once in every turn; one turn before that warms the disk and is not counted."""
    found: dict[str, list[Run]] = {name: [] for name in competitors}
    for turn in range(times + (times > 1)):
        for name, run in competitors.items():
            made = run()
            if turn or times == 1:
                found[name].append(made)
    return found


def ratio(
    work: str, measure: str, upper: Sequence[Run], lower: Sequence[Run], *, most: float = 0, least: float = 0
) -> Row:
    """A row from two lists of runs, turn by turn, by wall time. ``most`` or ``least`` is what is to be reached."""
    one, other = statistics.median(run.wall for run in upper), statistics.median(run.wall for run in lower)
    cpu = [statistics.median(run.cpu for run in runs) for runs in (upper, lower)]
    value = one / other
    single = [first.wall / second.wall for first, second in zip(upper, lower, strict=True)]
    reach = f"≤ {most:g}" if most else f"≥ {least:g}"
    return Row(
        work=work,
        measure=measure,
        reach=reach,
        value=value,
        low=min(single),
        high=max(single),
        reached=value <= most if most else value >= least,
        detail=f"{one:.3f} s ÷ {other:.3f} s, {len(upper)} turns (CPU {cpu[0]:.3f} ÷ {cpu[1]:.3f})",
    )


def memory(runs: Sequence[Run], *, most: float) -> Row:
    """The row of the most memory, in MiB, that the processes of the row before held; ``most`` is to be reached."""
    mib = [run.mib for run in runs]
    return Row(
        work="the same",
        measure="memory, MiB",
        reach=f"≤ {most:g}",
        value=max(mib),
        low=min(mib),
        high=max(mib),
        reached=max(mib) <= most,
        detail="most memory the process held",
    )


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| Work | Measure | Reach | Measured (spread) | | Medians |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        mark = "✓" if row.reached else "✗"
        spread = f"**{row.value:.2f}** ({row.low:.2f} to {row.high:.2f})"
        lines.append(f"| {row.work} | {row.measure} | {row.reach} | {spread} | {mark} | {row.detail} |")
    return "\n".join(lines) + "\n"
