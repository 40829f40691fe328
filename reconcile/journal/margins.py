"""The audit's half of a journal's state: the margin last left at each address, and steps that no run reported yet.

Drift and the end of a run compare with this half; no send depends on it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal

from reconcile.journal.lanes import NOTHING
from reconcile.journal.records import Intent, IntentStatus, MarginInPlace, Outcome, Resolved, UnreportedStep
from reconcile.journal.run_end import RunEnd
from reconcile.model.reports import Margin, MovementSummary

MOST_SENT = 32
"""How many steps of an address are kept that no look at a run's end accounts for yet."""


class MarginHistory:
    """A fold over intents, outcomes, resolves and the ends of runs, by address; it grows with addresses."""

    def __init__(self) -> None:
        self.applied: dict[str, tuple[str, str]] = {}
        """The isolated margin after our last applied step, and when (RFC 3339)."""
        self.standing: dict[str, MarginInPlace] = {}
        """The margin that a run found in place without moving it; newer than ``applied`` if both exist."""
        self.live: Mapping[str, Margin] = {}
        """The live margins at the end of the last run that looked."""
        self.live_at_ms: int | None = None
        """The exchange time of that look; None if no run has looked."""
        self.sent: dict[str, dict[str, UnreportedStep]] = {}
        """By intent id: the steps that ``live`` does not account for, the last ``MOST_SENT`` of an address."""
        self.declared: dict[str, Decimal] = {}
        """The declared margin by which the last run found it in place."""

    def intent(self, intent: Intent) -> None:
        """A step is about to be sent."""
        if intent.amount is None:
            return
        sent = self.sent.setdefault(str(intent.address), {})
        sent[intent.intent_id] = UnreportedStep(intent=intent)
        if len(sent) > MOST_SENT:
            del sent[next(iter(sent))]

    def outcome(self, intent: Intent, outcome: Outcome, at: str) -> None:
        """Apply the outcome of an intent that was open."""
        place = str(intent.address)
        step = self.sent.get(place, {}).get(intent.intent_id)
        if step is not None and outcome.known in NOTHING:
            del self.sent[place][intent.intent_id]
        elif step is not None:
            self.sent[place][intent.intent_id] = replace(step, known=outcome.known, claim=outcome.claim or step.claim)
        if outcome.known is IntentStatus.APPLIED and intent.amount is not None:
            self._applied(intent, outcome.after or intent.wanted, at)

    def resolved(self, intent: Intent, record: Resolved, at: str) -> None:
        """Apply a person's resolve of an intent that was open."""
        place = str(intent.address)
        step = self.sent.get(place, {}).pop(intent.intent_id, None)
        if step is not None and record.applied:
            self.sent[place][intent.intent_id] = replace(step, known=IntentStatus.APPLIED, is_sure=False)
        if record.applied and intent.amount is not None:
            self._applied(intent, intent.wanted, at)

    def finished(self, end: RunEnd, *, is_open: Callable[[str], bool]) -> None:
        """Record the margins in place at a run's end, unless our last step or an earlier run recorded them already.

        Later runs compare with a new margin only if a newly declared margin was found in place; otherwise funding would
        not add up. ``is_open`` tells by id whether a step has no outcome that settles it.
        """
        if end.live_at_ms is None:
            return
        self.live, self.live_at_ms = end.live, end.live_at_ms
        self._accounted(end.moved or {}, is_open)
        if end.out_of_place is None:
            return
        for address, margin in end.declared.items():
            seen = self.live.get(address)
            if seen is None or address in end.out_of_place or self.declared.get(address) == margin:
                continue
            if address in self.declared or address not in self.applied:
                self.standing[address] = MarginInPlace(margin=seen.isolated_margin, since_ms=end.live_at_ms)
            self.declared[address] = margin

    def _accounted(self, moved: Mapping[str, MovementSummary], is_open: Callable[[str], bool]) -> None:
        """Keep only the steps that are still open and that the run did not count as moved."""
        counted = {intent_id for told in moved.values() for intent_id, _ in told.ours}
        open_still = {
            place: {
                intent_id: replace(step, is_sure=False)
                for intent_id, step in several.items()
                if is_open(intent_id) and intent_id not in counted
            }
            for place, several in self.sent.items()
        }
        self.sent = {place: several for place, several in open_still.items() if several}

    def _applied(self, intent: Intent, margin: str, at: str) -> None:
        address = str(intent.address)
        self.applied[address] = (margin, at)
        self.standing.pop(address, None)
        self.declared.pop(address, None)
