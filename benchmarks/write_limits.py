"""Apply at the documented write limits of OKX (20 in 2 s) and Bitget (5 in 1 s): how near to them, and never over them.

    python -m benchmarks.write_limits

The floor is what the limit itself needs for 100 calls when no window of its length ever holds more than it allows:
8 s on OKX, 19 s on Bitget, from the first call to the last. The exchange's own watch takes the time, and its books say
that nothing was throttled. The whole process is in the detail, beside calls ÷ rate (10 s and 20 s).
"""

import tempfile
from pathlib import Path

from benchmarks.running import Row, python, table
from benchmarks.states import declare, served

COUNT = 100
LATENCY_MS = 20
LIMITS = {"okx": (20, 2_000), "bitget": (5, 1_000)}
TURNS = 2


def rows() -> list[Row]:
    """A row for each exchange."""
    return [_row(exchange) for exchange in LIMITS]


def _row(exchange: str) -> Row:
    capacity, window_ms = LIMITS[exchange]
    floor_ms = (-(-COUNT // capacity) - 1) * window_ms
    spans, whole, throttled = [], [], 0
    for _ in range(TURNS):
        with (
            tempfile.TemporaryDirectory() as folder,
            served(exchange=exchange, positions=COUNT, latency_ms=LATENCY_MS, switches={}) as there,
        ):
            path = declare(Path(folder) / "state.toml", there, margins=["1100"] * COUNT)
            words = ["-m", "reconcile", "--home", f"{folder}/home", "apply", str(path), "--auto-approve"]
            whole.append(python(*words, env=there.environment()).wall)
        spans.append(there.seen["writing_ms"])
        throttled += there.seen["throttled"]
    ratios = sorted(span / floor_ms for span in spans)
    middle = ratios[len(ratios) // 2]
    return Row(
        work=f"apply {COUNT} changes at {exchange}'s {capacity} writes in {window_ms // 1000} s",
        measure="first to last call ÷ what the limit needs",
        reach="≤ 1.03, 0 throttled",
        value=middle,
        low=ratios[0],
        high=ratios[-1],
        reached=middle <= 1.03 and not throttled,
        detail=f"{spans[-1] / 1000:.2f} s ÷ {floor_ms / 1000:.0f} s, {throttled} throttled; whole process "
        f"{min(whole):.2f} s for {COUNT * window_ms / capacity / 1000:.0f} s by the rate",
    )


if __name__ == "__main__":
    print(table(rows()))
