"""Gathers what the report shows of a period: points and marks for the pictures, movements, what is open, the chain.

Everything comes from the journal. A broken chain is no reason to show nothing: what stands before the break is shown,
with the verdict.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from reconcile.audit.exporting import totals
from reconcile.audit.movements import OURS, Tracker
from reconcile.audit.reading import OPEN
from reconcile.audit.run_log import Filter, before_a_break, ignoring, no_such_account, rows
from reconcile.audit.verifying import heads
from reconcile.journal.base import Store
from reconcile.journal.identity import is_notes, owner_of
from reconcile.model.report_page import AccountPicture, AddressPicture, Mark, OpenItem, Point, Report
from reconcile.model.reports import ChainVerdict, LogRow, Movement, Run, StepTaken
from reconcile.model.run_start import RunStart
from reconcile.model.times import unix_ms
from reconcile.money import ZERO, parse, plain
from reconcile.render.common.values import signed_text

MOST_POINTS = 400
"""How many points one picture has at most; what is between them is thinned out, never a mark."""
_IDLE = {"error", "interrupted", "cut_off"}


def make_report(store: Store, wanted: Filter, *, now_ms: int) -> Report:
    """The report on the wanted accounts and period. Raises InputError for an unknown account, and JournalError."""
    accounts = []
    known: set[str] = set()
    for verdict in heads(store):
        picture = _Picture(wanted, verdict)
        for run in before_a_break(store, verdict.identity, on_break=ignoring):  # the verdict says so
            picture.take(run)
        known |= {*picture.names, owner_of(verdict.identity)}
        if wanted.account is None or wanted.account in {*picture.names, owner_of(verdict.identity)}:
            accounts.append(picture.finish())
    if not accounts and wanted.account is not None:
        raise no_such_account(wanted.account, near=known)
    until_ms = now_ms if wanted.until_ms is None else wanted.until_ms
    return Report(accounts=tuple(accounts), since_ms=wanted.since_ms, until_ms=until_ms, made_ms=now_ms)


class _Picture:
    """One account, run by run."""

    def __init__(self, wanted: Filter, verdict: ChainVerdict) -> None:
        self.names: set[str] = set()
        self._wanted = wanted
        self._verdict = verdict
        self._tracker = Tracker()
        self._points: dict[str, list[Point]] = defaultdict(list)
        self._marks: dict[str, list[Mark]] = defaultdict(list)
        self._assets: dict[str, str] = {}
        self._movements: list[Movement] = []
        self._idle: list[LogRow] = []
        self._open: dict[str, StepTaken] = {}
        self._runs = 0
        self._last: Run | None = None

    def take(self, run: Run) -> None:
        """Take in the next run; one from before the period only leaves behind where it ended."""
        self.names.add(run.account)
        self._last = run
        movements = self._tracker.take(run)
        for step in (*run.settled, *run.steps):
            self._open.pop(step.intent_id, None)
            if step.outcome in OPEN:
                self._open[step.intent_id] = step
        self._see(run)
        if not self._wanted.has_time(run.finished_at or run.started_at):
            return
        self._runs += 1
        self._show(movements)
        self._idle += [row for row in rows(run) if row.outcome in _IDLE or row.outcome.startswith("refused:")]

    def finish(self) -> AccountPicture:
        """The account's picture."""
        self._show(self._tracker.rest())
        start = RunStart() if self._last is None else self._last.start
        place = (start.exchange, start.endpoint, start.product)
        name = self._last.account if self._last is not None else owner_of(self._verdict.account)
        name = f"{name} (notes)" if is_notes(self._verdict.identity) else name
        return AccountPicture(
            account=name,
            identity=self._verdict.identity,
            place=", ".join(part for part in place if part),
            verdict=replace(self._verdict, account=name),
            runs=self._runs,
            addresses=tuple(self._address(place) for place in sorted(self._points) if self._is_shown(place)),
            movements=tuple(sorted(self._movements, key=lambda each: each.at)),
            totals=tuple(totals(self._movements)),
            idle=tuple(self._idle),
            unresolved=tuple(_open_item(step) for step in self._open.values()),
        )

    def _is_shown(self, place: str) -> bool:
        """Whether there is anything to show: a position that was closed before the period is not."""
        return bool(self._marks[place]) or not all(point.is_closed for point in self._points[place])

    def _see(self, run: Run) -> None:
        """The margins that a run saw, before and after its steps and at its end; and what was not there any more."""
        for step in run.steps:
            if step.amount is not None:
                self._assets[step.address] = step.asset or ""
                self._point(run, step.address, step.at, parse(step.before))
                if step.has_moved:
                    self._point(run, step.address, step.ended_at or step.at, parse(step.after or step.wanted))
        if run.live is None:
            return
        at = run.finished_at or run.started_at
        for place, margin in run.live.items():
            self._assets[place] = margin.asset
            self._point(run, place, at, margin.isolated_margin, margin.liquidation_distance)
        for place in self._points.keys() - run.live.keys():
            self._point(run, place, at, None)

    def _point(self, run: Run, place: str, at: str, margin: Decimal | None, distance: Decimal | None = None) -> None:
        """One margin as it was seen; None: no isolated position. A run without a look does not say what is declared."""
        since_ms, known = self._wanted.since_ms, self._points[place]
        if run.live is None and known:
            declared, tolerance, band = known[-1].declared, known[-1].tolerance, known[-1].band
        else:
            declared, tolerance, band = run.declared.get(place), run.tolerance.get(place), run.bands.get(place)
        point = Point(
            at_ms=unix_ms(at),
            margin=ZERO if margin is None else margin,
            declared=declared,
            tolerance=None if declared is None else tolerance,
            is_closed=margin is None,
            distance=distance,
            band=band,
        )
        if since_ms is not None and point.at_ms < since_ms:
            known[:] = [replace(point, at_ms=since_ms)]  # where the period finds it
        elif self._wanted.until_ms is None or point.at_ms < self._wanted.until_ms:
            known.append(point)

    def _show(self, movements: Sequence[Movement]) -> None:
        shown = [movement for movement in movements if self._wanted.has_time(movement.at)]
        self._movements += shown
        for movement in shown:
            self._mark(movement)

    def _mark(self, movement: Movement) -> None:
        change, place = movement.change, movement.address
        margin = self._tracker.known.get(place, ZERO)
        if change is None:
            kind, text = "unclear", f"{movement.outcome}: whether it moved is unknown"
        elif movement.cause != OURS:
            if movement.outcome != "drift":
                return
            around = f"{movement.before} → {movement.after}"
            kind, text = "drift", f"{signed_text(change)} {movement.asset} {movement.cause}, {around}"
            margin = parse(movement.after)
        elif change != ZERO:
            kind, text = "applied", f"{signed_text(change)} {movement.asset} {movement.outcome}, run {movement.run_id}"
            margin = parse(movement.after)
        else:
            return
        self._marks[place].append(Mark(at_ms=unix_ms(movement.at), kind=kind, margin=margin, text=text))

    def _address(self, place: str) -> AddressPicture:
        points = sorted(self._points[place], key=lambda point: point.at_ms)
        return AddressPicture(
            address=place,
            asset=self._assets.get(place, ""),
            points=_thinned(points),
            marks=tuple(self._marks[place]),
        )


def _thinned(points: Sequence[Point]) -> tuple[Point, ...]:
    """At most ``MOST_POINTS`` and those where a position was closed or opened; always the last."""
    every = -(-len(points) // MOST_POINTS)
    return tuple(
        point
        for number, point in enumerate(points)
        if number % every == 0 or number == len(points) - 1 or point.is_closed != points[number - 1].is_closed
    )


def _open_item(step: StepTaken) -> OpenItem:
    change = step.change
    return OpenItem(
        address=step.address,
        what=f"{step.action} {plain(abs(change))} {step.asset}"
        if change is not None
        else f"{step.action} {step.wanted}",
        outcome=step.outcome,
        since=step.at,
        evidence=step.evidence or step.answer,
    )
