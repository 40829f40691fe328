"""Decide whether a read may predate our last step, from that step's margin and the ledger's rows. Pure.

A quarter of the step separates what adds up from what does not: above what funding does to a position, below what a
second transfer would do.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from reconcile.evidence.verdict import explained_by, fills_held_alike, may_be_of, our_row, rows_since, unsure_rows
from reconcile.journal.records import Effect
from reconcile.model.account import Address, Position
from reconcile.model.ledger import Cause, LedgerRow, summing
from reconcile.money import ZERO, minus, plus, total


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reckoning:
    """A reading held against our last step.

    ``before`` and ``amount`` (signed) are the step's, ``newer`` the rows since it was signed, its own left out.
    ``missing`` is what step and rows do not add up to, ``quarter`` how much that may be.
    ``shared``: a row without a side may be the other side's.
    """

    address: Address
    observed: Decimal
    before: Decimal
    amount: Decimal
    newer: Sequence[LedgerRow]
    missing: Decimal
    quarter: Decimal
    shared: bool


def stale_basis(
    position: Position | None,
    last_move: Effect,
    rows: Sequence[LedgerRow],
    *,
    shared: bool = False,
    long_after: bool = False,
    unsure_since_ms: int | None = None,
    unknown: Collection[LedgerRow] = (),
    older: Collection[Decimal] = (),
) -> bool:
    """Whether an observation may show the margin from before our last step, and no ledger row explains it.

    Such a reading is no basis for sending. Until ``long_after`` our step that is any margin which our step and the rows
    do not add up to, or which a margin from before fits better; a position of another size or identity too, which is
    another matter long after. So is every reading where rows of a quarter of our step or more, from
    ``unsure_since_ms`` (None: none) until it was signed, may be missing in the margin it was computed from: nothing
    says then what is to add up. ``long_after`` it is only a margin at or behind the one before our step. An effect that
    moved no margin is another matter at once.

    ``rows`` are the ledger's (empty: not asked yet). ``shared`` as for ``sight``: then rows without a side explain it
    only to the last digit, and a call's only long after, since it may as well be the other side's. ``unknown`` are
    calls among the rows that our journal does not know: what is to add up must tell a reading with the least of them
    from one without it, and of one without a side nothing does. ``older`` are the margins around our steps before the
    last one.
    """
    before, after = last_move.before, last_move.after
    if position is None or before is None or after is None:
        return False
    same_size = position.size == last_move.size
    alike = fills_held_alike(rows, signed_ms=last_move.signed_ms, same_size=same_size)
    newer = [row for row in rows_since(rows, last_move) if row not in alike]
    ours = our_row(newer, last_move, minus(after, before))
    amount = minus(after, before) if ours is None else ours.change
    theirs = [row for row in newer if row is not ours]
    explained, _ = explained_by(theirs, last_move.address, shared=shared)
    least = min((abs(row.change) for row in unknown if row.time_ms >= (unsure_since_ms or 0)), default=abs(amount))
    account = _Reckoning(
        address=last_move.address,
        observed=position.isolated_margin,
        before=before,
        amount=amount,
        newer=theirs,
        missing=minus(position.isolated_margin, plus(plus(before, amount), explained)),
        quarter=min(abs(amount), least) / 4,
        shared=shared,
    )
    if long_after:
        is_comparable = same_size and last_move.identity in {None, position.identity}
        return is_comparable and not _adds_up(account, by_calls=True) and _is_behind(account)
    if any(row.side is None and shared for row in unknown):
        return True
    others = [row for row in rows if row is not ours]
    unsure = unsure_rows(others, account.address, unsure_since_ms, signed_ms=last_move.signed_ms, same_size=same_size)
    if total(abs(row.change) for row in unsure) >= account.quarter > ZERO:
        return True
    return not _adds_up(account, by_calls=False) or _fits_better(account, older)


def _adds_up(account: _Reckoning, *, by_calls: bool) -> bool:
    """Whether step and rows make the reading; rows without a side only whole, a call's among them ``by_calls``."""
    unnamed = [
        row
        for row in account.newer
        if account.shared
        and row.side is None
        and may_be_of(row, account.address)
        and (by_calls or row.cause is not Cause.MANUAL)
    ]
    return abs(account.missing) <= account.quarter or summing(unnamed, account.missing) is not None


def _is_behind(account: _Reckoning) -> bool:
    """Whether the reading is at or behind the margin before our step."""
    if account.amount > 0:
        return account.observed <= plus(account.before, account.quarter)
    return account.observed >= minus(account.before, account.quarter)


def _fits_better(account: _Reckoning, older: Collection[Decimal]) -> bool:
    """Whether a margin from before fits the reading better than the newest one does.

    From before are those around earlier steps of ours, and before another party's call since our step.
    """
    earlier, margin = list(older), plus(account.before, account.amount)
    for row in account.newer:
        if not may_be_of(row, account.address) or (row.side is None and account.shared):
            continue
        if row.cause is Cause.MANUAL:
            earlier.append(margin)
        margin = plus(margin, row.change)
    return any(abs(minus(account.observed, each)) < abs(account.missing) for each in earlier)
