"""Deliberate defects within a rule: the rule is there, and a part of it is wrong. Each costs money or truth in a world.

A rule that is missing as a whole is in ``switches.py``.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from reconcile.evidence import rows, staleness, verdict
from reconcile.protocol import earlier, freshness, rules, searching, timing
from reconcile.usecases import account_run
from tests.explorer import calls, reading, runs, turns
from tests.explorer.model import Reckoning, Scope, World


@dataclass(frozen=True, slots=True)
class Defect:
    """A defect, the attributes that it replaces, the world in which it shows, and what it breaks there."""

    name: str
    changes: tuple[tuple[Any, str, Any], ...]
    scope: Scope
    breaks: str

    def put_in(self) -> AbstractContextManager[object]:
        """The program with the defect."""
        stack = ExitStack()
        for target, name, value in self.changes:
            stack.enter_context(patch.object(target, name, value))
        return stack


def _always(function: Callable[..., Any], **named: Any) -> Callable[..., Any]:
    """The function with some of its arguments given for good."""
    return lambda *given, **others: function(*given, **{**others, **named})


def _judged(change: Callable[[verdict.Sight], verdict.Sight]) -> Callable[..., verdict.Verdict]:
    """The verdict from what is wrongly seen."""
    judge = verdict.judge
    return lambda seen, **named: judge(change(seen), **named)


def _not_released(*given: Any, **named: Any) -> verdict.Verdict:
    """A lane is freed as if nothing had happened."""
    told = verdict.judge(*given, **named)
    return verdict.Verdict.NOT_APPLIED if told is verdict.Verdict.RELEASED else told


def _but_for_early(known: Callable[..., Any]) -> Callable[..., Any]:
    """Our other calls account for no row that is dated before the signature."""
    return lambda found, calls, **named: known(found, () if "slack_ms" in named else calls, **named)


def _by_the_day(exchange: turns.Turns, world: World) -> Reckoning:
    """What the exchange has told once, and what the time of day says has passed since."""
    early_ms, late_ms, day_ms = exchange.clocks[0 if world.rare is None else world.rare.clock]
    return Reckoning(early_ms - day_ms, late_ms + day_ms, day_ms)


def _late(**named: Any) -> Scope:
    return Scope(**{"positions_late": 10, "faults": 0, "waits": (0, 20_000), "targets": (1300, 1600), **named})


_DOUBLED = "margin 1900 is past (1300, 1600) by our doing"
_RESENT = "margin 1600 is past (1300,) by our doing"
_NEVER = "i0.0 is journalled as applied, and never happened"
_GRACES = (timing, searching, rules, freshness, earlier)

DEFECTS = (
    Defect(
        "the margins around the steps before the last one are forgotten",
        tuple((module, "stale_basis", _always(staleness.stale_basis, older=())) for module in (rules, earlier)),
        _late(targets=(1400, 1080, 1600), runs=3),
        "margin 1680 is past (1400, 1080, 1600) by our doing",
    ),
    Defect(
        "a fill is taken to be in the step's look whatever the size was",
        tuple((module, "unsure_rows", _always(module.unsure_rows, same_size=True)) for module in (staleness, verdict)),
        _late(fills=(300,), others=1),
        _DOUBLED,
    ),
    Defect(
        "a call is taken to be in the step's look up to when the ledger was asked",
        tuple((module, "calls_seen", lambda *, asked_ms, **_: asked_ms) for module in (earlier, reading)),
        _late(by_hand=(300,), others=1, waits=(3_000, 20_000)),
        _DOUBLED,
    ),
    Defect(
        "one witness late by one grace, where it may be by ten",
        tuple((module, "LONG_AFTER_GRACES", 1) for module in _GRACES),
        _late(by_hand=(300, -300), others=1),
        _DOUBLED,
    ),
    Defect(
        "applied on the margin alone before the ledger's row can be there",
        ((searching, "judge", _always(verdict.judge, deadline_passed=True)),),
        Scope(by_hand=(250,), others=1, runs=1),
        _NEVER,
    ),
    Defect(
        "not applied, at once, where it must be ten graces later",
        ((searching, "judge", _always(verdict.judge, long_after=True)),),
        Scope(names_side=False, other_side=(300,), others=1, runs=1),
        "i0.0 is journalled as not_applied, and happened",
    ),
    Defect(
        "a row without a side taken for ours where both sides are open",
        ((searching, "sight", _always(verdict.sight, shared=False)),),
        Scope(names_side=False, other_side=(300,), others=1, runs=1),
        _NEVER,
    ),
    Defect(
        "a row that may be the other side's is taken for one that names ours",
        ((searching, "judge", _judged(lambda seen: replace(seen, named=True))),),
        Scope(names_side=False, other_side=(300,), others=1, runs=1),
        _NEVER,
    ),
    Defect(
        "a row that may be ours is taken for ours",
        ((searching, "judge", _judged(lambda seen: replace(seen, rows=seen.rows or seen.maybe[:1]))),),
        Scope(by_hand=(250,), others=1, runs=1),
        _NEVER,
    ),
    Defect(
        "rows that may be ours are taken for another party's",
        ((searching, "judge", _judged(lambda seen: replace(seen, maybe=()))),),
        _late(faults=1, splits=True),
        _RESENT,
    ),
    Defect(
        "a row that is dated before the signature is taken for another party's",
        ((verdict, "match_rows", _always(rows.match_rows, slack_ms=rows.CLOCK_AHEAD_MS)),),
        _late(faults=1, behind_ms=5_000),
        _RESENT,
    ),
    Defect(
        "a ledger that does not reach back is taken for complete",
        ((searching, "judge", _judged(lambda seen: replace(seen, complete=True))),),
        _late(faults=1, is_cut=True, waits=(0, 60_000)),
        _RESENT,
    ),
    Defect(
        "a step whose lane is freed is taken for one that did not happen",
        ((searching, "judge", _not_released),),
        _late(faults=1, is_cut=True, waits=(0, 60_000)),
        "i0.0 is journalled as not_applied, and happened",
    ),
    Defect(
        "a row of an earlier call that is dated before the signature may be a later one's",
        ((rows, "without_known", _but_for_early(rows.without_known)),),
        Scope(faults=1, targets=(1300, 1600), waits=(0, 6_000), validity_ms=30_000, names_side=False, knows=True),
        "left unknown, though only we move margin",
    ),
    Defect(
        "a journal that was put back is taken for whole",
        ((runs, "COLD_FENCE", False), (account_run, "cold_until", lambda *_: None)),
        Scope(faults=0, puts_back=True),
        _RESENT,
    ),
    Defect(
        "a request is signed when it is sent, not when its intent is written",
        ((calls, "is_too_late", lambda *_: False),),
        Scope(faults=0, crashes=1, loses_lock=True),
        "i0.0 is journalled as not_applied, and happened",
    ),
    Defect(
        "a request is signed when it is sent, not when its intent is written, and one run is suspended",
        ((calls, "is_too_late", lambda *_: False),),
        Scope(faults=1, crashes=1, sleeps=(60_000,)),
        "i0.0 is journalled as not_applied, and happened",
    ),
    Defect(
        "the exchange's time is reckoned by the machine's time of day",
        ((turns.Turns, "_reckoning", _by_the_day),),
        Scope(faults=1, others=1, runs=1, reckonings=(Reckoning(0, 0, day_ms=3_600_000),)),
        "i0.0 is journalled as not_applied, and happened",
    ),
)
"""Each with the smallest world that shows it."""
