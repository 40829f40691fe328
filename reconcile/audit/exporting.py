"""Every movement of margin that journals tell, ours or not, with its cause; and what they add up to.

A step that moved nothing (refused, not sent, not applied) is no movement; one of unknown outcome is one without
an amount. Memory grows with the movements that are exported.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import groupby

from reconcile.audit.movements import OURS, UNEXPLAINED, Tracker
from reconcile.audit.reading import UNCLEAR
from reconcile.audit.run_log import Filter, OnBreak, raising, scanned
from reconcile.journal.base import Store
from reconcile.journal.identity import is_notes
from reconcile.model.exports import AccountMovement, MovementExport, MovementTotal
from reconcile.model.ledger import Cause
from reconcile.model.reports import Movement, Run
from reconcile.money import ZERO, minus, total
from reconcile.render.common.values import rfc3339

CAUSES = (OURS, *(str(cause) for cause in Cause), "opened", "closed", "resized", UNEXPLAINED)
"""Every cause that a movement can have."""


def export(
    store: Store, wanted: Filter, *, causes: frozenset[str] = frozenset(), on_break: OnBreak = raising
) -> MovementExport:
    """The wanted movements of every journal, oldest first, and their totals. ``causes`` empty means every cause.

    Raises JournalError, what ``on_break`` raises, and InputError where no run can match.
    """
    found = [
        each
        for each in _all(store, wanted, on_break=on_break)
        if _is_wanted(each, wanted) and (not causes or each.movement.cause in causes)
    ]
    found.sort(key=lambda each: (each.at, each.account, each.movement.address))
    return MovementExport(movements=tuple(found), totals=tuple(totals(each.movement for each in found)))


def _all(store: Store, wanted: Filter, *, on_break: OnBreak) -> Iterator[AccountMovement]:
    """Every movement of the wanted accounts; what a movement starts from is known from all runs of its journal."""
    every = scanned(store, wanted, on_break=on_break)
    for identity, several in groupby(every, key=lambda run: run.identity):
        if is_notes(identity):  # which hold no steps
            deque(several, maxlen=0)
            continue
        yield from _of_journal(_told(several), wanted)


def _told(several: Iterable[Run]) -> Iterator[tuple[Run, list[Movement]]]:
    """Each run of one journal with the movements that are known by it, and at the end those after which none looked."""
    tracker, last = Tracker(), None
    for run in several:
        yield run, tracker.take(run)
        last = run
    if last is not None:
        yield last, tracker.rest()


def _of_journal(told: Iterable[tuple[Run, list[Movement]]], wanted: Filter) -> Iterator[AccountMovement]:
    """The movements of one journal; of a step whose outcome was learnt later only what was learnt."""
    unclear: dict[str, AccountMovement] = {}
    for run, movements in told:
        for step in run.settled:
            if step.outcome not in UNCLEAR:
                unclear.pop(step.intent_id, None)
        for each in _of(run, movements) if wanted.has_account(run) else ():
            if each.movement.change is None:
                unclear[each.movement.intent_id] = each
            else:
                unclear.pop(each.movement.intent_id, None)
                yield each
    yield from unclear.values()


def _of(run: Run, movements: Iterable[Movement]) -> Iterator[AccountMovement]:
    for each in movements:
        if each.change is None or each.change != ZERO:
            at = each.at if each.at_ms is None else rfc3339(each.at_ms)
            yield AccountMovement(account=run.account, identity=run.identity, at=at, movement=each)


def _is_wanted(each: AccountMovement, wanted: Filter) -> bool:
    movement = each.movement
    if wanted.actor is not None and not fnmatchcase(movement.actor, wanted.actor):
        return False
    if wanted.address is not None and not fnmatchcase(movement.address, wanted.address):
        return False
    return wanted.has_time(each.at)


def totals(movements: Iterable[Movement]) -> Iterator[MovementTotal]:
    """The sums by cause, actor and asset, in the order of ``CAUSES``; what moved nothing is left out."""
    groups: dict[tuple[str, str, str], list[Movement]] = {}
    for movement in movements:
        if movement.change is None or movement.change != ZERO:
            groups.setdefault((movement.cause, movement.actor, movement.asset), []).append(movement)
    order = {cause: number for number, cause in enumerate(CAUSES)}
    for key in sorted(groups, key=lambda key: (order.get(key[0], len(order)), key)):
        cause, actor, asset = key
        changes = [each.change for each in groups[key] if each.change is not None]
        yield MovementTotal(
            cause=cause,
            actor=actor,
            asset=asset,
            added=total(change for change in changes if change > ZERO),
            removed=minus(ZERO, total(change for change in changes if change < ZERO)),
            movements=len(changes),
            unclear=len(groups[key]) - len(changes),
        )
