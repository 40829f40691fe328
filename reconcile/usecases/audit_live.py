"""``reconcile audit diff RUN live``: what moved since a run, told as a run that ended now would tell it. Reads only.

The journal tells what moved between the run and the last one that looked; the exchange's ledger tells the rest.
"""

from collections.abc import Sequence
from dataclasses import replace

from reconcile.audit.comparing import between_runs, compared, held_runs
from reconcile.audit.run_log import OnBreak, raising
from reconcile.concurrency import gather_all
from reconcile.journal.state import JournalState
from reconcile.model.account import Address, MarginType, Target, Tolerance
from reconcile.model.reports import Comparison, Margin, Run
from reconcile.money import ZERO
from reconcile.render.common.values import rfc3339
from reconcile.usecases.account import grace_ms, guarded_look
from reconcile.usecases.movements import AccountInterval, moved_since_the_last_look
from reconcile.usecases.status import account_of
from reconcile.usecases.world import World

LIVE = "live"


async def compare_with_live(world: World, start: str, *, on_break: OnBreak = raising) -> list[Comparison]:
    """Every account of a run, then and now. Raises InputError, ReadFailed, JournalError, and ChainBroken for its own.

    ``on_break`` is told of every broken journal.
    """
    early = held_runs(world.store, start, on_break=on_break)
    return list(await gather_all(_compare_one(world, run) for run in early))


async def _compare_one(world: World, early: Run) -> Comparison:
    reader = world.reader(account_of(early.start)).adapter
    await reader.sync_time()
    state, between = world.store.read(early.identity), between_runs(world.store, early.identity, early, None)
    desired = replace(account_of(early.start), targets=_addresses(state, [early, *between]))
    look, held = await guarded_look(world, desired, reader, state)
    grace = grace_ms(desired, reader)
    span = AccountInterval(desired=desired, reader=reader, state=state, look=look, grace_ms=grace)
    now = await _run_that_ends_now(span, early, at=rfc3339(world.clock.wall_ms()))
    found = compared(early, now, [*between, now])
    doubts = [f"{address} is held: {hold.reason}" for address, hold in held.items()]
    if world.store.read(early.identity).head != state.head:
        doubts.append("a run is at work on this account: run again when it has ended")
    return replace(found, problem="; ".join(part for part in (found.problem, now.moved_problem, *doubts) if part))


def _addresses(state: JournalState, several: Sequence[Run]) -> tuple[Target, ...]:
    """Each address that a run declared, moved or saw, held against the margin that was seen there last."""
    places = {place: ZERO for run in several for place in run.declared}
    places |= {step.address: ZERO for run in several for step in run.steps if step.amount is not None}
    places |= {place: each.isolated_margin for place, each in state.margins.live.items()}
    exact = Tolerance(value=ZERO, percent=False)
    return tuple(
        Target(address=Address.parse(place), margin_type=MarginType.ISOLATED, isolated_margin=margin, tolerance=exact)
        for place, margin in sorted(places.items())
    )


async def _run_that_ends_now(span: AccountInterval, early: Run, *, at: str) -> Run:
    """The report of a run that ended with this look and sent nothing."""
    told = await moved_since_the_last_look(span, span.reader.ledgers)
    return Run(
        identity=early.identity,
        run_id=LIVE,
        command="",
        started_at=at,
        first_line=0,
        finished_at=at,
        start=early.start,
        live={
            str(address): Margin(isolated_margin=position.isolated_margin, asset=position.asset, size=position.size)
            for address, position in span.look.positions.items()
            if position.is_open and position.margin_type is MarginType.ISOLATED
        },
        live_at_ms=span.look.sent_at_ms,
        moved=None if told is None else told.by_address,
        moved_problem="" if told is None else told.problem,
    )
