"""What must be true of a world, judged by the sandbox's books and not by what the program says of itself.

At every instant: no margin call of ours takes a margin past its target (further than others have just moved it), and
each takes effect at most once. At the end, of what stays inside the assumptions: after at most two runs without a
fault every target is reached and one more run sends nothing. What is not known is reported with exit 5; where only we
move margin, a run ten graces later knows it. The journal
tells the truth about every intent. Outside the assumptions: each breach costs one delta at most, and the next plan
shows it.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal

from reconcile.evidence.rows import CLOCK_AHEAD_MS
from reconcile.exchanges.catalogue import TRAITS
from reconcile.journal.records import IntentStatus
from reconcile.model.plan import Entry, Status
from reconcile.money import ZERO
from reconcile.protocol.rules import RULES
from reconcile.protocol.timing import LET_GO_GRACES, LONG_AFTER_GRACES
from reconcile.sandbox.swarm import BELIEVABLE
from reconcile.sandbox.values import ISOLATED, BookEffect
from tests.simulation import banded
from tests.simulation.claims import false_claims, others_moved
from tests.simulation.conduct import SHUFFLES, UNKNOWN, misconduct, unknown_may_stay
from tests.simulation.declare import TOLERANCE, address_of
from tests.simulation.machine import EPOCH_MS
from tests.simulation.schedule import FORGETS, TIME, Go, Schedule
from tests.simulation.simulation import LOOK_MS, Ran, Simulation, Written

FURTHER_RUNS = 2
_BLANK = {f"odd:{name}" for name in BELIEVABLE}
"""Odd answers that say of a ledger that it is empty."""
_LIMITS = {"at_most", "short", "max_day_add", "max_day_changes", "min_available"}
_NOTHING = {IntentStatus.NOT_APPLIED, IntentStatus.REFUSED, IntentStatus.NOT_SENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One schedule's. ``violations`` is empty when all is as it must be; ``simulation`` is closed."""

    schedule: Schedule
    violations: tuple[str, ...]
    simulation: Simulation


def verdict(schedule: Schedule, *, watch: bool = False, begun: Callable[[Simulation], object] | None = None) -> Verdict:
    """Play a schedule to its end and judge it, every run's own conclusions too. ``begun`` is given the simulation
    before it plays."""
    simulation = Simulation(schedule, watch=watch)
    if begun is not None:
        begun(simulation)
    try:
        simulation.play()
        simulation.rest()
        found = (
            *at_the_end(simulation),
            *at_every_instant(simulation),
            *(banded.at_every_instant(simulation) if schedule.limits is not None else false_claims(simulation)),
            *simulation.broken,
        )
    finally:
        simulation.close()
    return Verdict(schedule=schedule, violations=tuple(dict.fromkeys(found)), simulation=simulation)


def at_every_instant(simulation: Simulation) -> Iterator[str]:
    """What the books' own record of every effect shows."""
    schedule = simulation.schedule
    yield from _crashed(simulation)
    for asset in simulation.books.wallet:
        simulation.books.check(asset)
    aims = {_place(schedule, number): aim for number, aim in enumerate(schedule.aims)}
    revised = {call.serial: simulation.ran[call.run].go.revised for call in simulation.written}
    effects = simulation.books.effects
    for number, effect in enumerate(effects):
        if effect.actor != "api" or effect.cause == "type":
            continue
        place = (effect.symbol, effect.side)
        excuse = _others_moved_since_it_stood(simulation, effects[:number], effect)
        yield from _under_the_floor(simulation, effect)
        if aims[place].bounds is not None:
            continue
        target = aims[place].declared(revised=revised[effect.request])
        past = effect.margin - target if effect.change > 0 else target - effect.margin
        allowed = excuse + schedule.outside * max(aims[place].widest, _largest_step(effects[: number + 1], place))
        if past > allowed:
            yield (
                f"{effect.symbol}.{effect.side}: {effect.change} by request {effect.request} led to {effect.margin}, "
                f"{past} past the target of {target} (excused: {allowed})"
            )
    times = Counter(effect.request for effect in effects if effect.actor == "api")
    doubled = any(each.how.startswith("twice") for each in schedule.happenings)
    for request, count in times.items():
        if count > 1 and not doubled:
            yield f"request {request} took effect {count} times"


def _others_moved_since_it_stood(simulation: Simulation, before: Sequence[BookEffect], effect: BookEffect) -> Decimal:
    """How far others moved the same margin since what the look before our call showed first stood; since the oldest
    moment that it can have shown, where its journal is lost or the margin never stood like that."""
    excuse = others_moved(simulation, before, effect)
    shown = _shown(simulation, effect) if excuse else None
    if shown is None:
        return excuse
    call = next(call for call in simulation.written if call.serial == effect.request)
    since = simulation.exchange_ms(call.sent_ms - LOOK_MS - simulation.schedule.lag)
    own = [each for each in before if (each.symbol, each.side) == (effect.symbol, effect.side)]
    first = next((place for place, each in enumerate(own) if each.time_ms > since), len(own))
    stood = own[first - 1].margin if first else None
    for place, each in enumerate(own[first:], start=first):
        stood = each.margin - each.change if stood is None else stood
        if stood == shown:
            theirs = (later.change for later in own[place:] if later.actor != "api")
            return sum((abs(change) for change in theirs), ZERO)
        stood = each.margin
    return ZERO if stood == shown else excuse


def _shown(simulation: Simulation, effect: BookEffect) -> Decimal | None:
    """The margin that a call was computed from, as its journal has it."""
    call = next((call for call in simulation.written if call.serial == effect.request), None)
    if call is None:
        return None
    signed = b'"signed_at_ms":%d' % call.signed_ms
    for line in simulation.journal(call.home).split(b"\n")[:-1]:
        if b'"kind":"intent"' not in line or signed not in line:
            continue
        with suppress(ValueError):  # a hole that a failed flush left
            intent = json.loads(line)
            if intent["address"] == call.address:
                return Decimal(intent["before"])
    return None


def _under_the_floor(simulation: Simulation, effect: BookEffect) -> Iterator[str]:
    """Whether an addition left less free than the policy permits, in a world where only we move the free balance."""
    schedule = simulation.schedule
    free = simulation.free_after[effect.request]
    if effect.change > 0 and free < schedule.floor and not schedule.others and not schedule.outside:
        yield f"{effect.symbol}.{effect.side}: {effect.change} by request {effect.request} left {free} free"


def _largest_step(effects: Sequence[BookEffect], place: tuple[str, str]) -> Decimal:
    """The largest step of ours on an address: what one broken assumption can cost, whoever moved margin before it."""
    return max(abs(each.change) for each in effects if each.actor == "api" and (each.symbol, each.side) == place)


_DOUBTS = {rule.name for rule in RULES}


def at_the_end(simulation: Simulation) -> Iterator[str]:
    """Run on without faults, and see where that leads."""
    schedule = simulation.schedule
    further = Go(home=schedule.runs[-1].home, revised=schedule.runs[-1].revised) if schedule.runs else Go()
    last = simulation.undisturbed()
    for _ in range(FURTHER_RUNS):
        ran = simulation.go(further) if last is None else last
        last = None
        if _exit(ran) == 0:
            break
    if _exit(ran) == UNKNOWN and not unknown_may_stay(schedule):
        simulation.pass_time((LONG_AFTER_GRACES + 1) * schedule.grace)
        ran = simulation.go(further)
    if any(entry.hold is not None and entry.hold.by in _DOUBTS for entry in _remaining(ran)):
        simulation.pass_time((LET_GO_GRACES + 1) * schedule.grace)
        ran = simulation.go(further)
        if any(entry.hold is not None and entry.hold.by in _DOUBTS for entry in _remaining(ran)):
            yield f"run {ran.number} still finds no reading that may be sent on"
    if schedule.limits is not None:
        yield from banded.at_rest(simulation, ran, further)
    yield from _converged(simulation, ran)
    if ran.writes or _exit(ran) != 0:  # else this one was the further run that sends nothing
        again = simulation.go(further)
        if again.writes and _exit(ran) == 0 and not schedule.outside:
            yield f"a further run (run {again.number}) sent {again.writes} more"
    simulation.let_arrive()
    yield from _truth(simulation)
    yield from misconduct(simulation)
    if schedule.outside:
        yield from _reported(simulation, further)


def _reported(simulation: Simulation, further: Go) -> Iterator[str]:
    """Whether the next plan shows what a broken assumption led to, once everything has arrived."""
    plan = simulation.go(replace(further, command="plan")).plan
    account = None if plan is None else plan.accounts[0]
    if account is None or account.exit_code != 0:
        return
    shown = {entry.address: entry.status for entry in account.entries}
    for number in range(len(simulation.schedule.aims)):
        away = _away(simulation, number)
        if away is not None and shown.get(address_of(simulation.schedule, number)) is Status.IN_SYNC:
            yield f"the last plan says in sync, but {away}"


def _converged(simulation: Simulation, last: Ran) -> Iterator[str]:
    schedule, code = simulation.schedule, _exit(last)
    away = [text for number in range(len(schedule.aims)) if (text := _away(simulation, number)) is not None]
    if code == 0 and away:
        yield f"run {last.number} ended with 0, but {'; '.join(away)}"
    if code == 0 or schedule.outside or _journal_may_be_broken(schedule):
        return
    if code == UNKNOWN and unknown_may_stay(schedule):
        return
    if schedule.others and schedule.lag > schedule.grace:
        return
    if code == 3 and schedule.others and _waits_for_a_person(last):
        return
    if code in {3, 4} and (_lacks_funds(simulation) or _is_limited(last)):
        return
    why = (
        ""
        if last.result is None
        else [each.message for each in last.result.errors]
        or [f"{step.address} {step.outcome} {step.evidence} {step.detail}" for step in last.result.steps]
    )
    where = "; ".join(away) or "in place"
    yield f"after {FURTHER_RUNS} runs without a fault the last ended with {code}: {why}; {where}"


def _is_limited(ran: Ran) -> bool:
    """Whether all that is left undone is what the state file's own limits leave: bands, shares, days."""
    if ran.result is None or ran.result.exit_code == 0:
        return False
    keys: set[str | None] = {error.key for error in ran.result.errors}
    return (keys or {entry.blocked_by for entry in ran.result.remaining}) <= _LIMITS


def _journal_may_be_broken(schedule: Schedule) -> bool:
    """A flush that failed, and a power cut after it, may leave a hole in the middle: a person must see to that."""
    return any(each.how == "failing" for each in schedule.happenings)


def _lacks_funds(simulation: Simulation) -> bool:
    """Whether all additions together are more than is free: then the program may refuse, or stop half way."""
    schedule, books = simulation.schedule, simulation.books
    missing = ZERO
    for number, aim in enumerate(schedule.aims):
        missing += max(ZERO, aim.declared(revised=_revised(schedule)) - books.margin(*_place(schedule, number)))
    return missing > sum(books.cross.values(), ZERO) - schedule.floor


def _waits_for_a_person(ran: Ran) -> bool:
    """Whether all that is left cannot be done by a program: a margin type while open, a look nothing explains."""
    waiting = {Status.HELD, Status.BLOCKED, Status.WAITING}
    return ran.result is not None and all(entry.status in waiting for entry in _remaining(ran))


def _remaining(ran: Ran) -> Sequence[Entry]:
    return () if ran.result is None else ran.result.remaining


def _away(simulation: Simulation, number: int) -> str | None:
    """How far an aim is from its target; None when it is there, or has no isolated position any more."""
    schedule = simulation.schedule
    symbol, side = _place(schedule, number)
    position = simulation.books.positions.get((symbol, side, ISOLATED))
    if schedule.aims[number].bounds is not None:
        return None
    target = schedule.aims[number].declared(revised=_revised(schedule))
    if position is None or abs(position.margin - target) <= TOLERANCE:
        return None
    return f"{symbol}.{side} has {position.margin} instead of {target}"


def _crashed(simulation: Simulation) -> Iterator[str]:
    """What must never happen to a program: an error of its own, or its guards against others who hold its lock."""
    schedule = simulation.schedule
    disturbed = schedule.outside or any(
        each.how in {"lock_replaced", "lost", "failing", *FORGETS} for each in schedule.happenings
    )
    for ran in simulation.ran:
        if ran.error is not None:
            yield f"run {ran.number} failed with {type(ran.error).__name__}: {ran.error}"
        for error in ran.result.errors if ran.result is not None and not disturbed else ():
            if "does not end with our last record" in error.message or "nothing is sent on a journal" in error.message:
                yield f"run {ran.number} found its journal in other hands: {error.message}"


def _truth(simulation: Simulation) -> Iterator[str]:
    """What the journal says about each intent, against what its request did."""
    schedule = simulation.schedule
    if schedule.outside or not schedule.words:
        return
    done = {effect.request for effect in simulation.books.effects if effect.actor == "api"}
    calls = {(call.address, call.signed_ms): call for call in simulation.written if call.amount is not None}
    said = [line for home in sorted(simulation.disks) for line in _known(simulation.journal(home))]
    requests = Counter((call.address, call.signed_ms) for call in simulation.written)
    intents = Counter((address, signed_ms) for address, signed_ms, *_ in said)
    for address, signed_ms, amount, known, said_yes in said:
        if requests[address, signed_ms] > 1 or intents[address, signed_ms] > 1:  # which of them is meant is not told
            continue
        call: Written | None = calls.get((address, signed_ms))
        happened = call is not None and call.serial in done
        is_excused = _is_blank(schedule) or (not said_yes and _may_look_undone(simulation, amount))
        if happened and known in _NOTHING and not is_excused:
            yield f"the journal says {known} of {address} signed at {signed_ms - EPOCH_MS}, but it took effect"
        if not happened and known is IntentStatus.APPLIED and not _may_look_applied(simulation, amount, call):
            yield f"the journal says applied of {address} signed at {signed_ms - EPOCH_MS}, but it had no effect"


def _may_look_applied(simulation: Simulation, amount: Decimal, call: Written | None) -> bool:
    """Whether somebody else's doing can be taken for ours: what a run had read before its call is not, but on Binance,
    whose rows have no ids, what is dated up to a second before it. What others did to the margin in all counts only
    where it is the same position still, as far as the exchange tells."""
    schedule = simulation.schedule
    shuffles = {each.how for each in schedule.happenings if each.how in SHUFFLES}
    if shuffles - ({"reopen"} if _tells_positions_apart(schedule) else set()):
        return True
    since_ms = 0
    if call is not None:
        began_ms = simulation.exchange_ms(simulation.ran[call.run].started_ms)
        dated_ms = call.signed_ms - (CLOCK_AHEAD_MS if schedule.exchange == "binance" else 0)
        since_ms = min(began_ms, dated_ms) - schedule.latest_ms
    theirs = [each for each in simulation.books.effects if each.actor != "api" and each.time_ms >= since_ms]
    same = [each.change for each in theirs if not shuffles or each.identity == theirs[0].identity]
    moved = (*(each.change for each in theirs), sum(same, ZERO))
    return any(abs(change - amount) <= abs(amount) / 4 for change in moved)


def _tells_positions_apart(schedule: Schedule) -> bool:
    """Whether a read of one declared position tells that it was closed and opened again."""
    return schedule.exchange in {"okx", "bitget"} and len(schedule.aims) == 1


def _is_blank(schedule: Schedule) -> bool:
    """Whether the ledger says for ever that it is empty."""
    return any(each.where == "ledger" and each.n == 0 and each.how in _BLANK for each in schedule.happenings)


def _may_look_undone(simulation: Simulation, amount: Decimal) -> bool:
    """Whether the ledger was later than the grace while somebody took away what we added, or the other way round."""
    schedule = simulation.schedule
    moved = [effect.change for effect in simulation.books.effects if effect.actor != "api"]
    undone = any(abs(change + amount) <= abs(amount) / 2 for change in (*moved, sum(moved, ZERO)))
    return undone and any(ledger > schedule.grace for _, ledger in schedule.replicas)


def _known(journal: bytes) -> Iterator[tuple[str, int, Decimal, IntentStatus | None, bool]]:
    """The last word on every margin intent: address, signed timestamp, signed amount, outcome (None: none), and whether
    a yes was journalled."""
    intents: dict[str, tuple[str, int, Decimal]] = {}
    outcomes: dict[str, IntentStatus] = {}
    said_yes: set[str] = set()
    for line in journal.split(b"\n")[:-1]:
        if b'"kind":"intent"' not in line and b'"kind":"outcome"' not in line:
            continue
        try:
            value = json.loads(line)
        except ValueError:  # a hole that a failed flush left
            continue
        if value["kind"] == "outcome":
            outcomes[value["intent_id"]] = IntentStatus(value["known"])
            if value["known"] == IntentStatus.ACCEPTED:
                said_yes.add(value["intent_id"])
        elif value["amount"] is not None:
            amount = Decimal(value["amount"])
            amount = amount if value["action"] == "add_margin" else -amount
            intents[value["intent_id"]] = (value["address"], value["signed_at_ms"], amount)
    for intent, (address, signed_ms, amount) in intents.items():
        yield address, signed_ms, amount, outcomes.get(intent), intent in said_yes


def _revised(schedule: Schedule) -> bool:
    """Whether the state file that the last run read, and all further ones read, is the revised one."""
    return bool(schedule.runs) and schedule.runs[-1].revised


def _place(schedule: Schedule, number: int) -> tuple[str, str]:
    address = address_of(schedule, number)
    return (address.symbol, address.side.value)


def _exit(ran: Ran) -> int | None:
    return None if ran.result is None else ran.result.exit_code


__all__ = ["FURTHER_RUNS", "TIME", "TRAITS", "Verdict", "at_every_instant", "at_the_end", "verdict"]
