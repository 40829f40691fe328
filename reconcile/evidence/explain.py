"""Explain a change of isolated margin between the last looks of two runs: our own steps, and causes. Pure.

Our own steps are known by the journal. Whether a look had seen one that was open then, and whether it happened at all,
the step alone does not tell: such a step counts when the ledger has its row, and else when nothing but it makes
the sums come out. The rest is told by the ledger's rows, as ``attribution`` does it: a look is never dated to the
millisecond and may be behind by the grace, so rows near either look belong to it or not as the sums say. What came with
a position that was not there before is ``opened``, what went with one that is not there any more ``closed``, and
what came or went with a change of its size, where the ledger does not tell fills, ``resized``; what has no name is
``unexplained``. The parts always add up to the difference.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations, islice, permutations, product

from reconcile.evidence.attribution import UNEXPLAINED, Baseline, explaining, rows_after, shares_of
from reconcile.evidence.rows import CLOCK_AHEAD_MS, certain, fits, may_be_of, signed_amount
from reconcile.journal.records import IntentStatus, UnreportedStep
from reconcile.model.account import Address
from reconcile.model.drift import Share
from reconcile.model.ledger import Cause, LedgerRow
from reconcile.model.reports import MovementSummary
from reconcile.money import ZERO, minus, plus, total

OPENED, CLOSED, RESIZED = "opened", "closed", "resized"
MOST_UNSURE = 4
"""Among how many steps of unsure fate those are looked for that make the sums come out."""

MOST_TOLD = 50
"""How many ledger rows of one address are told one by one."""
MOST_AROUND = 8
"""How many rows on each side of a look are asked whether it had seen them."""
MOST_WINDOWS = 64
"""How many pairs of a beginning and an end are tried."""
MOST_ORDERS = 6
"""In how many orders the addresses of a symbol are asked for rows without a side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """One address between two looks, at ``since_ms`` and ``until_ms`` (exchange time).

    ``before`` and ``after`` are isolated margins, None where there was no isolated position. ``sent`` are our steps
    that the first look does not account for. ``lag_ms`` is how far a look may be behind. ``shared``: the symbol has
    positions on both sides, so a row without a side may be either's. ``resized``: the position has another size.
    """

    address: Address
    asset: str
    before: Decimal | None
    after: Decimal | None
    since_ms: int
    until_ms: int
    lag_ms: int
    step_size: Decimal
    shared: bool
    sent: tuple[UnreportedStep, ...] = ()
    resized: bool = False

    @property
    def rows_since_ms(self) -> int:
        """From when on the ledger's rows may belong to it."""
        return self.since_ms - self.lag_ms - CLOCK_AHEAD_MS

    @property
    def change(self) -> Decimal:
        """What there is to be told."""
        return minus(self.after or ZERO, self.before or ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What an interval is made of. ``rows`` are the ids of the ledger rows that were used."""

    ours: tuple[UnreportedStep, ...]
    shares: tuple[Share, ...]
    rows: frozenset[str] = frozenset()

    @property
    def is_whole(self) -> bool:
        """Whether everything has a name."""
        return all(share.cause != UNEXPLAINED for share in self.shares)


def account(interval: Interval, rows: Sequence[LedgerRow]) -> Explanation:
    """What the ledger's rows (oldest first; those of other addresses too) and our steps make of it."""
    first: Explanation | None = None
    for chosen in _choices(interval, rows):
        found = _with(interval, chosen, rows)
        if found.is_whole:
            return _named(interval, found)
        first = first or found
    return _named(interval, first or _with(interval, (), rows))


def accounts(intervals: Sequence[Interval], rows: Sequence[LedgerRow]) -> Mapping[Address, Explanation]:
    """What ``account`` makes of all addresses of one symbol: no row is used twice, and none of another's own steps.

    Rows without a side are given to whom they make the sums come out for, whoever is asked first.
    """
    ours = {interval.address: _rows_of_ours(interval, rows) for interval in intervals}
    first: dict[Address, Explanation] | None = None
    for order in islice(permutations(intervals), MOST_ORDERS):
        found: dict[Address, Explanation] = {}
        used: set[str] = set()
        for interval in order:
            others = {row_id for address, ids in ours.items() if address != interval.address for row_id in ids}
            left = [row for row in rows if row.row_id not in used | others]
            found[interval.address] = told = account(interval, left)
            used |= told.rows
        if all(told.is_whole for told in found.values()):
            return found
        first = first or found
    return first or {}


def drift_shares(
    found: Baseline, interval: Interval, rows: Sequence[LedgerRow], *, unsettled: frozenset[str] = frozenset()
) -> tuple[Share, ...]:
    """What moved an address since we last left it, summed by cause; what the rows leave open is ``unexplained``.

    ``interval`` begins at the baseline, and our own step is in its first margin. ``unsettled`` are the rows of a step
    of ours that has no outcome yet.
    """
    counted = _counted(interval, rows_after(rows, found), interval.change)
    return shares_of(counted, interval.change, unsettled=unsettled)


def summary(interval: Interval, found: Explanation) -> MovementSummary:
    """As a run tells it: causes in the order of their last row, what has none at the end."""
    dated = sorted(found.shares, key=lambda share: (share.at_ms is None, share.at_ms or 0))
    return MovementSummary(
        before=interval.before,
        after=interval.after,
        asset=interval.asset,
        ours=tuple((each.intent.intent_id, signed_amount(each.intent)) for each in found.ours),
        causes=tuple((str(each.cause), each.amount, each.at_ms) for each in dated),
    )


def _choices(interval: Interval, rows: Sequence[LedgerRow]) -> Iterator[tuple[UnreportedStep, ...]]:
    """Which of our steps to count: what is likeliest first, then with ever more of the unsure ones taken otherwise."""
    likely = [each for each in interval.sent if _is_likely(interval, each, rows)]
    yield tuple(likely)
    unsure = [each for each in interval.sent if not each.is_sure or each.known is not IntentStatus.APPLIED]
    if len(unsure) > MOST_UNSURE:
        return
    for size in range(1, len(unsure) + 1):
        for turned in combinations(unsure, size):
            yield tuple(each for each in interval.sent if (each in likely) is not (each in turned))


def _is_likely(interval: Interval, sent: UnreportedStep, rows: Sequence[LedgerRow]) -> bool:
    if sent.is_sure and sent.known is IntentStatus.APPLIED:
        return True
    if rows:
        row = _row_of(interval, sent, rows, ())
        return row is not None and row.time_ms <= interval.until_ms + CLOCK_AHEAD_MS
    return sent.known is IntentStatus.APPLIED


def _rows_of_ours(interval: Interval, rows: Sequence[LedgerRow]) -> set[str]:
    taken: list[str] = []
    for sent in interval.sent:
        row = _row_of(interval, sent, rows, taken)
        if row is not None:
            taken.append(row.row_id)
    return set(taken)


def _with(interval: Interval, chosen: tuple[UnreportedStep, ...], rows: Sequence[LedgerRow]) -> Explanation:
    """What the rows say about what these steps of ours leave to be told."""
    taken: list[str] = []
    for sent in chosen:
        row = _row_of(interval, sent, rows, taken)
        if row is not None:
            taken.append(row.row_id)
    rest = minus(interval.change, total(signed_amount(sent.intent) for sent in chosen))
    counted = _counted(interval, [row for row in rows if row.row_id not in taken], rest)
    return Explanation(
        ours=chosen, shares=_each_of(counted, rest), rows=frozenset([*taken, *(row.row_id for row in counted)])
    )


def _counted(interval: Interval, rows: Sequence[LedgerRow], rest: Decimal) -> list[LedgerRow]:
    """The rows that tell the rest whole, in the likeliest window with such; else what is certain in the likeliest."""
    address, shared = interval.address, interval.shared
    mine = [row for row in rows if may_be_of(row, address)]
    windows = sorted(
        product(enumerate(_starts(interval, mine)), enumerate(_ends(interval, mine))),
        key=lambda window: window[0][0] + window[1][0],
    )
    for (_, since_ms), (_, until_ms) in windows[:MOST_WINDOWS]:
        found = explaining([row for row in mine if since_ms <= row.time_ms <= until_ms], rest, shared=shared)
        if found is not None:
            return found
    between = [row for row in mine if interval.since_ms <= row.time_ms <= interval.until_ms]
    return certain(between, shared=shared)


def _each_of(counted: Sequence[LedgerRow], rest: Decimal) -> tuple[Share, ...]:
    """Row by row where they are few, else summed by cause."""
    if len(counted) > MOST_TOLD:
        return shares_of(counted, rest)
    shares = [Share(cause=row.cause, amount=row.change, at_ms=row.time_ms) for row in counted if row.change != ZERO]
    missing = minus(rest, total(share.amount for share in shares))
    return (*shares, Share(cause=UNEXPLAINED, amount=missing)) if missing != ZERO else tuple(shares)


def _starts(interval: Interval, rows: Sequence[LedgerRow]) -> Iterator[int]:
    """The moments from which on rows were not seen by the first look, the likeliest first.

    A step's own margin is seen a moment after the step, so it may hold rows from after it.
    """
    since_ms = interval.since_ms
    times = sorted({row.time_ms for row in rows})
    yield since_ms
    yield from [time_ms + 1 for time_ms in times if since_ms <= time_ms <= since_ms + interval.lag_ms][:MOST_AROUND]
    yield from [time_ms for time_ms in reversed(times) if interval.rows_since_ms <= time_ms < since_ms][:MOST_AROUND]


def _ends(interval: Interval, rows: Sequence[LedgerRow]) -> Iterator[int]:
    """The moments until which the last look may have seen the ledger's rows, the likeliest first."""
    sent_ms, lag_ms = interval.until_ms, interval.lag_ms
    times = sorted({row.time_ms for row in rows})
    yield sent_ms
    yield from [time_ms for time_ms in times if sent_ms < time_ms <= sent_ms + CLOCK_AHEAD_MS][:MOST_AROUND]
    yield from [time_ms - 1 for time_ms in reversed(times) if sent_ms - lag_ms <= time_ms <= sent_ms][:MOST_AROUND]


def _row_of(
    interval: Interval, sent: UnreportedStep, rows: Sequence[LedgerRow], taken: Collection[str]
) -> LedgerRow | None:
    """The row of a step of ours: the one its outcome claims, else the first that looks like it."""
    intent = sent.intent
    for row in rows:
        if row.row_id in taken or row.symbol != interval.address.symbol:
            continue
        if sent.claim is not None:
            if row.row_id == sent.claim:
                return row
        elif row.cause is Cause.MANUAL and fits(row, intent, step_size=interval.step_size):
            return row
    return None


def _named(interval: Interval, found: Explanation) -> Explanation:
    """What is left open of a position that came, went or changed its size; of one that came or went its fills too."""
    if (interval.before is None) is not (interval.after is None):
        cause, kinds = (OPENED if interval.before is None else CLOSED), {Cause.FILL.value, UNEXPLAINED}
    elif interval.resized:
        cause, kinds = RESIZED, {UNEXPLAINED}
    else:
        return found
    with_it = [share for share in found.shares if str(share.cause) in kinds]
    amount = ZERO
    for share in with_it:
        amount = plus(amount, share.amount)
    kept = tuple(share for share in found.shares if share not in with_it)
    at_ms = max((share.at_ms for share in with_it if share.at_ms is not None), default=None)
    added = (Share(cause=cause, amount=amount, at_ms=at_ms),) if amount != ZERO else ()
    return Explanation(ours=found.ours, shares=(*kept, *added), rows=found.rows)
