"""Whether a run's conclusions are true: "converged", "in sync", "drift", and the margin a journal keeps as a baseline.

A conclusion rests on a reading. The reading may be as late as the world's reads are, and other writers may have moved
the margin since; but it must not be from before our own last step. So the margin that a run goes by must have stood in
the books at one moment of its window: from the run's start less the lag, or from our last step where that is later,
until the run's end. Which of our steps a run can know of is stated at ``_last_step``. Where others moved the margin
while that step's own look was old or behind, what it left is off by so much, and a conclusion may be.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from reconcile.model.plan import Entry, Status
from reconcile.money import ZERO
from reconcile.sandbox.values import BookEffect
from tests.simulation.declare import TOLERANCE, address_of
from tests.simulation.schedule import FORGETS, Schedule
from tests.simulation.simulation import LOOK_MS, Ran, Simulation, Written

_SHOWN = {Status.IN_SYNC, Status.CHANGE}
"""Entries of a plan that say what the margin is; one that is held says that it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What run ``ran`` says of the margin at aim ``number``, read not before ``since_ms`` (the exchange's time)."""

    ran: Ran
    number: int
    words: str
    margin: Decimal
    since_ms: int
    off_by: Decimal


def false_claims(simulation: Simulation) -> Iterator[str]:
    """Every conclusion of every run that was true at no moment it can be about."""
    if simulation.schedule.outside:
        return
    for claim in claims(simulation):
        yield from _judged(simulation, claim)


def claims(simulation: Simulation) -> Iterator[Claim]:
    """What every run concluded, and what the journals keep of it."""
    for ran in simulation.ran:
        yield from (*_of_apply(simulation, ran), *_of_plan(simulation, ran), *_of_drift(simulation, ran))
    yield from _of_journals(simulation)


def _of_apply(simulation: Simulation, ran: Ran) -> Iterator[Claim]:
    """A run that exits 0 says that each address is as declared, except where it waits for a position."""
    if ran.result is None or ran.result.exit_code != 0:
        return
    remaining = {entry.address for entry in ran.result.remaining}
    for number, target in _targets(simulation.schedule, ran):
        if address_of(simulation.schedule, number) not in remaining:
            yield _claim(simulation, ran, number, f"exits 0 for {target}", target)


def _of_plan(simulation: Simulation, ran: Ran) -> Iterator[Claim]:
    account = ran.plan.accounts[0] if ran.plan is not None else None
    entries: dict[str, Entry] = {} if account is None else {str(each.address): each for each in account.entries}
    for number, _ in _targets(simulation.schedule, ran):
        entry = entries.get(str(address_of(simulation.schedule, number)))
        if entry is None or entry.status not in _SHOWN or entry.observed is None or not entry.observed.is_open:
            continue
        margin = entry.observed.isolated_margin
        yield _claim(simulation, ran, number, f"plans {entry.status} from {margin}", margin)


def _of_drift(simulation: Simulation, ran: Ran) -> Iterator[Claim]:
    entries = {} if ran.drift is None else {str(entry.address): entry for entry in ran.drift.entries}
    for number, _ in _targets(simulation.schedule, ran):
        entry = entries.get(str(address_of(simulation.schedule, number)))
        if entry is not None and entry.held is None and entry.observed != ZERO:
            yield _claim(simulation, ran, number, f"says drift {entry.drift} from {entry.observed}", entry.observed)


def _of_journals(simulation: Simulation) -> Iterator[Claim]:
    """What a run's last record gives as in place: later runs compare with that."""
    schedule = simulation.schedule
    numbers = {str(address_of(schedule, number)): number for number in range(len(schedule.aims))}
    for home in sorted(simulation.disks):
        actors: dict[str, str] = {}
        for value in _bounds_of_runs(simulation.journal(home)):
            details = value["details"]
            if value["kind"] == "run_started":
                actors[value["run"]] = details["actor"]
            elif details.get("live_at_ms") is not None and value["run"] in actors:
                ran = simulation.ran[int(actors[value["run"]].removeprefix("run "))]
                for address in (details["declared"].keys() & details["live"].keys()) - set(details["out_of_place"]):
                    margin = Decimal(details["live"][address]["isolated_margin"])
                    yield _claim(simulation, ran, numbers[address], f"journals {margin} as in place", margin)


def _bounds_of_runs(journal: bytes) -> Iterator[Mapping[str, Any]]:
    """The first and the last record of each run."""
    for line in journal.split(b"\n")[:-1]:
        if b'"kind":"run_' not in line:
            continue
        with suppress(ValueError):  # a hole that a failed flush left
            yield json.loads(line)


def _targets(schedule: Schedule, ran: Ran) -> Iterator[tuple[int, Decimal]]:
    for number, aim in enumerate(schedule.aims):
        yield number, aim.declared(revised=ran.go.revised)


def _claim(simulation: Simulation, ran: Ran, number: int, words: str, margin: Decimal) -> Claim:
    lag = 0 if ran.calm else simulation.schedule.lag
    since = simulation.exchange_ms(ran.started_ms) - lag - 1
    effects = [*_effects(simulation, number)]
    step = _last_step(simulation, ran, effects)
    off_by = TOLERANCE
    if step is not None:
        since = max(since, effects[step].time_ms)
        off_by += others_moved(simulation, effects[:step], effects[step])
    return Claim(ran=ran, number=number, words=words, margin=margin, since_ms=since, off_by=off_by)


def _last_step(simulation: Simulation, ran: Ran, effects: Sequence[BookEffect]) -> int | None:
    """Which effect is our last step on an address that a run can know of; None for none.

    A run that may send asks the ledger for what its journal does not know: every step from before it began counts, and
    those of its own home while it waited for the lock and held it. One that only reads goes by its journal.
    """
    started = simulation.exchange_ms(ran.started_ms)
    ended = simulation.exchange_ms(ran.ended_ms)
    calls = {call.serial: call for call in simulation.written}
    found = None
    for place, effect in enumerate(effects):
        call = calls.get(effect.request) if effect.actor == "api" else None
        if call is None:
            continue
        in_order = call.run <= ran.number and not ran.go.beside  # within one millisecond
        from_before = effect.time_ms < started or (effect.time_ms == started and in_order)
        if ran.result is None:
            is_known = from_before and _is_in_journal(simulation, call, ran)
        else:
            while_it_ran = effect.time_ms < ended and call.home == ran.go.home
            is_known = while_it_ran or from_before or call.run == ran.number
        if is_known:
            found = place
    return found


def _is_in_journal(simulation: Simulation, call: Written, ran: Ran) -> bool:
    """Whether the journal that a run reads still has the intent of a call."""
    return call.home == ran.go.home and not simulation.has_lost(call, ran, how={"lost", *FORGETS})


def _judged(simulation: Simulation, claim: Claim) -> Iterator[str]:
    margins = [*_stood(simulation, claim)]
    if any(margin == ZERO or abs(margin - claim.margin) <= claim.off_by for margin in margins):  # zero: it is closed
        return
    address = address_of(simulation.schedule, claim.number)
    yield f"run {claim.ran.number} {claim.words} at {address}, where {', '.join(map(str, margins))} stood"


def _stood(simulation: Simulation, claim: Claim) -> Iterator[Decimal]:
    """The margins that stood in the books in a claim's window, in order."""
    until = simulation.exchange_ms(claim.ran.ended_ms)
    standing = Decimal(simulation.schedule.aims[claim.number].before)
    inside: list[Decimal] = []
    for effect in _effects(simulation, claim.number):
        if effect.time_ms <= claim.since_ms:
            standing = effect.margin
        elif effect.time_ms <= until:
            inside.append(effect.margin)
    yield standing
    yield from inside


def _effects(simulation: Simulation, number: int) -> Iterator[BookEffect]:
    address = address_of(simulation.schedule, number)
    for effect in simulation.books.effects:
        if (effect.symbol, effect.side) == (address.symbol, address.side.value) and effect.cause != "type":
            yield effect


def others_moved(simulation: Simulation, before: Sequence[BookEffect], effect: BookEffect) -> Decimal:
    """How far others moved the same margin since the oldest moment that the look before our call can have shown.

    ``before`` are the effects before the call's own.
    """
    sent = next((call.sent_ms for call in simulation.written if call.serial == effect.request), 0)
    since = simulation.exchange_ms(sent - LOOK_MS - simulation.schedule.lag)
    return sum(
        (
            abs(each.change)
            for each in before
            if each.actor != "api"
            and each.time_ms >= since
            and (each.symbol, each.side) == (effect.symbol, effect.side)
        ),
        ZERO,
    )
