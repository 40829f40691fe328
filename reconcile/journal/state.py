"""What a journal adds up to: what is unsettled, what last happened on each lane, which rows and plans are used up."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from reconcile.journal.records import (
    Effect,
    Intent,
    IntentStatus,
    MarginInPlace,
    Outcome,
    PlanUsed,
    Record,
    Resolved,
    RunFinished,
    RunStarted,
    UnreportedStep,
    Unsettled,
)
from reconcile.journal.run_end import RunEnd
from reconcile.model.reports import Margin, MovementSummary
from reconcile.money import parse

_DAY_MS = 86_400_000
_CLAIM_DAYS = 120
"""How long a claimed row is remembered: longer than any exchange's ledger can be read back (90 days)."""
MOST_SENT = 32
"""How many steps of an address are remembered that no look at a run's end accounts for yet."""
_NOTHING = {IntentStatus.REFUSED, IntentStatus.NOT_SENT, IntentStatus.NOT_APPLIED}


class JournalState:
    """A fold over records; it grows with lanes, used plans and the rows claimed within 120 days, not with records."""

    def __init__(self) -> None:
        self.records = 0
        """How many there are, the journal's own header not counted; 0 in a journal that is new."""
        self.head = "0" * 64
        """The hash of the last line: pins the whole journal. 64 zeros where there is none."""
        self.last_run: RunStarted | None = None
        """The last run, with what it said about the account."""
        self.last_host: str | None = None
        """The host of the last run; None where there was none: nobody knows what was sent before."""
        self.names: set[str] = set()
        """What state files called the account, over all runs."""
        self.notes_heads: list[bytes] = []
        """Where the notes beside the journal stood when runs began (SHA-256, each once), in order."""
        self.cold_until_ms: int | None = None
        """The cold fence of the last run: an exchange time, None where it needed none."""
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
        self.standing: dict[str, MarginInPlace] = {}
        """By address: the margin that a run found in place without moving it; newer than ``applied`` where both are."""
        self.live: Mapping[str, Margin] = {}
        """By address: what was live at the end of the last run that looked."""
        self.live_at_ms: int | None = None
        """The exchange time of that look; None where no run has looked."""
        self.sent: dict[str, dict[str, UnreportedStep]] = {}
        """By address and intent: the steps that ``live`` does not account for, the last ``MOST_SENT`` of an address."""
        self.calls: dict[str, list[Intent]] = {}
        """By lane: the margin calls that may have counted, whose ledger rows are no news; the last ``MOST_SENT``."""
        self._declared: dict[str, Decimal] = {}
        """By address: the declared margin that the last run which found it in place went by."""
        self._lanes: dict[str, str] = {}
        """The lane by unsettled intent id."""
        self._replaced: dict[str, Effect | None] = {}
        """By intent id, while it is accepted: the move that its own stands in place of."""
        self._claimed: dict[int, list[str]] = {}
        """Claims by the day of their effect."""

    def add(self, record: Record, *, at: str) -> None:
        """Take in one record, written at ``at`` (RFC 3339). Raises ValueError for one that no writer puts there."""
        self.records += 1
        match record:
            case RunStarted():
                self.last_run = record
                self.last_host = record.host
                self.names.add(str(record.details.get("account", "")))
                self.cold_until_ms = record.cold_until_ms
                self._anchor(record.details.get("notes_head"))
            case PlanUsed():
                self.used_plans.add(record.plan_id)
            case Intent():
                self._intent(record, at)
            case Outcome():
                self._outcome(record, at)
            case Resolved():
                self._resolved(record, at)
            case RunFinished():
                self._finished(record.details)
            case _:
                pass

    def find(self, intent_id: str) -> Unsettled | None:
        """The unsettled intent with this id."""
        lane = self._lanes.get(intent_id)
        return None if lane is None else self.unsettled[lane]

    def _anchor(self, head: object) -> None:
        """The notes only grow, so each head that was seen is there for good, in this order."""
        if isinstance(head, str) and (seen := _digest(head)) and seen not in self.notes_heads[-1:]:
            self.notes_heads.append(seen)

    def _intent(self, intent: Intent, at: str) -> None:
        if self._lanes.get(intent.intent_id, intent.lane) != intent.lane:
            raise ValueError(f"a step on {intent.lane[:60]} has the id of another one whose outcome is open")
        if (earlier := self.unsettled.get(intent.lane)) is not None:
            self._forget(earlier.intent)
        self._lanes[intent.intent_id] = intent.lane
        if intent.amount is not None:
            sent = self.sent.setdefault(str(intent.address), {})
            sent[intent.intent_id] = UnreportedStep(intent=intent)
            if len(sent) > MOST_SENT:
                del sent[next(iter(sent))]
            self.calls[intent.lane] = [*self.calls.get(intent.lane, ())[-MOST_SENT + 1 :], intent]
        last = self.effects.get(intent.lane)
        self.unsettled[intent.lane] = Unsettled(
            intent=intent,
            known=None,
            effect_ms=None,
            evidence="",
            since=at,
            later_than_ms=None if last is None else last.effect_ms,
        )

    def _outcome(self, outcome: Outcome, at: str) -> None:
        if outcome.claim is not None:
            self._claim(outcome.claim, outcome.effect_ms)
        found = self.find(outcome.intent_id)
        if found is None:
            return
        intent = found.intent
        if intent.amount is not None:
            parse(outcome.after or "0")  # later looks are held against it
        if outcome.known.moved and intent.amount is not None:
            self._replaced.setdefault(intent.intent_id, self.moves.get(str(intent.address)))
        else:
            self._take_back(intent)
        if outcome.known in _NOTHING:
            self._uncall(intent)
        self._sent(intent, outcome)
        if outcome.effect_ms is not None:
            self._moved(
                intent,
                outcome.effect_ms,
                margin=outcome.known.moved,
                later_than_ms=found.later_than_ms,
                claim=outcome.claim,
            )
        if outcome.known is IntentStatus.APPLIED and intent.amount is not None:
            self._applied(intent, outcome.after or intent.wanted, at)
        if outcome.known.settles:
            self._forget(intent)
        else:
            self.unsettled[intent.lane] = Unsettled(
                intent=intent,
                known=outcome.known,
                effect_ms=outcome.effect_ms,
                evidence=outcome.evidence,
                since=found.since,
                said_yes=found.said_yes or outcome.known is IntentStatus.ACCEPTED,
                later_than_ms=found.later_than_ms,
            )

    def _sent(self, intent: Intent, outcome: Outcome) -> None:
        place = str(intent.address)
        step = self.sent.get(place, {}).get(intent.intent_id)
        if step is None:
            return
        if outcome.known in _NOTHING:
            del self.sent[place][intent.intent_id]
        else:
            self.sent[place][intent.intent_id] = replace(step, known=outcome.known, claim=outcome.claim or step.claim)

    def _moved(
        self, intent: Intent, effect_ms: int, *, margin: bool, later_than_ms: int | None, claim: str | None = None
    ) -> None:
        """The intent's lane changed at ``effect_ms``; with ``margin`` by what the intent was to move."""
        margin = margin and intent.amount is not None
        effect = Effect(
            address=intent.address,
            effect_ms=self._latest(intent.lane, effect_ms),
            signed_ms=intent.signed_at_ms,
            before=parse(intent.before) if margin else None,
            after=parse(intent.wanted) if margin else None,  # what was seen may be behind, or hold others' moves
            size=intent.size,
            identity=intent.identity,
            claim=claim,
            asset=intent.asset,
            later_than_ms=later_than_ms,
        )
        self.effects[intent.lane] = effect
        if margin:
            self.moves[str(intent.address)] = effect

    def _resolved(self, record: Resolved, at: str) -> None:
        found = self.find(record.intent_id)
        if found is None:
            return
        intent, place = found.intent, str(found.intent.address)
        step = self.sent.get(place, {}).pop(intent.intent_id, None)
        if step is not None and record.applied:
            self.sent[place][intent.intent_id] = replace(step, known=IntentStatus.APPLIED, is_sure=False)
        if not record.applied:
            self._take_back(intent)
            self._uncall(intent)
        elif intent.amount is not None:
            self._applied(intent, intent.wanted, at)
        self._forget(intent)
        if record.key_deleted:
            self.effects.pop(intent.lane, None)  # the fence of a wrong time may be years away
        effect_ms = max(record.effect_ms, found.later_than_ms or 0)
        self._moved(intent, effect_ms, margin=record.applied, later_than_ms=found.later_than_ms)

    def _applied(self, intent: Intent, margin: str, at: str) -> None:
        address = str(intent.address)
        self.applied[address] = (margin, at)
        self.standing.pop(address, None)
        self._declared.pop(address, None)

    def _finished(self, end: RunEnd) -> None:
        """What was in place at a run's end stands from then on, unless our last step or an earlier run says so already.

        Only a newly declared margin that was found in place moves on what later runs compare with: funding must add up.
        """
        if end.live_at_ms is None:
            return
        self.live, self.live_at_ms = end.live, end.live_at_ms
        self._accounted(end.moved or {})
        if end.out_of_place is None:
            return
        for address, margin in end.declared.items():
            seen = self.live.get(address)
            if seen is None or address in end.out_of_place or self._declared.get(address) == margin:
                continue
            if address in self._declared or address not in self.applied:
                self.standing[address] = MarginInPlace(margin=seen.isolated_margin, since_ms=end.live_at_ms)
            self._declared[address] = margin

    def _accounted(self, moved: Mapping[str, MovementSummary]) -> None:
        """Keep only what is open still and was not counted as moved by then."""
        counted = {intent_id for told in moved.values() for intent_id, _ in told.ours}
        open_still = {
            place: {
                intent_id: replace(step, is_sure=False)
                for intent_id, step in several.items()
                if intent_id in self._lanes and intent_id not in counted
            }
            for place, several in self.sent.items()
        }
        self.sent = {place: several for place, several in open_still.items() if several}

    def _uncall(self, intent: Intent) -> None:
        """A call that did nothing has no row."""
        self.calls[intent.lane] = [each for each in self.calls.get(intent.lane, ()) if each is not intent]

    def _latest(self, lane: str, effect_ms: int) -> int:
        earlier = self.effects.get(lane)
        return effect_ms if earlier is None else max(effect_ms, earlier.effect_ms)

    def _take_back(self, intent: Intent) -> None:
        """An accepted move that is in doubt after all is nothing that a look must have seen."""
        if intent.intent_id not in self._replaced:
            return
        earlier = self._replaced.pop(intent.intent_id)
        if earlier is None:
            self.moves.pop(str(intent.address), None)
        else:
            self.moves[str(intent.address)] = earlier

    def _forget(self, intent: Intent) -> None:
        del self.unsettled[intent.lane]
        self._lanes.pop(intent.intent_id, None)
        self._replaced.pop(intent.intent_id, None)

    def _claim(self, claim: str, effect_ms: int | None) -> None:
        self.claims.add(claim)
        if effect_ms is None:
            return
        day = effect_ms // _DAY_MS
        if day not in self._claimed:
            for old in [each for each in self._claimed if each < day - _CLAIM_DAYS]:
                self.claims.difference_update(self._claimed.pop(old))
            self._claimed[day] = []
        self._claimed[day].append(claim)


def _digest(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None
