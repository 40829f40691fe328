"""Attribute a drift to causes: the exchange's ledger since our last step, summed by cause. Pure.

A part that the ledger does not explain stays ``unexplained``; nothing is guessed. A row without a side may belong to
either side of a symbol. While both hold a position, such rows count only if all rows together explain the drift to the
last digit. A row that may be a step of ours without a known outcome is called ``unsettled``.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from reconcile.evidence.rows import CLOCK_AHEAD_MS, certain, match_rows, unnamed, without_ours
from reconcile.journal.records import Effect
from reconcile.journal.state import JournalState
from reconcile.model.account import Address
from reconcile.model.drift import Share
from reconcile.model.ledger import Cause, LedgerRow, summing
from reconcile.money import ZERO, minus, parse, plus, total

UNEXPLAINED = "unexplained"
UNSETTLED = "unsettled"
ORDER = (Cause.FUNDING, Cause.FILL, Cause.MANUAL, Cause.AUTO, Cause.OTHER, UNSETTLED, UNEXPLAINED)
"""The order in which outputs list causes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The margin that we last left at an address.

    ``since_ms`` is the exchange time from which ledger rows count. ``move`` is our own step, whose row does not count.
    It is None if a person resolved the step, or if a run found the margin already in place.
    """

    expected: Decimal
    since_ms: int
    move: Effect | None


def baseline(state: JournalState, address: Address, lane: str) -> Baseline | None:
    """The margin that an apply last set or found in place; None if no apply has."""
    place = str(address)
    standing = state.margins.standing.get(place)
    if standing is not None:
        return Baseline(expected=standing.margin, since_ms=standing.since_ms, move=None)
    applied = state.margins.applied.get(place)
    if applied is None:
        return None
    move = state.moves.get(place)
    if move is not None and move.after is not None:
        return Baseline(expected=move.after, since_ms=move.signed_ms - CLOCK_AHEAD_MS, move=move)
    effect = state.effects.get(lane)
    since_ms = effect.effect_ms if effect is not None else 0
    return Baseline(expected=parse(applied[0]), since_ms=since_ms, move=None)


def unsettled_rows(
    state: JournalState, rows: Sequence[LedgerRow], address: Address, lane: str, *, step_size: Decimal
) -> frozenset[str]:
    """The ids of ledger rows that may be our own step at this address whose outcome is still open."""
    item = state.unsettled.get(lane)
    if item is None or item.intent.amount is None or item.intent.address != address:
        return frozenset()
    matching = match_rows(rows, item.intent, claims=state.claims, step_size=step_size)
    return frozenset(row.row_id for row in (*matching.ours, *matching.at_once))


def shares_of(
    counted: Sequence[LedgerRow], drift: Decimal, *, unsettled: frozenset[str] = frozenset()
) -> tuple[Share, ...]:
    """Rows summed by cause, in ``ORDER``, and the part of a drift that they leave unexplained."""
    sums: dict[str, Decimal] = defaultdict(lambda: ZERO)
    last: dict[str, int] = {}
    for row in counted:
        cause = UNSETTLED if row.row_id in unsettled else str(row.cause)
        sums[cause] = plus(sums[cause], row.change)
        last[cause] = row.time_ms
    rest = minus(drift, total(sums.values()))
    shares = [Share(cause=cause, amount=amount, at_ms=last[cause]) for cause, amount in sums.items() if amount != ZERO]
    if rest != ZERO:
        shares.append(Share(cause=UNEXPLAINED, amount=rest))
    return tuple(sorted(shares, key=lambda share: ORDER.index(share.cause)))


def rows_after(rows: Sequence[LedgerRow], found: Baseline) -> list[LedgerRow]:
    """The rows since the baseline, without our own step and the rows before it."""
    if found.move is None:
        return list(rows)
    newer = [row for row in rows if row.time_ms >= found.since_ms]
    others = without_ours(newer, found.move)
    kept = {row.row_id for row in others}
    ours = next((row for row in newer if row.row_id not in kept), None)
    return [row for row in others if ours is None or row.time_ms >= ours.time_ms]


def explaining(rows: Sequence[LedgerRow], drift: Decimal, *, shared: bool) -> list[LedgerRow] | None:
    """The rows of an address that add up to a drift, oldest first; None if no choice does.

    All rows that certainly belong to the address count, and some of those that may.
    """
    named = certain(rows, shared=shared)
    chosen = summing(unnamed(rows, shared=shared), minus(drift, total(row.change for row in named)))
    return None if chosen is None else sorted([*named, *chosen], key=lambda row: row.time_ms)
