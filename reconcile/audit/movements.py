"""How isolated margin went from run to run: our own steps, and what the next look found to have moved besides.

What happened outside is seen only when a run looks, so its time is that of the look. Before, every change, and after
always add up: what no step of ours explains is told by the causes that the run read in the exchange's ledger and noted,
and as ``outside`` where it noted none.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from reconcile.audit.history import Movement, Run, StepTaken
from reconcile.money import ZERO, minus, parse, plain, plus, total
from reconcile.render.values import rfc3339

OURS = "reconcile"
OUTSIDE = "outside"
TOLERANCE = Decimal("0.005")
"""What counts as drift where a run did not say what it tolerates: the default of a state file."""


class _When(NamedTuple):
    """A moment: by the runner's clock, and by the exchange's where that is known."""

    at: str
    at_ms: int | None


class Tracker:
    """The isolated margin of every address as far as it is known, moved along run by run."""

    def __init__(self, start: Mapping[str, Decimal] | None = None) -> None:
        """``start`` is what is known at the beginning; what is not in it has no past."""
        self.known: dict[str, Decimal] = dict(start or {})
        self._counted: set[str] = set()
        self._assets: dict[str, str] = {}
        self._noted: dict[str, Mapping[str, Any]] = {}
        """What the run noted of movements since the run before it, by address, as far as it is not told yet."""

    def take(self, run: Run) -> list[Movement]:
        """Every movement that this run made or found, in order."""
        self._noted = dict(run.moved_since)
        found = [movement for step in run.settled for movement in self._settled(run, step)]
        for step in run.steps:
            found += self._step(run, step)
        if run.live is not None and run.finished_at is not None:
            when = _When(run.finished_at, run.live_at_ms)
            for place in sorted({*run.live, *self.known}):
                margin = run.live.get(place)
                found += self._seen(run, place, ZERO if margin is None else margin.isolated_margin, when)
        return found

    def _settled(self, run: Run, step: StepTaken) -> Iterator[Movement]:
        """What an earlier run left open; margin that moved by it is ours, whoever saw it first."""
        if step.intent_id in self._counted and step.has_moved:
            return
        yield _movement(run, step)
        if step.has_moved and step.change is not None:
            self._counted.add(step.intent_id)
            self.known[step.address] = plus(self.known.get(step.address, parse(step.before)), step.change)

    def _step(self, run: Run, step: StepTaken) -> Iterator[Movement]:
        self._assets[step.address] = step.asset or self._assets.get(step.address, "")
        if step.amount is not None:
            yield from self._seen(run, step.address, parse(step.before), _When(step.at, step.signed_at_ms))
        yield _movement(run, step)
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
        drifts = abs(minus(margin, earlier)) > _tolerated(run, place)
        for cause, change, at_ms in self._causes(place, earlier, margin):
            yield Movement(
                at=when.at if at_ms is None else rfc3339(at_ms),
                at_ms=when.at_ms if at_ms is None else at_ms,
                address=place,
                asset=self._assets.get(place, ""),
                cause=cause,
                change=change,
                before=plain(earlier),
                after=plain(plus(earlier, change)),
                run_id=run.run_id,
                outcome="drift" if drifts else "seen",
                detail=reasons(run).get(place, ""),
            )
            earlier = plus(earlier, change)

    def _causes(self, place: str, earlier: Decimal, margin: Decimal) -> list[tuple[str, Decimal, int | None]]:
        """What a change is made of: the causes that the run noted, where they begin at what is known, and the rest."""
        noted = self._noted.pop(place, None)
        found: list[tuple[str, Decimal, int | None]] = []
        if noted is not None and parse(noted["from"]) == earlier:
            found = [(each["cause"], parse(each["amount"]), each["at_ms"]) for each in noted["causes"]]
        rest = minus(minus(margin, earlier), total(change for _, change, _ in found))
        return found if rest == ZERO else [*found, (OUTSIDE, rest, None)]


def _movement(run: Run, step: StepTaken) -> Movement:
    moved = step.has_moved
    detail = "; ".join(part for part in (step.answer, step.evidence) if part)
    return Movement(
        at=step.at,
        at_ms=step.signed_at_ms,
        address=step.address,
        asset=step.asset or "",
        cause=OURS,
        change=step.change if moved else (None if step.outcome in {"in_flight", "unknown", "released"} else ZERO),
        before=step.before,
        after=step.wanted if moved else (step.after or ""),
        run_id=step.run_id,
        actor=run.actor,
        outcome=step.outcome,
        detail=detail,
        reason=run.reason,
    )


def _tolerated(run: Run, place: str) -> Decimal:
    """What the run tolerated there; where it did not say so, the default of a state file."""
    if place in run.tolerance:
        return run.tolerance[place]
    return run.declared.get(place, ZERO) * TOLERANCE


def reasons(run: Run) -> Mapping[str, str]:
    """Why an address had to change, as the run's plan said, by address."""
    return {
        entry["address"]: entry["reason"]
        for note in run.notes
        if note.what == "planned"
        for entry in note.details.get("entries", ())
        if entry.get("reason")
    }


def margins(run: Run) -> dict[str, Decimal]:
    """The isolated margin of each address as a run left it: what it looked at last, with steps it did not see added."""
    found = {} if run.live is None else {place: each.isolated_margin for place, each in run.live.items()}
    if run.live is None:
        for step in (*run.settled, *run.steps):
            if step.amount is not None:
                found[step.address] = parse(step.after or step.wanted) if step.has_moved else parse(step.before)
    return found
