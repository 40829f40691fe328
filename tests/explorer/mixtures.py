"""Mixtures: scopes of up to six kinds of trouble, so that any two kinds that the assumptions allow together meet."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import combinations
from typing import Any

from tests.explorer.model import Reckoning, Scope

SLEEPS = (2_000, 9_000, 60_000)
"""Shorter than a request is valid, past its fence, and past ten graces."""
DRIFTS = (Reckoning(340, 0), Reckoning(0, 340, day_ms=3_600_000))
"""What 1 in 1000 of each clock, and an answer's way of 0.1 s, come to in the minute after which the exchange is asked
again; the time of day of the machine is set forward by an hour."""
SECOND = (Reckoning(-1_000, 1_000), Reckoning(1_000, -1_000))
"""Servers of the exchange that disagree by a second; or its clock was set by one."""
KINDS: Mapping[str, Mapping[str, Any]] = {
    "kills": {"crashes": 1},
    "lost machines": {"crashes": 1, "forgets": True},
    "late positions": {"positions_late": 10},
    "late ledger": {"ledger_late": 10},
    "other hands": {"others": 1, "by_hand": (300, -300, 250)},
    "funding": {"others": 1, "funding": (-20,)},
    "the other side": {"others": 1, "other_side": (300, -300), "names_side": False},
    "reopening": {"others": 1, "reopens": True},
    "fills": {"others": 1, "fills": (300, -300)},
    "a clock that is off": {"clock_ms": 20},
    "a yes to another amount": {"other_yes": 70, "names_side": False, "validity_ms": 30_000},
    "slow looks": {"slow_ms": 4_500},
    "a mark price that moves": {"marks": (9_600, 9_700), "min_distance": 10},
    "late effects": {"early_ms": 5_000},
    "a second target": {"targets": (1300, 1600)},
    "own steps on both sides": {"targets": (1300, 1300), "short_runs": (1,), "names_side": False},
    "rows dated early": {"behind_ms": 1_000},
    "calls booked as two rows": {"splits": True},
    "rounded rows": {"unit": Decimal("0.1"), "digits": 0},
    "a ledger that does not reach back": {"is_cut": True},
    "suspensions": {"crashes": 1, "sleeps": SLEEPS},
    "a lost lock": {"crashes": 1, "loses_lock": True},
    "a journal put back": {"puts_back": True},
    "clocks that drift": {"others": 1, "reckonings": DRIFTS},
}
"""Each kind by what it changes of a scope; calls and reads that go wrong are in every scope."""
APART = {
    frozenset({"late positions", "late ledger"}),  # one witness may be late, not both
    frozenset({"kills", "lost machines"}),  # the second has the first
    frozenset({"a second target", "own steps on both sides"}),  # both say what the second run wants
}
"""The kinds that do not go together."""
_LAST = ("suspensions", "a lost lock", "a journal put back", "clocks that drift")
"""The kinds that meet all others in mixtures of their own: the mixtures of the others stay the ones that the long runs
have played."""
_MOST = 6
"""How many kinds a mixture has: more of them leave less depth to so many states."""


def mixtures() -> Mapping[str, Scope]:
    """By its kinds: each mixture."""
    return {f"mixed: {', '.join(kinds)}": _scope(kinds) for kinds in _covering()}


def _covering() -> Iterator[tuple[str, ...]]:
    """Kinds that go together, again and again, until any two have met; always the same ones."""
    missing = {frozenset(pair) for pair in combinations(KINDS, 2)} - APART
    for among in ([kind for kind in KINDS if kind not in _LAST], list(KINDS)):
        here = {pair for pair in missing if pair <= {*among}}
        while here:
            kinds: tuple[str, ...] = (max(among, key=lambda kind: sum(kind in pair for pair in here)),)
            while len(kinds) < _MOST and (kind := _next(kinds, among, here)) is not None:
                kinds = (*kinds, kind)
            here -= {frozenset(pair) for pair in combinations(kinds, 2)}
            missing -= {frozenset(pair) for pair in combinations(kinds, 2)}
            yield kinds


def _next(kinds: tuple[str, ...], among: Sequence[str], missing: set[frozenset[str]]) -> str | None:
    """The kind that has not met most of these; None if there is none."""
    allowed = [kind for kind in among if not any(frozenset({kind, each}) in APART or kind == each for each in kinds)]
    news = {kind: sum(frozenset({kind, each}) in missing for each in kinds) for kind in allowed}
    best = max(allowed, key=lambda kind: news[kind])
    return best if news[best] else None


def _scope(kinds: tuple[str, ...]) -> Scope:
    changes: dict[str, Any] = {}
    for kind in kinds:
        changes |= KINDS[kind]
    scope = Scope(waits=(0, 20_000), **changes)
    return _in_tenths(scope) if scope.digits is not None else scope


def _in_tenths(scope: Scope) -> Scope:
    """The same amounts in tenths, and four of them more, which a ledger that prints whole amounts rounds away."""
    amounts: dict[str, Any] = {
        name: tuple(10 * amount + 4 for amount in getattr(scope, name))
        for name in ("targets", "by_hand", "funding", "other_side", "fills")
    }
    return replace(scope, before=10 * scope.before, other_yes=10 * scope.other_yes, **amounts)
