"""Outcomes for the journal, and whether a look shows an accepted step. Pure."""

from collections.abc import Collection
from dataclasses import replace
from decimal import Decimal
from typing import assert_never

from reconcile.evidence.possible import MarginEvidence, Possible
from reconcile.evidence.rows import signed_amount
from reconcile.evidence.verdict import Sight, Verdict, live_margin
from reconcile.journal.records import Intent, IntentStatus, Outcome
from reconcile.model.auto_add import AutoAdd
from reconcile.money import parse, plain
from reconcile.protocol.life import SettingSight
from reconcile.protocol.signals import LaneLook

SAID_YES = "the exchange said yes"
"""Evidence that a later look does not take back: who resolves the step must know it."""
_TOLD = {
    MarginEvidence.MOVED: "moved",
    MarginEvidence.NOT_MOVED: "not seen to move",
    MarginEvidence.CANNOT_TELL: "which alone does not tell",
}


def visible(intent: Intent, look: LaneLook, *, older: Collection[Decimal] = ()) -> str | None:
    """The new margin or setting of an accepted step as a look shows it; None if the look does not show it yet.

    ``older`` are margins that a late read can still show: one that is as near to the look shows nothing.
    """
    if intent.amount is None:
        live = setting(intent, look)
        return live if live == intent.wanted else None
    position = look.position
    if position is None or not position.is_open:
        return None
    possible = Possible(before=parse(intent.before), amount=signed_amount(intent), older=older)
    seen = possible.verdict(position.isolated_margin)
    return plain(position.isolated_margin) if seen is MarginEvidence.MOVED else None


def setting(intent: Intent, look: LaneLook) -> str | None:
    """The setting that an absolute step changes as a look shows it: a margin type or auto-add; None if not shown."""
    if intent.action == "set_auto_add":
        position = look.position
        is_shown = live_margin(position) is not None
        return str(AutoAdd.of(position.auto_add)) if position is not None and is_shown else None
    kind = None if look.symbol is None else look.symbol.margin_type
    return None if kind is None else str(kind)


def outcome_of(
    intent: Intent, seen: Sight | SettingSight, judgement: Verdict, *, effect_ms: int, said_yes: bool
) -> Outcome:
    """The journal's outcome for a verdict; ``effect_ms`` is the latest time at which the step can have taken effect."""
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
            return replace(made, evidence=f"{SAID_YES}, but {evidence}" if said_yes else evidence)
        case _:
            assert_never(judgement)


def _applied(made: Outcome, intent: Intent, seen: Sight | SettingSight) -> Outcome:
    if isinstance(seen, SettingSight):
        return replace(made, after=seen.live)
    shows = seen.margin is MarginEvidence.MOVED and seen.live is not None  # else the margin may be behind
    after = plain(seen.live) if shows and seen.live is not None else intent.wanted
    return replace(made, after=after, claim=seen.rows[0] if seen.rows else None)


def _evidence(intent: Intent, seen: Sight | SettingSight) -> str:
    if isinstance(seen, SettingSight):
        what = "auto-add" if intent.action == "set_auto_add" else "margin type"
        return f"{what} reads {seen.live or 'nothing'} after the fence"
    rows = f"ledger row {seen.rows[0]}" if seen.rows else "no ledger row"
    if len(seen.rows) > 1:
        rows = f"{len(seen.rows)} ledger rows fit ({', '.join(seen.rows)})"
    if seen.maybe:
        rows = f"ledger row {', '.join(seen.maybe)} may be ours"
    reach = "" if seen.complete else " (the ledger does not reach back that far)"
    if seen.live is None:
        return f"{rows}{reach}; no open position"
    return f"{rows}{reach}; margin {intent.before} → {plain(seen.live)}, {_TOLD[seen.margin]}"
