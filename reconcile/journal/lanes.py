"""The protocol's half of a journal's state: the open intent of each lane, and its last effect.

Sends depend on this half alone; ``margins.py`` is for drift and for auditors.
"""

from reconcile.journal.records import Effect, Intent, IntentStatus, Outcome, Resolved, Unsettled
from reconcile.money import parse

_DAY_MS = 86_400_000
_CLAIM_DAYS = 120
"""How many days a claimed row is kept at most: more than any exchange's ledger reaches back (90 days)."""
_DAYS_BEFORE = 1
"""How many days before an intent a claimed row can still matter to it: more than the error of any clock."""
MOST_CALLS = 32
"""How many calls of a lane are kept, so that their ledger rows count as known."""
NOTHING = frozenset({IntentStatus.REFUSED, IntentStatus.NOT_SENT, IntentStatus.NOT_APPLIED})
"""The outcomes that prove that a step moved nothing."""


class LaneState:
    """A fold over intents, outcomes and resolves.

    It grows with lanes and with claimed rows. It keeps claims from the day before the oldest open intent on, and for at
    most ``_CLAIM_DAYS``.
    """

    def __init__(self) -> None:
        self.claims: set[str] = set()
        """The ids of the ledger rows that outcomes own."""
        self.unsettled: dict[str, Unsettled] = {}
        """The open intent by lane; a lane has at most one."""
        self.effects: dict[str, Effect] = {}
        """The last effect by lane; a new look must be later."""
        self.moves: dict[str, Effect] = {}
        """The last step that moved margin, by address; a new look must include it."""
        self.calls: dict[str, list[Intent]] = {}
        """By lane: the last ``MOST_CALLS`` margin calls that may have taken effect."""
        self.lanes: dict[str, str] = {}
        """The lane by unsettled intent id."""
        self.replaced: dict[str, Effect | None] = {}
        """By intent id, while the intent is accepted: the earlier move that its own move replaced."""
        self.claimed: dict[int, list[str]] = {}
        """Claims by the day of their effect."""

    def find(self, intent_id: str) -> Unsettled | None:
        """The unsettled intent with this id."""
        lane = self.lanes.get(intent_id)
        return None if lane is None else self.unsettled[lane]

    def intent(self, intent: Intent, at: str) -> None:
        """A step is about to be sent, journalled at ``at``. Raises ValueError if its id is open on another lane."""
        if self.lanes.get(intent.intent_id, intent.lane) != intent.lane:
            raise ValueError(f"a step on {intent.lane[:60]} has the id of another one whose outcome is open")
        if (earlier := self.unsettled.get(intent.lane)) is not None:
            self._forget(earlier.intent)
        self.lanes[intent.intent_id] = intent.lane
        if intent.amount is not None:
            self.calls[intent.lane] = [*self.calls.get(intent.lane, ())[-MOST_CALLS + 1 :], intent]
        last = self.effects.get(intent.lane)
        self.unsettled[intent.lane] = Unsettled(
            intent=intent,
            known=None,
            effect_ms=None,
            evidence="",
            since=at,
            later_than_ms=None if last is None else last.effect_ms,
        )

    def outcome(self, outcome: Outcome) -> Intent | None:
        """Apply an outcome; returns its intent, None if no intent of that id is open. Raises ValueError."""
        if outcome.claim is not None:
            self._claim(outcome.claim, outcome.effect_ms)
        found = self.find(outcome.intent_id)
        if found is None:
            return None
        intent = found.intent
        if intent.amount is not None:
            parse(outcome.after or "0")  # later looks are compared with it
        if outcome.known.moved and intent.amount is not None:
            self.replaced.setdefault(intent.intent_id, self.moves.get(str(intent.address)))
        else:
            self._take_back(intent)
        if outcome.known in NOTHING:
            self._uncall(intent)
        if outcome.effect_ms is not None:
            self._moved(
                intent,
                outcome.effect_ms,
                margin=outcome.known.moved,
                later_than_ms=found.later_than_ms,
                claim=outcome.claim,
            )
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
        return intent

    def resolved(self, record: Resolved) -> Intent | None:
        """Apply a person's resolve; returns its intent, None if no intent of that id is open."""
        found = self.find(record.intent_id)
        if found is None:
            return None
        intent = found.intent
        if not record.applied:
            self._take_back(intent)
            self._uncall(intent)
        self._forget(intent)
        if record.key_deleted:
            self.effects.pop(intent.lane, None)  # the fence of a wrong time may be years away
        effect_ms = max(record.effect_ms, found.later_than_ms or 0)
        self._moved(intent, effect_ms, margin=record.applied, later_than_ms=found.later_than_ms)
        return intent

    def _moved(
        self, intent: Intent, effect_ms: int, *, margin: bool, later_than_ms: int | None, claim: str | None = None
    ) -> None:
        """Record that the intent's lane changed at ``effect_ms``; with ``margin``, by the amount of the intent."""
        margin = margin and intent.amount is not None
        effect = Effect(
            address=intent.address,
            effect_ms=self._latest(intent.lane, effect_ms),
            signed_ms=intent.signed_at_ms,
            before=parse(intent.before) if margin else None,
            after=parse(intent.wanted) if margin else None,  # a reading may lag, or include others' moves
            size=intent.size,
            identity=intent.identity,
            claim=claim,
            asset=intent.asset,
            later_than_ms=later_than_ms,
            calls_seen_ms=intent.calls_seen_ms,
        )
        self.effects[intent.lane] = effect
        if margin:
            self.moves[str(intent.address)] = effect

    def _uncall(self, intent: Intent) -> None:
        """Drop a call that did nothing: it has no ledger row."""
        calls = self.calls.get(intent.lane, ())
        self.calls[intent.lane] = [each for each in calls if each.intent_id != intent.intent_id]

    def _latest(self, lane: str, effect_ms: int) -> int:
        earlier = self.effects.get(lane)
        return effect_ms if earlier is None else max(effect_ms, earlier.effect_ms)

    def _take_back(self, intent: Intent) -> None:
        """Restore the earlier move when an accepted move is in doubt after all: a look need not include it."""
        if intent.intent_id not in self.replaced:
            return
        earlier = self.replaced.pop(intent.intent_id)
        if earlier is None:
            self.moves.pop(str(intent.address), None)
        else:
            self.moves[str(intent.address)] = earlier

    def _forget(self, intent: Intent) -> None:
        del self.unsettled[intent.lane]
        self.lanes.pop(intent.intent_id, None)
        self.replaced.pop(intent.intent_id, None)

    def _first_claimed(self, day: int) -> int:
        """The first day whose claims still matter on a later ``day``.

        Rows are compared with open intents only, and a row counts only if it is not older than the intent.
        """
        opened = [item.intent.signed_at_ms // _DAY_MS for item in self.unsettled.values()]
        return max(day - _CLAIM_DAYS, min([day, *opened]) - _DAYS_BEFORE)

    def _claim(self, claim: str, effect_ms: int | None) -> None:
        self.claims.add(claim)
        if effect_ms is None:
            return
        day = effect_ms // _DAY_MS
        if day not in self.claimed:
            for old in [each for each in self.claimed if each < self._first_claimed(day)]:
                self.claims.difference_update(self.claimed.pop(old))
            self.claimed[day] = []
        self.claimed[day].append(claim)
