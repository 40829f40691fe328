"""The path of isolated margin from run to run: our own steps, and other movements by cause.

A run that ends with a look tells why live differs from what the run before it saw last. It names our steps and the
causes (``usecases/movements.py``). Runs in between that did not look (killed, a resolve) are told with it. Some runs
told nothing: the first of a journal, or one that was cut off. A difference in their looks that no step of ours explains
is ``unexplained``, at the time of the look. Before, every change, and after add up.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from reconcile.audit.reading import UNCLEAR
from reconcile.journal.records import IntentStatus
from reconcile.model.notes import PlanNote
from reconcile.model.reports import Movement, MovementSummary, Run, StepTaken
from reconcile.money import ZERO, minus, parse, plain, plus, total
from reconcile.render.common.values import rfc3339

OURS = "reconcile"
UNEXPLAINED = "unexplained"
TOLERANCE = Decimal("0.005")
"""The drift tolerance of a run that did not record one: the default of a state file."""


class _When(NamedTuple):
    """A moment: by the runner's clock, and by the exchange's where that is known."""

    at: str
    at_ms: int | None


class Tracker:
    """The isolated margin of every address as far as it is known, moved along run by run."""

    def __init__(self, start: Mapping[str, Decimal] | None = None, *, counted: Iterable[str] = ()) -> None:
        """``start`` is what is known at the beginning; what is not in it has no past. ``counted`` are the intents whose
        steps are in it already."""
        self.known: dict[str, Decimal] = dict(start or {})
        self._counted: set[str] = set(counted)
        self._assets: dict[str, str] = {}
        self._waiting: list[Run] = []
        """Runs without a look, until the next one with a look tells what theirs came to."""

    def take(self, run: Run) -> list[Movement]:
        """Every movement that is known by this run and was not before, in order."""
        if run.live is None:
            self._waiting.append(run)
            return []
        if run.moved is None:
            return [*self.rest(), *self._alone(run)]
        waited, self._waiting = self._waiting, []
        return self._told(run, run.moved, waited)

    def rest(self) -> list[Movement]:
        """The movements of the last runs, after which none looked."""
        waited, self._waiting = self._waiting, []
        return [movement for run in waited for movement in self._alone(run)]

    # Movements that a run reported.

    def _told(self, run: Run, moved: Mapping[str, MovementSummary], waited: Sequence[Run]) -> list[Movement]:
        live = {place: each.isolated_margin for place, each in (run.live or {}).items()}
        self._assets |= {place: each.asset for place, each in (run.live or {}).items()}
        self._assets |= {place: told.asset for place, told in moved.items() if told.asset}
        steps: dict[str, dict[str, Movement]] = {}
        for each in (*waited, run):
            for step in (*each.settled, *each.steps):
                self._assets[step.address] = step.asset or self._assets.get(step.address, "")
                if step.intent_id not in self._counted:
                    steps.setdefault(step.address, {})[step.intent_id] = _movement(step, counts=False)
        found: list[Movement] = []
        for place, told in moved.items():
            self.known.setdefault(place, told.before or ZERO)
        for place in sorted({*live, *self.known, *steps}):
            ours = steps.get(place, {})
            for intent_id, amount in moved[place].ours if place in moved else ():
                if intent_id not in self._counted:
                    ours[intent_id] = _counting(ours.get(intent_id), run, place, amount)
                    self._counted.add(intent_id)
            causes = self._causes(run, place, moved.get(place), live.get(place, ZERO), list(ours.values()))
            found += self._in_order(place, [*ours.values(), *causes])
            self.known[place] = live.get(place, ZERO)
        return found

    def _causes(
        self, run: Run, place: str, told: MovementSummary | None, after: Decimal, ours: Sequence[Movement]
    ) -> Iterator[Movement]:
        """The causes that the run told, and what is missing to where it looked."""
        when = _When(run.finished_at or run.started_at, run.live_at_ms)
        causes = told.causes if told is not None else ()
        by_us = total(each.change for each in ours if each.change is not None)
        gap = minus(minus(after, self.known.get(place, ZERO)), by_us)
        rest = minus(gap, total(amount for _, amount, _ in causes))
        if place not in self.known and told is None:
            rest = ZERO
        drifts = abs(gap) > _tolerated(run, place)
        open_part = total(amount for cause, amount, _ in causes if cause == UNEXPLAINED)
        named = [each for each in causes if each[0] != UNEXPLAINED]
        for cause, amount, at_ms in [*named, (UNEXPLAINED, plus(open_part, rest), None)]:
            if amount != ZERO:
                detail = run.moved_problem if cause == UNEXPLAINED else reasons(run).get(place, "")
                moment = when if at_ms is None else _When(rfc3339(at_ms), at_ms)
                yield self._by_others(run, place, moment, cause=cause, change=amount, drifts=drifts, detail=detail)

    def _by_others(
        self, run: Run, place: str, when: _When, *, cause: str, change: Decimal, drifts: bool, detail: str
    ) -> Movement:
        return Movement(
            at=when.at,
            at_ms=when.at_ms,
            address=place,
            asset=self._assets.get(place, ""),
            cause=cause,
            change=change,
            run_id=run.run_id,
            outcome="drift" if drifts else "seen",
            detail=detail,
            host=run.origin.host,
        )

    def _in_order(self, place: str, movements: Sequence[Movement]) -> Iterator[Movement]:
        """By time, each with the margin around it; a step keeps the margin that its own run saw."""
        margin = self.known.get(place)
        for each in sorted(movements, key=lambda each: (each.at_ms is None, each.at_ms or 0)):
            if margin is None or not each.change:
                yield each
                continue
            after = plus(margin, each.change)
            yield each if each.cause == OURS else replace(each, before=plain(margin), after=plain(after))
            margin = after

    # Movements that a run's own looks show, if it reported none.

    def _alone(self, run: Run) -> list[Movement]:
        found = [movement for step in run.settled for movement in self._settled(step)]
        for step in run.steps:
            found += self._step(run, step)
        if run.live is not None and run.finished_at is not None:
            when = _When(run.finished_at, run.live_at_ms)
            for place in sorted({*run.live, *self.known}):
                margin = run.live.get(place)
                found += self._seen(run, place, ZERO if margin is None else margin.isolated_margin, when)
        return found

    def _settled(self, step: StepTaken) -> Iterator[Movement]:
        """Report a step that an earlier run left open; its margin is ours, whichever run saw it first."""
        if step.intent_id in self._counted and step.has_moved:
            return
        yield _movement(step)
        if step.has_moved and step.change is not None:
            self._counted.add(step.intent_id)
            self.known[step.address] = plus(self.known.get(step.address, parse(step.before)), step.change)

    def _step(self, run: Run, step: StepTaken) -> Iterator[Movement]:
        self._assets[step.address] = step.asset or self._assets.get(step.address, "")
        if step.amount is not None:
            yield from self._seen(run, step.address, parse(step.before), _When(step.at, step.signed_at_ms))
        yield _movement(step)
        if step.has_moved:
            self._counted.add(step.intent_id)
            self.known[step.address] = parse(step.wanted)
            ended = _When(step.ended_at or step.at, step.effect_ms)
            yield from self._seen(run, step.address, parse(step.after or step.wanted), ended)

    def _seen(self, run: Run, place: str, margin: Decimal, when: _When) -> Iterator[Movement]:
        earlier = self.known.get(place)
        self.known[place] = margin
        if run.live is not None and place in run.live:
            self._assets[place] = run.live[place].asset
        if earlier is None or earlier == margin:
            return
        change = minus(margin, earlier)
        drifts = abs(change) > _tolerated(run, place)
        moved = self._by_others(
            run, place, when, cause=UNEXPLAINED, change=change, drifts=drifts, detail=reasons(run).get(place, "")
        )
        yield replace(moved, before=plain(earlier), after=plain(margin))


def _movement(step: StepTaken, *, counts: bool = True) -> Movement:
    """A step; one that does not count moved nothing by now as far as looks tell, whatever its answer was."""
    moved = step.has_moved
    unclear = step.outcome in UNCLEAR or (not counts and step.outcome == IntentStatus.ACCEPTED and moved)
    detail = "; ".join(part for part in (step.answer, step.evidence) if part)
    return Movement(
        at=step.at,
        at_ms=step.signed_at_ms,
        address=step.address,
        asset=step.asset or "",
        cause=OURS,
        change=None if unclear else step.change if moved and counts else ZERO,
        before=step.before,
        after=step.wanted if moved else (step.after or ""),
        run_id=step.run_id,
        actor=step.origin.actor,
        outcome=step.outcome,
        detail=detail,
        reason=step.origin.reason,
        asked=step.change,
        intent_id=step.intent_id,
        host=step.origin.host,
        git_commit=step.origin.git_commit,
        plan_id=step.origin.plan_id,
        digest=step.origin.digest,
    )


def _counting(step: Movement | None, run: Run, place: str, amount: Decimal) -> Movement:
    """A step that counts; one of a run from before the first that was taken is told by the run that counts it."""
    if step is not None:
        return replace(step, change=amount)
    at_ms = run.live_at_ms
    return Movement(
        at=run.started_at,
        at_ms=at_ms,
        address=place,
        asset="",
        cause=OURS,
        change=amount,
        run_id=run.run_id,
        actor=run.actor,
        outcome="applied",
        detail="sent by an earlier run",
        reason=run.reason,
    )


def _tolerated(run: Run, place: str) -> Decimal:
    """The tolerance of the run there; if it recorded none, the default of a state file."""
    if place in run.tolerance:
        return run.tolerance[place]
    return run.declared.get(place, ZERO) * TOLERANCE


def reasons(run: Run) -> Mapping[str, str]:
    """Why an address had to change, as the run's plan said, by address."""
    return {
        entry.address: entry.reason
        for note in run.notes
        if isinstance(note.body, PlanNote)
        for entry in note.body.entries
        if entry.reason
    }


def margins(run: Run) -> dict[str, Decimal]:
    """The isolated margin of each address as a run left it: what it looked at last, with steps it did not see added."""
    found = {} if run.live is None else {place: each.isolated_margin for place, each in run.live.items()}
    if run.live is None:
        for step in (*run.settled, *run.steps):
            if step.amount is not None:
                found[step.address] = parse(step.after or step.wanted) if step.has_moved else parse(step.before)
    return found
