"""Decide which rows of an exchange's ledger are ours. Pure; every caller asks here.

A row can be ours only between the signing of its request and its fence: after the fence the request can no longer take
effect. An exchange dates its rows by a clock of its own, which may differ from the one we sign by. A row with exactly
our amount is ours if it is dated at most ``CLOCK_AHEAD_MS`` before the signature. An exchange may allow a larger slack.
A row that is earlier within that slack, or whose amount is only near ours, needs the margin as well. It is ours if the
margin moved by exactly the amount we sent. Otherwise it may be ours or another party's, and the verdict is that we
cannot tell.

Each of our other calls accounts for one row at most. Only the rows that are left over can be this step's.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from reconcile.journal.records import Effect, Intent
from reconcile.model.account import Address
from reconcile.model.ledger import Cause, LedgerRow, summing
from reconcile.money import ZERO, decimals, minus, rounded, total

CLOCK_AHEAD_MS = 1_000
"""How far before the signature a row may be dated and still count as ours by its amount alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The rows of one step: ``ours`` match by amount and time; if there are none, ``maybe`` may be ours.

    ``maybe`` holds each row that is near the amount, and those that add up to it. ``is_sum``: it holds these alone.
    """

    ours: tuple[LedgerRow, ...] = ()
    maybe: tuple[LedgerRow, ...] = ()
    is_sum: bool = False

    @property
    def at_once(self) -> tuple[LedgerRow, ...]:
        """The rows that may be ours, if all of them can be; else none."""
        return self.maybe if self.is_sum or len(self.maybe) == 1 else ()


def signed_amount(intent: Intent) -> Decimal:
    """How an intent changes isolated margin: positive adds. Raises ValueError for one that moves none."""
    if intent.amount is None:
        raise ValueError(f"looking for the margin that {intent.action} of {intent.address} moved: it moves none")
    return intent.amount if intent.action == "add_margin" else -intent.amount


def match_rows(
    rows: Sequence[LedgerRow],
    intent: Intent,
    *,
    claims: Collection[str],
    step_size: Decimal,
    slack_ms: int = CLOCK_AHEAD_MS,
    known: Sequence[Intent] = (),
) -> Match:
    """The ledger rows (given oldest first) that are, or may be, this intent's effect.

    A candidate is a margin call's row of the intent's symbol and direction, and of its side if the ledger names one. It
    is newer than the newest row that the intent journalled, and no other outcome claims it. It is dated from
    ``slack_ms`` before the signature (at least ``CLOCK_AHEAD_MS``) until the fence. ``known`` are our other calls of
    the lane. A row that one of them accounts for does not count if it is dated more than ``CLOCK_AHEAD_MS`` before the
    signature. If as many of them fit the later rows as there are such rows, each of these rows may be another call's.
    If there are more rows, the newest are ours: no call of a lane is sent before the one before it took effect.
    """
    amount, from_ms = signed_amount(intent), intent.signed_at_ms - CLOCK_AHEAD_MS
    left = _left_early(rows, intent, known, step_size=step_size, slack_ms=slack_ms)
    candidates = [row for row in _candidates(rows, intent, left) if row.row_id not in claims]
    exact = [row for row in candidates if row.time_ms >= from_ms and abs(minus(row.change, amount)) <= step_size]
    ours = exact[_fitting(known, exact, step_size=step_size) :]
    if ours:
        return Match(ours=tuple(ours))
    return _near(candidates, amount)


def _near(candidates: Sequence[LedgerRow], amount: Decimal) -> Match:
    """The rows that may be a step's of this amount: each of those near it, and those that add up to it."""
    near = [row for row in candidates if _is_printed(row, amount) or _is_near(row, amount)]
    parts = _adding_up(candidates, amount)
    maybe = tuple(row for row in candidates if row in near or row in parts)
    return Match(maybe=maybe, is_sum=len(maybe) == len(parts))


def _adding_up(candidates: Sequence[LedgerRow], amount: Decimal) -> Sequence[LedgerRow]:
    """The rows that add up to an amount: exactly, else within their rounding; none if there are no such rows."""
    return summing(candidates, amount) or summing(candidates, amount, rounding=True) or ()


def _candidates(rows: Sequence[LedgerRow], intent: Intent, left: Sequence[LedgerRow]) -> list[LedgerRow]:
    """The margin calls of an intent's address, direction and time; ``left`` are earlier rows that count as timely."""
    from_ms, is_adding = intent.signed_at_ms - CLOCK_AHEAD_MS, signed_amount(intent) > 0
    timely = [row for row in _after(rows, intent.cursor) if from_ms <= row.time_ms <= intent.fence_ms or row in left]
    return [row for row in calls_of(timely, intent.address) if (row.change > 0) is is_adding]


def _fitting(calls: Sequence[Intent], rows: Sequence[LedgerRow], *, step_size: Decimal) -> int:
    """The number of calls that fit one of the rows."""
    return sum(any(fits(row, call, step_size=step_size) for row in rows) for call in calls)


def _left_early(
    rows: Sequence[LedgerRow], intent: Intent, known: Sequence[Intent], *, step_size: Decimal, slack_ms: int
) -> list[LedgerRow]:
    """The rows from the clock's slack before the signature that no other call accounts for."""
    near_ms, from_ms = intent.signed_at_ms - slack_ms, intent.signed_at_ms - CLOCK_AHEAD_MS
    left = without_known(rows, _rivals(intent, known, slack_ms=slack_ms), step_size=step_size, slack_ms=slack_ms)
    return [row for row in left if near_ms <= row.time_ms < from_ms]


def _after(rows: Sequence[LedgerRow], row_id: str | None) -> Sequence[LedgerRow]:
    """The rows after that one; all if it is not among them."""
    return rows[next((place + 1 for place, row in enumerate(rows) if row.row_id == row_id), 0) :]


def fits(row: LedgerRow, intent: Intent, *, step_size: Decimal, slack_ms: int = CLOCK_AHEAD_MS) -> bool:
    """Whether a row has the address, amount and time of a call of ours; the amount may be rounded as the row shows.

    The row may be dated ``slack_ms`` before the signature. Raises ValueError for an intent that moves no margin.
    """
    amount = signed_amount(intent)
    is_within = intent.signed_at_ms - slack_ms <= row.time_ms <= intent.fence_ms
    return (
        is_within
        and may_be_of(row, intent.address)
        and (abs(minus(row.change, amount)) <= step_size or _is_printed(row, amount))
    )


def _is_near(row: LedgerRow, amount: Decimal) -> bool:
    return abs(minus(row.change, amount)) <= abs(amount) / 4


def _is_printed(row: LedgerRow, amount: Decimal) -> bool:
    return row.change != ZERO and rounded(amount, decimals(row.change)) == row.change


def unknown_calls(
    rows: Sequence[LedgerRow], known: Sequence[Intent], address: Address, *, step_size: Decimal
) -> list[LedgerRow]:
    """The margin calls of an address, or of its symbol where rows name no side, that no known call accounts for."""
    return without_known(calls_of(rows, address), known, step_size=step_size)


def without_known(
    rows: Sequence[LedgerRow], known: Sequence[Intent], *, step_size: Decimal, slack_ms: int = CLOCK_AHEAD_MS
) -> list[LedgerRow]:
    """The rows that no known call accounts for.

    Each accounts for the first row of a margin call that ``fits`` it, else for the first such rows that add up to it.
    """
    left = list(rows)
    for intent in known:
        calls = calls_of(left, intent.address)
        own = [row for row in calls if fits(row, intent, step_size=step_size, slack_ms=slack_ms)][:1]
        for row in own or _sum_of(calls, intent, slack_ms=slack_ms):
            left.remove(row)
    return left


def _sum_of(calls: Sequence[LedgerRow], intent: Intent, *, slack_ms: int) -> Sequence[LedgerRow]:
    """The rows of a call that its exchange booked as several; none if there are no such rows."""
    timely = [row for row in calls if intent.signed_at_ms - slack_ms <= row.time_ms <= intent.fence_ms]
    return summing(timely, signed_amount(intent)) or ()


def ledger_from(intent: Intent, known: Sequence[Intent], *, slack_ms: int) -> int:
    """The time from which the ledger is needed to find an intent's row beside those of our other calls of the lane."""
    calls = [intent, *_rivals(intent, known, slack_ms=slack_ms)]
    return min(call.signed_at_ms for call in calls) - slack_ms


def _rivals(intent: Intent, known: Sequence[Intent], *, slack_ms: int) -> list[Intent]:
    """The other calls whose rows may be dated as late as the clock's slack before the signature."""
    return [call for call in known if call.fence_ms >= intent.signed_at_ms - slack_ms]


def may_be_of(row: LedgerRow, address: Address) -> bool:
    """Whether a row may belong to an address: same symbol, and same side if the ledger names one."""
    return row.symbol == address.symbol and (row.side is None or row.side == address.side)


def calls_of(rows: Sequence[LedgerRow], address: Address) -> list[LedgerRow]:
    """The margin calls that may belong to an address."""
    return [row for row in rows if row.cause is Cause.MANUAL and may_be_of(row, address)]


def certain(rows: Sequence[LedgerRow], *, shared: bool) -> list[LedgerRow]:
    """The rows that certainly belong to an address, of those that may; ``shared``: both sides hold a position."""
    return [row for row in rows if row.side is not None or not shared]


def unnamed(rows: Sequence[LedgerRow], *, shared: bool) -> list[LedgerRow]:
    """The rows that may belong to the other side as well, of those that may belong to an address."""
    return [row for row in rows if row.side is None and shared]


def unsure_rows(
    rows: Sequence[LedgerRow],
    address: Address,
    since_ms: int | None,
    *,
    signed_ms: int,
    calls_seen_ms: int | None,
    same_size: bool,
) -> list[LedgerRow]:
    """The rows from ``since_ms`` (None: none) until a step that may or may not be in the margin before the step.

    ``same_size``: the position has the same size before the step and in a later reading. Both margins then include its
    fills or both lack them, unless another fill undid the size; such a fill moves margin the other way.
    ``calls_seen_ms`` is from the intent: its margin includes the calls up to that time.
    """
    if since_ms is None:
        return []
    mine = [row for row in rows if row.time_ms >= since_ms and may_be_of(row, address)]
    sure = [*_calls_until(mine, calls_seen_ms or 0), *(_fills_one_way(mine) if same_size else ())]
    return [row for row in mine if row.time_ms < signed_ms and row not in sure]


def _calls_until(rows: Sequence[LedgerRow], time_ms: int) -> list[LedgerRow]:
    return [row for row in rows if row.cause is Cause.MANUAL and row.time_ms <= time_ms]


def _fills_one_way(rows: Sequence[LedgerRow]) -> list[LedgerRow]:
    """The fills among rows; none if they moved margin both ways."""
    fills = [row for row in rows if row.cause is Cause.FILL]
    return fills if {row.change > 0 for row in fills} != {True, False} else []


def changes(rows: Sequence[LedgerRow]) -> Decimal:
    """The sum of what rows moved."""
    return total(row.change for row in rows)


def rows_since(rows: Sequence[LedgerRow], move: Effect) -> list[LedgerRow]:
    """The rows since a step of ours was signed."""
    return [row for row in rows if row.time_ms >= move.signed_ms - CLOCK_AHEAD_MS]


def our_row(rows: Sequence[LedgerRow], move: Effect, amount: Decimal) -> LedgerRow | None:
    """The row of our own step: the row that its outcome claims, else the first one that resembles it."""
    if move.claim is not None:
        return next((row for row in rows if row.row_id == move.claim), None)
    return next((row for row in calls_of(rows, move.address) if _is_near(row, amount)), None)
