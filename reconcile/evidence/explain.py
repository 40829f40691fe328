"""Explain a change of isolated margin between the last looks of two runs: our own steps, and causes. Pure.

The journal names our own steps. It does not tell whether a look had seen a step that was open at that time, nor whether
that step took effect. Such a step counts if the ledger has its row, or if the sums come out only with it.

Ledger rows explain the rest, as in ``attribution``. The time of a look is not exact to the millisecond, and a look may
lag by the grace period. Rows near either look therefore count or not, whichever makes the sums come out.

Margin that arrived with a new position is ``opened``; margin that left with a position that is gone is ``closed``.
Margin that moved with a change of size is ``resized`` if the ledger shows no fills. Any other part is ``unexplained``.
The parts always add up to the difference.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, combinations, islice, permutations, product

from reconcile.evidence.attribution import UNEXPLAINED, UNSETTLED, by_cause, explaining
from reconcile.evidence.rows import (
    CLOCK_AHEAD_MS,
    calls_of,
    certain,
    fits,
    match_rows,
    may_be_of,
    signed_amount,
    without_known,
)
from reconcile.journal.records import Intent, IntentStatus, UnreportedStep
from reconcile.model.account import Address
from reconcile.model.drift import Share
from reconcile.model.ledger import Cause, LedgerRow
from reconcile.model.reports import MovementSummary
from reconcile.money import ZERO, minus, total

OPENED, CLOSED, RESIZED = "opened", "closed", "resized"
MOST_UNSURE = 4
"""With more unsure steps than this, their combinations are not tried."""

MOST_TOLD = 50
"""With more ledger rows than this for one address, they are summed by cause."""
MOST_AROUND = 8
"""How many rows on each side of a look are tried both as seen and as not seen by it."""
MOST_WINDOWS = 64
"""How many pairs of a start and an end are tried."""
MOST_ORDERS = 6
"""How many orders of a symbol's addresses are tried when rows without a side are assigned."""


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
        """The earliest time of a ledger row that may belong to the interval."""
        return self.since_ms - self.lag_ms - CLOCK_AHEAD_MS

    @property
    def change(self) -> Decimal:
        """The change of margin that needs an explanation."""
        return minus(self.after or ZERO, self.before or ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The parts of an interval's change. ``rows`` are the ids of the ledger rows that were used."""

    ours: tuple[UnreportedStep, ...]
    shares: tuple[Share, ...]
    rows: frozenset[str] = frozenset()

    @property
    def is_whole(self) -> bool:
        """Whether no part is unexplained."""
        return all(share.cause != UNEXPLAINED for share in self.shares)


def account(interval: Interval, rows: Sequence[LedgerRow]) -> Explanation:
    """Explain one interval by our steps and the ledger's rows, given oldest first and for any address."""
    first: Explanation | None = None
    for chosen in _choices(interval, rows):
        found = _with(interval, chosen, rows)
        if found.is_whole:
            return _named(interval, found)
        first = first or found
    return _named(interval, first or _with(interval, (), rows))


def accounts(
    intervals: Sequence[Interval], rows: Sequence[LedgerRow], *, calls: Iterable[Intent] = ()
) -> Mapping[Address, Explanation]:
    """Explain all addresses of one symbol as ``account`` does, and use no row for two addresses.

    The row of a step of ours counts for its own address only. ``calls`` are the symbol's calls in our journal; the row
    of one that is no step of any interval is in the margin before, and counts for no address. A row without a side goes
    to the address whose sums come out with it; several orders of the addresses are tried, always the same ones.
    """
    rows = _without_earlier(intervals, rows, calls)
    first: Mapping[Address, Explanation] | None = None
    for order in islice(permutations(sorted(intervals, key=lambda each: str(each.address))), MOST_ORDERS):
        found = _in_order(order, rows)
        if all(told.is_whole for told in found.values()):
            return found
        first = first or found
    return first or {}


def _without_earlier(
    intervals: Sequence[Interval], rows: Sequence[LedgerRow], calls: Iterable[Intent]
) -> Sequence[LedgerRow]:
    """The rows without those of calls that are no step of any interval."""
    sent = {step.intent.intent_id for interval in intervals for step in interval.sent}
    earlier = [call for call in calls if call.intent_id not in sent]
    return without_known(rows, earlier, step_size=intervals[0].step_size) if intervals else rows


def _in_order(intervals: Sequence[Interval], rows: Sequence[LedgerRow]) -> Mapping[Address, Explanation]:
    """Explain one address after the other; each leaves the rows that it used, and those of the others' steps."""
    ours = {interval.address: _rows_of_ours(interval, rows) for interval in intervals}
    found: dict[Address, Explanation] = {}
    used: set[str] = set()
    for interval in intervals:
        taken = used.union(*(ids for address, ids in ours.items() if address != interval.address))
        found[interval.address] = told = account(interval, [row for row in rows if row.row_id not in taken])
        used |= told.rows
    return found


def causes_of(found: Explanation) -> tuple[Share, ...]:
    """The parts of a drift by cause; a step of ours without a known outcome is ``unsettled``."""
    unsettled = [
        Share(cause=UNSETTLED, amount=signed_amount(each.intent)) for each in found.ours if not _is_certain(each)
    ]
    return by_cause((*found.shares, *unsettled))


def summary(interval: Interval, found: Explanation) -> MovementSummary:
    """The form that a run reports: causes in the order of their last row, causes without a row at the end."""
    dated = sorted(found.shares, key=lambda share: (share.at_ms is None, share.at_ms or 0))
    return MovementSummary(
        before=interval.before,
        after=interval.after,
        asset=interval.asset,
        ours=tuple((each.intent.intent_id, signed_amount(each.intent)) for each in found.ours),
        causes=tuple((str(each.cause), each.amount, each.at_ms) for each in dated),
    )


def _choices(interval: Interval, rows: Sequence[LedgerRow]) -> Iterator[tuple[UnreportedStep, ...]]:
    """The choices of our steps to count: the likeliest first, then with more and more unsure steps reversed."""
    likely = [each for each in interval.sent if _is_likely(interval, each, rows)]
    yield tuple(likely)
    unsure = [each for each in interval.sent if not _is_certain(each)]
    if len(unsure) > MOST_UNSURE:
        return
    for turned in chain.from_iterable(combinations(unsure, size) for size in range(1, len(unsure) + 1)):
        yield tuple(each for each in interval.sent if (each in likely) is not (each in turned))


def _is_certain(sent: UnreportedStep) -> bool:
    return sent.is_sure and sent.known is IntentStatus.APPLIED


def _is_likely(interval: Interval, sent: UnreportedStep, rows: Sequence[LedgerRow]) -> bool:
    if _is_certain(sent):
        return True
    if rows:
        own = _rows_of(interval, sent, rows, ())
        return bool(own) and own[-1].time_ms <= interval.until_ms + CLOCK_AHEAD_MS
    return sent.known is IntentStatus.APPLIED


def _rows_of_ours(interval: Interval, rows: Sequence[LedgerRow]) -> set[str]:
    return set(_taken(interval, interval.sent, rows))


def _taken(interval: Interval, steps: Sequence[UnreportedStep], rows: Sequence[LedgerRow]) -> list[str]:
    taken: list[str] = []
    for sent in steps:
        taken += [row.row_id for row in _rows_of(interval, sent, rows, taken)]
    return taken


def _with(interval: Interval, chosen: tuple[UnreportedStep, ...], rows: Sequence[LedgerRow]) -> Explanation:
    """Explain by ledger rows the part of the change that these steps of ours leave open."""
    taken = _taken(interval, chosen, rows)
    rest = minus(interval.change, total(signed_amount(sent.intent) for sent in chosen))
    counted = _counted(interval, [row for row in rows if row.row_id not in taken], rest)
    return Explanation(
        ours=chosen, shares=_each_of(counted, rest), rows=frozenset([*taken, *(row.row_id for row in counted)])
    )


def _counted(interval: Interval, rows: Sequence[LedgerRow], rest: Decimal) -> list[LedgerRow]:
    """The rows that add up to the rest, from the likeliest window that has such rows.

    Without such a window, the rows between the looks that certainly belong to the address.
    """
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
    """One share per row up to ``MOST_TOLD`` rows, else one per cause; and the part that they leave unexplained."""
    shares = [Share(cause=row.cause, amount=row.change, at_ms=row.time_ms) for row in counted if row.change != ZERO]
    missing = minus(rest, total(share.amount for share in shares))
    if missing != ZERO:
        shares.append(Share(cause=UNEXPLAINED, amount=missing))
    return by_cause(shares) if len(counted) > MOST_TOLD else tuple(shares)


def _starts(interval: Interval, rows: Sequence[LedgerRow]) -> Iterator[int]:
    """The times from which the first look may have missed rows, the likeliest first.

    The margin after a step is read a moment later, so it may include rows dated after the step.
    """
    since_ms = interval.since_ms
    times = sorted({row.time_ms for row in rows})
    yield since_ms
    yield from [time_ms + 1 for time_ms in times if since_ms <= time_ms <= since_ms + interval.lag_ms][:MOST_AROUND]
    yield from [time_ms for time_ms in reversed(times) if interval.rows_since_ms <= time_ms < since_ms][:MOST_AROUND]


def _ends(interval: Interval, rows: Sequence[LedgerRow]) -> Iterator[int]:
    """The times up to which the last look may have seen rows, the likeliest first."""
    sent_ms, lag_ms = interval.until_ms, interval.lag_ms
    times = sorted({row.time_ms for row in rows})
    yield sent_ms
    yield from [time_ms for time_ms in times if sent_ms < time_ms <= sent_ms + CLOCK_AHEAD_MS][:MOST_AROUND]
    yield from [time_ms - 1 for time_ms in reversed(times) if sent_ms - lag_ms <= time_ms <= sent_ms][:MOST_AROUND]


def _rows_of(
    interval: Interval, sent: UnreportedStep, rows: Sequence[LedgerRow], taken: Collection[str]
) -> list[LedgerRow]:
    """The rows of a step of ours: the one its outcome claims, else the first that looks like it, else those that may
    all be its own at once."""
    free = [row for row in rows if row.row_id not in taken and row.symbol == interval.address.symbol]
    if sent.claim is not None:
        return [row for row in free if row.row_id == sent.claim][:1]
    alike = [row for row in calls_of(free, sent.intent.address) if fits(row, sent.intent, step_size=interval.step_size)]
    found = match_rows(free, sent.intent, claims=(), step_size=interval.step_size)
    return alike[:1] or list(found.at_once)


def _named(interval: Interval, found: Explanation) -> Explanation:
    """Name the unexplained part of a position that opened, closed or changed size.

    If it opened or closed, its fills are part of that too.
    """
    cause, kinds = _name_of(interval)
    if cause is None:
        return found
    with_it = [share for share in found.shares if str(share.cause) in kinds]
    amount = total(share.amount for share in with_it)
    kept = tuple(share for share in found.shares if share not in with_it)
    at_ms = max((share.at_ms for share in with_it if share.at_ms is not None), default=None)
    added = (Share(cause=cause, amount=amount, at_ms=at_ms),) if amount != ZERO else ()
    return Explanation(ours=found.ours, shares=(*kept, *added), rows=found.rows)


def _name_of(interval: Interval) -> tuple[str | None, Collection[str]]:
    """The name for what stays unexplained (None: it has none), and the causes that are part of it."""
    if (interval.before is None) is not (interval.after is None):
        return OPENED if interval.before is None else CLOSED, {Cause.FILL.value, UNEXPLAINED}
    return RESIZED if interval.resized else None, {UNEXPLAINED}
