"""Compare an account after one run and after another, with every movement in between. Reads journals only."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from reconcile.audit.movements import UNEXPLAINED, Tracker, margins
from reconcile.audit.reading import runs
from reconcile.audit.run_log import OnBreak, before_a_break, find_runs, ignoring, raising
from reconcile.errors import InputError
from reconcile.journal.base import Store
from reconcile.journal.identity import is_notes
from reconcile.model.reports import AddressChange, Comparison, Movement, Run
from reconcile.money import ZERO, minus, total


def compare(store: Store, start: str, end: str, *, on_break: OnBreak = raising) -> list[Comparison]:
    """Every account that both runs had in work. Raises InputError where there is none, or JournalError.

    ``on_break`` is told of every broken journal: what it would tell of behind the break is not compared.
    """
    first = {run.identity: run for run in held_runs(store, start, on_break=on_break)}
    last = {run.identity: run for run in held_runs(store, end, on_break=ignoring)}
    both = [identity for identity in first if identity in last]
    if not both:
        raise InputError(f"comparing run {start} with {end}: they have no account in common; see 'reconcile audit log'")
    found = []
    for identity in both:
        early, late = sorted((first[identity], last[identity]), key=lambda run: run.first_line)
        if early is not first[identity]:
            raise InputError(
                f"comparing run {start} with {end}: {start} is the later one; name them the other way round"
            )
        between = between_runs(store, identity, early, late)
        found.append(compared(early, late, between))
    return found


def held_runs(store: Store, run_id: str, *, on_break: OnBreak = raising) -> list[Run]:
    """The acts of one run on the accounts that it held; raises InputError if it held none."""
    found = [run for run in find_runs(store, run_id, on_break=on_break) if not is_notes(run.identity)]
    if not found:
        raise InputError(f"comparing run {run_id}: it never held an account, so it knows no margin; name another run")
    return found


def between_runs(store: Store, identity: str, early: Run, late: Run | None) -> list[Run]:
    """The runs after ``early``, up to ``late`` and with it.

    Where ``late`` is None, to the journal's end; raises ChainBroken where that is not good.
    """
    if late is None:
        return [run for run in runs(store.lines(identity), identity=identity) if run.first_line > early.first_line]
    lines = range(early.first_line + 1, late.first_line + 1)
    return [run for run in before_a_break(store, identity, on_break=ignoring) if run.first_line in lines]


def compared(early: Run, late: Run, between: Sequence[Run]) -> Comparison:
    """One account after two runs; ``between`` are the runs after ``early``, ``late`` with them, oldest first."""
    before, after = margins(early), margins(late)
    in_it = [step.intent_id for step in (*early.settled, *early.steps) if early.live is None and step.has_moved]
    tracker = Tracker(before, counted=in_it)
    movements = [movement for run in between for movement in tracker.take(run)] + tracker.rest()
    unseen = [run for run in (early, late) if run.live is None]
    return Comparison(
        account=late.account,
        identity=late.identity,
        start=early.run_id,
        end=late.run_id,
        start_at=early.finished_at or early.started_at,
        end_at=late.finished_at or late.started_at,
        addresses=changes(before, after, movements, assets_of(early, late), at=late.finished_at or late.started_at),
        problem="; ".join(f"run {run.run_id} ended without a look, so only its own steps are known" for run in unseen),
    )


def assets_of(*several: Run) -> dict[str, str]:
    """The margin asset of each address, as far as these runs told."""
    return {place: each.asset for run in several for place, each in (run.live or {}).items()}


def changes(
    before: Mapping[str, Decimal],
    after: Mapping[str, Decimal],
    movements: Sequence[Movement],
    assets: Mapping[str, str],
    *,
    at: str,
) -> tuple[AddressChange, ...]:
    """One line for each address there was or is; what is missing in its movements is ``unexplained``, at ``at``."""
    places = sorted({*before, *after, *(movement.address for movement in movements)})
    found = []
    for place in places:
        own = [movement for movement in movements if movement.address == place]
        asset = assets.get(place) or next((each.asset for each in own if each.asset), "")
        change = minus(after.get(place, ZERO), before.get(place, ZERO))
        rest = minus(change, total(each.change for each in own if each.change is not None))
        if rest != ZERO:
            own.append(
                Movement(
                    at=at,
                    at_ms=None,
                    address=place,
                    asset=asset,
                    cause=UNEXPLAINED,
                    change=rest,
                    outcome="seen",
                    detail="no run between tells it",
                )
            )
        found.append(
            AddressChange(
                address=place, asset=asset, before=before.get(place), after=after.get(place), movements=tuple(own)
            )
        )
    return tuple(found)
