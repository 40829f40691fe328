"""What is explored: each scope a few kinds of trouble; the mixtures have them in every combination of two."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from tests.explorer.mixtures import DRIFTS, SECOND, SLEEPS, mixtures
from tests.explorer.model import Scope

_HANDS = (300, -300, 250, 70, -80)
"""The same amount as ours, nearly it, less than a quarter of it, and a little more than a quarter."""
_QUEUED = Scope(targets=(1300, 1600), grace_ms=1_000, early_ms=1_000)
"""Effects up to a grace after their yes; the grace is short, so that few looks are taken until then."""
_BEHIND = Scope(faults=1, targets=(1300, 1600), waits=(0, 20_000), behind_ms=5_000)
"""A ledger whose clock is a grace behind; 30 s where requests are valid for 30 s."""
_TENTHS = Scope(faults=1, before=10_000, targets=(13_004, 16_008), unit=Decimal("0.1"), digits=0)
"""Amounts of a tenth more than the ledger prints."""
_BOTH_SIDES = replace(_QUEUED, targets=(1300, 1300), short_runs=(1,), names_side=False, validity_ms=30_000)

SCOPES: Mapping[str, Scope] = {
    "lost answers": Scope(faults=2, clock_ms=20),
    "lost answers, taking out": Scope(before=1600, faults=2),
    "lost answers, 30 s of validity": Scope(faults=2, validity_ms=30_000),
    "a yes to another amount": Scope(
        faults=1,
        others=1,
        by_hand=(300, 250),
        targets=(1300, 1600),
        waits=(0, 6_000),
        validity_ms=30_000,
        names_side=False,
        other_yes=70,
    ),
    "kills": Scope(faults=1, crashes=1, waits=(0, 2_000)),
    "two kills": Scope(faults=1, crashes=2, runs=3),
    "lost machines": Scope(faults=1, crashes=1, forgets=True, waits=(0, 2_000)),
    "lost machines, late positions": Scope(faults=1, crashes=1, forgets=True, positions_late=10, waits=(0, 20_000)),
    "lost machines, late ledger": Scope(faults=1, crashes=1, forgets=True, ledger_late=10, waits=(0, 20_000)),
    "late positions": Scope(faults=1, positions_late=10, waits=(0, 20_000)),
    "late ledger": Scope(faults=1, ledger_late=10, waits=(0, 20_000)),
    "reverted target, late positions": Scope(
        faults=1, crashes=1, positions_late=10, targets=(1300, 1000, 1300), runs=3, waits=(0, 20_000)
    ),
    "reverted target, late ledger": Scope(
        faults=1, crashes=1, ledger_late=10, targets=(1300, 1000, 1300), runs=3, waits=(0, 20_000)
    ),
    "three targets, late positions": Scope(
        faults=0, positions_late=10, targets=(1400, 1080, 1600), runs=3, waits=(0, 20_000)
    ),
    "other hands": Scope(faults=1, others=1, by_hand=_HANDS),
    "other hands, kills": Scope(faults=1, crashes=1, others=1, by_hand=_HANDS),
    "other hands, late positions": Scope(faults=1, others=1, by_hand=_HANDS, positions_late=10, waits=(0, 20_000)),
    "other hands, two steps, late positions": Scope(
        faults=0, others=1, by_hand=(300, -300), targets=(1300, 1600), positions_late=10, waits=(0, 20_000)
    ),
    "other hands, two steps, late ledger": Scope(
        faults=0, others=1, by_hand=(300, -300), targets=(1300, 1600), ledger_late=10, waits=(0, 20_000)
    ),
    "other hands, just before a step, late positions": Scope(
        faults=0, others=1, by_hand=(300, 250), targets=(1300, 1600), positions_late=10, waits=(0, 3_000, 20_000)
    ),
    "other hands, slow looks": Scope(faults=1, others=1, by_hand=(-250, 250), slow_ms=4_500, waits=(0, 2_000)),
    "other hands, late ledger": Scope(faults=1, others=1, by_hand=_HANDS, ledger_late=10, waits=(0, 20_000)),
    "equal steps, late effects": replace(_QUEUED, faults=2, waits=(0, 2_000), positions_late=0, ledger_late=0),
    "equal steps, late effects, kills": replace(_QUEUED, crashes=1, positions_late=0, ledger_late=0),
    "equal steps, late effects and reads": _QUEUED,
    "equal steps on both sides, late effects": replace(
        _BOTH_SIDES, before=1600, targets=(1300, 1300, 1000), runs=3, positions_late=0, ledger_late=0
    ),
    "equal steps on both sides, late effects and reads": _BOTH_SIDES,
    "a mark price that moves": Scope(
        before=1600, faults=1, others=2, by_hand=(-70,), marks=(9_600, 9_700), min_distance=10
    ),
    "funding and reopening": Scope(faults=1, others=2, funding=(-20,), reopens=True),
    "fills": Scope(faults=1, others=2, fills=(300, -300, 70)),
    "fills, late positions": Scope(faults=0, others=2, fills=(300, -300), positions_late=10, waits=(0, 20_000)),
    "reopening, positions with an id": Scope(faults=1, others=2, reopens=True, names_side=False, validity_ms=30_000),
    "both sides of a symbol": Scope(faults=1, others=1, names_side=False, other_side=(300, -300, 70)),
    "both sides, late positions": Scope(
        faults=1, others=1, names_side=False, other_side=(300, -300, 70), positions_late=10, waits=(0, 20_000)
    ),
    "rows dated early, late positions": replace(_BEHIND, positions_late=10),
    "rows dated early, late ledger": replace(_BEHIND, ledger_late=10),
    "rows dated 30 s early, late positions": replace(
        _BEHIND, positions_late=10, behind_ms=30_000, validity_ms=30_000, names_side=False
    ),
    "rows dated early, other hands": replace(_BEHIND, others=1, by_hand=_HANDS, targets=(1300,)),
    "rows dated a second early, lost machines, late positions": Scope(
        faults=1, crashes=1, forgets=True, positions_late=10, waits=(0, 20_000), behind_ms=1_000
    ),
    "calls booked as two rows, late positions": Scope(
        faults=1, targets=(1300, 1600), positions_late=10, waits=(0, 20_000), splits=True
    ),
    "calls booked as two rows, other hands": Scope(faults=1, others=1, by_hand=_HANDS, splits=True),
    "calls booked as two rounded rows, late positions": replace(
        _TENTHS, positions_late=10, waits=(0, 20_000), splits=True
    ),
    "rounded rows, late positions": replace(_TENTHS, positions_late=10, waits=(0, 20_000)),
    "rounded rows, other hands": replace(_TENTHS, others=1, by_hand=(3_000, -3_004, 2_504, -700)),
    "a ledger that does not reach back, late positions": Scope(
        faults=1, targets=(1300, 1600), positions_late=10, waits=(0, 60_000), is_cut=True
    ),
    "a ledger that does not reach back, other hands": Scope(
        faults=1, others=1, by_hand=_HANDS, waits=(0, 60_000), is_cut=True
    ),
    "two early rows that may not be reached, kills": replace(
        _BEHIND, targets=(1300,), crashes=1, waits=(0, 60_000), splits=True, is_cut=True
    ),
    "equal steps, nothing else happens": Scope(
        faults=1, targets=(1300, 1600), waits=(0, 6_000), validity_ms=30_000, names_side=False, knows=True
    ),
    "equal steps on both sides, calls booked as two rows, nothing else happens": Scope(
        faults=1,
        targets=(1300, 1300),
        short_runs=(1,),
        waits=(0, 6_000),
        validity_ms=30_000,
        names_side=False,
        knows=True,
        splits=True,
    ),
    "equal steps, rows dated early, nothing else happens": replace(_BEHIND, waits=(0, 6_000), knows=True),
    "suspensions": Scope(faults=1, crashes=1, sleeps=SLEEPS),
    "suspensions, late positions": Scope(
        faults=1, crashes=1, sleeps=SLEEPS, targets=(1300, 1600), positions_late=10, waits=(0, 20_000)
    ),
    "suspensions, late ledger": Scope(
        faults=1, crashes=1, sleeps=SLEEPS, targets=(1300, 1600), ledger_late=10, waits=(0, 20_000)
    ),
    "suspensions, 30 s of validity, other hands": Scope(
        faults=1,
        crashes=1,
        sleeps=(20_000, 40_000, 90_000),
        others=1,
        by_hand=(300, 250),
        validity_ms=30_000,
        names_side=False,
    ),
    "a lost lock": Scope(faults=1, crashes=1, loses_lock=True, waits=(0, 2_000)),
    "a lost lock, a kill, two targets": Scope(faults=1, crashes=2, loses_lock=True, targets=(1300, 1600, 1300), runs=3),
    "a lost lock, late positions": Scope(
        faults=1, crashes=1, loses_lock=True, targets=(1300, 1300, 1600), runs=3, positions_late=10, waits=(0, 20_000)
    ),
    "a journal put back, kills": Scope(faults=1, crashes=1, puts_back=True, targets=(1300, 1600), waits=(0, 2_000)),
    "a journal put back, late positions": Scope(
        faults=1, targets=(1300, 1000, 1300), runs=3, positions_late=10, puts_back=True, waits=(0, 20_000)
    ),
    "a journal put back, kills, late positions": Scope(
        faults=1, crashes=1, positions_late=10, puts_back=True, waits=(0, 20_000)
    ),
    "a journal put back, kills, late ledger": Scope(
        faults=1, crashes=1, ledger_late=10, puts_back=True, waits=(0, 20_000)
    ),
    "clocks that drift": Scope(faults=1, others=2, reckonings=DRIFTS),
    "clocks that drift, kills, late positions": Scope(
        faults=1, crashes=1, others=1, reckonings=DRIFTS, positions_late=10, waits=(0, 20_000)
    ),
    "servers that disagree by a second": Scope(faults=1, others=1, reckonings=SECOND),
    "servers that disagree by a second, two steps, late positions": Scope(
        faults=1, others=1, reckonings=SECOND, targets=(1300, 1600), positions_late=10, waits=(0, 20_000)
    ),
    "servers that disagree by a second, lost machines, late ledger": Scope(
        faults=1, crashes=1, forgets=True, others=1, reckonings=SECOND, ledger_late=10, waits=(0, 20_000)
    ),
    **mixtures(),
}

OUTSIDE: Mapping[str, Scope] = {
    "a yes that is never done": Scope(faults=1, hollow=True, runs=2, waits=(0, 60_000)),
    "a yes that is never done, there and back": Scope(
        faults=1, hollow=True, runs=2, targets=(1300, 1000), positions_late=10, waits=(0, 5_000)
    ),
}
"""Worlds that no exchange's documents allow: some arrows of the table are there for them alone."""
