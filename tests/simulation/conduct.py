"""What a run may not do although no margin moves wrongly: how often it sends, how long it holds, and why it gives up.

Each judge says in which worlds its promise holds; in the others it is silent.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from reconcile.exchanges.catalogue import TRAITS
from reconcile.exchanges.http.retry import READ_ATTEMPTS
from reconcile.model.plan import Entry, OutcomeKind, Status
from reconcile.protocol.rules import ADDS_UP
from reconcile.protocol.timing import ATTEMPTS
from tests.simulation.declare import address_of
from tests.simulation.ledger import EXACT
from tests.simulation.schedule import CRASHES, LIES, QUEUED, READS, WRITE, Happening, Schedule
from tests.simulation.simulation import Ran, Simulation

UNKNOWN = 5
"""The exit code of a run that cannot tell what a call did."""
SHUFFLES = {"fill", "part", "close", "reopen", "flip", "crossed"}
"""What changes a position itself."""
_SHORT = "not enough free balance"


def misconduct(simulation: Simulation) -> Iterator[str]:
    """What the runs of a world did that they may not do."""
    yield from _sent_after_a_stop(simulation)
    yield from _sent_too_often(simulation)
    yield from _needlessly_short(simulation)
    yield from _needlessly_unknown(simulation)
    yield from _needlessly_held(simulation)
    yield from _blind(simulation)


def unknown_may_stay(schedule: Schedule) -> bool:
    """Whether a run may never find out what a call did. A call of ours that its journal lost is another party's, and
    its row may be either side's."""
    is_lost = any(each.where == "journal" for each in schedule.happenings) and _shares_a_symbol(schedule)
    return schedule.others or is_lost or any(each.how in LIES for each in schedule.happenings)


def _sent_after_a_stop(simulation: Simulation) -> Iterator[str]:
    """A run that is asked to stop sends nothing more. One that is suspended is asked only when it wakes."""
    if any(each.how == "suspend" for each in simulation.schedule.happenings):
        return
    for call in simulation.written:
        stopped_ms = simulation.ran[call.run].stopped_ms
        if stopped_ms is not None and call.sent_ms > stopped_ms:
            yield f"run {call.run} was asked to stop at {stopped_ms} ms, and sent {call.address} at {call.sent_ms} ms"


def _sent_too_often(simulation: Simulation) -> Iterator[str]:
    """A step is tried four times at most; with bands a run may have several steps of one address."""
    if simulation.schedule.limits is not None:
        return
    for (run, address), count in Counter((call.run, call.address) for call in simulation.written).items():
        if count > ATTEMPTS:
            yield f"run {run} sent {count} calls of {address}, and may send {ATTEMPTS}"


def _needlessly_short(simulation: Simulation) -> Iterator[str]:
    """No addition is given up for want of balance where, at the end of its run, all that is missing is free. Others,
    late reads, what is sent beside the run, and a call of another address in doubt may hide that from it."""
    schedule = simulation.schedule
    is_alone = not (schedule.others or schedule.replicas or schedule.outside or any(go.beside for go in schedule.runs))
    is_open = len(schedule.aims) > 1 and any(each.where == WRITE for each in schedule.happenings)
    if not is_alone or is_open or schedule.limits is not None or schedule.lag or not _is_one_answer(schedule):
        return
    for ran in simulation.ran:
        if ran.result is None or ran.missing > ran.free - schedule.floor:
            continue
        for step in ran.result.steps:
            if step.outcome is OutcomeKind.SKIPPED and step.detail.startswith(_SHORT):
                yield f"run {ran.number} says of {step.address} {step.detail}, and {ran.free} were free"


def _needlessly_unknown(simulation: Simulation) -> Iterator[str]:
    """Whether a run left it open what its call did, although but for kills at most one answer went wrong, a call's or a
    read's, and reads keep to the grace. A row that is dated after its yes may look like the next equal step's."""
    schedule = simulation.schedule
    if _is_queued(schedule):
        return
    if schedule.outside or not schedule.in_time or unknown_may_stay(schedule) or not _is_one_answer(schedule):
        return
    for ran in simulation.ran:
        if ran.result is not None and ran.result.exit_code == UNKNOWN:
            yield f"run {ran.number} does not know what a call did, and nothing else was wrong"


def _needlessly_held(simulation: Simulation) -> Iterator[str]:
    """Where only we move margin and reads keep to the grace, none is in doubt two graces after the last effect. A row
    that is dated after its yes may look like another party's to the next equal step, which may then hold."""
    schedule = simulation.schedule
    if _is_queued(schedule):
        return
    is_told = schedule.ledger == EXACT and schedule.limits is None and not _shares_a_symbol(schedule)
    is_kept = len({go.home for go in schedule.runs}) <= 1 and not any(
        each.where == "journal" for each in schedule.happenings
    )
    if schedule.others or schedule.outside or not schedule.in_time or not is_kept or not is_told:
        return
    for ran in simulation.ran:
        holds = [(at_ms, at_ms, line) for at_ms, line in ran.holds]
        for from_ms, until_ms, line in (*holds, *_held_at_last(ran)):
            if simulation.exchange_ms(from_ms) > _last_effect_ms(simulation, until_ms) + 2 * schedule.grace:
                yield f"run {ran.number} holds what nobody moved: {line}"


def _is_one_answer(schedule: Schedule) -> bool:
    """Whether but for kills and reads that are late at most one answer goes wrong. A read that fails is tried four
    times, but an empty list is an answer."""
    wrong = [each for each in schedule.happenings if each.how not in CRASHES and not each.how.startswith("stale")]
    if not all(each.where in {WRITE, *READS} and each.n for each in wrong) or len({each.where for each in wrong}) > 1:
        return False
    numbers = [each.n for each in wrong]
    tries = 1 if any(each.where == WRITE or _shows_nothing(each) for each in wrong) else READ_ATTEMPTS
    return not wrong or max(numbers) - min(numbers) < tries


def _is_queued(schedule: Schedule) -> bool:
    """Whether a call may take effect later than its yes."""
    return any(each.how in QUEUED for each in schedule.happenings)


def _shares_a_symbol(schedule: Schedule) -> bool:
    """Whether the rows of two addresses cannot be told apart: both sides of a symbol, in a ledger that names none."""
    symbols = {aim.symbol for aim in schedule.aims}
    return TRAITS[schedule.exchange].lane.value == "symbol" and len(symbols) < len(schedule.aims)


def _last_effect_ms(simulation: Simulation, until_ms: int) -> int:
    times = (effect.time_ms for effect in simulation.books.effects)
    return max((each for each in times if each <= simulation.exchange_ms(until_ms)), default=0)


def _held_at_last(ran: Ran) -> Iterator[tuple[int, int, str]]:
    """The doubts about readings with which a run ends; the look was taken between its start and its end."""
    for entry in _left(ran):
        if entry.hold is not None and entry.hold.by == ADDS_UP.name:
            yield ran.started_ms, ran.ended_ms, f"{entry.address}: {entry.hold.reason}"


def _blind(simulation: Simulation) -> Iterator[str]:
    """One empty list of positions, at any look of a run, is no reason to wait for a position that the run before it
    has seen."""
    schedule = simulation.schedule
    empty = [each for each in schedule.happenings if each.where == "positions" and _shows_nothing(each)]
    moved = any(each.how in SHUFFLES or each.where == "journal" for each in schedule.happenings)
    if len(empty) != 1 or not empty[0].n or moved or schedule.limits is not None:
        return
    known = {address_of(schedule, number) for number in range(len(schedule.aims))}
    for before, ran in zip(simulation.ran, simulation.ran[1:], strict=False):
        is_first = empty[0].n > ran.looks and not ran.go.beside
        if not is_first or before.result is None or before.result.errors or before.go.home != ran.go.home:
            continue
        for entry in _left(ran):
            if entry.status is Status.WAITING and entry.address in known:
                yield f"run {ran.number} waits for {entry.address} to be opened, which was open all the time"


def _shows_nothing(each: Happening) -> bool:
    return each.how == "empty" or each.how.startswith("odd:")


def _left(ran: Ran) -> Sequence[Entry]:
    """What a run leaves undone, or a plan shows."""
    shown = () if ran.plan is None else ran.plan.accounts[0].entries
    return (*shown, *(() if ran.result is None else ran.result.remaining))
