"""Where in a schedule, as it is made so far, a step of the explorer's path lies: by the calls around it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from tests.explorer.model import Scope
from tests.explorer.search import Step
from tests.simulation.schedule import Go, Happening, Schedule
from tests.simulation.simulation import Simulation

SPOKEN = re.compile(
    r"run (\d+) (plans|settles|ends)|sends [+-]\d+: (.+?)(?:, read \S+ s later)?$"
    r"|a look shows|the ledger shows|.* s pass"
)
_BEFORE_MS = 500
"""How long before a run begins what happens just before it."""


class Read(NamedTuple):
    """A request of a simulated run: its kind and number, when it was sent, by which run, after how many calls."""

    where: str
    n: int
    at_ms: int
    run: int
    calls: int


class Recorded(Simulation):
    """A simulation that writes down its reads."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(schedule)
        self.reads: list[Read] = []
        self.journals: dict[int, bytes] = {}
        """The journal before each run but the first, before anything is done to it."""

    def _spoil_journal(self, number: int, go: Go) -> None:
        self.journals[number] = self.journal(go.home)
        super()._spoil_journal(number, go)

    def happening(self, where: str) -> Happening | None:
        """See ``Simulation.happening``."""
        found = super().happening(where)
        now = self.loop.now_ms()
        self.reads.append(Read(where, self._counts[where], now, len(self.ran) - 1, len(self.written)))
        return found


def played(schedule: Schedule) -> Recorded:
    """A schedule's world when it is over."""
    simulation = Recorded(schedule)
    try:
        simulation.play()
    finally:
        simulation.close()
    return simulation


@dataclass(slots=True)
class Placed:
    """A path, and the schedule of it so far; ``without`` says what that leaves out."""

    scope: Scope
    path: Sequence[Step]
    schedule: Schedule = field(default_factory=Schedule)
    without: list[str] = field(default_factory=list)
    first: int = 0
    """How many runs there are before the first one of the path."""

    def add(self, *more: Happening) -> None:
        """Put happenings into the schedule, for those that were at the same point."""
        kept = [each for each in self.schedule.happenings if all((each.where, each.n) != (m.where, m.n) for m in more)]
        self.schedule = replace(self.schedule, happenings=tuple(sorted((*kept, *more))))

    def moment(self, number: int, *, slept_ms: int = 0) -> int:
        """When it happens in the simulation: as long before the next call of its run as in the path, and where there
        is none as long after the call or the beginning before it. ``slept_ms`` is what it takes itself."""
        step, world = self.path[number], played(self.schedule)
        at_ms, calls = step.after.at_ms, self.calls(number)
        following = self.next_call(number)
        if following is not None and calls < len(world.written) and following.before.run == step.before.run:
            moment = world.written[calls].sent_ms - (following.before.at_ms - at_ms) - 1
            return max(world.ran[self.first].started_ms - _BEFORE_MS, moment)
        if calls and calls <= len(world.written):
            return world.written[calls - 1].sent_ms + at_ms - slept_ms - self.call(calls).before.at_ms
        return world.ran[self.first].started_ms + at_ms - slept_ms - self.path[0].before.at_ms

    def calls(self, number: int) -> int:
        """How many calls were sent before a step of the path."""
        return sum(1 for step in self.path[:number] if sent(step))

    def call(self, call: int) -> Step:
        """The step with the call of that number, from 1."""
        return [step for step in self.path if sent(step)][call - 1]

    def next_call(self, number: int) -> Step | None:
        """The first call from a step of the path on."""
        return next((step for step in self.path[number:] if sent(step)), None)


def sent(step: Step) -> str:
    """The intent whose call a step is, empty where it is none."""
    said = SPOKEN.match(step.what)
    return step.stage.life.the_intent.intent_id if said and said[3] is not None and step.stage is not None else ""
