"""From a counterexample of the explorer to a schedule that the simulation plays.

The calls are what both have in common: the n-th call of the path is the n-th of the schedule. Answers and deliveries
go with the call. Everything else is placed by the calls around it: the schedule as made so far is played, and from its
own times follows when another person acts, which reads are late and by how much, and when a process dies. A thing that
the simulation has no counterpart of is named in ``Replay.without``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from reconcile.exchanges.http.retry import READ_ATTEMPTS
from reconcile.protocol.signals import Look, ReadLedger, SendCall, Write
from reconcile.protocol.timing import MAX_READ_AGE_MS
from tests.explorer.model import ANSWER_MS, Kind, Row, Scope, World, slot_at
from tests.explorer.placing import SPOKEN, Read, Recorded, played, sent
from tests.explorer.search import Step
from tests.explorer.standing import STANDING, Standing
from tests.simulation.ledger import Ledger
from tests.simulation.machine import EPOCH_MS
from tests.simulation.schedule import TIME, WRITE, Aim, Go, Happening, Schedule

ANSWERS = {
    "yes": "",
    "yes, and never done": "yes_without",
    "yes, done later": "early_yes",
    "done, the answer is lost": "lost",
    "under way, no answer": "late_lost",
    "never left": "refused",
    "refused": "refusal:state",
    "refused for now": "refusal:throttle",
    "yes to another amount, done": "other_yes",
    "yes to another amount, under way": "other_yes",
    "yes to another amount, never done": "other_yes_without",
    "refused, it comes too late": "",
    "it comes too late, the answer is lost": "lost",
}
"""What becomes of a call, in the explorer's words and in those of schedules (empty: nothing goes wrong)."""
_ON_THE_WAY = {"late_lost": "never_reset", "other_yes": "other_yes_without", "early_yes": "yes_without"}
"""What may take effect after its answer, and what it is called where it never does."""
CRASHES = {"killed": "kill", "power cut": "power", "the machine is lost": "kill"}
OTHERS = {
    "a person moves": "human",
    "the other side's margin moves": "human",
    "funding of": "fund",
    "the position is closed": "close",
    "the position is opened again": "reopen",
}
"""What others do, by how the explorer's words begin."""
NO_COUNTERPART = {
    "a fill moves": "what a fill of the simulation moves follows from its size, which is always the same",
    "a slow look shows": "a read of the simulation is slow or late, not both",
    "a ledger that does not reach back": "a schedule cuts off the ledger by its age, for all reads alike",
    "our clocks are": "clocks of the simulation drift by a rate of their own, from a run's beginning to its end",
    "the mark price is": "the mark price of the simulation does not move, and no limit on its distance is declared",
}
"""What the simulation cannot do, by how the explorer's words begin, and why."""
_CENTS = 100
_UNPLACED = {Kind.MARK, Kind.FILL}
_MOST_PLAYS = 40
_SEEDS = 32
_WARM_MS = 45_000
"""How long after the run before the path its first one begins: no earlier request can be under way any more."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A schedule, and what of the path it leaves out, with the reason."""

    schedule: Schedule
    without: tuple[str, ...]


def is_known(what: str) -> bool:
    """Whether the words of a path have a place in a schedule, or are said to have none."""
    said = SPOKEN.match(what)
    if said is not None:
        return said[3] is None or said[3] in ANSWERS
    return what.startswith(
        (*CRASHES, *OTHERS, *STANDING, *NO_COUNTERPART, "asked to stop", "a read fails", "its turn comes late")
    )


def replay(scope: Scope, path: Sequence[Step]) -> Replay:
    """The schedule of a path, made under whatever defect is in force. Raises ValueError for words that it cannot
    place."""
    making = _Making(scope, path)
    making.outline()
    for number in range(len(path)):
        making.place(number)
    return Replay(making.schedule, tuple(dict.fromkeys(making.without)))


class _Making(Standing):
    # The runs and the calls.

    def outline(self) -> None:
        """The runs, the calls with their answers, and what the schedule is about."""
        scope, calls, runs = self.scope, 0, list[Go]()
        happenings: list[Happening] = []
        for number, step in enumerate(self.path):
            said = SPOKEN.match(step.what)
            if step.what and not is_known(step.what):
                raise ValueError(f"replaying a path: {step.what!r} has no place in a schedule")
            if said and said[2] in {"plans", "settles"} and int(said[1]) > len(runs):
                runs.append(self._go(step, number))
            if said and said[3] is not None:
                calls += 1
                happenings += self._answer(calls, said[3], number)
            if step.what == "its turn comes late":
                self.schedule = replace(self.schedule, flush=MAX_READ_AGE_MS + 1_000)
        self._assume()
        aim = self._aim(runs)
        if aim.revised in {None, scope.before}:  # a run before, so that the journal is no news: it finds all in place
            self.first = 1
            aim = replace(aim, revised=scope.before)
            runs = [Go(wait=0, revised=True), replace(runs[0], wait=_WARM_MS), *runs[1:]]
        side = Aim(side="short", before=scope.before, target=scope.before)
        self.schedule = replace(
            self.schedule,
            exchange="binance" if scope.names_side else "okx",
            aims=(aim, side) if scope.other_side else (aim,),
            runs=tuple(runs),
            happenings=tuple(happenings),
            grace=scope.grace_ms,
            ledger=Ledger(behind=scope.behind_ms, splits=scope.splits),
        )

    def _assume(self) -> None:
        scope = self.scope
        if scope.clock_ms:
            self.without.append(f"a clock that is {scope.clock_ms} ms off all the time: schedules know rates and jumps")
        if scope.names_side is (scope.validity_ms != 3_000):
            self.without.append(f"a validity of {scope.validity_ms} ms: an exchange has its own")
        if scope.short_runs:
            self.without.append("steps of ours on the symbol's other side: the schedule has them on the first side")
        if scope.digits is not None:
            self.without.append("a ledger that rounds: the amounts of a schedule's targets are whole")
        if scope.min_distance:
            self.without.append("a least distance to liquidation: the simulation's policy has none")

    def _go(self, step: Step, number: int) -> Go:
        lost = sum(earlier.what == "the machine is lost" for earlier in self.path[:number])
        targets = self.scope.targets
        target = targets[min(step.before.run, len(targets) - 1)]
        return Go(
            wait=self.wait_ms(step) if step.before.run else 0,
            home=lost,
            host="one" if not lost else "two",
            revised=target != targets[0],
        )

    def _aim(self, runs: Sequence[Go]) -> Aim:
        scope = self.scope
        wanted = dict.fromkeys(scope.targets[: len(runs)])
        if len(wanted) > 2:
            self.without.append(f"targets of {', '.join(map(str, wanted))}: a state file has two versions")
        first, *later = wanted
        return Aim(before=scope.before, target=first, revised=later[0] if later else None)

    def _answer(self, call: int, words: str, number: int) -> Iterator[Happening]:
        """What becomes of a call, where its process lives on, and where it dies at once."""
        step, how = self.path[number], ANSWERS[words]
        value = self._arrival(step) if how in _ON_THE_WAY else 0
        if value is None:
            how, value = _ON_THE_WAY[how], 0
        if how == "early_yes":
            value = min(value, self.scope.early_ms)
        crash = self._crash_at_once(number)
        if crash and how in {"", "lost", *_ON_THE_WAY}:
            how = f"{crash}_answer" if not how else f"{crash}_sent"
        if how:
            yield Happening(where=WRITE, n=call, how=how, value=value)

    def _arrival(self, step: Step) -> int | None:
        """How long after it was sent a call takes effect; None: never."""
        last = self.path[-1].after
        intent = sent(step)
        row = next((row for row in last.rows if row.intent == intent), None)
        if row is not None:
            return row.time_ms - step.before.at_ms
        flight = next((flight for flight in last.flights if flight.intent == intent), None)
        return None if flight is None else flight.until_ms - step.before.at_ms - ANSWER_MS

    def _crash_at_once(self, number: int) -> str:
        """The crash that comes before anything else is done about an answer."""
        following = next((step for step in self.path[number + 1 :] if step.what), None)
        if following is None or following.what not in CRASHES or following.stage is None:
            return ""
        return CRASHES[following.what] if isinstance(following.stage.todo, Write) else ""

    # Everything between the calls.

    def place(self, number: int) -> None:
        """Put one thing where the calls around it say."""
        step = self.path[number]
        for begins, why in NO_COUNTERPART.items():
            if step.what.startswith(begins):
                self.without.append(f"{step.what}: {why}")
        for begins, how in OTHERS.items():
            if step.what.startswith(begins):
                self.add(self._other(step, how, self.moment(number)))
        if step.what == "asked to stop":
            self.add(Happening(where=TIME, n=self.moment(number), how="stop", on=step.before.run + self.first))
        if step.what in CRASHES:
            self._crash(number)
        self.place_standing(number)
        if step.what == "a read fails":
            self._fail(number)
        if step.what.startswith(("a look shows", "the ledger shows")) or " plans " in step.what:
            where = "ledger" if step.what.startswith("the ledger") else "positions"
            self._be_late(where, number, self._missed(number), same=self._same(number, where))
        if " plans " in step.what:
            rows = [row for row in step.after.rows if row.time_ms <= step.after.at_ms and row.kind is not Kind.MARK]
            missed = rows[sum(row.kind is not Kind.MARK for row in step.after.asked) :]
            self._be_late("ledger", number, missed[0] if missed else None, same=[number])

    def _other(self, step: Step, how: str, moment: int) -> Happening:
        amount = int(step.what.split()[-1]) if how in {"human", "fund"} else 0
        on = int(step.what.startswith("the other side"))
        if how == "fund":
            return Happening(where=TIME, n=moment, how="fund", value=amount * _CENTS, on=on)
        name = how if how != "human" else "human_add" if amount > 0 else "human_reduce"
        return Happening(where=TIME, n=moment, how=name, value=abs(amount), on=on)

    def _crash(self, number: int) -> None:
        step, calls = self.path[number], self.calls(number)
        if step.what == "power cut" and calls and self._loses_intent(number):
            self._lose_intent(calls)
        if self._dies_at_once(number):
            return
        how = CRASHES[step.what]
        if step.stage is not None and isinstance(step.stage.todo, SendCall):
            self.add(Happening(where=WRITE, n=calls + 1, how=how))
        else:
            self.add(Happening(where=TIME, n=self.moment(number) + 1, how=how, on=step.before.run + self.first))

    def _loses_intent(self, number: int) -> bool:
        """Whether the last call's intent was among the records that were not on disk."""
        call = self.path.index(self.call(self.calls(number)))
        written = sum(1 for step in self.path[:call] if step.stage is not None and isinstance(step.stage.todo, Write))
        return self.path[number].after.durable < written

    def _lose_intent(self, calls: int) -> None:
        """Find the dice of a disk that loses, of what was not flushed, the call's intent too."""
        for seed in range(_SEEDS):
            made = replace(self.schedule, seed=seed)
            world = played(made)
            signed = b'"signed_at_ms":%d' % world.written[calls - 1].signed_ms
            if signed not in world.journal():
                self.schedule = made
                return

    def _dies_at_once(self, number: int) -> bool:
        before = next((at for at in range(number - 1, -1, -1) if self.path[at].what), None)
        answered = before is not None and SPOKEN.match(self.path[before].what)
        if not answered or ANSWERS.get(answered[3] or "", "none") not in {"", "lost", *_ON_THE_WAY}:
            return False
        return bool(self._crash_at_once(before or 0))

    def _fail(self, number: int) -> None:
        """A read fails for good: every one of its tries."""
        where = self._kind(number)
        if where is None:
            self.without.append("room under the write limit that is not got in time: schedules have no such wait")
            return
        reads = self._segment(number, where)
        ordinal = sum(1 for at in self._same(number, where) if at < number)
        if not reads:
            return
        first = reads[min(ordinal, len(reads) - 1)].n
        self.add(*(Happening(where=where, n=first + each, how="refused") for each in range(READ_ATTEMPTS)))

    def _be_late(self, where: str, number: int, missed: Row | None, *, same: Sequence[int]) -> None:
        """A read that misses a movement is late by as much; so are those of its kind up to the next one."""
        if missed is None:
            return
        ordinal, is_last = same.index(number), same[-1] == number
        for _ in range(_MOST_PLAYS):
            reads = self._segment(number, where)
            chosen = reads[ordinal:] if is_last else reads[ordinal : ordinal + 1]
            late = [each for read in chosen if (each := self._late(read, missed)) is not None]
            if not late:
                return
            self.add(late[0])

    def _late(self, read: Read, missed: Row) -> Happening | None:
        if any((each.where, each.n) == (read.where, read.n) for each in self.schedule.happenings):
            return None
        graces = self.scope.ledger_late if read.where == "ledger" else self.scope.positions_late
        world = played(self.schedule)
        effect_ms = self._effect_ms(world, missed)
        if effect_ms is None or effect_ms > read.at_ms + ANSWER_MS:
            return None
        lag = min(read.at_ms - effect_ms + ANSWER_MS, graces * self.scope.grace_ms)
        how = "stale_ledger" if read.where == "ledger" else "stale_positions"
        return Happening(where=read.where, n=read.n, how=how, value=lag)

    def _effect_ms(self, world: Recorded, missed: Row) -> int | None:
        """When the simulation has a movement of the path; None: not at all."""
        if missed.intent:
            call = next(at for at in range(1, len(self.path) + 1) if sent(self.call(at)) == missed.intent)
            serial = world.written[call - 1].serial if call <= len(world.written) else None
            times = [each.time_ms for each in world.books.effects if each.actor == "api" and each.request == serial]
        else:
            if missed.kind in _UNPLACED:
                return None
            theirs = [row for row in self.path[-1].after.rows if not row.intent and row.kind not in _UNPLACED]
            mine = [each for each in self.schedule.happenings if each.where == TIME and not each.how.startswith("k")]
            at = theirs.index(missed)
            times = [EPOCH_MS + mine[at].n] if at < len(mine) else []
        return times[0] - EPOCH_MS if times else None

    def _missed(self, number: int) -> Row | None:
        """The first movement that a read of the path does not show, None: it shows all."""
        step = self.path[number]
        if step.what.startswith("the ledger"):
            rows = [row for row in step.before.rows if row.time_ms <= step.before.at_ms]
            known = 0 if step.what.endswith("nothing") else step.what.count(",") + 1
            return rows[known] if known < len(rows) else None
        is_look = step.what.startswith("a look")
        sent_ms = step.after.at_ms - (ANSWER_MS if is_look else 0)
        words = step.what.split()
        shown = words[-1] if is_look else words[3]
        rows = [row for row in step.after.rows if row.time_ms <= sent_ms and row.kind is not Kind.MARK]
        for count in range(len(rows), -1, -1):
            margin = slot_at(self.scope, tuple(rows[:count]), sent_ms).margin
            if shown == ("position" if margin is None else str(margin)):
                return rows[count] if count < len(rows) else None
        return None

    def _kind(self, number: int) -> str | None:
        stage = self.path[number].stage
        match None if stage is None else stage.todo:
            case Look():
                return "positions"
            case ReadLedger():
                return "ledger"
            case _ as todo:
                return "time" if todo is not None and type(todo).__name__ in {"WaitPast", "KnowTime"} else None

    def _same(self, number: int, where: str) -> list[int]:
        """The reads of a kind in the path between the calls around this one, and within its run."""
        calls, run = self.calls(number), _newest(self.path[number].after)
        marks = ("the ledger",) if where == "ledger" else ("a look",)
        return [
            at
            for at, step in enumerate(self.path)
            if (self.calls(at), _newest(step.after)) == (calls, run)
            and (
                step.what.startswith(marks)
                or (where == "positions" and " plans " in step.what)
                or (step.what == "a read fails" and self._kind(at) == where)
            )
        ]

    def _segment(self, number: int, where: str) -> list[Read]:
        """The reads of a kind in the simulation between the same calls, and within the same run."""
        calls, run = self.calls(number), _newest(self.path[number].after)
        return [
            read
            for read in played(self.schedule).reads
            if (read.where, read.run, read.calls) == (where, run + self.first, calls)
        ]


def _newest(world: World) -> int:
    """The run that began last: the one whose reads they are, unless one goes on that had been suspended."""
    asleep = None if world.rare is None else world.rare.asleep
    if asleep is None or not asleep.holds:
        return world.run
    return asleep.run if asleep.life >= 0 else asleep.run - 1
