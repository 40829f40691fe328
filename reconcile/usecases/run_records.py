"""The records of a run in its journal, and the context that its steps get."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from reconcile.errors import ReconcileError
from reconcile.exchanges.base import Writer
from reconcile.journal.base import Journal
from reconcile.journal.details import noted_step
from reconcile.journal.records import NoteRecord, RunFinished, RunStarted
from reconcile.journal.run_end import RunEnd
from reconcile.model.account import Address, DesiredAccount, MarginType, ObservedAccount, Position, Target
from reconcile.model.measures import MeasureBounds
from reconcile.model.notes import NotedEntry, PlanNote
from reconcile.model.plan import AccountPlan, PlanError, SavedPlan, Status, StepResult
from reconcile.model.reports import Margin
from reconcile.model.run_start import RunStart
from reconcile.money import minus
from reconcile.planning.amounts import limit_for
from reconcile.planning.bands import is_inside
from reconcile.protocol.context import Context
from reconcile.protocol.earlier import Earlier
from reconcile.protocol.funds import Reservation
from reconcile.protocol.looks import Observer
from reconcile.protocol.slots import SharedSlots
from reconcile.render.common import limits
from reconcile.render.common.json import Document, digest_of
from reconcile.render.plan.json import entry_document
from reconcile.usecases.account import Selection, grace_ms
from reconcile.usecases.account_identity import Roster
from reconcile.usecases.further import Further
from reconcile.usecases.limits_in_force import recorded
from reconcile.usecases.movements import MovementRecord
from reconcile.usecases.notes import head_of, note, refusal, whose
from reconcile.usecases.world import Connection, World

MOST_NOTED = 1_000
"""The most entries of a plan that go into the journal."""
_LOUD = {Status.CHANGE.value, Status.BLOCKED.value, Status.HELD.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """The facts of one invocation, for all accounts. ``saved`` is the reviewed plan being applied, None otherwise;
    ``slots`` are those of the one wire. ``roster`` tells which accounts are the same, ``further`` what may begin
    beside the plan, None for nothing."""

    run_id: str
    plan_id: str
    command: str
    reason: str | None
    git_commit: str | None
    overrides: Mapping[str, str]
    selection: Selection
    saved: SavedPlan | None
    roster: Roster
    slots: SharedSlots | None = None
    further: Further | None = None

    @property
    def scope(self) -> tuple[str, ...]:
        """The globs that chose the addresses; empty for all."""
        return self.selection.targets if self.saved is None else self.saved.plan.scope


def patience_ms(world: World, facts: RunFacts) -> int:
    """The longest wait of a run for a hold to end: as long as for the lock. A watch does not wait: it looks again."""
    return world.lock_timeout_ms if facts.command == "apply" else 0


async def run_started(
    world: World, desired: DesiredAccount, facts: RunFacts, journal: Journal, cold_until_ms: int | None
) -> RunStarted:
    """The person, command, account, reason and policy of a run, and the head of the notes beside the journal."""
    details = replace(
        _who_and_what(world, desired, facts),
        limits=recorded(desired, facts.overrides, journal.state.last_run),
        journal_place=journal.place,
        notes_head=await head_of(world, journal.identity),
    )
    return RunStarted(
        host=world.host,
        command=facts.command,
        cold_until_ms=cold_until_ms,
        details=details,
        machine=world.machine,
    )


async def note_refused(
    world: World, desired: DesiredAccount, facts: RunFacts, identity: str, error: ReconcileError
) -> str | None:
    """Note a run that ended before it held the account: everything that a started run tells, and why it was not.

    ``identity`` is the journal's, empty where it was not known yet. Returns the head of the notes, None without one.
    """
    account = identity or await whose(world, desired, error)
    record = refusal(world, error, command=facts.command, start=_who_and_what(world, desired, facts))
    return await note(world, account, record, name=desired.name, run_id=facts.run_id, command=facts.command)


def planned(facts: RunFacts, plan: AccountPlan) -> NoteRecord:
    """The note of a plan: its digest, and the entries that are not simply in sync (``MOST_NOTED`` of them)."""
    entries = [entry_document(entry) for entry in plan.entries]
    pinned = facts.saved.digest if facts.saved else digest_of({"plan_id": facts.plan_id, "entries": entries})
    loud = [_noted(entry) for entry in entries if entry["status"] in _LOUD]
    note = PlanNote(
        plan_id=facts.plan_id,
        digest=pinned,
        counts=dict(Counter(entry["status"] for entry in entries)),
        entries=tuple(loud[:MOST_NOTED]),
        errors=tuple(error.key for error in plan.errors),
    )
    return NoteRecord(what=note.what, details=note)


def _noted(entry: Document) -> NotedEntry:
    return NotedEntry(
        **{key: entry[key] for key in ("address", "status", "blocked_by", "reason", "asset")},
        template=(entry["desired"] or {}).get("template"),
        steps=tuple(map(noted_step, entry["steps"])),
    )


def _who_and_what(world: World, desired: DesiredAccount, facts: RunFacts) -> RunStart:
    return RunStart(
        actor=world.actor,
        reason=facts.reason,
        tool_version=world.version,
        git_commit=facts.git_commit,
        plan_id=facts.plan_id,
        digest=facts.saved.digest if facts.saved else None,
        overrides=dict(facts.overrides),
        scope=facts.scope,
        account=desired.name,
        exchange=desired.exchange,
        endpoint=desired.endpoint,
        product=desired.product,
        credentials=desired.credentials,
        position_mode=desired.position_mode,
        grace_ms=desired.grace_ms,
        state_file=desired.path,
        state_sha256=desired.sha256,
        includes=limits.includes(desired).get("includes"),
        policy=limits.policy(desired.policy),
    )


def run_finished(
    plan: AccountPlan,
    look: ObservedAccount | None,
    told: MovementRecord | None,
    results: Sequence[StepResult],
    *,
    exit_code: int,
    errors: Sequence[PlanError],
    first: AccountPlan | None = None,
    unproven: Collection[Address] = (),
) -> RunFinished:
    """The record of a run's end: outcomes, declared values, live values at the last look, and moves until then.

    Addresses that are held in the plan, or were in the ``first`` one, are not noted as in place. Nor are the
    ``unproven``: the last look may show an earlier margin of them.
    """
    entries = (*plan.entries, *(() if first is None else first.entries))
    held = (entry.address for entry in entries if entry.status is Status.HELD)
    doubted = {str(address) for address in (*held, *unproven)}
    live = {
        str(address): Margin(
            isolated_margin=position.isolated_margin,
            size=position.size,
            asset=position.asset,
            mark_price=position.mark_price,
            liquidation_price=position.liquidation_price,
        )
        for address, position in (look.positions if look is not None else {}).items()
        if position.is_open and position.margin_type is MarginType.ISOLATED
    }
    declared = {
        str(target.address): target.isolated_margin
        for target in plan.desired.targets
        if target.isolated_margin is not None
    }
    return RunFinished(
        details=RunEnd(
            exit_code=exit_code,
            errors=tuple(error.message for error in errors),
            error_keys=tuple(error.key for error in errors),
            outcomes={result.step_id: str(result.outcome) for result in results},
            declared=declared,
            tolerance={} if look is None else _tolerances(plan.desired, look),
            bands=_bands(plan.desired),
            out_of_place=frozenset() if look is None else frozenset({*_out_of_place(plan.desired, look), *doubted}),
            live=live,
            live_at_ms=None if look is None else look.sent_at_ms,
            moved=None if told is None else told.by_address,
            moved_problem="" if told is None else told.problem,
        )
    )


def _bands(desired: DesiredAccount) -> dict[str, MeasureBounds]:
    """The bounds of each declared risk measure."""
    return {
        str(target.address): MeasureBounds(measure=target.band.measure, bounds=target.band.bounds)
        for target in desired.targets
        if target.band is not None
    }


def _tolerances(desired: DesiredAccount, look: ObservedAccount) -> dict[str, Decimal]:
    """By declared address that has a position: what live may differ by before it counts as drift."""
    return {
        str(target.address): target.tolerance.amount(_margin(target, position), position.asset)
        for target in desired.targets
        if target.declares_margin and (position := look.positions.get(target.address)) is not None
    }


def _out_of_place(desired: DesiredAccount, look: ObservedAccount) -> list[str]:
    """The declared margins that live was not within the tolerance of."""
    found = []
    for target in desired.targets:
        position = look.positions.get(target.address)
        if not target.declares_margin or position is None or not position.is_open:
            continue
        gap = abs(minus(position.isolated_margin, _margin(target, position)))
        is_within = gap <= target.tolerance.amount(_margin(target, position), position.asset)
        if not (is_within if target.band is None else is_inside(target, position)):
            found.append(str(target.address))
    return found


def _margin(target: Target, position: Position) -> Decimal:
    """The declared amount; where a measure is declared, the margin as it is, which the tolerance is a share of."""
    return position.isolated_margin if target.isolated_margin is None else target.isolated_margin


def make_context(
    world: World,
    desired: DesiredAccount,
    connection: Connection[Writer],
    journal: Journal,
    *,
    halted: Callable[[], Awaitable[str | None]],
) -> Context:
    """Everything that the conduct of this account's steps is handed."""
    writer = connection.adapter
    grace = grace_ms(desired, writer)
    least, own = desired.policy.min_available, journal.state.free.amounts
    reservation = Reservation(grace_ms=grace, minimum=lambda asset: limit_for(least, asset), reckoned=own.get)
    if journal.state.calls:
        reservation.recall(journal.state, now_ms=writer.time.earliest())
    return Context(
        desired=desired,
        writer=writer,
        journal=journal,
        earlier=Earlier(writer, desired, journal.state, grace_ms=grace),
        observer=Observer(writer, desired.types, world.clock, measured=desired.measured),
        reservation=reservation,
        clock=world.clock,
        new_id=world.new_id,
        progress=world.progress,
        trace=world.trace,
        halted=halted,
        stop=world.stop,
        grace_ms=grace,
        validity_ms=writer.traits.validity_ms,
        targets={target.address: target for target in desired.targets},
    )
