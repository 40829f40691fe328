"""``python -m tests.fuzz TARGET|all``: damaged input in bulk, from one seed.

    --inputs N        how many inputs for each target (default 10,000)
    --seed N          the seed (default: a fresh one, printed)
    --replay FILE     give the target this file's bytes instead, and show what comes of it

Prints for each target how many inputs it got and took, the crashes, leaks and inputs over a bound, the slowest input
and the most memory that one took. Each failure is shrunk, kept in a file and shown with its replay; exit 1 then.
"""

import argparse
import secrets
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.fuzz.harness import Failure, Target, attempt, limited, shrunk
from tests.fuzz.targets import TARGETS

_WARM = 200
"""Inputs before memory counts: the first ones fill caches and load modules."""
_SHOWN = 20
_MEMORY = 2 << 30


@dataclass(slots=True)
class Figures:
    """How one target's inputs went."""

    inputs: int = 0
    taken: int = 0
    seconds: float = 0
    slowest: float = 0
    largest: int = 0
    crashes: int = 0
    leaks: int = 0
    bounds: int = 0
    failures: dict[tuple[str, str], Failure] = field(default_factory=dict)

    def count(self, failure: Failure) -> None:
        """Take in a failure; the first of each kind is kept."""
        self.crashes += failure.kind == "crash"
        self.leaks += failure.kind == "leak"
        self.bounds += failure.kind == "bound"
        self.failures.setdefault((failure.kind, failure.what), failure)

    def line(self, name: str) -> str:
        """The figures of one target."""
        return (
            f"{name}: {self.inputs:,} inputs in {self.seconds:.1f} s ({self.inputs / max(self.seconds, 1e-9):,.0f}/s), "
            f"{self.taken:,} taken, {self.crashes} crashes, {self.leaks} leaks, {self.bounds} over a bound; "
            f"slowest {self.slowest * 1000:.1f} ms, most memory {self.largest / (1 << 20):.1f} MiB"
        )


def fuzz(target: Target, *, inputs: int, seed: int) -> Figures:
    """Give a target that many inputs; the same seed makes the same ones."""
    random = Random(f"{target.name} {seed}")
    figures = Figures()
    begun = time.perf_counter()
    for number in range(inputs):
        outcome = attempt(target, target.generate(random))
        figures.inputs += 1
        figures.taken += outcome.taken
        failure = outcome.failure
        if number < _WARM and failure is not None and failure.kind == "bound":
            continue
        if number >= _WARM:
            figures.slowest = max(figures.slowest, outcome.seconds)
            figures.largest = max(figures.largest, outcome.grown)
        if failure is not None:
            figures.count(failure)
    figures.seconds = time.perf_counter() - begun
    return figures


def main() -> int:
    """The command line; 1 where anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("target", choices=[*TARGETS, "all"])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32))
    parser.add_argument("--replay", type=Path)
    asked = parser.parse_args()
    targets = list(TARGETS.values()) if asked.target == "all" else [TARGETS[asked.target]]
    if asked.replay is not None:
        return _replay(targets, asked.replay.read_bytes())
    print(f"seed {asked.seed}")
    every: list[Figures] = []
    with limited(_MEMORY):
        for target in targets:
            figures = fuzz(target, inputs=asked.inputs, seed=asked.seed)
            print(figures.line(target.name), flush=True)
            for failure in list(figures.failures.values())[:_SHOWN]:
                _show(target, shrunk(target, failure))
            every.append(figures)
    crashes, leaks, bounds = (sum(getattr(each, name) for each in every) for name in ("crashes", "leaks", "bounds"))
    total = sum(each.inputs for each in every)
    print(f"{total:,} inputs, {crashes} crashes, {leaks} leaks, {bounds} over a bound")
    return 1 if crashes or leaks or bounds else 0


def _show(target: Target, failure: Failure) -> None:
    with tempfile.NamedTemporaryFile(prefix=f"fuzz-{target.name}-", delete=False) as file:
        file.write(failure.data)
    print(f"  {failure.kind}: {failure.what}\n{failure.detail[-2000:]}")
    print(f"  input: {failure.data[:1000]!r}")
    print(f"  again: python -m tests.fuzz {target.name} --replay {file.name}")


def _replay(targets: list[Target], data: bytes) -> int:
    failed = False
    for target in targets:
        outcome = attempt(target, data)
        failed = failed or outcome.failure is not None
        print(f"{target.name}: {'taken' if outcome.taken else 'refused'}, {outcome.seconds * 1000:.1f} ms")
        if outcome.failure is not None:
            print(f"  {outcome.failure.kind}: {outcome.failure.what}\n{outcome.failure.detail}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
