"""``reconcile audit diff RUN live``: what moved since a run, by the exchange's own ledger. Reads only."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from reconcile.audit.comparing import assets_of, between_runs, changes, held_runs
from reconcile.audit.movements import OURS, UNEXPLAINED, margins
from reconcile.audit.run_log import OnBreak, raising
from reconcile.concurrency import gather_all
from reconcile.errors import ReadFailed
from reconcile.evidence.explain import CLOSED, OPENED
from reconcile.evidence.rows import CLOCK_AHEAD_MS
from reconcile.exchanges.base import Reader, shares_symbol
from reconcile.model.account import Address, DesiredAccount, MarginType, ObservedAccount
from reconcile.model.ledger import Cause, LedgerRow
from reconcile.model.reports import Comparison, Movement, Run, StepTaken
from reconcile.money import ZERO, minus, plain
from reconcile.planning.moves import amount_step
from reconcile.render.values import rfc3339
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
    desired = account_of(early.start)
    connection = world.reader(desired)
    reader = connection.adapter
    await reader.sync_time()
    before = margins(early)
    addresses = {Address.parse(place) for place in {*before, *early.declared}}
    look = await reader.observe({address.symbol: MarginType.ISOLATED for address in addresses})
    after = {
        str(address): position.isolated_margin
        for address, position in look.positions.items()
        if position.is_open and position.margin_type is MarginType.ISOLATED
    }
    between = between_runs(world.store, early.identity, early, None)
    since_ms = early.live_at_ms or min((step.signed_at_ms for step in early.steps), default=look.sent_at_ms)
    every = sorted({*addresses, *(Address.parse(place) for place in after)}, key=str)
    steps = [step for run in (early, *between) for step in _moved(run) if run is not early or early.live is None]
    movements, problem = await _movements(_LedgerQuery(desired, reader, look, since_ms, steps), every, before, after)
    if early.live is not None:
        movements = [_come_or_gone(each, before, after) for each in movements]
    assets = {**assets_of(early), **{str(place): each.asset for place, each in look.positions.items()}}
    return Comparison(
        account=desired.name,
        identity=early.identity,
        start=early.run_id,
        end=LIVE,
        start_at=early.finished_at or early.started_at,
        end_at=rfc3339(world.clock.wall_ms()),
        addresses=changes(before, after, movements, assets, at=rfc3339(world.clock.wall_ms())),
        problem=problem,
    )


class _LedgerQuery:
    """What the ledger is asked with: the account, its reader, the look, since when, and the steps that were ours."""

    def __init__(
        self, desired: DesiredAccount, reader: Reader, look: ObservedAccount, since_ms: int, steps: Sequence[StepTaken]
    ) -> None:
        self.desired = desired
        self.reader = reader
        self.look = look
        self.since_ms = since_ms
        self.steps = steps


def _moved(run: Run) -> list[StepTaken]:
    return [step for step in (*run.settled, *run.steps) if step.has_moved]


async def _movements(
    asked: _LedgerQuery, addresses: Sequence[Address], before: dict[str, Decimal], after: dict[str, Decimal]
) -> tuple[list[Movement], str]:
    found: list[Movement] = []
    problems: set[str] = set()
    for symbol in sorted({address.symbol for address in addresses}):
        try:
            ledger = await asked.reader.ledger(symbol, since_ms=asked.since_ms)
        except ReadFailed as error:
            problems.add(f"{symbol}: the ledger could not be read ({error})")
            continue
        if not ledger.reaches_back:
            problems.add(f"{symbol}: the exchange's ledger does not reach back that far")
        rows = [row for row in ledger.rows if row.time_ms >= asked.since_ms]
        for address in addresses:
            if address.symbol == symbol:
                found += _of(asked, address, rows)
    for address in addresses:
        place = str(address)
        known = sum((each.change or ZERO for each in found if each.address == place), ZERO)
        rest = minus(minus(after.get(place, ZERO), before.get(place, ZERO)), known)
        if rest != ZERO:
            found.append(_unexplained(place, rest, asked.look.sent_at_ms))
    return sorted(found, key=lambda each: each.at_ms or 0), "; ".join(sorted(problems))


def _of(asked: _LedgerQuery, address: Address, rows: list[LedgerRow]) -> list[Movement]:
    """One address's rows as movements; a row that a step of ours made is taken out of ``rows``."""
    found = []
    for step in asked.steps:
        if step.address == str(address):
            row = _row_of(asked, step, address, rows)
            if row is not None:
                rows.remove(row)
            found.append(_ours(step, row))
    shared = shares_symbol(asked.look, address.symbol)
    return found + [
        Movement(
            at=rfc3339(row.time_ms),
            at_ms=row.time_ms,
            address=str(address),
            asset=row.asset,
            cause=str(row.cause),
            change=row.change,
            outcome="ledger",
            detail=f"ledger row {row.row_id}",
        )
        for row in rows
        if row.side == address.side or (row.side is None and not shared)
    ]


def _row_of(asked: _LedgerQuery, step: StepTaken, address: Address, rows: Sequence[LedgerRow]) -> LedgerRow | None:
    size = amount_step(asked.desired, asked.reader.traits, step.asset or "")
    change = step.change or ZERO
    for row in rows:
        if row.row_id == step.ledger_row:
            return row
        near = step.signed_at_ms - CLOCK_AHEAD_MS <= row.time_ms <= step.fence_ms
        if near and row.side in {None, address.side} and abs(minus(row.change, change)) <= size:
            return row
    return None


def _ours(step: StepTaken, row: LedgerRow | None) -> Movement:
    detail = "; ".join(part for part in (step.answer, step.evidence) if part)
    return Movement(
        at=step.at,
        at_ms=step.signed_at_ms if row is None else row.time_ms,
        address=step.address,
        asset=step.asset or "",
        cause=OURS,
        change=step.change if row is None else row.change,
        before=step.before,
        after=step.after or step.wanted,
        run_id=step.run_id,
        outcome=step.outcome,
        detail=f"{detail}; ledger row {row.row_id}" if row is not None else detail,
    )


def _come_or_gone(movement: Movement, before: dict[str, Decimal], after: dict[str, Decimal]) -> Movement:
    """Fills of a position that was not there then or is not now, and unexplained changes, came or went with it."""
    is_new, is_gone = movement.address not in before, movement.address not in after
    if movement.cause not in {UNEXPLAINED, Cause.FILL} or is_new is is_gone:
        return movement
    cause, what = (OPENED, "came with the position") if is_new else (CLOSED, "went with the position")
    return replace(movement, cause=cause, detail=what if movement.cause == UNEXPLAINED else movement.detail)


def _unexplained(place: str, rest: Decimal, at_ms: int) -> Movement:
    return Movement(
        at=rfc3339(at_ms),
        at_ms=at_ms,
        address=place,
        asset="",
        cause=UNEXPLAINED,
        change=rest,
        outcome="seen",
        detail=f"{plain(rest)} that neither the journal nor the ledger explains",
    )
