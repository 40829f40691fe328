"""Judge from one look, at the exchange's ledger and at the margin, what a step did.

Pure: ``protocol/searching.py`` waits, reads and compares looks. A quarter of the amount separates "moved", "did not
move" and "cannot tell". That is far above the effect of funding and far below that of a second transfer.

A row counts as ours only between the signing of its request and its fence. An exchange lets a clock be one second
ahead, so the interval begins a second before. After the fence the request can no longer take effect. The journal's
newest row narrows the interval if the ledger read contains it; otherwise the times decide alone.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from reconcile.journal.records import Effect, Intent
from reconcile.model.account import Address, MarginType, Position
from reconcile.model.ledger import Cause, LedgerRead, LedgerRow
from reconcile.money import ZERO, decimals, minus, parse, plus, rounded, total

CLOCK_AHEAD_MS = 1_000
"""How far a signed timestamp can be ahead of the exchange's clock at the moment it is accepted."""


class MarginEvidence(StrEnum):
    """The evidence of the margin about a step."""

    MOVED = "moved"  # by our amount
    NOT_MOVED = "not_moved"
    CANNOT_TELL = "cannot_tell"


class PriorOutcome(StrEnum):
    """The outcome of a step as known before the look."""

    DOUBT = "doubt"
    ACCEPTED = "accepted"
    UNKNOWN = "unknown"  # said yes to, and an earlier run could not tell


class Verdict(StrEnum):
    """The conclusion from a look."""

    APPLIED = "applied"  # the ledger has it
    APPLIED_ON_MARGIN = "applied_on_margin"  # the margin is the only evidence
    NOT_APPLIED = "not_applied"
    UNKNOWN = "unknown"
    RELEASED = "released"  # unknown for ever: out of the ledger's reach; the lane goes free
    LOOK_AGAIN = "look_again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One look at both witnesses. Two sights are equal when they give the same answer, whenever they were had.

    ``rows`` are the ids of matching ledger rows, oldest first, ``named`` whether none of them can be the other side's;
    ``complete`` whether the ledger reaches back to the intent; ``asked_ms`` the exchange time at which the look was
    asked for; ``live`` the margin it showed (None: flat).
    """

    rows: tuple[str, ...]
    margin: MarginEvidence
    complete: bool
    named: bool = True
    asked_ms: int = field(compare=False)
    live: Decimal | None = field(default=None, compare=False)


def sight(
    intent: Intent,
    position: Position | None,
    ledger: LedgerRead,
    *,
    claims: Collection[str],
    step_size: Decimal,
    shared: bool,
    asked_ms: int,
    unsure_since_ms: int | None = None,
) -> Sight:
    """What one look shows about a margin intent.

    Rows from ``unsure_since_ms`` (None: none) until the intent was signed may or may not be in the margin it was
    computed from, because that look had its age and its lag; rows since then are not.
    ``claims`` are rows that other outcomes own. ``shared`` says that the symbol has positions on both sides, so that a
    row without a side may belong to either. Raises ValueError for an intent that moves no margin.
    """
    amount = signed_amount(intent)
    is_open = position is not None and position.is_open and position.margin_type is MarginType.ISOLATED
    live = position.isolated_margin if position is not None and is_open else None
    matching = match_rows(ledger.rows, intent, claims=claims, step_size=step_size)
    if not matching and live is not None:
        matching = match_printed_rows(ledger.rows, intent, live, claims=claims, step_size=step_size)
    ours = {row.row_id for row in matching}
    others = [row for row in ledger.rows if row.row_id not in ours]
    since = [row for row in others if row.time_ms >= intent.signed_at_ms]
    explained, unnamed = explained_by(since, intent.address, shared=shared)
    same_size = position is not None and position.size == intent.size
    unsure = unsure_rows(others, intent.address, unsure_since_ms, signed_ms=intent.signed_at_ms, same_size=same_size)
    unnamed = plus(unnamed, total(abs(row.change) for row in unsure))
    identity = position.identity if position is not None else None
    margin = margin_verdict(
        parse(intent.before),
        live,
        amount,
        explained=explained,
        reopened=intent.identity is not None and identity != intent.identity,
        ambiguous=unnamed >= abs(amount) / 4,
    )
    return Sight(
        rows=tuple(row.row_id for row in matching),
        margin=margin,
        complete=ledger.reaches_back,
        named=not shared or all(row.side is not None for row in matching),
        asked_ms=asked_ms,
        live=live,
    )


def signed_amount(intent: Intent) -> Decimal:
    """How an intent changes isolated margin: positive adds. Raises ValueError for one that moves none."""
    if intent.amount is None:
        raise ValueError(f"looking for the margin that {intent.action} of {intent.address} moved: it moves none")
    return intent.amount if intent.action == "add_margin" else -intent.amount


def match_rows(
    rows: Sequence[LedgerRow], intent: Intent, *, claims: Collection[str], step_size: Decimal
) -> tuple[LedgerRow, ...]:
    """The ledger rows (given oldest first) that may be this intent's effect.

    This symbol, this side where the ledger names one, a call's and not a fill's or funding's, this direction, the
    amount within one step, newer than the intent, older than its fence, and owned by no other outcome.
    """
    amount = signed_amount(intent)
    return tuple(
        row
        for row in _newer(rows, intent)
        if row.cause is Cause.MANUAL
        and may_be_of(row, intent.address)
        and row.time_ms <= intent.fence_ms
        and (row.change > 0) is (amount > 0)
        and abs(minus(row.change, amount)) <= step_size
        and row.row_id not in claims
    )


def match_printed_rows(
    rows: Sequence[LedgerRow], intent: Intent, live: Decimal, *, claims: Collection[str], step_size: Decimal
) -> tuple[LedgerRow, ...]:
    """The one row that may be this intent's effect although the ledger prints it with fewer decimals than were sent.

    Its amount is ours rounded to its own decimals, and the margin moved by exactly what was sent and what the other
    rows since then explain. A call of the same size by another party leaves the margin where its own amount does.
    """
    amount = signed_amount(intent)
    same = [
        row
        for row in _newer(rows, intent)
        if row.cause is Cause.MANUAL
        and may_be_of(row, intent.address)
        and row.time_ms <= intent.fence_ms
        and row.row_id not in claims
        and rounded(amount, decimals(row.change)) == row.change
    ]
    if len(same) != 1:
        return ()
    since = [row for row in rows if row.time_ms >= intent.signed_at_ms and row.row_id != same[0].row_id]
    explained, _ = explained_by(since, intent.address, shared=False)
    moved = minus(minus(live, parse(intent.before)), explained)
    return tuple(same) if abs(minus(moved, amount)) <= step_size else ()


def _newer(rows: Sequence[LedgerRow], intent: Intent) -> list[LedgerRow]:
    at_cursor = next((place for place, row in enumerate(rows) if row.row_id == intent.cursor), -1)
    return [row for row in rows[at_cursor + 1 :] if row.time_ms >= intent.signed_at_ms - CLOCK_AHEAD_MS]


def may_be_of(row: LedgerRow, address: Address) -> bool:
    """Whether a row may be an address's: its symbol's, and of its side where the ledger names one."""
    return row.symbol == address.symbol and (row.side is None or row.side == address.side)


def explained_by(rows: Sequence[LedgerRow], address: Address, *, shared: bool) -> tuple[Decimal, Decimal]:
    """What rows explain of a margin's change, and how much more they may or may not explain, without a sign."""
    relevant = [row for row in rows if may_be_of(row, address)]
    certain = total(row.change for row in relevant if row.side is not None or not shared)
    uncertain = total(abs(row.change) for row in relevant if row.side is None and shared)
    return certain, uncertain


def unsure_rows(
    rows: Sequence[LedgerRow], address: Address, since_ms: int | None, *, signed_ms: int, same_size: bool
) -> list[LedgerRow]:
    """The rows from ``since_ms`` (None: none) until a step that its margin before may or may not hold."""
    recent = [row for row in rows if since_ms is not None and row.time_ms >= since_ms and may_be_of(row, address)]
    alike = fills_held_alike(recent, signed_ms=signed_ms, same_size=same_size)
    return [row for row in recent if row.time_ms < signed_ms and row not in alike]


def fills_held_alike(rows: Sequence[LedgerRow], *, signed_ms: int, same_size: bool) -> list[LedgerRow]:
    """The fills from before a step that its look and a later reading both hold, or both lack.

    ``same_size`` says that the position has the same size in both. Then no fill lies between the two, unless another
    one undoes its size; a fill that does moves the margin the other way.
    """
    fills = [row for row in rows if row.cause is Cause.FILL]
    if not same_size or {row.change > 0 for row in fills} == {True, False}:
        return []
    return [row for row in fills if row.time_ms < signed_ms]


def margin_verdict(
    before: Decimal,
    after: Decimal | None,
    amount: Decimal,
    *,
    explained: Decimal = ZERO,
    reopened: bool = False,
    ambiguous: bool = False,
) -> MarginEvidence:
    """Whether isolated margin moved by a signed ``amount`` from ``before`` to ``after`` (None: no such position now).

    ``explained`` is what other ledger rows account for; ``reopened`` that it is another position by now; ``ambiguous``
    that rows of a quarter of the amount or more may belong to it or to the other side, or be in ``before`` already. If
    ledger rows cancel our move and the margin equals ``before``, the read may predate both: CANNOT_TELL.
    """
    if after is None or reopened or ambiguous:
        return MarginEvidence.CANNOT_TELL
    seen = minus(after, before)
    change = minus(seen, explained)
    quarter = abs(amount) / 4
    if abs(minus(change, amount)) <= quarter:
        return MarginEvidence.MOVED if abs(seen) > quarter else MarginEvidence.CANNOT_TELL
    return MarginEvidence.NOT_MOVED if abs(change) <= quarter else MarginEvidence.CANNOT_TELL


def judge(seen: Sight, *, was: PriorOutcome, long_after: bool, deadline_passed: bool) -> Verdict:
    """What a look that was had twice in a row proves.

    ``long_after``: ten graces after the fence. ``deadline_passed``: looking on for a ledger row is over.
    """
    if len(seen.rows) == 1:
        is_ours = seen.named or was is PriorOutcome.ACCEPTED
        return Verdict.APPLIED if is_ours else _judge_unnamed(seen, long_after=long_after, late=deadline_passed)
    if seen.rows:
        return Verdict.APPLIED if was is PriorOutcome.ACCEPTED else Verdict.UNKNOWN
    if long_after:
        return Verdict.NOT_APPLIED if seen.complete else Verdict.RELEASED
    if seen.margin is MarginEvidence.MOVED:
        return Verdict.APPLIED_ON_MARGIN if deadline_passed else Verdict.LOOK_AGAIN
    if seen.margin is MarginEvidence.NOT_MOVED and seen.complete and was is PriorOutcome.DOUBT:
        return Verdict.NOT_APPLIED
    return Verdict.UNKNOWN


def _judge_unnamed(seen: Sight, *, long_after: bool, late: bool) -> Verdict:
    """What one row proves that may be the other side's just as well: what the margin says of it."""
    if seen.margin is MarginEvidence.MOVED:
        return Verdict.APPLIED
    if long_after and seen.margin is MarginEvidence.NOT_MOVED:
        return Verdict.NOT_APPLIED
    return Verdict.UNKNOWN if late else Verdict.LOOK_AGAIN


def judge_type(intent: Intent, live: MarginType | None) -> Verdict:
    """What a look after the fence proves about a type change; ``live`` is None where no type is shown."""
    if live is None:
        return Verdict.UNKNOWN
    return Verdict.APPLIED if live == intent.wanted else Verdict.NOT_APPLIED


def rows_since(rows: Sequence[LedgerRow], move: Effect) -> list[LedgerRow]:
    """The rows since a step of ours was signed."""
    return [row for row in rows if row.time_ms >= move.signed_ms - CLOCK_AHEAD_MS]


def our_row(rows: Sequence[LedgerRow], move: Effect, amount: Decimal) -> LedgerRow | None:
    """The row of our own step: the one it claimed, else the first that looks like it."""
    if move.claim is not None:
        return next((row for row in rows if row.row_id == move.claim), None)
    return next(
        (
            row
            for row in rows
            if row.cause is Cause.MANUAL
            and may_be_of(row, move.address)
            and abs(minus(row.change, amount)) <= abs(amount) / 4
        ),
        None,
    )


def without_ours(rows: Sequence[LedgerRow], move: Effect) -> list[LedgerRow]:
    """The rows since a step of ours was signed, less the one that is its own."""
    newer = rows_since(rows, move)
    if move.before is None or move.after is None:
        return newer
    ours = our_row(newer, move, minus(move.after, move.before))
    return [row for row in newer if row is not ours]
