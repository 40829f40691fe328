"""``python -m tests.explorer``: every path of the real machine against the abstract exchange, by scope.

``--states`` bounds each scope. 0: no bound but ``--seconds``, which all scopes share; worlds then come in order of
time, in memory that does not grow with their number, and ``--memory`` ends a scope that needs more all the same. It
tells how far it is on stderr; Ctrl-C ends it, with what it came to.

``--without RULE`` turns one rule off and prints what goes wrong then, and
``--save FILE`` writes that as a schedule, which the simulation plays: ``python -m tests.simulation --replay FILE`` with
the rule as it is, and ``--without RULE`` behind it with the rule turned off.
"""

import argparse
import gc
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from ctypes import c_bool
from fnmatch import fnmatchcase
from functools import partial
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import monotonic
from typing import NamedTuple

from tests.explorer.model import Scope
from tests.explorer.replay import replay
from tests.explorer.scopes import OUTSIDE, SCOPES
from tests.explorer.search import Found, Progress, explore, sweep
from tests.explorer.switches import SWITCHES, Switch, named
from tests.kit import reach

ALL: Mapping[str, Scope] = {**SCOPES, **OUTSIDE}
_FORKED = get_context("fork")
_IS_STOPPED = _FORKED.RawValue(c_bool)
"""Whether Ctrl-C was pressed, in every process."""
_TELL_EVERY_S = 15
_NO_END = float("inf")


class _Bounds(NamedTuple):
    """What bounds a search: states of each scope (None: none), or the moment at which all is over, and memory."""

    most: int | None
    until: float
    workers: int
    memory_mb: int


class _Part(NamedTuple):
    """What became of one scope, what it reached and the most memory that its process took."""

    found: Found
    hits: reach.Hits
    peak_mb: int


def main(given: Sequence[str]) -> int:
    """The exit code: 0 where no promise was broken, 1 where one was."""
    parser = argparse.ArgumentParser(prog="python -m tests.explorer", description=__doc__)
    parser.add_argument("--scope", metavar="NAME", help="only this one, or those that a glob names: 'mixed:*'")
    parser.add_argument("--states", type=int, default=200_000, metavar="N", help="of each scope (default: 200000)")
    parser.add_argument("--seconds", type=float, metavar="S", help="with --states 0: the most of all scopes together")
    parser.add_argument("--workers", type=int, default=cpu_count() or 1, metavar="N", help="processes")
    parser.add_argument("--memory", type=int, default=900, metavar="MB", help="with --states 0: the most of a process")
    parser.add_argument("--reach", action="store_true", help="print how often each arrow, cell and rule was reached")
    parser.add_argument("--without", metavar="RULE", help="one of: " + ", ".join(switch.rule for switch in SWITCHES))
    parser.add_argument("--save", metavar="FILE", type=Path, help="with --without: what goes wrong, as a schedule")
    args = parser.parse_args(given)
    if args.without:
        return _without(args.without, args.states or None, args.save)
    until = _NO_END if args.seconds is None else monotonic() + args.seconds
    names = [name for name in ALL if fnmatchcase(name, args.scope or "*")]
    if not names:
        print(f"no scope is called {args.scope!r}; there are:", *ALL, sep="\n  ", file=sys.stderr)
        return 64
    return _all(names, _Bounds(args.states or None, until, args.workers, args.memory), shows_reach=args.reach)


def _all(names: Sequence[str], bounds: _Bounds, *, shows_reach: bool) -> int:
    total = transitions = broken = whole = 0
    hits = reach.Hits()
    handler = signal.signal(signal.SIGINT, _stop)
    with _FORKED.Pool(bounds.workers, maxtasksperchild=1) as pool:
        tasks = [(name, len(names) - number) for number, name in enumerate(names)]
        for name, part in zip(names, pool.imap(partial(_one, bounds=bounds), tasks), strict=True):
            hits += part.hits
            total += part.found.states
            transitions += part.found.transitions
            broken += bool(part.found.violation)
            whole += part.found.is_whole
            _print(name, part.found, f", {part.peak_mb} MB")
    signal.signal(signal.SIGINT, handler)
    print(f"{total:,} states, {transitions:,} transitions, {broken} violations, {whole} of {len(names)} scopes whole")
    print("\n".join(reach.lines(hits)) if shows_reach else reach.reached(hits))
    return 1 if broken else 0


def _stop(*_: object) -> None:
    _IS_STOPPED.value = True


def _one(task: tuple[str, int], *, bounds: _Bounds) -> _Part:
    """One scope; ``task`` has its name and how many scopes there are from this one on, which share the time left."""
    name, count = task
    left = bounds.until - monotonic()
    ends = monotonic() + min(left, left * bounds.workers / count)
    gc.disable()  # there are no cycles here, and many worlds
    with reach.counting() as hits:
        if bounds.most is not None:
            found = explore(ALL[name], most=bounds.most)
        else:
            found = sweep(ALL[name], goes_on=_Watcher(name, ends=ends, memory_mb=bounds.memory_mb).goes_on)
    return _Part(found, hits, _peak_mb())


class _Watcher:
    """Tells how far a scope is, and when it is to end."""

    def __init__(self, name: str, *, ends: float, memory_mb: int) -> None:
        self._name, self._ends, self._memory_mb = name, ends, memory_mb
        self._told = monotonic()

    def goes_on(self, progress: Progress) -> bool:
        """Whether there is time and memory left."""
        now = monotonic()
        if now - self._told >= _TELL_EVERY_S:
            self._told = now
            print(
                f"{self._name}: {progress.states:,} states, {progress.transitions:,} transitions, at "
                f"{progress.at_ms / 1000:.3f} s, {progress.waiting:,} wait, {_peak_mb()} MB",
                file=sys.stderr,
                flush=True,
            )
        return now < self._ends and not _IS_STOPPED.value and _peak_mb() < self._memory_mb


def _peak_mb() -> int:
    return getrusage(RUSAGE_SELF).ru_maxrss // (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _without(rule: str, most: int | None, file: Path | None) -> int:
    switch = named(rule)
    if switch is None:
        print(f"no rule is called {rule!r}", file=sys.stderr)
        return 64
    with switch.off():
        found = explore(switch.scope, most=most)
        made = replay(switch.scope, found.path) if found.violation else None
    _print(f"without: {rule}", found)
    if made is None:
        return 0
    for left_out in made.without:
        print(f"  no counterpart in the simulation: {left_out}")
    if isinstance(switch, Switch) and switch.unseen:
        print(f"  the simulation does not show it: {switch.unseen}")
    if file is not None:
        why = f"without the rule {rule!r}: {found.violation}"
        document = {"why": why, "without": rule, "schedule": json.loads(made.schedule.to_json())}
        file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        print(f"  saved; play it with: python -m tests.simulation --replay {file} --without '{rule}'")
    return 1


def _print(name: str, found: Found, more: str = "") -> None:
    part = f"all before {found.before_ms / 1000:.3f} s," if found.before_ms is not None else "the first"
    bound = "all" if found.is_whole else part
    speed = found.states / max(found.seconds, 0.001)
    seen = f"{found.states:,} states, {found.transitions:,} transitions"
    print(f"{name}: {bound} {seen}, {speed:,.0f} states a second{more}")
    if found.violation:
        print(f"  VIOLATED: {found.violation}")
        for line in found.timeline:
            print(f"  {line}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
