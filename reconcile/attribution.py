"""Why live is not what we last left: the exchange's ledger since then, summed by cause. Pure.

What the ledger cannot be read for, or names no side for while both sides of a symbol hold a position, stays unexplained
rather than guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from reconcile.journal.records import Effect
from reconcile.journal.state import JournalState
from reconcile.ledger import Cause, LedgerRow
from reconcile.model import Address
from reconcile.money import ZERO, minus, parse, total
from reconcile.witness import CLOCK_AHEAD_MS, without_ours

UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one cause did to a margin: ``amount`` signed, in the asset; ``at_ms`` the exchange time of its last row."""

    cause: str
    amount: Decimal
    at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What we last left at an address.

    ``since_ms`` is the exchange time from which the ledger counts, ``move`` our own step, to be left out of it; None
    where a person resolved it.
    """

    expected: Decimal
    since_ms: int
    move: Effect | None


def baseline(state: JournalState, address: Address, lane: str) -> Baseline | None:
    """The margin after our last applied step, None where there never was one."""
    applied = state.applied.get(str(address))
    if applied is None:
        return None
    move = state.moves.get(str(address))
    if move is not None and move.after is not None:
        return Baseline(expected=move.after, since_ms=move.signed_ms - CLOCK_AHEAD_MS, move=move)
    effect = state.effects.get(lane)
    since_ms = effect.effect_ms if effect is not None else 0
    return Baseline(expected=parse(applied[0]), since_ms=since_ms, move=None)


def attribute(
    rows: Sequence[LedgerRow], found: Baseline, address: Address, drift: Decimal, *, shared: bool
) -> tuple[Share, ...]:
    """The causes of a drift (observed minus expected), largest first; what the rows leave open is ``unexplained``.

    ``shared``: the symbol has positions on both sides, so rows without a side explain nothing.
    """
    newer = [row for row in rows if row.time_ms >= found.since_ms]
    others = newer if found.move is None else without_ours(newer, found.move)
    counted = [
        row
        for row in others
        if row.symbol == address.symbol and (row.side == address.side or (row.side is None and not shared))
    ]
    shares = []
    for cause in Cause:
        ours = [row for row in counted if row.cause is cause]
        amount = total(row.change for row in ours)
        if amount != 0:
            shares.append(Share(cause=str(cause), amount=amount, at_ms=ours[-1].time_ms))
    rest = minus(drift, total(share.amount for share in shares))
    if rest != ZERO:
        shares.append(Share(cause=UNEXPLAINED, amount=rest))
    return tuple(sorted(shares, key=lambda share: -abs(share.amount)))
