"""Every movement of margin that journals tell, ours or not, with its cause; and what they add up to.

A step that moved nothing (refused, not sent, not applied) is no movement; one whose outcome nobody knows is one without
an amount. Memory grows with the movements that are exported.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import groupby

from reconcile.audit.movements import OURS, UNEXPLAINED, Tracker
from reconcile.audit.run_log import Filter, OnBreak, raising, scanned
from reconcile.journal.base import Store
from reconcile.journal.identity import is_notes
from reconcile.model.exports import AccountMovement, MovementExport, MovementTotal
from reconcile.model.ledger import Cause
from reconcile.model.reports import Movement, Run
from reconcile.money import ZERO, minus, total
from reconcile.render.values import rfc3339

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
        tracker, last = Tracker(), None
        for last in several:
            if wanted.has_account(last):
                yield from _of(last, tracker.take(last))
            else:
                tracker.take(last)
        if last is not None and wanted.has_account(last):
            yield from _of(last, tracker.rest())


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
