"""The life of one step as a value: its state in the table, the event that it waits for, and the facts seen so far.

``machine.py`` turns it into the next life on each event.
"""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Self

from reconcile.evidence.verdict import Sight
from reconcile.journal.records import Intent, IntentStatus, Unsettled
from reconcile.protocol.lifecycle import Event, ImpossibleError, State, advance
from reconcile.protocol.signals import Command, LaneLook, Memory, SomeEvent
from reconcile.protocol.task import Task


class Doing(StrEnum):
    """The event that a life waits for."""

    NOTHING = "nothing"  # it has not begun
    PAUSE = "pause"  # before another attempt
    ENTRY = "entry"  # room under the write limit
    LOOK = "look"  # to compute the call from
    LEDGER = "ledger"  # to decide whether that look is sound
    LATER_LOOK = "later_look"  # the moment of a better one
    PLACE = "place"  # among the few steps that are prepared at once
    RESERVATION = "reservation"
    FUNDS = "funds"  # a reduction that frees balance
    SEEN_FUNDS = "seen_funds"  # the moment at which a look includes all ended additions
    INTENT = "intent"  # on disk
    WIRE = "wire"  # its turn to send
    ANSWER = "answer"
    HELD_BACK = "held_back"  # on disk: its turn came too late
    NOT_SENT = "not_sent"  # on disk
    REFUSED_FOR_NOW = "refused_for_now"  # on disk
    REFUSED = "refused"  # on disk
    YES = "yes"  # on disk
    DOUBT = "doubt"  # on disk
    VISIBLE = "visible"  # a look that shows the change
    VISIBLE_PAUSE = "visible_pause"
    FENCE = "fence"
    TIME = "time"  # the exchange's time, before the search for an accepted call
    SIGHT = "sight"  # a look after the fence
    SIGHT_LEDGER = "sight_ledger"
    SIGHT_PAUSE = "sight_pause"
    END = "end"  # the outcome on disk
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingSight:
    """One look at the setting that an absolute step changes: a margin type or auto-add; None if it is not shown."""

    live: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The search for the effect of an intent.

    ``was`` is the status before the search, as ``evidence/verdict.py::judge`` takes it. ``effect_ms`` is when the
    exchange accepted the call, or None. The present look is later than ``asked_ms``. ``previous`` is the result of the
    look before it, None if there was none or it failed.
    """

    was: IntentStatus | None
    effect_ms: int | None
    deadline_ms: int = 0
    asked_ms: int = 0
    looks: int = 0
    previous: Sight | SettingSight | None = None
    trouble: str = field(default="no two looks in a row gave the same answer", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One step on its way through the table.

    ``attempts`` counts attempts that were begun and proven to have done nothing; ``intents`` counts those of them that
    never left. ``looks`` counts looks that were not sound. A look to compute a call from is later than
    ``not_before_ms``, and the present look is later than ``after_ms``. The exchange accepted the call at ``effect_ms``;
    looks after that must be later than ``yes_ms``. ``memory`` holds the facts known when ``look`` came.
    """

    task: Task = field(compare=False)
    state: State = State.PLANNED
    doing: Doing = Doing.NOTHING
    placed: bool = False
    attempts: int = 0
    intents: int = 0
    looks: int = 0
    not_before_ms: int = 0
    after_ms: int = 0
    look: LaneLook | None = None
    memory: Memory | None = field(default=None, compare=False)
    new_id: str = field(default="", compare=False)
    intent: Intent | None = None
    sent_amount: Decimal | None = None
    yes_ms: int = 0
    effect_ms: int = 0
    search: Search | None = None
    earlier: Unsettled | None = None
    after: str | None = None
    evidence: str = field(default="", compare=False)
    detail: str = field(default="", compare=False)

    @classmethod
    def from_journal(cls, task: Task, item: Unsettled) -> Self:
        """The life of a step that an earlier run left open: it begins where nothing can be sent."""
        state = State.CONFIRMING if item.said_yes else State.DOUBT
        return cls(task=task, state=state, intent=item.intent, earlier=item)

    def turned(self, event: Event, **changes: object) -> Self:
        """The life after one arrow of the table, and with these fields changed."""
        return replace(self, state=advance(self.state, event), **changes)  # type: ignore[arg-type]

    @property
    def seen(self) -> tuple[LaneLook, Memory]:
        """The present look, and the facts known when it came."""
        if self.look is None or self.memory is None:
            raise LookupError(f"running a step that is {self.state}: it has no look; this is a bug")
        return self.look, self.memory

    @property
    def the_intent(self) -> Intent:
        """The intent that is under way."""
        if self.intent is None:
            raise LookupError(f"running a step that is {self.state}: it has no intent; this is a bug")
        return self.intent

    def no_answer(self, event: SomeEvent) -> ImpossibleError:
        """The error for an event that does not answer the last command."""
        kind = type(event).__name__
        return ImpossibleError(f"running a step that waits for {self.doing}: {kind} is no answer to it; this is a bug")


Turned = tuple[Life, tuple[Command, ...]]
"""A life after an event, and the commands to execute now; the next event answers the last command."""
