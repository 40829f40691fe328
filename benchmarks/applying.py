"""Apply: whole processes that move margin on N positions, 20 ms away, ten requests at once.

    python -m benchmarks.applying

Beside ``reconcile apply`` run a bare pooled-requests script, which sends the same calls blindly, and the usual ccxt
script, which reads the positions and then adds one after the other. Every run has a fresh exchange and a fresh home.
"""

import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.running import Row, Run, in_turns, python, ratio, table
from benchmarks.states import Served, declare, served

LATENCY_MS = 20
PARALLELISM = 10
TURNS = {100: 9, 1000: 3}
LIMITS = {100: 1.4, 1000: 1.2}


def ours(count: int) -> Run:
    """``reconcile apply --auto-approve``; one write for each change, and no more reads than a look before and after."""

    def go(exchange: Served, folder: Path) -> Run:
        path = declare(folder / "state.toml", exchange, margins=["1100"] * count)
        words = ["-m", "reconcile", "--home", str(folder / "home"), "apply", str(path), "--auto-approve"]
        return python(*words, "--parallelism", str(PARALLELISM), env=exchange.environment())

    return _against(count, go)


def bare(count: int) -> Run:
    """The floor."""

    def go(exchange: Served, folder: Path) -> Run:
        work = folder / "work.json"
        work.write_text(json.dumps([[f"C{number}USDT", "LONG", 100] for number in range(1, count + 1)]))
        keys = exchange.accounts[0]
        words = ["benchmarks/peers/bare.py", exchange.url, keys["key"], keys["secret"], str(work), str(PARALLELISM)]
        return python(*words, env=exchange.environment())

    return _against(count, go)


def ccxt(count: int) -> Run:
    """The usual script."""

    def go(exchange: Served, folder: Path) -> Run:
        targets = folder / "targets.json"
        targets.write_text(json.dumps({f"C{number}USDT": 1100 for number in range(1, count + 1)}))
        keys = exchange.accounts[0]
        words = ["benchmarks/peers/ccxt_script.py", exchange.url, keys["key"], keys["secret"], str(targets)]
        return python(*words, env=exchange.environment())

    return _against(count, go)


def _against(count: int, go: Callable[[Served, Path], Run]) -> Run:
    with tempfile.TemporaryDirectory() as folder, served(positions=count, latency_ms=LATENCY_MS) as exchange:
        run = go(exchange, Path(folder))
    if exchange.seen["requests"].get("POST") != count or exchange.seen["throttled"]:
        raise RuntimeError(f"{count} writes were expected: {exchange.seen}")
    return run


def rows() -> list[Row]:
    """Two rows for each number of changes."""
    found = []
    for count, turns in TURNS.items():
        runs = in_turns(turns, ours=partial(ours, count), bare=partial(bare, count))
        work = f"apply {count} changes, {LATENCY_MS} ms away, {PARALLELISM} at once"
        found.append(ratio(work, "÷ a bare pooled-requests script", runs["ours"], runs["bare"], most=LIMITS[count]))
        scripts = in_turns(1, ccxt=partial(ccxt, count))
        found.append(ratio(work, "the usual ccxt script ÷ ours", scripts["ccxt"], runs["ours"][:1], least=8))
    return found


if __name__ == "__main__":
    print(table(rows()))
