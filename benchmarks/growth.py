"""How planning and applying grow with the number of targets, as curves and as exponents.

    python -m benchmarks.growth

Planning is ``plan_offline``. Applying is the whole of ``reconcile apply`` from the declared account down, against the
simulated exchange in the same process and in virtual time: waiting costs nothing, so what is left is work. The weight
limit is out of the way, and so is the sandbox's audit of its own books after every operation, which is its cost and not
the program's. Each number is a process of its own, its CPU seconds taken; the exponent is the slope of log time over
log N from end to end. Writes benchmarks/growth.svg.
"""

import gc
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.running import Row, python, table
from benchmarks.states import ROOT, Served, declare
from benchmarks.virtual import applied
from reconcile import statefile
from reconcile.__main__ import GARBAGE_AFTER

COUNTS = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
MOST = 1.05
PICTURE = ROOT / "benchmarks" / "growth.svg"


def apply_seconds(count: int) -> float:
    """The CPU seconds of applying so many changes, the state file read before, the exchange's own work taken off."""
    with tempfile.TemporaryDirectory() as folder:
        nowhere = Served(exchange="binance", url="http://127.0.0.1:1", accounts=[])
        path = declare(Path(folder) / "state.toml", nowhere, margins=["1100"] * count)
        (desired,) = statefile.load([path])
        result, seconds = applied(desired, positions=count, home=Path(folder) / "home")
    if result.exit_code or len(result.accounts[0].steps) != count:
        raise SystemExit(f"applying {count} changes ended with {result.exit_code}")
    return seconds


def curves() -> dict[str, list[float]]:
    """Seconds by N, of both."""
    planning = [float(python("-m", "benchmarks.plan_offline", str(count)).output) for count in COUNTS]
    applying = [float(python("-m", "benchmarks.growth", str(count)).output) for count in COUNTS]
    return {"planning": planning, "applying": applying}


def exponent(seconds: Sequence[float]) -> float:
    """The slope from the first to the last count."""
    return math.log(seconds[-1] / seconds[0]) / math.log(COUNTS[-1] / COUNTS[0])


def rows() -> list[Row]:
    """Both exponents; draws the picture."""
    found = []
    drawn = curves()
    PICTURE.write_text(picture(drawn), encoding="utf-8")
    for name, seconds in drawn.items():
        value = exponent(seconds)
        steps = [
            math.log(after / before) / math.log(more / fewer)
            for before, after, fewer, more in zip(seconds, seconds[1:], COUNTS, COUNTS[1:], strict=False)
        ]
        points = ", ".join(f"{count:,}: {took:.2f} s" for count, took in zip(COUNTS, seconds, strict=True))
        found.append(
            Row(
                work=f"{name} 1,000 to 50,000 targets",
                measure="exponent of growth",
                reach=f"≤ {MOST:g}",
                value=value,
                low=min(steps),
                high=max(steps),
                reached=value <= MOST,
                detail=points,
            )
        )
    return found


def picture(drawn: dict[str, list[float]]) -> str:
    """The curves on two logarithmic axes, as SVG."""
    width, height, edge = 640, 400, 60
    everything = [second for seconds in drawn.values() for second in seconds]
    low, high = math.log10(min(everything)), math.log10(max(everything))
    first, last = math.log10(COUNTS[0]), math.log10(COUNTS[-1])

    def place(count: int, second: float) -> tuple[float, float]:
        across = (math.log10(count) - first) / (last - first)
        up = (math.log10(second) - low) / (high - low)
        return edge + across * (width - 2 * edge), height - edge - up * (height - 2 * edge)

    colours = dict(zip(drawn, ("#1f6feb", "#d1242f"), strict=False))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        '<rect width="100%" height="100%" fill="white"/><g font-size="12">',
    ]
    for count in COUNTS:
        across, bottom = place(count, 10**low)
        parts.append(f'<text x="{across:.0f}" y="{bottom + 24:.0f}" text-anchor="middle">{count:,}</text>')
    for name, seconds in drawn.items():
        points = [place(count, second) for count, second in zip(COUNTS, seconds, strict=True)]
        line = " ".join(f"{across:.1f},{up:.1f}" for across, up in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colours[name]}" stroke-width="2"/>')
        for (across, up), second in zip(points, seconds, strict=True):
            parts.append(f'<circle cx="{across:.1f}" cy="{up:.1f}" r="3" fill="{colours[name]}"/>')
            parts.append(f'<text x="{across + 6:.1f}" y="{up + 14:.1f}" fill="{colours[name]}">{second:.2f} s</text>')
        across, up = points[0]
        label = f"{name}, N^{exponent(seconds):.2f}"
        parts.append(f'<text x="{across:.1f}" y="{up - 10:.1f}" fill="{colours[name]}">{label}</text>')
    return "\n".join([*parts, "</g></svg>", ""])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        gc.set_threshold(GARBAGE_AFTER)  # as the program does
        print(apply_seconds(int(sys.argv[1])))
    else:
        print(table(rows()))
