"""``python -m benchmarks``: run everything and write benchmarks/RESULTS.md; ``python -m benchmarks cold fleet`` some.

What is named on the command line is run and printed, and nothing is written. Takes under twenty minutes on two
cores; nothing else should run meanwhile.
"""

import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import applying, cold, doubling, fleet, growth, journal, planning, server, write_limits
from benchmarks.running import Row, table
from benchmarks.states import ROOT

RESULTS = ROOT / "benchmarks" / "RESULTS.md"
PARTS: dict[str, Callable[[], list[Row]]] = {
    "server": server.rows,
    "cold": cold.rows,
    "applying": applying.rows,
    "write_limits": write_limits.rows,
    "planning": planning.rows,
    "fleet": fleet.rows,
    "growth": growth.rows,
    "journal": journal.rows,
}
LIBRARIES = (
    "click",
    "pydantic",
    "requests",
    "urllib3",
    "tenacity",
    "tomli_w",
    "ccxt",
    "octodns",
    "python-okx",
    "tomli",
)
EXPLANATION = """\
Every row is a ratio measured in one run, its competitors taking turns on the same machine. A value is the ratio of the
medians; in brackets stands the span of the single turns. What each row does is in the head of its module; `python -m
benchmarks NAME` runs one alone.
"""


def machine() -> str:
    """The machine and the versions, as Markdown."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"- {os.cpu_count()} × {model}, {memory:.0f} GiB, {platform.system()} {platform.release()}; load {load}\n"
        f"- {platform.python_implementation()} {platform.python_version()}; {libraries}\n"
        f"- {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC\n"
    )


def main(names: Sequence[str]) -> int:
    """Run what is named, or everything."""
    unknown = [name for name in names if name not in {*PARTS, "doubling"}]
    if unknown:
        print(f"not a benchmark: {', '.join(unknown)}; choose from {', '.join([*PARTS, 'doubling'])}", file=sys.stderr)
        return 64
    try:
        where = machine()
    except PackageNotFoundError as error:
        print(
            f"the benchmarks compare with {error.name}, which is not installed: pip install '.[bench]'", file=sys.stderr
        )
        return 1
    found: list[Row] = []
    for name, measure in PARTS.items():
        if not names or name in names:
            print(f"{name} …", file=sys.stderr, flush=True)
            found += measure()
    tallies = ""
    if not names or "doubling" in names:
        print("doubling …", file=sys.stderr, flush=True)
        tallies = doubling.table(doubling.tallies())
    text = "".join(part for part in (table(found) if found else "", "\n" if found and tallies else "", tallies))
    print(text)
    if not names:
        RESULTS.write_text(
            f"# Results\n\n{where}\n{EXPLANATION}\n{table(found)}\n## Who doubles\n\n{doubling.NOTE}\n{tallies}\n"
            "## Growth\n\n![Seconds by number of targets, both axes logarithmic](growth.svg)\n",
            encoding="utf-8",
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
