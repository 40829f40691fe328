"""Judge from one look at the exchange's ledger and the margin whether a step took effect.

Pure: ``protocol/searching.py`` waits, reads and compares looks. ``rows.py`` decides which rows are ours,
``possible.py`` decides what the margin proves.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from reconcile.evidence.possible import MarginEvidence, Possible
from reconcile.evidence.rows import (
    CLOCK_AHEAD_MS,
    Match,
    certain,
    changes,
    match_rows,
    may_be_of,
    signed_amount,
    unnamed,
    unsure_rows,
    without_known,
)
from reconcile.journal.records import Intent, IntentStatus
from reconcile.model.account import MarginType, Position
from reconcile.model.ledger import LedgerRead, LedgerRow
from reconcile.money import minus, parse


class Verdict(StrEnum):
    """The conclusion from a look: it may be to look again, which is no status that a journal can hold."""

    APPLIED = "applied"  # the ledger shows it
    APPLIED_ON_MARGIN = "applied_on_margin"  # the margin is the only evidence
    NOT_APPLIED = "not_applied"
    UNKNOWN = "unknown"
    RELEASED = "released"  # stays unknown: the ledger no longer reaches back; the lane is freed
    LOOK_AGAIN = "look_again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One look at ledger and margin. Two sights are equal if they give the same answer, whatever amount is ``live``.

    ``rows`` are the ids of matching ledger rows, oldest first; ``named`` is False if one of them can be the other
    side's. ``maybe`` are the ids of rows that may be ours or another party's. ``complete``: the ledger reaches back to
    the intent. ``live`` is the margin that the look showed (None: flat).
    """

    rows: tuple[str, ...]
    margin: MarginEvidence
    complete: bool
    named: bool = True
    maybe: tuple[str, ...] = ()
    live: Decimal | None = field(default=None, compare=False)

    @property
    def shows_absence(self) -> bool:
        """Whether both witnesses say that nothing happened."""
        return self.margin is MarginEvidence.NOT_MOVED and self.complete and not self.maybe


def sight(
    intent: Intent,
    position: Position | None,
    ledger: LedgerRead,
    *,
    claims: Collection[str],
    step_size: Decimal,
    shared: bool,
    unsure_since_ms: int | None = None,
    slack_ms: int = CLOCK_AHEAD_MS,
    known: Sequence[Intent] = (),
    older: Collection[Decimal] = (),
) -> Sight:
    """Read from one look what it shows about a margin intent.

    The intent was computed from a look that was already some time old and may have lagged. Rows from
    ``unsure_since_ms`` (None: none) until the signature may therefore be in its margin or not; later rows are not.
    ``claims`` are rows that other outcomes own; ``slack_ms`` and ``known`` are as for ``match_rows``, ``older`` as for
    ``Possible``. ``shared`` says that the symbol has positions on both sides, so that a row without a side may belong
    to either. Raises ValueError for an intent that moves no margin.
    """
    found = match_rows(ledger.rows, intent, claims=claims, step_size=step_size, slack_ms=slack_ms, known=known)
    seen = (*found.ours, *found.maybe)
    others = [row for row in ledger.rows if may_be_of(row, intent.address) and row not in seen]
    others = without_known(others, known, step_size=step_size)
    live = live_margin(position)
    if live is not None and _moved_by_ours(found, others, intent, live, step_size=step_size):
        found = Match(ours=found.maybe[:1])
    around = _around(intent, position, others, found, shared=shared, unsure_since_ms=unsure_since_ms, older=older)
    return Sight(
        rows=tuple(row.row_id for row in found.ours),
        margin=MarginEvidence.CANNOT_TELL if live is None or around is None else around.verdict(live),
        complete=ledger.reaches_back,
        named=not unnamed(found.ours, shared=shared),
        maybe=tuple(row.row_id for row in found.maybe),
        live=live,
    )


def live_margin(position: Position | None) -> Decimal | None:
    """The isolated margin of an open position; None if there is none."""
    is_isolated = position is not None and position.is_open and position.margin_type is MarginType.ISOLATED
    return position.isolated_margin if position is not None and is_isolated else None


def _moved_by_ours(
    found: Match, others: Sequence[LedgerRow], intent: Intent, live: Decimal, *, step_size: Decimal
) -> bool:
    """Whether the margin moved by exactly what was sent and the other rows since then, so that near rows are ours."""
    if not found.at_once:
        return False
    since = [row for row in others if row.time_ms >= intent.signed_at_ms]
    moved = minus(minus(live, parse(intent.before)), changes(since))
    return abs(minus(moved, signed_amount(intent))) <= step_size


def _around(
    intent: Intent,
    position: Position | None,
    others: Sequence[LedgerRow],
    found: Match,
    *,
    shared: bool,
    unsure_since_ms: int | None,
    older: Collection[Decimal],
) -> Possible | None:
    """The margins that are possible around an intent; None if the position is gone, or is another one by its id."""
    if position is None or intent.identity not in {None, position.identity}:
        return None
    since = [row for row in others if row.time_ms >= intent.signed_at_ms]
    unsure = unsure_rows(
        others,
        intent.address,
        unsure_since_ms,
        signed_ms=intent.signed_at_ms,
        calls_seen_ms=intent.calls_seen_ms,
        same_size=position.size == intent.size,
    )
    return Possible(
        before=parse(intent.before),
        amount=signed_amount(intent),
        since=changes(certain(since, shared=shared)),
        unsure=[row.change for row in (*unnamed(since, shared=shared), *unsure, *found.maybe)],
        older=older,
    )


def judge(seen: Sight, *, was: IntentStatus | None, long_after: bool, deadline_passed: bool) -> Verdict:
    """The verdict from two equal looks in a row.

    ``was`` is the status before them. None means doubt, ACCEPTED that the exchange accepted the call, and UNKNOWN that
    an earlier run could not determine what an accepted call did.
    ``long_after``: ten grace periods after the fence. ``deadline_passed``: the time to wait for a ledger row is over.
    """
    if seen.rows:
        return _judge_rows(seen, was=was, long_after=long_after, late=deadline_passed)
    if long_after or (seen.maybe and was is IntentStatus.ACCEPTED):
        return _judge_at_last(seen, was=was)
    if seen.margin is MarginEvidence.MOVED:
        return Verdict.APPLIED_ON_MARGIN if deadline_passed else Verdict.LOOK_AGAIN
    return Verdict.NOT_APPLIED if seen.shows_absence and was is None else Verdict.UNKNOWN


def _judge_rows(seen: Sight, *, was: IntentStatus | None, long_after: bool, late: bool) -> Verdict:
    """The verdict from matching rows: one proves the step; of several, it is not known which are ours."""
    if was is IntentStatus.ACCEPTED or (seen.named and len(seen.rows) == 1):
        return Verdict.APPLIED
    return Verdict.UNKNOWN if len(seen.rows) > 1 else _judge_unnamed(seen, long_after=long_after, late=late)


def _judge_at_last(seen: Sight, *, was: IntentStatus | None) -> Verdict:
    """The verdict from a look without a row of ours, once no such row can appear any more."""
    if seen.maybe and was is IntentStatus.ACCEPTED:
        return Verdict.APPLIED
    is_undone = seen.complete and (not seen.maybe or seen.margin is MarginEvidence.NOT_MOVED)
    return Verdict.NOT_APPLIED if is_undone else Verdict.RELEASED


def _judge_unnamed(seen: Sight, *, long_after: bool, late: bool) -> Verdict:
    """The verdict from one row that may be the other side's: the margin decides."""
    if seen.margin is MarginEvidence.MOVED:
        return Verdict.APPLIED
    if long_after and seen.margin is MarginEvidence.NOT_MOVED:
        return Verdict.NOT_APPLIED
    return Verdict.UNKNOWN if late else Verdict.LOOK_AGAIN


def judge_setting(intent: Intent, live: str | None) -> Verdict:
    """The verdict from a look after the fence about an absolute step; ``live`` is None if the setting is not shown.

    The auto-add setting of a closed position cannot be read, and setting it again does no harm: the lane is freed.
    """
    if live is None:
        return Verdict.RELEASED if intent.action == "set_auto_add" else Verdict.UNKNOWN
    return Verdict.APPLIED if live == intent.wanted else Verdict.NOT_APPLIED
