"""``python -m tests.explorer``: every path of the real machine against the abstract exchange, by scope.

``--states`` bounds each scope. 0: no bound but ``--seconds``; worlds then come in order of time, in memory that does
not grow with their number. ``--without RULE`` turns one rule off and prints what goes wrong then, and
``--save FILE`` writes that as a schedule, which the simulation plays: ``python -m tests.simulation --replay FILE`` with
the rule as it is, and ``--without RULE`` behind it with the rule turned off.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from os import cpu_count
from pathlib import Path

from tests.explorer.model import Scope
from tests.explorer.replay import replay
from tests.explorer.scopes import OUTSIDE, SCOPES
from tests.explorer.search import Found, explore, sweep
from tests.explorer.switches import SWITCHES, Switch, named
from tests.kit import reach

ALL: Mapping[str, Scope] = {**SCOPES, **OUTSIDE}


def main(given: Sequence[str]) -> int:
    """The exit code: 0 where no promise was broken, 1 where one was."""
    parser = argparse.ArgumentParser(prog="python -m tests.explorer", description=__doc__)
    parser.add_argument("--scope", choices=ALL, help="only this one")
    parser.add_argument("--states", type=int, default=200_000, metavar="N", help="of each scope (default: 200000)")
    parser.add_argument("--seconds", type=float, metavar="S", help="with --states 0: the most of each scope")
    parser.add_argument("--reach", action="store_true", help="print how often each arrow, cell and rule was reached")
    parser.add_argument("--without", metavar="RULE", help="one of: " + ", ".join(switch.rule for switch in SWITCHES))
    parser.add_argument("--save", metavar="FILE", type=Path, help="with --without: what goes wrong, as a schedule")
    args = parser.parse_args(given)
    if args.without:
        return _without(args.without, args.states or None, args.save)
    names = [args.scope] if args.scope else list(ALL)
    total = transitions = broken = 0
    hits = reach.Hits()
    one = partial(_one, most=args.states or None, seconds=args.seconds)
    with ProcessPoolExecutor(max_workers=min(len(names), cpu_count() or 1)) as pool:
        for name, (found, part) in zip(names, pool.map(one, names), strict=True):
            hits += part
            total += found.states
            transitions += found.transitions
            broken += bool(found.violation)
            _print(name, found)
    print(f"{total:,} states, {transitions:,} transitions, {broken} violations")
    print("\n".join(reach.lines(hits)) if args.reach else reach.reached(hits))
    return 1 if broken else 0


def _one(name: str, *, most: int | None, seconds: float | None) -> tuple[Found, reach.Hits]:
    with reach.counting() as hits:
        return (sweep(ALL[name], seconds=seconds) if most is None else explore(ALL[name], most=most)), hits


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


def _print(name: str, found: Found) -> None:
    bound = "all" if found.is_whole else "the first"
    speed = found.states / max(found.seconds, 0.001)
    print(f"{name}: {bound} {found.states:,} states, {found.transitions:,} transitions, {speed:,.0f} states a second")
    if found.violation:
        print(f"  VIOLATED: {found.violation}")
        for line in found.timeline:
            print(f"  {line}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
