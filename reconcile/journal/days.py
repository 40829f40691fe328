"""Amounts that an account's runs have moved on each UTC day of the exchange's time, for limits over all runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

from reconcile.journal.lanes import NOTHING
from reconcile.journal.records import Intent, IntentStatus
from reconcile.money import ZERO, plus
from reconcile.planning.day_limits import DayUsed

DAY_MS = 86_400_000
_DAYS_KEPT = 2


@dataclass(slots=True)
class _Day:
    """The calls of one day by intent id: asset and amount of an addition, None for every other call."""

    calls: dict[str, tuple[str, Decimal] | None] = field(default_factory=dict)


class DayTotals:
    """A fold over intents and outcomes. A call counts from its intent on, unless it proves to have moved nothing.

    It grows with the calls of two days.
    """

    def __init__(self) -> None:
        self._days: dict[int, _Day] = {}

    def intent(self, record: Intent) -> None:
        """A call is about to be sent."""
        addition = None
        if record.action == "add_margin" and record.asset is not None and record.amount is not None:
            addition = (record.asset, record.amount)
        day = record.signed_at_ms // DAY_MS
        self._days.setdefault(day, _Day()).calls[record.intent_id] = addition
        for old in sorted(self._days)[:-_DAYS_KEPT]:
            del self._days[old]

    def outcome(self, intent_id: str, known: IntentStatus) -> None:
        """The outcome of a call; a call that moved nothing no longer counts."""
        if known in NOTHING:
            for day in self._days.values():
                day.calls.pop(intent_id, None)

    def by_day(self) -> dict[int, dict[str, tuple[str, Decimal] | None]]:
        """All calls, by day since 1970 and intent id: the asset and amount of an addition, None for any other call."""
        return {number: dict(day.calls) for number, day in self._days.items()}

    @classmethod
    def of(cls, days: Mapping[int, Mapping[str, tuple[str, Decimal] | None]]) -> "DayTotals":
        """The totals from a value of ``by_day``."""
        totals = cls()
        totals._days = {number: _Day(calls=dict(calls)) for number, calls in days.items()}
        return totals

    def on(self, time_ms: int, *, beside: Iterable["DayTotals"] = ()) -> DayUsed:
        """The calls of the UTC day that contains an exchange time, with those of the totals ``beside``."""
        calls: dict[str, tuple[str, Decimal] | None] = {}
        for totals in (self, *beside):
            calls |= totals._days.get(time_ms // DAY_MS, _Day()).calls
        added: dict[str, Decimal] = {}
        for asset, amount in filter(None, calls.values()):
            added[asset] = plus(added.get(asset, ZERO), amount)
        return DayUsed(added=MappingProxyType(added), changes=len(calls))
