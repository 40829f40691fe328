"""Leading a step out of doubt: wait for the fence, then look at both witnesses until two looks in a row agree.

Nothing here sends a write, and nothing here concludes from a read that failed. What one look means is judged in
``verdict.py``; this module only waits, reads and compares. It serves the running step and the restart alike.
"""

from dataclasses import dataclass

from reconcile.errors import ReadFailed
from reconcile.evidence.verdict import (
    CLOCK_AHEAD_MS,
    MarginEvidence,
    PriorOutcome,
    Sight,
    Verdict,
    judge,
    judge_type,
    margin_verdict,
    sight,
    signed_amount,
)
from reconcile.exchanges.http.limits import settling
from reconcile.journal.records import Intent, IntentStatus, Outcome
from reconcile.model.account import MarginType, ObservedAccount
from reconcile.money import parse, plain
from reconcile.protocol.context import Context
from reconcile.protocol.freshness import BETWEEN_LOOKS_MS, shares_symbol
from reconcile.protocol.lateness import LONG_AFTER_GRACES, unsure_since

SETTLE_GRACES = 4
"""How many graces after the fence (or after the start, when that is later) looking goes on before it gives up."""
LEAST_LOOKS = 4
"""How many looks are tried at least, however much time a rate limit took from them."""

_WAS = {
    None: PriorOutcome.DOUBT,
    IntentStatus.ACCEPTED: PriorOutcome.ACCEPTED,
    IntentStatus.UNKNOWN: PriorOutcome.UNKNOWN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _TypeSight:
    """One look at a symbol's margin type."""

    live: MarginType | None


async def settle(context: Context, intent: Intent, *, was: IntentStatus | None, effect_ms: int | None) -> Outcome:
    """Find out what became of an intent. ``was`` is None in doubt, ACCEPTED after a yes at ``effect_ms``, or UNKNOWN.

    The outcome is not journalled here. Raises Interrupted when asked to stop while waiting.
    """
    with settling():
        try:
            if was is IntentStatus.ACCEPTED:
                await context.know_exchange_time()
            else:
                why = f"{intent.address}: an earlier request may still arrive; looking when it can no longer"
                await context.pass_exchange_time(intent.fence_ms, why=why)
        except ReadFailed as error:
            return _undecided(intent, was, effect_ms, f"the exchange's time could not be read: {error}")
        return await _until_two_agree(context, intent, was=was, effect_ms=effect_ms)


def visible(intent: Intent, look: ObservedAccount) -> str | None:
    """What a look shows of an accepted step: the new margin or type as text, None when it does not show yet."""
    if intent.amount is None:
        state = look.symbols.get(intent.address.symbol)
        live = str(state.margin_type) if state else None
        return live if live == intent.wanted else None
    position = look.positions.get(intent.address)
    if position is None or not position.is_open:
        return None
    seen = margin_verdict(parse(intent.before), position.isolated_margin, signed_amount(intent))
    return plain(position.isolated_margin) if seen is MarginEvidence.MOVED else None


async def _until_two_agree(
    context: Context, intent: Intent, *, was: IntentStatus | None, effect_ms: int | None
) -> Outcome:
    time = context.writer.time
    not_before = intent.fence_ms if effect_ms is None else effect_ms
    deadline = max(not_before, time.earliest()) + SETTLE_GRACES * context.grace_ms
    previous: Sight | _TypeSight | None = None
    trouble = "no two looks in a row gave the same answer"
    looks = 0
    while True:
        looks += 1
        seen: Sight | _TypeSight | None = None
        before = context.observer.last if previous is not None else None
        asked_ms = max(not_before, time.earliest() - 1, before.sent_at_ms if before is not None else 0)
        try:
            seen = await _look(context, intent, after_ms=asked_ms)
        except ReadFailed as error:
            trouble = f"a look failed: {error}"
        late = time.earliest() > deadline and looks >= LEAST_LOOKS
        if seen is not None and seen == previous:
            long_after = asked_ms > intent.fence_ms + LONG_AFTER_GRACES * context.grace_ms
            judgement = _judge(intent, seen, was, long_after=long_after, late=late)
            early = effect_ms is not None and asked_ms <= effect_ms + context.grace_ms
            if judgement is not Verdict.LOOK_AGAIN and not (early and judgement is Verdict.UNKNOWN):
                return _outcome(intent, seen, judgement, was, effect_ms)
        if late:
            return _undecided(intent, was, effect_ms, trouble)
        previous = seen
        await context.pause(BETWEEN_LOOKS_MS)


async def _look(context: Context, intent: Intent, *, after_ms: int) -> Sight | _TypeSight:
    symbol = intent.address.symbol
    look = await context.observer.look(after_ms=after_ms, max_age_ms=None)
    if intent.amount is None or intent.asset is None:
        state = look.symbols.get(symbol)
        return _TypeSight(live=state.margin_type if state is not None else None)
    item = context.journal.state.find(intent.intent_id)
    later_than_ms = None if item is None else item.later_than_ms
    unsure_ms = unsure_since(intent.signed_at_ms, later_than_ms, behind_ms=context.grace_ms)
    since_ms = min(unsure_ms, intent.signed_at_ms - CLOCK_AHEAD_MS)
    ledger = await context.writer.ledger(symbol, since_ms=since_ms)
    return sight(
        intent,
        look.positions.get(intent.address),
        ledger,
        claims=context.journal.state.claims,
        step_size=context.amount_step(intent.asset),
        shared=shares_symbol(look, symbol),
        asked_ms=after_ms,
        unsure_since_ms=unsure_ms,
    )


def _judge(
    intent: Intent, seen: Sight | _TypeSight, was: IntentStatus | None, *, long_after: bool, late: bool
) -> Verdict:
    if isinstance(seen, _TypeSight):
        return judge_type(intent, seen.live)
    return judge(seen, was=_WAS[was], long_after=long_after, deadline_passed=late)


def _outcome(
    intent: Intent, seen: Sight | _TypeSight, judgement: Verdict, was: IntentStatus | None, effect_ms: int | None
) -> Outcome:
    effect = intent.fence_ms if effect_ms is None else effect_ms
    after = str(seen.live) if isinstance(seen, _TypeSight) else None
    claim = None
    evidence = _evidence(intent, seen)
    match judgement:
        case Verdict.APPLIED | Verdict.APPLIED_ON_MARGIN:
            known = IntentStatus.APPLIED
            if isinstance(seen, Sight):
                claim = seen.rows[0] if seen.rows else None
                shows = seen.margin is MarginEvidence.MOVED and seen.live is not None  # else the margin may be behind
                after = plain(seen.live) if shows and seen.live is not None else intent.wanted
        case Verdict.NOT_APPLIED:
            return Outcome(
                intent_id=intent.intent_id, known=IntentStatus.NOT_APPLIED, effect_ms=None, evidence=evidence
            )
        case Verdict.RELEASED:
            known = IntentStatus.RELEASED
        case Verdict.UNKNOWN | Verdict.LOOK_AGAIN:
            known = IntentStatus.UNKNOWN
            evidence = f"the exchange said yes, but {evidence}" if was is IntentStatus.ACCEPTED else evidence
    return Outcome(
        intent_id=intent.intent_id, known=known, effect_ms=effect, after=after, evidence=evidence, claim=claim
    )


def _undecided(intent: Intent, was: IntentStatus | None, effect_ms: int | None, evidence: str) -> Outcome:
    """Looking led nowhere: a yes stays a yes that is not seen yet, doubt becomes ``unknown``."""
    known = IntentStatus.ACCEPTED if was is IntentStatus.ACCEPTED else IntentStatus.UNKNOWN
    effect = intent.fence_ms if effect_ms is None else effect_ms
    return Outcome(intent_id=intent.intent_id, known=known, effect_ms=effect, evidence=evidence)


def _evidence(intent: Intent, seen: Sight | _TypeSight) -> str:
    if isinstance(seen, _TypeSight):
        return f"margin type reads {seen.live or 'nothing'} after the fence"
    rows = {0: "no ledger row"}.get(len(seen.rows), f"ledger row {', '.join(seen.rows)}")
    reach = "" if seen.complete else " (the ledger does not reach back that far)"
    live = "no open position" if seen.live is None else f"margin {intent.before} → {plain(seen.live)}"
    return f"{rows}{reach}; {live}, {seen.margin.replace('_', ' ')}"
