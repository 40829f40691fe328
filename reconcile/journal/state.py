"""The state of a journal: the protocol's half (``lanes.py``), the audit's half (``margins.py``), and its runs."""

from collections.abc import Sequence

from reconcile.journal.days import DayTotals
from reconcile.journal.free import FreeBalances
from reconcile.journal.lanes import LaneState
from reconcile.journal.margins import MarginHistory
from reconcile.journal.records import (
    Intent,
    IntentStatus,
    Outcome,
    PlanUsed,
    Record,
    Relocation,
    Repaired,
    Resolved,
    RunFinished,
    RunStarted,
)
from reconcile.planning.day_limits import DayUsed


class JournalState(LaneState):
    """A fold over records; it grows with lanes, used plans and lately claimed rows, not with records."""

    def __init__(self) -> None:
        super().__init__()
        self.margins = MarginHistory()
        self.days = DayTotals()
        self.free = FreeBalances()
        self.records = 0
        """The number of records without the journal's header; 0 in a new journal."""
        self.head = "0" * 64
        """The hash of the last line, which pins the whole journal; 64 zeros if there is none."""
        self.last_run: RunStarted | None = None
        """The last run, with its data about the account."""
        self.last_host: str | None = None
        """The host of the last run; None if there was none: earlier requests are unknown."""
        self.names: set[str] = set()
        """The account's names in state files, over all runs."""
        self.identities: list[str] = []
        """The journal's names, in order: its header's, and each that it was moved to."""
        self.moved: Relocation | None = None
        """The last time it was moved; None if it never was."""
        self.notes_heads: dict[str, list[bytes]] = {}
        """By the journal's name at that time: the heads of its notes when runs began (SHA-256, each once)."""
        self.cold_until_ms: int | None = None
        """The cold fence of the last run: an exchange time, None if it needed none."""
        self.was_changed = False
        """Whether something other than a run changed the journal since the last run began."""
        self.used_plans: set[str] = set()
        """The ids of saved plans that were applied."""
        self.beside: Sequence[JournalState] = ()
        """The account's other journals, which are no part of this one (``moving.JournalNames``)."""

    def add(self, record: Record, *, at: str) -> None:
        """Fold in one record, written at ``at`` (RFC 3339). Raises ValueError for one that no writer can have made."""
        self.records += 1
        match record:
            case RunStarted():
                self._started(record)
            case Repaired():
                self.was_changed |= record.was_changed
            case Relocation():
                self.was_changed |= record.was_changed
                self.moved = record
                if record.with_records:
                    self.identities.append(record.to)
            case PlanUsed():
                self.used_plans.add(record.plan_id)
            case Intent():
                self.intent(record, at)
                self.margins.intent(record)
                self.days.intent(record)
                self.free.intent(record)
            case Outcome():
                self.days.outcome(record.intent_id, record.known)
                if (intent := self.outcome(record)) is not None:
                    self.free.outcome(intent, record.known)
                    self.margins.outcome(intent, record, at)
            case Resolved():
                self.days.outcome(
                    record.intent_id, IntentStatus.APPLIED if record.applied else IntentStatus.NOT_APPLIED
                )
                if (intent := self.resolved(record)) is not None:
                    self.free.resolved(intent)
                    self.margins.resolved(intent, record, at)
            case RunFinished():
                self.margins.finished(record.details, is_open=self.lanes.__contains__)
            case _:
                pass

    def used_on(self, time_ms: int) -> DayUsed:
        """The calls of all the account's journals on the UTC day that contains an exchange time."""
        return self.days.on(time_ms, beside=[each.days for each in self.beside])

    @property
    def beside_ms(self) -> int | None:
        """The exchange time of the last effect in the account's other journals; None if they have none."""
        return max((effect.effect_ms for each in self.beside for effect in each.effects.values()), default=None)

    def led_to(self, identity: str) -> str | None:
        """The name under which the journal of ``identity`` goes on; None if it has not moved."""
        return self.moved.to if self.moved is not None and self.moved.to != identity else None

    def _started(self, record: RunStarted) -> None:
        self.last_run = record
        self.last_host = record.host
        self.names.add(record.details.account or "")
        self.cold_until_ms = record.cold_until_ms
        self.was_changed = False
        self._anchor(record.details.notes_head)

    def _anchor(self, head: str | None) -> None:
        """Keep a head of the notes. Notes only grow, so each of their heads stays in them, in this order."""
        heads = self.notes_heads.setdefault(self.identities[-1] if self.identities else "", [])
        if head is not None and (seen := _digest(head)) and seen not in heads[-1:]:
            heads.append(seen)


def _digest(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None
