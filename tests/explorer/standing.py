"""A path's runs that stand still, lose their lock, or find another journal, in a schedule of the simulation."""

import json
from dataclasses import replace

from reconcile.journal.records import Intent, NoteRecord, Outcome
from reconcile.model.notes import AnswerNote
from reconcile.protocol.signals import Look
from tests.explorer.placing import Placed, played, sent
from tests.explorer.search import Step
from tests.simulation.schedule import TIME, Happening

SUSPENDED, ROBBED, RESUMED = "suspended for", "suspended, and its lock is lost", "the suspended run goes on"
PUT_BACK = "the journal is put back"
READ_LATER = ": yes, read "
STANDING = (SUSPENDED, ROBBED, RESUMED, PUT_BACK, "the suspended run ends", "its journal is another run's")
"""How the words for these things begin."""
_ALL_ALONG_MS = 600_000


class Standing(Placed):
    """The part of a schedule that is about runs which stand still and about the journal that they find."""

    __slots__ = ()

    def place_standing(self, number: int) -> None:
        """Put one of these things where the calls around it say."""
        step = self.path[number]
        run = step.before.run + self.first
        if step.what.startswith(SUSPENDED):
            slept_ms = _ms(step.what.split()[2])
            moment = self.moment(number, slept_ms=slept_ms)
            self.add(Happening(where=TIME, n=moment, how="suspend", value=slept_ms, on=run))
        elif READ_LATER in step.what:
            calls, slept_ms = self.calls(number + 1), _ms(step.what.split()[-3])
            moment = played(self.schedule).written[calls - 1].sent_ms + 1
            self.add(Happening(where=TIME, n=moment, how="suspend", value=slept_ms, on=run))
        elif step.what == ROBBED:
            self._rob(number)
        elif step.what.startswith(PUT_BACK):
            self._put_back(number, int(step.what.split()[-2]))

    def wait_ms(self, step: Step) -> int:
        """How long after the moment before a run begins that it does, without its cold fence."""
        begins_ms, rare = step.after.at_ms, step.after.rare
        if rare is not None and rare.cold_ms and step.before.rare is not None and step.before.rare.cold_ms < 0:
            begins_ms = rare.cold_ms - self.scope.validity_ms - self.scope.grace_ms - 1 - 2 * self.scope.clock_ms
        elif step.before.is_cold:
            begins_ms -= self.scope.validity_ms + self.scope.grace_ms + 1
        return max(0, begins_ms - step.before.at_ms)

    # The lock that is lost.

    def _rob(self, number: int) -> None:
        """The run is suspended and its lock's file removed; the next one begins beside it, before it goes on."""
        step, run = self.path[number], self.path[number].before.run + self.first
        resumed = next((at for at in range(number, len(self.path)) if self.path[at].what.startswith(RESUMED)), None)
        begins = next((at for at in range(number, len(self.path)) if _begins(self.path[at])), None)
        moment = self._suspended_ms(number, resumed)
        if begins is not None and run + 1 < len(self.schedule.runs):
            goes = [*self.schedule.runs]
            wait = goes[run].wait + moment - played(self.schedule).ran[run].started_ms + 2
            wait += self.path[begins].after.at_ms - step.before.at_ms
            goes[run + 1] = replace(goes[run + 1], beside=True, wait=wait)
            self.schedule = replace(self.schedule, runs=tuple(goes))
        asleep = Happening(where=TIME, n=moment, how="suspend", value=_ALL_ALONG_MS, on=run)
        self.add(asleep, Happening(where=TIME, n=moment + 1, how="lock_replaced", on=run))
        if resumed is not None and begins is not None:
            self.add(replace(asleep, value=max(2, self._resumed_ms(resumed, begins, run) - moment)))

    def _suspended_ms(self, number: int, resumed: int | None) -> int:
        """Just before the look that the run's next call is computed from, or before that call, as in the path."""
        world, calls, step = played(self.schedule), self.calls(number), self.path[number]
        later = () if resumed is None else self.path[resumed:]
        is_to_send = any(sent(each) and each.before.run == step.before.run for each in later)
        if not is_to_send or calls >= len(world.written):
            return self.moment(number)
        sent_ms = world.written[calls].sent_ms
        if step.stage is not None and isinstance(step.stage.todo, Look):
            return max(read.at_ms for read in world.reads if read.where == "positions" and read.at_ms < sent_ms) - 1
        return sent_ms - 1

    def _resumed_ms(self, resumed: int, begins: int, run: int) -> int:
        """As long after the other run's last call as in the path; else after its beginning."""
        world, calls, at_ms = played(self.schedule), self.calls(resumed), self.path[resumed].after.at_ms
        if self.calls(begins) < calls <= len(world.written):
            return world.written[calls - 1].sent_ms + at_ms - self.call(calls).before.at_ms
        started_ms = world.ran[run + 1].started_ms if run + 1 < len(world.ran) else world.ran[run].started_ms
        return started_ms + at_ms - self.path[begins].after.at_ms

    # The journal that was put back.

    def _put_back(self, number: int, count: int) -> None:
        run = self.path[number].before.run + self.first
        if not count:
            how = "rolled_back" if self.first else "lost"  # the copy is of the journal after the very first run
            self.add(Happening(where="journal", n=run, how=how))
            return
        lines = played(self.schedule).journals.get(run, b"").splitlines()
        places = [place for place, line in enumerate(lines, start=1) if _is_of_a_step(json.loads(line))]
        if count <= len(places):
            self.add(Happening(where="journal", n=run, how="cut_short", value=len(lines) - places[count - 1]))


def _begins(step: Step) -> bool:
    return step.before.life < 0 <= step.after.life


def _ms(seconds: str) -> int:
    return int(float(seconds) * 1_000)


def _is_of_a_step(line: dict[str, object]) -> bool:
    """Whether a journal's line is a record that the explorer has too."""
    return line.get("kind") in {Intent.kind, Outcome.kind} or (
        line.get("kind") == NoteRecord.kind and line.get("what") == AnswerNote.what
    )
