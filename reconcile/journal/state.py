"""What a journal adds up to: what is unsettled, what last happened on each lane, which rows and plans are used up."""

from reconcile.journal.records import (
    Effect,
    Intent,
    Known,
    Outcome,
    PlanUsed,
    Record,
    Resolved,
    RunStarted,
    Unsettled,
)
from reconcile.money import parse


class JournalState:
    """A fold over records, in bounded memory: it grows with lanes, claimed rows and used plans, not with records."""

    def __init__(self) -> None:
        self.records = 0
        self.last_host: str | None = None
        """The host of the last run; None where there was none: nobody knows what was sent before."""
        self.used_plans: set[str] = set()
        self.claims: set[str] = set()
        self.unsettled: dict[str, Unsettled] = {}
        """By lane; a lane has at most one."""
        self.effects: dict[str, Effect] = {}
        """The last effect by lane: what a new look must be later than."""
        self.moves: dict[str, Effect] = {}
        """The last step that moved margin, by address: what a new look must have seen."""
        self.applied: dict[str, tuple[str, str]] = {}
        """By address: the isolated margin after our last applied step, and when (RFC 3339)."""

    def add(self, record: Record, *, at: str) -> None:
        """Take in one record, written at ``at`` (RFC 3339)."""
        self.records += 1
        match record:
            case RunStarted():
                self.last_host = record.host
            case PlanUsed():
                self.used_plans.add(record.plan_id)
            case Intent():
                self.unsettled[record.lane] = Unsettled(intent=record, known=None, effect_ms=None, evidence="", since=at)
            case Outcome():
                self._outcome(record, at)
            case Resolved():
                self._resolved(record)
            case _:
                pass

    def find(self, intent_id: str) -> Unsettled | None:
        """The unsettled intent with this id."""
        return next((found for found in self.unsettled.values() if found.intent.intent_id == intent_id), None)

    def _outcome(self, outcome: Outcome, at: str) -> None:
        found = self.find(outcome.intent_id)
        if found is None:
            return
        intent = found.intent
        if outcome.claim is not None:
            self.claims.add(outcome.claim)
        if outcome.known.settles:
            del self.unsettled[intent.lane]
        else:
            self.unsettled[intent.lane] = Unsettled(
                intent=intent,
                known=outcome.known,
                effect_ms=outcome.effect_ms,
                evidence=outcome.evidence,
                since=found.since,
            )
        if outcome.effect_ms is not None:
            self._effect(intent, outcome, outcome.effect_ms)
        if outcome.known is Known.APPLIED and intent.amount is not None:
            self.applied[str(intent.address)] = (outcome.after or intent.wanted, at)

    def _effect(self, intent: Intent, outcome: Outcome, effect_ms: int) -> None:
        margin = outcome.known.moved and intent.amount is not None
        before = parse(intent.before) if margin else None
        after = parse(outcome.after or intent.wanted) if margin else None
        earlier = self.effects.get(intent.lane)
        effect = Effect(
            address=intent.address,
            effect_ms=max(effect_ms, earlier.effect_ms if earlier else 0),
            signed_ms=intent.signed_at_ms,
            before=before,
            after=after,
            size=intent.size,
            identity=intent.identity,
            claim=outcome.claim,
        )
        self.effects[intent.lane] = effect
        if margin:
            self.moves[str(intent.address)] = effect

    def _resolved(self, record: Resolved) -> None:
        found = self.find(record.intent_id)
        if found is None:
            return
        intent = found.intent
        del self.unsettled[intent.lane]
        self.effects[intent.lane] = Effect(
            address=intent.address,
            effect_ms=record.effect_ms,
            signed_ms=intent.signed_at_ms,
            before=parse(intent.before) if record.applied and intent.amount is not None else None,
            after=parse(intent.wanted) if record.applied and intent.amount is not None else None,
            size=intent.size,
            identity=intent.identity,
            claim=None,
        )
