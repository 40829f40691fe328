"""Outcomes for the journal, and whether a look shows an accepted step. Pure."""

from dataclasses import replace
from typing import assert_never

from reconcile.evidence.possible import MarginEvidence, Possible
from reconcile.evidence.rows import signed_amount
from reconcile.evidence.verdict import Sight, Verdict
from reconcile.journal.records import Intent, IntentStatus, Outcome
from reconcile.money import parse, plain
from reconcile.protocol.life import TypeSight
from reconcile.protocol.signals import LaneLook


def visible(intent: Intent, look: LaneLook) -> str | None:
    """What a look shows of an accepted step: the new margin or type as text, None when it does not show yet."""
    if intent.amount is None:
        live = str(look.symbol.margin_type) if look.symbol else None
        return live if live == intent.wanted else None
    position = look.position
    if position is None or not position.is_open:
        return None
    possible = Possible(before=parse(intent.before), amount=signed_amount(intent))
    seen = possible.verdict(position.isolated_margin)
    return plain(position.isolated_margin) if seen is MarginEvidence.MOVED else None


def outcome_of(
    intent: Intent, seen: Sight | TypeSight, judgement: Verdict, *, effect_ms: int, said_yes: bool
) -> Outcome:
    """What the journal is told of a judgement; ``effect_ms`` is when the step took effect at the latest."""
    evidence = _evidence(intent, seen)
    made = Outcome(intent_id=intent.intent_id, known=IntentStatus.UNKNOWN, effect_ms=effect_ms, evidence=evidence)
    match judgement:
        case Verdict.APPLIED | Verdict.APPLIED_ON_MARGIN:
            return _applied(replace(made, known=IntentStatus.APPLIED), intent, seen)
        case Verdict.NOT_APPLIED:
            return replace(made, known=IntentStatus.NOT_APPLIED, effect_ms=None)
        case Verdict.RELEASED:
            return replace(made, known=IntentStatus.RELEASED)
        case Verdict.UNKNOWN | Verdict.LOOK_AGAIN:
            return replace(made, evidence=f"the exchange said yes, but {evidence}" if said_yes else evidence)
        case _:
            assert_never(judgement)


def _applied(made: Outcome, intent: Intent, seen: Sight | TypeSight) -> Outcome:
    if isinstance(seen, TypeSight):
        return replace(made, after=str(seen.live))
    shows = seen.margin is MarginEvidence.MOVED and seen.live is not None  # else the margin may be behind
    after = plain(seen.live) if shows and seen.live is not None else intent.wanted
    return replace(made, after=after, claim=seen.rows[0] if seen.rows else None)


def _evidence(intent: Intent, seen: Sight | TypeSight) -> str:
    if isinstance(seen, TypeSight):
        return f"margin type reads {seen.live or 'nothing'} after the fence"
    rows = f"ledger row {', '.join(seen.rows)}" if seen.rows else "no ledger row"
    if seen.maybe:
        rows = f"ledger row {', '.join(seen.maybe)} may be ours"
    reach = "" if seen.complete else " (the ledger does not reach back that far)"
    live = "no open position" if seen.live is None else f"margin {intent.before} → {plain(seen.live)}"
    return f"{rows}{reach}; {live}, {seen.margin.replace('_', ' ')}"
