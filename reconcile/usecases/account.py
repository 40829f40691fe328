"""One account's way through a use case; every failure on it becomes that account's own error and exit code."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from reconcile import statefile
from reconcile.connect import secrets
from reconcile.errors import (
    Declined,
    InputError,
    InternalError,
    Interrupted,
    JournalError,
    ReadFailed,
    ReconcileError,
    RefusalKind,
)
from reconcile.exchanges.base import Reader, lane_of
from reconcile.journal.records import IntentStatus
from reconcile.journal.state import JournalState
from reconcile.model.account import Address, DesiredAccount, ObservedAccount, Percent
from reconcile.model.holds import AT_WORK, Hold, held_by
from reconcile.model.plan import AccountPlan, PlanError
from reconcile.model.traits import Scope
from reconcile.money import plain
from reconcile.planning import order
from reconcile.planning.target_globs import matches, unmatched
from reconcile.planning.templates import expanded, template_of
from reconcile.protocol.earlier import Earlier
from reconcile.protocol.freshness import sound_look
from reconcile.protocol.timing import FRESH_LOOKS
from reconcile.usecases.limits_in_force import looser_than_at
from reconcile.usecases.world import Connection, World

_KEYS = {InputError: "input", JournalError: "journal", InternalError: "internal"}
"""The keys of errors that have a message and exit code 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The declared state to act on: ``targets`` are globs (empty: all), ``overrides`` by account and policy key.

    ``headroom`` is how much more than planned an addition for a measure may become.
    """

    targets: tuple[str, ...] = ()
    overrides: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    headroom: Percent | None = None

    def of(self, desired: DesiredAccount) -> DesiredAccount:
        """The account with its overrides in force. Raises UsageError."""
        for key, value in self.overrides.get(desired.name, {}).items():
            desired = statefile.override(desired, f"{key}={value}")
        return desired

    def addresses(self, desired: DesiredAccount) -> Collection[Address] | None:
        """The selected addresses, None for all."""
        if not self.targets:
            return None
        return tuple(
            t.address for t in desired.targets if any(matches(glob, desired.name, t.address) for glob in self.targets)
        )

    def outside(self, desired: DesiredAccount) -> int:
        """The number of declared addresses that are not selected."""
        chosen = self.addresses(desired)
        return 0 if chosen is None else len(desired.targets) - len(chosen)


def grace_ms(desired: DesiredAccount, reader: Reader) -> int:
    """The longest lag of effects, reads and ledger rows, as declared or as the exchange's traits say."""
    return desired.grace_ms if desired.grace_ms is not None else reader.traits.grace_ms


def held_addresses(state: JournalState, desired: DesiredAccount, reader: Reader) -> dict[Address, Hold]:
    """The declared addresses whose lane has an unsettled step; those of templates too."""
    held: dict[Address, Hold] = {}
    addresses = [target.address for target in desired.targets]
    addresses += [
        item.intent.address
        for item in state.unsettled.values()
        if template_of(desired.templates, item.intent.address) is not None
    ]
    for address in addresses:
        item = state.unsettled.get(lane_of(reader.traits, address))
        if item is None:
            continue
        intent = item.intent
        moved = plain(intent.amount) if intent.amount is not None else intent.wanted
        what = f"{intent.action} {moved} of {intent.address}"
        known = "has no outcome yet" if item.known is None else f"is {item.known}"
        advice = (
            "see reconcile status, and reconcile resolve"
            if item.known is IntentStatus.UNKNOWN
            else "the next apply settles it"
        )
        held[address] = Hold(
            by=held_by(item.known),
            reason=f"an earlier step ({what}, {item.since}) {known}; {advice}",
        )
    return held


async def check_not_frozen(world: World, desired: DesiredAccount, *identities: str) -> None:
    """Raise Declined (key ``frozen``) where nothing may be sent for the account, JournalError where none can tell."""
    reason = await world.frozen(desired.name, *identities)
    if reason is not None:
        raise Declined("frozen", f"starting {desired.name}: {reason}; lift the freeze to go on")


def at_work(before: JournalState, after: JournalState, desired: DesiredAccount, reader: Reader) -> dict[Address, Hold]:
    """The declared addresses whose lane has a step that began or ended between two readings of the journal."""
    hold = Hold(by=AT_WORK, reason="a run was at work on it while it was read; look again when that run has ended")
    lanes = {target.address: lane_of(reader.traits, target.address) for target in desired.targets}
    return {
        address: hold
        for address, lane in lanes.items()
        if (before.effects.get(lane), before.unsettled.get(lane))
        != (after.effects.get(lane), after.unsettled.get(lane))
    }


async def guarded_look(
    world: World,
    desired: DesiredAccount,
    reader: Reader,
    state: JournalState,
    *,
    patience_ms: int = 0,
    earlier: Earlier | None = None,
    reuse: ObservedAccount | None = None,
) -> tuple[ObservedAccount, dict[Address, Hold]]:
    """A look to conclude from, and the declared addresses of which it tells nothing.

    Those whose margin may predate our own last step, and those that an unsettled step holds. ``patience_ms``,
    ``earlier`` and ``reuse`` as for ``sound_look``. Raises ReadFailed.
    """

    async def pause(milliseconds: int, why: str) -> None:
        if why:
            world.progress(f"{desired.name}: {why}")
        await world.clock.sleep(milliseconds)

    look, unsound = await sound_look(
        desired,
        reader,
        state,
        grace_ms=grace_ms(desired, reader),
        pause=pause,
        patience_ms=patience_ms,
        earlier=earlier,
        reuse=reuse,
    )
    return look, {**unsound, **held_addresses(state, desired, reader)}


async def with_templates(
    desired: DesiredAccount, reader: Reader, *, seen: ObservedAccount | None = None
) -> DesiredAccount:
    """The account with the targets that its templates make of the positions that are open now.

    ``seen`` is a look to take them from; None takes one where there are templates. Raises ReadFailed, Declined.
    """
    if not desired.templates:
        return desired
    look = seen or await reader.observe(desired.types, measured=desired.measured)
    return expanded(desired, look, by_symbol=reader.traits.margin_type_scope is Scope.SYMBOL)


async def expanded_look(
    world: World, desired: DesiredAccount, reader: Reader, state: JournalState
) -> tuple[DesiredAccount, ObservedAccount, dict[Address, Hold]]:
    """As ``guarded_look``, led by the account with the targets that its templates make.

    A position that opens meanwhile is looked at again, so that it is not taken for undeclared.
    """
    wider = await with_templates(desired, reader)
    look, held = await guarded_look(world, wider, reader, state)
    for _ in range(FRESH_LOOKS):
        again = await with_templates(wider, reader, seen=look)
        if len(again.targets) == len(wider.targets):
            break
        wider = await with_templates(desired, reader, seen=look)
        look, held = await guarded_look(world, wider, reader, state)
    return wider, look, held


async def plan_account(
    world: World,
    desired: DesiredAccount,
    connection: Connection[Reader],
    state: JournalState,
    *,
    identity: str,
    plan_id: str,
    selection: Selection,
    patience_ms: int = 0,
    earlier: Earlier | None = None,
    reuse: ObservedAccount | None = None,
) -> AccountPlan:
    """Look and plan; ``patience_ms``, ``earlier`` and ``reuse`` as for ``sound_look``. Templates make no targets here.

    Raises ReadFailed.
    """
    reader = connection.adapter
    look, held = await guarded_look(
        world, desired, reader, state, patience_ms=patience_ms, earlier=earlier, reuse=reuse
    )
    made = order.plan_account(
        desired,
        look,
        held=held,
        traits=reader.traits,
        plan_id=plan_id,
        observed_wall_ms=look.sent_at_ms,
        identity=identity,
        targets=selection.addresses(desired),
        used=state.used_on(look.sent_at_ms),
        headroom=selection.headroom,
    )
    for glob in unmatched(selection.targets, desired) if desired.templates else ():
        world.progress(f"{desired.name}: --target {glob} matches no open position that a template declares")
    return replace(made, looser=looser_than_at(state.last_run, desired), outside_scope=selection.outside(desired))


def failed_plan(desired: DesiredAccount, error: ReconcileError) -> AccountPlan:
    """The plan of an account that could not be planned."""
    plan_error, code = as_error(error, desired)
    return AccountPlan(
        desired=desired, identity=None, observed=None, observed_wall_ms=None, errors=(plan_error,), exit_code=code
    )


def as_error(error: ReconcileError, desired: DesiredAccount | None = None) -> tuple[PlanError, int]:
    """An account's failure as its error and exit code; where its key is refused, with the variables that hold it."""
    match error:
        case Declined():
            found = PlanError(
                key=error.key, message=str(error), asset=error.asset, limit=error.limit, value=error.value
            )
            return found, 4
        case ReadFailed():
            keys = secrets.names(desired) if desired is not None and error.kind is RefusalKind.PERMISSION else ()
            where = f" (this account's are {', '.join(keys)})" if keys else ""
            return PlanError(key="exchange", message=f"{error}{where}"), 1
        case Interrupted():
            return PlanError(key="interrupted", message=str(error)), 130
        case _:
            key = next((key for kind, key in _KEYS.items() if isinstance(error, kind)), "error")
            return PlanError(key=key, message=str(error)), 1
