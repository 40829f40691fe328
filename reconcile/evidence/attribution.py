"""The margin that we last left at an address, from which a drift counts, and causes summed up. Pure.

A part that the ledger does not explain stays ``unexplained``; nothing is guessed. A row without a side may belong to
either side of a symbol. While both hold a position, such rows count only if all rows together explain the drift to the
last digit. A step of ours that may have moved margin, but whose outcome is open, is called ``unsettled``.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from reconcile.evidence.rows import certain, unnamed
from reconcile.journal.records import IntentStatus, UnreportedStep
from reconcile.journal.state import JournalState
from reconcile.model.account import Address
from reconcile.model.drift import Share
from reconcile.model.ledger import Cause, LedgerRow, summing
from reconcile.money import ZERO, minus, parse, plus, total

UNEXPLAINED = "unexplained"
UNSETTLED = "unsettled"
ORDER = (Cause.FUNDING, Cause.FILL, Cause.MANUAL, Cause.AUTO, Cause.OTHER, UNSETTLED, UNEXPLAINED)
"""The order in which outputs list causes; any other comes last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The margin that we last left at an address: ``expected``.

    It was ``before`` at the exchange time ``since_ms``, and ``sent`` are our steps from then on: the last one that took
    effect, and one whose outcome is open. The first is missing if a person resolved it, or if a run found the margin
    already in place.
    """

    expected: Decimal
    before: Decimal
    since_ms: int
    sent: tuple[UnreportedStep, ...] = ()


def baseline(state: JournalState, address: Address, lane: str) -> Baseline | None:
    """The margin that an apply last set or found in place; None if no apply has."""
    place, open_step = str(address), _open_step(state, address, lane)
    if (standing := state.margins.standing.get(place)) is not None:
        return _found(standing.margin, standing.since_ms, open_step)
    if (applied := state.margins.applied.get(place)) is None:
        return None
    if (step := _last_step(state, place, lane)) is not None:
        intent = step.intent
        others = tuple(each for each in open_step if each.intent.intent_id != intent.intent_id)
        return Baseline(
            expected=parse(intent.wanted),
            before=parse(intent.before),
            since_ms=intent.signed_at_ms,
            sent=(step, *others),
        )
    effect = state.effects.get(lane)
    return _found(parse(applied[0]), 0 if effect is None else effect.effect_ms, open_step)


def _found(margin: Decimal, since_ms: int, sent: tuple[UnreportedStep, ...]) -> Baseline:
    return Baseline(expected=margin, before=margin, since_ms=since_ms, sent=sent)


def _last_step(state: JournalState, place: str, lane: str) -> UnreportedStep | None:
    """The last step that moved margin at an address; None if there is none, or the journal no longer has it."""
    move = state.moves.get(place)
    for call in reversed(state.calls.get(lane, ())):
        if move is not None and str(call.address) == place and call.signed_at_ms == move.signed_ms:
            return UnreportedStep(intent=call, known=IntentStatus.APPLIED, claim=move.claim)
    return None


def _open_step(state: JournalState, address: Address, lane: str) -> tuple[UnreportedStep, ...]:
    """Our step at this address whose outcome is open."""
    item = state.unsettled.get(lane)
    if item is None or item.intent.amount is None or item.intent.address != address:
        return ()
    return (UnreportedStep(intent=item.intent, known=item.known, is_sure=False),)


def by_cause(shares: Iterable[Share]) -> tuple[Share, ...]:
    """One share for each cause, in ``ORDER``, with the time of its last row."""
    sums: dict[str, Decimal] = defaultdict(lambda: ZERO)
    last: dict[str, int | None] = {}
    for share in shares:
        cause = str(share.cause)
        sums[cause] = plus(sums[cause], share.amount)
        last[cause] = share.at_ms if share.at_ms is not None else last.get(cause)
    found = [Share(cause=cause, amount=amount, at_ms=last[cause]) for cause, amount in sums.items() if amount != ZERO]
    return tuple(sorted(found, key=lambda share: [*ORDER, share.cause].index(share.cause)))


def explaining(rows: Sequence[LedgerRow], drift: Decimal, *, shared: bool) -> list[LedgerRow] | None:
    """The rows of an address that add up to a drift, oldest first; None if no choice does.

    All rows that certainly belong to the address count, and as many as possible of those that may.
    """
    named = certain(rows, shared=shared)
    chosen = summing(unnamed(rows, shared=shared), minus(drift, total(row.change for row in named)), most=True)
    return None if chosen is None else sorted([*named, *chosen], key=lambda row: row.time_ms)
